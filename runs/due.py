"""The runs and evaluations due at an instant, from the config and the ledger alone (S2, S4, S7, V1, E9)."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import count

from muster.activation.errors import RefusedError
from muster.activation.model.exports import AnyDecision, Sending, run_id
from muster.activation.model.history import Look
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Activation, AnyActivation, Trigger, Workspace
from muster.activation.sending.looking import Looks
from muster.activation.state.ledger import (
    evaluations_table,
    failures_table,
    looks_table,
    redeliveries_table,
    runs_table,
    sightings_table,
)
from muster.runs.sessions import LedgerView
from muster.schedules import decide
from muster.schedules.due import FirstSeen, History, evaluation_due, observe


class LedgerPast:
    """The past that decisions ask about, answered from the ledger: the histories of all activations in one query."""

    def __init__(self, view: LedgerView) -> None:
        self._ledger, self._workspace = view.ledger, view.workspace.name
        activations = ((each.destination, each.id, each.schedule.trigger) for each in view.workspace.all_activations)
        self._histories = runs_table.finished_and_failed_slots(self._ledger, activations)
        sends = bool(view.workspace.message_activations)
        self._looks = {each.key: each for each in looks_table.list_all(self._ledger)} if sends else {}

    def history(self, activation: AnyActivation) -> History:
        """The activation's finished and failed slots; a look with nothing to send finishes slots, too (V1)."""
        finished, failed = self._histories[activation.destination, activation.id]
        settled = _settled_by(self._looks.get(activation.key), activation)
        return History(max(filter(None, (finished, settled)), default=None), failed)

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:
        """The instants at which an audience was evaluated, from ``since`` on."""
        return evaluations_table.times(self._ledger, audience, since)

    def counter(self, activation: AnyActivation, trigger: Trigger, slot: datetime) -> int:
        """The first counter with which the run id of a slot is not that of a rewound run (S8)."""
        ids = (run_id(self._workspace, activation.destination, activation.id, trigger, slot, n) for n in count())
        return next(n for n, each in enumerate(ids) if not runs_table.is_rewound(self._ledger, each))


def _settled_by(look: Look | None, activation: AnyActivation) -> datetime | None:
    """The newest slot that a look with nothing to send settled (V1); None where there was no such look.

    Slots of the look's own instant that come from commands and evaluations are not settled: a later command at that
    instant may have evaluated, so it looks again.
    """
    if look is None or not look.found_nothing or not isinstance(activation, MessageActivation):
        return None
    by_clock = activation.schedule.kind in {"at", "every", "cron"}
    return look.at if by_clock else look.at - timedelta.resolution


def sightings(view: LedgerView) -> dict[str, FirstSeen]:
    """The activations as a command at this instant sees them, by ``destination/activation`` (S2, X9)."""
    return _observed(_recorded_sightings(view), view)


def _observed(before: dict[str, FirstSeen], view: LedgerView) -> dict[str, FirstSeen]:
    return observe(before, [each for each in view.workspace.all_activations if each.enabled], view.at)


def _recorded_sightings(view: LedgerView) -> dict[str, FirstSeen]:
    return {
        row["activation"]: FirstSeen(
            row["activation"],
            datetime.fromisoformat(row["first_seen"]),
            datetime.fromisoformat(row["since"]),
            row["schedule_digest"],
            bool(row["present"]),
        )
        for row in sightings_table.list_all(view.ledger)
    }


def record_sightings(seen: dict[str, FirstSeen], view: LedgerView) -> None:
    """Record sightings in a transaction of their own, if any of them is new."""
    _record_changes(_recorded_sightings(view), seen, view)


def _record_changes(before: dict[str, FirstSeen], seen: dict[str, FirstSeen], view: LedgerView) -> None:
    if seen != before:
        with view.ledger.transaction():
            put_sightings(seen, view)


