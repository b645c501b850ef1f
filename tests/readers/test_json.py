"""M7: JSON files are read back by readers that are not ours, and hold what was put in."""

import json
import subprocess
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import json as arrow_json
from support.hostile_rows import KINDS, NAMES, PEOPLE
from support.readers import Readers, copied, duck, node
from support.shapes import SHAPES, Shape

JSON = [shape for shape in SHAPES if shape.format == "json"]
NUMBERS = {"whole", "amount", "score"}
Rows = list[dict[str, Any]]


def wanted() -> Rows:
    """Numbers, booleans, lists and structs as they were put in, all else as the text that a CSV file has."""
    real = {kind.name for kind in KINDS if kind.is_json}
    return [
        {
            name: value if name in real else text
            for name, value, text in zip(NAMES, person.values, person.texts, strict=True)
        }
        for person in PEOPLE
    ]


def agree(found: Rows, number: Callable[[Any], Any]) -> None:
    """The values of all rows; numbers as ``number`` makes them, which says how well the reader keeps them."""
    expected = wanted()
    assert len(found) == len(expected)
    for row, each in zip(found, expected, strict=True):
        assert list(row) == list(each)  # the order of the mapping
        assert _numbers(row, number) == _numbers(each, number)


def _numbers(row: dict[str, Any], number: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: number(each) if name in NUMBERS and each is not None else each for name, each in row.items()}


def exact(value: Any) -> Any:
    """A number to its last digit; a float by the float that its text means."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


@pytest.mark.parametrize("shape", JSON, ids=lambda shape: shape.name)
def test_python_reads_every_digit(readers: Readers, shape: Shape) -> None:
    """M7: one object a line, each line ended; Python's json finds every value, numbers to the last digit."""
    text = readers.delivered.plain(shape).read_bytes().decode()
    assert text.endswith("}\n")
    agree([json.loads(line, parse_float=Decimal) for line in text.removesuffix("\n").split("\n")], exact)


def test_jq_reads_what_was_put_in(readers: Readers) -> None:
    """M7: jq finds every value in every file; before 1.7 it keeps numbers as floats of 64 bits."""
    paths = {str(readers.delivered.plain(shape)): shape for shape in JSON}
    printed = subprocess.run(
        ["jq", "--compact-output", "[input_filename, .]", *paths], capture_output=True, check=True, timeout=300
    )
    rows: dict[str, Rows] = {path: [] for path in paths}
    for line in printed.stdout.decode().removesuffix("\n").split("\n"):
        path, row = json.loads(line)
        rows[path].append(row)
    for found in rows.values():
        agree(found, float)


def test_postgresql_reads_every_digit(readers: Readers) -> None:
    """M7: each line is a `jsonb` of PostgreSQL, numbers to the last digit. COPY takes a line for one field when
    delimiter and quote are characters that JSON never has.
    """
    script = []
    for shape in JSON:
        path = readers.delivered.plain(shape)
        script += [
            "DROP TABLE IF EXISTS lines; CREATE TEMPORARY TABLE lines (number serial, line json);",
            f"\\copy lines (line) from '{path}' with (format csv, quote E'\\x01', delimiter E'\\x02')",
            "SELECT json_agg(json_build_array(line, line::jsonb ? 'id') ORDER BY number) FROM lines;",
        ]
    for found in copied(readers.postgres, script):
        assert all(is_object for _, is_object in found)
        agree([row for row, _ in found], exact)


def test_duckdb_reads_every_digit(readers: Readers) -> None:
    """M7: DuckDB finds every value with the types that the columns had, in compressed files too (gzip, zstd)."""
    types = {
        **dict.fromkeys(NAMES, "VARCHAR"),
        "whole": "BIGINT",
        "amount": "DECIMAL(30,4)",
        "score": "DOUBLE",
        "member": "BOOLEAN",
        "tags": "VARCHAR[]",
        "thing": "STRUCT(name VARCHAR, count BIGINT)",
    }
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in types.items())
    for shape in JSON:
        codec = {"none": "uncompressed", "zip": "uncompressed"}.get(shape.compression, shape.compression)
        path = (readers.delivered.plain if shape.compression == "zip" else readers.delivered.clear)(shape)
        found = duck().sql(
            f"FROM read_json('{path}', format = 'newline_delimited', compression = '{codec}', columns = {{{columns}}})"
        )
        agree([dict(zip(found.columns, row, strict=True)) for row in found.fetchall()], exact)


def test_pyarrow_reads_every_digit(readers: Readers) -> None:
    """M7: PyArrow finds every value with the types that the columns had."""
    types = {
        **dict.fromkeys(NAMES, pa.string()),
        "whole": pa.int64(),
        "amount": pa.decimal128(30, 4),
        "score": pa.float64(),
        "member": pa.bool_(),
        "tags": pa.list_(pa.string()),
        "thing": pa.struct({"name": pa.string(), "count": pa.int64()}),
    }
    for shape in JSON:
        table = arrow_json.read_json(
            readers.delivered.plain(shape),
            read_options=arrow_json.ReadOptions(block_size=8 << 20),
            parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema(types), newlines_in_values=False),
        )
        agree(table.to_pylist(), exact)


def test_pandas_reads_what_was_put_in(readers: Readers) -> None:
    """M7: pandas finds every value, if Arrow parses them; decimals it keeps as floats of 64 bits. The parser that it
    takes by itself refuses a file with a number of more than 19 digits before the point.
    """
    for shape in JSON:
        path = readers.delivered.plain(shape)
        frame = pd.read_json(path, lines=True, engine="pyarrow", dtype_backend="pyarrow")
        for name, ending in {"born": "", "local": "Z"}.items():  # what Arrow takes for times
            texts = [None if pd.isna(each) else each.isoformat() for each in frame[name]]
            frame[name] = [text and text.removesuffix("T00:00:00") + ending for text in texts]
        agree(pa.Table.from_pandas(frame).to_pylist(), float)
        with pytest.raises(ValueError, match="too big"):
            pd.read_json(path, lines=True, dtype=False)


def test_javascript_reads_what_was_put_in(readers: Readers) -> None:
    """M7: Node's JSON.parse finds every value; all numbers become floats of 64 bits."""
    for found in node([{"file": str(readers.delivered.plain(shape)), "json": True} for shape in JSON]):
        agree(found, float)
