"""Parquet files as Spark, DuckDB, PyArrow and others write them, read value by value (D6)."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import footers

from muster.activation.errors import DataError, MistakeError
from muster.activation.frames import engine
from muster.activation.inputs import footer, views
from muster.activation.inputs.parquet import Part, blamed, read_part, read_through, scan_alike, scan_one
from muster.activation.inputs.thrift_pieces import (
    I32,
    I64,
    Pieces,
    elements,
    integer,
    nested,
    put_together,
    structs,
    taken_apart,
)


def naive(*numbers: int) -> datetime:
    """A time without a zone, as most files have them."""
    return datetime(*numbers, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[arg-type,misc]


FIRST, LAST = naive(1, 1, 1), naive(9999, 12, 31, 23, 59, 59, 999999)
TIMES = [FIRST, naive(1600, 2, 29, 1, 2, 3, 4), None, naive(1969, 12, 31, 23, 59), naive(2026, 1, 1), LAST]
ONE = datetime(2026, 7, 1, tzinfo=UTC)
SOME_UUID = UUID("0192f0c1-2a3b-7c4d-8e5f-60718293a4b5")
MICROSECONDS = pa.timestamp("us")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "part-0.parquet"


def write(path: Path, columns: dict[str, Any], **options: Any) -> None:
    """A file with a column ``id`` and these columns, by PyArrow."""
    rows = len(next(iter(columns.values())))
    pq.write_table(pa.table({"id": [str(number) for number in range(rows)], **columns}), path, **options)


def write_by_duckdb(path: Path, sql: str) -> None:
    """A file with the result of a query, by DuckDB."""
    duckdb.sql(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")


def opened(path: Path) -> Part:
    """The file, opened."""
    return read_part(path, path.name)


def values(path: Path, column: str) -> list[Any]:
    """The values of a column. That the frame has the types of the part, whole and by columns, is checked beside."""
    part = opened(path)
    frame = engine.collect(scan_one(part))
    assert frame.schema == part.schema
    alone = engine.collect(scan_one(part).select(column))
    assert alone.equals(frame.select(column))
    read_through(part)
    return alone[column].to_list()


# INT96


@pytest.mark.parametrize("store_schema", [False, True])
@pytest.mark.parametrize("row_group_size", [2, 100])
def test_int96_from_year_1_to_9999(path: Path, store_schema: bool, row_group_size: int) -> None:
    """D6: INT96 timestamps are what they say, to the microsecond, at any depth, naive unless Arrow says their zone."""
    nested_times = {
        "t": pa.array(TIMES, MICROSECONDS),
        "list": pa.array([[each, None] for each in TIMES], pa.list_(MICROSECONDS)),
        "struct": pa.array([{"at": each, "n": 1} for each in TIMES], pa.struct({"at": MICROSECONDS, "n": pa.int64()})),
        "structs": pa.array([[{"at": each}] for each in TIMES], pa.list_(pa.struct({"at": MICROSECONDS}))),
        "map": pa.array([[("k", each)] for each in TIMES], pa.map_(pa.string(), MICROSECONDS)),
        "maps": pa.array(
            [[[("k", [each])], []] for each in TIMES], pa.list_(pa.map_(pa.string(), pa.list_(MICROSECONDS)))
        ),
    }
    write(
        path,
        nested_times,
        use_deprecated_int96_timestamps=True,
        store_schema=store_schema,
        row_group_size=row_group_size,
    )
    assert values(path, "t") == TIMES
    assert values(path, "list") == [[each, None] for each in TIMES]
    assert values(path, "struct") == [{"at": each, "n": 1} for each in TIMES]
    assert values(path, "structs") == [[{"at": each}] for each in TIMES]
    assert values(path, "map") == [{"k": each} for each in TIMES]
    assert values(path, "maps") == [[{"k": [each]}, {}] for each in TIMES]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "+05:30"])
def test_int96_beside_a_schema_of_arrow(path: Path, unit: str, zone: str | None) -> None:
    """D6: the unit in Arrow's own schema changes nothing; a zone in it makes them instants."""
    moment = naive(2026, 1, 1, 12, 30)
    write(path, {"t": pa.array([moment], pa.timestamp(unit, zone))}, use_deprecated_int96_timestamps=True)
    assert opened(path).schema["t"] == pl.Datetime("us", "UTC" if zone else None)
    assert values(path, "t") == [moment.replace(tzinfo=UTC) if zone else moment]


