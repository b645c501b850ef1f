"""CSV rows from finished text: what depends on the profile alone is formatted once for all files (M7). Pure.

Neighbouring columns of the profile are one *stretch* of text, delimiters inside. A file's row is its stretches, and
between them what depends on the membership. The bytes are those of ``writers.csv_frame`` on the wide frame.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import polars as pl

from muster.activation.files.csv_text import csv_field, csv_header
from muster.activation.frames.columns import EXITED, ROW, STATUS, TIME
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import SENT_WITH
from muster.activation.model.workspace import CsvOptions


def finished_rows(
    layout: Layout, rows: pl.DataFrame, attributes: ProfileValues, csv: CsvOptions
) -> pl.LazyFrame | None:
    """The file's rows as text, columns named as the header has them; None when they have to be made field by field."""
    if csv.quote_style == "never" or len(layout.fields) == 1 or rows.is_empty():
        return None
    if (layout.keys or SENT_WITH in rows.columns) and (rows[STATUS] == EXITED).any():  # their keys are those last sent
        return None
    columns: list[pl.Series] = []
    for of_profile, group in groupby(layout.fields, key=lambda field: field.is_of_profile):
        fields = list(group)
        if not of_profile:
            columns += _of_membership(fields, rows, csv)
            continue
        text = _stretch(fields, rows[ROW], attributes, csv)
        if text is None:
            return None
        columns.append(text.alias(csv.delimiter.join(csv_header(field.column.target, csv) for field in fields)))
    return pl.LazyFrame(columns)


def _stretch(fields: Sequence[Field], rows: pl.Series, attributes: ProfileValues, csv: CsvOptions) -> pl.Series | None:
    stored = list({field.value_column: field for field in fields if field.role == "attribute"}.values())
    key = (tuple((field.value_column, field.dtype) for field in fields), csv)
    return attributes.texts(key, stored, lambda: _joined(fields, csv), rows)


def _joined(fields: Sequence[Field], csv: CsvOptions) -> pl.Expr:
    texts = (csv_field(_value(field), field.dtype, csv) for field in fields)
    return pl.concat_str([text.cast(pl.String).fill_null(csv.null_value) for text in texts], separator=csv.delimiter)


def _value(field: Field) -> pl.Expr:
    return pl.col(field.value_column) if field.role == "attribute" else field.expr


def _of_membership(fields: Sequence[Field], rows: pl.DataFrame, csv: CsvOptions) -> Iterator[pl.Series]:
    for field in fields:
        name = csv_header(field.column.target, csv)
        source = {"status": STATUS, "time": TIME}.get(field.role)
        if source is None:
            yield rows.select(csv_field(field.expr, field.dtype, csv).alias(name))[name]
        else:
            yield _by_value(rows[source], field, csv).alias(name)


def _by_value(values: pl.Series, field: Field, csv: CsvOptions) -> pl.Series:
    """The text of each value, made once for equal ones: a file has few different statuses and times."""
    distinct = pl.DataFrame({values.name: values.unique()}).with_columns(
        csv_field(field.expr, field.dtype, csv).cast(pl.String).alias("text")
    )
    if distinct.height == 1:
        return distinct["text"].new_from_index(0, len(values))
    return values.replace_strict(distinct[values.name], distinct["text"], return_dtype=pl.String)
