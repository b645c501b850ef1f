"""M7: the text of typed values, alone and inside JSON."""

import base64
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from muster.activation.errors import ExportError
from muster.activation.values.text import csv_text, json_text

MILLISECOND = 1000
SECOND = 1_000_000


def texts(function: Any, values: list[Any] | pl.Series, dtype: Any) -> list[str | None]:
    """The values of one column as text, by the streaming engine."""
    frame = pl.DataFrame({"v": pl.Series(values, dtype=dtype)})
    result = frame.lazy().select(function(pl.col("v"), frame.schema["v"])).collect(engine="streaming").to_series()
    assert result.dtype == pl.String
    return result.to_list()


def physical(values: list[int], dtype: Any) -> pl.Series:
    return pl.Series(values, dtype=pl.Int64).cast(dtype)


CSV_CASES: dict[str, tuple[Any, list[tuple[Any, str | None]]]] = {
    "text": (pl.String, [("", ""), ("Zoë 😀 שלום", "Zoë 😀 שלום"), ('a,"b"\r\n', 'a,"b"\r\n'), (None, None)]),
    "booleans": (pl.Boolean, [(True, "true"), (False, "false"), (None, None)]),
    "8 bits": (pl.Int8, [(-128, "-128"), (127, "127")]),
    "unsigned 64 bits": (pl.UInt64, [(0, "0"), (2**64 - 1, "18446744073709551615")]),
    "64 bits": (pl.Int64, [(-(2**63), "-9223372036854775808"), (2**63 - 1, "9223372036854775807"), (None, None)]),
    "128 bits": (
        pl.Int128,
        [
            (-(2**127), "-170141183460469231731687303715884105728"),
            (2**127 - 1, "170141183460469231731687303715884105727"),
        ],
    ),
    "unsigned 128 bits": (pl.UInt128, [(2**128 - 1, "340282366920938463463374607431768211455")]),
    "dates": (
        pl.Date,
        [
            (date(1, 1, 1), "0001-01-01"),
            (date(2024, 2, 29), "2024-02-29"),
            (date(9999, 12, 31), "9999-12-31"),
            (None, None),
        ],
    ),
    "times": (
        pl.Time,
        [(time(0), "00:00:00"), (time(23, 59, 59, 500_000), "23:59:59.500"), (time(1, 2, 3, 4), "01:02:03.000004")],
    ),
    "decimals": (
        pl.Decimal(38, 3),
        [(Decimal("1.100"), "1.100"), (Decimal("-0.005"), "-0.005"), (Decimal("9" * 35), "9" * 35 + ".000")],
    ),
    "whole decimals": (pl.Decimal(38, 0), [(Decimal(10) ** 37, "1" + "0" * 37)]),
    "binary": (pl.Binary, [(b"", ""), (b"\x00\xff", "AP8="), (None, None)]),
    "categories": (pl.Categorical, [("b", "b"), ("", ""), (None, None)]),
    "enums": (pl.Enum(["z", "a"]), [("a", "a"), ("z", "z"), (None, None)]),
    "nothing": (pl.Null, [(None, None)]),
    "lists": (pl.List(pl.Int8), [([1, None], "[1,null]"), ([], "[]"), ([None], "[null]"), (None, None)]),
    "arrays": (pl.Array(pl.String, 2), [(["a", None], '["a",null]'), (None, None)]),
    "structs": (pl.Struct({"b": pl.Int8, "a": pl.Boolean}), [({"a": True, "b": 1}, '{"b":1,"a":true}'), (None, None)]),
    "maps": (pl.Map(pl.String, pl.Int8), [({"y": 1, "x": None}, '{"y":1,"x":null}'), ({}, "{}"), (None, None)]),
}


@pytest.mark.parametrize("case", CSV_CASES)
def test_csv_text(case: str) -> None:
    """M7: every type has one text; null stays null."""
    dtype, pairs = CSV_CASES[case]
    assert texts(csv_text, [value for value, _ in pairs], dtype) == [text for _, text in pairs]


