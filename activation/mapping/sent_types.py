"""Types of key columns that spell the values last sent as the receiver knows them (X12).

A key column may have another type today than when its values were sent. Where today's type spells the sent values in
the same way (``7`` as a number and as text), it stays. Otherwise the whole column is text, today's values included, for
as long as a delivered profile has such a value: a receiver that was sent ``007`` is not told that ``7`` left.
"""

from collections.abc import Collection
from dataclasses import replace

import polars as pl

from muster.activation.mapping.columns import Field, KeyId
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.row_columns import exit_key
from muster.activation.values.text import csv_text


def holding_rows(layout: Layout, rows: pl.DataFrame) -> Layout:
    """The layout with the key types with which ``rows`` were decided, read from their columns ``o0...``."""
    types = ((field, rows.schema[exit_key(i)]) for i, field in enumerate(layout.keys))
    return with_text_keys(layout, {field.key_id for field, dtype in types if dtype == pl.String != field.dtype})


def with_text_keys(layout: Layout, key_ids: Collection[KeyId]) -> Layout:
    """The layout with these keys, and the mapped attributes of the same values, as CSV text (M7)."""
    if not key_ids:
        return layout
    texts = {field.key_id: _as_text(field) for field in layout.keys if field.key_id in key_ids}
    fields = (
        _as_text(field) if field.role == "attribute" and field.key_id in key_ids else field for field in layout.fields
    )
    return replace(layout, fields=tuple(fields), keys=tuple(texts.get(field.key_id, field) for field in layout.keys))


def _as_text(field: Field) -> Field:
    text = csv_text(field.expr, field.dtype).cast(pl.String)
    return replace(field, expr=text, dtype=pl.String(), variant=f"{field.variant}\ntext")


def as_type(name: str | None, schema: pl.Schema, dtype: pl.DataType) -> pl.Expr:
    """Sent values, a column of ``schema``, as values of ``dtype``, which spells them; null where ``name`` is None."""
    if name is None:
        return pl.lit(None, dtype=dtype)
    sent = schema[name]
    if sent == dtype:
        return pl.col(name)
    return csv_text(pl.col(name), sent).cast(dtype) if dtype == pl.String else _cast(pl.col(name), sent, dtype)


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
