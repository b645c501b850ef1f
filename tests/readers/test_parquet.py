"""M7: Parquet files are read back by readers that are not ours, as the columns' own types."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.hostile_rows import NAMES
from support.readers import Readers, duck
from support.shapes import SHAPES, Shape

PARQUET = [shape for shape in SHAPES if shape.format == "parquet"]
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # the column is naive


@pytest.mark.parametrize("shape", PARQUET, ids=lambda shape: shape.name)
def test_pyarrow_finds_the_values_and_their_types(readers: Readers, shape: Shape) -> None:
    """M7: PyArrow finds every value and type; `compression` is the codec of every column."""
    file = pq.ParquetFile(readers.delivered.clear(shape))
    group = file.metadata.row_group(0)
    codecs = {group.column(number).compression for number in range(group.num_columns)}
    assert codecs == {{"none": "UNCOMPRESSED", "gzip": "GZIP", "zstd": "ZSTD"}[shape.compression]}
    table = file.read()
    assert [list(row.values()) for row in table.to_pylist()] == shape.values()
    kinds = [str(kind).replace("large_", "") for kind in table.schema.types]
    assert dict(zip(table.column_names, kinds, strict=True)) == {
        **dict.fromkeys(("id", "text", "note"), "string"),
        "whole": "int64",
        "amount": "decimal128(30, 4)",
        "score": "double",
        "member": "bool",
        "born": "date32[day]",
        "seen": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "clock": "time64[ns]",
        "span": "duration[us]",
        "raw": "binary",
        "tags": "list<element: string>",
        "thing": "struct<name: string, count: int64>",
    }


@pytest.mark.parametrize("shape", PARQUET, ids=lambda shape: shape.name)
def test_duckdb_finds_the_values(readers: Readers, shape: Shape) -> None:
    """M7: DuckDB finds every value. Parquet has no type for durations: readers that do not know Arrow's find whole
    numbers of microseconds.
    """
    found = duck().sql(
        f"SELECT * REPLACE (epoch_us(seen) AS seen, epoch_us(local) AS local) FROM '{readers.delivered.clear(shape)}'"
    )
    assert found.columns == list(NAMES)
    assert [_in_microseconds(row) for row in found.fetchall()] == [_in_microseconds(row) for row in shape.values()]


def _in_microseconds(row: Any) -> list[Any]:
    values = dict(zip(NAMES, row, strict=True))
    for name in ("seen", "local"):
        if isinstance(values[name], datetime):
            values[name] = (values[name].replace(tzinfo=None) - EPOCH) // timedelta(microseconds=1)
    if isinstance(values["span"], timedelta):
        values["span"] //= timedelta(microseconds=1)
    return list(values.values())


@pytest.mark.parametrize("shape", PARQUET, ids=lambda shape: shape.name)
def test_pandas_finds_the_values(readers: Readers, shape: Shape) -> None:
    """M7: pandas, with columns of Arrow's types, finds every value."""
    frame = pd.read_parquet(readers.delivered.clear(shape), dtype_backend="pyarrow")
    assert [list(row.values()) for row in pa.Table.from_pandas(frame).to_pylist()] == shape.values()
    assert frame["seen"][0] == datetime(1, 1, 1, tzinfo=UTC)
