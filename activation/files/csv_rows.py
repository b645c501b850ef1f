"""CSV rows as finished text: columns that depend only on the profile are formatted once for all files (M7).

Neighbouring columns of the profile are one *stretch* of text, delimiters included. A row is its stretches with the
columns of the membership between them. The bytes equal those of ``formats.csv_frame`` on the output frame.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import polars as pl

from muster.activation.files.csv_text import csv_field, csv_header
from muster.activation.frames.columns import EXITED, REALIZED, ROW, STATUS, TIME
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.lost_values import LostValues, Watched
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import position_of
from muster.activation.model.workspace import CsvOptions


def finished_rows(
    layout: Layout, rows: pl.DataFrame, values: ProfileValues, csv: CsvOptions, lost: LostValues
) -> tuple[pl.LazyFrame, list[str]] | None:
    """The rows as a frame of String columns, and their headers; None when ``formats`` must write field by field.

    Exits are written with the identities and keys that they were last sent with, which are not the profile's text.
    Values of realized rows that transforms lost are counted in ``lost``.
    """
    if csv.quote_style == "never" or len(layout.fields) == 1 or rows.is_empty():
        return None
    if any(position_of(name) is not None for name in rows.columns) and (rows[STATUS] == EXITED).any():
        return None
    columns: list[pl.Series] = []
    headers: list[str] = []
    counts: list[tuple[list[Watched], pl.DataFrame]] = []
    for of_profile, group in groupby(layout.fields, key=lambda field: field.is_of_profile):
        fields = list(group)
        if not of_profile:
            columns += _of_membership(fields, rows, csv)
            headers += [csv_header(field.column.target, csv) for field in fields]
            continue
        watched = [each for each in layout.watched if any(each.field is field for field in fields)]
        found = _stretch(fields, rows[ROW], values, csv, watched)
        if found is None:
            return None
        columns.append(found["text"])
        headers.append(csv.delimiter.join(csv_header(field.column.target, csv) for field in fields))
        if watched:
            counts.append((watched, found.drop("text").filter(rows[STATUS] == REALIZED)))
    for watched, flags in counts:
        lost.add(watched, flags)
    return pl.LazyFrame({str(position): column for position, column in enumerate(columns)}), headers


def _stretch(
    fields: Sequence[Field], rows: pl.Series, values: ProfileValues, csv: CsvOptions, watched: Sequence[Watched]
) -> pl.DataFrame | None:
    """The text of neighbouring profile columns, one per row; None when the snapshot's values give no such text."""
    read = [*(field for field in fields if field.role == "attribute"), *(each.marker for each in watched)]
    stored = list({field.value_column: field for field in read}.values())
    key = (tuple((field.value_column, field.dtype) for field in fields), csv)
    flags = {name: flag for each in watched for name, flag in each.flags.items()}
    return values.texts(key, stored, lambda: _joined(fields, csv), rows, flags)


def _joined(fields: Sequence[Field], csv: CsvOptions) -> pl.Expr:
    """Fields of the profile as one text, with delimiters between them."""
    texts = (csv_field(_value(field), field.dtype, csv) for field in fields)
    return pl.concat_str([text.cast(pl.String).fill_null(csv.null_value) for text in texts], separator=csv.delimiter)


def _value(field: Field) -> pl.Expr:
    return pl.col(field.value_column) if field.role == "attribute" else field.expr


def _of_membership(fields: Sequence[Field], rows: pl.DataFrame, csv: CsvOptions) -> Iterator[pl.Series]:
    """The text of each column that depends on the membership."""
    for field in fields:
        source = {"status": STATUS, "time": TIME}.get(field.role)
        if source is None:
            yield rows.select(csv_field(field.expr, field.dtype, csv)).to_series()
        else:
            yield _by_value(rows[source], field, csv)


def _by_value(values: pl.Series, field: Field, csv: CsvOptions) -> pl.Series:
    """The text of each value, formatted once per distinct value: a file has few different statuses and times."""
    distinct = pl.DataFrame({values.name: values.unique()}).with_columns(
        csv_field(field.expr, field.dtype, csv).cast(pl.String).alias("text")
    )
    if distinct.height == 1:
        return distinct["text"].new_from_index(0, len(values))
    return values.replace_strict(distinct[values.name], distinct["text"], return_dtype=pl.String)
