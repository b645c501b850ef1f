"""What the ledger remembers so that a run's files can be made again, and put at their destination again. Edge module.

A run points to its decision (a file of the state), and to two entries of ``inputs``: the recipe, and the files of the
snapshot.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from muster.activation.instants import iso
from muster.activation.state.ledger.file import understood
from muster.activation.state.ledger.names import Names

_NEEDED = """
SELECT json_extract(decision, '$.file') AS file FROM runs WHERE decision IS NOT NULL
UNION SELECT json_extract(rejects, '$.file') FROM runs WHERE rejects IS NOT NULL
UNION SELECT json_extract(baseline, '$.stored.file') FROM runs WHERE status = 'delivering' AND baseline IS NOT NULL
UNION SELECT file FROM baselines
"""


class Recall(Names):
    """The part of the ledger that is asked for what was done."""

    def put_input(self, content: object) -> str:
        """Keep what something was made of, once however often it is said; its digest. In a transaction."""
        text = json.dumps(content, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._db.execute("INSERT OR IGNORE INTO inputs VALUES (?, ?)", (digest, text))
        return digest

    def input(self, digest: str) -> Any:
        """What was kept under that digest, None if nothing was."""
        row = self._one("SELECT content FROM inputs WHERE digest = ?", digest)
        with understood(self._name):
            return json.loads(row["content"]) if row else None

    def needed_files(self) -> set[str]:
        """The state files that runs and baselines name: decisions, evaluations among them, rejects, and delivered sets.

        Whoever removes one of them takes the run's record away first, or what it says of the file.
        """
        return {row["file"] for row in self._all(_NEEDED)}

    # redeliveries: open ones have no end

    def open_redelivery(self, run_id: str, started: datetime) -> None:
        """A run's files are being written again, under its temporary names. In a transaction."""
        self._db.execute("INSERT INTO redeliveries (run_id, started_at) VALUES (?, ?)", (run_id, iso(started)))

    def close_redelivery(self, run_id: str, finished: datetime, paths: Iterable[str]) -> None:
        """No temporary file of it is left; these came to their place. In a transaction."""
        query = "UPDATE redeliveries SET finished_at = ?, paths = ? WHERE run_id = ? AND finished_at IS NULL"
        self._db.execute(query, (iso(finished), json.dumps(sorted(paths)), run_id))

    def open_redeliveries(self) -> list[str]:
        """The runs whose redelivery was killed: their temporary files may lie about."""
        return [
            row["run_id"] for row in self._all("SELECT DISTINCT run_id FROM redeliveries WHERE finished_at IS NULL")
        ]

    def redelivered(self, run_id: str) -> list[tuple[str, int]]:
        """When files of a run were put back, and how many, its manifest counted."""
        rows = self._all(
            "SELECT finished_at, paths FROM redeliveries WHERE run_id = ? AND paths != '[]' ORDER BY rowid", run_id
        )
        return [(row["finished_at"], len(json.loads(row["paths"]))) for row in rows]