def test_int96_in_filters(path: Path) -> None:
    """D6: a filter sees the times as they are, whatever the statistics say."""
    write(path, {"t": pa.array(TIMES, MICROSECONDS)}, use_deprecated_int96_timestamps=True, store_schema=False)
    scan = scan_one(opened(path))
    for condition, expected in (
        (pl.col("t") < naive(1000, 1, 1), ["0"]),
        (pl.col("t") > naive(3000, 1, 1), ["5"]),
        (pl.col("t").is_null(), ["2"]),
    ):
        assert engine.collect(scan.filter(condition).select("id"))["id"].to_list() == expected


def test_int96_outside_of_the_years(path: Path) -> None:
    """D6: a time outside the years 1 to 9999 stops what uses its column, and names file and column."""
    days = 1 << 22  # the Julian day of a time in the year 6772, and with one more bit in 18255
    write(path, {"t": pa.array(TIMES, MICROSECONDS)}, use_deprecated_int96_timestamps=True, store_schema=False)
    content = path.read_bytes()
    julian = (2440588 + (naive(2026, 1, 1) - naive(1970, 1, 1)).days).to_bytes(4, "little")
    assert content.count(julian) >= 1
    path.write_bytes(content.replace(julian, (days << 1).to_bytes(4, "little")))
    part = opened(path)
    expected = (
        r"^part-0.parquet: column 't' holds an INT96 timestamp outside the years 1 to 9999, which cannot be read$"
    )
    with pytest.raises(MistakeError, match=expected):
        engine.collect(scan_one(part))
    assert engine.collect(scan_one(part).select("id")).height == len(TIMES)
    read_through(part)  # it is not damaged


def test_many_files_with_int96(tmp_path: Path) -> None:
    """D6: files with INT96 timestamps are one scan, as others are, in their order; of several, the one with a time
    outside the years 1 to 9999 is named. (1,000 such files took seven times the time of others.)
    """
    parts = []
    for number in range(5):
        file, times = tmp_path / f"{number}.parquet", {"t": pa.array(TIMES, MICROSECONDS)}
        write(file, times, use_deprecated_int96_timestamps=True, store_schema=False)
        parts.append(replace(opened(file), name=file.name))
    frame = scan_alike(parts, "path")
    assert frame.explain().count("Parquet SCAN") == 1
    found = engine.collect(frame)
    assert found["t"].to_list() == TIMES * 5
    assert found["path"].to_list() == [str(part.path) for part in parts for _ in TIMES]
    content = parts[3].path.read_bytes()
    julian = (2440588 + (naive(2026, 1, 1) - naive(1970, 1, 1)).days).to_bytes(4, "little")
    parts[3].path.write_bytes(content.replace(julian, (1 << 23).to_bytes(4, "little")))
    with pytest.raises(MistakeError, match=r"^0.parquet, or one of 4 files beside it: column 't' holds"):
        engine.collect(scan_alike(parts))
    with pytest.raises(MistakeError, match=r"^3.parquet: column 't' holds"), blamed(lambda: parts):
        engine.collect(scan_alike(parts))


def test_files_that_are_read_in_different_ways(tmp_path: Path) -> None:
    """D6: files that are read in one scan, alone or by row groups are one frame, in their order, with their paths."""
    parts = []
    for number, zone in enumerate((None, None, "int96", "+05:30", None)):
        file = tmp_path / f"{number}.parquet"
        times = pa.array([ONE.replace(tzinfo=None)], pa.timestamp("us", None if zone == "int96" else zone))
        is_int96 = zone == "int96"
        write(file, {"t": times}, use_deprecated_int96_timestamps=is_int96, store_schema=not is_int96)
        parts.append(opened(file))
    naive_parts = [part for part in parts if part.schema["t"] == pl.Datetime("us")]
    found = engine.collect(scan_alike(naive_parts, "path"))
    assert found.rows() == [("0", ONE.replace(tzinfo=None), str(tmp_path / f"{each}.parquet")) for each in (0, 1, 2, 4)]
    alone = engine.collect(scan_alike([parts[3]], "path"))
    assert alone.rows() == [("0", ONE, str(tmp_path / "3.parquet"))]


# Annotations


