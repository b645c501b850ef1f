"""Values as Parquet's annotations say they are, made of those that Polars reads (D6).

JSON and enum annotations are text, UUIDs are text of 36 characters, INT96 timestamps have microseconds, columns of
Arrow's extension types are what they are stored as.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from muster.activation.errors import MistakeError
from muster.activation.frames.columns import struct_field
from muster.activation.inputs.parquet_types import DATE, INT96, TEXT, UUID
from muster.activation.values.dtypes import instance, with_leaves

_BOOLEAN = "arrow.bool8"
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds: the years 1 to 9999
_CUTS = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))  # of the digits of a UUID: start and length


class TimeOutsideError(MistakeError):
    """An INT96 timestamp is outside the years 1 to 9999."""


def leaf_count(dtype: pl.DataType) -> int:
    """The number of Parquet's leaves in a column of this type."""
    if isinstance(dtype, pl.BaseExtension):
        return leaf_count(instance(dtype.ext_storage()))
    if isinstance(dtype, pl.List | pl.Array):
        return leaf_count(instance(dtype.inner))
    if isinstance(dtype, pl.Map):
        return leaf_count(instance(dtype.key)) + leaf_count(instance(dtype.value))
    if isinstance(dtype, pl.Struct):
        return sum(leaf_count(instance(each.dtype)) for each in dtype.fields)
    return 1


def in_microseconds(dtype: pl.DataType) -> pl.DataType:
    """The type with all timestamps in microseconds: Polars reads INT96 right if it is asked for them."""
    return with_leaves(dtype, lambda leaf: pl.Datetime("us", leaf.time_zone) if isinstance(leaf, pl.Datetime) else leaf)


def converted(
    expr: pl.Expr, dtype: pl.DataType, kinds: Sequence[str], stated: pl.DataType, where: str
) -> tuple[pl.Expr, pl.DataType]:
    """The values that Parquet means, and their type; ``expr`` itself where nothing is to be done.

    ``expr`` has the type ``dtype``, and ``kinds`` are those of the column's leaves. ``stated`` is the type that the
    file says, which has maps where ``dtype`` may have lists of their entries. ``where`` is the column in messages.
    """
    return _Column(iter(kinds), where).converted(expr, dtype, stated)


@dataclass
class _Column:
    """A column on the way through its type; each leaf takes the next of ``kinds``."""

    kinds: Iterator[str]
    where: str

    def converted(self, expr: pl.Expr, dtype: pl.DataType, stated: pl.DataType) -> tuple[pl.Expr, pl.DataType]:
        """Values of any type."""
        if isinstance(dtype, pl.BaseExtension):
            return self._stored(expr, dtype)
        if isinstance(dtype, pl.List) and isinstance(stated, pl.Map):
            return self._map(expr, instance(dtype.inner), stated)[:2]
        if isinstance(dtype, pl.List | pl.Array):
            return self._list(expr, dtype, stated)
        if isinstance(dtype, pl.Map):
            entry = pl.Struct({"key": instance(dtype.key), "value": instance(dtype.value)})
            entries = expr.map.entries().cast(pl.List(entry))
            found, target, is_changed = self._map(entries, entry, dtype)
            return (found, target) if is_changed else (expr, dtype)
        return self._struct(expr, dtype, stated) if isinstance(dtype, pl.Struct) else self._value(expr, dtype)

    def _stored(self, expr: pl.Expr, dtype: pl.BaseExtension) -> tuple[pl.Expr, pl.DataType]:
        """Values of an extension type as they are stored."""
        storage = instance(dtype.ext_storage())
        found, target = self.converted(expr.ext.storage(), storage, storage)
        return (found.cast(pl.Boolean), pl.Boolean()) if dtype.ext_name() == _BOOLEAN else (found, target)

    def _list(self, expr: pl.Expr, dtype: pl.List | pl.Array, stated: pl.DataType) -> tuple[pl.Expr, pl.DataType]:
        before, element = instance(dtype.inner), pl.element()
        inside = instance(stated.inner) if isinstance(stated, pl.List | pl.Array) else before
        found, inner = self.converted(element, before, inside)
        if found is element:
            return expr, dtype
        lists = expr.arr.to_list() if isinstance(dtype, pl.Array) else expr
        return lists.list.eval(found), pl.List(inner)

    def _map(self, lists: pl.Expr, entry: pl.DataType, stated: pl.Map) -> tuple[pl.Expr, pl.DataType, bool]:
        """A map from lists of its entries, its type, and whether its values are converted."""
        types = [instance(each.dtype) for each in entry.fields]  # type: ignore[attr-defined]  # it is a struct
        inside = pl.Struct({"key": instance(stated.key), "value": instance(stated.value)})
        entries = pl.element().struct.rename_fields(["key", "value"])
        found, target = self._struct(entries, pl.Struct(dict(zip(("key", "value"), types, strict=True))), inside)
        key, value = (instance(each.dtype) for each in target.fields)  # type: ignore[attr-defined]
        return lists.list.eval(found).cast(pl.Map(key, value)), pl.Map(key, value), found is not entries

    def _struct(self, expr: pl.Expr, dtype: pl.Struct, stated: pl.DataType) -> tuple[pl.Expr, pl.DataType]:
        inside = {each.name: instance(each.dtype) for each in stated.fields} if isinstance(stated, pl.Struct) else {}
        types = {each.name: instance(each.dtype) for each in dtype.fields}
        before = {name: struct_field(expr, name, types) for name in types}
        after = {name: self.converted(before[name], types[name], inside.get(name, types[name])) for name in types}
        if all(after[name][0] is before[name] for name in types):
            return expr, dtype
        made = pl.struct([found.alias(name) for name, (found, _) in after.items()])
        return pl.when(expr.is_not_null()).then(made), pl.Struct({name: inner for name, (_, inner) in after.items()})

    def _value(self, expr: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, pl.DataType]:
        kind = next(self.kinds)
        if kind == TEXT and isinstance(dtype, pl.Binary):
            return expr.cast(pl.String), pl.String()
        if kind == UUID and isinstance(dtype, pl.Binary):
            digits = expr.bin.encode("hex")
            return pl.concat_str([digits.str.slice(*cut) for cut in _CUTS], separator="-"), pl.String()
        if kind == DATE and isinstance(dtype, pl.Datetime):
            return expr.cast(pl.Date), pl.Date()
        if kind == INT96 and isinstance(dtype, pl.Datetime):
            checked = partial(_within_years, where=self.where)
            return expr.map_batches(checked, return_dtype=dtype, is_elementwise=True), dtype
        return expr, dtype


def _within_years(times: pl.Series, where: str) -> pl.Series:
    """Timestamps as they are; ``TimeOutsideError`` when one is outside the years 1 to 9999."""
    numbers = times.to_physical()
    if len(numbers) != numbers.null_count() and not numbers.is_between(_FIRST, _LAST).all():
        raise TimeOutsideError(f"{where} holds an INT96 timestamp outside the years 1 to 9999, which cannot be read")
    return times
