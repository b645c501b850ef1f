"""The ledger's record of a run that sends messages: as it begins, and the older slots that it supersedes (S2, V11)."""

from collections.abc import Mapping
from dataclasses import replace

from muster.activation.governance.judged import record
from muster.activation.model.exports import Sending
from muster.activation.model.history import AudienceEvaluation, MessageBaseline, Run, RunAudience
from muster.activation.profile_changes.changes import Changes, Counts
from muster.activation.session import Session
from muster.activation.state.ledger import inputs_table, runs_table


def new_run(sending: Sending, session: Session) -> Run:
    """The run of a sending, as far as the decision and the config say it: not recorded, not an attempt yet."""
    activation = sending.activation
    destination, judged = session.workspace.message_destinations[activation.destination], _judged(sending, session)
    return Run(
        run_id=sending.run_id,
        destination=activation.destination,
        activation=activation.id,
        audience="",
        trigger=sending.trigger,
        export=sending.mode,
        scheduled_time=sending.scheduled,
        superseded_count=sending.superseded.count if sending.superseded else 0,
        url=destination.shown_place or None,
        url_digest=destination.place_digest,
        guards_overridden=sending.override_guards,
        governance=None if judged is None else inputs_table.digest_of(judged),
        audiences=tuple(RunAudience(each.id, each.alias) for each in activation.audiences),
    )


def new_attempt(sending: Sending, session: Session) -> Run:
    """The run of a sending that begins now; another attempt, with another comparison, if the run was tried before."""
    before = runs_table.get(session.ledger, sending.run_id)
    return replace(
        new_run(sending, session),
        attempts=(before.attempts if before else 0) + 1,
        compared=((before.compared if before else 0) or 0) + 1,
        started_at=session.clock(),
        superseded_count=0,
    )


def with_changes(run: Run, changes: Changes, session: Session) -> Run:
    """The run with what its comparison found: audiences, counts, ages of inputs (V11, D2)."""
    evaluations = changes.evaluations
    audiences = tuple(
        replace(each, evaluated_at=evaluations[each.id].at if each.id in evaluations else None)
        for each in run.audiences or ()
    )
    before = changes.before and runs_table.get(session.ledger, changes.before.run_id)
    run = replace(
        run,
        audiences=audiences,
        first_export=changes.before is None,
        evaluated_at=min((each.at for each in evaluations.values()), default=None),
        baseline_evaluated_at=before.evaluated_at if before else None,
        ages=_ages(evaluations, session),
        merged=changes.merged,
        split=changes.split,
    )
    return with_counts(run, changes.counts)


def with_counts(run: Run, counts: Counts) -> Run:
    """The run with the counts of its profiles."""
    return replace(
        run,
        received=counts.received,
        exported=counts.exported,
        excluded=counts.excluded,
        excluded_by=dict(counts.excluded_by),
        realized=counts.realized,
        exited=counts.exited,
        by_trigger=dict(counts.by_trigger),
    )


def put_with_superseded(run: Run, sending: Sending, session: Session) -> None:
    """Record a run as it is now, how it was judged, and the slots that it supersedes (S2, G7). In a transaction."""
    if judged := _judged(sending, session):
        inputs_table.put(session.ledger, judged)
    runs_table.put(session.ledger, run)
    if superseded := _superseded(sending, session):
        runs_table.put(session.ledger, superseded)


def _superseded(sending: Sending, session: Session) -> Run | None:
    """One record for all older due slots, at the newest of their times.

    None where a run of that slot failed: it may have moved rows, so its record stays (V2).
    """
    older = sending.superseded
    run_id = sending.run_id_at(older.newest, older.counter) if older else ""
    if older is None or runs_table.get(session.ledger, run_id):
        return None
    return replace(
        new_run(sending, session),
        run_id=run_id,
        scheduled_time=older.newest,
        status="superseded",
        superseded_count=older.count,
        finished_at=session.clock(),
        guards_overridden=False,
        governance=None,  # nothing was tried, so nothing was judged
    )


def _ages(evaluations: Mapping[str, AudienceEvaluation], session: Session) -> dict[str, int]:
    """The ages of the run's inputs, in seconds (D2): of profiles and feeds at the instant, of events as evaluated."""
    opened, audiences = session.opened, session.workspace.audiences
    fed = any(audiences[name].from_feed for name in evaluations if name in audiences)
    now = opened.freshness.seconds(*opened.profile_kinds, *(["memberships"] if fed else []))
    then: dict[str, int] = {}
    for each in evaluations.values():
        for kind, age in each.ages.items():
            if kind not in opened.profile_kinds and kind not in now:
                then[kind] = max(age, then.get(kind, age))
    return now | then


def _judged(sending: Sending, session: Session) -> Mapping[str, object] | None:
    return record(session.judge.of(sending.activation))


def place_of(baseline: MessageBaseline, run: Run) -> bool:
    """Whether delivered rows are of the place to which a run sends (X9)."""
    return run.url_digest is not None and baseline.place_digest == run.url_digest
