"""``csv.escape`` and delimiters of several characters (M7): what is quoted, and that any text is read again."""

import csv as python_csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.shop import Shop, person

from muster.activation.files.csv_text import csv_checks, is_writable_header
from muster.activation.files.formats import FORMATS
from muster.activation.files.tally import Lines
from muster.activation.model.workspace import CsvOptions

ESCAPED = CsvOptions(escape="\\")
TMP = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.sampled_from("a\\\"'|~$,;\r\n\té 0N="), max_size=6) | st.text(max_size=4)
ROWS = st.lists(st.tuples(st.none() | TEXT, st.none() | st.integers(-12, 12), st.none() | TEXT), max_size=6)
STYLES = ("necessary", "always", "non_numeric")


def table(rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"a": pl.String, "n": pl.Int64, "b": pl.String}, orient="row")


def written(frame: pl.DataFrame, path: Path, csv: CsvOptions) -> str:
    """The text of a file."""
    pl.collect_all([FORMATS["csv"](frame.lazy(), path / "file", csv, "none")])
    return (path / "file").read_bytes().decode()


def read(text: str, csv: CsvOptions) -> list[list[str]]:
    """The rows of a file, read a character at a time: the first delimiter from the left ends a field."""
    rows: list[list[str]] = [[]]
    field, at, inside = "", 0, False
    escape = csv.escape or csv.quote
    while at < len(text):
        if inside and text[at] == escape and text[at + 1 : at + 2] in {csv.quote, csv.escape} - {""}:
            field, at = field + text[at + 1], at + 2
        elif text[at] == csv.quote:
            inside, at = not inside, at + 1
        elif inside:
            field, at = field + text[at], at + 1
        elif text.startswith(csv.delimiter, at):
            rows[-1].append(field)
            field, at = "", at + len(csv.delimiter)
        elif text.startswith(csv.line_terminator, at):
            rows[-1].append(field)
            rows.append([])
            field, at = "", at + len(csv.line_terminator)
        else:
            field, at = field + text[at], at + 1
    assert (rows.pop(), field, inside) == ([], "", False)
    return rows


def as_text(rows: list[Any], null: str = "") -> list[list[str]]:
    return [[null if value is None else str(value) for value in row] for row in rows]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, r'"a\"b","c\\",d,""'),
        ({"quote_style": "always"}, r'"a\"b","c\\","d",""'),
        ({"quote": "'"}, 'a"b,' + r"'c\\',d,''"),
        ({"quote": "$"}, 'a"b,' + r"$c\\$,d,$$"),
        ({"escape": "$"}, r'"a$"b",c\,d,""'),
        ({"escape": ""}, r'"a""b",c\,d,""'),
    ],
)
def test_an_escape_stands_before_quotes_and_escapes(options: dict[str, Any], expected: str, tmp_path: Path) -> None:
    """M7: before each quote and each escape in a value, instead of doubled quotes; a value with either is quoted."""
    frame = pl.DataFrame({"1": ['a"b'], "2": ["c\\"], "3": ["d"], "4": [""]})
    assert written(frame, tmp_path, replace(ESCAPED, header=False, **options)) == expected + "\n"


@TMP
@given(ROWS, st.sampled_from(STYLES), st.sampled_from(('"', "'", "$")), st.sampled_from(("\n", "\r\n")))
def test_python_reads_escaped_files(tmp_path: Path, rows: list[Any], style: Any, quote: str, end: str) -> None:
    """M7: Python's csv in strict mode, told of the escape, finds each value again, whatever text it is."""
    csv = CsvOptions(escape="\\", quote=quote, quote_style=style, line_terminator=end)
    lines = io.StringIO(written(table(rows), tmp_path, csv), newline="")
    found = list(python_csv.reader(lines, quotechar=quote, escapechar="\\", doublequote=False, strict=True))
    assert found == [["a", "n", "b"], *as_text(rows)]


def dialects() -> st.SearchStrategy[CsvOptions]:
    """Options with long delimiters and escapes that a config takes."""
    made = st.builds(
        CsvOptions,
        delimiter=st.sampled_from(("||", "|~|", "::", "~~~", ", ", "0|0", "|")),
        quote=st.sampled_from(('"', "'")),
        quote_style=st.sampled_from(STYLES),
        null_value=st.sampled_from(("", "\\N", "NULL")),
        escape=st.sampled_from(("", "\\", "$")),
        line_terminator=st.sampled_from(("\n", "\r\n")),
    )
    return made.filter(lambda csv: not csv.meets_delimiter(csv.null_value))


@TMP
@given(ROWS, dialects())
def test_any_text_survives_any_dialect(tmp_path: Path, rows: list[Any], csv: CsvOptions) -> None:
    """M7: a reader that takes the first delimiter from the left finds each value again, and as many lines as rows."""
    text = written(table(rows), tmp_path, csv)
    assert read(text, csv) == [["a", "n", "b"], *as_text(rows, csv.null_value)]
    for size in (1, 3, 1 << 20):
        lines = Lines("csv", csv)
        for start in range(0, len(text.encode()), size):
            lines.add(text.encode()[start : start + size])
        assert lines.count == len(rows) + 1


