"""The way back after commands that ran with a wrong clock: times later than an instant become that instant (S8).

evaluations      the newest of each audience stays and becomes one of the instant, later ones that are older go
memberships      times later than the instant become the instant, in new files
delivered sets   too, and delivered rows, so that nobody's time differs from the time with which they were delivered:
                 nobody is resent; looks that are later go
sightings        activations that were first seen later, or whose schedule changed later, were so at the instant
failures         the newest of each audience that no evaluation mended becomes one of the instant
builds           all stay and become ones of the instant; those before the newest lose their ids, from which nothing
                 goes on
runs             those of later slots are marked ``rewound`` and settle no slot; of an evaluation that became one of
                 the instant, a run that succeeded leaves a superseded record: that slot stays settled (S4)

New files are written first; then one transaction points to them; then files to which the ledger does not refer any
more are removed. A kill leaves the state as it was or as it is to be, and files that the next command that writes
removes.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count, groupby
from sqlite3 import Row
from typing import Any

import polars as pl

from muster.activation.comparison import delivered_set
from muster.activation.errors import RefusedError
from muster.activation.export import written_rows
from muster.activation.frames import engine
from muster.activation.frames.columns import REALIZED, STATUS, TIME, TIME_TYPE
from muster.activation.instants import iso, stamp
from muster.activation.model.exports import run_id
from muster.activation.model.history import AudienceEvaluation, Baseline, Build, MessageBaseline, Run, StoredFile
from muster.activation.profiles import roster_file
from muster.activation.state import leftovers, state_paths
from muster.activation.state.block_layout import time_column
from muster.activation.state.blocks import write_block
from muster.activation.state.files import State
from muster.activation.state.ledger import (
    baselines_table,
    builds_table,
    inputs_table,
    looks_table,
    message_baselines_table,
    named_files,
    rewinding,
    runs_table,
)
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import from_column


@dataclass(frozen=True)
class Rewound:
    """The records that became ones of an instant, and those that went."""

    to: datetime
    evaluations: int = 0  # of audiences
    evaluations_removed: int = 0
    memberships: int = 0
    delivered_sets: int = 0
    delivered_profiles: int = 0
    activations: int = 0  # sightings
    failures: int = 0
    runs: int = 0
    builds: int = 0


@dataclass
class _Work:
    """A rewind that was decided: new files are in the state, and the ledger does not refer to them yet."""

    state: State
    ledger: Ledger
    to: datetime
    moved: list[tuple[AudienceEvaluation, StoredFile, int]] = field(default_factory=list)  # to file and generation
    gone: list[AudienceEvaluation] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)
    rows: list[MessageBaseline] = field(default_factory=list)
    decisions: list[tuple[Run, StoredFile]] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)  # as they are to be
    renamed: dict[str, str] = field(default_factory=dict)  # files of builds
    memberships: int = 0
    delivered_profiles: int = 0

    @property
    def replaced(self) -> dict[str, StoredFile | None]:
        """The files of evaluations that move, each with the new file, and of those that go."""
        new = {each.stored.file: stored for each, stored, _ in self.moved}
        return {each.stored.file: None for each in self.gone} | new

    def write_evaluations(self) -> None:
        """Write the memberships of each evaluation that becomes one of the instant."""
        named, blocks = named_files.named(self.ledger), dict[str, list[AudienceEvaluation]]()
        for newest, *others in rewinding.evaluations_from(self.ledger, self.to).values():
            self.gone += others
            if newest.stored.audience is not None:
                blocks.setdefault(newest.stored.path, []).append(newest)
                continue
            file, generation = _free_name(newest.audience, self.to, named)
            number, stored = self._rewritten(engine.collect(self.state.read(newest.stored)), newest.stored, file)
            self.moved.append((newest, stored, generation))
            self.memberships += number
        for evaluations in blocks.values():
            self._write_block(evaluations)

    def _write_block(self, evaluations: Sequence[AudienceEvaluation]) -> None:
        """Write the parts of a block whose evaluations become ones of the instant."""
        block, to = self.state.read_block([each.stored for each in evaluations]), pl.lit(self.to, dtype=TIME_TYPE)
        audiences = [each.audience for each in evaluations]
        times = [time_column(audience) for audience in audiences]
        later = engine.collect(block.select(pl.sum_horizontal((pl.col(name) > to).sum() for name in times)))
        taken = named_files.blocks(self.ledger) | {stored.path for _, stored, _ in self.moved}
        rewound = block.with_columns(pl.when(pl.col(name) > to).then(to).otherwise(name).alias(name) for name in times)
        about = roster_file.marks_of(self.state, evaluations[0].stored)
        stored = write_block(self.state, state_paths.block_file(self.to, taken), rewound, audiences, about)
        self.moved += [(each, stored[each.audience], 1) for each in evaluations]
        self.memberships += int(later.item())

    def write_delivered_sets(self) -> None:
        """Write each delivered set that has later times, or is in the file of an evaluation that moves or goes."""
        for each in baselines_table.list_all(self.ledger):
            stored = self._delivered(each)
            if stored != each.stored or each.evaluated_at > self.to:
                moved = replace(
                    each,
                    stored=stored,
                    evaluated_at=min(each.evaluated_at, self.to),
                    delivered_at=min(each.delivered_at, self.to),
                )
                self.baselines.append(moved)

    def _delivered(self, baseline: Baseline) -> StoredFile:
        stored, replaced = baseline.stored, self.replaced
        if shared := replaced.get(stored.file):
            realized = self.state.read(stored).filter(pl.col(STATUS) == REALIZED)
            self.delivered_profiles += _later(engine.collect(realized), self.to)
            return replace(shared, mask=stored.mask)
        is_of_evaluation = self.state.is_memberships(stored)
        if is_of_evaluation and stored.file not in replaced:
            return stored  # of an evaluation at the instant or before
        frame = (
            delivered_set.realized_by_file(self.state, stored)
            if is_of_evaluation
            else engine.collect(self.state.read(stored))
        )
        if not is_of_evaluation and not _later(frame, self.to):
            return stored
        name = f"{baseline.run_id}-{stamp(self.to)}"
        file = state_paths.baseline_file(baseline.destination, baseline.activation, name)
        number, written = self._rewritten(frame, stored, file)
        self.delivered_profiles += number
        return written

    def write_rows(self) -> None:
        """Write the delivered rows of messages that have later times (V2)."""
        named, to = named_files.named(self.ledger), pl.lit(self.to, dtype=TIME_TYPE)
        for each in message_baselines_table.list_all(self.ledger):
            frame = engine.collect(self.state.read(each.stored))
            times = [name for name, dtype in frame.schema.items() if dtype == TIME_TYPE]
            is_later = pl.any_horizontal(pl.col(name) > to for name in times) if times else pl.lit(value=False)
            number = int(frame.select(is_later.fill_null(value=False).sum()).item())
            if not number and each.at <= self.to:
                continue
            stored = each.stored
            if number:
                rewound = frame.with_columns(
                    pl.when(pl.col(name) > to).then(to).otherwise(name).alias(name) for name in times
                )
                about = roster_file.marks_of(self.state, stored)
                stored = self.state.write(rewound, state_paths.rewritten_file(stored.file, named), about)
            self.rows.append(replace(each, stored=stored, at=min(each.at, self.to)))
            self.delivered_profiles += number

    def write_decisions(self) -> None:
        """Write the rows of runs that stand in the file of an evaluation which moves or goes."""
        for each in rewinding.runs_with_decisions_in(self.ledger, self.replaced):
            if run := runs_table.get(self.ledger, each):
                self.decisions.append((run, written_rows.detached(run, self.state)))

    def write_builds(self) -> None:
        """Copy views and graphs of later builds into folders that the instant names, as other tools find them (P10)."""
        for _, group in groupby(builds_table.list_all(self.ledger), key=lambda build: build.policy):
            builds = list(group)
            newest = max((each.number for each in builds if each.changes_ids), default=0)
            names = {state_paths.build_in(file.path)[1] for each in builds for file in each.files}
            for each in builds:
                if each.at > self.to:
                    self.builds.append(self._moved(each, names, is_newest=each.number == newest))

    def _moved(self, build: Build, names: set[str], *, is_newest: bool) -> Build:
        """A build as one of the instant, its files in folders of a name that is not in ``names`` yet."""
        moved = replace(build, at=self.to, graph=build.graph if is_newest else None)
        if not moved.files:
            return moved
        name = state_paths.build_name(self.to, names)
        names.add(name)
        copies = {each: self.state.copy(each, state_paths.renamed_build(each.path, name)) for each in moved.files}
        self.renamed |= {before.path: after.path for before, after in copies.items()}
        return replace(
            moved,
            view=moved.view and tuple(copies[each] for each in moved.view),
            graph=moved.graph and {kind: copies[each] for kind, each in moved.graph.items()},
        )

    def renamed_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record of a file of a view, with the name that the file has now."""
        before = next(each for each in self.renamed if record["name"].endswith(f"/{each}"))
        return record | {"name": record["name"].removesuffix(before) + self.renamed[before]}

    def _rewritten(self, frame: pl.DataFrame, before: StoredFile, file: str) -> tuple[int, StoredFile]:
        """Write a copy of a state file whose later times are the instant; returns how many of them there were."""
        number, to = _later(frame, self.to), pl.lit(self.to, dtype=TIME_TYPE)
        rewound = frame.with_columns(pl.when(pl.col(TIME) > to).then(to).otherwise(TIME).alias(TIME))
        return number, self.state.write(rewound, file, roster_file.marks_of(self.state, before))


