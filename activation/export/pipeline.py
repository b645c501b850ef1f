"""Carry out one export: gather, compare, write, deliver, record (X1-X12, F1-F5). Edge module.

    memberships, delivered, profiles -> compare -> rows -> write (staged) -> deliver -> record

``carry_out`` does all of it; ``preview`` stops after the comparison and is what `plan` shows.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from muster.activation.comparison.compare import DIGEST, REASON, Comparison, compare
from muster.activation.delivery.manifest import with_manifest
from muster.activation.delivery.protocol import discard, finish, planned_file
from muster.activation.destinations.folder import Target
from muster.activation.errors import DataError, ExportError, MusterError
from muster.activation.export import written_rows
from muster.activation.files.parts import Bound, split, write_part
from muster.activation.frames.columns import PROFILE_ID, ROW, STATUS, TIME
from muster.activation.inputs import feeds
from muster.activation.inputs.parquet import blamed
from muster.activation.instants import iso
from muster.activation.mapping.layout import Layout, layout
from muster.activation.mapping.profile_values import Attributes
from muster.activation.model.exports import Export
from muster.activation.model.history import AudienceEvaluation, Baseline, Run, StoredFile
from muster.activation.model.naming import file_names, is_constant, manifest_name
from muster.activation.model.redaction import hide_in
from muster.activation.model.workspace import Activation, Guards
from muster.activation.profiles.identities import DIGEST_MADE_BY, DIGEST_TYPE
from muster.activation.rules.expressions import Moment, explained
from muster.activation.session import Session
from muster.activation.state import state_paths
from muster.activation.state.ledger import baselines_table, constant_names, evaluations_table, runs_table
from muster.activation.stores import urls
from muster.activation.system.os_errors import system_message

log = logging.getLogger("muster.export")


@dataclass(frozen=True)
class Gathered:
    """All that one export compares and writes from."""

    evaluation: AudienceEvaluation
    memberships: pl.DataFrame  # __row, status, last_qualification_time
    baseline: Baseline | None
    delivered: pl.DataFrame | None  # ``compare.DELIVERED``
    layout: Layout
    attributes: Attributes


@dataclass(frozen=True)
class Outcome:
    """How an export ended: the run as recorded, and the error that ended it."""

    run: Run
    error: Exception | None = None


@dataclass(frozen=True)
class Prepared:
    """What an export will hold, before anything is recorded or written."""

    gathered: Gathered
    comparison: Comparison


def prepare(export: Export, session: Session) -> Prepared:
    """Gather and compare: reads only, so it may run beside another export's writing."""
    gathered = gather(export, session)
    incremental = export.mode == "incremental"
    return Prepared(
        gathered,
        compare(
            gathered.memberships,
            gathered.delivered,
            gathered.layout,
            gathered.attributes,
            at=session.at,
            incremental=incremental,
        ),
    )


def carry_out(
    export: Export, session: Session, prepared: Callable[[], Prepared], beside: Callable[[Run], None] | None = None
) -> Outcome:
    """Export one activation; a failure is recorded and returned, and leaves nothing behind at the destination (X1, F3).

    ``prepared`` gives what ``prepare`` made of it, or raises its error. ``beside`` takes a run for a remote place that
    is ready to be delivered, and sees to it; the outcome is then the run as it is.
    """
    run = _begin(export, session)
    log.info("%s: %s export for %s", run.key, run.export, iso(run.scheduled_time))
    try:
        with blamed(session.inputs):
            _ = session.encryption(export.activation)
            ready = prepared()
            run = _checked(run, export, ready)
            run = _staged(run, export, ready.gathered, ready.comparison, session)
    except (MusterError, OSError) as problem:
        error = _told(explained(problem, export.activation.mapping), session)
        current = runs_table.get(session.ledger, run.run_id) or run
        return Outcome(discard(replace(run, files=current.files), session, str(error)), error)
    except BaseException:
        current = runs_table.get(session.ledger, run.run_id) or run
        discard(
            replace(run, files=current.files), session, "interrupted before its files were complete; the slot stays due"
        )
        raise
    if beside and session.target(run).is_remote:
        beside(run)
        return Outcome(run)
    try:
        done = finish(run, session)
    except ExportError as error:
        return Outcome(runs_table.get(session.ledger, run.run_id) or run, error)
    return Outcome(done, None if done.status == "succeeded" else ExportError(done.error or "the run failed"))


