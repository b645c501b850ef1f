"""The table ``looks``: when a command last looked whether an activation has messages to send (V1)."""

from collections.abc import Iterable
from datetime import datetime
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.model.history import Look
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import moment, when


def get(ledger: Ledger, destination: str, activation: str) -> Look | None:
    """Return the last look at an activation."""
    query = "SELECT * FROM looks WHERE destination = ? AND activation = ?"
    found = _looks(ledger, ledger.ask(query, destination, activation))
    return found[0] if found else None


def list_all(ledger: Ledger) -> list[Look]:
    """Return the last look at each activation, by destination and activation."""
    return _looks(ledger, ledger.ask("SELECT * FROM looks ORDER BY destination, activation"))


def put(ledger: Ledger, look: Look) -> None:
    """Record a look in the place of the last one. In a transaction."""
    ledger.change(
        "INSERT OR REPLACE INTO looks VALUES (?,?,?,?,?)",
        *(look.destination, look.activation, iso(look.at), look.fingerprint, look.until and iso(look.until)),
    )


def delete(ledger: Ledger, destination: str, activation: str) -> None:
    """Forget the last look at an activation. In a transaction."""
    ledger.change("DELETE FROM looks WHERE destination = ? AND activation = ?", destination, activation)


def delete_after(ledger: Ledger, instant: datetime) -> None:
    """Forget the looks that are later than an instant (S8). In a transaction."""
    ledger.change("DELETE FROM looks WHERE at > ?", iso(instant))


def _looks(ledger: Ledger, rows: Iterable[Row]) -> list[Look]:
    with ledger.refusing_foreign_values():
        return [
            Look(row["destination"], row["activation"], when(row["at"]), row["fingerprint"], moment(row["until"]))
            for row in rows
        ]
