"""The one type that holds the values of two Parquet files' columns, and the conversion to it (D5).

Some pairs of types have a common type that does not hold every value of both: an integer of more than 53 bits beside a
float. ``places_in_doubt`` tells where, and ``is_kept`` whether a value is held.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import polars as pl

from muster.activation.frames.columns import struct_field
from muster.activation.values.dtypes import instance, with_leaves

Path = tuple[str, ...]  # to a place in a nested type: names of fields, and the constants below
ELEMENT, KEY, VALUE = "[]", "[key]", "[value]"

_SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)
_UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128)
_IN_EVERY_FLOAT = 53  # bits of an integer that a 64-bit float holds exactly
_MOST_DIGITS = 38  # of a decimal
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19, 128: 39}  # of signed integers, by their bits; unsigned ones may need one more


class Place(NamedTuple):
    """A type somewhere inside a column's type, and the values there, one a row.

    Each place has as many values as the lists around it have elements, so each is to be aggregated alone.
    """

    path: Path
    values: pl.Expr
    dtype: pl.DataType


def widen(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The type that the values of both types are converted to (D5), or None where they do not go together."""
    one, other = without_categories(one), without_categories(other)
    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    if one.is_numeric() and other.is_numeric():
        return _widen_numbers(one, other)
    return _widen_times(one, other) or _widen_nested(one, other)


