"""M1, M3, X3e, X12: transforms that read another column, and keys that transforms write, through whole runs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from support.shop import STATUS, Shop, person

PHONE = {"source": "phone", "transform": ["e164(home.country)"]}


def shop_of(root: Path, **content: Any) -> Shop:
    """A shop whose one audience are the profiles with `vip`; they go to `crm` each day at 05:00."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    shop.crm(**content)
    return shop


def living(name: str, phone: str | None, country: str | None, **more: Any) -> dict[str, Any]:
    """A profile with a phone number and a country."""
    return person(name, phone=phone, home={"country": country}, **more)


ROWS = [
    living("a", "020 8366 1177", "GB"),
    living("b", "(650) 555-1212", " usa "),
    living("c", "020 8366 1177", None),
    living("d", "+44 20 8366 1177", "Narnia"),
    living("e", None, "US"),
]


@pytest.mark.parametrize("export", ["full", "incremental"])
@pytest.mark.parametrize("more", [{}, {"format": "json"}], ids=["csv", "json"])
def test_each_number_is_read_in_its_own_region(tmp_path: Path, export: str, more: dict[str, Any]) -> None:
    """M1: `e164(home.country)` reads the region from the profile; the run can be made again, and so can one on demand,
    whatever the config says then.
    """
    shop = shop_of(tmp_path, mapping=["profile_id", PHONE], export=export, **more)
    expected = ["+442083661177", "+16505551212", None, "+442083661177", None]
    shop.day("2026-11-20", ROWS)
    shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    runs = [run["run_id"] for run in shop.runs()]
    shop.crm(mapping=["profile_id"])
    assert len(runs) == 2
    for run in runs:
        assert "the bytes that were delivered" in shop.ok("replay", run, "--to", str(tmp_path / run)).out
    if not more:
        assert shop.sent("crm/all") == [
            f"{row['profile_id']},{number or ''}" for row, number in zip(ROWS, expected, strict=True)
        ]


def test_a_region_that_changes_changes_the_number(tmp_path: Path) -> None:
    """X3e, X12: `changes` compares what is written, and an exit carries what was sent in the region of then."""
    number = {**PHONE, "mandatory": True}
    shop = shop_of(tmp_path, mapping=["profile_id", number, STATUS], changes=["membership", "keys"])
    shop.day("2026-11-20", [living("a", "6505551212", "US"), living("b", "6505551213", "US")])
    rows = [living("a", "6505551212", None), living("b", "6505551213", "DE"), living("c", "6505551214", "US")]
    assert shop.day("2026-11-21", rows) == [
        "a,+16505551212,exited",
        "b,+496505551213,realized",
        "c,+16505551214,realized",
    ]


def test_a_column_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """M4, X1: the column in the brackets is named with the nearest names, or the region that is meant."""
    mapping: list[Any] = [
        {"source": "phone", "transform": ["e164(home.contry)"], "target": "a"},
        {"source": "phone", "transform": ["e164(contry)"], "target": "b"},
        {"source": "phone", "transform": ["e164(us)"], "target": "c"},
        {"source": "phone", "transform": ["e164(vip)"], "target": "d"},
        {"source": "profile_id", "transform": ["e164(country)"], "target": "e"},
        {"expression": "phone", "transform": ["e164(cuontry)"], "target": "f"},
    ]
    shop = shop_of(tmp_path, mapping=mapping)
    shop.profiles("2026-11-20", [{**row, "country": "US"} for row in ROWS])
    shop.evaluate("2026-11-20T02:00Z")
    for result in (shop.muster("validate", "--at", "2026-11-20"), shop.muster("run", "--at", "2026-11-20T05:00Z")):
        assert result.code > 0
        for said in (
            "mapping[0]: 'phone': e164(home.contry): 'home' has no field 'contry'; did you mean 'country'?",
            "mapping[1]: 'phone': e164(contry): the snapshot has no such column; did you mean 'country'?",
            "mapping[2]: 'phone': e164(us): the snapshot has no such column; did you mean the region 'US'?",
            "mapping[3]: 'phone': e164(vip): the column 'vip' is a boolean (Boolean); expected text, such as US",
            "mapping[4]: 'profile_id': e164(country) reads a column of the profile, which only a profile's attribute",
            "mapping[5]: e164(cuontry): the snapshot has no such column; did you mean 'country'?",
        ):
            assert said in result.err
    assert shop.files() == []


# What is written is the key (M3)

MD5 = hashlib.md5(b"ann@x.com").hexdigest()  # noqa: S324  # what receivers ask for
ALIKE: list[tuple[list[str], tuple[Any, Any], Any]] = [
    (["trim", "lower"], ("Ann@x.com", " ann@X.com"), "bob@x.com"),
    (["gmail", "lower"], ("a.nn+x@gmail.com", "Ann@GMAIL.com"), "a.nn@x.com"),
    (["gmail", "lower", "sha256_base64"], ("a.nn+x@gmail.com", "Ann@GMAIL.com"), "a.nn@x.com"),
    (["lower", "sha256", "base64"], ("Ann@x.com", "ann@x.com"), "bob@x.com"),
    (["trim", "lower", "hash_unless_hashed(md5)"], (" Ann@x.com", MD5.upper()), "bob@x.com"),
    (["nfc", "strip_punctuation", "lower"], ("Re\u0301my O'Neil", "Rémy Oneil"), "Remy Oneil"),
    (["e164(US)"], ("650 555 1212", "16505551212"), "6505551213"),
    (["e164(region)", "digits"], ("650 555 1212", "+1 650 555 1212"), "6505551213"),
    (["first"], (["Ann", "x"], ["Ann"]), ["Bob", "x"]),
]


@pytest.mark.parametrize(("steps", "same", "other"), ALIKE)
def test_keys_are_compared_as_they_are_written(tmp_path: Path, steps: list[str], same: Any, other: Any) -> None:
    """M3: two values that are written alike are one key, and the exit of one is withheld while the other stays."""
    mapping = ["profile_id", {"source": "key", "transform": steps}, STATUS]
    shop = shop_of(tmp_path, mapping=mapping, deduplicate=["key"])
    rows = [person(name, key=value, region="US") for name, value in zip("abc", (*same, other), strict=True)]
    first = shop.day("2026-11-20", rows)
    assert [row.split(",")[0] for row in first] == ["a", "c"]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}
    second = shop.day("2026-11-21", [{**row, "vip": row["profile_id"] == "b"} for row in rows])
    assert second == [first[0].replace("a,", "b,", 1), first[1].replace("realized", "exited")]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}
