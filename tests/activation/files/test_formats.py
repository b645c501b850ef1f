"""M7, M8, F5: the bytes of files."""

import csv as python_csv
import gzip
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.activation.files.csv_text import is_writable_header
from muster.activation.files.formats import FORMATS, checks
from muster.activation.instants import zone
from muster.activation.mapping.columns import Field
from muster.activation.model.workspace import Activation, Column, Compression, CsvOptions, Format, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = CsvOptions()


def written(
    frame: pl.DataFrame, path: Path, kind: Format = "csv", compression: Compression = "none", **csv: Any
) -> bytes:
    """The bytes of a file, its sink collected as the engine does it."""
    target = path / "part"
    pl.collect_all([FORMATS[kind](frame.lazy(), target, replace(PLAIN, **csv), compression)])
    return target.read_bytes()


def activation(kind: Format = "csv", **csv: Any) -> Activation:
    return Activation(
        id="a",
        destination="d",
        destination_name="d",
        audience="a",
        export="full",
        schedule=Schedule("on_demand", zone("UTC")),
        url="out",
        format=kind,
        mapping=(Column("a", "a"),),
        csv=replace(PLAIN, **csv),
    )


def counted(frame: pl.DataFrame, kind: Format = "csv", **csv: Any) -> list[int]:
    """The counts of values that the file could not hold, in the order of columns."""
    found = checks(frame.schema, activation(kind, **csv))
    return list(frame.lazy().select(**found).collect().row(0)) if found else []


EVERYTHING = pl.DataFrame(
    {
        "id": ["1", "2", "3"],
        "text": ["plain", None, ""],
        "quotes": ['say "hi"', "a,b", "line\nend"],
        "unicode": ["Zoë 😀", "שלום", "return\r"],
        "integer": pl.Series([-1, None, 127], dtype=pl.Int8),
        "big": pl.Series([2**64 - 1, 0, None], dtype=pl.UInt64),
        "float": [0.1, float("nan"), -1e16],
        "decimal": pl.Series([Decimal("1.10"), None, Decimal("-0.05")], dtype=pl.Decimal(10, 2)),
        "flag": [True, False, None],
        "day": [date(2026, 11, 21), None, date(1, 1, 1)],
        "moment": [
            datetime(2026, 11, 21, 17, tzinfo=UTC),
            datetime(2026, 11, 21, 17, 0, 0, 500_000, tzinfo=UTC),
            datetime(2026, 11, 21, 17, 0, 0, 1, tzinfo=UTC),
        ],
        "span": [timedelta(days=1, hours=2), None, timedelta(microseconds=-5)],
        "bytes": [b"\x00\xff", b"", None],
        "list": [["a", None], [], None],
        "struct": pl.Series(
            [{"x": 1, "y": "é"}, None, {"x": None, "y": None}], dtype=pl.Struct({"x": pl.Int8, "y": pl.String})
        ),
        "map": pl.Series([{"k": 1}, {}, None], dtype=pl.Map(pl.String, pl.Int8)),
    }
)

EVERYTHING_CSV = (
    "id,text,quotes,unicode,integer,big,float,decimal,flag,day,moment,span,bytes,list,struct,map\n"
    '1,plain,"say ""hi""",Zoë 😀,-1,18446744073709551615,0.1,1.10,true,2026-11-21,2026-11-21T17:00:00Z,P1DT2H,AP8=,'
    '"[""a"",null]","{""x"":1,""y"":""é""}","{""k"":1}"\n'
    '2,,"a,b",שלום,,0,,,false,,2026-11-21T17:00:00.500Z,,"",[],,{}\n'
    '3,"","line\nend","return\r",127,,-1e+16,-0.05,,0001-01-01,2026-11-21T17:00:00.000001Z,-PT0.000005S,,,'
    '"{""x"":null,""y"":null}",\n'
)