@pytest.mark.parametrize(
    ("dtype", "pairs"),
    [
        (
            pl.Float64,
            [(0.1, "0.1"), (-0.0, "-0.0"), (1.0, "1.0"), (1e16, "1e+16"), (1.5e-7, "1.5e-7"), (5e-324, "5e-324")],
        ),
        (
            pl.Float64,
            [
                (1.7976931348623157e308, "1.7976931348623157e+308"),
                (1 / 3, "0.3333333333333333"),
                (2.0**53, "9007199254740992.0"),
            ],
        ),
        (
            pl.Float32,
            [(0.1, "0.1"), (1e16, "1e+16"), (3.4028234663852886e38, "3.4028235e+38"), (16777216.0, "16777216.0")],
        ),
        (
            pl.Float16,
            [(0.1, "0.1"), (1 / 3, "0.3333"), (65504.0, "65500.0"), (6e-8, "6e-8"), (-0.0, "-0.0"), (2048.0, "2048.0")],
        ),
    ],
)
def test_floats_are_the_shortest_text_that_reads_back(dtype: Any, pairs: list[tuple[float, str]]) -> None:
    """M7: floats shortest round-trip, each size in its own precision."""
    assert texts(csv_text, [value for value, _ in pairs], dtype) == [text for _, text in pairs]
    assert texts(json_text, [[value] for value, _ in pairs], pl.List(dtype)) == [f"[{text}]" for _, text in pairs]


@pytest.mark.parametrize("dtype", [pl.Float16, pl.Float32, pl.Float64])
def test_no_number_is_null(dtype: Any) -> None:
    """M7: NaN and infinities null, inside JSON too."""
    values = [math.nan, math.inf, -math.inf, None]
    assert texts(csv_text, values, dtype) == [None] * 4
    assert texts(json_text, values, dtype) == ["null"] * 4
    assert texts(json_text, [values], pl.List(dtype)) == ["[null,null,null,null]"]


