"""What each command does, without arguments and without printing: load, lock, finish, evaluate, decide, carry out (S6).

Each job takes an open ``Session`` and returns what happened as data; ``muster.cli.show.text`` says it.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from muster.activation.delivery.concurrent import Deliveries
from muster.activation.delivery.protocol import commit
from muster.activation.errors import ExportError, InputError, RefusedError
from muster.activation.evaluation.evaluate import Evaluation, evaluate
from muster.activation.evaluation.request import request_evaluation
from muster.activation.export.baseline import current_baseline
from muster.activation.export.carry_out import Outcome, preview
from muster.activation.instants import iso
from muster.activation.model.exports import Export
from muster.activation.model.history import Run
from muster.activation.model.workspace import JOBS
from muster.activation.session import Session
from muster.activation.state.files import ScratchState
from muster.activation.state.ledger import baselines_table, evaluations_table, runs_table
from muster.activation.stores import urls
from muster.runs.due import LedgerPast, check_overrides, evaluation_is_due, everything_due, put, record, sightings
from muster.runs.report import Report
from muster.runs.work import Work
from muster.schedules import decide

log = logging.getLogger("muster")


def evaluate_job(
    session: Session, audiences: Sequence[str], *, exports: bool, replace: bool, jobs: int = JOBS
) -> Report:
    """`muster evaluate`: finish, evaluate, then the exports that follow evaluations (E6, E7, S4)."""
    report = Report(session.at)
    request = request_evaluation(session, audiences, replace=replace)
    report.notes += request.notes
    with Deliveries(session, jobs) as deliveries:
        work = Work(session, report, deliveries)
        work.finish_interrupted()
        seen = sightings(session)
        report.evaluation = evaluate(session, request, partial(put, seen, session))

        def due() -> list[Export]:
            return (
                decide.after_evaluation(decide.Situation(session.workspace, seen, LedgerPast(session), session.at))
                if exports
                else []
            )

        first = due()
        if first or report.done or not report.errors:  # a command that does nothing but refuse writes nothing
            record(seen, session)
        work.carry_out(first)
        work.go_on(due)
    return report


def run_job(session: Session, overrides: Collection[str], *, jobs: int = JOBS) -> Report:
    """`muster run`: finish what was interrupted, evaluate if due, then every due export."""
    report = Report(session.at)
    check_overrides(session, overrides)
    with Deliveries(session, jobs) as deliveries:
        work = Work(session, report, deliveries)
        work.finish_interrupted()
        seen = sightings(session)
        must_evaluate = evaluation_is_due(session)
        due = everything_due(session, seen, overrides)
        if must_evaluate or due:
            _ = session.opened.snapshot  # refused as a whole when the snapshot cannot be used (X11, SPEC 10)
        if must_evaluate:
            _try_to_evaluate(session, report, partial(put, seen, session), others=bool(due))
            due = everything_due(session, seen, overrides)
        if due or report.done or not report.errors:  # a command that does nothing but refuse writes nothing
            record(seen, session)
        work.carry_out(due)
        work.go_on(lambda: everything_due(session, seen, overrides))
    return report


def _try_to_evaluate(session: Session, report: Report, beside: Callable[[], None], *, others: bool) -> None:
    """Evaluate; an input that stops it does not stop the exports that are due all the same (X1)."""
    try:
        report.evaluation = evaluate(session, request_evaluation(session, ()), beside)
    except InputError as error:
        if not others:
            raise
        report.evaluation_error = error


def export_job(session: Session, keys: Sequence[str], *, jobs: int = JOBS) -> Report:
    """`muster export`: full files of the newest evaluation, now; all requests are checked before the first is carried out (X7)."""
    report = Report(session.at)
    exports = decide.on_demand(session.workspace, keys, session.at, lambda _: 0)
    for export in exports:
        evaluation = evaluations_table.newest(session.ledger, export.activation.audience, session.at)
        if evaluation is None:
            audience = export.activation.audience
            raise RefusedError(
                f"{export.activation.key}: audience {audience!r} was not evaluated at or before "
                f"{iso(session.at)}; `muster evaluate` first"
            )
        session.opened.evaluated_snapshot(evaluation)
    with Deliveries(session, jobs) as deliveries:
        work = Work(session, report, deliveries)
        work.finish_interrupted()
        if work.under_way.intersection(keys):
            work.wait()
        report.outcomes += [
            Outcome(each.run, ExportError(f"{each.run.key}: its last run is not finished"))
            for each in report.finished
            if each.error and each.run.key in keys
        ]
        wanted = [key for key in keys if key not in _just_finished(report)]
        work.carry_out(
            decide.on_demand(
                session.workspace,
                wanted,
                session.at,
                lambda each: runs_table.count_on_demand(session.ledger, each.destination, each.id, session.at),
            )
        )
        work.wait()
    return report


def _just_finished(report: Report) -> set[str]:
    """The activations whose interrupted request for this very instant was finished first: asking again was its retry, no second request."""
    finished = (
        each.run for each in report.finished if each.run.status == "succeeded" and each.run.trigger == "on_demand"
    )
    return {run.key for run in finished if run.scheduled_time == report.at}


@dataclass(frozen=True)
class Step:
    """One thing that `run` would do."""

    action: str  # finish | evaluate | export
    outcome: Outcome | None = None
    evaluation: Evaluation | None = None


@dataclass
class Plan:
    """What `run` would do, and what there is to know beside it."""

    steps: list[Step]
    notes: list[str]
    report: Report  # how `run` would end


def plan_job(session: Session, overrides: Collection[str] = ()) -> Plan:
    """`muster plan`: the decisions of `run` and their exact counts, on a copy of the ledger and a scratch folder."""
    check_overrides(session, overrides)
    report = Report(session.at)
    steps = [
        Step("finish", Outcome(run)) for run in runs_table.unfinished(session.ledger) if run.status == "delivering"
    ]
    with (
        TemporaryDirectory() as folder,
        closing(session.ledger.copy()) as ledger,
        closing(session.on_copy(ScratchState(session.state, Path(folder)), ledger)) as scratch,
    ):
        for run in runs_table.unfinished(scratch.ledger):
            _assume_finished(run, scratch)
        seen = sightings(scratch)
        must_evaluate = evaluation_is_due(scratch)
        due = everything_due(scratch, seen, overrides)
        if must_evaluate or due:
            _ = scratch.opened.snapshot
        if must_evaluate:
            _try_to_evaluate(scratch, report, lambda: None, others=bool(due))
            due = everything_due(scratch, seen, overrides)
        if report.evaluation:
            steps.append(Step("evaluate", evaluation=report.evaluation))
        report.outcomes = [preview(export, scratch) for export in due]
    steps += [Step("export", outcome) for outcome in report.outcomes]
    return Plan(steps, _baseline_notes(session), report)


def _baseline_notes(session: Session) -> list[str]:
    """Baselines of another place, and baselines without an activation (X9)."""
    notes = []
    for baseline in baselines_table.list_all(session.ledger):
        key = f"{baseline.destination}/{baseline.activation}"
        activation = session.workspace.activation(key)
        if activation is None:
            notes.append(f"the baseline of {key} has no activation: `muster baseline move {key} NEW` if it was renamed")
        elif current_baseline(activation, session) is None:
            same_url = baseline.url == urls.normalise(activation.url, session.root)
            what = (
                f"{baseline.url} is at another service or of another user now"
                if same_url
                else f"the url changed from {baseline.url}"
            )
            notes.append(f"{key}: {what}: the new place holds nothing yet, so its next export is a first one")
    return notes


def _assume_finished(run: Run, scratch: Session) -> None:
    """What the ledger will say once an interrupted run is dealt with."""
    if run.status == "delivering":
        commit(run, scratch)
    else:
        with scratch.ledger.transaction():
            runs_table.put(scratch.ledger, replace(run, status="failed"))