EVERYTHING_JSON = (
    '{"id":"1","text":"plain","quotes":"say \\"hi\\"","unicode":"Zoë '
    '😀","integer":-1,"big":18446744073709551615,"float":0.1,'
    '"decimal":1.10,"flag":true,"day":"2026-11-21","moment":"2026-11-21T17:00:00Z","span":"P1DT2H","bytes":"AP8=","list":["a",null],'
    '"struct":{"x":1,"y":"é"},"map":{"k":1}}\n'
    '{"id":"2","text":null,"quotes":"a,b","unicode":"שלום","integer":null,"big":0,"float":null,"decimal":null,"flag":false,"day":null,'
    '"moment":"2026-11-21T17:00:00.500Z","span":null,"bytes":"","list":[],"struct":null,"map":{}}\n'
    '{"id":"3","text":"","quotes":"line\\nend","unicode":"return\\r","integer":127,"big":null,"float":-1e+16,"decimal":-0.05,"flag":null,'
    '"day":"0001-01-01","moment":"2026-11-21T17:00:00.000001Z","span":"-PT0.000005S","bytes":null,"list":null,'
    '"struct":{"x":null,"y":null},"map":null}\n'
)


def test_csv_of_every_type(tmp_path: Path) -> None:
    """M7: UTF-8, RFC 4180, null empty and bare, the empty string quoted, each type in its form."""
    assert written(EVERYTHING, tmp_path).decode() == EVERYTHING_CSV


def test_json_of_every_type(tmp_path: Path) -> None:
    """M7: one compact object a line, keys in the mapping's order, real booleans, numbers, nulls, arrays and objects."""
    assert written(EVERYTHING, tmp_path, "json").decode() == EVERYTHING_JSON
    without_decimals = EVERYTHING.drop("decimal")
    lines = [json.loads(line) for line in EVERYTHING_JSON.splitlines()]
    found = [json.loads(line) for line in written(without_decimals, tmp_path, "json").decode().split("\n")[:-1]]
    assert found == [{key: value for key, value in line.items() if key != "decimal"} for line in lines]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_parquet_keeps_types(tmp_path: Path, compression: Compression) -> None:
    """M7: Parquet has the columns' own types, `compression` is the codec inside; F5: without rows the schema alone."""
    codec = {"none": "UNCOMPRESSED", "gzip": "GZIP", "zstd": "ZSTD"}[compression]
    for frame in (EVERYTHING, EVERYTHING.clear()):
        written(frame, tmp_path, "parquet", compression)
        assert pl.read_parquet(tmp_path / "part").equals(frame)
        assert pl.read_parquet_schema(tmp_path / "part") == frame.schema
    written(EVERYTHING, tmp_path, "parquet", compression)
    meta = pq.ParquetFile(tmp_path / "part").metadata
    assert meta.row_group(0).column(0).compression == codec
    assert meta.row_group(0).column(0).is_stats_set


def test_parquet_holds_what_others_read(tmp_path: Path) -> None:
    """M7: whole numbers of 128 bits, which a column of signed and unsigned parts is widened to, are decimals, inside of
    lists and structs too; one that no decimal holds fails the file.
    """
    wide = pl.DataFrame({"n": pl.Series([2**64, None], dtype=pl.Int128), "text": ["x", None]})
    nested = wide.with_columns(listed=pl.concat_list("n"), inner=pl.struct("n"))
    written(nested, tmp_path, "parquet", "none")
    found = pq.read_table(tmp_path / "part")
    assert found["n"].to_pylist() == [2**64, None]
    assert found["listed"].to_pylist() == [[2**64], [None]]
    assert found["inner"].to_pylist() == [{"n": 2**64}, {"n": None}]
    assert pl.read_parquet_schema(tmp_path / "part")["n"] == pl.Decimal(38, 0)
    with pytest.raises(pl.exceptions.InvalidOperationError):
        written(pl.DataFrame({"n": pl.Series([2**127 - 1], dtype=pl.Int128)}), tmp_path, "parquet", "none")


