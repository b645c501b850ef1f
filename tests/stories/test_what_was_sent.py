"""X12, M3, M5, X3e: what was sent belongs to the column, by its target, whatever the settings are later."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities

MAIL = {"source": "email", "target": "mail"}
OTHER = {"source": "contact", "target": "mail"}
DAILY = {"audience": "vip", "id": "all", "export": "incremental", "schedule": {"at": "05:00"}}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace with the audience of VIPs."""
    made = Shop(tmp_path)
    made.audience("vip", where="vip")
    return made


def settings(shop: Shop, *columns: Any, status: bool = True, **more: Any) -> None:
    """Write the settings of ``crm/all``: profile id, columns, status."""
    mapping = ["profile_id", *columns, *([STATUS] if status else [])]
    shop.destination("crm", mapping=mapping, activations=[DAILY], **more)


def person(name: str, email: str | None = None, contact: str | None = None, **more: Any) -> dict[str, Any]:
    """A VIP, with two addresses."""
    email = f"{name}@x.com" if email is None else email
    return {"profile_id": name, "email": email, "contact": contact or email, "city": "Oslo", "vip": True} | more


def note(shop: Shop, at: str) -> str:
    """What `plan` prints, on one line."""
    return " ".join(shop.ok("plan", "--at", at).out.split())


# Sources, transforms, targets


def test_a_renamed_source_keeps_what_was_sent_under_its_target(shop: Shop) -> None:
    """X12: exits carry the address that was sent, members whose key is written otherwise now are sent anew with an exit
    of the old, once, and are counted as realized; `plan` says so.
    """
    settings(shop, MAIL, deduplicate=["email"])
    people = [person("a"), person("b"), person("c", contact="new@x.com")]
    shop.day("2026-11-20", people)
    settings(shop, OTHER, deduplicate=["contact"])
    people[1]["vip"] = False
    shop.profiles("2026-11-21", people)
    shop.evaluate("2026-11-21T02:00Z")
    assert "1 sent anew, as a key column is made in another way now" in note(shop, "2026-11-21T05:00Z")
    shop.run("2026-11-21T05:00Z")
    assert shop.sent("crm/all") == ["b,b@x.com,exited", "c,c@x.com,exited", "c,new@x.com,realized"]
    run = shop.runs()[-1]
    assert [run[key] for key in ("received", "realized", "exited", "identity_changed")] == [2, 1, 1, 0]
    assert "missing at the receiver 0" in " ".join(shop.ok("reconcile", "crm/all").out.split())
    assert shop.day("2026-11-22", people) == []


def test_another_source_of_another_column_sends_nobody(shop: Shop) -> None:
    """X12: the source of a column that is no key may change, of a mandatory one too; exits have what was sent."""
    mandatory = MAIL | {"mandatory": True}
    settings(shop, mandatory, "city", deduplicate=["profile_id"])
    shop.day("2026-11-20", [person("a"), person("b")])
    settings(shop, mandatory | {"source": "contact"}, {"source": "town", "target": "city"})
    rows = [person("a", contact="x", town="y"), person("b", contact="x", town="y", vip=False)]
    assert shop.day("2026-11-21", rows) == ["b,b@x.com,y,exited"]


def test_swapped_targets_are_two_changed_columns(shop: Shop) -> None:
    """X12: what was sent under a target stays there when two columns swap their targets."""
    settings(shop, MAIL, {"source": "contact", "target": "second"}, deduplicate=["email", "contact"])
    shop.day("2026-11-20", [person("a", contact="a2@x.com"), person("b", contact="b2@x.com")])
    settings(shop, OTHER, {"source": "email", "target": "second"}, deduplicate=["email", "contact"])
    rows = [person("a", contact="a2@x.com"), person("b", contact="b2@x.com", vip=False)]
    assert shop.day("2026-11-21", rows) == [
        *("a,a@x.com,a2@x.com,exited", "a,a2@x.com,a@x.com,realized", "b,b@x.com,b2@x.com,exited"),
    ]


def test_a_new_target_takes_over_what_a_gone_one_was_sent(shop: Shop) -> None:
    """X12: a target that is renamed keeps what was sent; one that is new and made otherwise is null in exits."""
    settings(shop, MAIL, deduplicate=["email"])
    shop.day("2026-11-20", [person("a"), person("b")])
    settings(shop, MAIL | {"target": "e_mail"}, deduplicate=["email"])
    assert shop.day("2026-11-21", [person("b", email="new@x.com")]) == ["a,a@x.com,exited"]
    settings(shop, OTHER | {"target": "address"}, deduplicate=["contact"])
    assert shop.day("2026-11-22", [person("c")]) == ["b,,exited", "c,c@x.com,realized"]


