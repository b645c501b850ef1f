"""A backup in place of the state (SPEC 10).

The backup is checked as a whole before anything is touched, and copied into ``incoming/`` in the state folder. That
becomes ``restoring/``, and as long as it stands there every command refuses the state: a kill in between is never
taken for a first run. The state that was there is moved to ``replaced-<instant>/``; then what is in ``restoring/``
takes its place, the ledger last.
"""

import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from muster.activation.errors import InputError, MusterError, RefusedError
from muster.activation.model.history import Run
from muster.activation.model.workspace import Workspace
from muster.activation.outbox.writing import TEXTS
from muster.activation.state import permissions
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import runs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import when
from muster.activation.state.state_paths import (
    INCOMING,
    LEDGER,
    LOCK,
    OUTBOX,
    REPLACED,
    RESTORING,
    aside_folder,
    is_aside,
)
from muster.activation.system.disk import checksum, create_file, folder_mode, make_folder, sync
from muster.activation.system.os_errors import system_message
from muster.activation.upkeep.backup_reader import checked_manifest, opened_backup


@dataclass(frozen=True)
class Restored:
    """A backup that replaced the state, and what that means for deliveries since."""

    made_at: datetime
    files: int
    aside: str  # the folder of the replaced state; empty when there was none
    settled: dict[str, datetime]  # destination/activation to the newest slot that succeeded before the backup
    runs_since_backup: tuple[Run, ...] | None  # of the replaced state; None when its ledger cannot be read


def restore(
    workspace: Workspace, state: StateFolder, backup: Path, now: datetime, wait: float, *, force: bool
) -> Restored:
    """Check the backup, then replace the state; ``RefusedError`` when there is a state, unless ``force`` is given."""
    if not state.allow_insecure:
        permissions.refuse_insecure(state.folder, state.file_mode)
    with opened_backup(backup) as content:
        manifest = checked_manifest(content, backup, workspace)
        if not force and state.folder.exists() and set(_names(state.folder)) - {LOCK, INCOMING}:
            raise RefusedError(
                f"{state.folder.name}: this workspace already has a state; --force moves it to "
                f"{state.folder.name}/{REPLACED}<time>/ first"
            )
        try:
            with state.locked(wait):
                return _put_in_place(state, content, manifest, now)
        except OSError as error:
            raise MusterError(f"{state.folder.name}: the backup cannot be restored: {system_message(error)}") from error


def _put_in_place(state: StateFolder, content: Path, manifest: dict[str, Any], now: datetime) -> Restored:
    folder, mode = state.folder, state.file_mode
    shutil.rmtree(folder / INCOMING, ignore_errors=True)  # of a restore that was killed before it began
    for each in manifest["files"]:
        _copy(content / each["file"], folder / INCOMING / each["file"], each["sha256"], mode)
    old = _succeeded(folder / LEDGER)
    aside = _aside(folder, now, mode)
    (folder / INCOMING).rename(folder / RESTORING)
    sync(folder)
    if aside:
        for texts in (folder / OUTBOX).glob(f"*/*/*/{TEXTS}"):
            texts.unlink()  # messages of a run that nobody goes on with are kept nowhere (V12)
        _move(folder, aside, _names_of_state(folder, {RESTORING}))
    _move(folder / RESTORING, folder, sorted(_names(folder / RESTORING), key=lambda name: name == LEDGER))
    (folder / RESTORING).rmdir()
    sync(folder)
    new = _succeeded(folder / LEDGER) or ()
    since_backup = None if old is None else tuple(run for run in old if run.run_id not in {each.run_id for each in new})
    shown = f"{folder.name}/{aside.name}" if aside else ""
    return Restored(
        when(manifest["made_at"]), len(manifest["files"]), shown, _settled(new), since_backup if shown else ()
    )


def _copy(source: Path, target: Path, sha256: str, mode: int) -> None:
    make_folder(target.parent, mode)
    create_file(target, mode)
    shutil.copyfile(source, target)
    sync(target)
    if checksum(target) != sha256:
        raise InputError(f"{source.name}: the backup changed while it was read; nothing was restored")


def _aside(folder: Path, now: datetime, mode: int) -> Path | None:
    """Make a folder for the state that is there, if any; what an interrupted restore left is moved there at once."""
    present = _names_of_state(folder)
    if not present:
        return None
    aside = aside_folder(folder, REPLACED, now)
    aside.mkdir()
    aside.chmod(folder_mode(mode))
    if RESTORING in present:
        _empty_barrier(folder, aside)
    return aside


def _empty_barrier(folder: Path, aside: Path) -> None:
    """Move aside what an interrupted restore left; its folder stays, so that commands go on refusing the state."""
    (aside / RESTORING).mkdir(exist_ok=True)
    _move(folder / RESTORING, aside / RESTORING, _names(folder / RESTORING))


def _names_of_state(folder: Path, others: Iterable[str] = ()) -> list[str]:
    """Return the names of the replaced state: all but the lock, the backup, and files that were moved aside before."""
    stays = {LOCK, INCOMING, *others}
    return [name for name in _names(folder) if name not in stays and not is_aside(name)]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _move(source: Path, target: Path, names: list[str]) -> None:
    for name in names:
        (source / name).rename(target / name)
    sync(source)
    sync(target)


def _succeeded(path: Path) -> tuple[Run, ...] | None:
    """Return a ledger's succeeded runs that were not on demand, newest slot first; None when it cannot be read."""
    try:
        with closing(Ledger.open(path)) as ledger:
            found = runs_table.find(ledger)
    except MusterError:
        return None
    return tuple(run for run in found if run.status == "succeeded" and run.trigger != "on_demand" and not run.rewound)


def _settled(runs: tuple[Run, ...]) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for run in sorted(runs, key=lambda run: run.scheduled_time):
        newest[run.key] = run.scheduled_time
    return dict(sorted(newest.items()))
