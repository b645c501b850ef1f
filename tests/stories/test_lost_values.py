"""M1, M2: values of which transforms leave nothing are counted and told; so are hashes that would be hashed again."""

import base64
import contextlib
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities, person

from muster.activation.mapping.layout import Layout
from muster.activation.values import phones

WHY = "by e164(US) (not a valid telephone number)"
PHONE = {"source": "phone", "transform": ["e164(US)", "sha256"]}
MEMORY: dict[str, dict[str, Any]] = {
    "usual": {},
    "kept for all": {"profile_values._FEW": 0, "profile_values._LARGE": 0.0},
    "read for each file": {"profile_values.Budget.admits": lambda *_, **__: False},
    "passing by": {"profile_values._FEW": 0, "profile_values.Budget.admits": lambda *_, **__: False},
}


def shop_of(root: Path, **content: Any) -> Shop:
    """A shop whose one audience are the profiles with `vip`; they go to `crm` each day at 05:00."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    shop.crm(**({"mapping": ["profile_id", PHONE, STATUS]} | content))
    return shop


def people(*numbers: str | None) -> list[dict[str, Any]]:
    """Profiles a, b, c ... with these phone numbers."""
    return [person("abcdefghijklm"[place], phone=number) for place, number in enumerate(numbers)]


def warnings(shop: Shop, *command: str) -> list[str]:
    """The warnings of a command at 05:00 on the day, those that name values of columns."""
    done = shop.ok(*command, "--at", "2026-11-20T05:00Z", "--json").json
    return [text for text in done["warnings"] if "column" in text]


NUMBERS = ("12", "650 555 1212", None, "", " ", "nobody", "650 555 1213")


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY.keys())
def test_a_run_tells_how_many_values_it_lost(tmp_path: Path, memory: dict[str, Any], form: str) -> None:
    """A value that became null though it was not blank is counted, by column, once for all parts of the file, however
    its values are read; the run succeeds, and no message has the value.
    """
    shop = shop_of(tmp_path, format=form, max_rows_per_file=3)
    shop.profiles("2026-11-20", [*people(*NUMBERS), person("z", phone="oops", vip=False)])
    shop.evaluate("2026-11-20T02:00Z")
    with contextlib.ExitStack() as stack:
        for name, value in memory.items():
            stack.enter_context(mock.patch(f"muster.activation.mapping.{name}", value))
        done = shop.run("2026-11-20T05:00Z")
    assert len(shop.files("crm")) == 3
    assert [line for line in done.err.splitlines() if "column" in line] == [
        f"warning: crm/all: column 'phone': lost values: 2 of 4, {WHY}"
    ]
    assert "nobody" not in done.err


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_counting_parses_no_number_again(tmp_path: Path, form: str) -> None:
    """The counts are made of the values that are written: no number is parsed more often than without counts."""
    shop = shop_of(tmp_path, format=form, export="full")
    shop.profiles("2026-11-20", people(*NUMBERS))
    shop.evaluate("2026-11-20T02:00Z")
    asked: list[int] = []

    def of_all(numbers: pl.Series, **_: Any) -> pl.Series:
        asked.append(len(numbers))
        return numbers

    with mock.patch.object(phones, "_of_all", of_all):
        shop.run("2026-11-20T05:00Z")
        counting = asked.copy()
        asked.clear()
        with mock.patch.object(Layout, "watched", ()):
            shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    assert sum(counting) == sum(asked) > 0


def test_nothing_is_said_of_values_that_are_kept(tmp_path: Path) -> None:
    """Blank values are no values; `default` after a transform keeps a value; exits and others are not counted."""
    mapping = [
        "profile_id",
        {"source": "phone", "transform": ["e164(US)", "default(none)"]},
        {"source": "email", "transform": ["gmail", "trim", "lower", "sha256"]},
        {"source": "name", "transform": ["nfc", "strip_punctuation", "first"]},
        STATUS,
    ]
    shop = shop_of(tmp_path, mapping=mapping)
    rows = [{**row, "name": name} for row, name in zip(people("12", "", None), ("O'Neil", "", None), strict=True)]
    shop.day("2026-11-20", rows)
    assert "column" not in shop.run("2026-11-20T05:10Z").err
    assert warnings(shop, "validate") == []
    shop.crm(mapping=["profile_id", PHONE, STATUS])
    shop.profiles("2026-11-21", [{**row, "vip": row["profile_id"] != "a"} for row in rows])
    shop.evaluate("2026-11-21T02:00Z")
    assert "column" not in shop.run("2026-11-21T05:00Z").err
    assert [row.split(",")[0] for row in shop.sent("crm/all")] == ["a"]


def test_those_who_are_left_out_for_it_are_counted(tmp_path: Path) -> None:
    """M2: a mandatory value that is lost leaves its profile out; it is counted among the lost values too."""
    shop = shop_of(tmp_path, mapping=["profile_id", {**PHONE, "mandatory": True}, "email"])
    shop.profiles("2026-11-20", people(*NUMBERS))
    expected = [f"crm/all: column 'phone': lost values: 2 of 4, {WHY}"]
    shop.evaluate("2026-11-20T02:00Z")
    assert [text.removeprefix("warning: ") for text in shop.ok(*PREVIEW).err.splitlines()] == expected
    assert warnings(shop, "run") == expected
    assert shop.runs()[-1]["excluded_by"] == {"mandatory:phone": 5}


PREVIEW = ("preview", "crm/all", "--at", "2026-11-20T05:00Z", "--json")


def test_identities_are_counted_one_by_one(tmp_path: Path) -> None:
    """M5: an identity of which nothing is left has no row; of those who have none left, all are counted."""
    phone = {"source": "identity_map.Phone", "target": "phone", "transform": ["e164(US)"]}
    shop = shop_of(tmp_path, mapping=["profile_id", phone])
    rows = [
        person("a", identity_map=identities(Phone=["12", "650 555 1212"])),
        person("b", identity_map=identities(Phone=["13"], Email=["x"])),
        person("c", identity_map=identities(Email=["y"])),
    ]
    shop.profiles("2026-11-20", rows)
    expected = [f"crm/all: column 'phone': lost values: 2 of 3, {WHY}"]
    assert warnings(shop, "validate") == expected
    shop.evaluate("2026-11-20T02:00Z")
    assert [text.removeprefix("warning: ") for text in shop.ok(*PREVIEW).err.splitlines()] == expected
    assert warnings(shop, "run") == expected
    assert shop.sent("crm/all") == ["a,+16505551212"]


def test_validate_looks_at_the_first_thousand_profiles(tmp_path: Path) -> None:
    """`validate` warns of what a sample shows, once for all activations of a mapping, and stays valid."""
    shop = shop_of(tmp_path)
    activations = [{"audience": "all", "id": name, "export": "full", "schedule": {"at": "05:00"}} for name in "xy"]
    mapping = [
        "profile_id",
        {"source": "phone", "transform": "e164"},
        {"expression": "CAST(phone AS INTEGER)", "target": "n"},
        {"expression": "CAST(CAST(phone AS INTEGER) AS VARCHAR)", "target": "d", "transform": "digits"},
    ]
    shop.destination("ads", mapping=mapping, activations=activations)
    numbers = ["+16505551212", "12", None, "-"]
    shop.profiles("2026-11-20", [person(f"{place:04}", phone=numbers[place % 4]) for place in range(1200)])
    assert warnings(shop, "validate") == [
        (
            "ads/x, ads/y: column 'phone': lost values: 500 of 750 in the first 1,000 profiles, by e164 (not a valid "
            "telephone number); numbers without a country code need a region, such as e164(US) or e164(column); with a "
            "preset, write region: US"
        ),
        f"crm/all: column 'phone': lost values: 500 of 750 in the first 1,000 profiles, {WHY}",
    ]


def test_hashes_that_would_be_hashed_are_told(tmp_path: Path) -> None:
    """`validate` warns of values that look like hashes of the function that hashes them, and says what passes them."""
    mapping = [
        {"source": "profile_id", "transform": "md5"},
        {"source": "email", "target": "a", "transform": ["trim", "lower", "sha256"]},
        {"source": "email", "target": "b", "transform": ["sha256_base64"]},
        {"source": "email", "target": "c", "transform": ["sha256", "base64"]},
        {"source": "email", "target": "d", "transform": ["trim", "lower", "hash_unless_hashed"]},
        {"source": "email", "target": "e", "transform": ["sha1"]},
        {"source": "email", "target": "f"},
        {"source": "identity_map.Email", "target": "g", "transform": ["sha256"]},
    ]
    shop = shop_of(tmp_path, mapping=mapping)
    digest = hashlib.sha256(b"a@x.com").hexdigest()
    ids = [hashlib.md5(bytes([place])).hexdigest() for place in range(3)]  # noqa: S324  # what receivers ask for
    emails = (digest, "b@x.com", None)
    held = ([digest.upper()], ["b@x.com"], [])
    shop.profiles(
        "2026-11-20",
        [
            person(name, identity_map=identities(Email=mails)) | {"email": email}
            for name, email, mails in zip(ids, emails, held, strict=True)
        ],
    )
    again = "look like SHA-256 hashes already, and {0} hashes them again; {1} writes them as they are"
    assert warnings(shop, "validate") == [
        (
            "crm/all: column 'profile_id': 3 of 3 values look like MD5 hashes already, and md5 hashes them again; "
            "hash_unless_hashed(md5) writes them as they are"
        ),
        f"crm/all: column 'a': 1 of 2 values {again.format('sha256', 'hash_unless_hashed')}",
        f"crm/all: column 'b': 1 of 2 values {again.format('sha256_base64', 'hash_unless_hashed(sha256_base64)')}",
        f"crm/all: column 'c': 1 of 2 values {again.format('sha256', 'hash_unless_hashed')}",
        f"crm/all: column 'g': 1 of 2 values {again.format('sha256', 'hash_unless_hashed')}",
    ]


def test_hashes_of_another_kind_are_told(tmp_path: Path) -> None:
    """`validate` warns of hashes that `hash_unless_hashed` hashes again: of another function, or in base64 for hex."""
    digest = hashlib.sha256(b"a@x.com")
    in_base64 = base64.b64encode(digest.digest()).decode()
    values = [hashlib.md5(b"a@x.com").hexdigest().upper(), f" {in_base64} ", digest.hexdigest(), "b@x.com"]  # noqa: S324  # what exports hold
    mapping = [
        {"source": "email", "target": name, "transform": ["trim", *steps]}
        for name, steps in {
            "a": ["hash_unless_hashed"],
            "b": ["hash_unless_hashed(md5)"],
            "c": ["hash_unless_hashed(sha256_base64)"],
            "d": ["sha1"],
            "e": [],
        }.items()
    ]
    shop = shop_of(tmp_path, mapping=mapping)
    shop.profiles("2026-11-20", [person(str(place), email) for place, email in enumerate(values)])
    told = "of 4 values look like hashes, but not like {0}, and {1} hashes them again; map plain values, or {0}"
    sha, md5, coded = "SHA-256 hashes in 64 hex digits", "MD5 hashes in 32 hex digits", "SHA-256 hashes in base64"
    assert warnings(shop, "validate") == [
        f"crm/all: column 'a': 2 {told.format(sha, 'hash_unless_hashed')}",
        f"crm/all: column 'b': 2 {told.format(md5, 'hash_unless_hashed(md5)')}",
        f"crm/all: column 'c': 1 {told.format(coded, 'hash_unless_hashed(sha256_base64)')}",
    ]


def test_a_region_that_is_a_name_is_told(tmp_path: Path) -> None:
    """M1, M2: numbers lost beside names of countries are told with the letters that the column of regions takes."""
    shop = shop_of(tmp_path, mapping=["profile_id", {"source": "phone", "transform": ["e164(country)"]}])
    row = {"phone": "0151 23456789"}
    shop.profiles("2026-11-20", [person("a", country="Germany", **row), person("b", country="DE", **row)])
    assert warnings(shop, "validate") == [
        (
            "crm/all: column 'phone': lost values: 1 of 2, by e164(country) (not a valid telephone number); numbers "
            "without a country code are read in the region that 'country' has, in two or three letters such as US or "
            "USA"
        )
    ]


def test_numbers_are_text_by_the_cast_that_the_message_gives(tmp_path: Path) -> None:
    """X1: of floats and decimals the text has a fraction, so the advice for whole ones is a cast without it."""
    numbers = {"f": 16505551212.0, "d": Decimal("16505551212.00"), "i": 16505551212}
    columns = {name: {"source": name, "transform": "e164"} for name in numbers}
    shop = shop_of(tmp_path, mapping=[*columns.values(), {"source": "i", "target": "g", "transform": "gender(m f)"}])
    shop.profiles("2026-11-20", [person("a", **numbers), person("b", **dict.fromkeys(numbers))])
    said = shop.muster("validate", "--at", "2026-11-20").err
    whole = "an `expression` with CAST(CAST(... AS BIGINT) AS VARCHAR) turns it into text"
    assert said.count(f"; if its numbers are whole, {whole}") == 2
    assert said.count("; an `expression` with CAST(... AS VARCHAR) turns it into text") == 1
    assert "an `expression` such as CASE gender WHEN 1 THEN 'm' WHEN 2 THEN 'f' END turns codes into letters" in said
    casts = {"f": "CAST(CAST({} AS BIGINT) AS VARCHAR)", "d": "CAST(CAST({} AS BIGINT) AS VARCHAR)"}
    mapping: list[Any] = [
        {"expression": casts.get(name, "CAST({} AS VARCHAR)").format(name), "target": name, "transform": "e164"}
        for name in numbers
    ]
    gender = {"expression": "CASE i WHEN 1 THEN 'm' WHEN 16505551212 THEN 'f' END", "target": "g"}
    shop.crm(mapping=[*mapping, {**gender, "transform": "gender(m f)"}])
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/all") == ["+16505551212,+16505551212,+16505551212,f", ",,,"]
