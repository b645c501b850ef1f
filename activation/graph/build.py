"""The identity graph of one merge policy at an instant: which identities belong to one person (P3 to P6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from muster.activation.frames import engine
from muster.activation.graph.components import components
from muster.activation.graph.numbers import numbered
from muster.activation.graph.shared import SHARED, shared_identities, without
from muster.activation.graph.size import CUT, cut
from muster.activation.graph.unique import REFUSED, taken_apart
from muster.activation.model.sources import GraphKind, IdentityGraphLimits, Namespace
from muster.activation.sources.record_links import NUMBER_TYPE, packed_pair, unpacked_pair
from muster.activation.sources.records import Records

# The identity map of each graph that has a fragment: each pair once, sorted by both.
MAPS = pl.Schema({"graph": NUMBER_TYPE, "identity": NUMBER_TYPE})


@dataclass(frozen=True, eq=False)
class Graph:
    """The identity graph of some sources. Equal records give an equal graph, whatever the order of files and rows.

    A row of ``identities`` is an identity's number: ``namespace`` and ``id`` (String), sorted by both as UTF-8 bytes;
    ``oldest`` (TIME_TYPE), the time of the oldest record that holds it now, null for no time, which is older than any;
    ``graph`` (UInt32), the graph that it leads to, null where that has no fragment (P9); ``primary`` (Boolean), whether
    it is the primary identity of a fragment. Graphs with a fragment are numbered from 0, in the order of their smallest
    identities.
    """

    identities: pl.DataFrame
    maps: pl.DataFrame  # of MAPS
    fragment_graphs: tuple[pl.Series, ...]  # of each Records: the graph (UInt32) of each row of its fragments
    links: pl.DataFrame  # of EDGES: every link that a record states, with its source and record, refused ones too
    refused: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=REFUSED))  # second unique values (P5)
    shared: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=SHARED))  # what links nothing (P4)
    cut: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=CUT))  # what lost its links (P6)
    before: pl.Series | None = None  # UInt32: the row of each identity among ``known``, null for one that is not there


def identity_graph(
    records: Sequence[Records],
    namespaces: Mapping[str, Namespace],
    limits: IdentityGraphLimits,
    kind: GraphKind,
    known: pl.DataFrame | None = None,
) -> Graph:
    """The graph of these records: of the record sources of a merge policy, and of its event sources.

    The rules apply in the order P2 (which the records have behind them), P4, P5, P6. With the kind ``none`` each
    primary identity is a graph, and none of these rules applies: its map has the identities of its fragments, only it
    leads to the graph, and events link nothing. ``known`` are the identities of the build before, sorted by
    ``namespace`` and ``id`` (String): with them most identities need no sorting, and ``Graph.before`` is there.
    """
    found = numbered(records, known)
    identities, links, fragments = found.identities, found.links, found.fragments
    if kind == "none":
        graphs = _graphs(pl.int_range(identities.height, dtype=NUMBER_TYPE, eager=True), fragments)
        maps = _maps_of_fragments(records, links, fragments, graphs)
        named = _with_graphs(identities, graphs, fragments)
        return Graph(named, maps, _of_fragments(graphs, fragments), links, before=found.before)
    shared = shared_identities(identities, links, namespaces, limits.max_links)
    linking = without(links, shared["identity"])
    labels = components(identities.height, linking)
    labels, refused = taken_apart(identities, linking, labels, namespaces)
    labels, gone = cut(identities, linking, labels, namespaces, limits.max_identities)
    graphs = _graphs(labels, fragments)
    named, of_fragments = _with_graphs(identities, graphs, fragments), _of_fragments(graphs, fragments)
    return Graph(named, _maps(graphs), of_fragments, links, refused, shared, gone, found.before)


def _of_fragments(graphs: pl.Series, fragments: Sequence[pl.Series]) -> tuple[pl.Series, ...]:
    return tuple(graphs.gather(each).alias("graph") for each in fragments)


def _graphs(labels: pl.Series, fragments: Sequence[pl.Series]) -> pl.Series:
    """The graph (UInt32) of each identity, null where its component has no fragment."""
    primaries = pl.concat([pl.Series([], dtype=NUMBER_TYPE), *fragments])
    with_fragment = labels.gather(primaries).unique().sort()
    numbers = pl.repeat(None, len(labels), dtype=NUMBER_TYPE, eager=True).scatter(
        with_fragment, pl.int_range(len(with_fragment), dtype=NUMBER_TYPE, eager=True)
    )
    return numbers.gather(labels)


def _with_graphs(identities: pl.DataFrame, graphs: pl.Series, fragments: Sequence[pl.Series]) -> pl.DataFrame:
    """The identities with ``graph`` and ``primary``."""
    primary = pl.repeat(False, identities.height, dtype=pl.Boolean, eager=True)
    for each in fragments:
        primary = primary.scatter(each, True)
    return identities.with_columns(graphs.alias("graph"), primary.alias("primary"))


def _maps(graphs: pl.Series) -> pl.DataFrame:
    """The maps of graphs whose identities are all that lead to them."""
    held = graphs.is_not_null().arg_true()
    pairs = pl.DataFrame([graphs.gather(held).alias("graph"), held.alias("identity")])
    return _sorted_pairs(pairs.lazy(), pairs.height)


def _sorted_pairs(maps: pl.LazyFrame, rows: int) -> pl.DataFrame:
    """Rows of MAPS in order."""
    packed = maps.select(packed_pair(pl.col("graph"), pl.col("identity")).alias("pair"))
    pairs = engine.collect(packed, rows)["pair"].sort()
    graph, identity = unpacked_pair(pl.col("pair"))
    return engine.collect(pl.LazyFrame([pairs]).select(graph.alias("graph"), identity.alias("identity")), rows)


def _maps_of_fragments(
    records: Sequence[Records], links: pl.DataFrame, fragments: Sequence[pl.Series], graphs: pl.Series
) -> pl.DataFrame:
    """The maps of graphs of primary identities: these, and what their records link to them."""
    primaries = [
        each.fragments.lazy().select(
            pl.lit(place, dtype=pl.UInt16).alias("source"), "record", pl.lit(numbers).alias("primary")
        )
        for place, (each, numbers) in enumerate(zip(records, fragments, strict=True))
    ]
    of_fragments = (
        pl.concat(primaries)
        if primaries
        else pl.LazyFrame(schema={"source": pl.UInt16, "record": pl.UInt32, "primary": NUMBER_TYPE})
    )
    stated = links.lazy().join(of_fragments, on=["source", "record"])
    pieces = [of_fragments.select("primary", pl.col("primary").alias("identity"))]
    for one, other in ("ab", "ba"):
        pieces.append(
            stated.filter(pl.col(one) == pl.col("primary")).select("primary", pl.col(other).alias("identity"))
        )
    pairs = pl.concat(pieces).select(pl.lit(graphs).gather(pl.col("primary")).alias("graph"), "identity")
    return _sorted_pairs(pairs.unique(), links.height)
