"""Replay what an activation delivered, and compare with what the ledger says it delivered (X2, X3, X8, F1). Edge module, reads only.

files of each run, oldest first -> receiver.receive -> held      against the delivered set and today's desired set
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.audit import receiver
from muster.activation.audit.received import Replay
from muster.activation.audit.receiver import Identification
from muster.activation.audit.since import differing
from muster.activation.comparison import delivered_set
from muster.activation.errors import MusterError, RefusedError, did_you_mean
from muster.activation.export.gather import prepare
from muster.activation.model.exports import Export
from muster.activation.model.history import Baseline, Run
from muster.activation.model.workspace import Activation
from muster.activation.session import Session
from muster.activation.state.ledger import baselines_table, constant_names, deletion, runs_table


@dataclass(frozen=True)
class Reconciled:
    """The outcome of a replay."""

    activation: str
    by: Identification
    runs: tuple[Run, ...]  # replayed, oldest first
    receiver: int  # rows that the receiver holds: people, or their keys
    delivered: int
    missing: int  # delivered, and not at the receiver
    extra: int  # at the receiver, and not delivered
    untold: int  # left without being told, for the status is not mapped
    desired: int | None  # None: see ``notes``
    to_come: int | None  # desired, and not at the receiver
    to_go: int | None
    altered: tuple[str, ...]  # files that are not as they were delivered
    notes: tuple[str, ...]
    differing: pl.DataFrame  # profile_id, differs, since (run id), file, row

    @property
    def is_equal(self) -> bool:
        """Whether the receiver has whom the ledger says."""
        return not self.missing and not self.extra


def reconcile(session: Session, key: str) -> Reconciled:
    """Replay an activation's files; ``RefusedError`` when that cannot be done: with the reasons, and every file that is in the way."""
    activation = session.workspace.activation(key)
    if activation is None:
        raise RefusedError(
            f"there is no activation {key!r}{did_you_mean(key, (each.key for each in session.workspace.activations))}"
        )
    baseline, runs = _history(session, activation)
    replay = Replay(session, activation, runs)
    held = replay.held()
    due = receiver.due(_people(session, baseline), replay.by, replay.recipes[-1])
    missing, extra = receiver.apart(due, held, replay.by), receiver.apart(held, due, replay.by)
    untold = extra if replay.by.status is None else extra.clear()
    extra = extra if untold.is_empty() else extra.clear()
    desired, notes = _desired(session, activation, replay)
    return Reconciled(
        activation=key,
        by=replay.by,
        runs=tuple(runs),
        receiver=held.height,
        delivered=due.height,
        missing=missing.height,
        extra=extra.height,
        untold=untold.height,
        desired=None if desired is None else desired.height,
        to_come=None if desired is None else receiver.apart(desired, held, replay.by).height,
        to_go=None if desired is None else receiver.apart(held, desired, replay.by).height,
        altered=tuple(replay.altered),
        notes=tuple(notes),
        differing=differing(replay, due, missing, extra),
    )


def _history(session: Session, activation: Activation) -> tuple[Baseline, list[Run]]:
    """The delivered set, and the runs that made it: from the last one that held everybody."""
    key, ledger = activation.key, session.ledger
    baseline = baselines_table.get(ledger, activation.destination, activation.id)
    if baseline is None:
        reset = any(
            run.trigger != "on_demand" for run in runs_table.succeeded(ledger, activation.destination, activation.id)
        )
        why = (
            "its baseline was reset, and nothing was delivered since"
            if reset
            else "it has delivered nothing on its schedule"
        )
        raise RefusedError(f"{key}: there is nothing to compare with: {why}")
    last = runs_table.get(ledger, baseline.run_id)
    found = runs_table.succeeded(ledger, last.destination, last.activation) if last else []
    runs = [run for run in reversed(found) if run.trigger != "on_demand"]
    runs = runs[: next((number for number, run in enumerate(runs, start=1) if run.run_id == baseline.run_id), 0)]
    if not runs:
        raise RefusedError(f"{key}: its history cannot be replayed: run {baseline.run_id} is not in the ledger")
    first = next(
        (number for number in reversed(range(len(runs))) if runs[number].first_export or runs[number].export == "full"),
        None,
    )
    made_by, since = runs[0], None if first is None else runs[first].run_id
    pruned = deletion.last_pruned_run(ledger, made_by.destination, made_by.activation, since)
    if pruned:
        raise RefusedError(
            f"{key}: its history cannot be replayed: runs up to {pruned} were pruned; it can again after a full export"
        )
    if first is None:
        raise RefusedError(
            f"{key}: its history cannot be replayed: run {runs[0].run_id} goes on from a baseline that was moved here"
        )
    runs = runs[first:]
    _refuse_replaced(key, runs, constant_names.holders(ledger) if any(run.constant_names for run in runs) else {})
    return baseline, runs


def _refuse_replaced(key: str, runs: Sequence[Run], holders: dict[str, str]) -> None:
    """Files under constant names keep the last run only (F1): an incremental history of them cannot be replayed."""

    def is_replaced(run: Run) -> bool:
        return bool(run.constant_names) and any(
            holders.get(f"{run.url}/{file.path}", run.run_id) != run.run_id for file in run.files
        )

    gone = [run for run in runs if is_replaced(run)]
    if gone:
        left = next((run.run_id for run in runs if run not in gone), None)
        after = runs[1:]
        counts = f"{runs[0].realized:,} realized first, then {sum(run.realized or 0 for run in after):,} realized"
        raise RefusedError(
            f"{key}: its files have constant names, so each export replaced the one before, and increments "
            f"cannot be replayed: of "
            f"{len(runs)} runs since {runs[0].run_id} "
            f"{f'the files begin with {left}' if left else 'no file is left'}; the ledger has "
            f"their counts alone: {counts} and {sum(run.exited or 0 for run in after):,} exited in {len(after)} runs"
        )


def _people(session: Session, baseline: Baseline) -> pl.DataFrame:
    """The delivered set of the ledger: profile_id and the key values last sent (X12)."""
    return delivered_set.people(session.state, baseline.stored)


def _desired(session: Session, activation: Activation, replay: Replay) -> tuple[pl.DataFrame | None, list[str]]:
    """Whom the next export will leave at the receiver, as of the session's instant; a note when that cannot be told."""
    try:
        prepared = prepare(Export(activation, "scheduled", session.at, session.workspace.name), session)
        people = prepared.comparison.delivered().by_profile_id(prepared.gathered.attributes.roster)
        return receiver.due(people, replay.by, replay.recipes[-1]), []
    except (MusterError, OSError) as error:
        return None, [f"whom the next export would bring cannot be told: {error}"]
