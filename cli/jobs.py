"""What each command does, without arguments and without printing: load, lock, finish, evaluate, decide, carry out (S6).

Each job takes an open ``Session`` and returns what happened as data; ``cli.render`` says it.
"""

import dataclasses
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from activation.ahead import one_ahead
from activation.deliver import commit, recover
from activation.errors import ExportError, InputError, MistakeError, MusterError, RefusedError
from activation.evaluate import Evaluation, evaluate, request_evaluation
from activation.exports import Export
from activation.instants import iso
from activation.pipeline import Outcome, carry_out, current_baseline, prepare, preview
from activation.records import Run
from activation.session import Session
from activation.state import ScratchState
from activation.workspace import Activation
from schedules import decide
from schedules.due import History, Sighting, evaluation_due, observe

log = logging.getLogger("muster")


@dataclass
class Report:
    """What a command did, and how it ends."""

    at: datetime
    evaluation: Evaluation | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    finished: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evaluation_error: MusterError | None = None

    @property
    def errors(self) -> list[Exception]:
        """Everything that failed."""
        failed = [outcome.error for outcome in (*self.finished, *self.outcomes) if outcome.error]
        audiences = list(self.evaluation.failures.values()) if self.evaluation else []
        return [*([self.evaluation_error] if self.evaluation_error else []), *audiences, *failed]

    @property
    def exit_code(self) -> int:
        """0 all done; 1 something failed and the rest was done; 2 if nothing else was done and only mistakes stood in the way (X1)."""
        if not self.errors:
            return 0
        mistakes = all(isinstance(error, (MistakeError, InputError)) for error in self.errors)
        return 2 if mistakes and not self.done else 1

    @property
    def done(self) -> bool:
        """Whether something was evaluated or exported."""
        exported = any(not outcome.error for outcome in (*self.finished, *self.outcomes))
        return exported or bool(self.evaluation and self.evaluation.evaluated)


class LedgerPast:
    """What decisions ask about the past, answered from the ledger: of all activations at once."""

    def __init__(self, session: Session) -> None:
        self._ledger = session.ledger
        asked = ((each.destination, each.id, each.schedule.trigger) for each in session.workspace.activations)
        self._histories = self._ledger.histories(asked)

    def history(self, activation: Activation) -> History:
        """The activation's finished and failed slots."""
        return History(*self._histories[activation.destination, activation.id])

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:
        """The instants at which an audience was evaluated, from ``since`` on."""
        return self._ledger.evaluation_times(audience, since)


def sightings(session: Session) -> dict[str, Sighting]:
    """The activations as this command sees them (S2, X9)."""
    return observe(_seen_before(session), session.workspace.activations, session.at)


def _seen_before(session: Session) -> dict[str, Sighting]:
    return {
        row["activation"]: Sighting(
            row["activation"],
            datetime.fromisoformat(row["first_seen"]),
            datetime.fromisoformat(row["since"]),
            row["schedule_digest"],
            bool(row["present"]),
        )
        for row in session.ledger.sightings()
    }


def _record(seen: dict[str, Sighting], session: Session) -> None:
    """Keep what is new of it; a look that saw nothing new writes nothing."""
    if seen != _seen_before(session):
        with session.ledger.transaction():
            _put(seen, session)


def _put(seen: dict[str, Sighting], session: Session) -> None:
    """In a transaction: with an evaluation, so that a kill right after it does not lose the day from which its slots count (S2, S6)."""
    session.ledger.put_sightings(
        (each.activation, each.first_seen, each.since, each.schedule_digest, each.present) for each in seen.values()
    )


def _finish_interrupted(session: Session, report: Report) -> set[str]:
    """Finish what a killed command left (S6); the activations that are still held up."""
    for run, error in recover(session):
        report.finished.append(Outcome(run, error))
    return {outcome.run.key for outcome in report.finished if outcome.error}


def _carry_out(exports: Sequence[Export], session: Session, report: Report, held: Collection[str]) -> None:
    for done, (export, prepared) in enumerate(one_ahead(partial(prepare, session=session), exports)):
        step = {"done": done, "of": len(exports), "step": f"exporting {export.activation.key}"}
        log.info("export %d of %d: %s", done + 1, len(exports), export.activation.key, extra=step)
        if export.activation.key in held:
            log.warning("%s: an earlier run is not finished; nothing new is started", export.activation.key)
            continue
        report.outcomes.append(carry_out(export, session, prepared))


def evaluate_job(session: Session, audiences: Sequence[str], *, exports: bool, replace: bool) -> Report:
    """`muster evaluate`: finish, evaluate, then the exports that follow evaluations (E6, E7, S4)."""
    report = Report(session.at)
    request = request_evaluation(session, audiences, replace=replace)
    report.notes += request.notes
    held = _finish_interrupted(session, report)
    seen = sightings(session)
    report.evaluation = evaluate(session, request, partial(_put, seen, session))
    due = decide.after_evaluation(decide.Look(session.workspace, seen, LedgerPast(session), session.at)) if exports else []
    if due or report.done or not report.errors:  # a command that does nothing but refuse writes nothing
        _record(seen, session)
    _carry_out(due, session, report, held)
    return report


