"""The table ``redeliveries``: each time that a run's files were put at their destination again."""

import json
from collections.abc import Iterable
from datetime import datetime

from muster.activation.instants import iso
from muster.activation.state.ledger.database import Ledger


def begin(ledger: Ledger, run_id: str, started: datetime) -> None:
    """Record that a run's files are being written again, under the run's temporary names. In a transaction."""
    ledger.change("INSERT INTO redeliveries (run_id, started_at) VALUES (?, ?)", run_id, iso(started))


def finish(ledger: Ledger, run_id: str, finished: datetime, paths: Iterable[str]) -> None:
    """Record that no temporary file of a redelivery is left, and which files became visible. In a transaction."""
    query = "UPDATE redeliveries SET finished_at = ?, paths = ? WHERE run_id = ? AND finished_at IS NULL"
    ledger.change(query, iso(finished), json.dumps(sorted(paths)), run_id)


def unfinished(ledger: Ledger) -> list[str]:
    """Return the runs whose redelivery was killed: their temporary files may still be at the destination."""
    rows = ledger.ask("SELECT DISTINCT run_id FROM redeliveries WHERE finished_at IS NULL")
    return [row["run_id"] for row in rows]


def finished(ledger: Ledger, run_id: str) -> list[tuple[str, int]]:
    """Return when files of a run were put back, and how many files that were, its manifest counted."""
    query = "SELECT finished_at, paths FROM redeliveries WHERE run_id = ? AND paths != '[]' ORDER BY rowid"
    return [(row["finished_at"], len(json.loads(row["paths"]))) for row in ledger.ask(query, run_id)]
