"""The labels of an activation are those of everything that it reads (G2): here by the YAML alone, without data."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.shop import Shop

from muster.activation.config import workspace as config
from muster.activation.governance.labelled import LabelIndex
from muster.activation.governance.reads import Thing, reads
from muster.activation.instants import parse_duration
from muster.activation.model.governance import LabelEntry
from muster.activation.model.workspace import (
    Activation,
    Audience,
    Column,
    EventsSource,
    Measure,
    ProfilesSource,
    Schedule,
    Workspace,
)

UTC_ZONE = ZoneInfo("UTC")


def column(source: str, **more: Any) -> Column:
    """A mapped column whose target is ``t``."""
    return Column(source, "t", **more)


def activation(*mapping: Column, audience: str = "all", deduplicate: tuple[str, ...] = ()) -> Activation:
    """An activation ``d/a`` of an audience."""
    return Activation(
        id="a",
        destination="d",
        destination_name="d",
        audience=audience,
        export="full",
        schedule=Schedule("on_demand", UTC_ZONE),
        url="out",
        format="csv",
        mapping=mapping,
        deduplicate=deduplicate,
    )


def workspace(
    *audiences: Audience, labels: dict[str, str] | None = None, source: ProfilesSource | None = None
) -> Workspace:
    """A workspace with these audiences and labels, one a thing."""
    return Workspace(
        Path("/w"),
        "w",
        UTC_ZONE,
        source or ProfilesSource("data"),
        Path("/w/.muster"),
        {each.id: each for each in (*audiences, Audience("all", "all", "true"))},
        (),
        {},
        events=EventsSource("events", "who", "at"),
        labels=tuple(LabelEntry(what, (label,)) for what, label in (labels or {}).items()),
    )


def read_by(
    where: str | None = None, *measures: Measure, source: ProfilesSource | None = None, **more: Any
) -> set[str]:
    """What the audience of an activation reads, or with ``mapping`` and ``deduplicate`` the activation itself."""
    audience = Audience("it", "it", where, measures)
    mapping = more.pop("mapping", ())
    subject = activation(*mapping, audience="it" if where else "all", deduplicate=more.pop("deduplicate", ()))
    return {str(each.thing) for each in reads(subject, workspace(audience, source=source))}


OWN_NAMES = ProfilesSource("data", "customer", "ids")


@pytest.mark.parametrize(
    ("mapped", "read"),
    [
        (column("email"), {"email"}),
        (column("person.name.first"), {"person.name.first"}),
        (column("orders[0].total"), {"orders.total"}),
        (column("tags[-1]"), {"tags"}),
        (column("segment_membership.status"), set()),
        (column("segment_membership.last_qualification_time"), set()),
        (column("profile_id"), {"profile_id"}),
        (column("customer"), {"profile_id"}),
        (column("identity_map.Phone"), {"identity_map.Phone"}),
        (column("identity_map.my.Crm"), {"identity_map.my.Crm"}),
        (column("ids"), {"identity_map"}),
        (column("ids[0].id"), {"identity_map"}),
        (column("ids.Phone"), {"identity_map.Phone"}),
        (column("phone", transform=("trim", "e164(address.country)")), {"phone", "address.country"}),
        (column("phone", transform=("e164(US)", "sha256")), {"phone"}),
        (column("", expression="COALESCE(nick, person.name.first)"), {"nick", "person.name.first"}),
        (column("", expression="CASE WHEN person IS NULL THEN 1 ELSE 2 END"), {"person"}),
        (column("", expression='UPPER("person"."last name")'), {"person.last name"}),
        (column("", expression="customer = 'x' OR profile_id = 'y'"), {"profile_id"}),
        (column("", expression="tags[1]"), {"tags"}),
        (column("", expression="Email = email"), {"Email", "email"}),
        (column("", expression="ids IS NULL"), {"identity_map"}),
        (column("", expression="now() > DATE '2026-01-01'"), set()),
    ],
)
def test_what_a_mapped_column_reads(mapped: Column, read: set[str]) -> None:
    """G2: mapped columns count with all that their expressions and transforms read; names are those of rules."""
    assert read_by(mapping=(mapped,), source=OWN_NAMES) == read


def test_deduplication_keys_are_read() -> None:
    """G2: a key of `deduplicate` counts though it is not mapped."""
    assert read_by(mapping=(column("email"),), deduplicate=("phone", "person.id")) == {"email", "phone", "person.id"}


@pytest.mark.parametrize(
    ("where", "read"),
    [
        ("health.score > 3 AND NOT (country = 'US')", {"health.score", "country"}),
        ("health IS NOT NULL", {"health"}),
        ("health.score > 3 OR health IS NULL", {"health.score", "health"}),
        ("ARRAY_CONTAINS(health.tags, 'x')", {"health.tags"}),
        ('"odd name".x = 1', {"odd name.x"}),
        ("ARRAY_LENGTH(identity_map.Email) > 1", {"identity_map.Email"}),
        ("'7' = ANY(identity_map.\"Loyalty Id\")", {"identity_map.Loyalty Id"}),
        ("customer = '1'", {"profile_id"}),
        ("true", set()),
    ],
)
def test_what_a_rule_reads(where: str, read: set[str]) -> None:
    """G2: a rule reads profile columns, a struct's field where it reads that alone, and namespaces."""
    assert read_by(where, source=OWN_NAMES) == read


