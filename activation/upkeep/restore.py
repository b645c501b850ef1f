"""Put a backup in the place of the state (SPEC 10). Edge module.

The backup is checked as a whole before anything is touched, and copied into ``incoming/`` inside the state's folder.
That becomes ``restoring/``, and as long as it stands there every command refuses the state: a kill in between is never
taken for a first run. What was there goes to ``replaced-<instant>/``; then what is in ``restoring/`` takes its place,
the ledger last.
"""

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from muster.activation.errors import InputError, MusterError, RefusedError, StateError
from muster.activation.instants import stamp
from muster.activation.model.history import Run
from muster.activation.model.workspace import Workspace
from muster.activation.state import permissions
from muster.activation.state.folder import RESTORING, StateFolder
from muster.activation.state.ledger import named_files, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import when
from muster.activation.system.disk import checksum, create_file, folder_mode, make_folder, sync
from muster.activation.system.os_errors import system_message
from muster.activation.upkeep.backup import FORM, LEDGER, MANIFEST, digest

_INCOMING = "incoming"
_STAYS = {"lock", _INCOMING, RESTORING}
_ASIDE = ("replaced-", "damaged-")


@dataclass(frozen=True)
class Restored:
    """A backup that took the place of the state."""

    made_at: datetime
    files: int
    aside: str  # where the state that was there is; nothing when there was none
    settled: dict[str, datetime]  # destination/activation to the newest slot that the backup knows to be settled
    again: (
        tuple[Run, ...] | None
    )  # runs that succeeded after the backup, as the state that was there says; None: it cannot be read


def restore(
    workspace: Workspace, state: StateFolder, place: Path, now: datetime, wait: float, *, force: bool
) -> Restored:
    """Check the backup, then put it in place; ``RefusedError`` when there is a state and ``force`` does not say otherwise."""
    if not state.allow_insecure:
        permissions.refuse_insecure(state.folder, state.file_mode)
    with _opened(place) as folder:
        manifest = _checked(folder, place, workspace)
        there = state.folder.exists() and any(path.name not in _STAYS - {RESTORING} for path in state.folder.iterdir())
        if there and not force:
            raise RefusedError(
                f"{state.folder.name}: there is a state; --force puts it aside and the backup in its place"
            )
        try:
            with state.locked(wait):
                return _put_in_place(state, folder, manifest, now)
        except OSError as error:
            raise MusterError(f"{state.folder.name}: the backup cannot be restored: {system_message(error)}") from error


@contextmanager
def _opened(place: Path) -> Iterator[Path]:
    """The backup as a folder. Of a tar file only plain files below it are taken out."""
    if place.is_dir():
        yield place
        return
    with TemporaryDirectory(prefix="muster-") as folder:  # its owner's alone
        try:
            with tarfile.open(place, "r:") as archive:
                for member in archive:
                    _take_out(archive, member, Path(folder), place)
        except FileNotFoundError:
            raise InputError(f"{place}: there is no such backup") from None
        except (tarfile.TarError, OSError, EOFError) as error:
            raise InputError(f"{place}: is no backup that can be read ({system_message(error)})") from error
        yield Path(folder)


def _take_out(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, place: Path) -> None:
    content = archive.extractfile(member) if member.isreg() and is_inside(member.name) else None
    if content is None:
        raise InputError(
            f"{place}: holds {member.name!r}, which `muster state backup` does not write; it is not restored"
        )
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def is_inside(name: str) -> bool:
    """Whether a file's name leads to a place where a file of the state belongs, and nowhere else."""
    path = PurePosixPath(name)
    plain = (
        not path.is_absolute()
        and ".." not in path.parts
        and path.as_posix() == name
        and "\0" not in name
        and "\\" not in name
    )
    return plain and (
        name in {LEDGER, MANIFEST} or (len(path.parts) > 1 and path.parts[0] in named_files.NAMED_FOLDERS)
    )


def _checked(folder: Path, place: Path, workspace: Workspace) -> dict[str, Any]:
    """The manifest of a backup that is whole; ``InputError`` or ``StateError`` that says what is not."""
    manifest = _manifest(folder, place)
    if manifest["workspace"] != workspace.name:
        raise RefusedError(
            f"{place}: is a backup of workspace {manifest['workspace']!r}; this one is {workspace.name!r}"
        )
    for each in manifest["files"]:
        path = folder / each["file"]
        if not is_inside(each["file"]) or path.is_symlink() or not path.is_file():
            raise InputError(f"{place}: {each['file']} is missing or no file; the backup is not restored")
        if path.stat().st_size != each["size"] or checksum(path) != each["sha256"]:
            raise InputError(f"{place}: {each['file']} differs from what was written; the backup is not restored")
    _check_ledger(folder, place, {each["file"]: each["sha256"] for each in manifest["files"]})
    return manifest


