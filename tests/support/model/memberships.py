"""Who is in an audience, and since when (E5, D4, X6)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from support.model.words import EXITED, REALIZED, Memberships, Message


def qualify(prior: Memberships, qualified: Iterable[str], at: datetime) -> Memberships:
    """E5."""
    now = set(qualified)
    after: Memberships = {}
    for profile in {*prior, *now}:
        before = prior.get(profile)
        was = before is not None and before[0] == REALIZED
        if profile in now:
            after[profile] = before if was and before else (REALIZED, at)
        elif before:
            after[profile] = (EXITED, at) if was else before
    return after


def settle(
    messages: Iterable[Message], at: datetime, start: tuple[str, datetime] | None = None
) -> tuple[str, datetime] | None:
    """D4: one profile's membership at an instant from its rows, told as a story from the first to the last.

    ``start`` is a membership that it has before the first row (X6).
    """
    status, since = start or (None, None)
    until: datetime | None = None
    for message in _in_order(row for row in messages if row.time <= at):
        if status == REALIZED and until is not None and until <= message.time:
            status, since = EXITED, until  # it ran out before this row came
        if message.status == EXITED:
            status, since, until = EXITED, message.time, None
        else:
            since = since if status == REALIZED else message.time
            status, until = REALIZED, message.until
    if status == REALIZED and until is not None and until <= at:
        status, since = EXITED, until
    return (status, since) if status and since else None


def _in_order(messages: Iterable[Message]) -> list[Message]:
    """The rows that count, oldest first: of those with equal times exited wins, then the later valid_until, null being
    the latest.
    """
    best: dict[datetime, Message] = {}
    for message in messages:
        rival = best.get(message.time)
        if rival is None or _strength(message) > _strength(rival):
            best[message.time] = message
    return [best[time] for time in sorted(best)]


def _strength(message: Message) -> tuple[bool, bool, datetime]:
    return (message.status == EXITED, message.until is None, message.until or datetime.min.replace(tzinfo=UTC))


def from_feed(prior: Memberships, messages: Sequence[Message], at: datetime) -> Memberships:
    """D4: what the rows say; a member whose rows are gone is exited at the instant."""
    after: Memberships = {}
    for profile in {*prior, *(message.profile for message in messages)}:
        found = settle((message for message in messages if message.profile == profile), at)
        before = prior.get(profile)
        if found:
            after[profile] = found
        elif before:
            after[profile] = (EXITED, at) if before[0] == REALIZED else before
    return after


def overridden(found: Memberships, messages: Sequence[Message], evaluated: datetime, at: datetime) -> Memberships:
    """X6: rows later than the evaluation override it, profile by profile."""
    after = dict(found)
    later = [message for message in messages if message.time > evaluated]
    for profile in {message.profile for message in later}:
        moved = settle((message for message in later if message.profile == profile), at, found.get(profile))
        if moved:
            after[profile] = moved
    return after