def preview(export: Export, session: Session) -> Outcome:
    """The run that ``carry_out`` would make, with exact counts; writes nothing."""
    run = _new_run(export, session)
    try:
        with blamed(session.inputs):
            _ = session.encryption(export.activation)
            run = _checked(run, export, prepare(export, session))
        session.target(run).check()
        return Outcome(run)
    except (MusterError, OSError) as problem:
        error = _told(explained(problem, export.activation.mapping), session)
        return Outcome(replace(run, error=str(error)), error)


def _new_run(export: Export, session: Session) -> Run:
    activation = export.activation
    return Run(
        run_id=export.run_id,
        destination=activation.destination,
        activation=activation.id,
        audience=activation.audience,
        trigger=export.trigger,
        export=export.mode,
        scheduled_time=export.scheduled,
        superseded_count=export.superseded.count if export.superseded else 0,
        url=urls.normalise(activation.url, session.root),
        url_digest=_where(activation, session),
        constant_names=is_constant(activation.file_name),
        file_mode=session.workspace.file_mode,
        guards_overridden=export.override_guards,
    )


def _begin(export: Export, session: Session) -> Run:
    """Record that the run is going on, another attempt of the same run if it failed before, and what it supersedes (S2)."""
    before = runs_table.get(session.ledger, export.run_id)
    attempts = (before.attempts if before else 0) + 1
    run = replace(_new_run(export, session), attempts=attempts, started_at=session.clock(), superseded_count=0)
    with session.ledger.transaction():
        runs_table.put(session.ledger, run)
        if export.superseded:
            runs_table.put(session.ledger, _superseded(export, run, session))
    return run


def _superseded(export: Export, run: Run, session: Session) -> Run:
    """One record for all older due slots, at the newest of their times; a failed run of that slot becomes it."""
    older = export.superseded
    if older is None:
        raise ValueError("nothing is superseded")
    run_id = export.run_id_at(older.newest)
    blank = replace(
        run, run_id=run_id, scheduled_time=older.newest, attempts=0, started_at=None, guards_overridden=False
    )
    record = runs_table.get(session.ledger, run_id) or blank
    return replace(record, status="superseded", superseded_count=older.count, finished_at=session.clock(), files=())


def gather(export: Export, session: Session) -> Gathered:
    """Open what an export is made of: the memberships (X2, X6), the delivered set (X9), the profile values (X5, X7)."""
    activation = export.activation
    evaluation = _evaluation(export, session)
    moment = Moment(evaluation.at, session.workspace.zone)
    if export.trigger == "on_demand":
        snapshot = session.evaluated_snapshot(evaluation)
        attributes = session.attributes_of(snapshot)
        memberships = session.memberships(evaluation, attributes.roster)
        return Gathered(evaluation, memberships, None, None, layout(activation, snapshot, moment), attributes)
    attributes = session.attributes_of(session.snapshot)
    baseline = current_baseline(activation, session)
    delivered = _delivered(baseline, session) if baseline and _is_asked(export, session) else None
    memberships = _memberships(activation, evaluation, session)
    return Gathered(
        evaluation, memberships, baseline, delivered, layout(activation, session.snapshot, moment), attributes
    )


def _is_asked(export: Export, session: Session) -> bool:
    """Whether anything depends on the delivered set: not a full file without guards, once identities have digests of their own."""
    guards = export.activation.guards
    guarded = guards.max_shrink is not None or guards.max_exited is not None
    return export.mode == "incremental" or guarded or not session.roster.has_digests


def _evaluation(export: Export, session: Session) -> AudienceEvaluation:
    audience = export.activation.audience
    if export.trigger == "after_evaluation":
        evaluation = evaluations_table.get(session.ledger, audience, export.scheduled)
    else:
        evaluation = evaluations_table.newest(session.ledger, audience, session.at)
    if evaluation is None:
        raise ExportError(
            f"audience {audience!r} was not evaluated at or before {iso(session.at)}; run `muster evaluate`"
        )
    return evaluation


