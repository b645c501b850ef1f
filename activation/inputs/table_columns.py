"""Columns of input files that muster itself reads: ids as text, times as instants (D1, D3, D4).

Each must be in every file with rows: a file without it would have rows of nobody. Errors are ``DataError``.
"""

from collections.abc import Iterable

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import TIME_TYPE, column
from muster.activation.inputs.parquet import blamed
from muster.activation.inputs.table import Table
from muster.activation.values.dtypes import cast_of_bytes, cast_of_floats, describe
from muster.activation.values.instants import utc

_WHOLE = pl.Decimal(38, 0)


def required_type(table: Table, name: str, setting: str = "", what: str = "column") -> pl.DataType:
    """The type of a column that every file with rows must have; ``DataError`` where one has not, or it is unusable.

    ``setting`` is the key of muster.yml that names the column, ``what`` the column in words.
    """
    where = f" ({setting} in muster.yml)" if setting else ""
    if name in table.unusable:
        raise DataError(f"{table.unusable[name]}{where}")
    if name not in table.schema:
        hint = like_named(name, table.columns.names, setting)
        raise DataError(f"{table.name}: there is no {what} {name!r}{where}{hint}")
    holder = next(part for part in table.parts if name in part.schema)
    for part in table.parts:
        if part.rows and name not in part.schema:
            raise DataError(
                f"{part.name}: there is no {what} {name!r}{where}, which other files have, such as {holder.name}"
                f"{like_named(name, part.schema, '')}"
            )
    return table.schema[name]


def like_named(name: str, names: Iterable[str], setting: str) -> str:
    """A hint at a column that differs in case alone, with the setting that names it, or at similar names."""
    known = list(names)
    other = in_other_case(name, known)
    if other is None:
        return did_you_mean(name, known)
    return f"; there is a column {other!r}; {_remedy(other, name, setting)}"


def in_other_case(name: str, names: Iterable[str]) -> str | None:
    """The column that has a name in other letters, such as ``PROFILE_ID``; None if the name itself exists."""
    known = list(names)
    return None if name in known else next((each for each in known if each.casefold() == name.casefold()), None)


def _remedy(other: str, name: str, setting: str) -> str:
    section, _, key = setting.rpartition(".")
    return f"write {key}: {other} under {section}" if key else f"rename it to {name!r}"


def is_id_type(dtype: pl.DataType) -> bool:
    """Whether ids can be of this type: text, whole numbers, or decimals, which must be whole (D1, D6)."""
    return dtype.is_integer() or dtype.is_decimal() or isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))


def refuse_no_id_type(table: Table, name: str, what: str) -> None:
    """``DataError`` when ids cannot be of a column's type; for bytes and numbers with the cast that makes them ids."""
    dtype = table.schema[name]
    if not is_id_type(dtype):
        part = next(part for part in table.parts if name in part.schema and not is_id_type(part.schema[name]))
        found = part.schema[name]
        raise DataError(
            f"{part.name}: {what} {name!r} is {describe(found)}; expected text or whole numbers"
            f"{cast_of_bytes(found, name)}{cast_of_floats(found, name)}"
        )


def id_text(ids: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Ids of this type as String (D1); decimals as the whole numbers that they are."""
    return ids.cast(pl.Int128).cast(pl.String) if dtype.is_decimal() else ids.cast(pl.String)


def id_value_type(dtype: pl.DataType) -> pl.DataType:
    """The type of ids as values: decimals have no places behind the point."""
    return _WHOLE if isinstance(dtype, pl.Decimal) and dtype.scale else dtype


def has_fraction(ids: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    """Whether an id is no whole number; None where the type has whole numbers or text alone."""
    if not isinstance(dtype, pl.Decimal) or not dtype.scale:
        return None
    return (ids.cast(pl.Int128).cast(dtype) != ids).fill_null(value=False)


def fractions_error(files: str, name: str, count: int) -> DataError:
    """The error about ids that are no whole numbers."""
    have = (
        "1 row has an id that is no whole number" if count == 1 else f"{count:,} rows have ids that are no whole number"
    )
    return DataError(f"{files}: {have} in column {name!r}; expected text or whole numbers")


def id_column(table: Table, name: str, setting: str = "") -> pl.Expr:
    """An id column of events or feeds as String; decimals are read to see that they are whole."""
    return _ids(table, name, required_type(table, name, setting))


def optional_id_column(table: Table, name: str) -> pl.Expr:
    """An id column that files may lack, as String: null there."""
    if name in table.unusable:
        raise DataError(table.unusable[name])
    return _ids(table, name, table.schema[name]) if name in table.schema else pl.lit(None, pl.String).alias(name)


def _ids(table: Table, name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Null:
        return column(name).cast(pl.String)
    refuse_no_id_type(table, name, "column")
    fraction = has_fraction(column(name), dtype)
    if fraction is not None:
        with blamed(lambda: table.parts):
            count = engine.collect(table.frame().select(fraction.sum())).item()
        if count:
            raise fractions_error(table.name, name, count)
    return id_text(column(name), dtype).alias(name)


def time_column(table: Table, name: str, setting: str = "") -> pl.Expr:
    """A time column as ``TIME_TYPE``, naive times taken as UTC."""
    return _time(table, name, required_type(table, name, setting))


def optional_time_column(table: Table, name: str) -> pl.Expr:
    """A time column that files may lack: null there."""
    if name not in table.columns.names:
        return pl.lit(None, dtype=TIME_TYPE).alias(name)
    if name in table.unusable:
        raise DataError(table.unusable[name])
    return _time(table, name, table.schema[name]).alias(name)


def text_column(table: Table, name: str) -> pl.Expr:
    """A column of words as String; bytes are refused with the cast that makes them text."""
    dtype = required_type(table, name)
    if dtype == pl.Binary:
        raise DataError(
            f"{table.name}: column {name!r} is {describe(dtype)}; expected text{cast_of_bytes(dtype, name)}"
        )
    return column(name).cast(pl.String)


def _time(table: Table, name: str, dtype: pl.DataType) -> pl.Expr:
    part = next(part for part in table.parts if name in part.schema)
    return utc(column(name), dtype, name, part.name)
