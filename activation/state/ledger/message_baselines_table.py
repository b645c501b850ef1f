"""The table ``message_baselines``: the delivered rows of activations that send messages (V2)."""

import json
from collections.abc import Iterable
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.model.history import MessageBaseline, StoredFile
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import when


def get(ledger: Ledger, destination: str, activation: str) -> MessageBaseline | None:
    """Return the activation's delivered rows, whatever place they are of (X9)."""
    query = "SELECT * FROM message_baselines WHERE destination = ? AND activation = ?"
    found = _baselines(ledger, ledger.ask(query, destination, activation))
    return found[0] if found else None


def list_all(ledger: Ledger) -> list[MessageBaseline]:
    """Return the delivered rows of all activations, by destination and activation."""
    return _baselines(ledger, ledger.ask("SELECT * FROM message_baselines ORDER BY destination, activation"))


def files(ledger: Ledger) -> set[str]:
    """Return the state files of all delivered rows."""
    return {row["file"] for row in ledger.ask("SELECT file FROM message_baselines")}


def put(ledger: Ledger, baseline: MessageBaseline) -> None:
    """Replace the activation's delivered rows. In the transaction that records the end of the run."""
    each, stored = baseline, baseline.stored
    ledger.change(
        "INSERT OR REPLACE INTO message_baselines VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        *(each.destination, each.activation, each.run_id, stored.file, stored.sha256, stored.size),
        *(each.profiles, each.members, iso(each.at), each.place_digest, each.place, json.dumps(each.made)),
        *(each.policy, each.build),
    )


def delete(ledger: Ledger, destination: str, activation: str) -> None:
    """Delete the activation's delivered rows: its next run is a first one. In a transaction."""
    ledger.change("DELETE FROM message_baselines WHERE destination = ? AND activation = ?", destination, activation)


def _baselines(ledger: Ledger, rows: Iterable[Row]) -> list[MessageBaseline]:
    with ledger.refusing_foreign_values():
        return [_baseline(row) for row in rows]


def _baseline(row: Row) -> MessageBaseline:
    return MessageBaseline(
        destination=row["destination"],
        activation=row["activation"],
        run_id=row["run_id"],
        stored=StoredFile(row["file"], row["sha256"], row["size"]),
        profiles=row["profiles"],
        members=row["members"],
        at=when(row["at"]),
        place_digest=row["place_digest"],
        place=row["place"],
        made=json.loads(row["made"]),
        policy=row["policy"],
        build=row["build"],
    )