def test_formulas_leave_as_they_were_sent(shop: Shop) -> None:
    """X12, M8: `sanitize_formulas` switched off or on changes what is written, not what a receiver holds."""
    plain, harmless = {"deduplicate": ["email"]}, {"deduplicate": ["email"], "csv": {"sanitize_formulas": True}}
    settings(shop, MAIL, **harmless)
    rows = [person("a", "=a"), person("b", "=b"), person("c")]
    assert shop.day("2026-11-20", rows) == ["a,'=a,realized", "b,'=b,realized", "c,c@x.com,realized"]
    settings(shop, MAIL, **plain)
    rows[1]["vip"] = False
    assert shop.day("2026-11-21", rows) == ["a,'=a,exited", "a,=a,realized", "b,'=b,exited"]
    settings(shop, MAIL, **harmless)
    rows[0]["vip"] = False
    assert shop.day("2026-11-22", rows) == ["a,=a,exited"]


@pytest.mark.parametrize("key", ["mandatory", "deduplicate"])
def test_a_key_that_is_switched_off_and_on_is_known_all_the_time(shop: Shop, key: str) -> None:
    """X12: what was sent in a column that was a key is kept for as long as it is mapped, also through a full export."""

    def switch(*, on: bool, mode: str = "incremental") -> None:
        mandatory = MAIL | {"mandatory": True} if on and key == "mandatory" else MAIL
        keys = {"deduplicate": ["email"]} if on and key == "deduplicate" else {}
        daily = DAILY | {"export": mode}
        shop.destination("crm", mapping=["profile_id", mandatory, STATUS], activations=[daily], **keys)

    switch(on=True)
    shop.day("2026-11-20", [person("a"), person("b"), person("c"), person("d")])
    switch(on=False)
    newer = [person("a", "2"), person("b", "2b"), person("c", "2c"), person("d", "2d")]
    newer[0]["vip"] = False
    assert shop.day("2026-11-21", newer) == ["a,a@x.com,exited"]
    switch(on=True)
    assert shop.day("2026-11-22", newer[2:]) == ["b,b@x.com,exited"]
    switch(on=False, mode="full")
    assert shop.day("2026-11-23", newer[2:]) == ["c,2c,realized", "d,2d,realized"]
    switch(on=False)
    assert shop.day("2026-11-24", [person("c", "3c", vip=False), person("d", "3d")]) == ["c,2c,exited"]


def test_a_key_that_was_never_kept_is_unknown(shop: Shop) -> None:
    """X12: what is unknown is null in an exit, never today's value, until the profile is next sent."""
    settings(shop, MAIL)
    shop.day("2026-11-20", [person("a"), person("b")])
    settings(shop, MAIL, deduplicate=["email"])
    assert shop.day("2026-11-21", [person("a"), person("b", vip=False)]) == ["b,,exited"]
    assert shop.day("2026-11-22", [person("a", vip=False), person("b")]) == ["a,,exited", "b,b@x.com,realized"]
    assert shop.day("2026-11-23", [person("b", "new", vip=False)]) == ["b,b@x.com,exited"]


# Identities


def test_another_namespace_under_a_target_withdraws_the_old_identities(shop: Shop) -> None:
    """X12, M5: members are sent anew under the namespace of today with exits of what they were sent, leavers leave with
    the identities that they were sent, and identities that were never sent are never told.
    """
    settings(shop, {"source": "identity_map.Email", "target": "key"})
    both = {name: identities(Email=[f"{name}@x.com", f"{name}@y.com"], Phone=[f"1{name}"]) for name in "ab"}
    people = [person(name, identity_map=both[name]) for name in "ab"]
    shop.day("2026-11-20", people)
    settings(shop, {"source": "identity_map.Phone", "target": "key"})
    people[1]["vip"] = False
    assert shop.day("2026-11-21", people) == [
        *("a,a@x.com,exited", "a,a@y.com,exited", "a,1a,realized", "b,b@x.com,exited", "b,b@y.com,exited"),
    ]
    assert shop.day("2026-11-22", people) == []


def test_an_attribute_in_the_place_of_identities_withdraws_them(shop: Shop) -> None:
    """X12: the same where an attribute takes over the target, whether it tells duplicates apart or not."""
    settings(shop, {"source": "identity_map.Email", "target": "mail"})
    people = [person(name, identity_map=identities(Email=[f"{name}@x.com", f"{name}@y.com"])) for name in "ab"]
    shop.day("2026-11-20", people)
    settings(shop, MAIL)
    people[1]["vip"] = False
    first = ["a,a@y.com,exited", "a,a@x.com,realized", "b,b@x.com,exited", "b,b@y.com,exited"]
    assert shop.day("2026-11-21", people) == first


