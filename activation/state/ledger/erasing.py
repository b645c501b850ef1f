"""Records of the ledger that change as a person is erased from the files to which they refer (G8)."""

from datetime import datetime

from muster.activation.instants import iso
from muster.activation.model.history import StoredFile
from muster.activation.state.ledger import inputs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import to_column

_FEWER = """
UPDATE evaluations SET realized = max(0, realized - ?3), entered = max(0, entered - ?4), exited = max(0, exited - ?5)
WHERE audience = ?1 AND at = ?2
"""


def count_fewer(ledger: Ledger, audience: str, at: datetime, fewer: tuple[int, int, int]) -> None:
    """Let an evaluation have found fewer profiles realized, entered and exited. In a transaction."""
    ledger.change(_FEWER, audience, iso(at), *fewer)


def rename_roster(ledger: Ledger, before: str, after: str) -> None:
    """Let every evaluation that kept a roster have kept the one of another name. In a transaction."""
    for row in ledger.ask("SELECT digest FROM inputs WHERE json_extract(content, '$.roster') = ?", before):
        digest = inputs_table.put(ledger, inputs_table.get(ledger, row["digest"]) | {"roster": after})
        ledger.change("UPDATE evaluations SET inputs = ? WHERE inputs = ?", digest, row["digest"])
        ledger.change("DELETE FROM inputs WHERE digest = ?", row["digest"])


def point_rejects(ledger: Ledger, run_id: str, stored: StoredFile) -> None:
    """Record the file that lists whom a run left out. In a transaction."""
    ledger.change("UPDATE runs SET rejects = ? WHERE run_id = ?", to_column("rejects", stored), run_id)


def point_decision(ledger: Ledger, run_id: str, stored: StoredFile) -> None:
    """Record the file that has the rows of a run. In a transaction."""
    ledger.change("UPDATE runs SET decision = ? WHERE run_id = ?", to_column("decision", stored), run_id)
