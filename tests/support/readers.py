"""Readers of files that are not ours, each told of a file's shape in its own words: text in, fields out.

A reader gives each field as text, or None for null. Those that cannot know null from empty text, or from a word that
stands for null, give text for both: ``tells_null`` says so. A missing reader is a failure, never a skip.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from support.postgres import Postgres
from support.shapes import CSV, Delivered, Shape

Row = list[str | None]
NODE_MODULES = Path(sys.prefix) / "csv-parse/node_modules"


@dataclass(frozen=True)
class Reader:
    """A program that reads CSV: which shapes it takes, and whether it tells null from text."""

    name: str
    read: Callable[["Readers", Shape], list[Row]]
    tells_null: bool = True
    takes: Callable[[Shape], bool] = lambda _: True

    def sees(self, shape: Shape) -> list[Row]:
        """The rows of a file as this reader should see them."""
        rows = shape.texts()
        if self.tells_null:
            return rows
        return [[shape.get("null_value") if each is None else each for each in row] for row in rows]


@dataclass
class Readers:
    """The files, the server, and what readers that are started once for all files have found."""

    delivered: Delivered
    postgres: Postgres
    found: dict[str, dict[str, list[Row]]] = field(default_factory=dict)

    def of_all(self, reader: str, read: Callable[["Readers", Sequence[Shape]], list[list[Row]]]) -> dict[str, Any]:
        """What a reader finds in the files of all shapes that it takes, read once."""
        if reader not in self.found:
            shapes = [shape for shape in CSV if READERS[reader].takes(shape)]
            self.found[reader] = dict(zip((shape.name for shape in shapes), read(self, shapes), strict=True))
        return self.found[reader]


# Python's csv


def by_python(readers: Readers, shape: Shape) -> list[Row]:
    """Python's csv in strict mode."""
    csv.field_size_limit(1 << 20)  # it is 131,072 until somebody says more
    styles = {"always": csv.QUOTE_ALL, "non_numeric": csv.QUOTE_MINIMAL, "never": csv.QUOTE_NONE}
    with readers.delivered.plain(shape).open(encoding=in_python(shape), newline="") as lines:
        rows = list(
            csv.reader(
                lines,
                strict=True,
                delimiter=shape.get("delimiter"),
                quotechar=shape.get("quote"),
                escapechar=shape.get("escape"),
                doublequote=shape.get("escape") is None,
                quoting=styles.get(shape.get("quote_style"), csv.QUOTE_MINIMAL),
            )
        )
    return _without_header(shape, rows)


def in_python(shape: Shape) -> str:
    """The encoding of a file in Python's words: with a mark there is one that takes it away."""
    marked = {"utf-8": "utf-8-sig", "utf-16": "utf-16"}
    plain = {"utf-8": "utf-8", "utf-16": "utf-16-le", "latin-1": "latin-1"}
    return (marked if shape.get("bom") else plain)[shape.get("encoding")]


def _without_header(shape: Shape, rows: list[Row]) -> list[Row]:
    if not shape.get("header"):
        return rows
    assert rows[0] == list(shape.names)
    return rows[1:]


# pandas


def by_pandas(readers: Readers, shape: Shape) -> list[Row]:
    """pandas, with every column as text and nothing taken for null."""
    frame = pd.read_csv(
        (readers.delivered.plain if shape.compression == "zstd" else readers.delivered.clear)(shape),
        dtype=str,
        na_filter=False,
        sep=shape.get("delimiter"),
        quotechar=shape.get("quote"),
        escapechar=shape.get("escape"),
        doublequote=shape.get("escape") is None,
        quoting=csv.QUOTE_NONE if shape.get("quote_style") == "never" else csv.QUOTE_MINIMAL,
        header=0 if shape.get("header") else None,
        encoding=in_python(shape),
        compression={"gzip": "gzip", "zip": "zip"}.get(shape.compression),  # zstd needs a package of its own
    )
    assert not shape.get("header") or list(frame.columns) == list(shape.names)
    return [list(row) for row in frame.itertuples(index=False, name=None)]


