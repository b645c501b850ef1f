"""The table ``numbering``: the files that have the id of each numbered profile."""

from collections.abc import Iterable

from muster.activation.model.history import NumberedProfiles, StoredFile
from muster.activation.state.ledger.database import Ledger


def list_all(ledger: Ledger) -> list[NumberedProfiles]:
    """Return the files of the numbering, in the order of their numbers, which have no gap."""
    rows = ledger.ask("SELECT * FROM numbering ORDER BY first")
    with ledger.refusing_foreign_values():
        found = [
            NumberedProfiles(
                row["first"], row["profiles"], row["name"], StoredFile(row["file"], row["sha256"], row["size"])
            )
            for row in rows
        ]
        if [each.first for each in found] != [sum(each.profiles for each in found[:n]) for n in range(len(found))]:
            raise ValueError(found)
    return found


def files(ledger: Ledger) -> set[str]:
    """Return the state files of the numbering."""
    return {each.stored.file for each in list_all(ledger)}


def put(ledger: Ledger, numbered: Iterable[NumberedProfiles]) -> None:
    """Record the files of the numbering, in the place of those of before. In a transaction."""
    numbered = list(numbered)
    if numbered == list_all(ledger):
        return
    ledger.change("DELETE FROM numbering")
    ledger.change_many(
        "INSERT INTO numbering (first, profiles, name, file, sha256, size) VALUES (?, ?, ?, ?, ?, ?)",
        [(each.first, each.profiles, each.name, *each.stored.record.values()) for each in numbered],
    )
