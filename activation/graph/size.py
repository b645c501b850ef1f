"""Components with too many identities lose the excess, once (P6)."""

from collections.abc import Mapping

import polars as pl

from muster.activation.frames import engine
from muster.activation.graph.components import components
from muster.activation.graph.shared import without
from muster.activation.model.sources import Namespace
from muster.activation.sources.cleaning import namespace_of
from muster.activation.sources.record_links import NUMBER_TYPE

# Identities that lost all links, by number, and the number of identities of the component that was too large.
CUT = pl.Schema({"identity": NUMBER_TYPE, "size": pl.UInt32()})
_FIRST = {"cookie": 0, "device": 1}  # types that are cut before the others
_OTHERS = 2


def cut(
    identities: pl.DataFrame,
    links: pl.DataFrame,
    labels: pl.Series,
    namespaces: Mapping[str, Namespace],
    max_identities: int,
) -> tuple[pl.Series, pl.DataFrame]:
    """Labels after P6, and the identities that lost their links, of ``CUT``, sorted by number.

    Of a component with more than ``max_identities`` identities the excess is chosen in this order: cookies, devices,
    others; the lowest priority, which is the greatest number; the oldest, no time before any; the first by namespace
    and id. The rest stays linked as far as links are left, and is not cut again. Links between labels were refused.
    """
    ordered = labels.sort()
    large = ordered.filter(ordered == ordered.shift(max_identities)).unique()
    if large.is_empty():
        return labels, pl.DataFrame(schema=CUT)
    places = labels.is_in(large.implode()).arg_true().cast(NUMBER_TYPE)
    members = pl.DataFrame([places.alias("identity"), labels.gather(places).alias("label")])
    members = members.with_columns(pl.len().over("label").alias("size"))
    members = members.with_columns(identities["namespace", "oldest"][members["identity"]])
    gone = _excess(members, namespaces, max_identities)
    one, other = (pl.lit(labels).gather(pl.col(name)) for name in ("a", "b"))
    inside = links.lazy().filter((one == other) & one.is_in(large.implode())).select("a", "b")
    left = engine.collect(inside, links.height)
    apart = components(len(labels), without(left, gone["identity"]))
    return labels.scatter(members["identity"], apart.gather(members["identity"])), gone


def _excess(members: pl.DataFrame, namespaces: Mapping[str, Namespace], max_identities: int) -> pl.DataFrame:
    """The identities that are too many, of ``CUT``."""
    rules = {name: namespace_of(namespaces, name) for name in members["namespace"].unique()}
    types = {name: _FIRST.get(each.type, _OTHERS) for name, each in rules.items()}
    ranked = members.with_columns(
        pl.col("namespace").replace_strict(types, return_dtype=pl.Int64).alias("type"),
        pl.col("namespace")
        .replace_strict({name: -each.priority for name, each in rules.items()}, return_dtype=pl.Int64)
        .alias("rank"),
    ).sort("label", "type", "rank", "oldest", "identity", nulls_last=False)
    place = pl.int_range(pl.len()).over("label")
    gone = ranked.filter(place < pl.col("size").cast(pl.Int64) - max_identities)
    return gone.select([*CUT]).cast(pl.Schema(CUT)).sort("identity")
