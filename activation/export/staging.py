"""From a comparison to a run committed as ``delivering``: files staged, state files written (F3, X8, X10)."""

from dataclasses import replace

from muster.activation.comparison.columns import REASON
from muster.activation.comparison.compare import Comparison
from muster.activation.delivery.manifest import with_manifest
from muster.activation.destinations.target import DeliveryTarget
from muster.activation.export import recipe_record, written_rows
from muster.activation.export.baseline import write_delivered
from muster.activation.export.gather import Gathered, Prepared
from muster.activation.export.lost_values import warn_of_lost_values
from muster.activation.export.planned_files import PlannedFiles, plan_files
from muster.activation.files.parts import BoundLayout, write_part
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.model.exports import Export
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.workspace import Activation
from muster.activation.profiles.identities import DIGEST_MADE_BY
from muster.activation.session import Session
from muster.activation.state import state_paths
from muster.activation.state.ledger import constant_names, runs_table


def write_and_commit(run: Run, export: Export, ready: Prepared, session: Session) -> Run:
    """Write and check all files under hidden names, then commit the run as ``delivering`` (F3)."""
    activation = export.activation
    target = session.destinations.target(run)
    plan = plan_files(run, export, ready.comparison, target, session)
    run = plan.run
    with session.ledger.transaction():
        runs_table.put(session.ledger, run)
    run = replace(run, files=_stage_files(plan, activation, ready, target, session), status="delivering")
    run = _write_state_files(run, export, ready, session)
    session.opened.refuse_changed()  # no file leaves that may hold rows of two versions (D2)
    if activation.manifest:
        run = with_manifest(run, activation, session.workspace)
    present = {each.key for each in session.workspace.activations}
    removals = constant_names.replaced_paths(session.ledger, run, plan.names, present) if run.constant_names else set()
    removals |= constant_names.rewound_paths(session.ledger, run)
    snapshot, zone = ready.gathered.layout.snapshot, session.workspace.zone
    with session.ledger.transaction():
        run = recipe_record.with_recipe(run, activation, snapshot, zone, session.ledger)
        runs_table.put(session.ledger, run)
        runs_table.put_removals(session.ledger, run.run_id, removals)
    return run


def _stage_files(
    plan: PlannedFiles, activation: Activation, ready: Prepared, target: DeliveryTarget, session: Session
) -> tuple[PlannedFile, ...]:
    """Write every file under its hidden name; returns them with their rows, sizes and checksums."""
    gathered, rows = ready.gathered, ready.comparison.rows
    bound = BoundLayout(gathered.layout, gathered.attributes).widened_for(rows)
    encryption = session.destinations.encryption(activation)
    with target.describing_failures("nothing was delivered"):
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
        listed = comparison.excluded.select(roster.ids_of(comparison.excluded[ROW]).alias(PROFILE_ID), REASON)
        run = replace(run, rejects=session.state.write(listed, state_paths.rejects_file(run.run_id)))
    if _is_evaluation(export, gathered, comparison, session):
        run = replace(run, decision=gathered.evaluation.stored)
    else:
        run = replace(run, decision=written_rows.write(comparison.rows, gathered.layout, run, roster, session.state))
    if export.trigger == "on_demand":
        return run
    stored = write_delivered(run, comparison, session, evaluation=gathered.evaluation, roster=roster)
    return replace(
        run, baseline={"stored": stored.__dict__, "profiles": comparison.desired, "digest_made_by": DIGEST_MADE_BY}
    )


def _is_evaluation(export: Export, gathered: Gathered, comparison: Comparison, session: Session) -> bool:
    """Whether the evaluation's own file says what the run decided: everybody realized, but for the rejects."""
    audience = session.workspace.audiences[export.activation.audience]
    if audience.from_feed and export.trigger != "on_demand":  # the feed moved on since the evaluation (X6)
        return False
    return written_rows.is_everybody(comparison, gathered.layout, gathered.evaluation.realized)