def test_uuid_json_and_enum_are_text(path: Path) -> None:
    """D6: UUID, JSON and enum annotations are text, at any depth."""
    write_by_duckdb(
        path,
        f"""SELECT '{SOME_UUID}'::uuid u, '{{"a":1}}'::json j, NULL::uuid n, ['{SOME_UUID}'::uuid, NULL] us,
        {{'u': '{SOME_UUID}'::uuid, 'j': '[]'::json, 'n': 1}} s, map {{'{SOME_UUID}'::uuid: '{{}}'::json}} m,
        'red'::ENUM('red', 'blue') e""",
    )
    assert [values(path, name)[0] for name in ("u", "j", "n", "us", "s", "m", "e")] == [
        str(SOME_UUID),
        '{"a":1}',
        None,
        [str(SOME_UUID), None],
        {"u": str(SOME_UUID), "j": "[]", "n": 1},
        {str(SOME_UUID): "{}"},
        "red",
    ]


@pytest.mark.parametrize("store_schema", [False, True])
def test_arrows_extension_types(path: Path, store_schema: bool) -> None:
    """D6: columns of Arrow's extension types are what they are stored as."""
    write(
        path,
        {
            "json": pa.array(["{}"], pa.json_()),
            "uuid": pa.array([SOME_UUID.bytes], pa.uuid()),
            "flag": pa.array([1], pa.bool8()),
            "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.int32(), "x", "y"), pa.array([1], pa.int32())),
            "date": pa.array([date(2020, 1, 1)], pa.date64()),
        },
        store_schema=store_schema,
    )
    assert [values(path, name)[0] for name in ("json", "uuid", "opaque", "date")] == [
        "{}",
        str(SOME_UUID),
        1,
        date(2020, 1, 1),
    ]
    assert values(path, "flag") == [True if store_schema else 1]


def test_older_annotations_are_text(path: Path) -> None:
    """D6: enum and JSON as older writers annotate them, by Parquet's converted types alone."""
    for converted in (4, 19):
        write(path, {"v": pa.array([b"red"])})
        footers.annotate(path, 2, converted=converted)
        assert values(path, "v") == ["red"]
    write(path, {"v": pa.array([b"\xff"])})
    footers.annotate(path, 2, logical=footers.logical_type(13))  # BSON: bytes
    assert values(path, "v") == [b"\xff"]


# Zones


@pytest.mark.parametrize("zone", ["+05:30", "-03:30", "Z", "+00:00", "UTC+01:00", "GMT+3", "Nowhere/Atall"])
def test_every_zone_is_an_instant(path: Path, zone: str) -> None:
    """D6: fixed offsets, and zones that nobody knows, change no instant, at any depth; a duration stays one."""
    zoned = pa.timestamp("us", zone)
    columns = {
        "t": pa.array([ONE, None], zoned),
        "l": pa.array([[{"t": ONE}], []], pa.list_(pa.struct({"t": zoned}))),
        "d": pa.array([5, None], pa.duration("us")),
    }
    write(path, columns)
    assert values(path, "t") == [ONE, None]
    assert values(path, "l") == [[{"t": ONE}], []]
    assert opened(path).schema["d"] == pl.Duration("us")
    assert opened(path).schema["t"] == pl.Datetime("us", "UTC")


# Columns that cannot be used


def _decimal(path: Path) -> None:
    write(path, {"v": pa.array([Decimal("1.5")], pa.decimal256(50, 2))})


def _by_duckdb(expression: str) -> Callable[[Path], None]:
    return lambda path: write_by_duckdb(path, f"SELECT '0' id, {expression} v")


def _repeated(path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["0"]), pa.array([1]), pa.array([2])], names=["id", "v", "v"])
    pq.write_table(table, path)