def test_what_measures_read() -> None:
    """G2: a measure reads event columns: what it computes, its condition, and always the profile id and the time."""
    measures = (
        Measure("n", "count", where="kind = 'view' AND detail.code = 1"),
        Measure("paid", "sum", "order.amount"),
        Measure("last_kind", "last", "kind"),
        Measure("recent", "count", within=parse_duration("30d")),
    )
    assert read_by("n > 3 AND kind = 'gold'", *measures) == {
        *("kind", "events.kind", "events.detail.code", "events.order.amount", "events.who", "events.at")
    }
    assert read_by("n > 3", measures[0]) == {"events.kind", "events.detail.code", "events.who", "events.at"}
    assert read_by("n > 3", Measure("n", "count")) == {"events.who", "events.at"}


@pytest.mark.parametrize("label", ["events.who", "events.at", "events.profile_id", "events.timestamp"])
def test_a_count_has_the_labels_of_the_profile_id_and_the_time(label: str) -> None:
    """G2: a plain count reads both columns; the label may call them as muster.yml does: `events.profile_id`."""
    audience = Audience("it", "it", "n > 3", (Measure("n", "count"),))
    index = LabelIndex(workspace(audience, labels={label: "C12"}))
    assert [each.labels for each in index.of_activation(activation(audience="it"))] == [("C12",)]
    assert not index.of_activation(activation())


def test_audiences_are_read_at_any_depth_by_the_shortest_way() -> None:
    """G2, E4: what audiences read that the rule refers to counts, each once, with the way over them."""
    chain = [
        Audience("a", "a", "health.score > 3"),
        Audience("b", "b", "audience.a AND city = 'x'"),
        Audience("c", "c", 'audience."b" OR audience.a'),
        Audience("other", "other", "secret = 1"),
    ]
    found = {str(each.thing): each.way for each in reads(activation(audience="c"), workspace(*chain))}
    assert found == {
        "health.score": ('audience "a"', 'audience "c"'),
        "city": ('audience "b"', 'audience "c"'),
    }


def test_a_feed_audience_reads_the_feed_alone() -> None:
    """G2, X6: `source: memberships` without a rule reads no column; with a rule, it reads what the rule does."""
    feed = Audience("feed", "feed", None, from_feed=True)
    both = Audience("both", "both", "city = 'x' AND audience.feed", from_feed=True)
    assert not list(reads(activation(audience="feed"), workspace(feed, both)))
    assert [str(each.thing) for each in reads(activation(audience="both"), workspace(feed, both))] == ["city"]


