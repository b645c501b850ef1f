"""Which identity namespaces the profiles of a snapshot hold (E2, M4)."""

import polars as pl

from muster.activation.frames import engine
from muster.activation.profiles.identities import ids_in, namespaces
from muster.activation.profiles.snapshots import Snapshot


def is_held(snapshot: Snapshot, namespace: str) -> bool:
    """Whether any profile has an id in a namespace; reads no further than the first that has one."""
    ids = ids_in(snapshot.source.identity_map, snapshot.identity_type, namespace)
    holders = snapshot.frame().select(ids.list.len().alias("ids")).filter(pl.col("ids") > 0)
    return not engine.collect(holders.head(1)).is_empty()


def held(snapshot: Snapshot) -> list[str]:
    """The namespaces of a snapshot, sorted; for hints beside one that nobody holds."""
    names = namespaces(snapshot.source.identity_map, snapshot.identity_type).explode().unique().alias("name")
    return sorted(engine.collect(snapshot.frame().select(names))["name"].drop_nulls().to_list())
