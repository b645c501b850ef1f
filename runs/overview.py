"""Last night on one screen: what is done, late, failing, stale, and due next, from the ledger alone (SPEC 9)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from muster.activation.model.exports import AnyDecision
from muster.activation.model.history import AudienceEvaluation, FailedAudience, Look, Run, Status, snapshots_of
from muster.activation.model.sources import Source
from muster.activation.model.workspace import AnyActivation, EventsSource, MembershipsSource, ProfilesSource
from muster.activation.state.ledger import evaluations_table, failures_table, looks_table, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.runs import ahead
from muster.runs.due import evaluation_is_due, everything_due, sightings
from muster.runs.opening import OpenWorkspace, instant_of
from muster.runs.sessions import LedgerView, read_ledger
from muster.schedules.slots import EARLIEST, latest, next_slots

State = Literal["done", "late", "failing", "unfinished", "waiting", "on_demand", "disabled"]
WRONG: Collection[State] = ("late", "failing", "unfinished")  # that somebody should look at


@dataclass(frozen=True)
class ActivationStatus:
    """How an activation stands.

    It is ``failing`` when a slot that failed is still due, ``late`` when a slot is due that no run has tried,
    ``unfinished`` while a run is being delivered or was interrupted, ``done`` when nothing is due and something ran,
    ``waiting`` when nothing was due yet, ``disabled`` when the config says ``enabled: false``. One that each command
    looks at is never late (V1).
    """

    activation: AnyActivation
    state: State
    last: Run | None  # its newest run; those that superseded slots stand for and rewound ones do not count
    due: datetime | None  # the newest slot that is due and not done
    failing_since: datetime | None  # the first slot of those that failed since the last success
    error: str | None  # why the newest of those slots failed, or the unfinished run cannot be finished
    next: datetime | None  # the next slot by the clock
    looked_at: datetime | None = None  # of one that sends messages: the last look at what there is to send (V1)


HasMaxAge: TypeAlias = ProfilesSource | EventsSource | MembershipsSource | Source


@dataclass(frozen=True)
class InputStatus:
    """How old an input of the newest evaluation is by now, if its age was known then, and how old it may be (D2)."""

    kind: str  # profiles, events or memberships; with sources ``sources.`` and an id
    age: timedelta
    max_age: timedelta | None
    setting: str = ""  # where ``max_age`` is written

    @property
    def is_stale(self) -> bool:
        """Whether the input is older than ``max_age`` allows."""
        return self.max_age is not None and self.age > self.max_age


@dataclass(frozen=True)
class EvaluationStatus:
    """The newest evaluation, and when the next is due by its schedule."""

    at: datetime | None
    snapshot: str | None
    audiences: int  # that were evaluated at that instant
    due: datetime | None  # the slot for which no evaluation has come
    next: datetime | None
    is_scheduled: bool
    inputs: tuple[InputStatus, ...] = ()


@dataclass(frozen=True)
class WorkspaceStatus:
    """How a workspace stands at an instant."""

    at: datetime
    evaluation: EvaluationStatus
    failed_audiences: tuple[FailedAudience, ...]  # of the config, that their newest evaluation could not decide (E9)
    activations: tuple[ActivationStatus, ...]  # in the order of the config
    is_ahead: bool = False  # whether the ledger has times later than the instant: a clock was wrong (S8)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is late, failing, unfinished or stale, and the state is not ahead of the instant."""
        wrong = any(each.state in WRONG for each in self.activations)
        stale = any(each.is_stale for each in self.evaluation.inputs)
        return not (wrong or stale or self.failed_audiences or self.evaluation.due or self.is_ahead)


def status(workspace: OpenWorkspace, *, now: datetime) -> WorkspaceStatus:
    """How the workspace stands at ``now``. No data is read; nothing is written."""
    at = instant_of(now)
    return read_ledger(workspace, lambda ledger: _status(LedgerView(workspace.config, ledger, at)), at)


