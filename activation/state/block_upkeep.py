"""Blocks of which the ledger does not refer to all audiences any more: written anew without those that went (E8).

A block is written under another name first; one transaction moves every reference; then the former block is removed. A
kill leaves a block that nothing refers to, or one with audiences that went: the next call mends either.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from muster.activation.instants import stamp
from muster.activation.model.history import StoredFile
from muster.activation.model.log import logger
from muster.activation.state import state_paths
from muster.activation.state.block_copy import Copy, without_others
from muster.activation.state.block_digests import intact_layout
from muster.activation.state.block_layout import audiences_in, digest, own_digest, read_layout, shared_digest
from muster.activation.state.files import State
from muster.activation.state.ledger import named_files
from muster.activation.state.ledger.database import Ledger

log = logger("muster.blocks")

Parts = Mapping[str, StoredFile]  # by audience


def drop_unnamed(state: State, ledger: Ledger, files: Iterable[str] | None = None) -> None:
    """Remove from blocks what the ledger does not refer to, by audience or as a whole. With the lock held.

    ``files`` are the paths of the blocks in the state folder, by default all. A block whose footer or profile ids are
    damaged stays as it is. ``ExportError`` when the system refuses.
    """
    named = _named(ledger)
    for file in _there(state.folder) if files is None else files:
        parts = named.get(file)
        if parts is None:
            (state.folder / file).unlink(missing_ok=True)
        elif copy := _copy(state.folder / file, parts):
            stored = _written(state, file, copy, parts, {*named, file})
            with ledger.transaction():
                named_files.move(ledger, {parts[name].file: each for name, each in stored.items()})
            (state.folder / file).unlink()
            named = _named(ledger)


def drop_replaced(state: State, ledger: Ledger, at: datetime) -> None:
    """Take from the blocks of an instant the audiences that were evaluated anew; see ``drop_unnamed``."""
    mine = f"{state_paths.MEMBERSHIPS}/{stamp(at)}"
    drop_unnamed(state, ledger, [file for file in _there(state.folder) if file.startswith(mine)])


def unnamed_bytes(folder: Path, ledger: Ledger) -> int:
    """Return how many bytes ``drop_unnamed`` takes from blocks of which the ledger refers to some audiences."""
    freed = 0
    for file, parts in _named(ledger).items():
        if copy := _copy(folder / file, parts):
            freed += (folder / file).stat().st_size - copy.size
    return freed


def _there(folder: Path) -> Iterator[str]:
    """The blocks in the state folder."""
    for path in sorted((folder / state_paths.MEMBERSHIPS).glob("*.parquet")):
        yield f"{state_paths.MEMBERSHIPS}/{path.name}"


def _named(ledger: Ledger) -> dict[str, dict[str, StoredFile]]:
    """The parts to which the ledger refers, by the path of their block."""
    found: dict[str, dict[str, StoredFile]] = {}
    for each in named_files.parts(ledger):
        found.setdefault(each.path, {})[str(each.audience)] = each
    return found


def _copy(path: Path, parts: Parts) -> Copy | None:
    """The copy of a block without other parts; None where it stays as it is: it has no others, or is damaged."""
    try:
        if parts.keys() >= set(audiences_in(path)):
            return None
        layout = intact_layout(path, shared_digest(next(iter(parts.values())).sha256))
    except (OSError, ValueError):
        layout = None
    if layout is None:
        log.info("%s: it is damaged, and stays as it is", path.name)
        return None
    return without_others(layout, parts.keys())


def _written(state: State, file: str, copy: Copy, parts: Parts, taken: Iterable[str]) -> dict[str, StoredFile]:
    """Write the copy of a block, and return its parts: own digests are those that the ledger has, right or wrong."""
    new = state_paths.next_block_file(file, set(taken))

    def described(path: Path) -> list[StoredFile]:
        layout = read_layout(path)
        shared, size = digest(path, layout.shared), path.stat().st_size
        return [
            replace(
                part,
                file=state_paths.part_of(new, name),
                sha256=f"{own_digest(part.sha256)}.{shared}",
                size=size,
            )
            for name, part in parts.items()
        ]

    stored = state.place(new, copy.from_block(state.folder / file), described, checked=False)
    return {str(each.audience): each for each in stored}
