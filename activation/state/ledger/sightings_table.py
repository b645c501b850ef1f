"""The table ``sightings``: what earlier commands saw of the activations in the config (S2, X9)."""

from collections.abc import Iterable
from datetime import datetime
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.state.ledger.database import Ledger


def list_all(ledger: Ledger) -> list[Row]:
    """Return one row for each activation that was ever seen: its columns are those of the table, instants as text."""
    return ledger.ask("SELECT * FROM sightings")


def put(ledger: Ledger, rows: Iterable[tuple[str, datetime, datetime, str, bool]]) -> None:
    """Record sightings: activation key, first seen, since, schedule digest, present. In a transaction."""
    values = [(key, iso(first), iso(since), digest, present) for key, first, since, digest, present in rows]
    ledger.change_many("INSERT OR REPLACE INTO sightings VALUES (?,?,?,?,?)", values)
