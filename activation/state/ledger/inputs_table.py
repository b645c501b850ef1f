"""The table ``inputs``: what evaluations read and what files were made of, as JSON, each content once.

A run points to two rows of it, so that its files can be made again: the recipe, and the files of the snapshot. A third
one has the labels and policies by which the run was judged (G7).
"""

import hashlib
import json
from collections.abc import Callable, Collection
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


def replace_files(ledger: Ledger, files: Collection[str], replaced: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let ``replaced`` change the records of files whose names end with one of ``files``. In a transaction.

    Records are those of evaluations' snapshots, and of the snapshots whose values runs wrote.
    """
    for file in files:
        for row in ledger.ask("SELECT digest, content FROM inputs WHERE instr(content, ?)", file):
            content = json.loads(row["content"])
            of_run = isinstance(content, list)
            records = content if of_run else content.get("snapshot", {}).get("files", [])
            changed = [replaced(each) if each["name"].endswith(f"/{file}") else each for each in records]
            if changed == records:
                continue
            new = put(ledger, changed if of_run else content | {"snapshot": content["snapshot"] | {"files": changed}})
            for table, column in (("evaluations", "inputs"), ("runs", "snapshot")):
                ledger.change(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", new, row["digest"])
            ledger.change("DELETE FROM inputs WHERE digest = ?", row["digest"])