@pytest.mark.parametrize(
    ("label", "source", "has"),
    [
        ("health", "health.score", True),
        ("health.score", "health", True),
        ("health.score", "health.score", True),
        ("health.score", "health.score.raw", True),
        ("health.score", "health.mood", False),
        ("health.score", "health.score2", False),
        ("health", "healthy", False),
        ("Email", "email", False),
        ('"health"."score"', "health.score", True),
        ("`odd name`", "odd name", True),
        ("orders.total", "orders[2].total", True),
        ("orders.total", "orders[2].sku", False),
        ("customer", "profile_id", True),
        ("profile_id", "customer", True),
        ("identity_map.Phone", "identity_map.Phone", True),
        ("identity_map.Phone", "identity_map.Email", False),
        ("identity_map.Phone", "identity_map.Phone.home", False),  # another namespace, whose name holds a dot
        ("identity_map.Phone", "ids", True),
        ("ids.Phone", "identity_map.Phone", True),
        ("identity_map", "identity_map.Phone", True),
        ("ids", "identity_map.Phone", True),
        ('identity_map."Loyalty Id"', "identity_map.Loyalty Id", True),
        ("email", "identity_map.email", False),
        ("events.email", "email", False),
    ],
)
def test_which_label_covers_what(label: str, source: str, has: bool) -> None:
    """G2: a label of a struct is one of all below it, one of a field is one of the whole struct when that is read."""
    index = LabelIndex(workspace(labels={label: "C2"}, source=OWN_NAMES))
    assert [each.labels for each in index.of_activation(activation(column(source)))] == [("C2",)] * has


def test_labels_of_event_columns() -> None:
    """G2: a label `events.x` is one of the event column, not of a profile column of that name."""
    rule = Audience("it", "it", "n > 1 AND kind = 'x'", (Measure("n", "count", where="detail.code = 1"),))
    index = LabelIndex(workspace(rule, labels={"events.kind": "C2", "kind": "C3", "events.detail": "RHD"}))
    found = {each.labels: each.path_to("d/a") for each in index.of_activation(activation(audience="it"))}
    assert found == {
        ("C3",): ("kind", 'audience "it"', "d/a"),
        ("RHD",): ("events.detail.code", 'measure "n"', 'audience "it"', "d/a"),
    }


def test_the_path_names_the_more_exact_of_label_and_read() -> None:
    """G3: the path begins at the labelled field, also where the whole struct or the whole map is read."""
    index = LabelIndex(workspace(labels={"health.score": "RHD", "person": "I1", "identity_map.Phone": "I1"}))
    mapping = column("health"), column("person.name"), column("identity_map")
    found = {each.what for each in index.of_activation(activation(*mapping))}
    assert found == {"health.score", "person.name", "identity_map.Phone"}


def test_an_entry_without_labels_says_nothing() -> None:
    """G1: `email: []` is no label."""
    bare = replace(workspace(), labels=(LabelEntry("email", ()),))
    assert LabelIndex(bare).of_activation(activation(column("email"))) == ()


def test_a_workspace_without_labels_is_not_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """G2: what needs no labels costs nothing: no rule is parsed for them."""
    monkeypatch.setattr("muster.activation.governance.reads.parse", None)
    assert LabelIndex(workspace(Audience("a", "a", "x = 1"))).of_activation(activation(audience="a")) == ()