MOMENTS = [
    (0, "1970-01-01T00:00:00Z"),
    (5 * MILLISECOND, "1970-01-01T00:00:00.005Z"),
    (-MILLISECOND, "1969-12-31T23:59:59.999Z"),
    (500 * MILLISECOND, "1970-01-01T00:00:00.500Z"),
    (-62_135_596_800 * SECOND, "0001-01-01T00:00:00Z"),
    (253_402_300_799_999 * MILLISECOND, "9999-12-31T23:59:59.999Z"),
    (253_402_300_800_000 * MILLISECOND, "+10000-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize("unit", ["ms", "us"])
def test_timestamps(unit: Literal["ms", "us"], zone: str | None) -> None:
    """M7: timestamps ISO 8601 in UTC with Z, per value 0, 3 or 6 sub-second digits; naive is UTC, zoned is
    converted.
    """
    moments = (
        MOMENTS if unit == "ms" else [*MOMENTS, (5, "1970-01-01T00:00:00.000005Z"), (-1, "1969-12-31T23:59:59.999999Z")]
    )
    column = physical(
        [micros // (MILLISECOND if unit == "ms" else 1) for micros, _ in moments], pl.Datetime(unit, zone)
    )
    assert texts(csv_text, column, column.dtype) == [text for _, text in moments]


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_nanoseconds_are_cut(zone: str | None) -> None:
    """M7: at most 6 sub-second digits; finer ones are cut off, before 1970 too."""
    column = physical([1, 999, 1_001, -1, -1_000_000_001], pl.Datetime("ns", zone))
    assert texts(csv_text, column, column.dtype) == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:58.999999Z",
    ]
    clock = physical([999, 1_500, 86_399_999_999_999], pl.Time)
    assert texts(csv_text, clock, pl.Time) == ["00:00:00", "00:00:00.000001", "23:59:59.999999"]


def test_zoned_timestamps_are_instants() -> None:
    """M7: a zoned timestamp is written in UTC, either side of a clock change."""
    moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    berlin = pl.Series(moments).dt.convert_time_zone("Europe/Berlin")
    assert texts(csv_text, berlin, berlin.dtype) == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]


@pytest.mark.parametrize(
    ("dtype", "extremes", "last"),
    [
        (pl.Date, [-(2**31), 2**31 - 1, -96_465_293, 95_026_237], (95_026_236, "+262142-12-31")),
        (
            pl.Datetime("ms"),
            [-(2**63), 2**63 - 1, 8_210_266_876_800_000],
            (8_210_266_876_799_999, "+262142-12-31T23:59:59.999Z"),
        ),
        (pl.Datetime("us", "UTC"), [-(2**63), 2**63 - 1], (-8_334_601_228_800_000_000, "-262143-01-01T00:00:00Z")),
    ],
)
def test_years_that_cannot_be_printed_are_null(dtype: Any, extremes: list[int], last: tuple[int, str]) -> None:
    """M7, 10: a date or timestamp beyond what Polars prints is null, and no panic."""
    column = pl.Series([*extremes, last[0]], dtype=pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)
    assert texts(csv_text, column, dtype) == [None] * len(extremes) + [last[1]]


@pytest.mark.parametrize(
    ("unit", "pairs"),
    [
        (
            "ms",
            [(0, "PT0S"), (90_061_500, "P1DT1H1M1.5S"), (-1, "-PT0.001S"), (-(2**63), "-P106751991167DT7H12M55.808S")],
        ),
        (
            "us",
            [
                (93_600_000_005, "P1DT2H0.000005S"),
                (-86_400_000_005, "-P1DT0.000005S"),
                (-(2**63), "-P106751991DT4H54.775808S"),
            ],
        ),
        ("ns", [(86_400_000_000_000, "P1D"), (1, "PT0.000000001S"), (2**63 - 1, "P106751DT23H47M16.854775807S")]),
        ("ns", [(-(2**63), "-P106751DT23H47M16.854775808S")]),
    ],
)
def test_durations(unit: Literal["ms", "us", "ns"], pairs: list[tuple[int, str]]) -> None:
    """M7: durations ISO 8601, exact, one sign in front."""
    column = physical([value for value, _ in pairs], pl.Duration(unit))
    assert texts(csv_text, column, column.dtype) == [text for _, text in pairs]


MONEY = pl.Decimal(10, 2)

JSON_CASES: dict[str, tuple[Any, list[tuple[Any, str]]]] = {
    "text": (
        pl.String,
        [
            ('"\\/\b\f\n\r\t', '"\\"\\\\/\\b\\f\\n\\r\\t"'),
            ("\x00\x1f", '"\\u0000\\u001f"'),
            ("é😀\u2028", '"é😀\u2028"'),
            (None, "null"),
        ],
    ),
    "integers": (pl.UInt64, [(2**64 - 1, "18446744073709551615"), (None, "null")]),
    "wide integers": (pl.List(pl.Int128), [([-(2**127)], "[-170141183460469231731687303715884105728]")]),
    "booleans": (pl.Boolean, [(True, "true"), (False, "false"), (None, "null")]),
    "decimals": (MONEY, [(Decimal("1.10"), "1.10"), (Decimal("-0.05"), "-0.05"), (None, "null")]),
    "timestamps": (
        pl.Datetime("us", "UTC"),
        [(datetime(2026, 11, 21, 17, tzinfo=UTC), '"2026-11-21T17:00:00Z"'), (None, "null")],
    ),
    "binary": (pl.Binary, [(b"\x00\xff", '"AP8="'), (None, "null")]),
    "nothing": (pl.List(pl.Null), [([None], "[null]"), ([], "[]"), (None, "null")]),
    "categories": (pl.List(pl.Categorical), [(['a"', None], '["a\\"",null]')]),
    "list": (pl.List(pl.Date), [([date(2026, 1, 2), None], '["2026-01-02",null]'), ([], "[]"), (None, "null")]),
    "list of lists": (
        pl.List(pl.List(pl.Time)),
        [([[time(1)], [], None], '[["01:00:00"],[],null]'), ([], "[]"), (None, "null")],
    ),
    "list of decimals": (
        pl.List(pl.List(MONEY)),
        [([[Decimal(1)], [None], [], None], "[[1.00],[null],[],null]"), ([], "[]"), (None, "null")],
    ),
    "array": (pl.Array(pl.Date, 2), [([date(2026, 1, 2), None], '["2026-01-02",null]'), (None, "null")]),
    "array of arrays": (pl.Array(MONEY, (2, 1)), [([[Decimal(1)], [None]], "[[1.00],[null]]"), (None, "null")]),
    "empty array": (pl.Array(pl.Date, 0), [([], "[]"), (None, "null")]),
    "struct": (pl.Struct({"b": pl.Date, "a": pl.Int8}), [({"a": 1, "b": None}, '{"b":null,"a":1}'), (None, "null")]),
    "struct of nulls": (pl.Struct({"a": pl.Date}), [({"a": None}, '{"a":null}'), (None, "null")]),
    "struct with names": (
        pl.Struct({"*": pl.Date, "^a$": pl.Date, 'q"\\\n': pl.Int8, "": pl.Int8}),
        [
            (
                {"*": date(2026, 1, 2), "^a$": None, 'q"\\\n': 1, "": 2},
                '{"*":"2026-01-02","^a$":null,"q\\"\\\\\\n":1,"":2}',
            )
        ],
    ),
    "struct with decimals": (
        pl.Struct({"*": MONEY, 'q"é': pl.String}),
        [({"*": Decimal(1), 'q"é': '"é'}, '{"*":1.00,"q\\"é":"\\"é"}'), (None, "null")],
    ),
    "empty struct": (pl.Struct({}), [({}, "{}"), (None, "null")]),
    "list of structs": (
        pl.List(pl.Struct({"a": pl.Binary})),
        [([{"a": b"x"}, None, {"a": None}], '[{"a":"eA=="},null,{"a":null}]'), ([], "[]")],
    ),
    "list of decimal structs": (
        pl.List(pl.Struct({"a": MONEY})),
        [([{"a": Decimal(2)}, None], '[{"a":2.00},null]'), ([], "[]"), (None, "null")],
    ),
    "struct of lists": (
        pl.Struct({"a": pl.List(pl.Date)}),
        [({"a": []}, '{"a":[]}'), ({"a": None}, '{"a":null}'), (None, "null")],
    ),
    "map": (
        pl.Map(pl.String, pl.Date),
        [({'k"': date(2026, 1, 2), "a": None}, '{"k\\"":"2026-01-02","a":null}'), ({}, "{}"), (None, "null")],
    ),
    "map of decimals": (
        pl.Map(pl.String, MONEY),
        [({'k"': Decimal(1), "a": None}, '{"k\\"":1.00,"a":null}'), ({}, "{}"), (None, "null")],
    ),
    "map by number": (pl.Map(pl.Int8, pl.Int8), [({2: 1, -1: None}, '{"2":1,"-1":null}'), ({}, "{}"), (None, "null")]),
    "map by date": (pl.Map(pl.Date, MONEY), [({date(2026, 1, 2): Decimal(1)}, '{"2026-01-02":1.00}')]),
    "map by float": (pl.Map(pl.Float64, pl.Int8), [({1.5: 1, math.nan: 2}, '{"1.5":1,"null":2}')]),
    "list of maps": (pl.List(pl.Map(pl.Int8, MONEY)), [([{1: Decimal(1)}, {}, None], '[{"1":1.00},{},null]')]),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_json_text(case: str) -> None:
    """M7: JSON has real booleans, numbers, nulls, arrays and objects, compact, and strings in CSV's forms."""
    dtype, pairs = JSON_CASES[case]
    assert texts(json_text, [value for value, _ in pairs], dtype) == [text for _, text in pairs]


@pytest.mark.parametrize("case", JSON_CASES)
def test_no_rows_give_no_text(case: str) -> None:
    """M7, F5: a column without rows, or with nulls only, is no error."""
    dtype, _ = JSON_CASES[case]
    assert texts(json_text, [], dtype) == []
    assert texts(json_text, [None, None], dtype) == ["null", "null"]
    assert texts(csv_text, [], dtype) == []
    assert texts(csv_text, [None, None], dtype) == [None, None]


def test_parts_of_a_column_are_read_from_their_own_rows() -> None:
    """M7: a slice of a nested column gives the texts of its own rows."""
    frame = pl.DataFrame(
        {"v": pl.Series([[{"a": Decimal(n)}] * n for n in range(6)], dtype=pl.List(pl.Struct({"a": MONEY})))}
    )
    assert frame[3:5].select(json_text(pl.col("v"), frame.schema["v"])).to_series().to_list() == [
        '[{"a":3.00},{"a":3.00},{"a":3.00}]',
        '[{"a":4.00},{"a":4.00},{"a":4.00},{"a":4.00}]',
    ]


def test_extension_types_are_their_stored_values() -> None:
    """M7: a value of an extension type has the text of what it stores, inside nested values too."""
    money = pl.Series([Decimal("1.50"), None], dtype=MONEY).ext.to(pl.Extension("x.money", MONEY))
    assert texts(csv_text, money, money.dtype) == ["1.50", None]
    inside = pl.DataFrame({"m": money}).to_struct("v")
    assert texts(json_text, inside, inside.dtype) == ['{"m":1.50}', '{"m":null}']
    days = pl.Series([[date(2026, 1, 2)]]).ext.to(pl.Extension("x.days", pl.List(pl.Date)))
    assert texts(csv_text, days, days.dtype) == ['["2026-01-02"]']


def test_a_type_without_text_is_named() -> None:
    """10: a value that no text can stand for is an error that names its type."""
    with pytest.raises(ExportError, match="Object"):
        csv_text(pl.col("v"), pl.Object())
    with pytest.raises(ExportError, match="Object"):
        json_text(pl.col("v"), pl.List(pl.Object()))


# A random type with a strategy for its values.
Typed = tuple[Any, st.SearchStrategy[Any]]

SCALARS: list[Typed] = [
    (pl.String, st.text(max_size=6)),
    (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
    (pl.Boolean, st.booleans()),
    (pl.Float64, st.floats()),
    (pl.Date, st.dates()),
    (pl.Datetime("us"), st.datetimes()),
    (pl.Time, st.times()),
    (pl.Duration("us"), st.timedeltas(timedelta(days=-100_000), timedelta(days=100_000))),
    (pl.Binary, st.binary(max_size=5)),
    (pl.Decimal(20, 3), st.decimals(-(10**12), 10**12, places=3)),
]
NAMES = st.lists(st.sampled_from(["a", "b", "*", "^a$", 'q"\\', "é", ""]), min_size=1, max_size=3, unique=True)


def nested(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Lists, arrays, maps and structs of ``inner``."""
    lists = inner.map(lambda typed: (pl.List(typed[0]), st.lists(optional(typed[1]), max_size=3)))
    arrays = inner.map(lambda typed: (pl.Array(typed[0], 2), st.lists(optional(typed[1]), min_size=2, max_size=2)))
    maps = inner.map(
        lambda typed: (
            pl.Map(pl.String, typed[0]),
            st.dictionaries(st.text(max_size=3), optional(typed[1]), max_size=3),
        )
    )
    structs = NAMES.flatmap(lambda names: st.tuples(*([inner] * len(names))).map(lambda parts: struct(names, parts)))
    return st.one_of(lists, arrays, maps, structs)


def struct(names: list[str], parts: tuple[Typed, ...]) -> Typed:
    fields = dict(zip(names, parts, strict=True))
    dtype = pl.Struct({name: typed[0] for name, typed in fields.items()})
    # A dictionary in the type's order, which JSON keeps: Hypothesis' fixed_dictionaries would shuffle it.
    return dtype, st.tuples(*(optional(typed[1]) for _, typed in fields.items())).map(
        lambda values: dict(zip(names, values, strict=True))
    )


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


TYPED = st.recursive(st.sampled_from(SCALARS), nested, max_leaves=4)


def iso_duration(value: timedelta) -> str:
    micros = abs(value) // timedelta(microseconds=1)
    seconds, fraction = divmod(micros, SECOND)
    minutes, second = divmod(seconds % 86_400, 60)
    days, (hour, minute) = seconds // 86_400, divmod(minutes, 60)
    tail = f"{second}.{fraction:06d}".rstrip("0").rstrip(".") if fraction else str(second)
    clock = "".join(f"{part}{unit}" for part, unit in ((hour, "H"), (minute, "M"), (tail, "S")) if part not in (0, "0"))
    text = "P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return ("-" if value < timedelta() else "") + (text if text != "P" else "PT0S")


def clock_text(value: datetime | time) -> str:
    digits = "seconds" if not value.microsecond else "milliseconds" if value.microsecond % 1000 == 0 else "microseconds"
    return value.isoformat(timespec=digits)


JSON_FORMS: dict[type, Any] = {
    float: lambda value: value if math.isfinite(value) else None,
    datetime: lambda value: clock_text(value) + "Z",
    date: date.isoformat,
    time: clock_text,
    timedelta: iso_duration,
    bytes: lambda value: base64.b64encode(value).decode(),
    Decimal: lambda value: ("number", f"{value:.3f}"),
    list: lambda value: [in_json(part) for part in value],
    dict: lambda value: [(key, in_json(part)) for key, part in value.items()],
}


def in_json(value: Any) -> Any:
    """What a JSON reader must find for a Python value: a plain second implementation of M7."""
    return JSON_FORMS.get(type(value), lambda same: same)(value)


def has_decimal(dtype: Any) -> bool:
    return "Decimal" in repr(dtype)


def read_json(text: str, *, decimals: bool) -> Any:
    """Objects as pairs in their order; decimals by their digits."""
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: pairs,
        parse_float=(lambda digits: ("number", digits)) if decimals else float,
    )


def same(found: Any, expected: Any) -> bool:
    """Equal, a float in a frame with decimals being read by its digits."""
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, tuple) and expected[:1] != ("number",):
        return bool(found[0] == expected[0]) and same(found[1], expected[1])
    if isinstance(expected, float) and isinstance(found, tuple):
        return float(found[1]) == expected
    return bool(found == expected) and type(found) is type(expected)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_json_reads_back(data: st.DataObject) -> None:
    """M7: a JSON reader finds every value of every nested type again, decimals digit by digit."""
    dtype, values = data.draw(TYPED)
    column = data.draw(st.lists(optional(values), max_size=4))
    try:
        pl.Series(column, dtype=dtype)
    except pl.exceptions.PanicException:  # Polars cannot make some maps in arrays in structs from Python's values
        reject()
    for value, text in zip(column, texts(json_text, column, dtype), strict=True):
        assert text is not None
        expected = in_json(value)
        assert same(read_json(text, decimals=has_decimal(dtype)), expected), (text, expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_read_back(values: list[float]) -> None:
    """M7: a float's text reads back as the same float, with no digit more than Python's own shortest text."""
    found = texts(csv_text, values, pl.Float64)
    assert [math.copysign(1, float(text or "")) * abs(float(text or "")) for text in found] == values
    assert [Decimal(text or "").normalize() for text in found] == [Decimal(repr(value)).normalize() for value in values]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), min_size=1))
def test_half_floats_read_back(values: list[float]) -> None:
    """M7: a half-precision float's text, read as such, is the same float."""
    found = texts(csv_text, values, pl.Float16)
    read = pl.Series([float(text or "") for text in found], dtype=pl.Float64).cast(pl.Float16)
    assert read.to_list() == values
