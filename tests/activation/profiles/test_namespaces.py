"""Which namespaces the profiles of a snapshot hold, in each spelling of an identity map (D1, M4)."""

from typing import Any

import polars as pl
import pytest

from muster.activation.profiles import namespaces
from muster.activation.values.identities import held_ids

PAIRS = pl.List(pl.Struct({"namespace": pl.String, "id": pl.String, "primary": pl.Boolean}))
NUMBERS = pl.List(pl.Struct({"namespace": pl.Categorical, "id": pl.Int64}))
IDS = pl.Struct({"Email": pl.List(pl.String), "Phone": pl.List(pl.Null)})
STRUCTS = pl.Struct({"Email": pl.List(pl.Struct({"id": pl.String}))})


@pytest.mark.parametrize(
    ("values", "dtype", "held"),
    [
        ([None, [], [{"namespace": "Email", "id": "a"}, {"namespace": "Email", "id": "a"}]], PAIRS, ["a", "a"]),
        ([[{"namespace": "Email", "id": ""}], [{"namespace": "Email", "id": None}]], PAIRS, []),
        ([[{"namespace": "email", "id": "a"}], [{"namespace": None, "id": "b"}], [None]], PAIRS, []),
        ([[{"namespace": "Phone", "id": 1}, {"namespace": "Email", "id": 2}]], NUMBERS, ["2"]),
        ([{"Email": ["b", ""], "Phone": []}, None, {"Email": None, "Phone": None}], IDS, ["b"]),
        ([{"Email": [], "Phone": []}], IDS, []),
        ([{"Email": [{"id": "c"}, {"id": None}]}], STRUCTS, ["c"]),
        ([None, None], pl.Null, []),
        ([[], None], pl.List(pl.Null), []),
    ],
)
def test_ids_of_a_namespace_are_found_in_each_spelling(values: list[Any], dtype: Any, held: list[str]) -> None:
    """D1, M4: pairs with a null or empty part do not count; letter case of namespaces does."""
    frame = pl.LazyFrame({"identity_map": pl.Series(values, dtype=dtype)})
    found = held_ids(frame, "identity_map", frame.collect_schema()["identity_map"], "Email")
    assert found.collect()["id"].to_list() == held


def test_a_snapshot_without_an_identity_map_holds_no_namespace() -> None:
    """M4, X3c: without the column nobody has an identity."""
    assert held_ids(pl.LazyFrame({"a": [1]}), "identity_map", None, "Email").collect().is_empty()


def test_a_namespace_of_the_last_profile_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """M4: a namespace that the first profiles do not hold may be held by others."""
    monkeypatch.setattr(namespaces, "_FIRST", 1)
    pairs = pl.Series([[{"namespace": "Email", "id": "a"}], [{"namespace": "Phone", "id": "1"}]])
    snapshot: Any = type("Snapshot", (), {})()
    snapshot.source = type("Source", (), {"identity_map": "identity_map"})()
    snapshot.identity_type = pairs.dtype
    snapshot.frame = snapshot.frame_of_all = lambda: pl.LazyFrame({"identity_map": pairs})
    assert [namespaces.is_held(snapshot, each) for each in ("Email", "Phone", "phone")] == [True, True, False]
    assert namespaces.held(snapshot) == ["Email", "Phone"]
