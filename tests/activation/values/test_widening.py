"""D5: types that hold the values of two, conversions to them, and whether a value is held, as Python's numbers say."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.values.widening import (
    convert,
    disagreement,
    is_kept,
    may_be_lost,
    places_in_doubt,
    range_is_kept,
    type_at,
    widen,
    without_types,
)

WHOLE = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.builds(
        lambda power, near: max(-(2**63), min(2**63 - 1, 2**power + near)), st.integers(50, 63), st.integers(-3, 3)
    ),
)


@pytest.mark.parametrize(
    ("one", "other", "wide"),
    [
        (pl.Int8(), pl.UInt8(), pl.Int16()),
        (pl.Int64(), pl.UInt64(), pl.Int128()),
        (pl.Int64(), pl.Float32(), pl.Float64()),
        (pl.Float32(), pl.Float64(), pl.Float64()),
        (pl.Decimal(3, 2), pl.Decimal(8, 2), pl.Decimal(8, 2)),
        (pl.Decimal(3, 2), pl.Decimal(8, 0), pl.Decimal(10, 2)),
        (pl.Decimal(38, 0), pl.Decimal(38, 9), pl.Decimal(38, 9)),
        (pl.Int64(), pl.Decimal(3, 2), pl.Decimal(21, 2)),
        (pl.UInt64(), pl.Decimal(3, 2), pl.Decimal(22, 2)),
        (pl.Decimal(3, 2), pl.Float64(), None),
        (pl.Boolean(), pl.Int8(), None),
        (pl.Date(), pl.Datetime("us"), None),
        (pl.Datetime("us"), pl.Datetime("us", "UTC"), None),
        (pl.Datetime("ns"), pl.Datetime("ns"), pl.Datetime("ns")),
        (pl.Datetime("ns"), pl.Datetime("ms"), pl.Datetime("us")),
        (pl.Datetime("ns", "Europe/Berlin"), pl.Datetime("ns", "Asia/Tokyo"), pl.Datetime("ns", "UTC")),
        (pl.Duration("ns"), pl.Duration("us"), pl.Duration("us")),
        (pl.Categorical(), pl.Enum(["a"]), pl.String()),
        (pl.Binary(), pl.String(), None),
        (pl.Array(pl.Int8(), 2), pl.Array(pl.Int64(), 2), pl.Array(pl.Int64(), 2)),
        (pl.Array(pl.Int8(), 2), pl.Array(pl.Int8(), 3), pl.List(pl.Int8())),
        (pl.Array(pl.Int8(), 2), pl.List(pl.Float64()), pl.List(pl.Float64())),
        (pl.Struct({"a": pl.Null()}), pl.Struct({"a": pl.Date()}), pl.Struct({"a": pl.Date()})),
    ],
    ids=str,
)
def test_the_common_type(one: pl.DataType, other: pl.DataType, wide: pl.DataType | None) -> None:
    """D5: the same type in both orders, and no type for what does not go together."""
    assert widen(one, other) == wide
    assert widen(other, one) == wide


@given(WHOLE)
def test_a_whole_number_beside_floats(number: int) -> None:
    """D5: it is held if a 64-bit float is exactly that number; a range of numbers that is held holds each of them."""
    column, held = pl.DataFrame({"x": pl.Series([number], dtype=pl.Int64)}), int(float(number)) == number
    assert column.select(is_kept(pl.col("x"), pl.Int64(), pl.Float64())).item() == held
    assert held or not range_is_kept(number, number, pl.Int64(), pl.Float64())
    assert may_be_lost(pl.Int64(), pl.Float64())
    if held:
        assert column.select(convert(pl.col("x"), pl.Int64(), pl.Float64())).item() == float(number)


@given(st.integers(-(10**37), 10**37), st.integers(0, 9), st.integers(0, 9))
def test_a_decimal_beside_decimals(digits: int, scale: int, other: int) -> None:
    """D5: a value is held if it has 38 digits or fewer with the places of both; then it is the same number."""
    value = Decimal(digits).scaleb(-scale)
    dtype = pl.Decimal(38, scale)
    wide = widen(dtype, pl.Decimal(9, other))
    column = pl.DataFrame({"x": pl.Series([value], dtype=dtype)})
    assert isinstance(wide, pl.Decimal)
    held = abs(value) < Decimal(10) ** (38 - wide.scale)
    assert column.select(is_kept(pl.col("x"), dtype, wide)).item() == held
    assert held or may_be_lost(dtype, wide)
    if held:
        assert column.select(convert(pl.col("x"), dtype, wide)).item() == value


@pytest.mark.parametrize(
    ("low", "high", "dtype", "target", "held"),
    [
        (-(2**53), 2**53, pl.Int64(), pl.Float64(), True),
        (0, 2**53 + 1, pl.Int64(), pl.Float64(), False),
        (-3, -1, pl.UInt64(), pl.Float64(), False),  # as a signed number has the bits
        (0, 99, pl.Int64(), pl.Decimal(38, 36), True),
        (0, 100, pl.Int64(), pl.Decimal(38, 36), False),
        (0, 2**53, pl.Datetime("ms"), pl.Datetime("us"), True),
        (0, 2**54, pl.Datetime("ms"), pl.Datetime("us"), False),
    ],
)
def test_a_range_that_is_held(low: int, high: int, dtype: pl.DataType, target: pl.DataType, held: bool) -> None:
    """D5: ranges of statistics prove that values are held; where they do not, nothing is claimed."""
    assert range_is_kept(low, high, dtype, target) == held


@pytest.mark.parametrize(
    ("value", "dtype", "target", "converted"),
    [
        ([1, None], pl.List(pl.Int64), pl.List(pl.Float64), [1.0, None]),
        ([[1], [2]], pl.List(pl.Array(pl.Int8, 1)), pl.List(pl.List(pl.Int16)), [[1], [2]]),
        ({"a": 1}, pl.Struct({"a": pl.Int8}), pl.Struct({"b": pl.Date, "a": pl.Int64}), {"b": None, "a": 1}),
        (None, pl.Struct({"a": pl.Int8}), pl.Struct({"a": pl.Int64}), None),
        ([1, 2], pl.Array(pl.Int8, 2), pl.Array(pl.Float64, 2), [1.0, 2.0]),
        (None, pl.Array(pl.Int8, 2), pl.List(pl.Float64), None),
        ({"k": 1}, pl.Map(pl.String, pl.Int8), pl.Map(pl.String, pl.Float64), {"k": 1.0}),
        ([None, None], pl.List(pl.Float64), pl.List(pl.Struct({"a": pl.Date})), [None, None]),
        ([], pl.List(pl.Float64), pl.List(pl.String), []),
    ],
    ids=str,
)
def test_nested_values_are_converted(value: Any, dtype: Any, target: Any, converted: Any) -> None:
    """D5: inside of lists, arrays, structs and maps; nulls stay, missing fields are null."""
    frame = pl.DataFrame({"x": pl.Series([value], dtype=dtype)})
    found = (
        frame.lazy()
        .select(convert(pl.col("x"), frame.schema["x"], pl.Series([], dtype=target).dtype).alias("x"))
        .collect()
    )
    assert (found.schema["x"], found["x"].to_list()) == (target, [converted])


def test_places_in_types() -> None:
    """D5: what may be lost, what disagrees and what has no type is found inside of a type."""
    one = pl.Struct({"a": pl.List(pl.Int64()), "b": pl.Map(pl.String(), pl.Int64())})
    other = pl.Struct({"a": pl.List(pl.Float64()), "b": pl.Map(pl.String(), pl.String())})
    assert disagreement(one, other) == ("b", "[value]")
    assert type_at(other, ("b", "[value]")) == pl.String()
    untyped = without_types(one, [("b", "[value]")])
    wide = widen(untyped, other)
    assert wide == other
    doubts = places_in_doubt(pl.col("x"), one, other)
    assert [(place.path, target) for place, target in doubts] == [(("a", "[]"), pl.Float64())]
