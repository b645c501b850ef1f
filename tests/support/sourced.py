"""A small workspace whose profiles come from sources, which a test fills day by day."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from support.shop import STATUS, Shop
from support.source_model.ids import digest

TIMES = pl.Datetime("us", "UTC")
CRM = {
    "path": "data/crm",
    "identities": [
        {"column": "crm_id", "namespace": "CRMID", "primary": True},
        {"column": "email", "namespace": "Email"},
    ],
}
CARDS = {
    "path": "data/cards",
    "mode": "changes",
    "updated_at": "changed",
    "deleted": "gone",
    "identities": [{"column": "card", "namespace": "Card", "primary": True}, {"column": "email", "namespace": "Email"}],
}
WEB = {
    "path": "data/web",
    "kind": "events",
    "timestamp": "timestamp",
    "identities": [
        {"column": "cookie", "namespace": "Cookie", "primary": True},
        {"column": "email", "namespace": "Email"},
    ],
}
SOURCES: Mapping[str, Mapping[str, Any]] = {"crm": CRM, "cards": CARDS, "web": WEB}
NAMESPACES = {"Card": {"type": "person", "priority": 2}, "Cookie": {"type": "cookie", "priority": 5}}
TYPES: dict[str, dict[str, Any]] = {
    "crm": {"crm_id": pl.String, "email": pl.String},
    "cards": {"card": pl.String, "email": pl.String, "changed": TIMES, "gone": pl.Boolean},
    "web": {"cookie": pl.String, "email": pl.String, "timestamp": TIMES},
}


def sourced(root: Path, *names: str, **settings: Any) -> Shop:
    """A shop of these sources, with everybody as an audience, and a CRM destination that is told who came and left."""
    shop = Shop(root)
    shop.set(profiles={"from": "sources"}, namespaces=NAMESPACES, **settings)
    for name in names:
        shop.write(f"sources/{name}.yml", SOURCES[name])
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id", {"source": "email", "target": "email"}, STATUS])
    return shop


def hold(shop: Shop, source: str, day: str, *rows: Sequence[Any], name: str = "", **more: Any) -> None:
    """A dated file of a source: rows in the order of its columns in ``TYPES``, and ``more``."""
    types = TYPES[source] | more
    made = [[_typed(value, types[column]) for value, column in zip(row, types, strict=True)] for row in rows]
    shop.parquet(f"data/{source}/{day}{name}.parquet", pl.DataFrame(made, schema=types, orient="row"))


def _typed(value: Any, kind: Any) -> Any:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if kind == TIMES and value else value


def id_of(namespace: str, identity: str) -> str:
    """P7: the id of a profile that is made of an identity."""
    return digest("", (namespace, identity))