STYLES = pl.DataFrame(
    {"a,b": ["x", "", None, "NULL", 'q"'], "n": [1, None, -2, 0, 5], "flag": [True, None, False, True, False]}
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, '"a,b",n,flag\nx,1,true\n"",,\n,-2,false\nNULL,0,true\n"q""",5,false\n'),
        ({"null_value": "NULL"}, '"a,b",n,flag\nx,1,true\n"",NULL,NULL\nNULL,-2,false\n"NULL",0,true\n"q""",5,false\n'),
        ({"null_value": "0"}, '"a,b",n,flag\nx,1,true\n"",0,0\n0,-2,false\nNULL,"0",true\n"q""",5,false\n'),
        (
            {"null_value": "true"},
            '"a,b",n,flag\nx,1,"true"\n"",true,true\ntrue,-2,false\nNULL,0,"true"\n"q""",5,false\n',
        ),
        ({"null_value": "é∅"}, '"a,b",n,flag\nx,1,true\n"",é∅,é∅\né∅,-2,false\nNULL,0,true\n"q""",5,false\n'),
        (
            {"quote_style": "always"},
            '"a,b","n","flag"\n"x","1","true"\n"",,\n,"-2","false"\n"NULL","0","true"\n"q""","5","false"\n',
        ),
        (
            {"quote_style": "non_numeric"},
            '"a,b","n","flag"\n"x",1,"true"\n"",,\n,-2,"false"\n"NULL",0,"true"\n"q""",5,"false"\n',
        ),
        (
            {"quote_style": "non_numeric", "null_value": "0"},
            '"a,b","n","flag"\n"x",1,"true"\n"",0,0\n0,-2,"false"\n"NULL","0","true"\n"q""",5,"false"\n',
        ),
        ({"quote_style": "never"}, 'a,b,n,flag\nx,1,true\n,,\n,-2,false\nNULL,0,true\nq",5,false\n'),
        (
            {"quote_style": "never", "null_value": "\\N"},
            'a,b,n,flag\nx,1,true\n,\\N,\\N\n\\N,-2,false\nNULL,0,true\nq",5,false\n',
        ),
        ({"delimiter": ";"}, 'a,b;n;flag\nx;1;true\n"";;\n;-2;false\nNULL;0;true\n"q""";5;false\n'),
        ({"delimiter": "-"}, 'a,b-n-flag\nx-1-true\n""--\n-"-2"-false\nNULL-0-true\n"q"""-5-false\n'),
        ({"delimiter": "t"}, 'a,btntflag\nxt1t"true"\n""tt\nt-2tfalse\nNULLt0t"true"\n"q"""t5tfalse\n'),
        ({"quote": "'"}, "'a,b',n,flag\nx,1,true\n'',,\n,-2,false\nNULL,0,true\nq\",5,false\n"),
        ({"quote": "$"}, '$a,b$,n,flag\nx,1,true\n$$,,\n,-2,false\nNULL,0,true\nq",5,false\n'),
        ({"quote": "N"}, 'Na,bN,n,flag\nx,1,true\nNN,,\n,-2,false\nNNNULLN,0,true\nq",5,false\n'),
        ({"header": False}, 'x,1,true\n"",,\n,-2,false\nNULL,0,true\n"q""",5,false\n'),
        (
            {"line_terminator": "\r\n"},
            '"a,b",n,flag\r\nx,1,true\r\n"",,\r\n,-2,false\r\nNULL,0,true\r\n"q""",5,false\r\n',
        ),
        ({"line_terminator": "x\n"}, '"a,b",n,flagx\n"x",1,truex\n"",,x\n,-2,falsex\nNULL,0,truex\n"q""",5,falsex\n'),
        ({"bom": True}, '\ufeff"a,b",n,flag\nx,1,true\n"",,\n,-2,false\nNULL,0,true\n"q""",5,false\n'),
    ],
)
def test_csv_options(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    """M7: null is `null_value` and never quoted; the empty string, text that reads like null and what needs it are
    quoted.
    """
    assert written(STYLES, tmp_path, **options).decode() == expected


@pytest.mark.parametrize("delimiter", [":", "-", ".", "T", "Z", "1"])
def test_made_text_is_quoted_when_the_delimiter_is_in_it(tmp_path: Path, delimiter: str) -> None:
    """M7: RFC 4180 quoting holds for numbers, dates and all other values as for text."""
    frame = EVERYTHING.select("float", "decimal", "day", "moment", "span", "bytes", "flag", "integer")
    text = written(frame, tmp_path, delimiter=delimiter, header=False).decode()
    rows = list(python_csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert rows == [
        row.split(",") for row in written(frame, tmp_path, header=False).decode().replace('""', "").splitlines()
    ]


def test_header_is_quoted_like_text(tmp_path: Path) -> None:
    """M7: the header comes from the mapping, whatever the names, and is quoted like text."""
    names = ["*", "^a.*$", 'q"', "a,b", "__line", "", "line\nend", "=1", "é😀"]
    frame = pl.DataFrame({name: [place] for place, name in enumerate(names)})
    assert written(frame, tmp_path).decode() == '*,^a.*$,"q""","a,b",__line,"","line\nend",=1,é😀\n0,1,2,3,4,5,6,7,8\n'
    some = frame.select(pl.nth(0, 7))
    assert written(some, tmp_path, sanitize_formulas=True, null_value="=1").decode() == '*,"=1"\n0,7\n'
    assert [json.loads(line) for line in written(frame, tmp_path, "json").splitlines()] == [
        {name: place for place, name in enumerate(names)}
    ]
    written(frame, tmp_path, "parquet")
    assert pl.read_parquet(tmp_path / "part").columns == names


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_no_rows(tmp_path: Path, kind: Format, compression: Compression) -> None:
    """F5, M7: without rows a CSV file has its header alone, a JSON file nothing; compressed streams are whole ones."""
    unpack: dict[Compression, Callable[[bytes], bytes]] = {"none": bytes, "gzip": gzip.decompress, "zstd": zstd_text}
    header = EVERYTHING_CSV.partition("\n")[0] + "\n"
    frame = EVERYTHING.clear()
    assert unpack[compression](written(frame, tmp_path, kind, compression)).decode() == (
        header if kind == "csv" else ""
    )
    assert unpack[compression](written(frame, tmp_path, kind, compression, header=False)) == b""
    assert unpack[compression](written(frame, tmp_path, kind, compression, header=False, bom=True)).decode() == (
        "\ufeff" if kind == "csv" else ""
    )


def zstd_text(data: bytes) -> bytes:
    """The content of a zstd stream, read by Arrow."""
    import pyarrow as pa  # noqa: PLC0415  # only here

    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return bytes(stream.read())


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_compression_is_around_the_same_bytes(tmp_path: Path, kind: Format) -> None:
    """2, E1: gzip and zstd hold the plain file; the gzip header has neither name nor time."""
    plain = written(EVERYTHING, tmp_path, kind)
    packed = written(EVERYTHING, tmp_path, kind, "gzip")
    assert gzip.decompress(packed) == plain
    assert packed[3:8] == b"\0\0\0\0\0"
    assert zstd_text(written(EVERYTHING, tmp_path, kind, "zstd")) == plain


def test_json_options_are_csv_options_without_effect(tmp_path: Path) -> None:
    """M7: no CSV option shows in a JSON file."""
    found = written(
        EVERYTHING,
        tmp_path,
        "json",
        delimiter=";",
        quote_style="always",
        null_value="NULL",
        line_terminator="\r\n",
        bom=True,
    )
    assert found.decode() == EVERYTHING_JSON


FORMULAS = {
    "=1+1": "'=1+1",
    '=HYPERLINK("http://x","y")': '\'=HYPERLINK("http://x","y")',
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0": "'-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd": "'@SUM(1+9)*cmd",
    "\t=1+1": "'\t=1+1",
    "\r=1+1": "'\r=1+1",
    "=": "'=",
    "+": "'+",
    "-": "'-",
    "+49 (30) 123-45/67": "+49 (30) 123-45/67",
    "-1,234.50": "-1,234.50",
    "+1": "+1",
    "-1\n": "'-1\n",
    "+1+1": "'+1+1",
    "-1e5": "'-1e5",
    "--1": "'--1",
    "+(49) 30": "'+(49) 30",
    "+٣": "'+٣",
    "＝1": "'＝1",
    "a=1": "a=1",
    " =1": " =1",
    "'=1": "'=1",
    "": "",
    "0": "0",
}


def test_formulas(tmp_path: Path) -> None:
    """M8: text that starts with = + - @ TAB or CR gets a ', unless all of it is a number or a phone number."""
    for dtype in (pl.String(), pl.Categorical(), pl.Enum(list(FORMULAS))):
        frame = pl.DataFrame({"a": pl.Series(list(FORMULAS), dtype=dtype), "b": 1})
        for sanitizes, expected in ((True, list(FORMULAS.values())), (False, list(FORMULAS))):
            content = written(frame.select(as_mapped("a", dtype, sanitizes=sanitizes), "b"), tmp_path)
            rows = list(python_csv.reader(io.StringIO(content.decode(), newline="")))
            assert [row[0] for row in rows[1:]] == expected


def as_mapped(name: str, dtype: pl.DataType, *, sanitizes: bool) -> pl.Expr:
    """The values of a mapped column."""
    field = Field(Column(name, name), "attribute", pl.col(name), dtype, sanitizes=sanitizes)
    return field.with_steps_applied().expr.alias(name)


def test_formula_prefix_comes_before_quoting(tmp_path: Path) -> None:
    """M8, M7: what is quoted is the prefixed text; other types are no text and stay."""
    frame = pl.DataFrame(
        {"a": ["-", "+a,b", None], "n": [-1, 0, 1], "l": [["=1"], [], None], "s": [timedelta(-1), None, None]}
    )
    frame = frame.select(as_mapped(name, dtype, sanitizes=True) for name, dtype in frame.schema.items())
    assert written(frame, tmp_path, null_value="-", quote="'").decode() == (
        "a,n,l,s\n"
        "'''-',-1,[\"=1\"],-P1D\n"
        "'''+a,b',0,[],-\n"
        "-,1,-,-\n"
    )  # fmt: skip


def test_a_lone_null_is_counted() -> None:
    """M7: in a file of one column a null is an error unless null_value is not empty."""
    lone = pl.DataFrame({"a": ["x", None, "", None]})
    assert counted(lone) == [2]
    assert counted(lone, quote_style="always") == [2]
    assert counted(lone, null_value="NULL") == []
    assert counted(pl.DataFrame({"a": [1.0, float("nan"), None]})) == [2]
    assert counted(lone.clear()) == [0]
    assert counted(lone.with_columns(b=1)) == []
    assert counted(lone, "json") == []
    assert counted(lone, "parquet") == []


def test_never_counts_what_it_cannot_write() -> None:
    """M7: `never` writes no text that would read as something else; null and the empty string are alike to it."""
    frame = pl.DataFrame(
        {"a": ["x", "a;b", "q'", "a\nb", "a\rb", "a,b", "", None, "NULL"], "n": [-1] * 9, "l": [["'"]] + [None] * 8}
    )
    options: dict[str, Any] = {"quote_style": "never", "delimiter": ";", "quote": "'"}
    assert counted(frame, **options) == [4, 1]
    assert counted(frame, **options, null_value="NULL") == [5, 1]
    assert counted(frame, **options, line_terminator="x\n") == [5, 1]
    assert counted(frame, **{**options, "delimiter": "-"}) == [3, 9, 1]
    assert counted(frame.select("a"), **options) == [2, 4]
    assert counted(frame.select("a"), **options, null_value="NULL") == [1, 5]
    assert all("'a'" in sentence for sentence in checks(frame.select("a").schema, activation(**options)))


def test_never_counts_headers_that_it_cannot_write() -> None:
    """M7: a header is text like any other: `never` cannot write one with a delimiter, a quote or a line end."""
    frame = pl.DataFrame({"a,b": [1], "c": [2]})
    assert counted(frame, quote_style="never") == [1]
    assert counted(frame, quote_style="never", delimiter=";") == []
    assert counted(frame, quote_style="never", header=False) == []
    assert counted(frame) == []
    never = replace(PLAIN, quote_style="never")
    assert [name for name in ("a", "é", "", 'a"', "a\n", "a,") if is_writable_header(name, never)] == ["a", "é"]


FIELDS = st.one_of(st.none(), st.text(max_size=5), st.text(alphabet="\"',;\r\n\tNUL-0é ", max_size=5))
NUMBERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-2, 2))
ROWS = st.lists(st.tuples(FIELDS, NUMBERS, FIELDS), max_size=5)
OPTIONS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|", "-", "0", "$"]),
        "quote": st.sampled_from(['"', "'", "^", "N"]),
        "quote_style": st.sampled_from(["necessary", "always", "non_numeric"]),
        "null_value": st.sampled_from(["", "U", "é", "1", "\\x", "UL"]),
        "line_terminator": st.sampled_from(["\n", "\r\n"]),
        "header": st.booleans(),
    }
)


