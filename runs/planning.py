"""`plan`: the decisions of `run` with their exact counts, carried out on a copy of the ledger and a scratch folder."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from muster.activation.delivery.protocol import commit
from muster.activation.errors import InputError
from muster.activation.evaluation.evaluate import Evaluation
from muster.activation.export.baseline import current_baseline
from muster.activation.export.carry_out import Outcome, preview
from muster.activation.model.exports import AnyDecision, Export
from muster.activation.model.history import Baseline, Run
from muster.activation.model.workspace import Activation
from muster.activation.profiles.freshness import InputAge
from muster.activation.sending.looking import Looks
from muster.activation.session import Session
from muster.activation.state.files import ScratchState
from muster.activation.state.ledger import baselines_table, runs_table
from muster.activation.stores import urls
from muster.runs import hints
from muster.runs.due import check_overrides, everything_due, sightings
from muster.runs.message_notes import message_notes
from muster.runs.report import Report
from muster.runs.sessions import LedgerView
from muster.runs.untold import untold_note
from muster.runs.work import evaluate_due, view_of


@dataclass(frozen=True)
class Step:
    """One thing that a run would do. ``outcome`` is of a run to finish or an export; else there is ``evaluation``."""

    action: Literal["finish", "evaluate", "export"]
    outcome: Outcome | None = None
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class Plan:
    """The steps of a run in order, notes about baselines, and the report that the run would return."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    report: Report
    ages: tuple[InputAge, ...] = ()  # of the inputs that the steps read (D2)


def plan_session(session: Session, override_guards: Collection[str]) -> Plan:
    """Return the plan of a run in this session; nothing is written outside a temporary folder."""
    check_overrides(view_of(session), override_guards)
    interrupted = runs_table.unfinished(session.ledger)
    steps = [Step("finish", Outcome(run)) for run in interrupted if run.status == "delivering"]
    with rehearsal(session) as (scratch, finished):
        report = _rehearsed(scratch, override_guards, finished)
        ages = scratch.opened.freshness.ages
    if report.evaluation:
        steps.append(Step("evaluate", evaluation=report.evaluation))
    steps += [Step("export", outcome) for outcome in report.outcomes]
    view = view_of(session)
    notes = (*hints.remarks(view), *_baseline_notes(session), *message_notes(view))
    return Plan(tuple(steps), notes, report, ages)


@contextmanager
def rehearsal(session: Session) -> Iterator[tuple[Session, Sequence[Outcome]]]:
    """A session on a copy of the ledger and a scratch folder, and the interrupted runs that count as finished there."""
    with (
        TemporaryDirectory() as folder,
        closing(session.ledger.copy()) as ledger,
        closing(session.on_copy(ScratchState(session.state, Path(folder)), ledger)) as scratch,
    ):
        interrupted = runs_table.unfinished(scratch.ledger)
        finished = [done for run in interrupted if (done := _assume_finished(run, scratch))]
        yield scratch, finished


def _rehearsed(scratch: Session, override_guards: Collection[str], finished: Sequence[Outcome]) -> Report:
    """The report of a run that has finished these interrupted ones; an ``InputError`` as the run would raise it."""
    view = view_of(scratch)
    seen = sightings(view)
    try:
        evaluation = evaluate_due(scratch, lambda: None)
        due = _to_do(everything_due(view, seen, override_guards), view)
        if due:
            audiences = [audience for each in due for audience in each.activation.audience_ids]
            scratch.open_profiles(audiences, goes_on=evaluation is not None)
    except InputError as error:
        if not finished:
            raise
        return Report(scratch.at, None, (), tuple(finished), (), error, scratch.warnings.texts)
    sent = {each.run.key for each in finished if each.run.audiences is not None}
    able = [each for each in due if each.key not in sent]
    outcomes = tuple(outcome for each in able if (outcome := _previewed(each, scratch)))
    return Report(scratch.at, evaluation, outcomes, tuple(finished), warnings=scratch.warnings.texts)


def _to_do(due: Sequence[AnyDecision], view: LedgerView) -> list[AnyDecision]:
    """What is due, without sendings of which a look says that there is nothing to send (V1)."""
    looks = Looks(view.workspace, view.ledger)
    return [each for each in due if isinstance(each, Export) or not looks.found_nothing(each, view.at)]


def _previewed(decision: AnyDecision, scratch: Session) -> Outcome | None:
    """What a run would be; None where it would send nothing."""
    if isinstance(decision, Export):
        return preview(decision, scratch)
    from muster.activation.sending.preview import preview as preview_messages

    return preview_messages(decision, scratch)


def _assume_finished(run: Run, scratch: Session) -> Outcome | None:
    """Record an interrupted run in the copy of the ledger as a run would leave it; None for one that is given up."""
    if run.audiences is not None:
        return _assume_sent(run, scratch)
    if run.status == "delivering":
        [done] = commit([run], scratch)
        return Outcome(done)
    with scratch.ledger.transaction():
        runs_table.put(scratch.ledger, replace(run, status="failed"))
    return None


def _assume_sent(run: Run, scratch: Session) -> Outcome | None:
    """Record a run that a killed command was sending as a run would leave it: each message accepted, or replaced (V8).

    The rows of the copy stay as they were: of a run that goes on nothing else is planned.
    """
    from muster.activation.sending.resume import reason_to_replace

    goes_on = not reason_to_replace(run, scratch)
    with scratch.ledger.transaction():
        runs_table.put(scratch.ledger, replace(run, status="succeeded" if goes_on else "failed"))
    return Outcome(replace(run, status="succeeded")) if goes_on else None


def _baseline_notes(session: Session) -> list[str]:
    """Notes about baselines of another url or merge policy, and about baselines without an activation (X9, P11)."""
    notes = []
    for baseline in baselines_table.list_all(session.ledger):
        key = f"{baseline.destination}/{baseline.activation}"
        activation = session.workspace.activation(key)
        if activation is None:
            notes.append(f"the baseline of {key} has no activation: `muster baseline move {key} NEW` if it was renamed")
        elif current_baseline(activation, session) is None:
            same_url = activation.url is not None and baseline.url == urls.normalise(activation.url, session.root)
            what = (
                f"{baseline.url} is at another service or of another user now"
                if same_url
                else f"the url changed from {baseline.url}"
            )
            notes.append(f"{key}: {what}: the new place holds nothing yet, so its next export is a first one")
        else:
            found = (_other_ids(activation, baseline, session), untold_note(activation, baseline, session))
            notes += [note for note in found if note]
    return notes


def _other_ids(activation: Activation, baseline: Baseline, session: Session) -> str | None:
    """A note that all ids change, as profiles are made in another way than for the last delivery (P11); else None."""
    workspace = session.workspace
    policy = workspace.audiences[activation.audience].merge_policy if workspace.profiles.from_sources else None
    if baseline.policy == policy:
        return None
    before, now = (_made_by(each) for each in (baseline.policy, policy))
    exits = (
        ", and an exit for each key sent before that no member has" if activation.status_mapped else "; no exit is sent"
    )
    return (
        f"{activation.key}: profiles were made {before} at its last delivery and are made {now} now: all profile ids "
        f"change, so its next export holds everybody{exits if activation.export == 'incremental' else ''}"
    )


def _made_by(policy: str | None) -> str:
    return "by profiles.path" if policy is None else f"by the merge policy {policy!r}"
