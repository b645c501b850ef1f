"""Fragments merged to profiles: whose value counts, under which name, of which type (P8, D5)."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.built_views import Views, frame, instant, people

from muster.activation.errors import ConfigError, DataError
from muster.activation.frames.columns import TIME_TYPE


@pytest.fixture
def views(tmp_path: Path) -> Views:
    """A workspace without sources."""
    return Views(tmp_path / "shop")


def test_the_newest_value_of_each_column_counts(views: Views) -> None:
    """P8: newest that is not null; a record without a time has the snapshot's date; no time is older than any."""
    views.source("crm", "crm_id CRMID", "email Email", updated_at="changed")
    views.source("shop", "email Email")
    rows = [
        {"crm_id": "1", "email": "a@x", "city": "Rome", "tel": "7", "changed": instant("2026-11-19")},
        {"crm_id": "2", "email": "b@x", "city": "Bonn", "tel": None, "changed": None},
    ]
    views.hold("crm", "2026-11-21", rows, changed=TIME_TYPE)
    views.hold("shop", "2026-11-20", [{"email": "a@x", "city": "Oslo"}, {"email": "b@x", "city": "Lyon"}])
    found = people(views.build("2026-11-22"), "crm_id", "city", "tel")
    assert found == [("1", "Oslo", "7"), ("2", "Bonn", None)]


@pytest.mark.parametrize(
    ("policy", "city"),
    [
        ({}, "crm"),  # by id
        ({"sources": ["shop", "crm"]}, "shop"),  # in the order of `sources:`
        ({"attributes": {"precedence": ["shop", "crm"]}}, "shop"),
        ({"attributes": {"precedence": ["crm"]}}, "crm"),
    ],
)
def test_ties_go_by_source(views: Views, policy: dict[str, Any], city: str) -> None:
    """P8: of equal times the source listed first, else the smallest id; with precedence the first in the list."""
    views.set(merge_policies={"default": policy})
    for name in ("shop", "crm"):
        views.source(name, "email Email")
        views.hold(name, "2026-11-20", [{"email": "a@x", "city": name}])
    assert people(views.build("2026-11-22"), "city") == [(city,)]


def test_precedence_goes_before_time(views: Views) -> None:
    """P8: the first source in the list that has a value, inside a source the newest; others give nothing at all."""
    views.set(merge_policies={"default": {"attributes": {"precedence": ["shop", "crm"]}}})
    for name in ("shop", "crm", "app"):
        views.source(name, "email Email", "phone Phone")
    views.hold("shop", "2026-11-18", [{"email": "a@x", "phone": "1", "city": "old", "zip": None}])
    views.hold("crm", "2026-11-19", [{"email": "a@x", "phone": "2", "city": "newer", "zip": "9"}])
    views.hold("app", "2026-11-20", [{"email": "a@x", "phone": "3", "city": "newest", "app": "x"}])
    view = views.build("2026-11-22")
    assert people(view, "city", "zip") == [("old", "9")]
    assert "app" not in frame(view).columns
    identities = [(each["namespace"], each["id"]) for each in frame(view)["identity_map"][0]]
    assert identities == [("Email", "a@x"), ("Phone", "1"), ("Phone", "2")]


def test_ties_in_a_source_go_to_the_smallest_primary_identity(views: Views) -> None:
    """P8: by UTF-8 bytes, wherever the rows stand."""
    views.source("crm", "card Card", "email Email")
    views.set(namespaces={"Card": {}})
    rows = [{"card": each, "email": "a@x", "city": f"of {each}"} for each in ("c", "ä", "b", "B")]
    views.hold("crm", "2026-11-20", [*rows, {"card": "z", "email": "z@x", "city": "elsewhere"}])
    assert people(views.build("2026-11-22"), "city") == [("elsewhere",), ("of B",)]


def test_columns_are_renamed(views: Views) -> None:
    """P8: a column leaves its old name; a field stays in its struct too, unless its name is the struct's."""
    loyalty = pl.Struct({"points": pl.Int64, "tier": pl.String})
    views.set(merge_policies={name: {"sources": [name]} for name in ("crm", "shop")})
    views.source("crm", "crm_id CRMID", columns={"town": "city", "points": "loyalty.points"})
    views.source("shop", "crm_id CRMID", columns={"loyalty": "loyalty.tier"})
    for name in ("crm", "shop"):
        row = {"crm_id": "1", "city": "Rome", "loyalty": {"points": 3, "tier": "gold"}}
        views.hold(name, "2026-11-20", [row], loyalty=loyalty)
    found = frame(views.build("2026-11-22", policy="crm")).drop("profile_id", "identity_map")
    assert found.rows(named=True) == [
        {"crm_id": "1", "loyalty": {"points": 3, "tier": "gold"}, "town": "Rome", "points": 3}
    ]
    assert people(views.build("2026-11-22", policy="shop"), "city", "loyalty") == [("Rome", "gold")]


