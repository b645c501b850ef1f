"""A frame of typed values as the bytes of a CSV, JSON-lines or Parquet file (M7, M8, F5).

A writer takes a frame whose columns are the output columns, named by their targets and in their order, and gives a lazy
sink; whoever runs plans collects it. The order of rows is kept, and the same rows give the same bytes, whatever the
machine and its threads.
"""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import polars as pl

from muster.activation.files.csv_text import csv_checks, csv_field, csv_header
from muster.activation.model.workspace import Activation, Compression, CsvOptions, Format
from muster.activation.values.json_text import json_object

Target = Path | IO[bytes]
Writer = Callable[[pl.LazyFrame, Target, CsvOptions, Compression], pl.LazyFrame]

_CODECS: dict[Compression, Literal["uncompressed", "gzip", "zstd"]] = {
    "none": "uncompressed",
    "gzip": "gzip",
    "zstd": "zstd",
}
# Of Polars' gzip levels, 1, 5 and 6 (its default) let the sizes of the batches, and so the number of threads, show in
# the bytes.
_LEVELS: dict[Compression, int | None] = {"none": None, "gzip": 4, "zstd": 3}
_ROW_GROUP = 122_880


def csv_frame(frame: pl.LazyFrame, csv: CsvOptions) -> pl.LazyFrame:
    """The fields and the header as they stand in the file, null where ``null_value`` goes (M7, M8)."""
    schema = frame.collect_schema()
    # Columns are reached by place: Polars takes names such as `*` or `^a$` for patterns.
    return frame.select(
        csv_field(pl.nth(place), dtype, csv).alias(csv_header(name, csv))
        for place, (name, dtype) in enumerate(schema.items())
    )


def json_frame(frame: pl.LazyFrame) -> pl.LazyFrame:
    """One text column: a compact JSON object a row, its keys the targets in their order (M7)."""
    schema = frame.collect_schema()
    line = json_object((name, pl.nth(place), dtype) for place, (name, dtype) in enumerate(schema.items()))
    return frame.select(line.alias("line"))


def checks(schema: pl.Schema, activation: Activation) -> dict[str, pl.Expr]:
    """Counts of values that the file cannot hold, by sentence, for a ``select`` on the frame; a count above 0 fails the export (M7)."""
    return csv_checks(schema, activation.csv) if activation.format == "csv" else {}


def sink_csv(frame: pl.LazyFrame, target: Target, csv: CsvOptions, compression: Compression) -> pl.LazyFrame:
    """A CSV file: UTF-8, RFC 4180 (M7); without rows the header alone (F5)."""
    return sink_text(csv_frame(frame, csv), target, csv, compression)


def sink_json(frame: pl.LazyFrame, target: Target, _csv: CsvOptions, compression: Compression) -> pl.LazyFrame:
    """One JSON object a line, each line ended by a line feed (M7); without rows an empty file (F5)."""
    return sink_text(json_frame(frame), target, CsvOptions(header=False), compression)


def sink_parquet(frame: pl.LazyFrame, target: Target, _csv: CsvOptions, compression: Compression) -> pl.LazyFrame:
    """A Parquet file with the columns' own types (M7), the codec inside; without rows the schema alone (F5).

    Whole numbers of 128 bits, which Polars alone reads, are decimals of 38 digits; a larger one fails the export.
    """
    schema = frame.collect_schema()
    known = [(place, dtype, _as_known(dtype)) for place, dtype in enumerate(schema.dtypes())]
    frame = frame.with_columns(pl.nth(place).cast(known) for place, dtype, known in known if known != dtype)
    return frame.sink_parquet(
        target, compression=_CODECS[compression], statistics=True, row_group_size=_ROW_GROUP, lazy=True
    )


def _as_known(dtype: Any) -> Any:
    """The type that other readers of Parquet know for it."""
    match dtype:
        case pl.Int128() | pl.UInt128():
            return pl.Decimal(38, 0)
        case pl.List():
            return pl.List(_as_known(dtype.inner))
        case pl.Array():
            return pl.Array(_as_known(dtype.inner), dtype.size)
        case pl.Map():
            return pl.Map(_as_known(dtype.key), _as_known(dtype.value))
        case pl.Struct():
            return pl.Struct({field.name: _as_known(field.dtype) for field in dtype.fields})
    return dtype


def sink_text(frame: pl.LazyFrame, target: Target, csv: CsvOptions, compression: Compression) -> pl.LazyFrame:
    """Columns of finished text, between delimiters."""
    return frame.sink_csv(
        target,
        separator=csv.delimiter,
        line_terminator=csv.line_terminator,
        null_value=csv.null_value,
        include_header=csv.header,
        include_bom=csv.bom,
        quote_style="never",
        compression=_CODECS[compression],
        compression_level=_LEVELS[compression],
        check_extension=False,
        lazy=True,
    )


FORMATS: dict[Format, Writer] = {"csv": sink_csv, "json": sink_json, "parquet": sink_parquet}