def put_sightings(seen: dict[str, FirstSeen], view: LedgerView) -> None:
    """Record sightings inside the caller's transaction.

    An evaluation records them in its own: else a kill right after it would lose the day from which slots count (S2,
    S6).
    """
    rows = (
        (each.activation, each.first_seen, each.since, each.schedule_digest, each.present) for each in seen.values()
    )
    sightings_table.put(view.ledger, rows)


def evaluation_is_due(view: LedgerView) -> bool:
    """Whether the evaluation schedule asks for an evaluation, and no audience was evaluated later than now (S7)."""
    newest = evaluations_table.newest_time(view.ledger)
    if newest and newest >= view.at:
        return False
    evaluated = evaluations_table.newest_time_of_all(view.ledger)
    return evaluation_due(view.workspace.evaluation_schedule, evaluated, view.at)


def reevaluation_is_due(view: LedgerView) -> bool:
    """Whether an audience is failed, and no audience was evaluated later than now (E9, S7)."""
    newest = evaluations_table.newest_time(view.ledger)
    if newest and newest > view.at:
        return False
    return not view.workspace.audiences.keys().isdisjoint(failures_table.current(view.ledger, view.at))


def due_after_evaluation(view: LedgerView, seen: dict[str, FirstSeen]) -> list[AnyDecision]:
    """The runs that evaluations of their audiences ask for (S4), and those that each command asks for (V1)."""
    situation = decide.Situation(view.workspace, seen, LedgerPast(view), view.at)
    return [*decide.after_evaluation(situation), *decide.each_run(situation)]


def everything_due(
    view: LedgerView, seen: dict[str, FirstSeen], override_guards: Collection[str], only: Collection[str] = ()
) -> list[AnyDecision]:
    """Every run that is due, those that follow evaluations first (S2, S4); of the activations ``only``, if any."""
    situation = decide.Situation(view.workspace, seen, LedgerPast(view), view.at, override_guards)
    due = [*decide.after_evaluation(situation), *decide.scheduled(situation)]
    return [each for each in due if not only or each.activation.key in only]


def check_overrides(view: LedgerView, override_guards: Collection[str]) -> None:
    """Raise ``RefusedError`` when guards of an unknown activation are to be ignored (X11)."""
    for key in override_guards:
        decide.known(view.workspace, key)


def check_only(workspace: Workspace, only: Collection[str]) -> None:
    """Raise ``RefusedError`` when a run is limited to an activation that it could never export (SPEC 9)."""
    for key in only:
        activation = decide.known(workspace, key)
        if not activation.enabled:
            raise RefusedError(f"{key} is disabled (`enabled: false`), so no run exports it")
        if activation.schedule.kind == "on_demand":
            if isinstance(activation, Activation):
                raise RefusedError(f"{key} is exported on demand only, which no run does: `muster export {key}` does")
            raise RefusedError(f"{key} is sent on demand only, which no run does: `muster resync {key}` does")


def is_idle(view: LedgerView, override_guards: Collection[str], only: Collection[str] = ()) -> bool:
    """Whether a run at this instant has nothing to do; then the sightings are recorded, which is all that is left."""
    check_overrides(view, override_guards)
    check_only(view.workspace, only)
    unfinished = runs_table.unfinished(view.ledger) or redeliveries_table.unfinished(view.ledger)
    if unfinished or evaluation_is_due(view) or reevaluation_is_due(view):
        return False
    before = _recorded_sightings(view)
    seen = _observed(before, view)
    looks = _looks_with_nothing(view, everything_due(view, seen, override_guards, only))
    if looks is None:
        return False
    _record_changes(before, seen, view)
    if looks:
        Looks(view.workspace, view.ledger).record(looks, view.at)
    return True


def _looks_with_nothing(view: LedgerView, due: Sequence[AnyDecision]) -> list[Look] | None:
    """The last looks at the activations that are due, if these tell that none has anything to send; else None (V1)."""
    looks, found = Looks(view.workspace, view.ledger), []
    for each in due:
        look = looks.found_nothing(each, view.at) if isinstance(each, Sending) else None
        if look is None:
            return None
        found.append(look)
    return found