def _annotated(logical: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        write(path, {"v": pa.array([1])})
        footers.annotate(path, 2, logical=logical)

    return make


def _deep(path: Path) -> None:
    write(path, {"v": pa.array([1])})
    footers.nest(path, 2, 4000)


def _fields_of_one_name(path: Path) -> None:
    write(path, {"v": pa.array([{"x": 1, "y": 2}])})
    footers.rename(path, 4, b"x")


def _chunk(change: Callable[[Pieces, Pieces], None]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        write(path, {"v": pa.array([1])})
        footers.change_chunks(path, 1, change)

    return make


def _lzo(_chunk: Pieces, metadata: Pieces) -> None:
    metadata[footers.CODEC] = integer(3, I32)


def _encrypted(chunk: Pieces, _metadata: Pieces) -> None:
    chunk[8] = nested(footers.logical_type(1))


def _split(path: Path) -> None:
    options = {"use_dictionary": False, "column_encoding": {"v.list.element": "BYTE_STREAM_SPLIT"}}
    write(path, {"v": pa.array([[b"abcd"]], pa.list_(pa.binary(4)))}, **options)


def _timestamp(path: Path) -> None:
    _annotated(put_together({8: nested(put_together({2: nested(footers.logical_type(4))}))}))(path)


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "interval": (_by_duckdb("INTERVAL 3 DAYS"), "it is an interval, which cannot be read; write it as text, or as"),
    "intervals": (_by_duckdb("[{'i': INTERVAL 3 DAYS}]"), "it is an interval, which cannot be read; write it as text"),
    "variant": (_by_duckdb("1::VARIANT"), "it is a variant, which cannot be read; write it as text (JSON), or as a"),
    "decimal": (_decimal, "it is a decimal of 50 digits, and at most 38 can be read; write it as text, or as DECIMAL"),
    "repeated name": (_repeated, "2 columns of the file have this name; rename all but one"),
    "fields of one name": (_fields_of_one_name, "two fields inside have the name 'x'; rename one"),
    "4,000 levels": (_deep, "it is nested 4,000 levels deep, and at most 64 can be read; write it as text (JSON)"),
    "geometry": (_annotated(footers.logical_type(17)), "it is a geometry, which cannot be read; write it as text"),
    "unknown annotation": (_annotated(footers.logical_type(99)), "its logical type (99) is unknown; write it as text"),
    "unknown unit": (_timestamp, "it is a timestamp in a unit that is unknown; write it in microseconds"),
    "LZO": (_chunk(_lzo), "it is compressed with LZO, which cannot be read; compress it with Snappy, Zstandard or"),
    "encrypted": (_chunk(_encrypted), "it is encrypted, and encrypted columns cannot be read; write it without"),
    "encoding": (_split, "it holds bytes of fixed length in the encoding BYTE_STREAM_SPLIT, which cannot be read"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_read_stops_nothing_else(path: Path, name: str) -> None:
    """D6: a column that cannot be used is told by name and type, and every other column is read."""
    make, reason = UNUSABLE[name]
    make(path)
    part = opened(path)
    assert list(part.unusable) == ["v"]
    assert part.unusable["v"].startswith(reason)
    assert list(part.schema) == ["id"]
    assert values(path, "id") == ["0"]


def test_a_name_that_is_no_text(path: Path) -> None:
    """D6: a name that is not UTF-8 stops its column alone."""
    write(path, {"v": [1]})
    footers.rename(path, 2, b"\xff")
    assert opened(path).unusable == {"\ufffd": "its name, or that of a field inside, is not UTF-8; rename it"}
    assert values(path, "id") == ["0"]


def test_64_levels_are_read(path: Path) -> None:
    """D6: 64 levels of nesting are read, 65 are not."""
    for levels in (64, 65):
        dtype, value = pa.int64(), 1
        for number in range(levels):
            dtype, value = (pa.struct({"a": dtype}), {"a": value}) if number % 2 else (pa.list_(dtype), [value])  # type: ignore[assignment,dict-item,list-item]
        write(path, {"v": pa.array([value], dtype)})
        if levels == 64:
            assert values(path, "v") == [value]
    assert opened(path).unusable["v"].startswith("it is nested 65 levels deep")


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_encodings_of_version_2(path: Path, encoding: str, version: str) -> None:
    """D6: decimals, UUIDs and bytes in encodings that Polars does not decode are what they say."""
    numbers = [Decimal(f"{number}12345678901234567890.25") for number in range(99)]
    columns = {
        "d": pa.array([*numbers, None], pa.decimal128(38, 2)),
        "u": pa.array([*[SOME_UUID.bytes] * 99, None], pa.uuid()),
        "b": pa.array([*[b"abcd"] * 99, None], pa.binary(4)),
        "n": pa.array([*range(99), None]),
    }
    encodings = dict.fromkeys(("d", "u", "b"), encoding)
    write(
        path,
        columns,
        use_dictionary=False,
        column_encoding=encodings,
        data_page_version=version,
        row_group_size=30,
        store_schema=False,
    )
    assert values(path, "d") == [*numbers, None]
    assert values(path, "u") == [*[str(SOME_UUID)] * 99, None]
    assert values(path, "b") == [*[b"abcd"] * 99, None]
    assert values(path, "n") == [*range(99), None]
    wanted = scan_one(opened(path)).filter(pl.col("d") > numbers[97]).select("n", "d").head(1)
    assert engine.collect(wanted).rows() == [(98, numbers[98])]


# Row groups, and the edges of views


def test_views_keep_the_order_of_rows(path: Path) -> None:
    """D6: a file that is read by row groups gives its rows in order, all, the first few, or those of a filter."""
    count = 10_000
    columns = {"n": pa.array(range(count)), "z": pa.array([ONE] * count, pa.timestamp("us", "+05:30"))}
    write(path, columns, row_group_size=999)
    part = opened(path)
    scan = scan_one(part)
    assert part.reading.view
    assert engine.collect(scan)["n"].to_list() == list(range(count))
    assert engine.collect(scan.head(1500).select(pl.col("n").max())).item() == 1499
    assert engine.collect(scan.slice(1500, 2).select("n"))["n"].to_list() == [1500, 1501]
    assert engine.collect(scan.select(pl.len())).item() == count
    assert engine.collect(scan.with_row_index("row").select("row").tail(1)).item() == count - 1
    late = scan.filter(pl.col("n").map_batches(lambda n: n >= count - 2, return_dtype=pl.Boolean, is_elementwise=True))
    assert engine.collect(late.select("id"))["id"].to_list() == ["9998", "9999"]


def test_views_of_many_row_groups_and_columns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D6: a column that cannot be used costs no row group a look at all columns: a footer is taken apart once, whatever
    is read of the file and how often. (Of 2,000 columns in 100 row groups each scan took 20 seconds.)
    """
    names = [f"c{number}" for number in range(30)]
    table = pa.table([pa.array(range(40))] * 31, names=[*names, "c5"])
    pq.write_table(table, path, row_group_size=2)
    part = read_part(path, "part-0")
    asked: list[int] = []
    known, schemas = footer.elements_inside, views.changed_schema
    monkeypatch.setattr(footer, "elements_inside", lambda *given: asked.append(1) or known(*given))
    monkeypatch.setattr(views, "changed_schema", lambda *given: asked.append(2) or schemas(*given))
    for _ in range(2):
        found = engine.collect(scan_one(part).select("c7", "c3"))
        assert found.to_dict(as_series=False) == {"c7": [*range(40)], "c3": [*range(40)]}
    assert sorted(asked) == [1, 2, 2]  # the schema of Arrow once for each scan


@pytest.mark.parametrize("rows", [0, 1])
def test_files_without_rows_groups_or_columns(path: Path, rows: int) -> None:
    """D5: zero rows, no row group, no column; a column without values has no type to disagree with."""
    write_by_duckdb(path, f"SELECT '0' id, INTERVAL 1 DAY v, NULL::INTEGER n LIMIT {rows}")
    part = opened(path)
    assert (part.rows, values(path, "id")) == (rows, ["0"] * rows)
    assert part.without_values == (frozenset({"n"}) if rows else frozenset({"id", "v", "n"}))
    pq.write_table(pa.table({"id": ["a"]}).select([]), path)
    assert (opened(path).schema, opened(path).rows) == (pl.Schema(), 0)


def test_columns_without_values(path: Path) -> None:
    """D5: only columns that are surely null in every row count as without values."""
    columns = {
        "nulls": pa.nulls(3, pa.int64()),
        "later": pa.array([None, None, 1]),
        "lists": pa.array([[None], [], None], pa.list_(pa.int64())),
        "null": pa.nulls(3),
    }
    write(path, columns, row_group_size=2)
    assert opened(path).without_values == {"nulls", "null"}
    write(path, columns, write_statistics=False)
    assert opened(path).without_values == {"null"}  # of Parquet's type for nothing


def test_microseconds_that_do_not_fit_nanoseconds(path: Path) -> None:
    """D6: a time of the year 9999 in microseconds stays it, also where Arrow's own schema speaks of nanoseconds."""
    write(path, {"t": pa.array(TIMES, MICROSECONDS)})
    nanoseconds = pa.schema({"id": pa.string(), "t": pa.timestamp("ns")})
    table = pq.read_table(path)
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.add_key_value_metadata({"ARROW:schema": _in_base64(nanoseconds)})
        writer.write_table(table)
    assert pq.ParquetFile(path).metadata.metadata[b"ARROW:schema"] == _in_base64(nanoseconds).encode()
    assert values(path, "t") == TIMES


def _in_base64(schema: pa.Schema) -> str:
    return b64encode(schema.serialize().to_pybytes()).decode()


# Damage


@pytest.mark.parametrize("zone", [None, "+05:30"])
def test_damage_is_named_in_views_too(path: Path, zone: str | None) -> None:
    """SPEC 10: pages that cannot be decoded are damage, whoever reads them; the file is named."""
    columns = {"v": pa.array(["x" * 100 + str(number) for number in range(1000)])}
    columns["t"] = pa.array([ONE] * 1000, pa.timestamp("us", zone))
    write(path, columns, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    middle = content.index(b"\x28\xb5\x2f\xfd") + 40  # in the first page
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    part = opened(path)
    assert (part.reading.view is not None) == bool(zone)
    expected = r"^part-0.parquet: cannot be read as Parquet: it is damaged"
    with pytest.raises(DataError, match=expected), blamed(lambda: [part]):
        engine.collect(scan_one(part))


def test_a_file_that_was_shortened(path: Path) -> None:
    """D2: a file that is shortened while it is read by row groups ends no process."""
    write(path, {"t": pa.array([ONE] * 1000, pa.timestamp("us", "+05:30"))})
    part = opened(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(engine.ReadError):
        engine.collect(scan_one(part))


def test_footers_that_lie(path: Path) -> None:
    """SPEC 10: more rows than the row groups have, or a sorted column that there is not, is a damaged footer."""
    for number in (3, 4):
        write(path, {"v": [1]})
        footers.change_footer(path, _lie if number == 3 else _sorted)
        with pytest.raises(DataError, match="its footer is damaged; write the file again"):
            opened(path)


def _lie(footer: Pieces) -> None:
    footer[3] = integer(1_000_000, I64)


def _sorted(footer: Pieces) -> None:
    (group,) = elements(footer[footers.GROUPS])
    column = put_together({1: integer(7, I32)})
    footer[footers.GROUPS] = structs([put_together(taken_apart(group) | {4: structs([column])})])


def test_text_that_is_not_utf8(path: Path) -> None:
    """SPEC 10: text in another encoding is no damage of the file: it is told by its column."""
    write(path, {"v": pa.array([b"Z\xfcrich"])})
    footers.annotate(path, 2, logical=footers.logical_type(1))
    part = opened(path)
    expected = r"^part-0.parquet: column 'v' cannot be read: it holds text that is not UTF-8"
    with pytest.raises(DataError, match=expected), blamed(lambda: [part]):
        engine.collect(scan_one(part))
    assert engine.collect(scan_one(part).select("id"))["id"].to_list() == ["0"]


def test_every_annotation_on_every_type(path: Path) -> None:
    """D6: whatever annotation stands on whatever type, a column is read or told, and no other column suffers."""
    stored = [
        pa.array([True, None]),
        pa.array([5, None], pa.int32()),
        pa.array([5, None], pa.int64()),
        pa.array([1.5, None], pa.float32()),
        pa.array([1.5, None], pa.float64()),
        pa.array([b"12", None]),
        *(pa.array([b"a" * size, None], pa.binary(size)) for size in (2, 12, 16, 20)),
    ]
    older = [{footers.CONVERTED: integer(number, I32), 7: integer(2, I32), 8: integer(9, I32)} for number in range(23)]
    newer = [{footers.LOGICAL: nested(footers.logical_type(number))} for number in range(1, 20)]
    units = [nested(put_together({2: nested(footers.logical_type(unit))})) for unit in range(1, 5)]
    newer += [{footers.LOGICAL: nested(put_together({kind: unit}))} for kind in (7, 8) for unit in units]
    pairs = [(values, annotation) for values in stored for annotation in older + newer]
    write(path, {f"c{number}": values for number, (values, _) in enumerate(pairs)}, store_schema=False)

    def annotate(footer: Pieces) -> None:
        schema = elements(footer[footers.SCHEMA])
        for number, (_, annotation) in enumerate(pairs):
            plain = {key: piece for key, piece in taken_apart(schema[number + 2]).items() if key < footers.CONVERTED}
            schema[number + 2] = put_together(plain | annotation)
        footer[footers.SCHEMA] = structs(schema)

    footers.change_footer(path, annotate)
    part = opened(path)
    assert {*part.schema, *part.unusable} == {"id", *(f"c{number}" for number in range(len(pairs)))}
    assert len(part.schema) == 31
    assert engine.collect(scan_one(part)).schema == part.schema
