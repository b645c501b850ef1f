"""The table ``inputs``: what evaluations read and what files were made of, as JSON, each content once.

A run points to two rows of it, so that its files can be made again: the recipe, and the files of the snapshot. A third
one has the labels and policies by which the run was judged (G7).
"""

import hashlib
import json
from typing import Any

from muster.activation.state.ledger.database import Ledger


def put(ledger: Ledger, content: object) -> str:
    """Keep a content, unless it is there already, and return its digest. In a transaction."""
    digest = digest_of(content)
    ledger.change("INSERT OR IGNORE INTO inputs VALUES (?, ?)", digest, _text(content))
    return digest


def digest_of(content: object) -> str:
    """Return the digest of a content: its key in the table, whether it is there or not."""
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _text(content: object) -> str:
    return json.dumps(content, sort_keys=True)


def get(ledger: Ledger, digest: str) -> Any:
    """Return the content of a digest, None when there is none."""
    row = ledger.ask_one("SELECT content FROM inputs WHERE digest = ?", digest)
    with ledger.refusing_foreign_values():
        return json.loads(row["content"]) if row else None
