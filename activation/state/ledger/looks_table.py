"""The table ``looks``: when a command last looked whether an activation has messages to send (V1)."""

from muster.activation.instants import iso
from muster.activation.model.history import Look
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import moment, when


def get(ledger: Ledger, destination: str, activation: str) -> Look | None:
    """Return the last look at an activation."""
    row = ledger.ask_one("SELECT * FROM looks WHERE destination = ? AND activation = ?", destination, activation)
    if row is None:
        return None
    with ledger.refusing_foreign_values():
        return Look(destination, activation, when(row["at"]), row["fingerprint"], moment(row["until"]))


def put(ledger: Ledger, look: Look) -> None:
    """Record a look in the place of the last one. In a transaction."""
    ledger.change(
        "INSERT OR REPLACE INTO looks VALUES (?,?,?,?,?)",
        *(look.destination, look.activation, iso(look.at), look.fingerprint, look.until and iso(look.until)),
    )


def delete(ledger: Ledger, destination: str, activation: str) -> None:
    """Forget the last look at an activation. In a transaction."""
    ledger.change("DELETE FROM looks WHERE destination = ? AND activation = ?", destination, activation)
