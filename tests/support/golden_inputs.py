"""The profiles, events and membership rows of the small night whose digests are kept (`golden_night`).

All is made by arithmetic from the numbers of profiles and days: a random generator may change with its release.
"""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from support.shop import FEED

DAYS = (20, 21, 22)
START = datetime(2026, 11, 20, tzinfo=UTC)
PROFILES = 230  # of both workspaces, one day or the other
IDENTITIES = pl.List(pl.Struct({"namespace": pl.String, "id": pl.String}))
BY_NAMESPACE = pl.Struct({"Email": pl.List(pl.String), "Phone": pl.List(pl.String)})
COUNTRIES = ("US", "DE", "GB", "CA", None)
ODD_TEXTS = ("=1+1", 'a "quote"', "two\nlines", "Zürich, old", "", "semi;colon", "-", "a||b|", "back\\slash", " blank ")
SCALES = (1.0, 1e-16, 1e-9, 1e-4, 1e3, 1e7, 1e20)
COLUMNS: dict[str, Any] = {
    "email": pl.String,
    "phone": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
    "country": pl.String,
    "note": pl.String,
    "gold": pl.Boolean,
    "points": pl.Int64,
    "small": pl.UInt8,
    "score": pl.Float64,
    "balance": pl.Decimal(12, 2),
    "born": pl.Date,
    "seen": pl.Datetime("us", "UTC"),
    "made": pl.Datetime("ms"),
    "opens": pl.Time,
    "span": pl.Duration("us"),
    "photo": pl.Binary,
    "tags": pl.List(pl.String),
    "loyalty": pl.Struct({"tier": pl.String, "visits": pl.Int32}),
}


def text_id(number: int) -> str:
    """An id whose order by bytes has nothing to do with the number; a few look like numbers, or are odd."""
    odd = {1: "7", 2: "007", 3: "7.0", 4: "Ünï,7", 5: "a", 6: "A", 7: "=7"}
    return odd.get(number, f"{number * 7919 % 100003:x}-{number % 7}")


def whole_id(number: int) -> int:
    """An id whose order as a number differs from that as a text; some are negative."""
    return number * 7919 % 10007 - (500 if number % 5 == 0 else 0)


def is_here(number: int, day: int) -> bool:
    """A tenth comes a day later or two, some go, and some of those return."""
    if number % 10 == 3:
        return day >= 21 + number % 20 // 10
    if number % 11 == 5:
        return day != 21 + number % 2
    return number % 17 != 8 or day < 22


def person(number: int, day: int) -> dict[str, Any]:
    """The values of a profile on a day, without id and identities: a seventh changes each day, names of a fifth too."""
    since = max((each for each in DAYS if each <= day and (number + each) % 7 == 0), default=20)  # of the newest change
    turn = number + (since - 20) * 3
    return {
        "email": {1: "", 2: None}.get(
            turn % 11, (f"p{turn % 150}@x.com", f" P{turn}@Gmail.com", f"p.{turn}@x.com")[turn % 3]
        ),
        "phone": f"+1 650 253-{turn % 60:04}" if turn % 4 else None,
        "first_name": ("Ann", "Björn", "李", "O'Neil", None)[(number + (day if (number + day) % 5 == 0 else 20)) % 5],
        "last_name": f"{ODD_TEXTS[turn % 10]}{turn % 3}",
        "country": COUNTRIES[number % 5],
        "note": None if turn % 6 == 0 else ODD_TEXTS[turn % 10],
        "gold": None if turn % 13 == 0 else turn % 3 != 0,
        "points": None if turn % 19 == 0 else turn * 37 % 500 - 20,
        "small": turn % 256,
        "score": math.nan if turn % 23 == 0 else math.inf if turn % 29 == 0 else turn % 97 / 7 * SCALES[turn % 7],
        "balance": Decimal(turn * 1234567 % 99999999) / 100,
        "born": None if turn % 8 == 7 else date(1940, 1, 1) + timedelta(days=turn * 97 % 25000),
        "seen": START - timedelta(hours=turn % 400, microseconds=(0, 250, 1000)[turn % 3]),
        "made": datetime(2024, 2, 29) + timedelta(days=turn, milliseconds=turn % 2 * 5),  # noqa: DTZ001  # naive is UTC
        "opens": time(turn % 24, turn % 60, 0, turn % 2 * 1500),
        "span": timedelta(microseconds=(turn - 50) * 1500),
        "photo": None if turn % 9 == 0 else bytes((turn % 256, 255, 0)),
        "tags": None if turn % 7 == 0 else ["click", None, f"t{turn % 4}"][: turn % 4],
        "loyalty": {"tier": ("gold", "silver", None)[turn % 3], "visits": turn % 40},
    }


