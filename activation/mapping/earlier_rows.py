"""Recorded rows of an older muster, with the columns of today (X12).

They have for exited rows ``o0``, ``o1``...: the values last sent of *keys*, one for each source and for each column
made of one; the identity untransformed; and ``sent_with``, the record of ``mapping.earlier_transforms``. M8 was applied
as the rows were written.
"""

from collections.abc import Iterator

import polars as pl

from muster.activation.frames.columns import EXITED, ID, STATUS
from muster.activation.mapping.columns import Field
from muster.activation.mapping.earlier_transforms import SENT_WITH, as_sent, records_in
from muster.activation.mapping.kept import is_key
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.row_columns import exit_value
from muster.activation.model.workspace import Activation
from muster.activation.values.scalars import is_text
from muster.activation.values.text import csv_text, without_formulas


def with_exit_values(rows: pl.DataFrame, ids: pl.Series, layout: Layout, activation: Activation) -> pl.DataFrame:
    """Rows, with ``ids`` as their profile ids, whose older columns are replaced by ``s0``...; others stay as they are.

    ``activation`` is as it was configured when the rows were decided.
    """
    older = [name for name in rows.columns if name == SENT_WITH or (name[:1] == "o" and name[1:].isdecimal())]
    if not older:
        return rows
    records = records_in(rows)
    found = dict(_key_values(rows, layout, activation))
    if records:
        for position, field in enumerate(layout.fields):
            if field.role in {"identity", "profile_id"}:
                found[exit_value(position)] = as_sent(field, records)
    exited = pl.col(STATUS) == EXITED
    values = (pl.when(exited).then(value).alias(name) for name, value in found.items())
    return rows.with_columns(ids.alias(ID)).with_columns(values).drop(ID, *older)


def _key_values(rows: pl.DataFrame, layout: Layout, activation: Activation) -> Iterator[tuple[str, pl.Expr]]:
    """The values of each attribute column, from the key that kept what was sent in it."""
    numbers: dict[tuple[str, ...], int] = {}
    for field in layout.fields:
        if field.is_of_profile and is_key(field.column, activation):
            numbers.setdefault(_key_of(field), len(numbers))
    for position, field in enumerate(layout.fields):
        name = f"o{numbers.get(_key_of(field))}"
        if field.role == "attribute" and name in rows.columns:
            yield exit_value(position), _written(field, pl.col(name), rows.schema[name])


def _key_of(field: Field) -> tuple[str, ...]:
    """Equal for two columns whose values were one key."""
    column = field.column
    return (column.source,) if column.is_plain else (column.name, column.fingerprint)


def _written(field: Field, value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A key's value as the column had it: text where the column was text."""
    if dtype != pl.String():
        return value.cast(field.dtype)
    text = value.cast(pl.String)
    return without_formulas(csv_text(text, dtype)) if field.sanitizes and is_text(dtype) else text
