"""What readers do by themselves with files that muster writes: docs/csv.md tells users what to say to each.

A reader that gives up one of these habits fails its test, and the page is to be changed.
"""

import csv
import subprocess
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pandas._libs.parsers import STR_NA_VALUES
from support.hostile_rows import LONG, NAMES
from support.postgres import Postgres
from support.readers import (
    Readers,
    copy_options,
    copy_source,
    csv_parse_options,
    duckdb_csv,
    node,
    pyarrow_csv,
)
from support.shapes import SHAPES, Shape

BY_NAME = {shape.name: shape for shape in SHAPES}
PLAIN, ALWAYS, BOM = BY_NAME["csv"], BY_NAME["quotes always"], BY_NAME["bom"]
TEXT = NAMES.index("text")
WRITTEN = [row[TEXT] for row in PLAIN.texts()]


def lost(texts: list[str | None]) -> set[str | None]:
    """The texts that a reader takes for null."""
    return {text for text, found in zip(WRITTEN, texts, strict=True) if found is None and text is not None}


# DuckDB


def test_duckdb_takes_quoted_empty_text_for_null(readers: Readers) -> None:
    """DuckDB reads `""` as null unless it is told `allow_quoted_nulls = false`; a word for null in quotes too."""
    path = readers.delivered.plain(PLAIN)
    assert lost([text for (text,) in duckdb_csv(path, PLAIN, allow_quoted_nulls=True).select("text").fetchall()]) == {
        ""
    }
    assert lost([text for (text,) in duckdb_csv(path, PLAIN).select("text").fetchall()]) == set()
    word = BY_NAME["null as a word always quoted"]
    found = duckdb_csv(readers.delivered.plain(word), word, allow_quoted_nulls=True).select("text").fetchall()
    assert lost([text for (text,) in found]) == {"NULL"}


def test_duckdb_does_not_open_zip_files(readers: Readers) -> None:
    """DuckDB unpacks gzip and zstd by itself, and has no zip."""
    shape = BY_NAME["csv zip"]
    with pytest.raises(duckdb.Error):
        duckdb_csv(readers.delivered.clear(shape), shape).fetchall()


def test_duckdb_refuses_control_characters_of_latin_1(tmp_path: Path) -> None:
    """DuckDB refuses the characters 80 to 9F of Latin-1, which are control characters; they are rare."""
    path, shape = tmp_path / "x.csv", Shape("x", csv={"encoding": "latin-1", "header": False})
    texts = {"\xa0": True, "\xff": True, "\x80": False, "\x9f": False}
    for text, is_taken in texts.items():
        path.write_bytes(",".join(["x"] * len(NAMES[:-1]) + [text]).encode("latin-1") + b"\n")
        if is_taken:
            assert duckdb_csv(path, shape).select("note").fetchall() == [(text,)]
        else:
            with pytest.raises(duckdb.Error, match="not latin-1 encoded"):
                duckdb_csv(path, shape).fetchall()


# pandas


@pytest.mark.parametrize("shape", [PLAIN, ALWAYS], ids=lambda shape: shape.name)
def test_pandas_takes_words_for_null(readers: Readers, shape: Shape) -> None:
    """pandas reads `NULL`, `null`, `NaN`, `nan`, `NA`, `N/A`, `#N/A`, `None` and empty text as null, in quotes too,
    unless it is told `keep_default_na=False`; then it has no null, and with `na_values=[""]` no empty text.
    """
    path, words = readers.delivered.plain(shape), {"", "NULL", "null", "NaN", "nan", "NA", "N/A", "#N/A", "None"}
    assert words <= STR_NA_VALUES
    for options, expected in (
        ({}, words),
        ({"keep_default_na": False, "na_values": [""]}, {""}),
        ({"keep_default_na": False}, set()),
    ):
        texts = pd.read_csv(path, dtype=str, **options)["text"]
        assert lost([None if pd.isna(text) else text for text in texts]) == expected


def test_pandas_makes_floats_of_whole_numbers_with_gaps(readers: Readers) -> None:
    """pandas reads a column of whole numbers in which one is null as floats, which changes 9007199254740993, unless it
    is told `dtype={"whole": "Int64"}`; and ids such as `007` as numbers unless it is told `str`.
    """
    path = readers.delivered.plain(PLAIN)
    assert 2**53 + 1 not in {int(each) for each in pd.read_csv(path)["whole"].dropna()}
    frame = pd.read_csv(path, dtype={"whole": "Int64"})
    assert 2**53 + 1 in set(frame["whole"].dropna())
    assert frame["id"][7] == 7
    assert pd.read_csv(path, dtype={"id": str})["id"][7] == "0007"


