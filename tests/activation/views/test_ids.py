"""Profile ids that stay: through splits, merges, people who leave and come back (P7)."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ids_model
from support.ids_model import Held, Identity

from muster.activation.model.sources import BUILT_IN, Namespace
from muster.activation.views.ids import IDENTITIES, Ids, KeptIds, decide
from muster.activation.views.kept_ids import next_ids
from muster.activation.views.new_ids import made_of

NAMESPACES = {**BUILT_IN, "Ähnlich": Namespace("Ähnlich", priority=2)}
PRIORITIES = {name: each.priority for name, each in NAMESPACES.items()}
UNIVERSE: Sequence[Identity] = [
    *(("CRMID", str(number)) for number in range(4)),
    *(("Email", f"{letter}@x.com") for letter in "aäb"),
    *(("Ähnlich", "é"), ("Ähnlich", "z")),
    *(("ECID", str(number)) for number in range(5)),
]
DAY = datetime(2026, 11, 20, tzinfo=UTC)

Graphs = Mapping[int, Mapping[Identity, datetime | None]]


class Policy:
    """The ids of a merge policy from build to build."""

    def __init__(self, id_key: str = "") -> None:
        self.id_key, self.number, self.kept = id_key, 0, KeptIds.none()
        self.ids = decide(IDENTITIES.to_frame(), NAMESPACES, self.kept, 0)

    def build(self, graphs: Graphs, shuffled: random.Random | None = None) -> Ids:
        """The ids of the next build; with ``shuffled``, of identities in some order."""
        rows = [(*identity, oldest, graph) for graph, members in graphs.items() for identity, oldest in members.items()]
        if shuffled:
            shuffled.shuffle(rows)
        self.number += 1
        identities = pl.DataFrame(rows, IDENTITIES, orient="row")
        self.ids = decide(identities, NAMESPACES, self.kept, self.number, self.id_key)
        self.kept = next_ids(identities, self.ids)
        return self.ids

    def of(self, *people: str) -> list[str]:
        """The ids of people, in words such as ``CRMID:1 Email:a``; the merges and splits are in ``ids``."""
        graphs = {number: {_identity(each): None for each in words.split()} for number, words in enumerate(people)}
        by_graph = dict(self.build(graphs).profiles.select("graph", "profile_id").iter_rows())
        return [by_graph[number] for number in graphs]


def _identity(word: str) -> Identity:
    namespace, _, id_ = word.partition(":")
    return namespace, id_


def id_of(word: str, key: str = "") -> str:
    return made_of(*_identity(word), key)


def test_an_id_is_made_of_the_smallest_identity() -> None:
    """P7: 32 hex digits of SHA-256 over namespace, a zero byte, id; priority first, then UTF-8 bytes."""
    found = Policy().of("ECID:1 Email:b Email:a", "Phone:1 ECID:9")
    assert found == [id_of("Email:a"), id_of("Phone:1")]
    assert found[0] == ids_model.hashed("Email", "a", "")


def test_with_a_key_ids_cannot_be_recomputed() -> None:
    """P7: with ``id_key`` it is HMAC-SHA-256; ids that are kept stay when a key is set later."""
    policy = Policy("geheim: ü")
    assert policy.of("Email:a") == [ids_model.hashed("Email", "a", "geheim: ü")]
    policy.id_key = ""
    assert policy.of("Email:a") == [ids_model.hashed("Email", "a", "geheim: ü")]


def test_an_id_stays_when_identities_come_and_go() -> None:
    """P7: from then on the id is kept, whatever its smallest identity is now."""
    policy = Policy()
    first = policy.of("Email:a ECID:1")
    assert policy.of("CRMID:1 Email:a ECID:1") == first
    assert policy.of("CRMID:1 ECID:1") == first
    assert policy.of("CRMID:1") == first
    assert policy.ids.merged.height == policy.ids.split.height == 0


def test_a_merge_keeps_the_id_that_was_held_longest() -> None:
    """P7: counted in builds without a break; the other is its alias. Of equals the smaller id survives."""
    policy = Policy()
    old = policy.of("Email:z")
    policy.of("Email:z", "CRMID:1")
    assert policy.of("Email:z CRMID:1") == old
    assert policy.ids.merged.rows() == [(id_of("CRMID:1"), old[0])]
    policy = Policy()
    policy.of("Email:z")
    policy.of("CRMID:1")  # z is away for a build
    policy.of("Email:z", "CRMID:1")
    assert policy.of("Email:z CRMID:1") == [id_of("CRMID:1")]
    policy = Policy()
    assert min(policy.of("Email:z", "CRMID:1")) == policy.of("Email:z CRMID:1")[0]


@pytest.mark.parametrize(
    ("parts", "keeper"),
    [
        (["Email:b ECID:1", "Email:a"], 1),  # the identity that the id was made of
        (["ECID:1 Phone:1", "Email:b"], 1),  # the highest priority
        (["Phone:2 CRMID:7", "Phone:1"], 1),  # by those that were held before
    ],
)
def test_of_a_split_one_part_keeps_the_id(parts: list[str], keeper: int) -> None:
    """P7: the part with the identity that the id was made of, else with the best identity held before."""
    policy = Policy()
    [before] = policy.of("Email:a Email:b Phone:1 Phone:2 ECID:1")
    found = policy.of(*parts)
    assert found[keeper] == before
    assert found[1 - keeper] == id_of(min(parts[1 - keeper].split(), key=lambda each: PRIORITIES[_identity(each)[0]]))
    assert policy.ids.split.rows() == [(before, found[1 - keeper])]


def test_of_a_split_the_oldest_identity_of_a_priority_counts() -> None:
    """P7: priority, then the age of the oldest record, then text; no time is older than any."""
    for ages, keeper in [((1, 2), 1), ((2, 1), 0), ((None, 1), 0), ((1, 1), 0)]:
        policy = Policy()
        [before] = policy.of("CRMID:1 Email:a Email:b")
        times = [None if age is None else DAY - timedelta(days=age) for age in ages]
        policy.build({0: {("Email", "a"): times[0]}, 1: {("Email", "b"): times[1]}})
        kept = policy.ids.profiles.filter(profile_id=before)["graph"].item()
        assert kept == keeper, ages


def test_an_identity_that_moves_merges_nobody() -> None:
    """P7: two people, of whom one gives an address to the other, stay two with their ids."""
    policy = Policy()
    before = policy.of("CRMID:1 Email:a", "CRMID:2 Email:b")
    assert policy.of("CRMID:1", "CRMID:2 Email:b Email:a") == before
    assert policy.ids.merged.height == policy.ids.split.height == 0


def test_a_merge_that_undoes_itself_gives_the_alias_again() -> None:
    """P7: an alias may be given again, and the part that gets it is new and came out of the survivor."""
    policy = Policy()
    before = policy.of("CRMID:1", "CRMID:2")
    policy.of("CRMID:1 CRMID:2")
    assert policy.of("CRMID:1", "CRMID:2") == before
    assert policy.ids.split.rows() == [(min(before), max(before))]


def test_an_id_that_another_graph_holds_is_made_of_the_next_identity() -> None:
    """P7: if another graph of this build holds it, of the next; when all are held, with a zero byte and a number."""
    policy = Policy()
    policy.of("CRMID:1 Email:a")
    policy.of("Email:a")  # holds the id that is made of CRMID:1
    assert policy.of("Email:a", "CRMID:1 Phone:1") == [id_of("CRMID:1"), id_of("Phone:1")]
    policy = Policy()
    policy.of("CRMID:1 Email:a")
    policy.of("Email:a")
    assert policy.of("Email:a", "CRMID:1") == [id_of("CRMID:1"), made_of("CRMID", "1\x002", "")]
    assert policy.of("Email:a", "CRMID:1")[1] == made_of("CRMID", "1\x002", "")
    policy.of("Email:a", "ECID:1")
    assert policy.of("Email:a", "ECID:1", "CRMID:1")[2] == made_of("CRMID", "1\x002", "")


def _days() -> st.SearchStrategy[list[tuple[int, list[int]]]]:
    """For each day a seed, and for each identity of the universe the graph that it is in; 0 for none."""
    graph = st.integers(0, 5)
    return st.lists(
        st.tuples(st.integers(0, 9), st.lists(graph, min_size=len(UNIVERSE), max_size=len(UNIVERSE))),
        min_size=2,
        max_size=7,
    )


@given(_days(), st.sampled_from(["", "key"]))
def test_ids_are_those_of_the_model(days: list[tuple[int, list[int]]], key: str) -> None:
    """P7: after any days of merges, splits, moves and absences, ids, merges and splits are those of plain Python.

    Whatever the order of rows and the numbers of graphs are, and no id changes without a merge or a split.
    """
    policy, before = Policy(key), dict[str, Held]()
    for number, (seed, places) in enumerate(days, 1):
        chance = random.Random(seed)  # noqa: S311 (no secret)
        labels = chance.sample(range(100), 6)
        graphs: dict[int, dict[Identity, datetime | None]] = {}
        for identity, place in zip(UNIVERSE, places, strict=True):
            if place:
                age = chance.choice([None, 1, 2])
                oldest = None if age is None else DAY - timedelta(days=age)
                graphs.setdefault(labels[place], {})[identity] = oldest
        expected = ids_model.build(graphs, PRIORITIES, before, number, key)
        found = policy.build(graphs, chance)
        assert dict(found.profiles.select("graph", "profile_id").iter_rows()) == expected.ids
        assert dict(found.merged.iter_rows()) == expected.merged
        assert set(found.split.iter_rows()) == expected.split
        _refuse_needless_changes(before, expected, graphs)
        before = expected.kept


def _refuse_needless_changes(before: Mapping[str, Held], now: ids_model.Outcome, graphs: Graphs) -> None:
    """An id of before that some graph is a part of is there, or is merged into one that is."""
    present = {identity for members in graphs.values() for identity in members}
    for name, held in before.items():
        if held.identities & present:
            assert (name in now.kept) or now.merged[name] in now.kept
    assert len(set(now.ids.values())) == len(now.ids)
