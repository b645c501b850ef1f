"""A few rows of an export as its file would hold them, without writing a file (M1, M7)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from muster.activation.export.gather import Prepared
from muster.activation.files.csv_text import csv_field
from muster.activation.files.odd_values import beyond_counts
from muster.activation.files.parts import BoundLayout
from muster.activation.frames import engine
from muster.activation.model.workspace import Activation, CsvOptions
from muster.activation.session import Session
from muster.activation.values.dtypes import instance
from muster.activation.values.text import csv_text, json_text


@dataclass(frozen=True)
class Sample:
    """The first rows of a file, or of an audience's memberships.

    ``texts`` are fields as the file holds them, a CSV file's with their quotes. ``values`` are what a reader gets: text
    or None of a CSV file, JSON values of a JSON or Parquet file.
    """

    columns: tuple[str, ...]
    total: int  # rows of which these are the first
    texts: tuple[tuple[str, ...], ...]
    values: tuple[tuple[Any, ...], ...]


def sample_of(ready: Prepared, activation: Activation, limit: int) -> Sample:
    """The first ``limit`` rows of an export, in the order of its file."""
    rows, gathered = ready.comparison.rows, ready.gathered
    bound = BoundLayout(gathered.layout, gathered.attributes).widened_for(rows)
    frame = bound.layout.output_frame(rows.head(limit), bound.values)
    return sampled(frame, rows.height, activation.csv if activation.format == "csv" else None)


def warn_of_odd_values(ready: Prepared, activation: Activation, session: Session) -> None:
    """Warn of values that many readers of the file could not take, in all rows of an export that is not written."""
    rows, gathered = ready.comparison.rows, ready.gathered
    bound = BoundLayout(gathered.layout, gathered.attributes).widened_for(rows)
    frame = bound.layout.output_frame(rows, bound.values)
    if activation.format != "parquet":
        bound.odd.add_with_nul(frame, activation.format)
    if beyond := beyond_counts(engine.schema_of(frame), activation.format):
        bound.odd.add_beyond(engine.collect(frame.select(beyond)))
    for sentence in bound.odd.told():
        session.warnings.add(f"{activation.key}: {sentence}")


def sampled(frame: pl.LazyFrame, total: int, csv: CsvOptions | None) -> Sample:
    """The rows of ``frame`` as a CSV file holds them, or a JSON or Parquet file where ``csv`` is None."""
    schema = engine.schema_of(frame)
    dtypes = [instance(dtype) for dtype in schema.dtypes()]
    found = engine.collect_all(
        [
            frame.select(_text(position, dtype, csv).alias(str(position)) for position, dtype in enumerate(dtypes)),
            frame.select(_value(position, dtype, csv).alias(str(position)) for position, dtype in enumerate(dtypes)),
        ]
    )
    texts, values = (tuple(each.iter_rows()) for each in found)
    return Sample(tuple(schema), total, texts, values if csv else tuple(map(_parsed, values)))


def _text(position: int, dtype: pl.DataType, csv: CsvOptions | None) -> pl.Expr:
    """A field as the file holds it: of a CSV file with quotes and ``null_value``, else plain text or JSON."""
    if csv:
        return csv_field(pl.nth(position), dtype, csv).cast(pl.String).fill_null(csv.null_value)
    return csv_text(pl.nth(position), dtype).fill_null("null")


def _value(position: int, dtype: pl.DataType, csv: CsvOptions | None) -> pl.Expr:
    return csv_text(pl.nth(position), dtype) if csv else json_text(pl.nth(position), dtype)


def _parsed(row: Sequence[str]) -> tuple[Any, ...]:
    return tuple(json.loads(text) for text in row)