def _manifest(folder: Path, place: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        form, whole = manifest["muster_backup"], manifest["checksum"] == digest(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{place}: is no backup: its {MANIFEST} is missing or cannot be read; expected what `muster state "
            f"backup` made"
        ) from None
    if isinstance(form, int) and form > FORM:
        raise StateError(
            f"{place}: the backup was made by a newer muster (form {form}, this one knows {FORM}); upgrade muster"
        )
    if not whole:
        raise InputError(f"{place}: {MANIFEST} differs from what was written; the backup is not restored")
    return dict(manifest)


def _check_ledger(folder: Path, place: Path, known: dict[str, str]) -> None:
    """The ledger of the backup, opened in a copy: nothing is written into a backup."""
    with TemporaryDirectory(prefix="muster-") as scratch:
        copy = Path(scratch) / LEDGER
        shutil.copyfile(folder / LEDGER, copy)
        try:
            with closing(Ledger.open(copy)) as ledger:
                lacking = [
                    each
                    for each in named_files.named(ledger).values()
                    if known.get(each.file) != each.sha256 and each.size >= 0
                ]
        except StateError as error:
            raise StateError(f"{place}: {error}") from error
    if lacking:
        raise InputError(
            f"{place}: {lacking[0].file}, which its ledger names, is not in it; the backup is not restored"
        )


# In place


def _put_in_place(state: StateFolder, backup: Path, manifest: dict[str, Any], now: datetime) -> Restored:
    folder, mode = state.folder, state.file_mode
    shutil.rmtree(folder / _INCOMING, ignore_errors=True)  # of a restore that was killed before it began
    for each in manifest["files"]:
        _copied(backup / each["file"], folder / _INCOMING / each["file"], each["sha256"], mode)
    old = _succeeded(folder / LEDGER)
    aside = _put_aside(folder, now, mode)
    (folder / _INCOMING).rename(folder / RESTORING)
    sync(folder)
    if aside:
        _move(folder, aside, [name for name in _names(folder) if name not in _STAYS and not name.startswith(_ASIDE)])
    _move(folder / RESTORING, folder, sorted(_names(folder / RESTORING), key=lambda name: name == LEDGER))
    (folder / RESTORING).rmdir()
    sync(folder)
    new = _succeeded(folder / LEDGER) or ()
    again = None if old is None else tuple(run for run in old if run.run_id not in {each.run_id for each in new})
    shown = f"{folder.name}/{aside.name}" if aside else ""
    return Restored(when(manifest["made_at"]), len(manifest["files"]), shown, _settled(new), again if shown else ())


def _copied(source: Path, target: Path, sha256: str, mode: int) -> None:
    make_folder(target.parent, mode)
    create_file(target, mode)
    shutil.copyfile(source, target)
    sync(target)
    if checksum(target) != sha256:
        raise InputError(f"{source.name}: the backup changed while it was read; nothing was restored")


def _put_aside(folder: Path, now: datetime, mode: int) -> Path | None:
    """A folder for what is there, if anything is; what an interrupted restore left goes there at once."""
    there = [name for name in _names(folder) if name not in {"lock", _INCOMING} and not name.startswith(_ASIDE)]
    if not there:
        return None
    wanted = f"replaced-{stamp(now)}"
    taken = sum(1 for _ in folder.glob(f"{wanted}*"))
    aside = folder / (f"{wanted}-{taken + 1}" if taken else wanted)
    aside.mkdir()
    aside.chmod(folder_mode(mode))
    if RESTORING in there:
        _swap_barrier(folder, aside)
    return aside


def _swap_barrier(folder: Path, aside: Path) -> None:
    """What an interrupted restore left is put aside; an empty folder goes on saying that one is under way."""
    (aside / RESTORING).mkdir(exist_ok=True)
    _move(folder / RESTORING, aside / RESTORING, _names(folder / RESTORING))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _move(source: Path, target: Path, names: list[str]) -> None:
    for name in names:
        (source / name).rename(target / name)
    sync(source)
    sync(target)


# What it means


def _succeeded(path: Path) -> tuple[Run, ...] | None:
    """The scheduled runs that went through, as a ledger says; None when it cannot be read."""
    try:
        with closing(Ledger.open(path)) as ledger:
            return tuple(
                run for run in runs_table.find(ledger) if run.status == "succeeded" and run.trigger != "on_demand"
            )
    except MusterError:
        return None


def _settled(runs: tuple[Run, ...]) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for run in sorted(runs, key=lambda run: run.scheduled_time):
        newest[run.key] = run.scheduled_time
    return dict(sorted(newest.items()))
