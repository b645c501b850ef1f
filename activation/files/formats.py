"""A frame of typed values as a lazy sink into a CSV, JSON-lines or Parquet file (M7, M8, F5).

A writer takes a frame with the output columns in their order, and their headers where those are not the frame's names.
It returns a lazy sink that ``frames.engine`` collects. Rows keep their order, and equal rows give equal bytes on any
machine with any threads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import polars as pl

from muster.activation.files.csv_text import csv_checks, csv_field, csv_header
from muster.activation.model.workspace import Activation, Compression, CsvOptions, Format
from muster.activation.presets.checks import of
from muster.activation.values.json_text import json_object

Sink = Path | IO[bytes]  # where the bytes go
Headers = Sequence[str] | None  # of a frame's columns; None: its names


class Writer(Protocol):
    """A function that makes a lazy sink of a frame."""

    def __call__(
        self, frame: pl.LazyFrame, sink: Sink, csv: CsvOptions, compression: Compression, headers: Headers = None, /
    ) -> pl.LazyFrame:
        """The sink of the frame."""


_CODECS: dict[Compression, Literal["uncompressed", "gzip", "zstd"]] = {
    "none": "uncompressed",
    "gzip": "gzip",
    "zstd": "zstd",
}
# With gzip levels 1, 5 and 6 (Polars' default) the bytes depend on batch sizes, and so on the number of threads.
_LEVELS: dict[Compression, int | None] = {"none": None, "gzip": 4, "zstd": 3}
_ROW_GROUP = 122_880


def csv_frame(frame: pl.LazyFrame, csv: CsvOptions) -> pl.LazyFrame:
    """The frame with CSV fields as values, null where ``null_value`` goes (M7, M8)."""
    schema = frame.collect_schema()
    # Columns are selected by position: Polars takes names such as `*` or `^a$` for patterns.
    return frame.select(
        csv_field(pl.nth(position), dtype, csv).alias(name) for position, (name, dtype) in enumerate(schema.items())
    )


def json_frame(frame: pl.LazyFrame) -> pl.LazyFrame:
    """One String column, ``line``: a compact JSON object per row, its keys the headers in their order (M7)."""
    schema = frame.collect_schema()
    line = json_object((name, pl.nth(position), dtype) for position, (name, dtype) in enumerate(schema.items()))
    return frame.select(line.alias("line"))


def checks(schema: pl.Schema, activation: Activation) -> dict[str, pl.Expr]:
    """Counts of values that the file cannot hold, by message, for a ``select`` on the frame; each must be 0 (M7)."""
    if activation.format != "csv":
        return {}
    headers, preset = {column.name: column.target for column in activation.mapping}, of(activation)
    free = preset is None or "csv.null_value" not in preset.takes
    return csv_checks(schema, activation.csv, headers, free_null_value=free)


def sink_csv(
    frame: pl.LazyFrame, sink: Sink, csv: CsvOptions, compression: Compression, headers: Headers = None
) -> pl.LazyFrame:
    """A CSV file: UTF-8, RFC 4180 (M7); without rows the header alone (F5)."""
    names = headers or frame.collect_schema().names()
    return sink_text(csv_frame(frame, csv), [csv_header(name, csv) for name in names], sink, csv, compression)


def sink_json(
    frame: pl.LazyFrame, sink: Sink, _csv: CsvOptions, compression: Compression, _headers: Headers = None
) -> pl.LazyFrame:
    """One JSON object a line, each line ended by a line feed (M7); without rows an empty file (F5)."""
    return sink_text(json_frame(frame), ["line"], sink, CsvOptions(header=False), compression)


def sink_parquet(
    frame: pl.LazyFrame, sink: Sink, _csv: CsvOptions, compression: Compression, _headers: Headers = None
) -> pl.LazyFrame:
    """A Parquet file with the columns' own types (M7), the codec inside; without rows the schema alone (F5).

    Whole numbers of 128 bits, which Polars alone reads, are decimals of 38 digits; a larger one fails the export.
    """
    schema = frame.collect_schema()
    known = [(position, dtype, _as_known(dtype)) for position, dtype in enumerate(schema.dtypes())]
    frame = frame.with_columns(pl.nth(position).cast(known) for position, dtype, known in known if known != dtype)
    return frame.sink_parquet(
        sink, compression=_CODECS[compression], statistics=True, row_group_size=_ROW_GROUP, lazy=True
    )


def _as_known(dtype: Any) -> Any:
    """The type in which other readers of Parquet know values of ``dtype``."""
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


def sink_text(
    frame: pl.LazyFrame, headers: Sequence[str], sink: Sink, csv: CsvOptions, compression: Compression
) -> pl.LazyFrame:
    """A text file from columns of finished fields and their finished headers, with delimiters between them.

    Polars knows delimiters of one byte, and columns by different names. Other lines are put together here.
    """
    if len(csv.delimiter) == 1 and len(set(headers)) == len(headers):
        frame = frame.select(pl.nth(position).alias(header) for position, header in enumerate(headers))
    else:
        fields = [pl.nth(position).cast(pl.String).fill_null(csv.null_value) for position in range(len(headers))]
        line = pl.concat_str(fields, separator=csv.delimiter)
        frame = frame.select(line.alias(csv.delimiter.join(headers)))
    return frame.sink_csv(
        sink,
        separator=csv.delimiter[0],
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