def table(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"a": pl.String, "n": pl.Int64, "b": pl.String}, orient="row")


def reference_csv(rows: list[tuple[Any, ...]], csv: CsvOptions) -> str:
    """M7's CSV, written once more in plain Python."""

    def field(value: Any) -> str:
        if value is None:
            return csv.null_value
        text = str(value)
        needed = text in {"", csv.null_value} or any(
            character in text for character in csv.delimiter + csv.quote + "\r\n"
        )
        quoted = {"always": True, "non_numeric": needed or isinstance(value, str), "necessary": needed}[csv.quote_style]
        return csv.quote + text.replace(csv.quote, csv.quote * 2) + csv.quote if quoted else text

    lines = ([("a", "n", "b")] if csv.header else []) + rows
    return "".join(csv.delimiter.join(map(field, line)) + csv.line_terminator for line in lines)


TMP = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@TMP
@given(rows=ROWS, options=OPTIONS)
def test_csv_by_the_book(tmp_path: Path, rows: list[tuple[Any, ...]], options: dict[str, Any]) -> None:
    """M7: any table under any options is the file that the rules spell out, and a CSV reader finds the values again."""
    csv = CsvOptions(**options)
    found = written(table(rows), tmp_path, **options).decode()
    assert found == reference_csv(rows, csv)
    read = list(python_csv.reader(io.StringIO(found, newline=""), delimiter=csv.delimiter, quotechar=csv.quote))
    expected = [["" if value is None else str(value) for value in row] for row in rows]
    if not csv.null_value:
        assert read == ([["a", "n", "b"]] if csv.header else []) + expected


