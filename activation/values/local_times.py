"""Columns as expressions see them: timestamps are local time without offset, text is text, whole numbers have 64 bits (E2). Pure.

Naive input is UTC, zoned input is converted, at any depth. Polars computes in the width that a column is stored with,
and wraps around without a word: ``age + 50`` of a byte. What a receiver is sent does not pass through here.
"""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.frames.columns import column, struct_field
from muster.activation.values.dtypes import instance, unwrapped

LOCAL = pl.Datetime("us")
# Polars panics on timestamps near the ends of its range of years, which exporters use for "never": they are taken to
# these.
_EARLIEST, _LATEST = (
    -8_200_000_000_000_000_000,
    8_200_000_000_000_000_000,
)  # microseconds: about the year 260,000 each way
_NARROW = pl.Int8 | pl.Int16 | pl.Int32 | pl.UInt8 | pl.UInt16 | pl.UInt32
_IN_MICROSECONDS = {"ms": 1000, "us": 1}


def localise(frame: pl.LazyFrame, columns: Iterable[str], zone: ZoneInfo) -> pl.LazyFrame:
    """The frame with those of its columns as expressions see them; the others as they are."""
    schema = frame.collect_schema()
    changed = [
        to_local(column(name), schema[name], zone)[0].alias(name) for name in columns if not is_unaffected(schema[name])
    ]
    return frame.with_columns(changed) if changed else frame


def local_type(dtype: pl.DataType) -> pl.DataType:
    """The type that ``to_local`` gives."""
    return to_local(pl.col("value"), dtype, ZoneInfo("UTC"))[1]


def is_unaffected(dtype: pl.DataType) -> bool:
    """Whether nothing is to be done: no timestamp, narrow number, categorical, array or extension type at any depth."""
    if isinstance(dtype, _NARROW | pl.BaseExtension | pl.Datetime | pl.Categorical | pl.Enum | pl.Array):
        return False
    if isinstance(dtype, pl.Struct):
        return all(is_unaffected(instance(field.dtype)) for field in dtype.fields)
    if isinstance(dtype, pl.List):
        return is_unaffected(instance(dtype.inner))
    return is_unaffected(instance(dtype.value)) if isinstance(dtype, pl.Map) else True


def to_local(expr: pl.Expr, dtype: pl.DataType, zone: ZoneInfo) -> tuple[pl.Expr, pl.DataType]:
    """The values as expressions see them, and their type: naive local microseconds, 64 bits, text for categories, lists for arrays."""
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
    """A timestamp in UTC microseconds; naive input is UTC."""
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
    made = pl.struct([field.alias(name) for name, (field, _) in fields.items()])
    # A null struct stays null; made anew it would be a struct of nulls.
    return pl.when(expr.is_not_null()).then(made), pl.Struct({name: inner for name, (_, inner) in fields.items()})


def _map(expr: pl.Expr, dtype: pl.Map, zone: ZoneInfo) -> tuple[pl.Expr, pl.DataType]:
    key, value = instance(dtype.key), instance(dtype.value)
    pairs, _ = to_local(expr.map.entries(), pl.List(pl.Struct({"key": key, "value": value})), zone)
    made = pl.Map(local_type(key), local_type(value))
    return pairs.cast(made), made
