"""Sources and graphs are what the contract says in plain Python: random worlds with many clashes (P1 to P6)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest.mock import patch

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graph_model import Files, Told, graphs_of, graphs_without_links, links_of, oldest_of, records_of
from support.graph_worlds import AT, NAMESPACES, as_links, as_told, opened, world, write
from support.shop import quick_folder

from muster.activation.graph.build import Graph, identity_graph
from muster.activation.model.sources import GraphKind, IdentityGraphLimits
from muster.activation.sources import batches
from muster.activation.sources.records import Records, read_records

WITH_FRAGMENTS = {"crm", "shop", "loyalty"}
LIMITS = st.builds(IdentityGraphLimits, st.integers(1, 6), st.integers(0, 6))
CHANCES = st.integers(0, 1 << 32).map(Random)


def read(worlds: Sequence[Files], root: Path) -> list[Records]:
    """What muster reads of the files of a world."""
    for each in worlds:
        write(root, each)
    with opened(root, worlds) as sources:
        return [read_records(each, NAMESPACES) for each in sources]


@given(CHANCES, st.integers(1, 8), LIMITS)
def test_sources_and_graphs_are_what_the_rules_say(chance: Random, most: int, limits: IdentityGraphLimits) -> None:
    """P1 to P7: what counts and what does not, links, graphs, their maps and fragments, where identities lead, refused
    links, shared and cut identities are those that the rules give, taken in their order.
    """
    files = world(chance, most)
    told = [records_of(each, NAMESPACES, AT) for each in files]
    everything = [record for records, _ in told for record in records]
    with quick_folder() as root:
        found = read(files, root)
        graph = identity_graph(found, NAMESPACES, limits, "private")
        alone = identity_graph(found, NAMESPACES, limits, "none")
    assert as_told(graph, found) == graphs_of(everything, NAMESPACES, limits, WITH_FRAGMENTS)
    assert as_told(alone, found) == graphs_without_links(everything, WITH_FRAGMENTS)
    pairs = list(graph.identities.select("namespace", "id").iter_rows())
    assert pairs == sorted(oldest_of(everything))
    assert dict(zip(pairs, graph.identities["oldest"], strict=True)) == oldest_of(everything)
    for records, (counting, counted) in zip(found, told, strict=True):
        counts = records.counts
        left_out = {reason: number for reason, number in counts.left_out.items() if number}
        assert Told(left_out, dict(counts.dropped), counts.too_many) == counted
        assert counts.identities == len(oldest_of(counting))
        assert as_links(records) == links_of(counting)
        if not records.opened.source.is_events:
            places = list(records.opened.place_of(records.fragments["record"]).iter_rows())
            assert [(Path(name).name, row) for name, row in places] == [each.place for each in counting]
            assert records.fragments["time"].to_list() == [each.time for each in counting]


@settings(max_examples=10)
@given(CHANCES, st.integers(1, 4))
def test_events_in_batches_are_all_events(chance: Random, rows: int) -> None:
    """P3: events are read some rows at a time, and give what they give at once."""
    files = world(chance, 8)[-1:]
    with quick_folder() as root:
        (whole,) = read(files, root)
        with patch.object(batches, "ROWS", rows):
            (found,) = read(files, root)
    assert as_links(found) == as_links(whole)
    assert sorted(found.links["record"]) == sorted(whole.links["record"])
    held = [sorted(each.identities.select("namespace", "id", "oldest").rows(), key=str) for each in (found, whole)]
    assert held[0] == held[1]
    assert Counter(found.counts.left_out) == Counter(whole.counts.left_out)
    assert replace(found.counts, left_out=whole.counts.left_out) == whole.counts


@settings(max_examples=10)
@given(CHANCES, LIMITS)
def test_a_graph_does_not_depend_on_the_order_of_files_and_rows(chance: Random, limits: IdentityGraphLimits) -> None:
    """P3: the same inputs give the same graph, whatever the order of files and rows; ties in changes aside."""
    files = world(chance, 6)
    with quick_folder() as root:
        graphs = list[Graph]()
        for place, each in (("one", files), ("other", [_shuffled(each, chance) for each in files])):
            graphs.append(identity_graph(read(each, root / place), NAMESPACES, limits, "private"))
    one, other = graphs
    for name in ("identities", "maps", "refused", "shared", "cut"):
        assert getattr(one, name).equals(getattr(other, name)), name


@settings(max_examples=25)
@given(CHANCES, LIMITS)
def test_a_graph_does_not_depend_on_what_was_known(chance: Random, limits: IdentityGraphLimits) -> None:
    """P3, P7: a graph that is made with the identities of another day is the one that is made without, and has the row
    of each identity among these.
    """
    files, others = world(chance, 8), world(chance, chance.randint(1, 8))
    with quick_folder() as root:
        found = read(files, root / "now")
        earlier = identity_graph(read(others, root / "then"), NAMESPACES, limits, "private").identities
    known = earlier.filter([chance.random() < 0.8 for _ in range(earlier.height)])
    rows = {pair: row for row, pair in enumerate(known.select("namespace", "id").iter_rows())}
    kinds: tuple[GraphKind, ...] = ("private", "none")
    for kind in kinds:
        one = identity_graph(found, NAMESPACES, limits, kind)
        other = identity_graph(found, NAMESPACES, limits, kind, known)
        for name in ("identities", "maps", "links", "refused", "shared", "cut"):
            assert getattr(one, name).equals(getattr(other, name)), name
        assert all(map(pl.Series.equals, one.fragment_graphs, other.fragment_graphs))
        assert one.before is None
        pairs = other.identities.select("namespace", "id").iter_rows()
        assert other.before is not None
        assert other.before.to_list() == [rows.get(pair) for pair in pairs]


def _shuffled(files: Files, chance: Random) -> Files:
    """The rows in another order, in other files."""
    if files.source.mode == "changes":
        return files
    rows = [row for each in files.rows.values() for row in each]
    chance.shuffle(rows)
    names, cut = chance.sample(["a.parquet", "b.parquet", "c.parquet"], 2), chance.randint(0, len(rows))
    return replace(files, rows={names[0]: rows[:cut], names[1]: rows[cut:]})
