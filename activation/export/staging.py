"""From comparisons to runs committed as ``delivering``: files staged, state files written (F3, X8, X10)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from muster.activation.comparison.columns import REASON
from muster.activation.comparison.compare import Comparison
from muster.activation.destinations.target import DeliveryTarget
from muster.activation.export import recipe_record, written_rows
from muster.activation.export.baseline import write_delivered
from muster.activation.export.gather import Gathered, Prepared
from muster.activation.export.lost_values import warn_of_lost_values
from muster.activation.export.planned_files import PlannedFiles
from muster.activation.files.parts import BoundLayout, write_part
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.model.exports import Export
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.workspace import Activation
from muster.activation.session import Session
from muster.activation.state import state_paths
from muster.activation.state.ledger import runs_table
from muster.activation.values.identities import DIGEST_MADE_BY

_NOTHING = "nothing was delivered"


def write_files(run: Run, plan: PlannedFiles, export: Export, ready: Prepared, session: Session) -> Run:
    """Write and check all files of a run under hidden names, and its state files; returns the run with both.

    The names of the files last once ``keep_names`` was called.
    """
    files = _stage_files(plan, export.activation, ready, session.destinations.target(run), session)
    return _write_state_files(replace(run, files=files, status="delivering"), export, ready, session)


def keep_names(run: Run, session: Session, synced: set[Path]) -> None:
    """Make the hidden names of a run's files survive a power cut; ``synced`` has folders that need no sync."""
    target = session.destinations.target(run)
    with target.describing_failures(_NOTHING):
        target.sync_names((file.temporary for file in run.files), synced)


def commit_delivering(staged: Sequence[tuple[Run, PlannedFiles, Export, Gathered]], session: Session) -> list[Run]:
    """Commit runs whose files are written as ``delivering``, all of them in one transaction (F3)."""
    ledger, zone, runs = session.ledger, session.workspace.zone, []
    with ledger.transaction():
        for run, plan, export, gathered in staged:
            recorded = recipe_record.with_recipe(
                run, export.activation, gathered.layout, gathered.last, zone=zone, ledger=ledger
            )
            runs_table.put(ledger, recorded)
            runs_table.put_removals(ledger, recorded.run_id, plan.removals)
            runs.append(recorded)
    return runs


def _stage_files(
    plan: PlannedFiles, activation: Activation, ready: Prepared, target: DeliveryTarget, session: Session
) -> tuple[PlannedFile, ...]:
    """Write every file under its hidden name; returns them with their rows, sizes and checksums."""
    gathered, rows = ready.gathered, ready.comparison.rows
    bound = BoundLayout(gathered.layout, gathered.attributes).widened_for(rows)
    encryption = session.destinations.encryption(activation)
    with target.describing_failures(_NOTHING):
        files = tuple(
            write_part(file, rows.slice(*piece), activation, bound, target, encryption=encryption)
            for file, piece in zip(plan.run.files, plan.slices, strict=True)
        )
    warn_of_lost_values(activation.key, ready, bound.lost, session)
    for sentence in bound.odd.told():
        session.warnings.add(f"{activation.key}: {sentence}")
    return files


def _write_state_files(run: Run, export: Export, ready: Prepared, session: Session) -> Run:
    """Write the state files that the run's record names: rejects, decision, delivered set (X8, X10)."""
    gathered, comparison = ready.gathered, ready.comparison
    roster = gathered.attributes.roster
    if not comparison.excluded.is_empty():
        listed = comparison.excluded.select(roster.stored_ids_of(comparison.excluded[ROW]).alias(PROFILE_ID), REASON)
        run = replace(run, rejects=session.state.write(listed, state_paths.rejects_file(run.run_id)))
    if _is_evaluation(export, gathered, comparison, session):
        run = replace(run, decision=gathered.evaluation.stored)
    else:
        run = replace(run, decision=written_rows.write(comparison.rows, gathered.layout, run, roster, session.state))
    if export.trigger == "on_demand":
        return run
    stored = write_delivered(run, comparison, session, evaluation=gathered.evaluation, roster=roster)
    baseline = {"stored": stored.record, "profiles": comparison.desired, "digest_made_by": DIGEST_MADE_BY}
    lineage = session.of_audience(run.audience).opened.lineage
    build = {"policy": lineage.policy, "build": lineage.build} if lineage else {}
    return replace(run, baseline=baseline | build)


def _is_evaluation(export: Export, gathered: Gathered, comparison: Comparison, session: Session) -> bool:
    """Whether the evaluation's own file says what the run decided: everybody realized, but for the rejects."""
    audience = session.workspace.audiences[export.activation.audience]
    if audience.from_feed and export.trigger != "on_demand":  # the feed moved on since the evaluation (X6)
        return False
    if gathered.follows_aliases:  # others are members than the file says (P11)
        return False
    return written_rows.is_everybody(comparison, gathered.layout, gathered.evaluation.realized)