def test_columns_keep_even_strange_names(views: Views) -> None:
    """P8: a column without a name, as the index of a data frame, keeps that, and takes no other column's place."""
    views.source("crm", "id CRMID")
    views.hold("crm", "2026-11-20", [{"id": "1", "": "none", "column_3": "own", "ü x": "odd"}])
    found = people(views.build("2026-11-22"), "", "column_3", "ü x")
    assert found == [("none", "own", "odd")]


def test_two_columns_that_swap_names_are_swapped(views: Views) -> None:
    """P8: `columns` is target to source, all at once."""
    views.source("crm", "crm_id CRMID", columns={"a": "b", "b": "a"})
    views.hold("crm", "2026-11-20", [{"crm_id": "1", "a": "first", "b": "second"}])
    assert people(views.build("2026-11-22"), "a", "b") == [("second", "first")]


def test_columns_of_several_types_are_widened(views: Views) -> None:
    """D5: as in the files of one input; a column without any value has no type to disagree with."""
    for name in ("crm", "shop", "app"):
        views.source(name, "crm_id CRMID")
    views.hold("crm", "2026-11-20", [{"crm_id": "1", "n": 1, "x": "text", "p": {"a": 1}}], n=pl.Int8, p=_of(a=pl.Int8))
    views.hold("shop", "2026-11-20", [{"crm_id": "2", "n": 1 << 40, "x": None}], n=pl.Int64, x=pl.Int64)
    views.hold("app", "2026-11-20", [{"crm_id": "3", "n": 0.5, "p": {"b": "z"}}], n=pl.Float32, p=_of(b=pl.String))
    view = views.build("2026-11-22")
    assert people(view, "crm_id", "n", "x", "p") == [
        ("1", 1.0, "text", {"a": 1, "b": None}),
        ("2", float(1 << 40), None, None),
        ("3", 0.5, None, {"a": None, "b": "z"}),
    ]


def _of(**fields: Any) -> pl.Struct:
    return pl.Struct(fields)


def test_types_that_do_not_go_together_name_both_sources(views: Views) -> None:
    """P8: an error of the policies that read both, with both sources, the column, both types, and the way out."""
    views.set(merge_policies={"default": {}, "alone": {"sources": ["crm"]}})
    for name, dtype, value in (("crm", pl.String, "x"), ("shop", pl.Int64, 7)):
        views.source(name, "crm_id CRMID")
        views.hold(name, "2026-11-20", [{"crm_id": "1", "age": value}], age=dtype)
    with pytest.raises(DataError, match=r"'crm'.*'shop'.*'age'.*a whole number.*text.*columns` in sources/shop.yml"):
        views.build("2026-11-22")
    assert people(views.build("2026-11-22", policy="alone"), "age") == [("x",)]


def test_a_number_that_the_common_type_does_not_hold_is_an_error(views: Views) -> None:
    """D5: whole numbers go with floats only if each is exactly one."""
    for name, dtype, value in (("crm", pl.Int64, (1 << 53) + 1), ("shop", pl.Float64, 0.5)):
        views.source(name, "crm_id CRMID")
        views.hold(name, "2026-11-20", [{"crm_id": "1", "n": value}], n=dtype)
    with pytest.raises(DataError, match=r"'crm', 'shop'.*'n'"):
        views.build("2026-11-22")


def test_a_column_that_one_source_cannot_read_is_none_of_the_view(views: Views) -> None:
    """D5, X1: files of one source that disagree stop what uses the column, which the view names, and no more."""
    views.source("crm", "crm_id CRMID")
    for number, (dtype, value) in enumerate([(pl.String, "x"), (pl.Int64, 7)]):
        path = f"data/crm/2026-11-20/{number}.parquet"
        rows = pl.DataFrame([{"crm_id": str(number), "age": value}], schema={"crm_id": pl.String, "age": dtype})
        views.shop.parquet(path, rows)
    view = views.build("2026-11-22")
    assert frame(view).columns == ["profile_id", "identity_map", "crm_id"]
    assert "age" in view.unusable["age"]


