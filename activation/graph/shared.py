"""Shared identities: those with more neighbours than one person has, such as a till's e-mail address (P4)."""

from collections.abc import Mapping

import polars as pl

from muster.activation.frames import engine
from muster.activation.graph.numbers import NUMBER_TYPE
from muster.activation.graph.unique import is_unique
from muster.activation.model.sources import Namespace

# Shared identities by number, with the number of distinct neighbours, of all pairs of all records.
SHARED = pl.Schema({"identity": NUMBER_TYPE, "neighbours": pl.UInt32()})


def shared_identities(
    identities: pl.DataFrame, links: pl.DataFrame, namespaces: Mapping[str, Namespace], max_links: int
) -> pl.DataFrame:
    """The identities with more than ``max_links`` distinct neighbours, of ``SHARED``, sorted by number (P4).

    Those of unique namespaces are none. Neighbours are counted once, before anything is taken out: one that
    is itself shared counts too.
    """
    ends = [
        links.lazy().select(pl.col(one).alias("identity"), pl.col(other).alias("neighbour"))
        for one, other in ("ab", "ba")
    ]
    pairs = pl.concat(ends)
    often = engine.collect(pairs.group_by("identity").len().filter(pl.col("len") > max_links).select("identity"))
    often = often.filter(~is_unique(identities["namespace"].gather(often["identity"]), namespaces))
    if often.is_empty():
        return pl.DataFrame(schema=SHARED)
    distinct = pairs.join(often.lazy(), on="identity", how="semi").unique().group_by("identity").len("neighbours")
    return engine.collect(distinct.filter(pl.col("neighbours") > max_links).sort("identity")).cast(pl.Schema(SHARED))


def without(links: pl.LazyFrame, identities: pl.Series) -> pl.LazyFrame:
    """Links, with ``a`` and ``b``, but for those of some identities (UInt32)."""
    taken = identities.implode()
    return links.filter(~pl.col("a").is_in(taken) & ~pl.col("b").is_in(taken)) if len(identities) else links
