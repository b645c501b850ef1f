"""The membership feed of other systems: visitors of the shops, and registrations for Black Friday in the app."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from muster.sample_data import DAYS, STORY, STORY_AUDIENCE
from muster.sample_data.names import between
from muster.sample_data.people import AWKWARD, BLACK_FRIDAY, Profile, is_ordinary

Row = dict[str, Any]  # one row of a membership file, in the types of sample_data.make.MEMBERSHIPS

FIRST = datetime(2026, 11, 13, tzinfo=UTC)  # the feed's first day; seven more follow
STAY = timedelta(days=7)  # how long a visit counts
VISITS_A_DAY = 20
NIGHTLY = timedelta(hours=1, minutes=15)  # when the door counters send all their members again
DAY_ONE = datetime(DAYS[0].year, DAYS[0].month, DAYS[0].day, tzinfo=UTC)
REGISTRATIONS = 15  # in the app, on the first day, at shop hours


def memberships(profiles: list[Profile]) -> list[Row]:
    """All rows of the feed, sorted by time."""
    rng = Random("visitors")
    names = sorted(
        (str(profile["profile_id"]) for profile in profiles if is_ordinary(profile)), key=lambda _: rng.random()
    )
    early = next(
        row["profile_id"] for row in profiles if is_ordinary(row) and row["email"] and BLACK_FRIDAY in row["tags"]
    )
    rows = [*_visitors(rng, names), *_story(), *_registered(names), *_night_owls(names, early)]
    return sorted(rows, key=lambda row: (row["last_qualification_time"], row["audience_id"], row["profile_id"]))


def registered_on_day_one(rows: list[Row]) -> set[str]:
    """The ids of those who signed up for Black Friday on the first day; the next snapshot has it as a tag."""
    next_day = DAY_ONE + timedelta(days=1)
    return {
        row["profile_id"]
        for row in rows
        if row["audience_id"] == BLACK_FRIDAY and row["last_qualification_time"] < next_day
    }


def _visitors(rng: Random, names: list[str]) -> Iterator[Row]:
    """Visitors of eight days, the awkward customers among them; some ask to be taken off, some come back later."""
    for day in range(8):
        for name in names[day * VISITS_A_DAY : (day + 1) * VISITS_A_DAY]:
            visit = FIRST + timedelta(days=day, seconds=between(rng, 8 * 3600, 20 * 3600))
            yield from _stay(name, visit, left_at=_asked(rng, day) if rng.random() < 0.06 else None)
    for name in names[:4]:  # visitors of the first day, who return when their week is over
        yield from _stay(name, DAY_ONE + timedelta(hours=20, minutes=30, seconds=between(rng, 0, 1200)))
    for name in sorted(AWKWARD):
        yield from _stay(name, FIRST + timedelta(days=4, seconds=between(rng, 8 * 3600, 20 * 3600)))


def _asked(rng: Random, day: int) -> datetime:
    """The time when a visitor of that day asks to be taken off the list: later in the week, during shop hours."""
    return FIRST + timedelta(days=day + between(rng, 1, 6), seconds=between(rng, 8 * 3600, 20 * 3600))


def _story() -> Iterator[Row]:
    """The visits of the people of the story."""
    came = FIRST + timedelta(days=4, hours=10, minutes=30)
    left, back = DAY_ONE + timedelta(hours=11, minutes=2), DAY_ONE + timedelta(hours=17, minutes=45)
    exceptions: dict[str, tuple[datetime, datetime | None]] = {
        "joined": (DAY_ONE + timedelta(hours=15, minutes=20), None),
        "left": (came, DAY_ONE + timedelta(hours=14, minutes=10)),
        "returned": (came, left),
        "housemate_left": (came + timedelta(days=1), left),
    }
    for role, person in STORY.items():
        visit, asked = exceptions.get(role, (came, None))
        yield from _stay(person.profile_id, visit, left_at=asked)
    yield from _stay(STORY["returned"].profile_id, back)


def _stay(name: str, visit: datetime, left_at: datetime | None = None) -> Iterator[Row]:
    """The rows of one visit: the first, one every night while the visit counts, and the exit if it ends early."""
    until = visit + STAY
    yield _row(STORY_AUDIENCE, name, "realized", visit, until)
    night = visit.replace(hour=0, minute=0, second=0) + timedelta(days=1) + NIGHTLY
    last = min(until, left_at or until, DAY_ONE + timedelta(days=2))
    while night < last:
        yield _row(STORY_AUDIENCE, name, "existing", night, until)
        night += timedelta(days=1)
    if left_at and left_at < min(until, DAY_ONE + timedelta(days=1)):
        yield _row(STORY_AUDIENCE, name, "exited", left_at, None)


def _registered(names: list[str]) -> Iterator[Row]:
    """The registrations in the app on the first day."""
    rng = Random("registrations")
    for name in names[-REGISTRATIONS:]:
        yield _row(BLACK_FRIDAY, name, "realized", DAY_ONE + timedelta(seconds=between(rng, 9 * 3600, 22 * 3600)), None)


def _night_owls(names: list[str], early: str) -> Iterator[Row]:
    """Three registrations and one exit after the second evaluation.

    An export at five o'clock takes them from the feed, before a snapshot has them.
    """
    night = DAY_ONE + timedelta(days=1, hours=2, minutes=40)
    for number, name in enumerate(names[-REGISTRATIONS - 3 : -REGISTRATIONS]):
        yield _row(BLACK_FRIDAY, name, "realized", night + timedelta(minutes=25 * number), None)
    yield _row(BLACK_FRIDAY, early, "exited", night + timedelta(minutes=90), None)


def _row(audience: str, name: str, status: str, moment: datetime, until: datetime | None) -> Row:
    return {
        "audience_id": audience,
        "profile_id": name,
        "status": status,
        "last_qualification_time": moment,
        "valid_until": until,
    }
