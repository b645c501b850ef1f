"""Columns as rules see them: timestamps in local time, categories as text, whole numbers in 64 bits (E2).

Naive input is UTC, zoned input is converted, at any depth. Numbers are widened because Polars computes in the width of
a column and overflows silently: ``age + 50`` of a byte. Values in files do not pass through this module.
"""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.frames.columns import column, struct_field
from muster.activation.values.dtypes import instance, unwrapped

LOCAL = pl.Datetime("us")
# Polars panics on timestamps near the ends of its range of years, which exporters use for "never": such timestamps are
# clipped to these microseconds, about 260,000 years from 1970.
_EARLIEST, _LATEST = -8_200_000_000_000_000_000, 8_200_000_000_000_000_000
_NARROW = pl.Int8 | pl.Int16 | pl.Int32 | pl.UInt8 | pl.UInt16 | pl.UInt32
_IN_MICROSECONDS = {"ms": 1000, "us": 1}


def localise(frame: pl.LazyFrame, columns: Iterable[str], zone: ZoneInfo) -> pl.LazyFrame:
    """The frame with the named columns as rules see them (``to_local``); other columns do not change."""
    schema = frame.collect_schema()
    changed = [
        to_local(column(name), schema[name], zone)[0].alias(name) for name in columns if not is_unaffected(schema[name])
    ]
    return frame.with_columns(changed) if changed else frame


def local_type(dtype: pl.DataType) -> pl.DataType:
    """The type of the values that ``to_local`` gives for ``dtype``."""
    return to_local(pl.col("value"), dtype, ZoneInfo("UTC"))[1]


def is_unaffected(dtype: pl.DataType) -> bool:
    """Whether ``to_local`` changes nothing: no timestamp, narrow number, category, array or extension type inside."""
    if isinstance(dtype, _NARROW | pl.BaseExtension | pl.Datetime | pl.Categorical | pl.Enum | pl.Array):
        return False
    if isinstance(dtype, pl.Struct):
        return all(is_unaffected(instance(field.dtype)) for field in dtype.fields)
    if isinstance(dtype, pl.List):
        return is_unaffected(instance(dtype.inner))
    return is_unaffected(instance(dtype.value)) if isinstance(dtype, pl.Map) else True


def to_local(expr: pl.Expr, dtype: pl.DataType, zone: ZoneInfo) -> tuple[pl.Expr, pl.DataType]:
    """The values as rules see them, and their type.

    Timestamps become naive local microseconds, whole numbers 64 bits wide, categories text, arrays lists, at any depth.
    """
    expr, dtype = unwrapped(expr, dtype)
    if is_unaffected(dtype):
        return expr, dtype
    if isinstance(dtype, _NARROW):
        return expr.cast(pl.Int64), pl.Int64()
    if isinstance(dtype, pl.Datetime):
        return as_utc(expr, dtype).dt.convert_time_zone(zone.key).dt.replace_time_zone(None), LOCAL
    if isinstance(dtype, pl.Struct):
        return _struct(expr, dtype, zone)
    if isinstance(dtype, pl.Array):
        return to_local(expr.arr.to_list(), pl.List(dtype.inner), zone)
    if isinstance(dtype, pl.List):
        element, inner = to_local(pl.element(), instance(dtype.inner), zone)
        return expr.list.eval(element), pl.List(inner)
    if isinstance(dtype, pl.Map):
        return _map(expr, dtype, zone)
    return expr.cast(pl.String), pl.String()


def as_utc(expr: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """A timestamp as ``Datetime(us, UTC)``; naive input is UTC."""
    if dtype.time_unit == "ns":
        whole = expr.dt.cast_time_unit("us")
    else:
        scale = _IN_MICROSECONDS[dtype.time_unit]
        whole = (
            expr.cast(pl.Int64)
            .clip(_EARLIEST // scale, _LATEST // scale)
            .cast(pl.Datetime(dtype.time_unit))
            .dt.cast_time_unit("us")
        )
    return (
        whole.dt.replace_time_zone("UTC")
        if dtype.time_zone is None or dtype.time_unit != "ns"
        else whole.dt.convert_time_zone("UTC")
    )


def _struct(expr: pl.Expr, dtype: pl.Struct, zone: ZoneInfo) -> tuple[pl.Expr, pl.DataType]:
    names = [field.name for field in dtype.fields]
    fields = {
        field.name: to_local(struct_field(expr, field.name, names), instance(field.dtype), zone)
        for field in dtype.fields
    }
    local = pl.struct([field.alias(name) for name, (field, _) in fields.items()])
    # A null struct stays null: ``pl.struct`` alone would give a struct of nulls.
    return pl.when(expr.is_not_null()).then(local), pl.Struct({name: inner for name, (_, inner) in fields.items()})


def _map(expr: pl.Expr, dtype: pl.Map, zone: ZoneInfo) -> tuple[pl.Expr, pl.DataType]:
    key, value = instance(dtype.key), instance(dtype.value)
    pairs, _ = to_local(expr.map.entries(), pl.List(pl.Struct({"key": key, "value": value})), zone)
    local = pl.Map(local_type(key), local_type(value))
    return pairs.cast(local), local
