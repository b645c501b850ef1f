"""Files in the state folder to which the ledger does not refer: a killed command left them, or history was pruned."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from glob import glob
from pathlib import Path, PurePosixPath

from muster.activation.errors import MusterError
from muster.activation.model.log import logger
from muster.activation.state import state_paths
from muster.activation.state.ledger import (
    baselines_table,
    builds_table,
    message_baselines_table,
    named_files,
    runs_table,
)
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import checksum, create_file, sync

log = logger("muster.state")


def clear(folder: Path, ledger: Ledger, file_mode: int) -> None:
    """Remove what a killed command left. With the lock held.

    That is files that were being written, uploads and outboxes of no unfinished run, and delivered sets, views and
    identity graphs to which the ledger does not refer.
    """
    for path in (folder / state_paths.TEMPORARY).iterdir():
        if not path.is_dir():  # muster makes no folder there that outlives a command
            path.unlink(missing_ok=True)
    for path in unnamed_uploads(folder, ledger):
        path.unlink(missing_ok=True)
    remove_unnamed_outboxes(folder, ledger)
    named = baselines_table.files(ledger) | message_baselines_table.files(ledger)
    baselines = folder / state_paths.BASELINES
    # pathlib's glob takes several times as long for many folders
    for file in glob("*/*/*.parquet", root_dir=baselines):  # noqa: PTH207
        if f"{state_paths.BASELINES}/{file}" not in named:
            (baselines / file).unlink(missing_ok=True)
    remove_unnamed_builds(folder, ledger)
    if (folder / state_paths.PRUNING).exists():
        try:
            sweep(folder, ledger, file_mode)
        except MusterError as error:  # a full disk: the next command tries again
            log.warning("%s", error)


def remove_unnamed_outboxes(folder: Path, ledger: Ledger) -> None:
    """Remove outboxes that no unfinished run is sending: unfinished ones, and those of runs that ended (V8, V12)."""
    place = folder / state_paths.OUTBOX
    if not place.is_dir():
        return
    for found in unnamed_outboxes(folder, ledger):
        shutil.rmtree(found, ignore_errors=True)
    for empty in (*sorted(place.glob("*/*")), *sorted(place.glob("*")), place):
        with suppress(OSError):  # it holds something
            empty.rmdir()


def unnamed_outboxes(folder: Path, ledger: Ledger) -> list[Path]:
    """Return the folders of outboxes that no unfinished run is sending."""
    found = sorted((folder / state_paths.OUTBOX).glob("*/*/*"))
    named = {run.outbox["folder"] for run in runs_table.unfinished(ledger) if run.outbox} if found else set()
    return [path for path in found if path.relative_to(folder).as_posix() not in named]


def remove_unnamed_builds(folder: Path, ledger: Ledger) -> None:
    """Remove the files of views and identity graphs to which the ledger does not refer. With the lock held."""
    files = _files_of_builds(folder)
    named = {each.path for each in builds_table.files(ledger)} if files else set()
    for file in files:
        if file not in named:
            remove_of_build(folder, file)


def remove_of_build(folder: Path, file: str) -> None:
    """Remove a file of a build, and the folders of the build and of the policy once they are empty."""
    path = folder / file
    path.unlink(missing_ok=True)
    for parent in (path.parent, path.parent.parent):
        with suppress(OSError):  # it holds something
            parent.rmdir()


def announce_pruning(folder: Path, file_mode: int) -> None:
    """Record, before the ledger forgets files, that they are to be removed: a killed command's successor does so."""
    create_file(folder / state_paths.PRUNING, file_mode)
    sync(folder)


def sweep(folder: Path, ledger: Ledger, file_mode: int) -> None:
    """Remove every file, and every part of a block, to which the ledger does not refer. With the lock held.

    The announcement of pruning goes last. ``ExportError`` when the system refuses to write a block anew.
    """
    if named_files.blocks(ledger):
        from muster.activation.state import block_upkeep  # noqa: PLC0415  # a command rarely sweeps
        from muster.activation.state.files import State  # noqa: PLC0415

        block_upkeep.drop_unnamed(State(folder, file_mode), ledger)
    for file in unnamed_files(folder, ledger):
        if state_paths.is_of_build(file):
            remove_of_build(folder, file)
        else:
            (folder / file).unlink(missing_ok=True)
    (folder / state_paths.PRUNING).unlink(missing_ok=True)


def unnamed_files(folder: Path, ledger: Ledger) -> list[str]:
    """Return the files in the state folder to which the ledger does not refer, as paths relative to it."""
    named = named_files.paths(ledger)
    return [file for file in _files(folder) if file not in named]


def is_intact_roster(folder: Path, file: str) -> bool:
    """Return whether a file of the state is a roster that is named by its checksum, as muster writes them."""
    path = folder / file
    try:
        is_file = path.is_file() and not path.is_symlink()
        return is_file and file == state_paths.roster_file(checksum(path))
    except OSError:
        return False


def unnamed_uploads(folder: Path, ledger: Ledger) -> list[Path]:
    """Return the files that wait for an upload which no run is about to make."""
    waiting = sorted(path for path in (folder / state_paths.STAGING).glob("*") if not path.is_dir())
    if not waiting:
        return []
    named = {PurePosixPath(file.temporary).name for run in runs_table.unfinished(ledger) for file in run.files}
    return [path for path in waiting if path.name not in named]


def _files(folder: Path) -> Iterator[str]:
    for name in state_paths.NAMED_FOLDERS:
        if name not in state_paths.OF_BUILDS:
            yield from sorted(
                path.relative_to(folder).as_posix()
                for path in (folder / name).rglob("*")
                if path.is_file() or path.is_symlink()
            )
    yield from _files_of_builds(folder)


def _files_of_builds(folder: Path) -> list[str]:
    """The files that are named as those of builds; others in these folders are none of muster's."""
    found = (file for name in state_paths.OF_BUILDS for file in glob(f"{name}/*/*/*.parquet", root_dir=folder))  # noqa: PTH207
    return sorted(filter(state_paths.is_of_build, found))
