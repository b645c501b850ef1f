"""A consistent copy of the state: the ledger as it is at one moment, and every file that it names (SPEC 10). Edge module.

A backup is a folder, or the same in a tar file:

    manifest.json       what is in it, with checksums, and a checksum of itself; written last
    ledger.sqlite
    memberships/ ...    the files that the ledger names

No lock is held: others read and write meanwhile. Named files never change; one that was removed before it was copied
was replaced by a command at work, and the copy begins again with the ledger as it is then.
"""

import hashlib
import json
import os
import shutil
import tarfile
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from muster.activation.errors import MusterError, RefusedError, StateError
from muster.activation.instants import iso
from muster.activation.model.history import StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import named_files
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.schema import SCHEMA_VERSION
from muster.activation.system.disk import checksum, create_file, make_folder, sync
from muster.activation.system.os_errors import system_message

MANIFEST, LEDGER = "manifest.json", "ledger.sqlite"
FORM = 1  # of the manifest
_MODE = 0o600  # a backup is its owner's alone, whatever `file_mode` lets others do with the state
_ATTEMPTS = 20


@dataclass(frozen=True)
class Backup:
    """A backup that was made."""

    place: str
    made_at: datetime
    files: int
    bytes: int


def back_up(workspace: Workspace, state: StateFolder, place: Path, now: datetime) -> Backup:
    """Copy the state into a new folder, or a new ``.tar``; it appears complete or not at all."""
    if os.path.lexists(place) and not (place.is_dir() and not any(place.iterdir())):
        raise RefusedError(f"{place}: stands there already; a backup is made in a new place")
    if place.absolute().is_relative_to(state.folder):
        raise RefusedError(f"{place}: is inside the state; a backup belongs elsewhere")
    working = place.absolute().parent / f".{place.name}.muster-tmp"
    try:
        _clear(working)
        make_folder(working, _MODE)
        manifest = _copied(workspace, state, working, now)
        if place.suffix == ".tar":
            _pack(working, place)
        else:
            if place.exists():
                place.rmdir()
            working.rename(place)
        sync(place.absolute().parent)
    except OSError as error:
        raise MusterError(f"{place}: the backup cannot be written: {system_message(error)}") from error
    finally:
        _clear(working)
    sizes = [each["size"] for each in manifest["files"]]
    return Backup(str(place), now, len(sizes), sum(sizes))


def _clear(working: Path) -> None:
    """What this command, or one that was killed, was writing."""
    shutil.rmtree(working, ignore_errors=True)


def _copied(workspace: Workspace, state: StateFolder, working: Path, now: datetime) -> dict[str, list[dict[str, int]]]:
    for _ in range(_ATTEMPTS):
        stored = _copied_ledger(state, working)
        replaced = [file for file in stored if not _copied_file(state.folder, working, file)]
        if not replaced:
            return _described(workspace, working, [each.file for each in stored], now)
        if replaced[0] in _copied_ledger(state, working):  # still named: it was not replaced
            raise StateError(
                f"{state.folder.name}/{replaced[0].file}: the file is missing or damaged; see `muster state check`"
            )
    raise MusterError(f"{state.folder.name}: it changes all the time; make the backup when less is going on")


def _copied_ledger(state: StateFolder, working: Path) -> list[StoredFile]:
    """Copy the ledger, and say which files it names. A roster that is gone is none: it only saves time."""
    if not (state.folder / LEDGER).exists():
        with state.reading():
            raise RefusedError(f"{state.folder.name}: there is no state yet")
    create_file(working / LEDGER, _MODE)
    with state.reading() as ledger:
        ledger.save(working / LEDGER)
    with closing(Ledger.open(working / LEDGER)) as copy:
        named = named_files.named(copy).values()
    sync(working / LEDGER)
    return [each for each in named if each.size >= 0 or (state.folder / each.file).exists()]


def _copied_file(folder: Path, working: Path, stored: StoredFile) -> bool:
    """Copy a file of the state; whether it is there and as it was written."""
    source, target = folder / stored.file, working / stored.file
    make_folder(target.parent, _MODE)
    create_file(target, _MODE)
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        return False
    sync(target)
    return checksum(target) == stored.sha256


def _described(workspace: Workspace, working: Path, files: list[str], now: datetime) -> dict[str, list[dict[str, int]]]:
    listed = [
        {"file": file, "size": (working / file).stat().st_size, "sha256": checksum(working / file)}
        for file in (LEDGER, *sorted(files))
    ]
    manifest = {
        "muster_backup": FORM,
        "workspace": workspace.name,
        "made_at": iso(now),
        "schema": SCHEMA_VERSION,
        "files": listed,
    }
    create_file(working / MANIFEST, _MODE)
    (working / MANIFEST).write_text(json.dumps(manifest | {"checksum": digest(manifest)}, indent=2), encoding="utf-8")
    sync(working / MANIFEST)
    sync(working)
    return manifest  # type: ignore[return-value]  # its other keys are not asked for


def digest(manifest: dict[str, object]) -> str:
    """What tells that a manifest is as it was written."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _pack(working: Path, place: Path) -> None:
    """The folder as one file; it appears complete or not at all."""
    temporary = working / "packed"
    create_file(temporary, _MODE)
    names = [
        path.relative_to(working).as_posix()
        for path in sorted(working.rglob("*"))
        if path.is_file() and path != temporary
    ]
    with tarfile.open(temporary, "w") as archive:
        for name in [MANIFEST, *(name for name in names if name != MANIFEST)]:
            archive.add(working / name, name, recursive=False)
    sync(temporary)
    temporary.rename(place)