def _memberships(activation: Activation, evaluation: AudienceEvaluation, session: Session) -> pl.DataFrame:
    """The evaluation's memberships; those of a feed audience brought up to date (X6)."""
    audience = session.workspace.audiences[activation.audience]
    if not audience.from_feed:
        return session.memberships(evaluation, session.roster)
    found = session.state.read(evaluation.stored)
    if audience.where is None:
        now = feeds.feed_memberships(session.feed, audience.id, session.at, found)
    else:
        now = feeds.override(found, session.feed, audience.id, evaluation.at, session.at)
    return session.roster.numbered(now.select(PROFILE_ID, STATUS, TIME))


def current_baseline(activation: Activation, session: Session) -> Baseline | None:
    """The activation's baseline, unless it belongs to another place (X9)."""
    baseline = baselines_table.get(session.ledger, activation.destination, activation.id)
    return baseline if baseline and baseline.url_digest == _where(activation, session) else None


def _where(activation: Activation, session: Session) -> str:
    """The digest of where its files go."""
    return urls.digest(activation.url, session.root, session.workspace.destinations[activation.destination].beyond)


def _delivered(baseline: Baseline, session: Session) -> pl.DataFrame:
    delivered = session.roster.delivered(session.state, baseline.stored)
    if baseline.digest_made_by == DIGEST_MADE_BY:
        return delivered
    return delivered.with_columns(
        pl.lit(None, dtype=DIGEST_TYPE).alias(DIGEST)
    )  # made another way: nothing to compare with


def _checked(run: Run, export: Export, ready: Prepared) -> Run:
    """The run with the counts of its comparison, which balance (X10) and pass the guards (X11)."""
    gathered, comparison = ready.gathered, ready.comparison
    counts = comparison.counts
    if not counts.balanced:
        raise ExportError(
            f"the counts do not balance: {counts}; nothing was written: this is a fault of muster, please report it"
        )
    run = replace(
        run,
        first_export=export.trigger != "on_demand" and gathered.baseline is None,
        evaluated_at=gathered.evaluation.at,
        baseline_evaluated_at=gathered.baseline.evaluated_at if gathered.baseline else None,
        received=counts.received,
        exported=counts.exported,
        excluded=counts.excluded,
        excluded_by=counts.excluded_by,
        realized=counts.realized,
        exited=counts.exited,
        identity_changed=counts.identity_changed,
    )
    if gathered.delivered is not None and not export.override_guards:
        _check_guards(export.activation.guards, comparison, run.key)
    return run


def _check_guards(guards: Guards, comparison: Comparison, key: str) -> None:
    """X11: an upstream fault must not become a mass removal."""
    held, desired, gone = comparison.held, comparison.desired, comparison.gone
    remedy = f"look at the snapshot and the audience; if it is meant, `muster run --override-guards {key}`"
    shrink = (held - desired) / held if held else 0.0
    if guards.max_shrink is not None and shrink > guards.max_shrink:
        digits = f"{guards.max_shrink * 100:.10g}"  # as it was written
        finer = 1 + len(digits.partition(".")[2])
        raise ExportError(
            f"guard max_shrink: the delivered set would shrink from {held} to {desired} profiles, "
            f"by {shrink:.{finer}%} where {digits}% is allowed; {remedy}"
        )
    if guards.max_exited is not None and gone > guards.max_exited:
        raise ExportError(
            f"guard max_exited: {gone} delivered profiles are not wanted any more, where {guards.max_exited} "
            f"are allowed; {remedy}"
        )


def _staged(run: Run, export: Export, gathered: Gathered, comparison: Comparison, session: Session) -> Run:
    """Write and check all parts under hidden names, then commit the run as ``delivering`` (F3)."""
    activation = export.activation
    target, names, slices = _place(run, export, comparison, session)
    run = replace(run, files=tuple(planned_file(part, name, run.run_id) for part, name in enumerate(names, start=1)))
    with session.ledger.transaction():
        runs_table.put(session.ledger, run)
    bound, encryption = (
        Bound(gathered.layout, gathered.attributes).holding(comparison.rows),
        session.encryption(activation),
    )
    with target.told("nothing was delivered"):
        written = [
            write_part(file, comparison.rows.slice(*piece), activation, bound, target, encryption=encryption)
            for file, piece in zip(run.files, slices, strict=True)
        ]
    run = replace(run, files=tuple(written), status="delivering")
    run = _with_state(run, export, gathered, comparison, session)
    if activation.manifest:
        run = with_manifest(run, activation, session.workspace)
    removals = constant_names.replaced_paths(session.ledger, run, names) if run.constant_names else ()
    with session.ledger.transaction():
        run = written_rows.with_recipe(
            run, activation, gathered.layout.snapshot, session.workspace.zone, session.ledger
        )
        runs_table.put(session.ledger, run)
        runs_table.put_removals(session.ledger, run.run_id, removals)
    return run


