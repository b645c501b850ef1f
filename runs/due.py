"""What a command finds to do: the config, what was seen and done before, and the instant (S2, S4, S7). It works with no data."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from muster.activation.model.exports import Export
from muster.activation.model.workspace import Activation, Workspace
from muster.activation.state.ledger import evaluations_table, redeliveries_table, runs_table, sightings_table
from muster.activation.state.ledger.database import Ledger
from muster.runs.report import Report
from muster.schedules import decide
from muster.schedules.due import FirstSeen, History, evaluation_due, observe


class Asking(Protocol):
    """Who asks: a session, or one who only holds the lock."""

    @property
    def workspace(self) -> Workspace:
        """The config."""

    @property
    def ledger(self) -> Ledger:
        """What was seen and done before."""

    @property
    def at(self) -> datetime:
        """The instant."""


class LedgerPast:
    """What decisions ask about the past, answered from the ledger: of all activations at once."""

    def __init__(self, asking: Asking) -> None:
        self._ledger = asking.ledger
        asked = ((each.destination, each.id, each.schedule.trigger) for each in asking.workspace.activations)
        self._histories = runs_table.finished_and_failed_slots(self._ledger, asked)

    def history(self, activation: Activation) -> History:
        """The activation's finished and failed slots."""
        return History(*self._histories[activation.destination, activation.id])

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:
        """The instants at which an audience was evaluated, from ``since`` on."""
        return evaluations_table.times(self._ledger, audience, since)


def sightings(asking: Asking) -> dict[str, FirstSeen]:
    """The activations as this command sees them (S2, X9)."""
    return observe(_seen_before(asking), asking.workspace.activations, asking.at)


def _seen_before(asking: Asking) -> dict[str, FirstSeen]:
    return {
        row["activation"]: FirstSeen(
            row["activation"],
            datetime.fromisoformat(row["first_seen"]),
            datetime.fromisoformat(row["since"]),
            row["schedule_digest"],
            bool(row["present"]),
        )
        for row in sightings_table.list_all(asking.ledger)
    }


def record(seen: dict[str, FirstSeen], asking: Asking) -> None:
    """Keep what is new of it; a look that saw nothing new writes nothing."""
    if seen != _seen_before(asking):
        with asking.ledger.transaction():
            put(seen, asking)


def put(seen: dict[str, FirstSeen], asking: Asking) -> None:
    """In a transaction: with an evaluation, so that a kill right after it does not lose the day from which its slots count (S2, S6)."""
    rows = (
        (each.activation, each.first_seen, each.since, each.schedule_digest, each.present) for each in seen.values()
    )
    sightings_table.put(asking.ledger, rows)


def evaluation_is_due(asking: Asking) -> bool:
    """S7: the schedule asks for it, and no audience was evaluated later than this instant."""
    newest = evaluations_table.newest_time(asking.ledger)
    if newest and newest >= asking.at:
        return False
    return evaluation_due(
        asking.workspace.evaluation_schedule, evaluations_table.newest_time_of_all(asking.ledger), asking.at
    )


def everything_due(asking: Asking, seen: dict[str, FirstSeen], overrides: Collection[str]) -> list[Export]:
    """Every export that is due, those that follow evaluations first."""
    look = decide.Situation(asking.workspace, seen, LedgerPast(asking), asking.at, overrides)
    return [*decide.after_evaluation(look), *decide.scheduled(look)]


def check_overrides(asking: Asking, overrides: Collection[str]) -> None:
    """``RefusedError`` for an activation that there is not (X11)."""
    for key in overrides:
        if asking.workspace.activation(key) is None:
            decide.on_demand(asking.workspace, [key], asking.at, lambda _: 0)  # says which names are near


def idle(asking: Asking, overrides: Collection[str]) -> Report | None:
    """What a `run` reports that finds nothing to do; None when there is work."""
    check_overrides(asking, overrides)
    if (
        runs_table.unfinished(asking.ledger)
        or redeliveries_table.unfinished(asking.ledger)
        or evaluation_is_due(asking)
    ):
        return None
    seen = sightings(asking)
    if everything_due(asking, seen, overrides):
        return None
    record(seen, asking)
    return Report(asking.at)
