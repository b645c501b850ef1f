"""Files of the state written anew without some people (G8): nothing refers to the new files before ``record``.

memberships   the row of a number stays in a block, without id and values; from other files the rows go
delivered     the rows go; where an exit is still to be sent, a row keeps what the exit needs, until it was sent
decisions     the rows go, and the file says so
rejects       the id goes, the reason stays
numbering     the number stays, without its id
rosters       the number stays, without the digest of the identities
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import polars as pl

from muster.activation.comparison import delivered_set
from muster.activation.export.written_rows import FORGOTTEN_MARK
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, PROFILE_NUMBER, REALIZED, STATUS, TIME
from muster.activation.mapping.kept import COMPARED
from muster.activation.model.history import AudienceEvaluation, Baseline, NumberedProfiles, Run, StoredFile
from muster.activation.profiles import roster_file
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.roster_file import KEPT_DIGEST
from muster.activation.state import state_paths
from muster.activation.state.block_layout import columns_of
from muster.activation.state.blocks import write_block
from muster.activation.state.files import State
from muster.activation.state.ledger import (
    baselines_table,
    erasing,
    evaluations_table,
    named_files,
    numbering_table,
    runs_table,
)
from muster.activation.state.ledger.database import Ledger

_REALIZED_NOW = pl.col(STATUS) == REALIZED


@dataclass(frozen=True)
class HeldByRun:
    """A run whose files hold rows of the erased people, as its recorded decision said before they were erased."""

    run: Run
    rows: int
    paths: tuple[str, ...]  # the files that have the rows, or all of the run where that is not known


@dataclass
class Erasure:
    """The erasure of some people from the files of a state: new files are written, and the ledger knows none of them.

    ``waits`` says of a baseline whether its activation will still send an exit.
    """

    state: State
    ledger: Ledger
    numbering: Numbering
    ids: pl.Series  # String
    waits: Callable[[Baseline], bool]
    rosters: dict[str, str] = field(default_factory=dict)  # by name: the new name
    moves: dict[str, StoredFile] = field(default_factory=dict)  # by what the ledger calls it: memberships
    fewer: list[tuple[AudienceEvaluation, tuple[int, int, int]]] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)  # as they are to be
    decisions: dict[str, StoredFile] = field(default_factory=dict)  # by run
    rejects: dict[str, StoredFile] = field(default_factory=dict)  # by run
    numbered: list[NumberedProfiles] = field(default_factory=list)
    named: set[str] = field(default_factory=set)  # ids of the people whom a file names
    held_by_runs: list[HeldByRun] = field(default_factory=list)
    held_by_sets: list[Baseline] = field(default_factory=list)  # as they were
    _in_memberships: dict[str, pl.DataFrame] = field(default_factory=dict)  # by file or part: their memberships

    def write(self) -> None:
        """Write all files anew that name one of the people. ``StateError`` for one that is damaged."""
        for name in evaluations_table.rosters(self.ledger):
            new = roster_file.write_without(self.state, name, self._numbers, self.ids, self.numbering.name)
            self.rosters |= {} if new is None else {name: new}
        self._write_memberships()
        for baseline in baselines_table.list_all(self.ledger):
            self._write_delivered(baseline)
        for run in runs_table.find(self.ledger):
            self._write_run(run)
        if len(self._numbers):
            self.named.update(self.numbering.ids.gather(self._numbers))
            self.numbered = self.numbering.with_blanked(self._numbers)

    def record(self) -> None:
        """Let the ledger refer to the new files. In a transaction."""
        named_files.move(self.ledger, self.moves)
        for evaluation, fewer in self.fewer:
            erasing.count_fewer(self.ledger, evaluation.audience, evaluation.at, fewer)
        for baseline in self.baselines:
            baselines_table.put(self.ledger, baseline)
        for run_id, stored in self.decisions.items():
            erasing.point_decision(self.ledger, run_id, stored)
        for run_id, stored in self.rejects.items():
            erasing.point_rejects(self.ledger, run_id, stored)
        for before, after in self.rosters.items():
            erasing.rename_roster(self.ledger, before, after)
        if self.numbered:
            numbering_table.put(self.ledger, self.numbered)

    @cached_property
    def _numbers(self) -> pl.Series:
        """The numbers (UInt32) of the people that the state keeps."""
        numbers = self.numbering.known_numbers_of(self.ids).drop_nulls()
        return numbers.filter(numbers < self.numbering.kept)

    @cached_property
    def _is_theirs(self) -> pl.Expr:
        return pl.col(PROFILE_ID).is_in(self.ids.implode()).fill_null(value=False)

    @cached_property
    def _named(self) -> Mapping[str, StoredFile]:
        return named_files.named(self.ledger)

    def _theirs(self, frame: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
        """The rows of the people."""
        found = engine.collect(frame.lazy().filter(self._is_theirs))
        self.named.update(found[PROFILE_ID])
        return found

    def _marks(self, stored: StoredFile, *, lacks: bool) -> tuple[dict[str, str], bool]:
        """The metadata for a copy of a file, and whether a roster in them was renamed."""
        before = roster_file.marks_of(self.state, stored)
        after = roster_file.with_roster(before, self.rosters)
        return (after | {FORGOTTEN_MARK: "1"} if lacks else after), after != before

    # Memberships

    def _write_memberships(self) -> None:
        evaluations = {each.stored.file: each for each in evaluations_table.list_all(self.ledger)}
        blocks: dict[str, dict[str, StoredFile]] = {}
        for stored in self._named.values():
            if stored.audience is not None:
                blocks.setdefault(stored.path, {})[str(stored.audience)] = stored
            elif self.state.is_memberships(stored):
                self._write_file(stored)
        for parts in blocks.values():
            self._write_block(parts)
        for file, found in self._in_memberships.items():
            if (evaluation := evaluations.get(file)) and found.height:
                self.fewer.append((evaluation, _sizes(found, evaluation)))

    def _write_file(self, stored: StoredFile) -> None:
        """Write the memberships of one audience anew."""
        frame = self.state.read(stored)
        self._in_memberships[stored.file] = self._theirs(frame)
        has_any = self._in_memberships[stored.file].height > 0
        about, is_renamed = self._marks(stored, lacks=has_any)
        if has_any or is_renamed:
            file = state_paths.rewritten_file(stored.file, self._named)
            others = engine.collect(frame.filter(~self._is_theirs))
            self.moves[stored.file] = self.state.write(others, file, about)

    def _write_block(self, parts: Mapping[str, StoredFile]) -> None:
        """Write a block anew: numbers have the places of their rows, so that a row goes by having nothing in it."""
        block, names = self.state.read_block(list(parts.values())), list(parts)
        found = self._theirs(block)
        for name, stored in parts.items():
            realized, time = columns_of(name)
            status = pl.when(realized).then(pl.lit(REALIZED)).otherwise(pl.lit("exited")).alias(STATUS)
            known = found.filter(pl.col(realized).is_not_null())
            self._in_memberships[stored.file] = known.select(PROFILE_ID, status, pl.col(time).alias(TIME))
        first = next(iter(parts.values()))
        about, is_renamed = self._marks(first, lacks=found.height > 0)
        if not found.height and not is_renamed:
            return
        cleaned = block.with_columns(pl.when(~self._is_theirs).then(pl.all()).name.keep())
        taken = {each.path for each in (*self._named.values(), *self.moves.values())}
        stored_parts = write_block(self.state, state_paths.next_block_file(first.path, taken), cleaned, names, about)
        self.moves |= {parts[name].file: stored for name, stored in stored_parts.items()}

    # Delivered sets

    def _write_delivered(self, baseline: Baseline) -> None:
        stored, waits = baseline.stored, self.waits(baseline)
        if self.state.is_memberships(stored):
            number = self._delivered_of_them(stored)
            if not number:
                return
            self.held_by_sets.append(baseline)
            if not waits:  # the file serves on, without them
                moved = replace(self.moves[stored.file], mask=stored.mask)
                self.baselines.append(replace(baseline, stored=moved, profiles=baseline.profiles - number))
                return
            frame = delivered_set.realized_by_file(self.state, stored)
        else:
            frame = engine.collect(self.state.read(stored))
            number = self._theirs(frame).height
        about, is_renamed = self._marks(stored, lacks=False)
        if not number and not is_renamed:
            return
        kept = self._waiting(frame) if waits else frame.filter(~self._is_theirs)
        if not number or not kept.equals(frame):
            file = state_paths.rewritten_file(
                state_paths.baseline_file(baseline.destination, baseline.activation, baseline.run_id), self._named
            )
            fewer = frame.height - kept.height
            written = self.state.write(kept, file, about)
            self.baselines.append(replace(baseline, stored=written, profiles=baseline.profiles - fewer))
        if number and baseline not in self.held_by_sets:
            self.held_by_sets.append(baseline)

    def _delivered_of_them(self, stored: StoredFile) -> int:
        """How many of the people a delivered set holds that is in the file of an evaluation."""
        if stored.mask is None:
            return self._in_memberships[stored.file].filter(_REALIZED_NOW).height
        return self._theirs(self.state.read(stored).filter(_REALIZED_NOW)).height

    def _waiting(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A delivered set in which the people have no more than their exits need: their ids, and what was sent."""
        names = (PROFILE_NUMBER, KEPT_DIGEST)
        needless = [each for each in frame.columns if each in names or each.startswith(COMPARED)]
        return frame.with_columns(pl.when(~self._is_theirs).then(pl.col(each)).alias(each) for each in needless)

    # Runs

    def _write_run(self, run: Run) -> None:
        rejected = self._write_rejects(run)
        if run.decision is None:
            return
        if self.state.is_memberships(run.decision):
            found = self._in_memberships[run.decision.file].filter(_REALIZED_NOW)
            number = found.filter(~pl.col(PROFILE_ID).is_in(rejected.implode())).height
            self._note(run, [] if number == 0 else None, number)
            return
        rows = engine.collect(self.state.read(run.decision)).with_row_index("row")
        theirs = self._theirs(rows)
        self._note(run, theirs["row"].to_list(), theirs.height)
        if theirs.height:
            others, file = rows.filter(~self._is_theirs).drop("row"), run.decision.file
            self.decisions[run.run_id] = self.state.write(
                others, state_paths.rewritten_file(file, self._named), {FORGOTTEN_MARK: "1"}
            )

    def _note(self, run: Run, rows: Sequence[int] | None, number: int) -> None:
        """Note the files of a run that hold some rows of theirs; all its files where it is not known which rows."""
        if number:
            holding = run.files if rows is None else [run.files[each] for each in sorted(_parts(run, rows))]
            self.held_by_runs.append(HeldByRun(run, number, tuple(each.path for each in holding)))

    def _write_rejects(self, run: Run) -> pl.Series:
        """Write the list of those left out anew, if it names them; returns the ids of them that it named."""
        if run.rejects is None:
            return pl.Series(PROFILE_ID, [], dtype=pl.String)
        frame = engine.collect(self.state.read(run.rejects))
        theirs = self._theirs(frame)[PROFILE_ID]
        if len(theirs):
            without = frame.with_columns(pl.when(~self._is_theirs).then(PROFILE_ID).alias(PROFILE_ID))
            file = state_paths.rewritten_file(run.rejects.file, self._named)
            self.rejects[run.run_id] = self.state.write(without, file, {FORGOTTEN_MARK: "1"})
        return theirs


def _sizes(found: pl.DataFrame, evaluation: AudienceEvaluation) -> tuple[int, int, int]:
    """How many of some memberships an evaluation found realized, entered and exited."""
    is_new = pl.col(TIME) == pl.lit(evaluation.at, found.schema[TIME])
    realized, entered, exited = found.select(
        _REALIZED_NOW.sum().alias("now"),
        (_REALIZED_NOW & is_new).sum().alias("came"),
        (~_REALIZED_NOW & is_new).sum().alias("went"),
    ).row(0)
    return realized, entered, exited


def _parts(run: Run, rows: Collection[int]) -> set[int]:
    """The places in ``Run.files`` of the files that have these rows."""
    found, start = set[int](), 0
    for place, file in enumerate(run.files):
        end = start + (file.rows or 0)
        if any(start <= row < end for row in rows):
            found.add(place)
        start = end
    return found
