"""Files for receivers with a preset: who is known to them, what was sent to them, what they take (X2, X12, M2, M7)."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.shop import STATUS, Shop, identities

from muster.activation import presets
from muster.activation.mapping import layout

DAY, NEXT, THIRD = "2026-11-20", "2026-11-21", "2026-11-22"
DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
MAIL = {"source": "email", "target": "Email_LC_SHA256"}
PHONE = {"source": "phone", "target": "Phone_E164"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace with the audience of all who are `here`."""
    made = Shop(tmp_path)
    made.audience("all", where="here")
    return made


def send(shop: Shop, preset: str, *columns: Any, **more: Any) -> None:
    """Write the destination ``crm`` for a receiver; ``format`` comes from the preset."""
    content = {"url": "out/crm", "preset": preset, "mapping": list(columns), "activations": [DAILY]}
    shop.write("destinations/crm.yml", content | more)


def person(name: str, **values: Any) -> dict[str, Any]:
    """Somebody who is here, with some of the columns that receivers know."""
    usual = dict.fromkeys(("email", "phone", "first_name", "last_name", "country", "zip"))
    return {"profile_id": name, "here": True} | usual | values


def sha(text: str) -> str:
    """The hash in hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def error(shop: Shop) -> str:
    """The error of a run that fails."""
    shop.evaluate(f"{DAY}T02:00Z")
    result = shop.muster("run", "--at", f"{DAY}T05:00Z")
    assert (result.code, shop.files()) == (1, [])
    [line] = [line for line in result.err.splitlines() if line.startswith("error:")]
    return line


# Who is known to a receiver (X2)


def test_who_is_unknown_to_the_receiver_is_left_out(shop: Shop) -> None:
    """X2, X10, M2, M3: a profile without any identifying value as written is left out as `unidentified`: after
    mandatory values, before duplicates, counted, listed, and shown before anything is sent, on demand as well.
    """
    tier = {"source": "tier", "mandatory": True}
    send(shop, "adobe", MAIL, PHONE, tier, STATUS, deduplicate=["household"])
    people = [
        person("a", email="a@x.com", tier="gold", household="1"),
        person("b", phone="+12125550142", tier="gold", household="2"),
        person("c", email=" ", phone="none", tier="gold", household="1"),
        person("d", email="", tier=None, household="3"),
        person("e", email="e@x.com", tier="gold", household="2"),
        person("f", email=None, tier="gold", household=None),
    ]
    shop.profiles(DAY, people)
    shop.evaluate(f"{DAY}T02:00Z")
    counted = {"unidentified": 2, "mandatory:tier": 1, "duplicate": 1}
    [planned] = [each for each in shop.ok("plan", "--at", f"{DAY}T05:00Z", "--json").json if each["action"] == "export"]
    assert planned["excluded_by"] == counted
    for command in (("plan", "--at", f"{DAY}T05:00Z"), ("preview", "crm/all", "--at", f"{DAY}T05:00Z")):
        assert "unidentified" in shop.ok(*command).out
    assert shop.day(DAY) == [f"{sha('a@x.com')},,gold,realized", ",+12125550142,gold,realized"]
    [run] = shop.runs()
    assert [run[key] for key in ("received", "exported", "excluded", "excluded_by")] == [6, 2, 4, counted]
    rejects = shop.ok("runs", "rejects", run["run_id"], "--json").json
    assert {each["profile_id"]: each["reason"] for each in rejects} == {
        "c": "unidentified",
        "f": "unidentified",
        "d": "mandatory:tier",
        "e": "duplicate",
    }
    shop.ok("export", "crm/all", "--at", f"{DAY}T06:00Z")
    assert shop.runs()[-1]["excluded_by"] == counted


def test_who_becomes_unknown_exits_as_they_were_sent(shop: Shop) -> None:
    """X3d, X3a, X12: an address that is lost without any change of membership is an exit that carries what was sent;
    one that changed is what was last sent too. Who has an address again is sent again.
    """
    send(shop, "adobe", MAIL, PHONE, "tier", STATUS)
    people = [person(name, email=f"{name}@x.com", tier="old") for name in ("a", "b", "c", "d")]
    assert len(shop.day(DAY, people)) == 4
    people[0] |= {"email": None, "phone": "no number", "tier": "new"}
    people[1] |= {"email": "b2@x.com"}
    people[2] |= {"email": "c2@x.com", "here": False, "tier": "new"}
    sent = shop.day(NEXT, people[:3])
    assert sent == [f"{sha('a@x.com')},,new,exited", f"{sha('c@x.com')},,new,exited", f"{sha('d@x.com')},,,exited"]
    people[0] |= {"phone": "+12125550142"}
    assert shop.day(THIRD, people[:2]) == [",+12125550142,new,realized"]
    assert shop.runs()[-1]["excluded"] == 0


def test_a_group_needs_all_of_its_columns(shop: Shop) -> None:
    """X2: Google knows people by an address, a number, or the four parts of a postal address together."""
    address = {"first_name": "Ann", "last_name": "Lee", "country": "US", "zip": "10001"}
    send(shop, "google_customer_match", "email", *address)
    people = [person("a", **address), *(person(name, **(address | {name: ""})) for name in address)]
    people.append(person("z", email="z@x.com"))
    assert len(shop.day(DAY, people)) == 2
    assert shop.runs()[-1]["excluded_by"] == {"unidentified": 4}


def test_repeated_headers_identify_each(shop: Shop) -> None:
    """X2, M1: a value in any of the columns of one header is one by which the receiver knows somebody."""
    send(shop, "meta_custom_audience", "email", {"source": "work", "target": "email"})
    people = [person("a", email="a@x.com", work=None), person("b", work="b@x.com"), person("c", work="")]
    shop.day(DAY, people)
    assert (shop.root / "out" / shop.files()[0]).read_text().splitlines() == [
        *("email,email", f"{sha('a@x.com')},", f",{sha('b@x.com')}"),
    ]
    assert shop.runs()[-1]["excluded_by"] == {"unidentified": 1}


def test_ids_and_identities_identify_where_the_receiver_takes_them(shop: Shop) -> None:
    """X2, M3, M5: the profile id is an identifier in a column of one's own at LiveRamp and Adobe; so are an identity
    and a key of `deduplicate`; an attribute is none.
    """
    people = [person("a", identity_map=identities(Loyalty=["7"])), person("b", identity_map=identities(Loyalty=["8"]))]
    full = {"activations": [DAILY | {"export": "full"}]}
    send(shop, "liveramp", {"source": "profile_id", "target": "CUSTOMERID"}, "email", **full)
    assert shop.day(DAY, people) == ["a,", "b,"]
    send(shop, "adobe", {"source": "identity_map.Loyalty", "target": "loyalty"}, MAIL, **full)
    assert shop.day(NEXT, people) == ["7,", "8,"]
    numbered = [each | {"number": number} for each, number in zip(people, ("1", None), strict=True)]
    send(shop, "adobe", "number", MAIL, **full)
    shop.day(THIRD, numbered)
    assert shop.runs()[-1]["excluded_by"] == {"unidentified": 2}
    send(shop, "adobe", "number", MAIL, **full, deduplicate=["number"])
    assert shop.day("2026-11-23", numbered) == ["1,"]


def test_nobody_is_unknown_where_nothing_identifies(shop: Shop) -> None:
    """X2: a mapping without any column that the preset calls identifying excludes nobody, and so does no preset."""
    people, full = [person("a", tier="gold"), person("b", tier=None)], {"activations": [DAILY | {"export": "full"}]}
    send(shop, "adobe", {"source": "tier", "target": "key"}, "country", **full)
    assert shop.day(DAY, people) == ["gold,", ","]
    send(shop, "none", "email", "country", format="csv", **full)
    assert shop.day(NEXT, people) == [",", ","]


# What an older muster sent (X12)


@contextmanager
def older(shop: Shop) -> Iterator[None]:
    """A muster whose Adobe preset hashed otherwise, and whose delivered sets did not keep what identifies."""
    table = presets.get("adobe")
    headers = tuple(replace(each, transform=("upper", "sha256")) if each.by else each for each in table.headers)
    before = replace(table, headers=headers)
    with (
        mock.patch.object(presets, "get", return_value=before),
        mock.patch.object(layout, "identifying_groups", return_value=()),
    ):
        yield
    (shop.root / ".muster/config.checked").unlink()  # another version reads the YAML again


def test_state_of_an_older_preset_goes_on(shop: Shop) -> None:
    """X12: a delivered set that an older preset made has no identifying values: exits say null there, with a warning,
    never today's value. A transform that the preset has changed since sends nobody again.
    """
    send(shop, "adobe", "label", MAIL, STATUS)
    people = [person(name, label=name, email=f"{name}@x.com") for name in ("a", "b", "c")]
    with older(shop):
        assert shop.day(DAY, people) == [f"{name},{sha(f'{name}@x.com'.upper())},realized" for name in "abc"]
    people[0] |= {"here": False}
    shop.profiles(NEXT, people)
    shop.evaluate(f"{NEXT}T02:00Z")
    warned = " ".join(shop.run(f"{NEXT}T05:00Z").err.split())
    assert "1 exit has no Email_LC_SHA256, as it is not known what was sent under this target" in warned
    assert shop.sent("crm/all") == ["a,,exited"]
    people[1] |= {"here": False, "email": "b2@x.com"}
    people += [person("d", label="d", email="d@x.com")]
    assert shop.day(THIRD, people) == ["b,,exited", f"d,{sha('d@x.com')},realized"]
    for each in people:
        each["here"] = False
    assert shop.day("2026-11-23", people) == ["c,,exited", f"d,{sha('d@x.com')},exited"]


def test_exits_that_the_profile_id_finds_are_not_warned_of(shop: Shop) -> None:
    """X12: a receiver that has the profile id finds people by it, whatever else is unknown of what was sent."""
    send(shop, "adobe", {"source": "profile_id", "target": "crm_id"}, MAIL, STATUS)
    with older(shop):
        shop.day(DAY, [person("a", email="a@x.com"), person("b")])
    shop.profiles(NEXT, [person("b")])
    shop.evaluate(f"{NEXT}T02:00Z")
    assert "exit" not in shop.run(f"{NEXT}T05:00Z").err
    assert shop.sent("crm/all") == ["a,,exited"]


def test_a_key_of_an_older_preset_is_replaced(shop: Shop) -> None:
    """X12, M3: where people are told apart by a column whose preset hashes otherwise now, they are sent anew, with an
    exit of the old key each.
    """
    send(shop, "adobe", MAIL, STATUS, deduplicate=["email"])
    people = [person(name, email=f"{name}@x.com") for name in ("a", "b")]
    with older(shop):
        shop.day(DAY, people)
    old, new = ([sha(f"{name}@x.com".upper()) for name in "ab"], [sha(f"{name}@x.com") for name in "ab"])
    assert shop.day(NEXT, people) == [
        f"{old[0]},exited",
        f"{new[0]},realized",
        f"{old[1]},exited",
        f"{new[1]},realized",
    ]
    assert [shop.runs()[-1][key] for key in ("received", "realized", "exited")] == [2, 2, 0]
    assert shop.day(THIRD, people) == []


# The region of phone numbers


PHONES = {"US": "+12125550142", "GB": "+442079460958"}
NATIONAL = [
    person("a", phone="(212) 555-0142", country="US"),
    person("b", phone="020 7946 0958", country="GB"),
    person("c", phone="44 20 7946 0958", country=None),
]


@pytest.mark.parametrize(
    ("columns", "settings", "found"),
    [
        (["phone"], {}, {"c": PHONES["GB"]}),
        (["phone"], {"region": "US"}, {"a": PHONES["US"], "c": PHONES["GB"]}),
        (["phone"], {"region": "country"}, {"a": PHONES["US"], "b": PHONES["GB"], "c": PHONES["GB"]}),
        (["phone", "country"], {}, {"a": PHONES["US"], "b": PHONES["GB"], "c": PHONES["GB"]}),
        (["phone", "country"], {"region": "GB"}, {"b": PHONES["GB"], "c": PHONES["GB"]}),
        ([{"source": "phone", "transform": "e164(GB)"}], {"region": "US"}, {"b": PHONES["GB"], "c": PHONES["GB"]}),
    ],
    ids=["none", "two letters", "a column", "the country column", "written wins", "a transform wins"],
)
def test_numbers_are_read_in_the_region(
    columns: list[Any], settings: dict[str, Any], found: dict[str, str], shop: Shop
) -> None:
    """A number without a country code is one of ``region``, or else of the profile's country, if that is mapped."""
    send(shop, "braze", "profile_id", *columns, **settings)
    rows = [line.split(",") for line in shop.day(DAY, NATIONAL)]
    assert {row[0]: row[1] for row in rows if row[1]} == found


