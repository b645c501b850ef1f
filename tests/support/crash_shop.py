"""Three days of a few people, with an activation of each kind: what kills and redeliveries are tried on."""

import sqlite3
from pathlib import Path
from typing import Any

from support.shop import Shop

CLOCK = {"attempts", "started_at", "finished_at", "delivered_at"}
BEFORE, SLOT, LATER = "2026-11-20T06:00Z", "2026-11-21T06:00Z", "2026-11-22T06:00Z"

MAPPING = [
    "profile_id",
    {"source": "email", "mandatory": True},
    {"source": "segment_membership.status", "target": "status"},
]
TIMED = {"audience": "gold", "id": "timed", "export": "incremental", "schedule": {"at": "05:00"}}

CONSTANT = {
    "audience": "gold",
    "id": "latest",
    "export": "full",
    "schedule": {"at": "05:00"},
    "file_name": "new/{activation}",
    "format": "json",
}
FOLLOWS = {
    "audience": "gold",
    "id": "follows",
    "export": "incremental",
    "schedule": "after_evaluation",
    "format": "parquet",
}

ASKED = {"audience": "gold", "id": "asked", "schedule": "on_demand"}


def three_days(place: Path, *activations: dict[str, Any], evaluation: dict[str, Any] | None = None) -> Shop:
    """Three days of a few people: enough for three parts on the first day, and for fewer on the second."""
    shop = Shop(place / "shop")
    for day, gold, bare in (("20", "abcdef", "f"), ("21", "abx", "a"), ("22", "axy", "")):
        people = [
            {"profile_id": each, "email": None if each in bare else f"{each}@x", "gold": each in gold}
            for each in "abcdefxy"
        ]
        shop.profiles(f"2026-11-{day}", people)
    shop.audience("gold", where="gold")
    if evaluation:
        shop.set(evaluation={"schedule": evaluation})
    shop.destination("crm", mapping=MAPPING, max_rows_per_file=2, activations=list(activations))
    return shop


def ledger_of(shop: Shop) -> dict[str, Any]:
    """Every table of the ledger, without the columns that the machine's clock and the number of attempts decide."""
    ledger = sqlite3.connect(f"{(shop.root / '.muster/ledger.sqlite').as_uri()}?mode=ro", uri=True)
    ledger.row_factory = sqlite3.Row
    tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {table: [dict(row) for row in ledger.execute(f"SELECT * FROM {table}")] for table in tables}
    ledger.close()
    return {
        table: sorted(str({key: row[key] for key in row if key not in CLOCK}) for row in rows[table])
        for table in tables
    }
