"""Shared identities: those with more neighbours than one person has, such as a till's e-mail address (P4)."""

from collections.abc import Mapping

import polars as pl

from muster.activation.frames import engine
from muster.activation.graph.unique import is_unique
from muster.activation.model.sources import Namespace
from muster.activation.sources.record_links import NUMBER_TYPE

# Shared identities by number, with the number of distinct neighbours, of all pairs of all records.
SHARED = pl.Schema({"identity": NUMBER_TYPE, "neighbours": pl.UInt32()})


def shared_identities(
    identities: pl.DataFrame, links: pl.DataFrame, namespaces: Mapping[str, Namespace], max_links: int
) -> pl.DataFrame:
    """The identities with more than ``max_links`` distinct neighbours, of ``SHARED``, sorted by number (P4).

    Those of unique namespaces are none. Neighbours are counted once, before anything is taken out: one that
    is itself shared counts too.
    """
    often = _stated_often(links, max_links)
    often = often.filter(~is_unique(identities["namespace"].gather(often), namespaces))
    if often.is_empty():
        return pl.DataFrame(schema=SHARED)
    ends = (
        links.lazy().select(pl.col(one).alias("identity"), pl.col(other).alias("end")) for one, other in ("ab", "ba")
    )
    pairs = pl.concat([each.filter(pl.col("identity").is_in(often.implode())) for each in ends]).unique()
    neighbours = pairs.group_by("identity").agg(pl.len().cast(SHARED["neighbours"]).alias("neighbours"))
    return engine.collect(neighbours.filter(pl.col("neighbours") > max_links).sort("identity"), links.height)


def _stated_often(links: pl.DataFrame, times: int) -> pl.Series:
    """The identities that are ends of more links than ``times``, counting repeated ones (UInt32), sorted."""
    ends = pl.concat([links["a"], links["b"]]).sort()
    return ends.filter(ends == ends.shift(times)).unique().sort()  # equal to the one so many places before


def without(links: pl.DataFrame, identities: pl.Series) -> pl.DataFrame:
    """Links, with ``a`` and ``b``, but for those of some identities (UInt32)."""
    if identities.is_empty():
        return links
    taken = identities.implode()
    others = links.lazy().filter(~pl.col("a").is_in(taken) & ~pl.col("b").is_in(taken))
    return engine.collect(others, links.height)
