"""The table ``inputs``: what evaluations read and what files were made of, as JSON, each content once.

A run points to two rows of it, so that its files can be made again: the recipe, and the files of the snapshot.
"""

import hashlib
import json
from typing import Any

from muster.activation.state.ledger.database import Ledger


def put(ledger: Ledger, content: object) -> str:
    """Keep a content, unless it is there already, and return its digest. In a transaction."""
    text = json.dumps(content, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    ledger.change("INSERT OR IGNORE INTO inputs VALUES (?, ?)", digest, text)
    return digest


def get(ledger: Ledger, digest: str) -> Any:
    """Return the content of a digest, None when there is none."""
    row = ledger.ask_one("SELECT content FROM inputs WHERE digest = ?", digest)
    with ledger.refusing_foreign_values():
        return json.loads(row["content"]) if row else None
