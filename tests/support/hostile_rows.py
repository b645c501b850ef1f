"""People with values that CSV and JSON files are known to fail at, and how each value stands in a file (M7).

The texts are written out by hand: they are what the contract says, not what a program made of the values.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

LONG = "long " * 27_000  # more than the 131,072 characters that Python's csv takes unless it is told

TEXTS: tuple[str, ...] = (
    "",
    *('"', '""', 'say "hi"', '"quoted"', '"', "'", "it's", "''"),
    *(",", ";", "\t", "|", "||", "~|~", "a,b;c\td|e", ",,", '","'),
    *("\n", "\r", "\r\n", "a\nb\r\nc\rd", "\n\n", "ends\n", "\rbegins"),
    *(" ", "  before", "after  ", "\tbefore", "after\t"),
    *("NULL", "null", "Null", "\\N", "NaN", "nan", "NA", "N/A", "#N/A", "None", "-", "nil", "undefined"),
    *("007", "7.0", "1e5", "0x1F", "1_000", "+49 170 1234567", "true", "2026-11-20", "=1+1", "@x", "#x", "--x"),
    *("\\", "\\\\", "C:\\dir\\", '\\"', "\\,", "\\n", "a\\\nb", "\\."),
    *(
        "Ünal",
        "e\u0301",
        "佐藤",
        "😀",
        "👩‍👩‍👧",
        "مرحبا",
        "\u00a0x\u00a0",
        "\u2028",
        "\u2029",
        "x\ufeffy",
        "\ufffd",
        "\U0010fffd",
    ),
    *("\x01", "\x0b\x0c", "\x1a", "\x1c\x1e", "\x7f", "\x85", "\b"),
    *("<a href='x'>&amp;</a>", "$HOME `x` %s {x}", LONG),
)


@dataclass(frozen=True)
class Kind:
    """A column: its type, some values, and the text of each in a CSV file.

    ``json`` is what a JSON file has of a value; without it, the text.
    """

    name: str
    dtype: Any
    values: Sequence[tuple[Any, str]]
    is_json: bool = False  # numbers, booleans, lists and structs are JSON as they are

    def pair(self, row: int) -> tuple[Any, str | None]:
        """The value and the text of a row; every so often nothing."""
        return (*self.values, (None, None))[row % (len(self.values) + 1)]


def _kinds() -> tuple[Kind, ...]:
    naive, instant = pl.Datetime("us"), pl.Datetime("us", "UTC")
    thing = pl.Struct({"name": pl.String, "count": pl.Int64})
    return (
        Kind("text", pl.String, [(text, text) for text in TEXTS]),
        Kind("whole", pl.Int64, [(n, str(n)) for n in (0, -1, 2**53 + 1, 2**63 - 1, -(2**63))], is_json=True),
        Kind(
            "amount",
            pl.Decimal(30, 4),
            [
                (Decimal(text), text)
                for text in ("0.0000", "-0.0001", "12345678901234567890123456.7891", "1.5000", "100.0000")
            ],
            is_json=True,
        ),
        Kind(
            "score",
            pl.Float64,
            [(0.1, "0.1"), (-1e300, "-1e+300"), (5e-324, "5e-324"), (2.0**60, "1.152921504606847e+18"), (-2.5, "-2.5")],
            is_json=True,
        ),
        Kind("member", pl.Boolean, [(True, "true"), (False, "false")], is_json=True),
        Kind(
            "born", pl.Date, [(day, day.isoformat()) for day in (date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31))]
        ),
        Kind(
            "seen",
            instant,
            [
                (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
                (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "1969-12-31T23:59:59.999999Z"),
                (datetime(2026, 11, 20, 2, 0, 0, 120_000, tzinfo=UTC), "2026-11-20T02:00:00.120Z"),
                (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
            ],
        ),
        Kind("local", naive, [(datetime.fromisoformat("1883-11-18T12:03:58"), "1883-11-18T12:03:58Z")]),
        Kind("clock", pl.Time, [(time(0), "00:00:00"), (time(23, 59, 59, 999_999), "23:59:59.999999")]),
        Kind("span", pl.Duration("us"), [(timedelta(days=400, seconds=1.5), "P400DT1.5S"), (timedelta(0), "PT0S")]),
        Kind("raw", pl.Binary, [(b"", ""), (b"\x00\xff\x80", "AP+A"), (b'",\n', "IiwK")]),
        Kind(
            "tags",
            pl.List(pl.String),
            [(value, compact(value)) for value in ([], ["a", None, ""], ['"', ",", "\n", "\\", "\x01", "佐"])],
            is_json=True,
        ),
        Kind(
            "thing",
            thing,
            [(value, compact(value)) for value in ({"name": 'a"b', "count": 1}, {"name": None, "count": None})],
            is_json=True,
        ),
        Kind("note", pl.String, [(text, text) for text in reversed(TEXTS[:-1])]),
    )


def compact(value: object) -> str:
    """A value as compact JSON, with control characters escaped and all others as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


KINDS = _kinds()
NAMES = ("id", *(kind.name for kind in KINDS))
ROWS = len(TEXTS) + 1


@dataclass(frozen=True)
class Person:
    """A row: the values of the profile, and the texts of a CSV file, in the order of ``NAMES``."""

    values: tuple[Any, ...]
    texts: tuple[str | None, ...]

    @property
    def is_plain(self) -> bool:
        """Whether no text of the ``PLAIN`` columns needs quotes in a file whose null is `NULL`."""
        texts = [text for name, text in zip(NAMES, self.texts, strict=True) if name in PLAIN]
        return not any(text == "NULL" or set(text or "") & set('",|\r\n') for text in texts)

    @property
    def is_latin(self) -> bool:
        """Whether Latin-1 has every character, and none is a control character that DuckDB refuses."""
        characters = {ord(character) for text in self.texts for character in text or ""}
        return max(characters) < 0x100 and not characters & set(range(0x80, 0xA0))


PLAIN = (
    "id",
    "text",
    "whole",
    "amount",
    "score",
    "member",
    "seen",
    "note",
)  # columns that a file without quotes can have


def _people() -> tuple[Person, ...]:
    people = []
    for row in range(ROWS):
        pairs = [(f"{row:04}", f"{row:04}"), *(kind.pair(row) for kind in KINDS)]
        people.append(Person(tuple(value for value, _ in pairs), tuple(text for _, text in pairs)))
    return tuple(people)


PEOPLE = _people()


def profiles() -> pl.DataFrame:
    """The people as a snapshot, with what audiences choose them by."""
    schema = {"id": pl.String, **{kind.name: kind.dtype for kind in KINDS}}
    frame = pl.DataFrame([person.values for person in PEOPLE], schema=schema, orient="row")
    return frame.with_columns(
        is_plain=pl.Series([person.is_plain for person in PEOPLE]),
        is_latin=pl.Series([person.is_latin for person in PEOPLE]),
    )
