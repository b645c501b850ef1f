"""The steps of `evaluate`, `run` and `export` in an open session: finish, evaluate, decide, carry out (S6)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from muster.activation.errors import DataError, ExportError, InputError, RefusedError
from muster.activation.evaluation.evaluate import Evaluation, evaluate
from muster.activation.evaluation.request import request_evaluation, request_reevaluation
from muster.activation.export.carry_out import Outcome
from muster.activation.instants import iso
from muster.activation.model.exports import AnyDecision, Export
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table, failures_table, runs_table
from muster.runs.batch import Batch
from muster.runs.due import (
    check_only,
    check_overrides,
    due_after_evaluation,
    evaluation_is_due,
    everything_due,
    put_sightings,
    record_sightings,
    reevaluation_is_due,
    sightings,
)
from muster.runs.report import Report
from muster.runs.sessions import LedgerView
from muster.schedules import decide
from muster.schedules.due import FirstSeen

Sightings = dict[str, FirstSeen]  # by activation key


def view_of(session: Session) -> LedgerView:
    """The input of decisions in a session."""
    return LedgerView(session.workspace, session.ledger, session.at)


def evaluate_audiences(
    session: Session, audiences: Sequence[str], *, exports: bool, replace_newest: bool, jobs: int
) -> Report:
    """Finish interrupted runs, evaluate, then carry out the exports that follow evaluations (E6, E7, S4)."""
    view = view_of(session)
    request = request_evaluation(session, audiences, replace=replace_newest)

    def evaluation(record_beside: Callable[[], None]) -> Evaluation:
        return evaluate(session, request, record_beside)

    def due(seen: Sightings) -> list[AnyDecision]:
        return due_after_evaluation(view, seen) if exports else []

    return _work_through(session, evaluation, due, jobs=jobs, notes=request.notes)


def run_due(session: Session, override_guards: Collection[str], only: Collection[str] = (), *, jobs: int) -> Report:
    """Finish interrupted runs, evaluate what is due or failed, then carry out every export that is due (S2-S7, E9).

    ``only`` limits the exports to these activations, if it names any.
    """
    view = view_of(session)
    check_overrides(view, override_guards)
    check_only(session.workspace, only)
    evaluation = partial(evaluate_due, session)

    def due(seen: Sightings) -> list[AnyDecision]:
        return everything_due(view, seen, override_guards, only)

    return _work_through(session, evaluation, due, jobs=jobs)


def evaluate_due(session: Session, record_beside: Callable[[], None]) -> Evaluation | None:
    """Evaluate all audiences if the schedule says so (S7), or else those that are failed (E9); None for neither."""
    view = view_of(session)
    if evaluation_is_due(view):
        return evaluate(session, request_evaluation(session, ()), record_beside)
    if reevaluation_is_due(view):
        return evaluate(session, request_reevaluation(session), record_beside)
    return None


def _work_through(
    session: Session,
    evaluation: Callable[[Callable[[], None]], Evaluation | None],
    due: Callable[[Sightings], list[AnyDecision]],
    *,
    jobs: int,
    notes: Sequence[str] = (),
) -> Report:
    """Finish interrupted runs, carry out ``evaluation``, then the exports that are ``due``.

    An ``InputError`` that stops all of it, such as a refused profile snapshot, is raised, or reported beside the runs
    that were finished before (E9, X11).
    """
    view, evaluated = view_of(session), None
    with Batch(session, jobs) as batch:
        batch.finish_interrupted()
        seen = sightings(view)
        try:
            evaluated = evaluation(partial(put_sightings, seen, view))
            first = batch.to_do(due(seen))
            if first:
                audiences = [audience for each in first for audience in each.activation.audience_ids]
                session.open_profiles(audiences, goes_on=evaluated is not None)
        except InputError as error:
            if isinstance(error, DataError):  # the slots of activations seen now are due once the data is mended (S2)
                record_sightings(seen, view)
            batch.wait()
            if not batch.finished:
                raise
            return batch.report(None, notes, error)
        record_sightings(seen, view)
        batch.carry_out(first)
        batch.carry_out_rest(lambda: due(seen))
    return batch.report(evaluated, notes)


def run_on_demand(
    session: Session, keys: Sequence[str], *, jobs: int, override_guards: bool = False, messages_alone: bool = False
) -> Report:
    """Export full files of the newest evaluation, or send messages about every member (X7, V11).

    Every request is checked before the first is carried out. ``messages_alone`` refuses exports of files.
    """
    for decision in decide.on_demand(session.workspace, keys, session.at, lambda _: 0):
        if isinstance(decision, Export):
            _refuse_files(decision, refused=messages_alone)
            _check_evaluated(session, decision)
    with Batch(session, jobs) as batch:
        batch.finish_interrupted()
        if batch.under_way.intersection(keys):
            batch.wait()
        batch.refused = [
            Outcome(each.run, ExportError(f"{each.run.key}: its last run is not finished"))
            for each in batch.finished
            if each.error and each.run.key in keys
        ]
        retried = _retried(batch.report())
        decisions = decide.on_demand(
            session.workspace,
            [key for key in keys if key not in retried],
            session.at,
            lambda each: runs_table.count_on_demand(session.ledger, each.destination, each.id, session.at),
        )
        batch.carry_out([replace(each, override_guards=override_guards) for each in decisions])
        batch.wait()
    return batch.report()


def _refuse_files(export: Export, *, refused: bool) -> None:
    if refused:
        raise RefusedError(f"{export.key} exports files: `muster export {export.key}` writes all of its members")


def _check_evaluated(session: Session, export: Export) -> None:
    audience = export.activation.audience
    evaluation = evaluations_table.newest(session.ledger, audience, session.at)
    if evaluation is None:
        failed = failures_table.current(session.ledger, session.at).get(audience)
        reason = failed.problem if failed else f"audience {audience!r} was not evaluated at or before {iso(session.at)}"
        raise RefusedError(f"{export.activation.key}: {reason}; run `muster evaluate` first")
    session.of_audience(audience).opened.evaluated_snapshot(evaluation)


def _retried(report: Report) -> set[str]:
    """The activations whose interrupted request for this very instant was finished first.

    To ask for it again was the retry of that request, not a second one.
    """
    finished = (
        each.run for each in report.finished if each.run.status == "succeeded" and each.run.trigger == "on_demand"
    )
    return {run.key for run in finished if run.scheduled_time == report.at}
