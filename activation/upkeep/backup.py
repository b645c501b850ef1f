"""A consistent copy of the state: the ledger as of one moment, and every file to which it refers (SPEC 10).

A backup is a folder, or the same in a tar file:

    manifest.json       what is in it, with checksums, and a checksum of itself; written last
    ledger.sqlite
    memberships/ ...    the files to which the ledger refers
    outbox/ ...         of runs that are being sent, without the texts of messages: what is restored is never sent (V8)

No lock is held: other commands read and write meanwhile. Files of the state never change; one that was removed before
it was copied was replaced by a command at work, and the copy begins again with the ledger as of then.
"""

import hashlib
import json
import os
import shutil
import tarfile
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from muster.activation.errors import MusterError, RefusedError, StateError
from muster.activation.instants import iso
from muster.activation.model.history import StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.outbox.answer_log import LOG
from muster.activation.state import state_paths
from muster.activation.state.block_digests import CheckedBlocks
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import named_files
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.schema import SCHEMA_VERSION
from muster.activation.state.state_paths import LEDGER
from muster.activation.system.disk import checksum, create_file, make_folder, sync
from muster.activation.system.os_errors import system_message

MANIFEST = "manifest.json"
FORM = 1  # of the manifest
_MODE = 0o600  # a backup is its owner's alone, whatever `file_mode` lets others do with the state
_ATTEMPTS = 20


@dataclass(frozen=True)
class Backup:
    """A backup that was made."""

    path: str
    made_at: datetime
    files: int
    bytes: int


def back_up(workspace: Workspace, state: StateFolder, target: Path, now: datetime) -> Backup:
    """Copy the state into a new folder, or a new ``.tar``; it appears complete or not at all."""
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise RefusedError(f"{target}: already exists; give a new folder or a new .tar file")
    if target.absolute().is_relative_to(state.folder):
        raise RefusedError(f"{target}: is inside the state folder; give a path outside it")
    working = target.absolute().parent / f".{target.name}.muster-tmp"
    try:
        _clear(working)
        make_folder(working, _MODE)
        manifest = _copy(workspace, state, working, now)
        if target.suffix == ".tar":
            _pack(working, target)
        else:
            if target.exists():
                target.rmdir()
            working.rename(target)
        sync(target.absolute().parent)
    except OSError as error:
        raise MusterError(f"{target}: the backup cannot be written: {system_message(error)}") from error
    finally:
        _clear(working)
    sizes = [each["size"] for each in manifest["files"]]
    return Backup(str(target), now, len(sizes), sum(sizes))


def digest(manifest: dict[str, Any]) -> str:
    """Return the checksum of a manifest's content, its own key ``checksum`` left out."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _clear(working: Path) -> None:
    """Remove what this command, or one that was killed, was writing."""
    shutil.rmtree(working, ignore_errors=True)


def _copy(workspace: Workspace, state: StateFolder, working: Path, now: datetime) -> dict[str, Any]:
    """Copy the state into a working folder and return the manifest."""
    for _ in range(_ATTEMPTS):
        stored = _copy_ledger(state, working)
        by_path = {path: list(parts) for path, parts in groupby(sorted(stored, key=_path), key=_path)}
        lost = [each for path, parts in by_path.items() for each in _copy_file(state.folder, working, path, parts)]
        logs = {log_beside(each.path): each for each in stored if state_paths.kind_of(each.path) == state_paths.OUTBOX}
        lost += [each for log, each in logs.items() if not _copy_log(state.folder / log, working / log)]
        if not lost:
            return _write_manifest(workspace, working, [*by_path, *logs], now)
        if lost[0] in _copy_ledger(state, working):  # the ledger still refers to it: no other command replaced it
            raise StateError(
                f"{state.folder.name}/{lost[0].path}: the file is missing or damaged; see `muster state check`"
            )
    raise MusterError(
        f"{state.folder.name}: the state kept changing during the copy; retry when no other muster command is running"
    )


def _copy_ledger(state: StateFolder, working: Path) -> list[StoredFile]:
    """Copy the ledger and return the files to which it refers.

    A missing roster is not one of them: it only saves time.
    """
    if not state.ledger_path.exists():
        with state.reading():
            raise RefusedError(f"{state.folder.name}: there is no state yet")
    create_file(working / LEDGER, _MODE)
    with state.reading() as ledger:
        ledger.save(working / LEDGER)
    with closing(Ledger.open(working / LEDGER)) as copy:
        named = [*named_files.named(copy).values(), *named_files.of_outboxes(copy)]
    sync(working / LEDGER)
    return [each for each in named if each.size >= 0 or (state.folder / each.path).exists()]


def _copy_file(folder: Path, working: Path, path: str, stored: list[StoredFile]) -> list[StoredFile]:
    """Copy a file of the state; return what of it was not there, or not as it was written."""
    source, target = folder / path, working / path
    make_folder(target.parent, _MODE)
    create_file(target, _MODE)
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        return stored
    sync(target)
    checked = CheckedBlocks()
    return [each for each in stored if not checked.is_intact(target, each)]


def log_beside(file: str) -> str:
    """Return the log of the outbox that a file lies in, by their paths in the state folder."""
    return f"{file.rpartition('/')[0]}/{LOG}"


def _copy_log(source: Path, target: Path) -> bool:
    """Copy the log of an outbox as far as it has come; return whether there is one."""
    make_folder(target.parent, _MODE)
    create_file(target, _MODE)
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        return False
    sync(target)
    return True


def _path(stored: StoredFile) -> str:
    return stored.path


def _write_manifest(workspace: Workspace, working: Path, files: list[str], now: datetime) -> dict[str, Any]:
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
    return manifest


def _pack(working: Path, target: Path) -> None:
    """Pack the working folder into one tar file, which appears complete or not at all."""
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
    temporary.rename(target)
