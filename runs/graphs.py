"""`graph`: the graph of one identity, and the sizes of all graphs of a merge policy (P3 to P6)."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.frames import engine
from muster.activation.instants import iso
from muster.activation.model.sources import MergePolicy, event_sources, record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.state.ledger import builds_table
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import read
from muster.runs.sources import refuse_path

if TYPE_CHECKING:
    from muster.activation.graph.build import Graph
    from muster.activation.graph.details import HeldIdentity, Link, SharedIdentity
    from muster.activation.session import Session
    from muster.activation.sources.records import Records


@dataclass(frozen=True)
class GraphDetails:
    """The graph that holds one identity."""

    policy: str
    at: datetime
    looked_for: str  # ``Email:ann@x.com``, cleaned
    profile_id: str | None  # None of a graph without a fragment
    identities: "tuple[HeldIdentity, ...]"  # by namespace and id
    links: "tuple[Link, ...]"  # newest first
    refused: "tuple[Link, ...]"  # links of these identities that do not hold, newest first
    shared: "tuple[SharedIdentity, ...]"  # shared identities among these, and beside them in records


@dataclass(frozen=True)
class GraphStats:
    """The graphs of a merge policy at an instant, and what became of profile ids since the build before."""

    policy: str
    at: datetime
    graphs: int  # with a fragment: each is a profile
    identities: int  # that lead to one of these
    unknown: int  # identities that lead to no profile, such as cookies of strangers
    sizes: Mapping[int, int]  # identities of a graph to number of graphs, ascending
    largest: "HeldIdentity | None"  # an identity of the largest graph
    shared: "tuple[SharedIdentity, ...]"  # those with the most neighbours first
    refused: "tuple[Link, ...]"  # links that a unique namespace refused, newest first
    cut: "tuple[HeldIdentity, ...]"  # identities that lost their links, as their graph was too large
    previous_at: datetime | None  # the instant of the build before; None of the first
    merged: int  # ids that became aliases since then
    split: int  # profiles that came out of others since then


def show_graph(workspace: OpenWorkspace, identity: str, *, policy: str = "default", now: datetime) -> GraphDetails:
    """The graph of an identity, ``NAMESPACE:ID``, at ``now``.

    ``RefusedError`` for an unknown policy, an identity that no record holds or that is dropped by cleaning, and in a
    workspace whose profiles have a path.
    """
    refuse_path(workspace.config)
    chosen = chosen_policy(workspace.config, policy)
    namespace, id_ = identity_of(identity)
    return read(workspace, now, lambda session: _shown(session.of(chosen.id), chosen, namespace, id_))


def graph_stats(workspace: OpenWorkspace, *, policy: str = "default", now: datetime) -> GraphStats:
    """The sizes of all graphs of a merge policy at ``now``; errors as of ``show_graph``."""
    refuse_path(workspace.config)
    chosen = chosen_policy(workspace.config, policy)
    return read(workspace, now, lambda session: _counted(session.of(chosen.id), chosen))


def chosen_policy(config: Workspace, policy: str) -> MergePolicy:
    """The merge policy of this id; ``RefusedError`` for another one."""
    if policy not in config.merge_policies:
        known = ", ".join(sorted(config.merge_policies))
        near = did_you_mean(policy, config.merge_policies) or f"; muster.yml has {known}"
        raise RefusedError(f"there is no merge policy {policy!r}{near}")
    return config.merge_policies[policy]


def identity_of(text: str) -> tuple[str, str]:
    """The namespace and the id of ``NAMESPACE:ID``; ``RefusedError`` for other text."""
    namespace, colon, id_ = text.partition(":")
    if not (namespace and colon and id_):
        raise RefusedError(f"{text}: expected NAMESPACE:ID, such as Email:ann@x.com")
    return namespace, id_


def cleaned_identity(config: Workspace, namespace: str, id_: str) -> str:
    """The id as sources hold it (P2); ``RefusedError`` for one that is dropped, and for an unknown namespace."""
    from muster.activation.sources.cleaning import namespace_of, normalized, why_dropped

    if namespace not in config.namespaces and not _has_maps(config):
        raise RefusedError(f"there is no identity namespace {namespace!r}{near_namespace(config, namespace)}")
    rules = namespace_of(config.namespaces, namespace)
    ids = pl.LazyFrame({"id": [id_]}, schema={"id": pl.String}).select(normalized(pl.col("id"), rules).alias("id"))
    found = engine.collect(ids.with_columns(why_dropped(pl.col("id"), rules).cast(pl.String).alias("reason")))
    text, reason = found.row(0)
    if reason is not None:
        raise RefusedError(
            f"{namespace}:{id_}: such an identity names nobody, so it links nothing ({_DROPPED[reason]}; see `muster "
            "sources show SOURCE` for how many there are)"
        )
    return str(text)


def near_namespace(config: Workspace, namespace: str) -> str:
    """A hint at namespaces like one that neither muster.yml nor a source names; empty for another one."""
    used = {each.namespace for source in config.sources.values() for each in source.identities if each.namespace}
    return "" if namespace in used | set(config.namespaces) else did_you_mean(namespace, used)


def _has_maps(config: Workspace) -> bool:
    """Whether a source has an identity map, which may hold any namespace."""
    return any(each.namespace is None for source in config.sources.values() for each in source.identities)


_DROPPED = {
    "empty": "it is empty",
    "blocked": "its namespace blocks it in muster.yml",
    "built_in": "it is one of the words that are always dropped, such as null",
    "too_long": "it is longer than 1,024 characters",
    "pattern": "it does not match the namespace's pattern",
}


def _shown(session: "Session", policy: MergePolicy, namespace: str, id_: str) -> GraphDetails:
    from muster.activation.graph.details import graph_around, number_of

    config = session.workspace
    id_ = cleaned_identity(config, namespace, id_)
    graph, records = _graph(session, policy)
    number = number_of(graph, namespace, id_)
    if number is None:
        raise RefusedError(
            f"no record holds the identity '{namespace}:{id_}' at {iso(session.at)} in the sources of merge policy "
            f"{policy.id!r}{near_namespace(config, namespace)}"
        )
    around = graph_around(graph, records, number, config.namespaces, policy.graph)
    leads = next((each for each in around.identities if each.primary), None)
    profile_id = session.opened.view.led_by(leads.namespace, leads.id) if leads else None
    return GraphDetails(
        policy.id,
        session.at,
        f"{namespace}:{id_}",
        profile_id,
        around.identities,
        around.links,
        around.refused,
        around.shared,
    )


def _counted(session: "Session", policy: MergePolicy) -> GraphStats:
    from muster.activation.graph.details import cut_identities, refused_links, shared_identities

    graph, records = _graph(session, policy)
    view = session.opened.view
    sizes = graph.maps.group_by("graph").len("size")
    by_size = sizes.group_by("size").len("graphs").sort("size")
    before = [each for each in builds_table.list_all(session.ledger, policy.id) if each.number < view.number]
    is_new = pl.col("build") == view.number
    return GraphStats(
        policy.id,
        session.at,
        sizes.height,
        graph.maps["identity"].n_unique(),
        int(graph.identities["graph"].null_count()),
        dict(by_size.iter_rows()),
        _largest(graph, sizes),
        shared_identities(graph),
        refused_links(graph, records, session.workspace.namespaces),
        cut_identities(graph),
        before[-1].at if before else None,
        view.lineage.aliases.filter(is_new).height,
        view.lineage.splits.filter(is_new).height,
    )


def _largest(graph: "Graph", sizes: pl.DataFrame) -> "HeldIdentity | None":
    """The first primary identity of the largest graph; of equally large ones the first by text."""
    from muster.activation.graph.details import HeldIdentity

    if sizes.is_empty():
        return None
    label = sizes.sort("size", "graph", descending=[True, False])["graph"][0]
    members = graph.maps.filter(pl.col("graph") == label)["identity"]
    rows = graph.identities.select("namespace", "id", "primary", "oldest")[members].sort("primary", descending=True)
    return HeldIdentity(*rows.row(0))


def _graph(session: "Session", policy: MergePolicy) -> "tuple[Graph, list[Records]]":
    """The identity graph of a merge policy at the instant of the session, and the records that it is made of."""
    from muster.activation.graph.build import identity_graph
    from muster.activation.inputs.paths import Inputs
    from muster.activation.profiles.forgotten import Forgotten
    from muster.activation.sources.opened import open_source
    from muster.activation.sources.records import read_records

    config, forgotten = session.workspace, Forgotten.of(session.ledger)
    is_blocked = forgotten.are_identities if forgotten else None
    sources = (*record_sources(policy, config.sources), *event_sources(policy, config.sources))
    with closing(Inputs(config)) as inputs:
        warn = session.warnings.add
        opened = [open_source(config, each, inputs, session.at, judges=False, warn=warn) for each in sources]
        records = [read_records(each, config.namespaces, is_blocked=is_blocked) for each in opened]
    return identity_graph(records, config.namespaces, config.identity_graph, policy.graph), records