def _status(view: LedgerView) -> WorkspaceStatus:
    due = {decision.key: decision for decision in everything_due(view, sightings(view), ())}
    looks = {each.key: each for each in looks_table.list_all(view.ledger)}
    unfinished = {run.key: run for run in runs_table.unfinished(view.ledger)}
    failed = failures_table.current(view.ledger, view.at)
    return WorkspaceStatus(
        view.at,
        _evaluation(view),
        tuple(failed[name] for name in view.workspace.audiences if name in failed),
        tuple(_activation(each, view, due, unfinished, looks) for each in view.workspace.all_activations),
        bool(ahead.warning(view.workspace, view.ledger, view.at)),
    )


def _evaluation(view: LedgerView) -> EvaluationStatus:
    schedule, newest = view.workspace.evaluation_schedule, evaluations_table.newest_time(view.ledger, view.at)
    found = evaluations_table.list_at(view.ledger, newest) if newest else []
    due = None
    if schedule and evaluation_is_due(view):
        evaluated = evaluations_table.newest_time_of_all(view.ledger)
        due = latest(schedule, evaluated + timedelta.resolution if evaluated else EARLIEST, view.at)
    return EvaluationStatus(
        newest,
        snapshots_of(found) if found else None,
        len(found),
        due,
        next(iter(next_slots(schedule, view.at, 1)), None) if schedule else None,
        schedule is not None,
        _inputs(view, found),
    )


def _inputs(view: LedgerView, evaluated: Sequence[AudienceEvaluation]) -> tuple[InputStatus, ...]:
    """The inputs of evaluations of one instant: as old as they were then, and older by the time since."""
    config = view.workspace
    sources: tuple[tuple[str, HasMaxAge | None], ...] = (
        ("profiles", config.profiles),
        *((f"sources.{each.id}", each) for each in config.sources.values()),
        ("events", config.events),
        ("memberships", config.memberships),
    )
    ages = {kind: seconds for each in evaluated for kind, seconds in each.inputs.get("ages", {}).items()}
    return tuple(
        InputStatus(
            kind,
            timedelta(seconds=ages[kind]) + (view.at - evaluated[0].at),
            source.max_age,
            f"max_age in {source.location.file}" if isinstance(source, Source) else f"{kind}.max_age",
        )
        for kind, source in sources
        if source and kind in ages
    )


def _activation(
    activation: AnyActivation,
    view: LedgerView,
    due: Mapping[str, AnyDecision],
    unfinished: Mapping[str, Run],
    looks: Mapping[str, Look],
) -> ActivationStatus:
    key, ledger = activation.key, view.ledger
    owed, under_way, look = due.get(key), unfinished.get(key), looks.get(key)
    failing_since = runs_table.failing_since(ledger, activation.destination, activation.id) if owed else None
    if failing_since and look and look.found_nothing and look.at > failing_since:
        failing_since = _failing_after(look, activation, ledger)
    if activation.schedule.kind == "each_run" and not failing_since:
        owed = None
    last = under_way or _newest(ledger, key)
    failed = under_way or (_newest(ledger, key, "failed") if failing_since else None)
    return ActivationStatus(
        activation,
        _state(activation, owed, failing_since, last or look, unfinished),
        last,
        owed.scheduled if owed else None,
        failing_since,
        failed.error if failed else None,
        next(iter(next_slots(activation.schedule, view.at, 1)), None) if activation.enabled else None,
        look.at if look else None,
    )


def _failing_after(look: Look, activation: AnyActivation, ledger: Ledger) -> datetime | None:
    """The slot of the newest run, if it failed after a look that found nothing to send: that look settled the rest."""
    newest = _newest(ledger, activation.key)
    return newest.scheduled_time if newest and newest.status == "failed" and newest.scheduled_time >= look.at else None


def _state(
    activation: AnyActivation,
    owed: AnyDecision | None,
    failing_since: datetime | None,
    last: Run | Look | None,
    unfinished: Collection[str],
) -> State:
    if activation.key in unfinished:
        return "unfinished"
    if not activation.enabled:
        return "disabled"
    if owed:
        return "failing" if failing_since else "late"
    if activation.schedule.kind == "on_demand":
        return "on_demand"
    return "done" if last else "waiting"


def _newest(ledger: Ledger, key: str, status: Status | None = None) -> Run | None:
    """The newest run of an activation, of a status if given, that no rewind took back."""
    found = runs_table.find(ledger, activation=key, status=status, superseded=False, rewound=False, limit=1)
    return found[0] if found else None