def test_a_value_in_the_place_of_identities_was_sent_in_each_row(shop: Shop) -> None:
    """X12, M5: identities in the place of ids withdraw each id once, not an empty key beside it, though two rows had
    the id.
    """
    phone, identifier = {"source": "identity_map.Phone", "target": "b"}, {"source": "profile_id", "target": "a"}
    activation = {"mapping": [identifier, phone, STATUS], "activations": [DAILY]}
    shop.destination("crm", **activation)
    people = [person(name, identity_map=identities(Phone=[f"{name}1", f"{name}2"])) for name in "xy"]
    assert shop.day("2026-11-20", people)[:2] == ["x,x1,realized", "x,x2,realized"]
    activation["mapping"] = [{**phone, "target": "a"}, {**identifier, "target": "b"}, STATUS]
    shop.destination("crm", **activation)
    people[1]["vip"] = False
    assert shop.day("2026-11-21", people) == ["x,x1,exited", "x1,x,realized", "x2,x,realized", "y,y1,exited"]


def test_a_namespace_that_is_newly_mapped_is_unknown(shop: Shop) -> None:
    """X12: who was sent without an identity leaves without one."""
    settings(shop)
    people = [person(name, identity_map=identities(Email=[f"{name}@x.com"])) for name in "ab"]
    shop.day("2026-11-20", people)
    settings(shop, "identity_map.Email")
    assert shop.day("2026-11-21", people[:1]) == ["b,,exited"]


# What `deduplicate` compares


def test_duplicates_are_those_that_are_written_alike(shop: Shop) -> None:
    """M3: two spellings of an address are one key under `[trim, lower]`; with the plain column mapped too they are
    two, and where the source is not mapped its values decide.
    """
    clean = MAIL | {"transform": ["trim", "lower"]}
    people = [person("a", "Ann@x.com"), person("b", " ann@X.com"), person("c")]
    settings(shop, clean, deduplicate=["email"])
    assert shop.day("2026-11-20", people) == ["a,ann@x.com,realized", "c,c@x.com,realized"]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}
    settings(shop, clean, {"source": "email", "target": "plain"}, deduplicate=["email"])
    assert shop.day("2026-11-21", people) == ["b,ann@x.com, ann@X.com,realized"]
    settings(shop, "city", deduplicate=["email"])
    assert shop.day("2026-11-22", [*people, person("d", "Ann@x.com")]) == [
        *("a,Oslo,exited", "d,Oslo,realized"),
    ]


def test_an_exit_is_withheld_for_a_key_that_is_written_alike(shop: Shop) -> None:
    """M3: the exit of a key that a member has, or was last sent with, spelled in another way, is a duplicate."""
    settings(shop, MAIL | {"transform": ["lower"]}, deduplicate=["email"])
    shop.day("2026-11-20", [person("a", "ANN@x.com"), person("b")])
    assert shop.day("2026-11-21", [person("b"), person("c", "ann@X.com")]) == ["c,ann@x.com,realized"]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}


def test_of_leavers_with_one_key_one_exits_by_its_own_values(shop: Shop) -> None:
    """M3: ties among exits go to the smallest other mapped values as their rows have them; a leaver who is gone from
    the snapshot has its id in its row.
    """
    number = {"source": "number", "target": "number", "mandatory": True}
    settings(shop, number)
    shop.day("2026-11-20", [person("a", number=7), person("b", number=7), person("c", number=8)])
    settings(shop, number, deduplicate=["number"])
    left = [person("a", number=7, vip=False), person("c", number=8)]
    assert shop.day("2026-11-21", left) == ["a,7,exited"]
    assert shop.ok("runs", "rejects", "crm/all", "--json").json[0]["profile_id"] == "b"


def test_a_key_is_one_whatever_its_type(shop: Shop) -> None:
    """D7: 7 and 7.0 are one key, within a run and against what was sent; the text `7.0` is another."""
    settings(shop, {"source": "number", "target": "number"}, deduplicate=["number"])
    shop.day("2026-11-20", [person("a", number=7), person("b", number=8)])
    assert shop.day("2026-11-21", [person("b", number=8.0), person("c", number=7.0)]) == ["c,7.0,realized"]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}


