"""The memberships of audiences that rules alone decide, moved on and stored in wide blocks by profile number (E5, E8).

A block is made and written in ranges of numbers, so that memory holds few rows of its many columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import polars as pl

from muster.activation.evaluation.earlier import delivered_profiles, earlier_evaluation
from muster.activation.evaluation.kept_members import KeptMembers
from muster.activation.evaluation.qualify import Decision
from muster.activation.evaluation.record import inputs_record, rule_digest
from muster.activation.evaluation.transitions import Move
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW, TIME_TYPE
from muster.activation.model.history import AudienceEvaluation, StoredFile
from muster.activation.profiles import following
from muster.activation.profiles.following import MovedMemberships
from muster.activation.profiles.members import Members
from muster.activation.profiles.roster_file import marks
from muster.activation.rules.audiences import audience_column
from muster.activation.session import Session
from muster.activation.state import state_paths
from muster.activation.state.block_entered import Chunk, Piece
from muster.activation.state.block_frames import ROW_GROUP
from muster.activation.state.block_layout import columns_of, realized_column, time_column
from muster.activation.state.blocks import write_block, write_large_block
from muster.activation.state.ledger import evaluations_table

WIDTH = 64  # audiences in a block, at most
MANY = 1 << 22  # profiles times audiences, from which it pays to make pages without Polars


def store_in_blocks(
    session: Session,
    names: Sequence[str],
    decision: Decision,
    scope: Literal["all", "some"],
    roster: str,
    *,
    taken: set[str],
) -> Iterator[AudienceEvaluation]:
    """Write the memberships of audiences, and return what the ledger is to keep of them (E8); records nothing.

    ``names`` are audiences of ``decision`` that no feed changes. ``roster`` is the name of the kept roster. ``taken``
    has the files that no block may be named as, and takes those of these blocks.
    """
    id_pages = dict[int, Chunk]()
    numbering = session.opened.numbering
    length, about = numbering.length, marks(roster, numbering.kept_name)  # delivered sets may number others meanwhile
    for first in range(0, len(names), WIDTH):
        block = _Block(session, decision, names[first : first + WIDTH], length)
        file = state_paths.block_file(session.at, taken)
        taken.add(file)
        if block.is_large:
            parts = write_large_block(
                session.state, file, block.pieces(), block.names, at=session.at, metadata=about, id_pages=id_pages
            )
        else:
            parts = write_block(session.state, file, (each.frame for each in block.pieces()), block.names, about)
        block.kept.hand_over(parts, session.state)
        block.kept_earlier.hand_over({name: each.stored for name, each in block.earlier.items()}, session.state)
        for name in block.names:
            yield block.evaluation(name, parts[name], scope, roster)


@dataclass(frozen=True, eq=False)
class _Block:
    """The audiences of one block, and how many profiles moved in the ranges that were made so far."""

    session: Session
    decision: Decision
    names: Sequence[str]
    length: int  # of the numbering when the first block began
    sizes: dict[str, list[int]] = field(default_factory=dict)  # by audience: realized, entered, exited
    _delivered: dict[str, pl.Series | None] = field(default_factory=dict)  # by audience, as ``delivered_profiles``

    @cached_property
    def kept(self) -> KeptMembers:
        """Who is realized now."""
        return KeptMembers(self.session.budget, self.length)

    @cached_property
    def kept_earlier(self) -> KeptMembers:
        """Who was realized in earlier memberships that are parts of blocks: often delivered sets."""
        return KeptMembers(self.session.budget, self.length)

    @cached_property
    def earlier(self) -> dict[str, AudienceEvaluation]:
        """The newest evaluation before this instant, of the audiences that have one."""
        found = {name: earlier_evaluation(self.session, name) for name in self.names}
        return {name: each for name, each in found.items() if each}

    @property
    def is_large(self) -> bool:
        """Whether profiles and audiences are so many that it pays to make pages."""
        return len(self.names) * self.length >= MANY

    @cached_property
    def entered(self) -> Sequence[str]:
        """The audiences of a large block without an earlier evaluation: pages of them take no row for each profile."""
        return [name for name in self.names if name not in self.earlier] if self.is_large else []

    @cached_property
    def _whole(self) -> dict[str, Members]:
        """The earlier memberships of the other audiences, such as those in a file of their own: all numbers at once."""
        session, roster = self.session, self.session.opened.roster
        own = (name for name, each in self.earlier.items() if not roster.has_numbers_of(session.state, each.stored))
        return {name: session.memberships(self.earlier[name], roster) for name in own}

    @cached_property
    def _parts(self) -> list[list[StoredFile]]:
        """The earlier memberships that are parts of blocks, those of one block together."""
        blocks: dict[str, list[StoredFile]] = {}
        for each in self.earlier.values():
            if self.session.opened.roster.has_numbers_of(self.session.state, each.stored):
                blocks.setdefault(each.stored.path, []).append(each.stored)
        return list(blocks.values())

    def pieces(self) -> Iterator[Piece]:
        """The rows of the block, in ranges of numbers; those of ``entered`` audiences apart."""
        self.sizes.update({name: [0, 0, 0] for name in self.names})
        for start in range(0, max(self.length, 1), ROW_GROUP):
            yield self._piece(start, min(ROW_GROUP, self.length - start))

    def _piece(self, start: int, size: int) -> Piece:
        ids = self.session.opened.numbering.stored_ids.slice(start, size).alias(PROFILE_ID)
        before = pl.concat([self._qualified(start, size), *self._before(start, size)], how="horizontal")
        if ids.null_count() and _says_anything(before.filter(ids.is_null())):  # of blanked numbers, forgotten people
            before = before.select(pl.when(pl.lit(ids.is_not_null())).then(pl.all()).name.keep())
        entered = self._count_entered(before)
        moved = self._moved(before, start, size) if len(self.entered) < len(self.names) else []
        return Piece(pl.DataFrame([ids, *moved]), entered)

    def _moved(self, before: pl.DataFrame, start: int, size: int) -> list[pl.Series]:
        """The columns of the other audiences in a range of numbers."""
        moves = {name: self._move(name) for name in self.names if name not in self.entered}
        expired = self._count(before, moves)
        columns: list[pl.Expr] = []
        for name, move in moves.items():
            status, time = move.status, move.moved_time
            kept = self._kept(name, start, size) if name in expired else None
            if kept is not None:
                stays = ~move.is_expired(self.session.workspace.keep_exited) | pl.lit(kept)
                status, time = pl.when(stays).then(status), pl.when(stays).then(time)
            columns += [made.alias(column) for made, column in zip((status, time), columns_of(name), strict=True)]
        moved = engine.collect_inside(before.lazy().select(columns))
        for name in moves:
            self.kept.add(name, moved[realized_column(name)])
        return moved.get_columns()

    def _count_entered(self, before: pl.DataFrame) -> pl.DataFrame:
        """Who is realized in ``entered`` audiences, by audience, added to ``sizes``."""
        qualified = (pl.col(audience_column(name)).fill_null(value=False).alias(name) for name in self.entered)
        found = before.select(qualified)
        for column in found:
            now, came, went = self.sizes[column.name]
            members = int(column.sum())
            self.sizes[column.name] = [now + members, came + members, went]
            is_realized = pl.col(column.name)  # nobody has exited
            self.kept.add(column.name, found.select(pl.when(is_realized).then(is_realized))[column.name])
        return found

    def _move(self, name: str) -> Move:
        has_earlier = name in self.earlier
        nothing = pl.lit(None, pl.Boolean), pl.lit(None, TIME_TYPE)
        realized, time = map(pl.col, columns_of(name)) if has_earlier else nothing
        return Move(pl.col(audience_column(name)), realized, time, self.session.at)

    def _count(self, before: pl.DataFrame, moves: dict[str, Move]) -> list[str]:
        """Add a range to ``sizes``; the audiences with a membership in it that is older than such ones are kept."""
        keep = self.session.workspace.keep_exited
        wanted = [
            column
            for name, move in moves.items()
            for column in (
                move.now.sum().alias(f"now:{name}"),
                (move.now & ~move.was).sum().alias(f"came:{name}"),
                (move.was & ~move.now).sum().alias(f"went:{name}"),
                *([move.is_expired(keep).any().alias(f"old:{name}")] if name in self.earlier else []),
            )
        ]
        found = engine.collect_inside(before.lazy().select(wanted)).row(0, named=True)
        for name in moves:
            counts = (found[f"{kind}:{name}"] or 0 for kind in ("now", "came", "went"))
            self.sizes[name] = [sum(pair) for pair in zip(self.sizes[name], counts, strict=True)]
        return [name for name in self.earlier if found[f"old:{name}"]]

    def _qualified(self, start: int, size: int) -> pl.DataFrame:
        """The decisions of a range of numbers; false for a profile that the snapshot lacks."""
        roster = self.session.opened.roster
        if roster.are_numbers and start + size <= roster.present:
            return self._decided.slice(start, size)
        rows = roster.rows.slice(start, size).alias(ROW).to_frame()
        present = rows.select(pl.when(pl.col(ROW) < roster.present).then(ROW).otherwise(roster.present))[ROW]
        return self._decided[present]

    @cached_property
    def _decided(self) -> pl.DataFrame:
        """The decisions by row of a present profile, and behind them one row for all absent profiles."""
        columns = (self.decision.frame[audience_column(name)] for name in self.names)
        extended = pl.DataFrame([column.extend_constant(value=False, n=1) for column in columns])
        return extended.rechunk()  # rows of many chunks take four times as long to gather

    def _before(self, start: int, size: int) -> Iterator[pl.DataFrame]:
        """The earlier memberships of a range of numbers."""
        for parts in self._parts:
            block = self.session.state.read_block(parts).select(pl.exclude(PROFILE_ID))
            found = engine.collect_inside(block.slice(start, size))
            for each in parts:
                self.kept_earlier.add(str(each.audience), found[realized_column(str(each.audience))])
            yield self._followed(found if found.height == size else _extended(found, size), start)
        if self._whole:
            columns = {name: (each.realized, each.times) for name, each in self._whole.items()}
            yield pl.DataFrame(
                values.slice(start, size).alias(column)
                for name, pair in columns.items()
                for values, column in zip(pair, columns_of(name), strict=True)
            )

    @cached_property
    def _moved_by_merges(self) -> dict[str, MovedMemberships]:
        """The memberships of ids that were merged since the earlier evaluations (P11), by audience in ``_parts``."""
        found = {}
        for each in (part for parts in self._parts for part in parts):
            absorbed = self.session.absorbed_since(self.earlier[str(each.audience)])
            if absorbed is not None:
                found[str(each.audience)] = self._moved_memberships(each, absorbed)
        return found

    def _moved_memberships(self, part: StoredFile, absorbed: pl.DataFrame) -> MovedMemberships:
        numbers, names = following.touched(absorbed), columns_of(str(part.audience))
        block = self.session.state.read_block([part]).select(names).with_row_index(ROW)
        rows = engine.collect_inside(block.filter(pl.col(ROW).is_in(numbers.implode())))
        beside = numbers.alias(ROW).to_frame().join(rows, on=ROW, how="left", maintain_order="left")
        realized, times = (beside[name] for name in names)
        return MovedMemberships.of(realized, times, absorbed)

    def _followed(self, before: pl.DataFrame, start: int) -> pl.DataFrame:
        """Earlier memberships of the numbers from ``start`` on, once they have followed aliases."""
        if not self._moved_by_merges:
            return before
        columns = before.to_dict()
        for name, moved in self._moved_by_merges.items():
            pair = columns_of(name)
            if pair[0] in columns:
                after = moved.put(columns[pair[0]], columns[pair[1]], start)
                columns |= dict(zip(pair, after, strict=True))
        return pl.DataFrame(columns)

    def _kept(self, name: str, start: int, size: int) -> pl.Series | None:
        """Whether a delivered set has each profile of a range, so that it stays; None where everybody stays (E5)."""
        if name not in self._delivered:
            self._delivered[name] = delivered_profiles(self.session, name)
        found = self._delivered[name]
        return None if found is None else found.slice(start, size)

    def evaluation(
        self, name: str, stored: StoredFile, scope: Literal["all", "some"], roster: str
    ) -> AudienceEvaluation:
        """What the ledger is to keep of an audience whose part of the block is stored."""
        session, audiences = self.session, self.session.workspace.audiences
        replaced = evaluations_table.get(session.ledger, name, session.at)
        inputs = inputs_record(session.opened, audiences[name], audiences, roster)
        now, came, went = self.sizes[name]
        generation = replaced.generation + 1 if replaced else 1
        return AudienceEvaluation(
            name, session.at, scope, stored, generation, now, came, went, rule_digest(audiences[name]), inputs
        )


def _says_anything(before: pl.DataFrame) -> bool:
    """Whether rows of decisions and earlier memberships are of anybody who is or was a member."""
    earlier = (realized_column(""), time_column(""))
    return any(
        column.null_count() < len(column) if column.name.startswith(earlier) else bool(column.any())
        for column in before
    )


def _extended(frame: pl.DataFrame, size: int) -> pl.DataFrame:
    """A frame with rows of nulls behind its own, for numbers that were given since."""
    missing = size - frame.height
    return pl.DataFrame([column.extend_constant(None, missing) for column in frame.get_columns()])