def test_an_activation_may_have_another_region(shop: Shop) -> None:
    """SPEC 2: `region` of an activation takes the place of the destination's."""
    entries = [{"audience": "all", "id": name, "export": "full", "schedule": {"at": "05:00"}} for name in ("us", "gb")]
    send(shop, "braze", "phone", region="US", activations=[entries[0], entries[1] | {"region": "GB"}])
    assert shop.day(DAY, NATIONAL, key="crm/us") == [PHONES["US"], PHONES["GB"]]
    assert shop.sent("crm/gb") == [PHONES["GB"], PHONES["GB"]]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no preset": (
        {"preset": "none", "format": "csv", "region": "US"},
        "region: needs a preset, whose phone numbers it is for; without one, write transform: [e164(US)]",
    ),
    "no region": ({"region": "UK"}, "region: 'UK' is not a region; expected two letters such as US"),
    "no numbers": (
        {"preset": "liveramp", "mapping": ["email"], "region": "US"},
        "region: has no effect: liveramp has no column of phone numbers in E.164",
    ),
    "three letters": (
        {"region": "USA"},
        "'phone': e164(USA): the snapshot has no such column; did you mean the region 'US'?",
    ),
    "a variable": ({"region": "${HOME}"}, "region: '${HOME}' uses an environment variable; write the value itself"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_region_that_means_nothing_is_a_mistake(case: str, shop: Shop) -> None:
    """SPEC 10: a region without a preset, one that does not exist, or that nothing reads is told; exit 2."""
    content, words = MISTAKES[case]
    shop.profiles(DAY, NATIONAL)
    base = {"url": "out", "preset": "braze", "mapping": ["phone"], "activations": [DAILY]}
    shop.write("destinations/crm.yml", base | content)
    result = shop.muster("validate")
    assert result.code == 2
    assert words in result.err


def test_a_region_may_be_for_one_of_several_activations(shop: Shop) -> None:
    """SPEC 2: a destination's region is for those of its activations that have a preset; without any it is a mistake
    that is told once.
    """
    entries = [{"audience": "all", "id": name, "export": "full", "schedule": {"at": "05:00"}} for name in "abc"]
    content = {"url": "out/crm", "format": "csv", "region": "US", "mapping": ["phone"]}
    shop.write("destinations/crm.yml", content | {"activations": [entries[0], entries[1] | {"preset": "braze"}]})
    assert shop.day(DAY, NATIONAL, key="crm/b") == [PHONES["US"], PHONES["GB"]]
    assert shop.sent("crm/a") == [each["phone"] for each in NATIONAL]
    shop.write("destinations/crm.yml", content | {"activations": entries})
    result = shop.muster("validate")
    assert (result.code, result.err.count("needs a preset")) == (2, 1)


def test_a_region_column_that_is_missing_is_named(shop: Shop) -> None:
    """M4: the column of the region has to be in the snapshot."""
    send(shop, "braze", "phone", region="contry")
    shop.profiles(DAY, NATIONAL)
    assert "did you mean 'country'?" in error(shop)


@pytest.mark.parametrize(
    "more", [{"mapping": [{"source": "number", "target": "phone"}, "country"]}, {"region": "country"}]
)
def test_profile_ids_that_are_numbers_have_no_region_beside_them(more: dict[str, Any], shop: Shop) -> None:
    """M1: where the profile id is the phone number, a column is no region of it, mapped or written: it needs its
    country code, also where the profile is gone.
    """
    shop.set(profiles={"path": "data/profiles", "id": "number"})
    content = {"mapping": [{"source": "profile_id", "target": "phone"}]} | more
    content["mapping"] = [*content["mapping"], STATUS]
    send(shop, "braze", **content)
    people = [{"number": number, "here": True, "country": "GB"} for number in ("12125550142", "442079460958")]
    shop.day(DAY, people)
    shop.day(NEXT, people[:1])
    assert [row["phone"] for row in shop.delivered("crm/all")[0]] == [PHONES["US"], PHONES["GB"]]
    assert [row["phone"] for row in shop.delivered("crm/all")[1]] == [PHONES["GB"]]


# What receivers take


@pytest.mark.parametrize(
    ("value", "advice", "written"),
    [
        (["gold", "new"], {"transform": "first"}, "gold"),
        (["gold", "new"], {"join": "; "}, "gold; new"),
        ({"tier": "gold"}, {"source": "tags.tier", "target": "tags"}, "gold"),
        ([{"tier": "gold"}], {"source": "tags[0].tier", "target": "tags"}, "gold"),
    ],
)
def test_lists_are_refused_with_what_to_write(value: Any, advice: dict[str, Any], written: str, shop: Shop) -> None:
    """A receiver without lists: the run fails, and what the message says to write works."""
    send(shop, "braze", "profile_id", "tags")
    shop.profiles(DAY, [person("a", tags=value)])
    line = error(shop)
    assert "crm.yml:5: mapping[1]: 'tags': is a" in line
    assert "braze takes no lists" in line
    assert (
        f"{next(iter(advice))}: [first]" if advice.get("transform") else advice.get("join", advice.get("source", ""))
    ) in line
    send(shop, "braze", "profile_id", {"source": "tags"} | advice)
    shop.run(f"{DAY}T05:00Z")
    assert shop.sent("crm/all") == [f"a,{written}"]


def test_a_list_for_a_transform_is_told_the_whole_transform(shop: Shop) -> None:
    """The transforms of a preset are not in the YAML: advice that begins before them has all of them."""
    send(shop, "google_customer_match", "email")
    shop.profiles(DAY, [person("a", email=["Ann@x.com", "b@x.com"])])
    line = error(shop)
    assert "`transform: [first, gmail, lower, hash_unless_hashed]` takes its first element" in line
    send(shop, "google_customer_match", {"source": "email", "transform": ["first", "gmail", "lower", "sha256"]})
    shop.run(f"{DAY}T05:00Z")
    assert shop.sent("crm/all") == [sha("ann@x.com")]


def test_a_column_that_is_alone_is_told_to_be_mandatory(shop: Shop) -> None:
    """M2, M7: a value that is missing in a file of one column is told what works: `mandatory: true`, and a setting of
    the file only where no preset forbids it.
    """
    shop.profiles(DAY, [person("a", tier="gold"), person("b")])
    send(shop, "none", "tier", format="csv")
    assert "write mandatory: true in its mapping, or set csv.null_value" in error(shop)
    table = replace(presets.get("adobe"), takes={"csv.null_value": ("",)})
    with mock.patch.object(presets, "get", return_value=table):
        send(shop, "adobe", "tier")
        assert error(shop).endswith("an empty line is no row; write mandatory: true in its mapping")
        send(shop, "adobe", {"source": "tier", "mandatory": True})
        shop.run(f"{DAY}T05:00Z")
    assert shop.sent("crm/all") == ["gold"]
