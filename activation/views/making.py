"""A build from its sources: graph, ids, order of fragments, merge, each written as it is made (P3 to P8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from muster.activation.frames.columns import PROFILE_ID
from muster.activation.graph.build import Graph, identity_graph
from muster.activation.model.history import StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.sources.keyed import Blocked
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.records import Records, read_records
from muster.activation.state import state_paths
from muster.activation.state.files import State
from muster.activation.system.memory import Budget
from muster.activation.views import view as kinds
from muster.activation.views.aliases import Chains
from muster.activation.views.attributes import attributes
from muster.activation.views.ids import PROFILES, Ids, KeptIds, decide
from muster.activation.views.kept_ids import next_ids
from muster.activation.views.merge import Merge
from muster.activation.views.newest_first import PlacedFragments, in_order
from muster.activation.views.stats import stats_of


@dataclass(frozen=True, eq=False)
class Before:
    """What earlier builds of the policy left."""

    ids: KeptIds
    chains: Chains
    oldest_named: int | None  # the oldest build that an evaluation or a delivered set names


@dataclass(frozen=True, eq=False)
class Made:
    """The files of a build, and its numbers."""

    view: tuple[StoredFile, ...]
    graph: dict[str, StoredFile]
    stats: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Place:
    """Where the files of a build go, and the number of the build."""

    target: State
    policy: str
    name: str  # of the build's folders
    number: int

    def write(self, frame: pl.DataFrame, kind: str, *, searched: bool) -> StoredFile:
        """Write one file of the identity graph."""
        return self.target.write(frame, state_paths.graph_file(self.policy, self.name, kind), searched=searched)

    def write_view(self, frame: pl.DataFrame, part: int) -> StoredFile:
        """Write one file of the view."""
        return self.target.write(frame, state_paths.view_file(self.policy, self.name, part), searched=True)


def make(
    workspace: Workspace,
    sources: Sequence[OpenedSource],
    before: Before,
    place: Place,
    *,
    is_blocked: Blocked | None,
) -> Made:
    """The build that ``place`` tells the number and the policy of; its files are written.

    ``sources`` are the policy's sources of records in their order, then those of events.

    ``DataError`` and ``ConfigError`` as ``attributes`` and ``read_records`` raise them.
    """
    policy, namespaces = workspace.merge_policies[place.policy], workspace.namespaces
    columns = attributes([each for each in sources if not each.source.is_events])
    records = [read_records(each, namespaces, is_blocked=is_blocked) for each in sources]
    graph = identity_graph(records, namespaces, workspace.identity_graph, policy.graph, before.ids.identities)
    ids = decide(graph.identities, namespaces, before.ids, place.number, workspace.id_key, rows_before=graph.before)
    chains = before.chains.after(ids, place.number, before.oldest_named)
    del before  # as large as what follows
    stats = stats_of(graph, records, ids, columns)
    placed, maps = _placed(records, graph, ids), _maps(graph, ids)
    del records
    files = _write_graph(place, graph, ids, chains)
    del graph
    fragments = in_order(placed, policy, namespaces)
    files[kinds.FRAGMENTS] = place.write(fragments, kinds.FRAGMENTS, searched=True)
    allowed = Budget(workspace.memory_limit).working
    merge = Merge(ids.profiles[PROFILE_ID], maps, fragments, placed, columns)
    view = [place.write_view(frame, part) for part, frame in enumerate(merge.frames(allowed), 1)]
    return Made(tuple(view), files, stats)


def _placed(records: Sequence[Records], graph: Graph, ids: Ids) -> list[PlacedFragments]:
    """The fragments of the sources of records; events have none."""
    return [
        PlacedFragments(each.opened, each.fragments, ids.positions(graphs).alias("profile"))
        for each, graphs in zip(records, graph.fragment_graphs, strict=True)
        if not each.opened.source.is_events
    ]


def _maps(graph: Graph, ids: Ids) -> pl.DataFrame:
    """The identity maps: ``profile`` (UInt32), ``namespace``, ``id``, sorted by all: numbers are in order of texts."""
    profiles = ids.positions(graph.maps["graph"])
    order = (profiles.cast(pl.UInt64) * (1 << 32) + graph.maps["identity"]).arg_sort()
    named = graph.identities.select("namespace", "id").rechunk()[graph.maps["identity"].gather(order)]
    return named.select(profiles.gather(order).alias("profile"), "namespace", "id")


def _write_graph(place: Place, graph: Graph, ids: Ids, chains: Chains) -> dict[str, StoredFile]:
    """Write the files of the identity graph, but for the fragments; returns them by what they hold."""
    searched = {
        kinds.IDS: ids.profiles.select([*PROFILES]),
        kinds.IDENTITIES: next_ids(graph.identities, ids).identities,
    }
    plain = {kinds.ALIASES: chains.aliases, kinds.SPLITS: chains.splits, **_reported(graph)}
    files = {kind: place.write(frame, kind, searched=True) for kind, frame in searched.items()}
    return files | {kind: place.write(frame, kind, searched=False) for kind, frame in plain.items()}


def _reported(graph: Graph) -> Mapping[str, pl.DataFrame]:
    """Shared identities, refused links and identities without their links, all by their texts (P4, P5, P6)."""
    texts = graph.identities.select("namespace", "id")
    found = {}
    for kind, frame in ((kinds.SHARED, graph.shared), (kinds.REFUSED, graph.refused), (kinds.CUT, graph.cut)):
        numbers = [name for name in ("identity", "a", "b") if name in frame.columns]
        named = (
            texts[frame[number]].select(
                pl.col("namespace").alias(f"{prefix}namespace"), pl.col("id").alias(f"{prefix}id")
            )
            for number in numbers
            for prefix in ["" if number == "identity" else f"{number}_"]
        )
        found[kind] = pl.concat([*named, frame.drop(numbers)], how="horizontal")
    return found
