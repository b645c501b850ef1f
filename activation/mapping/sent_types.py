"""Types of key columns that spell the values last sent as the receiver knows them (X12).

A key column may have another type today than when its values were sent. Where today's type spells the sent values in
the same way (``7`` as a number and as text), it stays. Otherwise the whole column is text, today's values included, for
as long as a delivered profile has such a value: a receiver that was sent ``007`` is not told that ``7`` left.
"""

from collections.abc import Collection
from dataclasses import replace

import polars as pl

from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.row_columns import position_of
from muster.activation.values.text import csv_text


def holding_rows(layout: Layout, rows: pl.DataFrame) -> Layout:
    """The layout with the types with which ``rows`` were decided, read from their columns ``s0...``."""
    texts = {position_of(name) for name, dtype in rows.schema.items() if dtype == pl.String()}
    changed = {i for i, field in enumerate(layout.fields) if i in texts and field.dtype != pl.String()}
    return with_texts(layout, changed)


def with_texts(layout: Layout, positions: Collection[int]) -> Layout:
    """The layout with the columns at these positions of the mapping as CSV text (M7)."""
    if not positions:
        return layout
    fields = (_as_text(field) if i in positions else field for i, field in enumerate(layout.fields))
    return replace(layout, fields=tuple(fields))


def _as_text(field: Field) -> Field:
    text = csv_text(field.expr, field.dtype).cast(pl.String)
    return replace(field, expr=text, dtype=pl.String(), variant=f"{field.variant}\ntext")


def as_type(values: pl.Expr, sent: pl.DataType, dtype: pl.DataType) -> pl.Expr:
    """Sent values, of type ``sent``, as values of ``dtype``, which spells them."""
    if sent == dtype:
        return values
    return csv_text(values, sent).cast(dtype) if dtype == pl.String else _cast(values, sent, dtype)


def spells(dtype: pl.DataType, sent: pl.Series) -> bool:
    """Whether values of ``dtype`` are written with the same text as these sent values."""
    if dtype in {sent.dtype, pl.String()}:
        return True
    if sent.dtype.is_nested():
        return _survives(sent, dtype)
    value = pl.col("sent")
    try:
        texts = sent.to_frame("sent").select(
            csv_text(value, sent.dtype).alias("sent_text"),
            csv_text(_cast(value, sent.dtype, dtype), dtype).alias("text_today"),
        )
    except pl.exceptions.PolarsError:  # text that spells no list
        return False
    return texts["sent_text"].equals(texts["text_today"])


def _cast(value: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """A value of ``dtype`` as one of ``target``; text becomes a nested value by decoding the JSON that it spells."""
    if dtype == pl.String and target.is_nested():
        return value.str.json_decode(target)
    return value.cast(target, strict=False)


def _survives(sent: pl.Series, dtype: pl.DataType) -> bool:
    """Whether nested values are equal after a cast to ``dtype`` and back: wider numbers and more fields are no loss."""
    try:
        return sent.cast(dtype, strict=False).cast(sent.dtype, strict=False).equals(sent)
    except pl.exceptions.PolarsError:
        return False
