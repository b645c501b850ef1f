"""The table ``failures``: audiences that an evaluation could not decide, and why (E9).

An audience is failed at an instant when its newest failure up to then is not before its newest evaluation up to then.
The failures since that evaluation are one streak: of a streak the table keeps the first and the last.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.model.history import FailedAudience
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import when

_LATEST = "9999"  # later than every instant
_CURRENT = """
SELECT * FROM failures WHERE at <= ?1 AND at >= coalesce(
    (SELECT max(at) FROM evaluations WHERE evaluations.audience = failures.audience AND evaluations.at <= ?1), ''
) ORDER BY audience, at
"""
# ?1 audience, ?2 the instant of its newest failure
_INNER = """
DELETE FROM failures WHERE audience = ?1 AND at < ?2 AND at > (
    SELECT min(at) FROM failures WHERE audience = ?1 AND at >= coalesce(
        (SELECT max(at) FROM evaluations WHERE audience = ?1 AND at <= ?2), ''
    )
)
"""
_SETTLED_LONG_AGO = """
DELETE FROM failures WHERE at < (SELECT min(at) FROM evaluations WHERE evaluations.audience = failures.audience)
"""


def current(ledger: Ledger, at: datetime | None = None) -> dict[str, FailedAudience]:
    """Return the audiences that are failed at an instant, or as of all that is known, by id (E9).

    Failures and evaluations later than ``at`` do not count. Audiences that the config does not have are among them.
    """
    rows = ledger.ask(_CURRENT, iso(at) if at else _LATEST)
    with ledger.refusing_foreign_values():
        return {
            audience: _failed(audience, list(streak))
            for audience, streak in groupby(rows, key=lambda row: row["audience"])
        }


def _failed(audience: str, streak: list[Row]) -> FailedAudience:
    """Return the failed audience that a streak, in order of time, makes."""
    return FailedAudience(audience, when(streak[0]["at"]), when(streak[-1]["at"]), streak[-1]["error"])


def list_all(ledger: Ledger) -> list[FailedAudience]:
    """Return every failure by itself, by audience and time."""
    rows = ledger.ask("SELECT * FROM failures ORDER BY audience, at")
    with ledger.refusing_foreign_values():
        return [_failed(row["audience"], [row]) for row in rows]


def put(ledger: Ledger, errors: Mapping[str, str], at: datetime) -> None:
    """Record that an evaluation at an instant could not decide audiences, with the error of each. In a transaction."""
    for audience, error in errors.items():
        ledger.change("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", audience, iso(at), error)
        ledger.change(_INNER, audience, iso(at))


def settle(ledger: Ledger, audiences: Iterable[str], at: datetime) -> None:
    """Delete the failures at exactly an instant of audiences that are decided now (E6, E9). In a transaction."""
    for audience in audiences:
        ledger.change("DELETE FROM failures WHERE audience = ? AND at = ?", audience, iso(at))


def delete_after(ledger: Ledger, instant: datetime) -> list[FailedAudience]:
    """Delete all failures later than an instant, and return them by audience. In a transaction.

    Earlier ones count again (E6).
    """
    rows = ledger.ask("SELECT * FROM failures WHERE at > ? ORDER BY audience, at", iso(instant))
    with ledger.refusing_foreign_values():
        later = [_failed(audience, list(each)) for audience, each in groupby(rows, key=lambda row: row["audience"])]
    ledger.change("DELETE FROM failures WHERE at > ?", iso(instant))
    return later


def delete_settled(ledger: Ledger) -> None:
    """Delete the failures before the oldest evaluation of their audience that is left. In a transaction."""
    ledger.change(_SETTLED_LONG_AGO)


def rewind(ledger: Ledger, to: datetime) -> None:
    """Move failures later than ``to`` to that instant, for audiences that are failed (S8). In a transaction.

    To be called before the evaluations are moved. A failure that an evaluation has settled, and that would be as late
    as the moved evaluation, is deleted.
    """
    failed = current(ledger)
    ledger.change("DELETE FROM failures WHERE at >= ?", iso(to))
    put(ledger, {each.audience: each.error for each in failed.values() if each.last_at >= to}, to)