@pytest.mark.parametrize("name", ["profile_id", "identity_map"])
def test_columns_of_views_are_refused(views: Views, name: str) -> None:
    """P8: a config error, unless renamed."""
    views.source("crm", "crm_id CRMID")
    views.hold("crm", "2026-11-20", [{"crm_id": "1", name: "x"}])
    with pytest.raises(ConfigError, match=name):
        views.build("2026-11-22")
    views.source("crm", "crm_id CRMID", columns={"theirs": name})
    assert people(views.build("2026-11-22"), "theirs") == [("x",)]


def test_an_identity_map_of_a_source_is_no_attribute(views: Views) -> None:
    """P8: used under `identities` it gives identities; other identity columns are attributes too."""
    kind = pl.List(pl.Struct({"namespace": pl.String, "id": pl.String}))
    identities = [{"column": "crm_id", "namespace": "CRMID", "primary": True}, {"identity_map": "identity_map"}]
    views.shop.write("sources/crm.yml", {"path": "data/crm", "identities": identities})
    held = [{"namespace": "Phone", "id": " 2 "}, {"namespace": "Email", "id": "B@x"}, {"namespace": "Phone", "id": "1"}]
    views.hold("crm", "2026-11-20", [{"crm_id": "1", "identity_map": held}], identity_map=kind)
    found = frame(views.build("2026-11-22"))
    assert found.columns == ["profile_id", "identity_map", "crm_id"]
    pairs = [(each["namespace"], each["id"]) for each in found["identity_map"][0]]
    assert pairs == [("CRMID", "1"), ("Email", "b@x"), ("Phone", "1"), ("Phone", "2")]


def test_without_a_graph_each_primary_identity_is_a_profile(views: Views) -> None:
    """P7: fragments of one primary identity together, with their identities; only it leads to the profile."""
    views.set(merge_policies={"default": {"graph": "none"}})
    views.source("crm", "crm_id CRMID", "email Email")
    views.source("shop", "crm_id CRMID", "phone Phone")
    views.hold("crm", "2026-11-20", [{"crm_id": "1", "email": "a@x"}, {"crm_id": "2", "email": "a@x"}])
    views.hold("shop", "2026-11-20", [{"crm_id": "1", "phone": "7"}])
    view = views.build("2026-11-22")
    maps = sorted(sorted(each.values()) for row in frame(view)["identity_map"] for each in row)
    assert maps == [["1", "CRMID"], ["2", "CRMID"], ["7", "Phone"], ["Email", "a@x"], ["Email", "a@x"]]
    assert sorted(view.identities.collect()["id"]) == ["1", "2"]


def test_memory_bounds_how_many_profiles_are_merged_at_once(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: a view that does not fit is several files, which hold together what one would."""
    views.source("crm", "crm_id CRMID", "email Email")
    views.source("shop", "email Email")
    views.hold("crm", "2026-11-20", [{"crm_id": f"{n}", "email": f"{n % 7}@x", "a": f"a{n}"} for n in range(9)])
    views.hold("shop", "2026-11-21", [{"email": f"{n}@x", "b": f"b{n}"} for n in range(9, 0, -1)])
    whole = frame(views.look("2026-11-22"))
    monkeypatch.setattr("muster.activation.system.memory.Budget.working", 200)
    view = views.look("2026-11-22")
    assert len(view.paths) > 2
    assert frame(view).equals(whole)


def test_one_identity_is_found_by_its_key(views: Views) -> None:
    """P7: an identity leads to a profile without all being read; nobody has others."""
    views.source("crm", "crm_id CRMID", "email Email")
    views.hold("crm", "2026-11-20", [{"crm_id": "1", "email": "a@x"}, {"crm_id": "2", "email": "b@x"}])
    view = views.build("2026-11-22")
    found = dict(view.identities.select("id", "profile_id").collect().iter_rows())
    assert {each: view.led_by("Email", each) for each in ("a@x", "b@x")} == {
        each: found[each] for each in ("a@x", "b@x")
    }
    assert view.led_by("Phone", "a@x") is None
    assert [view.position_of(each) for each in view.ids] == [0, 1]
    assert view.position_of("nobody") is None
