"""Ids as a build leaves them to the next one: where each identity led, and which identity each id was made of (P7)."""

import polars as pl

from muster.activation.views.ids import LED, PROFILES, Ids, KeptIds
from muster.activation.views.order import identity_key


def next_ids(identities: pl.DataFrame, ids: Ids) -> KeptIds:
    """The ids that the build after this one keeps; ``identities`` has ``namespace``, ``id`` and ``graph``."""
    leading = identities.filter(pl.col("graph").is_not_null())
    led = leading.select(
        identity_key().alias("key"), "namespace", "id", ids.positions(leading["graph"]).alias("profile")
    )
    return KeptIds(ids.profiles.select(PROFILES.names()), _sorted(led.select(LED.names())))


def _sorted(led: pl.DataFrame) -> pl.DataFrame:
    """Rows by key; texts are compared only if two identities have one key."""
    found = led.sort("key")
    has_tie = (found["key"] == found["key"].shift(1)).any()
    return found.sort("key", "namespace", "id") if has_tie else found
