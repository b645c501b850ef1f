"""The first value that is not null of each leaf, among the fragments of each profile (P8).

Fields of structs are leaves; lists are taken whole; maps are merged key by key, and the fields of structs in them are
leaves too.
"""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from muster.activation.frames.columns import struct_field
from muster.activation.values.dtypes import instance

ROW_TYPE = pl.UInt32()


@dataclass(frozen=True, eq=False)
class Order:
    """The rows of a frame by group, in each group in the order in which their values count."""

    rows: pl.Series  # ROW_TYPE: positions in the frame
    groups: pl.Series  # UInt32, ascending: the group of each of ``rows``
    size: int  # groups are numbered from 0 to it; each has a row

    def firsts(self, is_valid: pl.Series) -> pl.Series:
        """For each group the first of its rows that ``is_valid`` (Boolean, of the frame) says counts, null for none."""
        if is_valid.all():
            return self._whole
        counts = is_valid.gather(self.rows)
        rows, groups = self.rows.filter(counts), self.groups.filter(counts)
        is_first = _starts(groups)
        rows, groups = rows.filter(is_first), groups.filter(is_first)
        if len(rows) == self.size:
            return rows
        return pl.repeat(None, self.size, dtype=ROW_TYPE, eager=True).scatter(groups, rows)

    @cached_property
    def _whole(self) -> pl.Series:
        """The first row of each group."""
        return self.rows.filter(_starts(self.groups))


def _starts(groups: pl.Series) -> pl.Series:
    """Whether each of some ascending groups is the first of its number (Boolean)."""
    return (groups != groups.shift(1)).fill_null(value=True)


def first_values(values: pl.Series, order: Order) -> pl.Series:
    """For each group the merged value: of each leaf the first that is not null. Of the type of ``values``."""
    if isinstance(values.dtype, pl.Struct) and values.dtype.fields:
        return _first_of_struct(values, values.dtype, order)
    if isinstance(values.dtype, pl.Map):
        return _first_of_map(values, values.dtype, order)
    return values.gather(order.firsts(values.is_not_null()))


def fields_of(values: pl.Series, dtype: pl.Struct) -> list[pl.Series]:
    """The fields of structs, one series each, named as they are."""
    names = [field.name for field in dtype.fields]
    frame = pl.DataFrame([values.alias("struct")])
    found = frame.select(
        struct_field(pl.col("struct"), name, names).alias(str(place)) for place, name in enumerate(names)
    )
    return [each.alias(name) for each, name in zip(found.get_columns(), names, strict=True)]


def _first_of_struct(values: pl.Series, dtype: pl.Struct, order: Order) -> pl.Series:
    """Structs of the first values of each field; null where no field has one."""
    merged = [first_values(each, order) for each in fields_of(values, dtype)]
    frame = pl.DataFrame([each.alias(str(place)) for place, each in enumerate(merged)])
    has_value = pl.any_horizontal(pl.all().is_not_null())
    renamed = pl.struct(pl.all()).struct.rename_fields([field.name for field in dtype.fields])
    return frame.select(pl.when(has_value).then(renamed).alias(values.name))[values.name].cast(dtype)


def _first_of_map(values: pl.Series, dtype: pl.Map, order: Order) -> pl.Series:
    """Maps of all keys of a group, sorted, each with the first value that is not null; null where no row has a map.

    Of a key that one map repeats, the first entry counts.
    """
    entries = _entries(values, order)
    pairs = pl.List(pl.Struct({"key": instance(dtype.key), "value": instance(dtype.value)}))
    groups = pl.DataFrame([order.groups.filter(values.is_not_null().gather(order.rows)).unique().alias("group")])
    if not entries.height:
        lists = groups.select("group", pl.lit([], dtype=pairs).alias("pairs"))
    else:
        starts = (_starts(entries["group"]) | (entries["key"] != entries["key"].shift(1))).fill_null(value=True)
        keys = entries.filter(starts).select("group", "key")
        within = Order(
            pl.int_range(entries.height, dtype=ROW_TYPE, eager=True), starts.cum_sum().cast(pl.UInt32) - 1, keys.height
        )
        merged = keys.with_columns(first_values(entries["value"], within).alias("value"))
        by_group = merged.group_by("group", maintain_order=True).agg(pl.struct("key", "value").alias("pairs"))
        lists = groups.join(by_group, on="group", how="left")
        lists = lists.with_columns(pl.coalesce("pairs", pl.lit([], dtype=pairs)).alias("pairs"))
    rows = pl.DataFrame([pl.int_range(order.size, dtype=pl.UInt32, eager=True).alias("group")])
    found = rows.join(lists, on="group", how="left", maintain_order="left")["pairs"]
    return found.cast(pairs).cast(dtype).alias(values.name)


def _entries(values: pl.Series, order: Order) -> pl.DataFrame:
    """The entries of all maps: ``group``, ``key``, ``value``, sorted by group and key, then in the order of rows."""
    ordered = pl.DataFrame([order.groups.alias("group"), values.gather(order.rows).alias("map")])
    lists = ordered.select("group", pl.col("map").map.entries().alias("entry")).filter(pl.col("entry").list.len() > 0)
    entries = lists.explode("entry").select(
        "group", pl.col("entry").struct.field("key"), pl.col("entry").struct.field("value")
    )
    return entries.sort("group", "key", maintain_order=True)