@TMP
@given(rows=ROWS)
def test_standard_csv_is_what_polars_writes(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    """M7: under the default options the file is byte for byte what Polars' own writer makes of the raw columns."""
    assert written(table(rows), tmp_path).decode() == table(rows).write_csv()


@settings(TMP, max_examples=40)
@given(
    rows=st.lists(st.tuples(FIELDS, NUMBERS, FIELDS), min_size=1, max_size=5), null=st.sampled_from(["", "NULL", "é"])
)
def test_duckdb_tells_null_from_empty(tmp_path: Path, rows: list[tuple[Any, ...]], null: str) -> None:
    """M7: a reader that minds quotes finds null and the empty string as they were, and text like `null_value`
    as text.
    """
    rows = [tuple(value.replace("\x00", "0") if isinstance(value, str) else value for value in row) for row in rows]
    written(table(rows), tmp_path, null_value=null)
    query = """
        SELECT * FROM read_csv(?, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        nullstr = ?, new_line = '\\n', allow_quoted_nulls = false,
        columns = {a: 'VARCHAR', n: 'BIGINT', b: 'VARCHAR'}, parallel = false)
    """
    assert duckdb.execute(query, [str(tmp_path / "part"), null]).fetchall() == rows


@TMP
@given(rows=st.lists(st.tuples(FIELDS, NUMBERS, st.lists(FIELDS, max_size=2)), max_size=4))
def test_json_lines_read_back(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    """M7: each line is one object that gives the values back; nothing of CSV gets into it."""
    frame = pl.DataFrame(rows, schema={'"a,\n': pl.String, "n": pl.Int64, "l": pl.List(pl.String)}, orient="row")
    lines = written(frame, tmp_path, "json").decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == frame.to_dicts()
    assert lines == [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in frame.to_dicts()]


MANY = """
import hashlib, sys
from pathlib import Path
import polars as pl
from muster.activation.model.workspace import CsvOptions
from muster.activation.files.formats import FORMATS

rows = pl.LazyFrame({"i": range(30_000)}).with_columns(
    s=pl.format("{} {}", pl.col("i") * 7919 % 10_007, pl.lit("ab" * 40)),
    m=(pl.col("i") * 1_000_003).cast(pl.Datetime("us")),
    c=(pl.col("i") % 7).cast(pl.String).cast(pl.Categorical), f=pl.col("i") / 7,
).sort("s", "i")
folder = Path(sys.argv[1])
kinds = [(kind, compression) for kind in FORMATS for compression in ("none", "gzip", "zstd")]
paths = [folder / f"{kind}.{compression}" for kind, compression in kinds]
made = zip(paths, kinds)
pl.collect_all([FORMATS[kind](rows, path, CsvOptions(), compression) for path, (kind, compression) in made])
print([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])
"""


def test_bytes_do_not_depend_on_threads(tmp_path: Path) -> None:
    """E1: the same rows give the same bytes, compressed or not, on any number of threads and in batches of any size."""
    outputs = set()
    for threads, batch in (("1", "100000"), ("3", "777")):
        sizes = {
            "POLARS_MAX_THREADS": threads,
            "POLARS_IDEAL_SINK_MORSEL_SIZE_ROWS": batch,
            "POLARS_IDEAL_SINK_MORSEL_SIZE_BYTES": batch,
        }
        command = [sys.executable, "-c", MANY, str(tmp_path)]
        outputs.add(
            subprocess.run(command, env={**os.environ, **sizes}, check=True, capture_output=True, text=True).stdout
        )
    assert len(outputs) == 1


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_order_is_kept(tmp_path: Path, kind: Format) -> None:
    """M6: rows stand in the file in the order of the frame, several sinks of one plan at a time."""
    rows = pl.LazyFrame({"n": range(200_000)}).with_columns(k=pl.col("n") * 7919 % 200_003).sort("k")
    paths = [tmp_path / "a", tmp_path / "b"]
    pl.collect_all([FORMATS[kind](rows, path, PLAIN, "none") for path in paths])
    readers: dict[Format, Callable[[Path], pl.DataFrame]] = {
        "csv": pl.read_csv,
        "json": pl.read_ndjson,
        "parquet": pl.read_parquet,
    }
    for path in paths:
        assert readers[kind](path).equals(rows.collect())


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_prepared_file_keeps_its_mode(tmp_path: Path, kind: Format) -> None:
    """F6: a file made beforehand with `file_mode` is filled, not replaced."""
    target = tmp_path / "part"
    target.write_bytes(b"x" * 100_000)
    target.chmod(0o600)
    written(STYLES, tmp_path, kind)
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.stat().st_size < 10_000
