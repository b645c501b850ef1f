"""The run that is owed at an instant, given what earlier commands saw and finished (S2, S4, S5, S7, V1, X7, X9).

Two instants bound the slots of an activation from below: ``FirstSeen.since``, from which its schedule counts, and
``History.last_finished``, up to which its slots are settled. A failed slot stays owed too, until a newer slot replaces
it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from muster.activation.instants import iso, midnight
from muster.activation.model.workspace import AnyActivation, Schedule
from muster.schedules.slots import EARLIEST, latest, pattern, slots


@dataclass(frozen=True)
class FirstSeen:
    """When commands first saw an activation, and its schedule then. The caller keeps it; ``observe`` updates it."""

    activation: str  # the activation key
    first_seen: datetime
    since: datetime  # slots before it are not due
    schedule_digest: str
    present: bool  # whether the config had the activation when a command last read it


@dataclass(frozen=True)
class History:
    """The results of an activation's runs, without on-demand runs."""

    # The newest slot that succeeded or was superseded, or that a look with nothing to send settled (V1).
    last_finished: datetime | None = None
    failed: datetime | None = None  # the newest later slot whose run failed and is not finished


@dataclass(frozen=True)
class Due:
    """One run that is owed, for the newest due slot; this slot supersedes the other due slots (S2)."""

    slot: datetime
    superseded_count: int = 0
    superseded_slot: datetime | None = None  # the newest superseded slot


@lru_cache(maxsize=4096)
def schedule_digest(schedule: Schedule) -> str:
    """A digest (sha256, hex), equal for schedules of equal slots such as ``every: 12h`` and ``at: [00:00, 12:00]``."""
    repeated = pattern(schedule)
    if repeated is not None:
        asks = [schedule.zone.key, repeated.days, [int(since.total_seconds()) for since in repeated.times]]
    else:
        asks = [schedule.kind]
    bounds = (
        [] if schedule.kind == "on_demand" else [moment and iso(moment) for moment in (schedule.start, schedule.end)]
    )
    return sha256(json.dumps([asks, bounds]).encode()).hexdigest()


def observe(
    before: Mapping[str, FirstSeen], activations: Sequence[AnyActivation], at: datetime
) -> dict[str, FirstSeen]:
    """Each activation's ``FirstSeen``, by activation key, after a command at ``at`` has read the config (S2, X9)."""
    found = {activation.key: _seen(before.get(activation.key), activation, at) for activation in activations}
    return found | {key: replace(seen, present=False) for key, seen in before.items() if key not in found}


def _seen(before: FirstSeen | None, activation: AnyActivation, at: datetime) -> FirstSeen:
    """The ``FirstSeen`` of an activation that the config has: new, unchanged, or changed at ``at``.

    Slots of a new one count from the schedule's start or this day's midnight, of a changed or returned one from ``at``.
    """
    schedule = activation.schedule
    digest = schedule_digest(schedule)
    if before is None:
        since = schedule.start or midnight(at.astimezone(schedule.zone).date(), schedule.zone)
        return FirstSeen(activation.key, first_seen=at, since=since, schedule_digest=digest, present=True)
    if before.present and before.schedule_digest == digest:
        return before
    return replace(before, since=at, schedule_digest=digest, present=True)


def due(
    schedule: Schedule, seen: FirstSeen, history: History, at: datetime, evaluations: Sequence[datetime] = ()
) -> Due | None:
    """The run that is owed at ``at``, if any (S2, S4, S5); ``evaluations`` are instants of the audience's evaluations.

    A failed slot stays owed after the schedule has changed, so ``since`` does not bound it; start and end always do.
    """
    if schedule.kind == "on_demand":
        return None
    owed = {
        *_slots(schedule, _unsettled(seen, history), at, evaluations),
        *_failed(schedule, history, at, evaluations),
    }
    if not owed:
        return None
    newest = max(owed)
    if schedule.kind == "each_run":  # a command misses no slot: a failed one stays what it is (V1, V2)
        return Due(newest)
    return Due(newest, superseded_count=len(owed) - 1, superseded_slot=max(owed - {newest}, default=None))


def horizon(seen: FirstSeen, history: History) -> datetime:
    """The earliest instant whose slot can be owed."""
    first = _unsettled(seen, history)
    return min(first, history.failed) if history.failed else first


def _unsettled(seen: FirstSeen, history: History) -> datetime:
    """The first instant whose slot would count, failed slots aside."""
    if history.last_finished is None:
        return seen.since
    return max(seen.since, history.last_finished + timedelta.resolution)


def _slots(schedule: Schedule, first: datetime, at: datetime, evaluations: Sequence[datetime]) -> Iterator[datetime]:
    """The slots in ``[first, at]``: those of the clock, the evaluations of the audience (S4), or ``at`` itself (V1)."""
    if schedule.kind == "each_run":
        return iter([at] if first <= at and open_window(schedule, at) else [])
    if schedule.kind != "after_evaluation":
        return iter(_slots_between(schedule, first, at))
    return (moment for moment in evaluations if first <= moment <= at and open_window(schedule, moment))


@lru_cache(maxsize=1024)
def _slots_between(schedule: Schedule, first: datetime, last: datetime) -> tuple[datetime, ...]:
    """The slots in ``[first, last]``, cached for activations that share a schedule and ran together."""
    return tuple(slots(schedule, first, last))


def _failed(schedule: Schedule, history: History, at: datetime, evaluations: Sequence[datetime]) -> list[datetime]:
    """The failed slot to try again, if any (S5); a slot whose evaluation was forgotten does not count (S4, E6)."""
    slot = history.failed
    if slot is None or slot > at or not open_window(schedule, slot):
        return []
    if schedule.kind == "after_evaluation" and slot not in evaluations:
        return []
    return [slot] if history.last_finished is None or slot > history.last_finished else []


def evaluation_due(schedule: Schedule | None, newest_evaluation: datetime | None, at: datetime) -> bool:
    """Whether the newest slot at or before ``at`` is later than the newest evaluation (S7)."""
    if schedule is None:
        return False
    first = EARLIEST if newest_evaluation is None else newest_evaluation + timedelta.resolution
    return latest(schedule, first, at) is not None


def open_window(schedule: Schedule, at: datetime) -> bool:
    """Whether ``at`` lies between the schedule's start (inclusive) and end (exclusive) (S1, X7)."""
    return (schedule.start is None or schedule.start <= at) and (schedule.end is None or at < schedule.end)