def _widen_numbers(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if one.is_float() or other.is_float():
        return None if one.is_decimal() or other.is_decimal() else pl.Float64()
    if one.is_decimal() or other.is_decimal():
        scale = max(_scale(one), _scale(other))
        whole = max(_digits(one) - _scale(one), _digits(other) - _scale(other))
        return pl.Decimal(min(whole + scale, _MOST_DIGITS), scale)
    bits, signed = [_bits(one), _bits(other)], [one.is_signed_integer(), other.is_signed_integer()]
    if signed[0] == signed[1]:
        family = _SIGNED if signed[0] else _UNSIGNED
        return next(dtype() for dtype in family if _bits(dtype()) == max(bits))
    needed = max(2 * width if not is_signed else width for width, is_signed in zip(bits, signed, strict=True))
    return next((dtype() for dtype in _SIGNED if _bits(dtype()) >= needed), None)


def _bits(integer: pl.DataType) -> int:
    return int("".join(filter(str.isdigit, str(integer))))


def _digits(number: pl.DataType) -> int:
    """The digits of a decimal or an integer, before and after the point."""
    if isinstance(number, pl.Decimal):
        return number.precision or _MOST_DIGITS
    bits = _bits(number)
    return _DIGITS[bits] + (bits == 64 and number.is_unsigned_integer())


def _scale(number: pl.DataType) -> int:
    return number.scale if isinstance(number, pl.Decimal) else 0


def _widen_times(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if isinstance(one, pl.Duration) and isinstance(other, pl.Duration):
        return pl.Duration("us")  # of two units; finer digits are cut
    if (
        isinstance(one, pl.Datetime)
        and isinstance(other, pl.Datetime)
        and (one.time_zone is None) == (other.time_zone is None)
    ):
        unit = one.time_unit if one.time_unit == other.time_unit else "us"
        return pl.Datetime(unit, one.time_zone if one.time_zone == other.time_zone else "UTC")
    return None


def _widen_nested(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if isinstance(one, pl.List | pl.Array) and isinstance(other, pl.List | pl.Array):
        inner = widen(instance(one.inner), instance(other.inner))
        if inner is None:
            return None
        of_one_size = isinstance(one, pl.Array) and isinstance(other, pl.Array) and one.size == other.size
        return pl.Array(inner, one.size) if of_one_size and isinstance(one, pl.Array) else pl.List(inner)
    if isinstance(one, pl.Map) and isinstance(other, pl.Map):
        key, value = widen(instance(one.key), instance(other.key)), widen(instance(one.value), instance(other.value))
        return pl.Map(key, value) if key is not None and value is not None else None
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        fields = {field.name: instance(field.dtype) for field in one.fields}
        for field in other.fields:
            wide = widen(fields[field.name], instance(field.dtype)) if field.name in fields else instance(field.dtype)
            if wide is None:
                return None
            fields[field.name] = wide
        return pl.Struct(fields)
    return None


def without_categories(dtype: pl.DataType) -> pl.DataType:
    """The type with categories and enums as text, at any depth."""
    return with_leaves(
        instance(dtype), lambda leaf: pl.String() if isinstance(leaf, pl.Categorical | pl.Enum) else leaf
    )


def without_types(dtype: pl.DataType, paths: Collection[Path], here: Path = ()) -> pl.DataType:
    """The type with Null at these places: they have no value, and so no type to disagree with."""
    if here in paths:
        return pl.Null()
    if isinstance(dtype, pl.List):
        return pl.List(without_types(instance(dtype.inner), paths, (*here, ELEMENT)))
    if isinstance(dtype, pl.Array):
        return pl.Array(without_types(instance(dtype.inner), paths, (*here, ELEMENT)), dtype.size)
    if isinstance(dtype, pl.Map):
        key, value = instance(dtype.key), instance(dtype.value)
        return pl.Map(without_types(key, paths, (*here, KEY)), without_types(value, paths, (*here, VALUE)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct(
            {field.name: without_types(instance(field.dtype), paths, (*here, field.name)) for field in dtype.fields}
        )
    return dtype


def places(values: pl.Expr, dtype: pl.DataType, here: Path = ()) -> Iterator[Place]:
    """All places in a type, outer ones first."""
    yield Place(here, values, dtype)
    if isinstance(dtype, pl.List | pl.Array):
        elements = values.explode() if isinstance(dtype, pl.List) else values.arr.to_list().explode()
        yield from places(elements, instance(dtype.inner), (*here, ELEMENT))
    elif isinstance(dtype, pl.Map):
        entry = values.map.entries().explode().struct
        yield from places(entry.field("key"), instance(dtype.key), (*here, KEY))
        yield from places(entry.field("value"), instance(dtype.value), (*here, VALUE))
    elif isinstance(dtype, pl.Struct):
        names = [field.name for field in dtype.fields]
        for field in dtype.fields:
            yield from places(struct_field(values, field.name, names), instance(field.dtype), (*here, field.name))


def type_at(dtype: pl.DataType, path: Path) -> pl.DataType:
    """The type at a path; of a type that ends earlier, such as Null, the type there."""
    for step in path:
        if isinstance(dtype, pl.List | pl.Array):
            dtype = instance(dtype.inner)
        elif isinstance(dtype, pl.Map):
            dtype = instance(dtype.key if step == KEY else dtype.value)
        elif isinstance(dtype, pl.Struct):
            dtype = next((instance(field.dtype) for field in dtype.fields if field.name == step), pl.Null())
    return dtype


def disagreement(one: pl.DataType, other: pl.DataType, here: Path = ()) -> Path:
    """The path to the first types inside of two types that do not go together."""
    pairs: list[tuple[str, pl.DataType, pl.DataType]] = []
    if isinstance(one, pl.List | pl.Array) and isinstance(other, pl.List | pl.Array):
        pairs = [(ELEMENT, instance(one.inner), instance(other.inner))]
    elif isinstance(one, pl.Map) and isinstance(other, pl.Map):
        pairs = [
            (KEY, instance(one.key), instance(other.key)),
            (VALUE, instance(one.value), instance(other.value)),
        ]
    elif isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        fields = {field.name: instance(field.dtype) for field in other.fields}
        pairs = [
            (field.name, instance(field.dtype), fields[field.name]) for field in one.fields if field.name in fields
        ]
    wrong = next((pair for pair in pairs if widen(pair[1], pair[2]) is None), None)
    return disagreement(wrong[1], wrong[2], (*here, wrong[0])) if wrong else here


def places_in_doubt(values: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> list[tuple[Place, pl.DataType]]:
    """The places with values that the wider type ``target`` may not hold, each with its type in ``target``."""
    return [
        (place, wide)
        for place in places(values, dtype)
        if may_be_lost(place.dtype, wide := type_at(target, place.path)) and widen(place.dtype, wide) == wide
    ]


def may_be_lost(dtype: pl.DataType, target: pl.DataType) -> bool:
    """Whether the wider type ``target``, not nested, may not hold a value of ``dtype`` exactly.

    Digits of a time beyond microseconds are cut on purpose.
    """
    if dtype == target or dtype.is_nested():
        return False
    if dtype.is_integer() and target.is_float():
        return _bits(dtype) > _IN_EVERY_FLOAT
    if target.is_decimal() and (dtype.is_decimal() or dtype.is_integer()):
        return _digits(dtype) - _scale(dtype) > _digits(target) - _scale(target)
    if isinstance(dtype, pl.Datetime | pl.Duration) and isinstance(target, pl.Datetime | pl.Duration):
        return dtype.time_unit == "ms" and target.time_unit != "ms"
    return False


def is_kept(values: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """Whether ``target`` holds a value of ``dtype`` (both not nested) exactly: it is the same value when cast back."""
    return values.cast(target, strict=False).cast(dtype, strict=False).eq_missing(values)


def range_is_kept(low: int, high: int, dtype: pl.DataType, target: pl.DataType) -> bool:
    """Whether ``target`` surely holds all values of ``dtype``, 64 bits in the file, that lie in this range of them.

    The range is of signed numbers, however the file means its bits.
    """
    if dtype.is_unsigned_integer() and low < 0:  # the highest bit is set, or the range is the wrong way round
        return False
    most = max(abs(low), abs(high))
    if dtype.is_integer() and target.is_float():
        return most <= 1 << _IN_EVERY_FLOAT
    if dtype.is_integer() and target.is_decimal():
        return most < int("1" + "0" * (_digits(target) - _scale(target)))
    if isinstance(dtype, pl.Datetime | pl.Duration):
        return most < (1 << 63) // 1_000  # a thousand microseconds each
    return False


def convert(expr: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """``expr`` of type ``dtype`` as the wider type ``target``; struct fields match by name, missing ones are null.

    Values of a type that does not go together with ``target`` are null: there are none (``without_types``).
    """
    if dtype == target:
        return expr
    if isinstance(dtype, pl.List | pl.Array) and isinstance(target, pl.List | pl.Array):
        return _convert_list(expr, dtype, target)
    if isinstance(dtype, pl.Map) and isinstance(target, pl.Map):
        entries = pl.List(pl.Struct({"key": instance(dtype.key), "value": instance(dtype.value)}))
        wide = pl.List(pl.Struct({"key": instance(target.key), "value": instance(target.value)}))
        return convert(expr.map.entries().cast(entries), entries, wide).cast(target)
    if isinstance(dtype, pl.Struct) and isinstance(target, pl.Struct):
        return _convert_struct(expr, dtype, target)
    if dtype != pl.Null and widen(dtype, target) != target:
        return pl.when(expr.is_null()).then(pl.lit(None, dtype=target))
    if (
        isinstance(dtype, pl.Datetime)
        and isinstance(target, pl.Datetime)
        and target.time_zone != dtype.time_zone
        and target.time_zone
    ):
        return expr.dt.convert_time_zone(target.time_zone).cast(target)
    return expr.cast(target)


def _convert_list(expr: pl.Expr, dtype: pl.List | pl.Array, target: pl.List | pl.Array) -> pl.Expr:
    listed = expr.arr.to_list() if isinstance(dtype, pl.Array) else expr
    converted = listed.list.eval(convert(pl.element(), instance(dtype.inner), instance(target.inner)))
    return converted.list.to_array(target.size) if isinstance(target, pl.Array) else converted


def _convert_struct(expr: pl.Expr, dtype: pl.Struct, target: pl.Struct) -> pl.Expr:
    known = {field.name: instance(field.dtype) for field in dtype.fields}
    fields = [
        (
            convert(struct_field(expr, field.name, known), known[field.name], instance(field.dtype))
            if field.name in known
            else pl.lit(None, dtype=instance(field.dtype))
        ).alias(field.name)
        for field in target.fields
    ]
    return pl.when(expr.is_not_null()).then(pl.struct(fields))
