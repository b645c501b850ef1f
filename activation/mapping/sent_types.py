"""Of which type key columns are, so that an exit is written as the receiver knows it (X12). Pure.

A column may be of another type than when its values were sent. Where that type spells all of them as they were sent
(``7`` as a number and as text), nothing is to be done. Else the column is text, today's values too, for as long as
somebody is held by such a value: a receiver that was sent ``007`` is not told that ``7`` left.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import polars as pl

from muster.activation.mapping.columns import Field, last_sent
from muster.activation.mapping.layout import Layout
from muster.activation.values.text import csv_text


def sent_columns(layout: Layout, names: Collection[str]) -> list[str | None]:
    """Of each key of a layout the column of a delivered set (``names``) that has its last sent values; None where they were not kept."""
    sources = Counter(field.column.source for field in layout.fields)
    targets = {field.column.target for field in layout.fields}
    return [
        last_sent(each.column, names, targets, is_sent=each.is_sent, is_lone=sources[each.column.source] == 1)
        for each in layout.keys
    ]


def holding_sent(layout: Layout, delivered: pl.DataFrame) -> Layout:
    """The layout whose keys are of a type that holds what was last sent."""
    sent = zip(sent_columns(layout, delivered.columns), layout.keys, strict=True)
    return _with_texts(
        layout, {field.sent for name, field in sent if name and not _holds(field.dtype, delivered[name])}
    )


def holding_rows(layout: Layout, rows: pl.DataFrame) -> Layout:
    """The same, by the rows that were decided with it (``o0...``: last sent keys)."""
    return _with_texts(
        layout, {field.sent for i, field in enumerate(layout.keys) if rows.schema[f"o{i}"] == pl.String != field.dtype}
    )


def as_type(name: str | None, schema: pl.Schema, dtype: pl.DataType) -> pl.Expr:
    """A column of a delivered set as a key of this type, which holds its values; null where there is none."""
    if name is None:
        return pl.lit(None, dtype=dtype)
    if schema[name] == dtype:
        return pl.col(name)
    return (
        csv_text(pl.col(name), schema[name]).cast(dtype)
        if dtype == pl.String
        else _cast(pl.col(name), schema[name], dtype)
    )


def _cast(value: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """A value as one of another type; lists and the like, which were text for a while, as what they spell."""
    return (
        value.str.json_decode(target) if dtype == pl.String and target.is_nested() else value.cast(target, strict=False)
    )


def _holds(dtype: pl.DataType, sent: pl.Series) -> bool:
    """Whether values of a type spell these as they are."""
    if dtype in {sent.dtype, pl.String()}:
        return True
    if sent.dtype.is_nested():
        return _comes_back(sent, dtype)
    value = pl.col("sent")
    try:
        texts = sent.to_frame("sent").select(
            csv_text(value, sent.dtype).alias("then"), csv_text(_cast(value, sent.dtype, dtype), dtype).alias("now")
        )
    except pl.exceptions.PolarsError:  # text that spells no list
        return False
    return texts["then"].equals(texts["now"])


def _comes_back(sent: pl.Series, dtype: pl.DataType) -> bool:
    """Whether lists and the like are the same after a detour by a type: wider numbers, more fields."""
    try:
        return sent.cast(dtype, strict=False).cast(sent.dtype, strict=False).equals(sent)
    except pl.exceptions.PolarsError:
        return False


def _with_texts(layout: Layout, kept: Collection[str]) -> Layout:
    if not kept:
        return layout
    texts = {field.sent: _as_text(field) for field in layout.keys if field.sent in kept}
    fields = (_as_text(field) if field.role == "attribute" and field.sent in kept else field for field in layout.fields)
    return replace(layout, fields=tuple(fields), keys=tuple(texts.get(field.sent, field) for field in layout.keys))


def _as_text(field: Field) -> Field:
    text = csv_text(field.expr, field.dtype).cast(pl.String)
    return replace(field, expr=text, dtype=pl.String(), variant=f"{field.variant}\ntext")