def _place(
    run: Run, export: Export, comparison: Comparison, session: Session
) -> tuple[Target, list[str], list[tuple[int, int]]]:
    """Where the files go, their names, and which rows each holds; ``ExportError`` when they cannot be written there (F1, SPEC 10)."""
    activation = export.activation
    slices = split(comparison.rows, activation.max_rows_per_file, skip_empty=activation.skip_empty)
    names = _names(export, session, len(slices))
    target = session.target(run)
    target.check()
    _check_free(target, names, replace=bool(run.constant_names))
    if activation.manifest:
        _check_free(target, [manifest_name(session.workspace.name, run.destination, run.run_id)], replace=True)
    return target, names, slices


def _check_free(target: Target, names: list[str], *, replace: bool) -> None:
    """A name with a time or run id is this run's alone (F1), and no folder may stand where a file belongs."""
    target.check_free(names, replace=replace)


def _names(export: Export, session: Session, parts: int) -> list[str]:
    audience = session.workspace.audiences[export.activation.audience]
    return file_names(
        export.activation,
        session.workspace.name,
        audience.name,
        export.trigger,
        export.mode,
        export.scheduled,
        export.run_id,
        parts,
    )


def _with_state(run: Run, export: Export, gathered: Gathered, comparison: Comparison, session: Session) -> Run:
    """Write what the ledger will point to: the rejects, and the baseline that success leaves (X8, X10)."""
    layout, roster = gathered.layout, gathered.attributes.roster
    if not comparison.excluded.is_empty():
        listed = comparison.excluded.select(roster.ids_of(comparison.excluded[ROW]).alias(PROFILE_ID), REASON)
        run = replace(run, rejects=session.state.write(listed, state_paths.rejects_file(run.run_id)))
    evaluation, audience = gathered.evaluation, session.workspace.audiences[run.audience]
    moved_on = audience.from_feed and export.trigger != "on_demand"  # X6
    said = not moved_on and written_rows.is_everybody(comparison, layout, evaluation.realized)
    run = replace(
        run,
        decision=evaluation.stored if said else written_rows.write(comparison.rows, layout, run, roster, session.state),
    )
    if export.trigger == "on_demand":
        return run
    stored = _baseline_file(run, gathered, comparison, session)
    return replace(
        run, baseline={"stored": stored.__dict__, "profiles": comparison.desired, "digest_made_by": DIGEST_MADE_BY}
    )


def _baseline_file(run: Run, gathered: Gathered, comparison: Comparison, session: Session) -> StoredFile:
    """The delivered set: a file of its own, or the evaluation's if it says the same: everybody realized, and nothing beside (X8)."""
    roster, evaluation = gathered.attributes.roster, gathered.evaluation
    audience = session.workspace.audiences[run.audience]
    whole = comparison.desired == evaluation.realized and not gathered.layout.compared and gathered.layout.form is None
    if whole and not audience.from_feed and roster.tells_digests and evaluation.inputs.get("roster") == roster.name:
        return evaluation.stored
    frame, about = roster.marked(comparison.delivered())
    return session.state.write(frame, state_paths.baseline_file(run.destination, run.activation, run.run_id), about)


def _told(error: MusterError | OSError, session: Session) -> MusterError:
    """The error as a user reads it: no variable's value in it, and a place inside the workspace as the config names it."""
    if isinstance(error, OSError):
        place = Path(error.filename or session.root)
        place = place.parent if place.name.startswith(".") else place  # a temporary name says nothing
        where = place.relative_to(session.root) if place.is_relative_to(session.root) else place
        error = ExportError(f"{where}: {system_message(error)}")
    if isinstance(error, DataError):
        error = ExportError(str(error))  # met by a run: it fails, and the others go on (SPEC 10)
    hide_in(error, session.workspace.variables)
    return error