def test_the_yaml_leads_to_the_same_reads(tmp_path: Path) -> None:
    """G2: presets' transforms and settings of the destination are part of the mapping: `region` reads a column."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.write(
        "destinations/meta.yml",
        {
            "url": "out/meta",
            "preset": "meta_custom_audience",
            "region": "home.country",
            "mapping": [{"source": "tel", "target": "phone"}],
            "activations": [{"audience": "all", "export": "full", "schedule": "on_demand"}],
        },
    )
    found = config.load(tmp_path, {})
    assert {str(each.thing) for each in reads(found.activations[0], found)} == {"tel", "home.country"}


# The labels of random workspaces equal those of a model that knows what was meant, not how it is written

COLUMNS = [("email",), ("home", "city"), ("home", "geo", "lat"), ("home",), ("home", "geo"), ("tags",)]
EVENT_COLUMNS = [("kind",), ("detail", "code"), ("detail",)]
NAMESPACES = ["Email", "Phone", "Loyalty Id"]
LABELS = ["C2", "RHD", "I1", "S1"]
ATOMS = st.one_of(
    st.sampled_from(COLUMNS).map(lambda path: ("column", path)),
    st.sampled_from(NAMESPACES).map(lambda name: ("identity_map", (name,))),
)
RULES = st.tuples(
    st.lists(ATOMS, max_size=3),
    st.lists(st.sampled_from(EVENT_COLUMNS), max_size=2),
    st.sets(st.integers(0, 4), max_size=2),
)
ENTRIES = st.dictionaries(
    st.one_of(
        st.sampled_from(COLUMNS).map(lambda path: ("column", path)),
        st.sampled_from(EVENT_COLUMNS).map(lambda path: ("events", path)),
        st.sampled_from([*NAMESPACES, ""]).map(lambda name: ("identity_map", (name,) if name else ())),
    ),
    st.sampled_from(LABELS),
    max_size=6,
)


def sql(space: str, path: tuple[str, ...]) -> str:
    """A condition that reads one thing."""
    dotted = ".".join(f'"{step}"' if " " in step else step for step in path)
    return f"ARRAY_LENGTH(identity_map.{dotted}) > 0" if space == "identity_map" else f"{dotted} IS NOT NULL"


def written(space: str, path: tuple[str, ...]) -> str:
    """A thing as a label or a source names it."""
    return ".".join(((space,) if space != "column" else ()) + path)


def rule(number: int, atoms: Any, events: Any, references: Any) -> Audience:
    """The audience of a number, with what it reads written as SQL; references go to smaller numbers alone."""
    measures = tuple(Measure(f"m{place}", "count", where=sql("column", path)) for place, path in enumerate(events))
    parts = [sql(*atom) for atom in atoms] + [f"{each.name} > 0" for each in measures]
    parts += [f"audience.a{each}" for each in sorted(references) if each < number]
    return Audience(f"a{number}", f"a{number}", " AND ".join(parts) or "true", measures)


def covers(one: tuple[str, tuple[str, ...]], other: tuple[str, tuple[str, ...]]) -> bool:
    """Whether one of two things holds the other, by their steps."""
    (space, path), (other_space, other_path) = one, other
    shared = min(len(path), len(other_path))
    return space == other_space and path[:shared] == other_path[:shared]


@settings(max_examples=60, deadline=None)
@given(st.lists(RULES, min_size=5, max_size=5), st.lists(ATOMS, max_size=3), st.data())
def test_labels_are_those_of_what_is_meant(rules: list[Any], mapped: list[Any], data: st.DataObject) -> None:
    """G2: the labels of an activation equal those of a model of what its mapping and its audiences mean to read."""
    entries = data.draw(ENTRIES)
    audiences = [rule(number, *each) for number, each in enumerate(rules)]

    def meant(number: int) -> set[tuple[str, tuple[str, ...]]]:
        atoms, events, references = rules[number]
        below = [meant(each) for each in references if each < number]
        return {*atoms, *(("events", path) for path in events)}.union(*below)

    read = meant(4) | set(mapped)
    expected = {(label, what) for what, label in entries.items() if any(covers(what, each) for each in read)}
    subject = activation(*(column(written(*each)) for each in mapped), audience="a4")
    index = LabelIndex(workspace(*audiences, labels={written(*what): label for what, label in entries.items()}))
    found = index.of_activation(subject)
    assert {(label, each.entry.what) for each in found for label in each.labels} == {
        (label, written(*what)) for label, what in expected
    }
    for each in found:
        assert each.way[-1] in {'column "t"', 'audience "a4"'}
        hops = [step for step in each.way if step.startswith("audience")]
        for lower, upper in pairwise(hops):
            assert f"audience.{lower[10:-1]}" in (next(a for a in audiences if f'"{a.id}"' in upper).where or "")


def test_things_are_shown_as_labels_are_written() -> None:
    """G3: a violation names things as muster.yml does."""
    assert list(map(str, (Thing("events", "a.b"), Thing("identity_map", "X"), Thing("identity_map", "")))) == [
        *("events.a.b", "identity_map.X", "identity_map")
    ]
