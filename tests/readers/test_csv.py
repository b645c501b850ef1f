"""M7: CSV files of every shape are read back by readers that are not ours, and hold what was put in."""

import base64
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from support.readers import READERS, Readers, copied, copy_options, duckdb_csv, pyarrow_csv
from support.shapes import CSV, Shape

TYPED = [
    shape for shape in CSV if shape.name in {"csv", "quotes always", "quotes around text", "crlf", "null as a word"}
]


def agree(shape: Shape, found: list[list[Any]], wanted: list[list[Any]]) -> None:
    """Each value of each row is the one that was put in: a difference is told with its column."""
    assert len(found) == len(wanted)
    for row, expected in zip(found, wanted, strict=True):
        assert dict(zip(shape.names, row, strict=True)) == dict(zip(shape.names, expected, strict=True))


@pytest.mark.parametrize(
    ("reader", "shape"),
    [
        pytest.param(reader, shape, id=f"{reader.name}, {shape.name}")
        for reader in READERS.values()
        for shape in CSV
        if reader.takes(shape)
    ],
)
def test_a_reader_finds_what_was_put_in(readers: Readers, reader: Any, shape: Shape) -> None:
    """M7: each reader finds each value of each person, with null and empty text apart where it can tell them."""
    agree(shape, reader.read(readers, shape), reader.sees(shape))


# The same as typed columns


@pytest.mark.parametrize("shape", TYPED, ids=lambda shape: shape.name)
def test_pyarrow_reads_the_texts_as_the_types_that_they_were(readers: Readers, shape: Shape) -> None:
    """M7: PyArrow converts numbers, booleans, dates, instants and times of day to the values that were put in."""
    instant = pa.timestamp("us", "UTC")
    types = {
        "whole": pa.int64(),
        "amount": pa.decimal128(30, 4),
        "score": pa.float64(),
        "member": pa.bool_(),
        "born": pa.date32(),
        "seen": instant,
        "local": instant,
        "clock": pa.time64("us"),
    }
    rows = pyarrow_csv(readers.delivered.plain(shape), shape, types).to_pylist()
    agree(shape, [[_put_in(name, value) for name, value in row.items()] for row in rows], shape.values())


DUCKDB = (
    "VARCHAR VARCHAR BIGINT DECIMAL(30,4) DOUBLE BOOLEAN DATE TIMESTAMPTZ TIMESTAMPTZ TIME"
    " VARCHAR VARCHAR JSON JSON VARCHAR"
)


@pytest.mark.parametrize("shape", TYPED, ids=lambda shape: shape.name)
def test_duckdb_reads_the_texts_as_the_types_that_they_were(readers: Readers, shape: Shape) -> None:
    """M7: the same of DuckDB, whose instants are compared as microseconds."""
    found = duckdb_csv(readers.delivered.clear(shape), shape, DUCKDB.split())
    rows = found.select("* REPLACE (epoch_us(seen) AS seen, epoch_us(local) AS local)").fetchall()
    agree(
        shape,
        [[_put_in(name, value) for name, value in zip(shape.names, row, strict=True)] for row in rows],
        shape.values(),
    )


POSTGRES = (
    "text text bigint numeric(30,4) float8 boolean date timestamptz timestamptz time interval text jsonb jsonb text"
)


@pytest.mark.parametrize("shape", TYPED, ids=lambda shape: shape.name)
def test_postgresql_reads_the_texts_as_the_types_that_they_were(readers: Readers, shape: Shape) -> None:
    """M7: the same of PostgreSQL, which takes durations too (`P400DT1.5S` as an interval)."""
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(shape.names, POSTGRES.split(), strict=True))
    [rows] = copied(
        readers.postgres,
        [
            f"CREATE TEMPORARY TABLE typed ({columns});",
            f"\\copy typed from '{readers.delivered.plain(shape)}' with ({copy_options(shape)})",
            (
                "SELECT json_agg(t) FROM (SELECT id, text, whole, amount, score, member, born, seen, local, clock,"
                " extract(epoch FROM span) AS span, raw, tags, thing, note FROM typed ORDER BY id) t;"
            ),
        ],
    )
    found = [[_put_in(name, value) for name, value in row.items()] for row in rows]
    agree(shape, found, shape.values())


def _put_in(name: str, value: Any) -> Any:
    """The value that was put in, of what a reader made of it: readers give some types as text or as numbers."""
    if value is None:
        return None
    if name == "span":
        days = {"PT0S": timedelta(0), "P400DT1.5S": timedelta(days=400, seconds=1.5)}
        return days[value] if isinstance(value, str) else timedelta(seconds=float(value))
    if isinstance(value, str):
        convert = {
            "raw": base64.b64decode,
            "tags": json.loads,
            "thing": json.loads,
            "born": date.fromisoformat,
            "seen": datetime.fromisoformat,
            "local": datetime.fromisoformat,
            "clock": time.fromisoformat,
        }.get(name, str)
        value = convert(value)
    if name in {"seen", "local"} and isinstance(value, int):
        value = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    if name == "local":
        return value.astimezone(UTC).replace(tzinfo=None)
    if name == "amount":
        return Decimal(value)
    return float(value) if name == "score" else value