def identities(number: int, day: int) -> list[tuple[str, str]]:
    """E-mail addresses and telephone numbers by which a profile is known; some are shared, a ninth change each day."""
    since = max((each for each in DAYS if each <= day and (number + each) % 9 == 0), default=20)
    turn = number + since
    mails = [("Email", f"{'M' if turn % 6 == 0 else 'm'}{turn % 180}@x.com")] if turn % 8 else []
    more = [("Email", f"work{number}@x.com")] if turn % 3 == 0 else []
    phones = [("Phone", f"+16502530{turn % 90:03}")] if turn % 2 else []
    junk = [("Email", "")] if turn % 14 == 0 else []  # no identity (D1)
    return [*phones, *more, *mails, *junk] if turn % 4 else [*mails, *more, *phones, *mails]


def snapshot(day: int, *, by_text: bool) -> pl.DataFrame:
    """A snapshot, not sorted by id.

    Columns: ``profile_id`` (text; an integer with identities by namespace unless ``by_text``, but text on the 21st),
    those of ``COLUMNS``, ``identity_map``.
    """
    mixed = [step * 77 % PROFILES for step in range(PROFILES)]
    numbers = [number for number in mixed if is_here(number, day)]
    ids: list[Any] = [text_id(number) if by_text else whole_id(number) for number in numbers]
    if day == 21:
        ids = [str(each) for each in ids]
    known = [identities(number, day) for number in numbers]
    if by_text:
        maps: list[Any] = [[{"namespace": name, "id": each} for name, each in pairs] for pairs in known]
    else:
        names = ("Email", "Phone")
        maps = [{name: [each for other, each in pairs if other == name] for name in names} for pairs in known]
    frame = pl.DataFrame([person(number, day) for number in numbers], schema=COLUMNS)
    identity_map = pl.Series("identity_map", maps, dtype=IDENTITIES if by_text else BY_NAMESPACE)
    return frame.insert_column(0, pl.Series("profile_id", ids)).with_columns(identity_map)


def events(*, by_text: bool) -> pl.DataFrame:
    """Up to six events a profile, some of them later than the last day. Amounts are quarters: any order adds up alike.

    Columns: ``profile_id``, ``timestamp`` (naive), ``event_type``, ``category``, ``amount`` (float).
    """
    rows = [
        {
            "profile_id": text_id(number) if by_text else whole_id(number),
            "timestamp": datetime(2026, 11, 24, 3) - timedelta(minutes=(number * 131 + turn * 1777) % 9000),  # noqa: DTZ001
            "event_type": ("view", "purchase", "view", "cart")[(number + turn) % 4],
            "category": ("scifi", "books", "home", None)[(number * turn) % 4],
            "amount": None if turn == 5 else (number * turn % 400) / 4,
        }
        for turn in range(6)
        for number in range(0, PROFILES + 5, 1 + turn % 2)
        if number % 7 >= turn
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def feed(day: int, *, by_text: bool) -> pl.DataFrame:
    """The rows of a day of the two audiences that a feed decides: they come, leave, run out, come again, repeat."""
    at = START + timedelta(days=day - 20)
    rows = []
    for number in range(0, PROFILES + 3, 2):
        turn = number + (day - 20) * 7
        if turn % 5 > 2:
            continue
        name = str(text_id(number) if by_text else whole_id(number))
        status = ("realized", "existing", "exited")[turn % 3]
        ends = at + timedelta(hours=30) if turn % 4 == 1 else None
        for audience, hour in (("listed", turn % 11 - 6), ("mixed", turn % 9)):
            rows.append((audience, name, status, at + timedelta(hours=hour), ends))
    return pl.DataFrame(rows, schema=FEED, orient="row")