# Python's csv


def test_python_refuses_long_fields(readers: Readers) -> None:
    """Python's csv refuses fields of more than 131,072 characters until `csv.field_size_limit` says more."""
    assert len(LONG) > 131_072
    before = csv.field_size_limit(131_072)
    try:
        with readers.delivered.plain(PLAIN).open(newline="") as lines, pytest.raises(csv.Error, match="field limit"):
            list(csv.reader(lines, strict=True))
    finally:
        csv.field_size_limit(before)


# PyArrow


def test_pyarrow_has_no_null_in_text(readers: Readers) -> None:
    """PyArrow reads null as empty text; with `strings_can_be_null` it reads `""` as null too, until
    `quoted_strings_can_be_null=False` keeps them apart.
    """
    path = readers.delivered.plain(PLAIN)
    by_itself = pyarrow_csv(path, PLAIN, {}, strings_can_be_null=False, quoted_strings_can_be_null=True)
    assert by_itself["text"].null_count == 0
    asked = pyarrow_csv(path, PLAIN, {}, quoted_strings_can_be_null=True)
    assert lost(asked["text"].to_pylist()) == {""}


def test_pyarrow_must_be_told_of_line_ends_in_text(tmp_path: Path) -> None:
    """PyArrow cuts a file at line ends inside quotes, where its blocks end, until `newlines_in_values` forbids it."""
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + 'x,"1\n2\n3"\n' * 2000)

    def read(*, told: bool) -> pa.Table:
        return pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(block_size=1000),
            parse_options=pa.csv.ParseOptions(newlines_in_values=told),
        )

    assert read(told=True).num_rows == 2000
    with pytest.raises(pa.ArrowInvalid):
        read(told=False)


# PostgreSQL


def into_texts(readers: Readers, shape: Shape, **options: str) -> str:
    """A script that copies a file into a table of texts."""
    columns = ", ".join(f'"{name}" text' for name in shape.names)
    path = readers.delivered.plain(shape)
    return (
        f"CREATE TEMPORARY TABLE people ({columns});\n"
        f"\\copy people from {copy_source(path, shape)} with ({copy_options(shape, **options)})\n"
    )


def test_postgresql_has_no_utf_16(readers: Readers) -> None:
    """PostgreSQL's COPY knows no UTF-16 by name, and as UTF-8 it refuses such a file: iconv comes before it."""
    path = readers.delivered.plain(BY_NAME["csv utf-16"])
    table = "CREATE TEMPORARY TABLE people (x text);\n"
    named = readers.postgres.refusal(f"{table}\\copy people from '{path}' with (format csv, encoding 'UTF16')\n")
    assert "must be a valid encoding name" in named
    assert "invalid byte sequence" in readers.postgres.refusal(
        f"{table}\\copy people from '{path}' with (format csv)\n"
    )


def test_postgresql_takes_a_byte_order_mark_for_text(readers: Readers) -> None:
    """PostgreSQL's COPY refuses a byte order mark with `HEADER MATCH`, and skips it with `HEADER`."""
    assert "column name mismatch" in readers.postgres.refusal(into_texts(readers, BOM, HEADER="MATCH"))
    copied = into_texts(readers, BOM, HEADER="true") + "SELECT min(id) FROM people;\n"
    assert readers.postgres.ok(copied).strip() == "0000"
    without = into_texts(readers, BOM, HEADER="false") + "SELECT max(id) FROM people;\n"
    assert readers.postgres.ok(without).strip() == "\ufeffid"


def test_postgresql_keeps_null_and_empty_text_apart_until_it_is_told_otherwise(readers: Readers) -> None:
    """PostgreSQL's COPY reads nothing as null and `""` as empty text; `FORCE_NULL` makes both null."""
    count = "SELECT count(*) FILTER (WHERE text IS NULL), count(*) FILTER (WHERE text = '') FROM people;\n"
    assert readers.postgres.ok(into_texts(readers, PLAIN) + count).strip() == "1|1"
    assert readers.postgres.ok(into_texts(readers, PLAIN, FORCE_NULL="(text)") + count).strip() == "2|0"


def test_postgresql_wants_the_sign_of_a_duration_at_its_number(postgres: Postgres) -> None:
    """PostgreSQL refuses the negative duration `-PT0.0015S` that ISO 8601-2 has, and takes `PT-0.0015S`."""
    assert "invalid input syntax" in postgres.refusal("SELECT '-PT0.0015S'::interval;")
    assert postgres.ok("SELECT extract(epoch FROM interval 'PT-0.0015S');").strip() == "-0.001500"