@pytest.mark.parametrize(
    "types",
    [
        (pl.Int64, pl.Float64, pl.Int64),
        (pl.Float64, pl.Int64, pl.String),
        (pl.Float64, pl.String, pl.Float64),
        (pl.Decimal(10, 2), pl.String, pl.String),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_mapped", [True, False])
def test_a_number_stays_one_key_when_its_type_changes(
    shop: Shop, types: tuple[pl.DataType, ...], is_mapped: bool
) -> None:
    """D7, M3, X3e: a number that was sent is compared as a number, though the column has become text or whole numbers:
    nobody is sent again, and nobody is removed whose key a member has.
    """
    number = [{"source": "number", "target": "number"}] if is_mapped else []
    settings(shop, *number, deduplicate=["number"], changes=["membership", "keys"])
    texts = {each: "7.00" if each == pl.Decimal(10, 2) else "7.0" if each == pl.Float64 else "7" for each in types}

    def sent(day: int, **numbers: int) -> list[str]:
        rows = [{"profile_id": name, "vip": True, "number": str(number)} for name, number in numbers.items()]
        return shop.day(f"2026-11-{day}", pl.DataFrame(rows).with_columns(pl.col("number").cast(types[day - 20])))

    def row(name: str, day: int) -> str:
        return ",".join([name, *([texts[types[day - 20]]] if is_mapped else []), "realized"])

    assert sent(20, a=7, b=8)[0] == row("a", 20)
    assert sent(21, b=8, c=7) == [row("c", 21)]
    assert sent(22, b=8, d=7) == [row("d", 22)]


# `changes`


def test_keys_that_changed_are_sent_if_asked(shop: Shop) -> None:
    """X3e: `keys` sends members whose mandatory or deduplication value changed, with an exit of a key that nobody has
    now; other values and unknown ones send nobody, and nobody is sent twice.
    """
    changes = {"changes": ["membership", "keys"], "deduplicate": ["email"]}
    settings(shop, MAIL, {"source": "city", "mandatory": True}, "contact", **changes)
    people = [person("a"), person("b"), person("c")]
    shop.day("2026-11-20", people)
    people = [person("a", "new"), person("b", "a@x.com"), person("c", contact="c2"), person("d")]
    assert shop.day("2026-11-21", people) == [
        *("a,new,Oslo,new,realized", "b,b@x.com,Oslo,a@x.com,exited", "b,a@x.com,Oslo,a@x.com,realized"),
        "d,d@x.com,Oslo,d@x.com,realized",
    ]
    assert shop.day("2026-11-22", people) == []
    people[2] |= {"city": "Bern", "identity_map": identities(Email=["c"])}
    assert shop.day("2026-11-23", people) == ["c,c@x.com,Bern,c2,realized"]


def test_attributes_that_changed_are_sent_if_asked(shop: Shop) -> None:
    """X3e, X10: `attributes` sends members of whom any mapped value changed, and `plan` counts them; a column that is
    newly mapped is no change.
    """
    settings(shop, "city", changes=["membership", "attributes"])
    shop.day("2026-11-20", [person("a"), person("b")])
    settings(shop, "city", "email", changes=["membership", "attributes"])
    people = [person("a", city="Bern"), person("b")]
    shop.profiles("2026-11-21", people)
    shop.evaluate("2026-11-21T02:00Z")
    assert "1 with changed values" in note(shop, "2026-11-21T05:00Z")
    shop.run("2026-11-21T05:00Z")
    assert shop.sent("crm/all") == ["a,Bern,a@x.com,realized"]
    assert shop.runs()[-1]["received"] == 1
    assert shop.day("2026-11-22", [person("a", "2", city="Bern"), person("b", "2")]) == ["a,Bern,2,realized"]


def test_identities_that_changed_are_not_sent_unless_asked(shop: Shop) -> None:
    """X3e: without `identity` a change of the identity map includes nobody."""
    settings(shop, changes=["membership"])
    shop.day("2026-11-20", [person("a", identity_map=identities(Email=["1"]))])
    assert shop.day("2026-11-21", [person("a", identity_map=identities(Email=["2"]))]) == []


# Exits that could not be told


def test_leavers_of_a_time_without_status_are_named(shop: Shop) -> None:
    """X3d: once the status is mapped again, `plan` and `validate` say how many left untold and how to start anew, until
    everybody was sent again.
    """
    settings(shop)
    shop.day("2026-11-20", [person("a"), person("b"), person("c")])
    settings(shop, status=False)
    assert shop.day("2026-11-21", [person("a"), person("b")]) == []
    assert shop.day("2026-11-22", [person("a")]) == []
    assert "was not mapped" not in note(shop, "2026-11-22T06:00Z")
    settings(shop)
    shop.profiles("2026-11-23", [person("a")])
    expected = (
        "crm/all: 2 profiles left while segment_membership.status was not mapped, and the receiver was never told"
    )
    assert expected in note(shop, "2026-11-23T06:00Z")
    assert expected in shop.ok("validate").err
    assert shop.day("2026-11-23", [person("a")]) == []
    assert "`muster baseline reset crm/all`: the next export holds everybody" in note(shop, "2026-11-23T06:00Z")
    shop.ok("baseline", "reset", "crm/all")
    assert shop.day("2026-11-24", [person("a")]) == ["a,realized"]
    assert "was not mapped" not in note(shop, "2026-11-24T06:00Z")