# PyArrow


def by_pyarrow(readers: Readers, shape: Shape) -> list[Row]:
    """PyArrow, which is told what null is, and that quoted text is never null."""
    table = pyarrow_csv(readers.delivered.plain(shape), shape, {})
    assert table.column_names == list(shape.names)
    return [list(row.values()) for row in table.to_pylist()]


def pyarrow_csv(path: Path, shape: Shape, types: Mapping[str, Any], **convert: Any) -> pa.Table:
    """A file as PyArrow reads it, with columns of some types, all others text."""
    told = {
        "column_types": dict.fromkeys(shape.names, pa.string()) | types,
        "null_values": [shape.get("null_value")],
        "strings_can_be_null": True,
        "quoted_strings_can_be_null": False,
    }
    return arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(
            encoding=in_python(shape),
            block_size=8 << 20,
            column_names=None if shape.get("header") else list(shape.names),
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=shape.get("delimiter"),
            quote_char=False if shape.get("quote_style") == "never" else shape.get("quote"),
            escape_char=shape.get("escape") or False,
            double_quote=shape.get("escape") is None,
            newlines_in_values=True,
        ),
        convert_options=arrow_csv.ConvertOptions(**(told | convert)),
    )


# DuckDB


def by_duckdb(readers: Readers, shape: Shape) -> list[Row]:
    """DuckDB, which is told that quoted text is never null; it unpacks gzip and zstd itself, zip it does not know."""
    if shape.compression == "zip":
        return [list(row) for row in duckdb_csv(readers.delivered.plain(shape), shape, compression="none").fetchall()]
    return [list(row) for row in duckdb_csv(readers.delivered.clear(shape), shape).fetchall()]


def duckdb_csv(path: Path, shape: Shape, types: Iterable[str] = (), **options: Any) -> "duckdb.DuckDBPyRelation":
    """A file as DuckDB reads it, with columns of some types, or all text."""
    columns = dict(zip(shape.names, types or ["VARCHAR"] * len(shape.names), strict=True))
    told = {
        "columns": columns,
        "header": shape.get("header"),
        "delim": shape.get("delimiter"),
        "quote": "" if shape.get("quote_style") == "never" else shape.get("quote"),
        "escape": "" if shape.get("quote_style") == "never" else shape.get("escape") or shape.get("quote"),
        "nullstr": shape.get("null_value"),
        "allow_quoted_nulls": False,
        "encoding": shape.get("encoding"),
        "new_line": {"\n": "\\n", "\r\n": "\\r\\n"}[shape.get("line_terminator")],
        "compression": shape.compression,
        "auto_detect": False,
    } | options
    words = ", ".join(f"{key} = {_sql(value)}" for key, value in told.items())
    return duck().sql(f"FROM read_csv({_sql(str(path))}, {words})")


@cache
def duck() -> duckdb.DuckDBPyConnection:
    """DuckDB without a database."""
    return duckdb.connect()


def _sql(value: Any) -> str:
    """A value in the words of DuckDB."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_sql(key)}: {_sql(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"


# PostgreSQL's COPY


def by_postgres(readers: Readers, shape: Shape) -> list[Row]:
    """PostgreSQL's COPY into a table of texts; psql is started once."""
    return readers.of_all("PostgreSQL", _copied)[shape.name]


def copy_options(shape: Shape, **more: str) -> str:
    """What COPY is told of a shape. ``HEADER MATCH`` refuses a byte order mark; ``HEADER`` skips it with the line."""
    header = {"HEADER": ("true" if shape.get("bom") else "MATCH") if shape.get("header") else "false"}
    told = {
        "FORMAT": "csv",
        "DELIMITER": _quoted(shape.get("delimiter")),
        "QUOTE": _quoted("\x02" if shape.get("quote_style") == "never" else shape.get("quote")),
        "ESCAPE": _quoted(
            shape.get("escape") or ("\x02" if shape.get("quote_style") == "never" else shape.get("quote"))
        ),
        "NULL": _quoted(shape.get("null_value")),
        "ENCODING": "'LATIN1'" if shape.get("encoding") == "latin-1" else "'UTF8'",
        **header,
    }
    return ", ".join(f"{key} {value}" for key, value in (told | more).items())


