"""The columns of several tables as those of one (D5): a type for each that holds the values of all tables.

A column of which the types do not go together cannot be used; that stops only what uses the column (X1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import column
from muster.activation.inputs.parquet import blamed
from muster.activation.inputs.table import Table
from muster.activation.values.column_paths import resolve
from muster.activation.values.dtypes import describe
from muster.activation.values.known_columns import Columns
from muster.activation.values.widening import convert, is_kept, places_in_doubt, widen
from muster.activation.wording import counted


class Values(NamedTuple):
    """A column over the frame of a table."""

    expr: pl.Expr
    dtype: pl.DataType


@dataclass(frozen=True, eq=False)
class NamedTable:
    """A table, with the columns that others may name, renamed as a source says (P1)."""

    table: Table
    columns: Mapping[str, Values]
    unusable: Mapping[str, str] = field(default_factory=dict)  # by column: why it cannot be used
    file: str = ""  # of the config, where columns can be renamed


def named_table(table: Table, renames: Mapping[str, str], file: str = "") -> NamedTable:
    """A table under the names of ``renames``, target to source; all other columns keep their names.

    A column that is renamed as a whole is not there under its old name. ``DataError`` for a source that is no column.
    """
    moved = {*renames.values()} - {*renames}
    columns = {name: Values(column(name), dtype) for name, dtype in table.schema.items() if name not in moved}
    unusable = {name: reason for name, reason in table.unusable.items() if name not in moved}
    for target, path in renames.items():
        columns.pop(target, None)
        unusable.pop(target, None)
        if path in table.unusable:
            unusable[target] = table.unusable[path]
        elif table.rows:
            columns[target] = _renamed(table, path, file)
    return NamedTable(table, columns, unusable, file)


def _renamed(table: Table, path: str, file: str) -> Values:
    try:
        found = resolve(path, table.columns)
    except ValueError as error:
        raise DataError(f"{table.told(error)} (columns in {file})") from error
    if found is None:
        hint = did_you_mean(path, table.columns.names)
        raise DataError(f"{table.name}: there is no column {path!r} (columns in {file}){hint}")
    return Values(*found)


def joint_columns(tables: Sequence[NamedTable]) -> Columns:
    """The columns of all tables with types wide enough for each, and why others cannot be used."""
    types: dict[str, pl.DataType] = {}
    unusable: dict[str, str] = {}
    for name in dict.fromkeys(name for each in tables for name in (*each.columns, *each.unusable)):
        holding = [each for each in tables if name in each.columns]
        reason = next((each.unusable[name] for each in tables if name in each.unusable), "")
        wide, reason = (None, reason) if reason else _widened(name, holding)
        if wide is not None and (lost := _lost(name, wide, holding)):
            wide, reason = None, lost
        if wide is None:
            unusable[name] = reason
        else:
            types[name] = wide
    return Columns(types, unusable)


def _widened(name: str, tables: Sequence[NamedTable]) -> tuple[pl.DataType | None, str]:
    """The type that holds a column of all these tables; else None, and a sentence about two that do not go together."""
    wide: pl.DataType = pl.Null()
    for number, each in enumerate(tables):
        wider = widen(wide, each.columns[name].dtype)
        if wider is None:
            known = tables[:number]
            before = next((one for one in known if widen(_type(one, name), _type(each, name)) is None), known[0])
            return None, f"{_disagreement(name, each, before)}; {_remedy(name, each)}"
        wide = wider
    return wide, ""


def _lost(name: str, wide: pl.DataType, tables: Sequence[NamedTable]) -> str:
    """A sentence about the first table with values that the wider type does not hold exactly; empty if none has."""
    for each in tables:
        doubts = places_in_doubt(*each.columns[name], wide)
        counts = [is_kept(place.values, place.dtype, there).not_().sum() for place, there in doubts]
        if not counts:
            continue
        with blamed(lambda each=each: each.table.parts):  # type: ignore[misc]  # bound to this table
            found = engine.collect(each.table.frame().select(one.alias(str(at)) for at, one in enumerate(counts)))
        if lost := sum(found.row(0)):
            other = next(one for one in tables if one is not each)
            values = f"{counted(lost, 'value')} {'has' if lost == 1 else 'have'} no exact counterpart in {wide}"
            return f"{_disagreement(name, each, other)}, and {values}"
    return ""


def _type(table: NamedTable, name: str) -> pl.DataType:
    return table.columns[name].dtype


def _disagreement(name: str, here: NamedTable, other: NamedTable) -> str:
    types = describe(_type(here, name)), describe(_type(other, name))
    return f"{here.table.name}: column {name!r} is {types[0]} here but {types[1]} in {other.table.name}"


def _remedy(name: str, table: NamedTable) -> str:
    rename = f", or rename {name!r} under `columns` in {table.file}" if table.file else ""
    return f"write the column with one type{rename}"


def conformed(table: NamedTable, columns: Columns) -> list[pl.Expr]:
    """The joint columns over the frame of one of the tables; null where the table lacks one."""
    return [
        convert(*table.columns[name], dtype).alias(name)
        if name in table.columns
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in columns.types.items()
    ]
