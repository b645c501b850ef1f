"""One graph in detail: its identities, where each link is stated, and which links do not hold, and why (P3 to P6)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from muster.activation.frames import engine
from muster.activation.graph.build import Graph
from muster.activation.graph.unique import is_unique
from muster.activation.model.sources import GraphKind, Namespace
from muster.activation.sources.record_links import NUMBER_TYPE
from muster.activation.sources.records import Records

Reason = Literal["", "shared", "unique", "size"]  # why a link does not hold: P4, P5, P6; empty of one that holds
_PAIR = ["a", "b"]


@dataclass(frozen=True, order=True)
class HeldIdentity:
    """An identity of a graph."""

    namespace: str
    id: str
    primary: bool = False  # whether it is the primary identity of a fragment
    oldest: datetime | None = None  # the oldest record that holds it now; None for a record without a time

    @property
    def text(self) -> str:
        """``Email:ann@x.com``, as the command line takes it."""
        return f"{self.namespace}:{self.id}"


@dataclass(frozen=True)
class Link:
    """Two identities that stand in one record, and the newest record that states it (P3)."""

    one: HeldIdentity
    other: HeldIdentity
    time: datetime | None  # None for a record without a time
    source: str  # a source's id
    file: str
    reason: Reason = ""
    apart: tuple[HeldIdentity, ...] = ()  # two values of a unique namespace, one on each side, which it would join (P5)


@dataclass(frozen=True)
class SharedIdentity:
    """An identity with too many neighbours, which links nothing (P4)."""

    namespace: str
    id: str
    neighbours: int


@dataclass(frozen=True)
class GraphAround:
    """The graph that one identity is in, and what stands beside it in records without being part of it."""

    identities: tuple[HeldIdentity, ...]  # by namespace and id
    links: tuple[Link, ...]  # newest first
    refused: tuple[Link, ...]  # newest first
    shared: tuple[SharedIdentity, ...]  # those among the identities, and their neighbours


def number_of(graph: Graph, namespace: str, id_: str) -> int | None:
    """The number of a cleaned identity; None where no record holds it."""
    is_it = (pl.col("id") == id_) & (pl.col("namespace") == namespace)
    found = engine.collect(graph.identities.lazy().with_row_index("number").filter(is_it).select("number"))
    return int(found.item()) if found.height else None


def graph_around(
    graph: Graph, records: Sequence[Records], number: int, namespaces: Mapping[str, Namespace], kind: GraphKind
) -> GraphAround:
    """The graph of an identity, as ``identity_graph`` made it of these records."""
    members, touching = _map_of(graph, number) if kind == "none" else _connected(graph, number)
    inside = pl.col("a").is_in(members.implode()) & pl.col("b").is_in(members.implode())
    links = touching.filter((pl.col("reason") == "") & inside)
    refused = touching.filter(pl.col("reason") != "")
    ends = pl.concat([members, refused["a"], refused["b"]])
    shared = graph.shared.filter(pl.col("identity").is_in(ends.implode()))
    return GraphAround(
        _held(graph, members.sort()),
        tuple(_links(graph, records, links, namespaces)),
        tuple(_links(graph, records, refused, namespaces)),
        _shared(graph, shared),
    )


def refused_links(graph: Graph, records: Sequence[Records], namespaces: Mapping[str, Namespace]) -> tuple[Link, ...]:
    """All links that a unique namespace refused, newest first (P5)."""
    refused = graph.refused.select(_PAIR)
    stated = engine.collect(graph.links.lazy().join(refused.lazy(), on=_PAIR, how="semi"))
    return tuple(_links(graph, records, stated.with_columns(pl.lit("unique").alias("reason")), namespaces))


def shared_identities(graph: Graph) -> tuple[SharedIdentity, ...]:
    """All shared identities, those with the most neighbours first (P4)."""
    return _shared(graph, graph.shared)


def cut_identities(graph: Graph) -> tuple[HeldIdentity, ...]:
    """All identities that lost their links as their graph was too large (P6)."""
    return _held(graph, graph.cut["identity"])


def _connected(graph: Graph, number: int) -> tuple[pl.Series, pl.DataFrame]:
    """The identities (UInt32) that links that hold lead to, and all links of them, with ``reason``."""
    members = frontier = pl.Series("identity", [number], dtype=NUMBER_TYPE)
    pieces: list[pl.DataFrame] = []
    while len(frontier):
        near = frontier.implode()
        is_near = pl.col("a").is_in(near) | pl.col("b").is_in(near)
        found = _judged(graph, engine.collect(graph.links.lazy().filter(is_near)))
        pieces.append(found)
        holding = found.filter(pl.col("reason") == "")
        ends = pl.concat([holding["a"], holding["b"]]).unique()
        frontier = ends.filter(~ends.is_in(members.implode())).alias("identity")
        members = pl.concat([members, frontier])
    return members, pl.concat(pieces).unique()


def _map_of(graph: Graph, number: int) -> tuple[pl.Series, pl.DataFrame]:
    """With ``graph: none``: the identities of the fragments of a primary identity, and all links of it, which hold.

    The result is as of ``_connected``; an identity that leads to no profile stands alone.
    """
    own = pl.Series("identity", [number], dtype=NUMBER_TYPE)
    label = graph.identities["graph"][number]
    members = own if label is None else graph.maps.filter(pl.col("graph") == label)["identity"]
    is_own = (pl.col("a") == number) | (pl.col("b") == number)
    found = engine.collect(graph.links.lazy().filter(is_own)) if label is not None else graph.links.clear()
    return members, found.with_columns(pl.lit("").alias("reason"))


def _judged(graph: Graph, links: pl.DataFrame) -> pl.DataFrame:
    """Links with ``reason`` (String): why each does not hold, empty for one that does."""
    shared, cut = graph.shared["identity"].implode(), graph.cut["identity"].implode()
    refused = graph.refused.lazy().select(*_PAIR, pl.lit(True).alias("is_refused"))
    reason = (
        pl.when(pl.col("a").is_in(shared) | pl.col("b").is_in(shared))
        .then(pl.lit("shared"))
        .when(pl.col("is_refused"))
        .then(pl.lit("unique"))
        .when(pl.col("a").is_in(cut) | pl.col("b").is_in(cut))
        .then(pl.lit("size"))
        .otherwise(pl.lit(""))
    )
    joined = links.lazy().join(refused, on=_PAIR, how="left")
    return engine.collect(joined.with_columns(reason.alias("reason")).drop("is_refused"))


def _links(
    graph: Graph, records: Sequence[Records], links: pl.DataFrame, namespaces: Mapping[str, Namespace]
) -> Iterator[Link]:
    """Links, each pair once, with the newest record that states it; of equally new ones the last. Newest first."""
    ordered = links.sort(*_PAIR, "time", "source", "record", nulls_last=False)
    newest = ordered.unique(_PAIR, keep="last", maintain_order=True)
    newest = newest.sort("time", *_PAIR, descending=[True, False, False], nulls_last=True)
    files = _files(records, newest)
    ends = zip(_held(graph, newest["a"]), _held(graph, newest["b"]), strict=True)
    rows = newest.select("time", "source", "reason").rows()
    apart = _kept_apart(graph, newest.filter(pl.col("reason") == "unique").select(_PAIR), namespaces)
    for pair, (one, other), (time, source, reason), file in zip(
        newest.select(_PAIR).rows(), ends, rows, files, strict=True
    ):
        held = apart.get(pair, ()) if reason == "unique" else ()
        yield Link(one, other, time, records[source].opened.source.id, file, reason, held)


def _kept_apart(
    graph: Graph, refused: pl.DataFrame, namespaces: Mapping[str, Namespace]
) -> dict[tuple[int, int], tuple[HeldIdentity, ...]]:
    """For each refused link (``a``, ``b``) the first two values of a unique namespace that its graphs hold.

    A link is left out where one of its ends is in no graph of a profile, or lost its graph for the size (P6).
    """
    if refused.is_empty():
        return {}
    labels = graph.identities["graph"]
    sides = refused.with_columns(labels.gather(refused["a"]).alias("left"), labels.gather(refused["b"]).alias("right"))
    known = pl.concat([sides["left"], sides["right"]]).drop_nulls().unique().implode()
    held = graph.identities.lazy().with_row_index("number").filter(pl.col("graph").is_in(known))
    members = engine.collect(held.select("number", "namespace", "graph"))
    members = members.filter(is_unique(members["namespace"], namespaces))
    one, other = (members.lazy().rename({"graph": side, "number": f"{side}_held"}) for side in ("left", "right"))
    both = sides.lazy().join(one, on="left").join(other, on=["right", "namespace"])
    both = both.filter(pl.col("left_held") != pl.col("right_held")).sort(*_PAIR, "namespace", "left_held", "right_held")
    found = engine.collect(both.unique(_PAIR, keep="first", maintain_order=True))
    pairs = zip(_held(graph, found["left_held"]), _held(graph, found["right_held"]), strict=True)
    return dict(zip(found.select(_PAIR).rows(), pairs, strict=True))


def _files(records: Sequence[Records], links: pl.DataFrame) -> list[str]:
    """The file of the record of each link."""
    found = pl.Series("file", [None] * links.height, dtype=pl.String)
    for place, each in enumerate(records):
        rows = (links["source"] == place).arg_true()
        if len(rows):
            found = found.scatter(rows, each.opened.place_of(links["record"].gather(rows))["file"])
    return found.to_list()


def _held(graph: Graph, numbers: pl.Series) -> tuple[HeldIdentity, ...]:
    rows = graph.identities.select("namespace", "id", "primary", "oldest")[numbers]
    return tuple(HeldIdentity(*row) for row in rows.rows())


def _shared(graph: Graph, shared: pl.DataFrame) -> tuple[SharedIdentity, ...]:
    names = graph.identities.select("namespace", "id")[shared["identity"]]
    found = names.with_columns(shared["neighbours"]).sort(
        "neighbours", "namespace", "id", descending=[True, False, False]
    )
    return tuple(SharedIdentity(*row) for row in found.rows())
