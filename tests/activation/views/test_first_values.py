"""The first value of each leaf: structs by field, lists whole, maps key by key (P8)."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.views.first_values import Order, first_values

PERSON = pl.Struct(
    {
        "name": pl.String,
        "home": pl.Struct({"city": pl.String, "zip": pl.Int64}),
        "tags": pl.List(pl.Int64),
        "by": pl.Map(pl.String, pl.Struct({"val": pl.String, "n": pl.Int64})),
    }
)


def merged(rows: Sequence[Any], groups: Sequence[int], dtype: Any) -> list[Any]:
    """The merged value of each group, of rows that are in the order in which they count."""
    order = sorted(range(len(rows)), key=lambda row: groups[row])
    numbers = pl.Series(order, dtype=pl.UInt32)
    found = Order(numbers, pl.Series([groups[row] for row in order], dtype=pl.UInt32), max(groups) + 1)
    values = first_values(pl.Series("x", rows, dtype=dtype), found)
    assert values.dtype == dtype
    return values.to_list()


def expected(rows: Sequence[Any], dtype: Any) -> Any:
    """P8 in plain Python, for the rows of one group."""
    if isinstance(dtype, pl.Struct):
        held = [row for row in rows if row is not None]
        fields = {field.name: expected([row[field.name] for row in held], field.dtype) for field in dtype.fields}
        return fields if any(value is not None for value in fields.values()) else None
    if isinstance(dtype, pl.Map):
        held = [row for row in rows if row is not None]
        keys = sorted({key for row in held for key in row})
        return {key: expected([row[key] for row in held if key in row], dtype.value) for key in keys} if held else None
    return next((row for row in rows if row is not None), None)


def test_fields_of_structs_are_leaves() -> None:
    """P8: a newer struct with a null field does not hide the older value of the field."""
    kind = pl.Struct({"a": pl.Int64, "b": pl.Struct({"c": pl.String})})
    rows = [None, {"a": None, "b": {"c": "new"}}, {"a": 1, "b": {"c": "old"}}]
    assert merged(rows, [0, 0, 0], kind) == [{"a": 1, "b": {"c": "new"}}]
    assert merged([None, {"a": None, "b": None}], [0, 0], kind) == [None]


def test_lists_are_taken_whole() -> None:
    """P8: also an empty one, and one with nulls in it."""
    assert merged([[1, 2], [3]], [0, 0], pl.List(pl.Int64)) == [[1, 2]]
    assert merged([None, [], [3]], [0, 0, 0], pl.List(pl.Int64)) == [[]]
    assert merged([[None], [3]], [0, 0], pl.List(pl.Int64)) == [[None]]


def test_maps_are_merged_key_by_key() -> None:
    """P8: each key has the first value that is not null, keys are sorted, and no map is no empty map."""
    kind = pl.Map(pl.String, pl.Int64)
    rows = [{"b": None, "z": 1}, None, {"b": 2, "a": 3}, {"b": 4}, None, {}, {"k": None}]
    found = merged(rows, [0, 0, 0, 0, 1, 2, 3], kind)
    assert found == [{"a": 3, "b": 2, "z": 1}, None, {}, {"k": None}]
    assert list(found[0]) == ["a", "b", "z"]


def _text() -> st.SearchStrategy[str | None]:
    return st.sampled_from([None, "a", "b", ""])


def _number() -> st.SearchStrategy[int | None]:
    return st.sampled_from([None, 1, 2])


def _people() -> st.SearchStrategy[Any]:
    home = st.none() | st.fixed_dictionaries({"city": _text(), "zip": _number()})
    entry = st.none() | st.fixed_dictionaries({"val": _text(), "n": _number()})
    by = st.none() | st.dictionaries(st.sampled_from("xyz"), entry, max_size=2)
    tags = st.none() | st.lists(_number(), max_size=2)
    return st.none() | st.fixed_dictionaries({"name": _text(), "home": home, "tags": tags, "by": by})


@given(st.lists(st.tuples(st.integers(0, 3), _people()), min_size=1, max_size=12))
def test_merged_values_are_those_of_the_model(drawn: list[tuple[int, Any]]) -> None:
    """P8: whatever is nested in what, for several groups at once."""
    numbers = sorted({group for group, _ in drawn})
    groups = [numbers.index(group) for group, _ in drawn]
    rows = [row for _, row in drawn]
    found = merged(rows, groups, PERSON)
    for group, value in enumerate(found):
        mine = [row for row, place in zip(rows, groups, strict=True) if place == group]
        assert value == expected(mine, PERSON)