def _quoted(text: str) -> str:
    return "E'" + "".join(f"\\x{ord(each):02x}" for each in text) + "'"


def copy_source(path: Path, shape: Shape) -> str:
    """The file as COPY takes it: PostgreSQL has no UTF-16."""
    if shape.get("encoding") != "utf-16":
        return f"'{path}'"
    return f"program 'iconv -f {'UTF-16' if shape.get('bom') else 'UTF-16LE'} -t UTF-8 {path}'"


def _copied(readers: Readers, shapes: Sequence[Shape]) -> list[list[Row]]:
    script = []
    for number, shape in enumerate(shapes):
        columns = ", ".join(f'"{name}" text' for name in shape.names)
        source = copy_source(readers.delivered.plain(shape), shape)
        script += [
            f"CREATE TEMPORARY TABLE t{number} ({columns});",
            f"\\copy t{number} from {source} with ({copy_options(shape)})",
            f"SELECT coalesce(json_agg(t ORDER BY id COLLATE \"C\"), '[]') FROM t{number} t;",
        ]
    return [[list(row.values()) for row in table] for table in copied(readers.postgres, script)]


def copied(postgres: Postgres, script: Iterable[str]) -> list[Any]:
    """The JSON documents that a script prints; numbers with a point or an exponent are exact."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    text, documents = postgres.ok("\n".join(script)), []
    while text:
        document, end = decoder.raw_decode(text)
        documents.append(document)
        text = text[end:].lstrip()
    return documents


# Node's csv-parse


def by_csv_parse(readers: Readers, shape: Shape) -> list[Row]:
    """Node's csv-parse; Node is started once."""
    return readers.of_all("csv-parse", _parsed)[shape.name]


def node(tasks: Sequence[dict[str, Any]]) -> list[Any]:
    """What Node finds in files: of CSV rows of (text, in quotes), of JSON lines what JSON.parse makes of them."""
    assert NODE_MODULES.is_dir(), f"{NODE_MODULES} is missing: .ci/servers installs it, as make test does"
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("csv_parse.cjs"))],
        input=json.dumps(tasks).encode(),
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(NODE_MODULES)},
        capture_output=True,
        check=True,
        timeout=300,
    )
    return list(json.loads(done.stdout))


def csv_parse_options(shape: Shape) -> dict[str, Any]:
    """What csv-parse is told of a shape."""
    return {
        "delimiter": shape.get("delimiter"),
        "quote": False if shape.get("quote_style") == "never" else shape.get("quote"),
        "escape": shape.get("escape") or shape.get("quote"),
        "record_delimiter": shape.get("line_terminator"),
        "encoding": {"utf-8": "utf8", "utf-16": "utf16le", "latin-1": "latin1"}[shape.get("encoding")],
        "bom": shape.get("bom"),
        "from": 2 if shape.get("header") else 1,
    }


def _parsed(readers: Readers, shapes: Sequence[Shape]) -> list[list[Row]]:
    files = [{"file": str(readers.delivered.plain(shape)), "options": csv_parse_options(shape)} for shape in shapes]
    return [
        [[None if text == shape.get("null_value") and not quoted else text for text, quoted in row] for row in rows]
        for shape, rows in zip(shapes, node(files), strict=True)
    ]


def has_one_character(shape: Shape) -> bool:
    """Whether fields are separated by a single character: what most readers take alone."""
    return len(shape.get("delimiter")) == 1


READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("Python's csv", by_python, tells_null=False, takes=has_one_character),
        Reader("pandas", by_pandas, tells_null=False, takes=has_one_character),
        Reader("PyArrow", by_pyarrow, takes=has_one_character),
        Reader("DuckDB", by_duckdb),
        Reader("PostgreSQL", by_postgres, takes=has_one_character),
        Reader("csv-parse", by_csv_parse),
    )
}
