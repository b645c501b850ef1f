"""The one type that holds the values of two Parquet files' columns, and the conversion to it (D5)."""

from typing import Literal

import polars as pl

from muster.activation.frames.columns import struct_field
from muster.activation.values.dtypes import instance

TimeUnit = Literal["ms", "us", "ns"]
_UNITS: tuple[TimeUnit, ...] = ("ms", "us", "ns")
_SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)
_UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128)


def widen(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The type that holds the values of both types without loss of meaning (D5), or None."""
    one, other = without_categories(one), without_categories(other)
    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    if one.is_numeric() and other.is_numeric():
        return _widen_numbers(one, other)
    return _widen_times(one, other) or _widen_nested(one, other)


def _widen_numbers(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if one.is_decimal() or other.is_decimal():
        return None
    if one.is_float() or other.is_float():
        return pl.Float64()
    bits = [int("".join(filter(str.isdigit, str(dtype)))) for dtype in (one, other)]
    signed = [dtype.is_signed_integer() for dtype in (one, other)]
    if signed[0] == signed[1]:
        family = _SIGNED if signed[0] else _UNSIGNED
        return next(dtype() for dtype in family if str(dtype).endswith(str(max(bits))))
    needed = max(2 * width if not is_signed else width for width, is_signed in zip(bits, signed, strict=True))
    return next((dtype() for dtype in _SIGNED if int(str(dtype)[3:]) >= needed), None)


def _widen_times(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if isinstance(one, pl.Duration) and isinstance(other, pl.Duration):
        return pl.Duration(_finest(one.time_unit, other.time_unit))
    if (
        isinstance(one, pl.Datetime)
        and isinstance(other, pl.Datetime)
        and (one.time_zone is None) == (other.time_zone is None)
    ):
        return pl.Datetime(
            _finest(one.time_unit, other.time_unit), one.time_zone if one.time_zone == other.time_zone else "UTC"
        )
    return None


def _finest(one: TimeUnit, other: TimeUnit) -> TimeUnit:
    return max(one, other, key=_UNITS.index)


def _widen_nested(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        inner = widen(instance(one.inner), instance(other.inner))
        return pl.List(inner) if inner is not None else None
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
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(without_categories(instance(dtype.inner)))
    if isinstance(dtype, pl.Map):
        return pl.Map(without_categories(instance(dtype.key)), without_categories(instance(dtype.value)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: without_categories(instance(field.dtype)) for field in dtype.fields})
    return instance(dtype)


def convert(expr: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """``expr`` of type ``dtype`` as the wider type ``target``; struct fields match by name, missing ones are null."""
    if dtype == target:
        return expr
    if isinstance(dtype, pl.List) and isinstance(target, pl.List):
        return expr.list.eval(convert(pl.element(), instance(dtype.inner), instance(target.inner)))
    if isinstance(dtype, pl.Map) and isinstance(target, pl.Map):
        entries = pl.List(pl.Struct({"key": instance(dtype.key), "value": instance(dtype.value)}))
        wide = pl.List(pl.Struct({"key": instance(target.key), "value": instance(target.value)}))
        return convert(expr.map.entries().cast(entries), entries, wide).cast(target)
    if isinstance(dtype, pl.Struct) and isinstance(target, pl.Struct):
        return _convert_struct(expr, dtype, target)
    if (
        isinstance(dtype, pl.Datetime)
        and isinstance(target, pl.Datetime)
        and target.time_zone != dtype.time_zone
        and target.time_zone
    ):
        return expr.dt.convert_time_zone(target.time_zone).cast(target)
    return expr.cast(target)


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
