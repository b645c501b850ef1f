"""The exports and evaluations due at an instant, from the config and the ledger alone (S2, S4, S7, E9)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import count

from muster.activation.errors import RefusedError
from muster.activation.model.exports import Export, run_id
from muster.activation.model.workspace import Activation, Trigger, Workspace
from muster.activation.state.ledger import (
    evaluations_table,
    failures_table,
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
        activations = ((each.destination, each.id, each.schedule.trigger) for each in view.workspace.activations)
        self._histories = runs_table.finished_and_failed_slots(self._ledger, activations)

    def history(self, activation: Activation) -> History:
        """The activation's finished and failed slots."""
        return History(*self._histories[activation.destination, activation.id])

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:
        """The instants at which an audience was evaluated, from ``since`` on."""
        return evaluations_table.times(self._ledger, audience, since)

    def counter(self, activation: Activation, trigger: Trigger, slot: datetime) -> int:
        """The first counter with which the run id of a slot is not that of a rewound run (S8)."""
        ids = (run_id(self._workspace, activation.destination, activation.id, trigger, slot, n) for n in count())
        return next(n for n, each in enumerate(ids) if not runs_table.is_rewound(self._ledger, each))


def sightings(view: LedgerView) -> dict[str, FirstSeen]:
    """The activations as a command at this instant sees them, by ``destination/activation`` (S2, X9)."""
    return _observed(_recorded_sightings(view), view)


def _observed(before: dict[str, FirstSeen], view: LedgerView) -> dict[str, FirstSeen]:
    return observe(before, [each for each in view.workspace.activations if each.enabled], view.at)


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


def due_after_evaluation(view: LedgerView, seen: dict[str, FirstSeen]) -> list[Export]:
    """The exports that evaluations of their audiences ask for (S4)."""
    return decide.after_evaluation(decide.Situation(view.workspace, seen, LedgerPast(view), view.at))


def everything_due(
    view: LedgerView, seen: dict[str, FirstSeen], override_guards: Collection[str], only: Collection[str] = ()
) -> list[Export]:
    """Every export that is due, those that follow evaluations first (S2, S4); of the activations ``only``, if any."""
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
            raise RefusedError(f"{key} is exported on demand only, which no run does: `muster export {key}` does")


def is_idle(view: LedgerView, override_guards: Collection[str], only: Collection[str] = ()) -> bool:
    """Whether a run at this instant has nothing to do; then the sightings are recorded, which is all that is left."""
    check_overrides(view, override_guards)
    check_only(view.workspace, only)
    unfinished = runs_table.unfinished(view.ledger) or redeliveries_table.unfinished(view.ledger)
    if unfinished or evaluation_is_due(view) or reevaluation_is_due(view):
        return False
    before = _recorded_sightings(view)
    seen = _observed(before, view)
    if everything_due(view, seen, override_guards, only):
        return False
    _record_changes(before, seen, view)
    return True