def run_job(session: Session, overrides: Collection[str]) -> Report:
    """`muster run`: finish what was interrupted, evaluate if due, then every due export."""
    report = Report(session.at)
    _check_overrides(session, overrides)
    held = _finish_interrupted(session, report)
    seen = sightings(session)
    must_evaluate = evaluation_is_due(session)
    due = _due(session, seen, overrides)
    if must_evaluate or due:
        _ = session.snapshot  # refused as a whole when the snapshot cannot be used (X11, SPEC 10)
    if must_evaluate:
        _try_to_evaluate(session, report, partial(_put, seen, session), others=bool(due))
        due = _due(session, seen, overrides)
    if due or report.done or not report.errors:  # a command that does nothing but refuse writes nothing
        _record(seen, session)
    _carry_out(due, session, report, held)
    return report


def _try_to_evaluate(session: Session, report: Report, beside: Callable[[], None], *, others: bool) -> None:
    """Evaluate; an input that stops it does not stop the exports that are due all the same (X1)."""
    try:
        report.evaluation = evaluate(session, request_evaluation(session, ()), beside)
    except InputError as error:
        if not others:
            raise
        report.evaluation_error = error


def evaluation_is_due(session: Session) -> bool:
    """S7: the schedule asks for it, and no audience was evaluated later than this instant."""
    newest = session.ledger.newest_evaluation_time()
    if newest and newest >= session.at:
        return False
    return evaluation_due(session.workspace.evaluation_schedule, session.ledger.newest_full_evaluation(), session.at)


def _due(session: Session, seen: dict[str, Sighting], overrides: Collection[str]) -> list[Export]:
    look = decide.Look(session.workspace, seen, LedgerPast(session), session.at, overrides)
    return [*decide.after_evaluation(look), *decide.scheduled(look)]


def _check_overrides(session: Session, overrides: Collection[str]) -> None:
    for key in overrides:
        if session.workspace.activation(key) is None:
            decide.on_demand(session.workspace, [key], session.at, lambda _: 0)  # says which names are near


def export_job(session: Session, keys: Sequence[str]) -> Report:
    """`muster export`: full files of the newest evaluation, now; all requests are checked before the first is carried out (X7)."""
    report = Report(session.at)
    exports = decide.on_demand(session.workspace, keys, session.at, lambda _: 0)
    for export in exports:
        evaluation = session.ledger.newest_evaluation(export.activation.audience, session.at)
        if evaluation is None:
            audience = export.activation.audience
            raise RefusedError(
                f"{export.activation.key}: audience {audience!r} was not evaluated at or before {iso(session.at)}; `muster evaluate` first"
            )
        session.evaluated_snapshot(evaluation)
    held = _finish_interrupted(session, report)
    report.outcomes += [
        Outcome(each.run, ExportError(f"{each.run.key}: its last run is not finished"))
        for each in report.finished
        if each.error and each.run.key in keys
    ]
    wanted = [key for key in keys if key not in _just_finished(report)]
    exports = decide.on_demand(
        session.workspace, wanted, session.at, lambda each: session.ledger.on_demand_count(each.destination, each.id, session.at)
    )
    _carry_out(exports, session, report, held)
    return report


def _just_finished(report: Report) -> set[str]:
    """The activations whose interrupted request for this very instant was finished first: asking again was its retry, no second request."""
    finished = (each.run for each in report.finished if each.run.status == "succeeded" and each.run.trigger == "on_demand")
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
    _check_overrides(session, overrides)
    report = Report(session.at)
    steps = [Step("finish", Outcome(run)) for run in session.ledger.unfinished() if run.status == "delivering"]
    with TemporaryDirectory() as folder:
        scratch = dataclasses.replace(session, state=ScratchState(session.state, Path(folder)), ledger=session.ledger.copy())
        for run in scratch.ledger.unfinished():
            _assume_finished(run, scratch)
        seen = sightings(scratch)
        must_evaluate = evaluation_is_due(scratch)
        due = _due(scratch, seen, overrides)
        if must_evaluate or due:
            _ = scratch.snapshot
        if must_evaluate:
            _try_to_evaluate(scratch, report, lambda: None, others=bool(due))
            due = _due(scratch, seen, overrides)
        if report.evaluation:
            steps.append(Step("evaluate", evaluation=report.evaluation))
        report.outcomes = [preview(export, scratch) for export in due]
    steps += [Step("export", outcome) for outcome in report.outcomes]
    return Plan(steps, _baseline_notes(session), report)


def _baseline_notes(session: Session) -> list[str]:
    """Baselines of another place, and baselines without an activation (X9)."""
    notes = []
    for baseline in session.ledger.baselines():
        key = f"{baseline.destination}/{baseline.activation}"
        activation = session.workspace.activation(key)
        if activation is None:
            notes.append(f"the baseline of {key} has no activation: `muster baseline move {key} NEW` if it was renamed")
        elif current_baseline(activation, session) is None:
            notes.append(f"{key}: the url changed from {baseline.url}: the new place holds nothing yet, so its next export is a first one")
    return notes


def _assume_finished(run: Run, scratch: Session) -> None:
    """What the ledger will say once an interrupted run is dealt with."""
    if run.status == "delivering":
        commit(run, scratch)
    else:
        with scratch.ledger.transaction():
            scratch.ledger.put_run(dataclasses.replace(run, status="failed"))