def rewind(
    state: State, ledger: Ledger, to: datetime, now: datetime, *, workspace: str, sightings: Collection[str]
) -> Rewound:
    """Let every record with a time later than an instant be one of the instant. With the lock held.

    ``sightings`` are the keys of activations whose sightings have a wrong time. ``RefusedError`` for an instant later
    than ``now``, and while a run is unfinished.
    """
    _refuse(ledger, to, now)
    work = _Work(state, ledger, to)
    leftovers.announce_pruning(state.folder, state.file_mode)
    work.write_evaluations()
    work.write_delivered_sets()
    work.write_rows()
    work.write_decisions()
    work.write_builds()
    with ledger.transaction():
        done = _record(work, now, workspace, sightings)
    leftovers.sweep(state.folder, ledger, state.file_mode)
    return done


def _refuse(ledger: Ledger, to: datetime, now: datetime) -> None:
    if to > now:
        raise RefusedError(f"{iso(to)} is later than this machine's clock, {iso(now)}; nothing was rewound")
    unfinished = runs_table.unfinished(ledger)
    if unfinished:
        run = unfinished[0]
        raise RefusedError(f"run {run.run_id} of {run.key} is not finished: `muster run` finishes it first")


def _record(work: _Work, now: datetime, workspace: str, sightings: Collection[str]) -> Rewound:
    """Change the ledger, and return what changed. In a transaction."""
    ledger, to = work.ledger, work.to
    settled = [(each, row) for each, _, _ in work.moved for row in rewinding.settling(ledger, each)]
    runs = rewinding.mark_runs(ledger, to)
    failures = rewinding.rewind_failures(ledger, to)
    for each in work.gone:
        rewinding.delete_evaluation(ledger, each)
    for each, stored, generation in work.moved:
        rewinding.move_evaluation(ledger, each, to, stored, generation)
    for evaluation, row in settled:
        _settle(ledger, _slot(evaluation, row, to, now), workspace)
    for run, decision in work.decisions:
        rewinding.point_to(ledger, run, decision)
    for baseline in work.baselines:
        baselines_table.put(ledger, baseline)
    for rows in work.rows:
        message_baselines_table.put(ledger, rows)
    looks_table.delete_after(ledger, to)
    for build in work.builds:
        builds_table.put(ledger, build)
    inputs_table.replace_files(ledger, work.renamed, work.renamed_record)
    for key in sightings:
        rewinding.rewind_sighting(ledger, key, to)
    if work.moved:
        rewinding.rewind_pruned(ledger, to)
    return Rewound(
        to,
        evaluations=len(work.moved),
        evaluations_removed=len(work.gone),
        memberships=work.memberships,
        delivered_sets=len(work.baselines) + len(work.rows),
        delivered_profiles=work.delivered_profiles,
        activations=len(sightings),
        failures=failures,
        runs=runs,
        builds=len(work.builds),
    )


