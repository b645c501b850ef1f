"""Look-ups by row number: where ids stand in a list, where rows came from, and values by row."""

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import ID, ROW, ROW_TYPE

_FEW = 10_000  # ids that are looked up whatever their order is
_MANY = 16  # ids for each one that is looked up, from which the others are left out first


def positions(ids: pl.Series, among: pl.Series, first: int) -> pl.Series:
    """The position (UInt32) of each id in ``among``, counted from ``first``; null for an id that is not in it."""
    if ids.is_empty():
        return nulls(ROW_TYPE, 0, ROW)
    if len(ids) > _FEW and ids.is_sorted() and among.is_sorted():
        ids, among = ids.set_sorted(), among.set_sorted()  # merged, which takes a part of the time of hashing
    known = pl.LazyFrame({ID: among}).with_row_index(ROW, offset=first)
    if len(ids) * _MANY < len(among):  # a table of the few takes a fourth of the time of a table of the many
        known = known.filter(pl.col(ID).is_in(ids.implode()))
    return engine.collect(pl.LazyFrame({ID: ids}).join(known, on=ID, how="left", maintain_order="left"))[ROW]


def nulls(dtype: pl.DataType | type[pl.DataType], length: int, name: str = "") -> pl.Series:
    """As many nulls of a type."""
    return pl.Series(name, [None], dtype=dtype).new_from_index(0, length)


def by_number(values: pl.Series, numbers: pl.Series, length: int) -> pl.Series:
    """Values by number: each of ``values`` at its number, null at the other numbers below ``length``."""
    found = nulls(values.dtype, length, values.name)
    return found.scatter(numbers, values) if len(values) else found


def marked(numbers: pl.Series, length: int) -> pl.Series:
    """Whether each number below ``length`` is one of ``numbers`` (Boolean, never null)."""
    nobody = pl.Series([False]).new_from_index(0, length)
    return nobody.scatter(numbers.filter(numbers < length), values=True)


def to_length(values: pl.Series, length: int) -> pl.Series:
    """Values by number: null for numbers that were given since, without those given meanwhile."""
    return values.head(length) if len(values) >= length else values.extend_constant(None, length - len(values))


def inverse(rows: pl.Series, length: int) -> pl.Series:
    """For each number below ``length`` its position in ``rows`` (UInt32); null for a number that ``rows`` lacks."""
    known = pl.DataFrame({ROW: rows}).with_row_index("position").drop_nulls()
    return by_number(known["position"], known[ROW], length)


def gathered(values: pl.Series, rows: pl.Series, present: int) -> pl.Series:
    """The value of each of ``rows``; null for rows from ``present`` on, of profiles that the snapshot lacks."""
    if not len(rows) or (rows.max() or 0) < present:  # type: ignore[operator]  # a Series of numbers
        return values.gather(rows)
    return values.gather(pl.DataFrame({ROW: rows}).select(pl.when(pl.col(ROW) < present).then(ROW))[ROW])
