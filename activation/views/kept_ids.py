"""Ids as a build leaves them to the next one: where each identity led, and which identity each id was made of (P7)."""

import polars as pl

from muster.activation.frames import engine
from muster.activation.views.ids import LED, PROFILES, Ids, KeptIds


def next_ids(identities: pl.DataFrame, ids: Ids) -> KeptIds:
    """The ids that the build after this one keeps; ``identities`` are those of a graph, in their order."""
    profiles = ids.positions(identities["graph"]).alias("profile")
    led = identities.lazy().select("namespace", "id", pl.lit(profiles)).filter(pl.col("profile").is_not_null())
    return KeptIds(ids.profiles.select(PROFILES.names()), engine.collect(led.select(LED.names())))