def _slot(evaluation: AudienceEvaluation, row: Row, to: datetime, now: datetime) -> Run:
    """The record that settles the slot of an evaluation which became one of the instant; its id is not known yet."""
    return Run(
        run_id="",
        destination=row["destination"],
        activation=row["activation"],
        audience="" if row["audiences"] else evaluation.audience,
        audiences=from_column("audiences", row["audiences"]),
        trigger=row["trigger"],
        export=row["export"],
        scheduled_time=to,
        status="superseded",
        finished_at=min(now, to),
        superseded_count=1,
    )


def _settle(ledger: Ledger, slot: Run, workspace: str) -> None:
    """Record a settled slot: a failed run of the slot becomes the record; one that succeeded settles it already."""
    name = next(each for each in _ids(slot, workspace) if not runs_table.is_rewound(ledger, each))
    known = runs_table.get(ledger, name)
    if known is None:
        runs_table.put(ledger, replace(slot, run_id=name))
    elif known.status == "failed":
        runs_table.put(ledger, replace(known, status="superseded", superseded_count=1))


def _ids(slot: Run, workspace: str) -> Iterator[str]:
    """The ids that runs of a slot can have, in the order in which they take them."""
    return (
        run_id(workspace, slot.destination, slot.activation, "after_evaluation", slot.scheduled_time, number)
        for number in count()
    )


def _later(frame: pl.DataFrame, instant: datetime) -> int:
    """The number of rows whose time is later than an instant."""
    return int(frame.select((pl.col(TIME) > pl.lit(instant, dtype=TIME_TYPE)).sum()).item())


def _free_name(audience: str, at: datetime, named: Collection[str]) -> tuple[str, int]:
    """A file for an evaluation that the ledger does not refer to, and its generation."""
    files = ((state_paths.memberships_file(audience, at, generation), generation) for generation in count(1))
    return next((file, generation) for file, generation in files if file not in named)