def test_postgresql_has_no_nul_in_text(postgres: Postgres, tmp_path: Path) -> None:
    """PostgreSQL's server refuses a file with a NUL character; psql's `\\copy` drops it with the rest of the line."""
    table = "CREATE TEMPORARY TABLE nul (x text, y text);\n"
    sent = postgres.refusal(table + "COPY nul FROM PROGRAM 'printf \"a\\000b,c\\n\"' WITH (FORMAT csv);\n")
    assert 'invalid byte sequence for encoding "UTF8": 0x00' in sent
    path = tmp_path / "x.csv"
    path.write_text("a,b\0c\nd,e\n")
    script = f"{table}\\copy nul from '{path}' with (format csv)\nSELECT x, y FROM nul;"
    assert postgres.run(script).stdout != "a|b\0c\nd|e\n"


def test_postgresql_ends_at_a_line_of_a_backslash_and_a_full_stop(postgres: Postgres, tmp_path: Path) -> None:
    """PostgreSQL up to 17 takes the line `\\.` for the end of the data, even inside quotes, never as a value."""
    path = tmp_path / "x.csv"
    path.write_text('x,y\n1,"\\."\n2,"a\n\\.\nb"\n')
    script = (
        f"CREATE TEMPORARY TABLE ends (x text, y text);\n\\copy ends from '{path}' with (format csv, header)\n"
        "SELECT count(*) FROM ends;"
    )
    if int(postgres.ok("SHOW server_version_num;")) < 180_000:
        assert "unterminated CSV quoted field" in postgres.refusal(script)
    else:
        assert postgres.ok(script).strip() == "2"


# csv-parse


def test_csv_parse_takes_a_byte_order_mark_for_text(readers: Readers) -> None:
    """csv-parse keeps a byte order mark as part of the first header until it is told `bom: true`."""
    options = csv_parse_options(BOM) | {"from": 1, "to": 1}
    files = [{"file": str(readers.delivered.plain(BOM)), "options": options | {"bom": told}} for told in (False, True)]
    assert [rows[0][0][0] for rows in node(files)] == ["\ufeffid", "id"]


# Delimiters of several characters


def test_most_readers_take_one_character_between_fields(readers: Readers) -> None:
    """Python's csv, PyArrow and PostgreSQL refuse a delimiter of several characters. pandas takes it for a regular
    expression, with which it knows no quotes and drops blanks at line ends: only where nothing is quoted does it
    find the fields. DuckDB takes up to
    four bytes, csv-parse any number.
    """
    shape = BY_NAME["two bars"]
    path = readers.delivered.plain(shape)
    with path.open(newline="") as lines, pytest.raises(TypeError, match="1-character"):
        csv.reader(lines, delimiter="||")
    with pytest.raises(ValueError, match="single"):
        pyarrow_csv(path, shape, {})
    assert "must be a single one-byte character" in readers.postgres.refusal(into_texts(readers, shape))
    with pytest.raises(pd.errors.ParserError):
        pd.read_csv(path, sep=r"\|\|", engine="python", dtype=str)
    plain = BY_NAME["two bars without quotes"]
    frame = pd.read_csv(
        readers.delivered.plain(plain),
        sep=r"\|\|",
        engine="python",
        dtype=str,
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
    )
    expected = [[plain.get("null_value") if each is None else each for each in row] for row in plain.texts()]
    assert [row[:-1] for row in frame.to_numpy().tolist()] == [row[:-1] for row in expected]
    assert [row[-1] for row in frame.to_numpy().tolist()] == [row[-1].rstrip() for row in expected]
    with pytest.raises(duckdb.Error, match="4 bytes"):
        duckdb_csv(path, replace(shape, csv={"delimiter": "|||||"})).fetchall()


# JSON


def test_javascript_changes_large_whole_numbers(readers: Readers, tmp_path: Path) -> None:
    """JavaScript's numbers are floats of 64 bits: 9007199254740993 becomes 9007199254740992; so does jq before 1.7."""
    [rows] = node([{"file": str(readers.delivered.plain(BY_NAME["json"])), "json": True}])
    assert rows[2]["whole"] == 2**53
    path = tmp_path / "x.json"
    path.write_text('{"whole":9007199254740993}\n')
    printed = subprocess.run(["jq", ".whole", path], capture_output=True, check=True, text=True).stdout.strip()
    version = subprocess.run(["jq", "--version"], capture_output=True, check=True, text=True).stdout
    assert printed == ("9007199254740992" if version.startswith("jq-1.6") else "9007199254740993")