@pytest.mark.parametrize(
    ("delimiter", "quoted", "bare"),
    [
        ("||", ["||", "a||b", "a|", "|", "|a"], ["a|b", "a"]),
        ("|~|", ["a|~|b", "a|~", "a|", "|a", "~|a"], ["~", "a~", "|~".join("ab"), "a~|b", "~a"]),
        ("::", ["a:", ":a", "a::"], ["a:b"]),
    ],
)
def test_what_could_run_into_a_delimiter_is_quoted(
    delimiter: str, quoted: list[str], bare: list[str], tmp_path: Path
) -> None:
    """M7: a delimiter in a value, or a part of one at either end of it, is quoted; one inside it is not."""
    csv = CsvOptions(delimiter=delimiter, header=False)
    for text in (*quoted, *bare):
        frame = pl.DataFrame({"a": [text], "b": ["x"]})
        field = f'"{text}"' if text in quoted else text
        assert written(frame, tmp_path, csv) == f"{field}{delimiter}x\n"
        never = replace(csv, quote_style="never", header=True)
        refused = frame.select(**csv_checks(frame.schema, never, {})).row(0)
        assert refused == (int(text in quoted), 0)
        assert is_writable_header(text, never) == (text in bare)


@TMP
@given(ROWS, st.sampled_from(("||", "|~|", "0|0")))
def test_never_writes_only_what_a_split_reads(tmp_path: Path, rows: list[Any], delimiter: str) -> None:
    """M7: with ``quote_style: never`` a file that is not refused is read by splitting its lines at the delimiter."""
    csv = CsvOptions(delimiter=delimiter, quote_style="never", header=False)
    frame = table(rows)
    if any(frame.select(**csv_checks(frame.schema, csv, {})).row(0)):
        return
    lines = written(frame, tmp_path, csv).split("\n")
    assert [line.split(delimiter) for line in lines[:-1]] == as_text(rows)


def shops(tmp_path: Path, **csv: Any) -> Iterator[bytes]:
    """The files of one day: of a profile alone, and with a status beside it."""
    made = Shop(tmp_path / "shop")
    made.profiles("2026-11-20", [person("a", name='back\\slash "q"'), person("b", name="pipe|", email="x||y")])
    made.audience("all", where="true")
    status = {"source": "segment_membership.status", "target": "sta|tus|"}
    made.crm(mapping=["profile_id", {"source": "name", "target": "na\\me"}, status, "email"], csv=csv)
    made.evaluate("2026-11-20T02:00Z")
    made.run("2026-11-20T05:00Z")
    yield from ((made.root / "out" / name).read_bytes() for name in made.files())
    assert made.ok("verify", "--json").json[0]["result"] == "intact"


def test_headers_and_rows_of_a_delivered_file(tmp_path: Path) -> None:
    """M7: headers follow the rules of values; `verify` reads the file by them."""
    [content] = shops(tmp_path, escape="\\", delimiter="||", sanitize_formulas=True)
    assert content.decode() == (
        'profile_id||"na\\\\me"||"sta|tus|"||email\n'
        'a||"back\\\\slash \\"q\\""||realized||a@x.com\n'
        'b||"pipe|"||realized||"x||y"\n'
    )


def test_an_escape_that_is_the_quote_doubles_quotes(tmp_path: Path) -> None:
    """M7: the default in other words; a destination's escape is switched off in this way."""
    [content] = shops(tmp_path, escape='"')
    assert b'a,"back\\slash ""q""",realized' in content


@TMP
@given(ROWS, dialects())
def test_duckdb_reads_dialects(tmp_path: Path, rows: list[Any], csv: CsvOptions) -> None:
    """M7, docs/csv.md: DuckDB, told of delimiter, quote and escape, finds texts and nulls again."""
    if csv.escape and csv.escape in csv.null_value:  # it refuses such a null
        return
    frame = table(rows).select(n=pl.int_range(pl.len()), a="a", b="b")
    written(frame, tmp_path, csv)
    options = {"delim": csv.delimiter, "quote": csv.quote, "escape": csv.escape or csv.quote, "nullstr": csv.null_value}
    words = ", ".join(f"{name}='{value.replace(chr(39), chr(39) * 2)}'" for name, value in options.items())
    types = "columns={n: 'BIGINT', a: 'VARCHAR', b: 'VARCHAR'}"
    end = "\\n" if csv.line_terminator == "\n" else "\\r\\n"
    found = duckdb.sql(
        f"SELECT * FROM read_csv('{tmp_path / 'file'}', {types}, {words}, header=true, auto_detect=false, "
        f"allow_quoted_nulls=false, new_line='{end}') ORDER BY n"
    ).fetchall()
    assert found == frame.rows()
