"""Times in the ledger that are later than an instant: traces of a command whose clock was wrong (S8)."""

from datetime import datetime
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import when

_NEWEST = {
    "evaluations": "SELECT max(at) AS at FROM evaluations WHERE at > ?",
    "failed evaluations": "SELECT max(at) AS at FROM failures WHERE at > ?",
    "runs": (
        "SELECT scheduled_time AS at FROM runs WHERE scheduled_time > ? AND trigger != 'on_demand' AND NOT rewound "
        "ORDER BY scheduled_time DESC LIMIT 1"
    ),
    "builds of profiles": "SELECT max(at) AS at FROM builds WHERE at > ?",
    "delivered sets": "SELECT max(evaluated_at) AS at FROM baselines WHERE evaluated_at > ?",
    "delivered rows": "SELECT max(at) AS at FROM message_baselines WHERE at > ?",
    "looks at what there is to send": "SELECT max(at) AS at FROM looks WHERE at > ?",
}
_SIGHTINGS = "SELECT * FROM sightings WHERE max(first_seen, since) > ?"


def newest(ledger: Ledger, instant: datetime) -> dict[str, datetime]:
    """Return by kind of record its newest time that is later than an instant; kinds without such a time are absent."""
    text = iso(instant)
    found = {kind: ledger.ask_one(query, text) for kind, query in _NEWEST.items()}
    with ledger.refusing_foreign_values():
        return {kind: when(row["at"]) for kind, row in found.items() if row and row["at"]}


def sightings(ledger: Ledger, instant: datetime) -> list[Row]:
    """Return the sightings with a time later than an instant; that of a schedule's own start may be right."""
    return ledger.ask(_SIGHTINGS, iso(instant))
