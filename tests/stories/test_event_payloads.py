"""V5: what the message of a profile is, byte by byte, at a recording receiver."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from support.event_shop import DAYS, EMAIL, ID, EventShop, names, objects, somebody, statuses
from support.receiver import Receiver
from support.shop import identities

FIRST = {"source": "first", "target": "person.name.firstName"}
ADDRESS = {"source": "email", "target": "personalEmail.address"}


def test_the_body_is_exactly_this(tmp_path: Path, receiver: Receiver) -> None:
    """V5: an array of objects; attributes nested by the dots of their targets, in mapping order; the mapped audiences
    in config order, then unmapped ones by id; identities sorted by namespace and id; no spaces, UTF-8.
    """
    shop = EventShop(tmp_path, receiver)
    shop.audience("a-third", where="vip")
    shop.crm(
        ["vips", {"audience": "all", "alias": "Everyone!"}],
        mapping=[FIRST, ADDRESS, ID],
        headers={"X-Source": "muster"},
    )
    row = somebody("p1", first='Zoë "Z"', email="z@x.com", identity_map=identities(Phone=["2"], Email=["b", "a", "b"]))
    [request] = shop.send("2026-11-20", row)
    time = '{"lastQualificationTime":"2026-11-20T02:00:00Z","status":"realized"}'
    assert request.body.decode() == (
        '[{"person":{"name":{"firstName":"Zoë \\"Z\\""}},"personalEmail":{"address":"z@x.com"},"id":"p1",'
        f'"segmentMembership":{{"ups":{{"vips":{time},"Everyone!":{time},"a-third":{time}}}}},'
        '"identityMap":{"Email":[{"id":"a"},{"id":"b"}],"Phone":[{"id":"2"}]}}]'
    )
    assert request.method == "POST"
    assert request.path == "/people"
    assert request.headers["content-length"] == str(len(request.body))
    assert request.headers["x-source"] == "muster"
    assert request.headers["content-type"].startswith("application/json")
    assert request.key


def test_an_exit_stands_among_the_mapped_audiences(tmp_path: Path, receiver: Receiver) -> None:
    """V5: mapped audiences that the profile is in, and those that the row holds as realized and that it is in no more,
    in config order; what it left before is not told again.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips", "all"])
    shop.send("2026-11-20", "a")
    told = objects(shop.send("2026-11-21", somebody("a", vip=False)))["a"]
    assert list(told["segmentMembership"]["ups"].items()) == [
        ("vips", {"lastQualificationTime": "2026-11-21T02:00:00Z", "status": "exited"}),
        ("all", {"lastQualificationTime": "2026-11-20T02:00:00Z", "status": "realized"}),
    ]
    told = objects(shop.send("2026-11-22", somebody("a", vip=False, email="new")))["a"]
    assert statuses(told) == {"all": "realized"}


def test_names_and_unmapped_audiences_are_as_asked(tmp_path: Path, receiver: Receiver) -> None:
    """V5: `names: true` adds the name of mapped audiences; `unmapped_audiences: none` leaves the others out."""
    shop = EventShop(tmp_path, receiver)
    shop.audience("vips", where="vip", name="Very important")
    shop.crm(["vips"], names=True)
    told = objects(shop.send("2026-11-20", "a"))["a"]["segmentMembership"]["ups"]
    assert list(told) == ["vips", "all"]
    assert told["vips"]["name"] == "Very important"
    assert "name" not in told["all"]
    shop.crm(["vips"], unmapped_audiences="none")
    told = objects(shop.send("2026-11-21", "a", "b"))["b"]["segmentMembership"]["ups"]
    assert told == {"vips": {"lastQualificationTime": "2026-11-21T02:00:00Z", "status": "realized"}}


def test_an_unmapped_audience_is_never_taken_for_a_mapped_one(tmp_path: Path, receiver: Receiver) -> None:
    """V5: a name that a mapped audience has at the receiver says of that audience alone who is in it."""
    shop = EventShop(tmp_path, receiver)
    shop.audience("7", where="true")
    shop.crm(["all", {"audience": "vips", "alias": "7"}])
    told = objects(shop.send(DAYS[0], "a", somebody("b", vip=False)))
    assert {name: statuses(each) for name, each in told.items()} == {
        "a": {"all": "realized", "7": "realized"},
        "b": {"all": "realized"},
    }


def test_values_keep_their_json_types_and_absent_ones_leave_their_key_out(tmp_path: Path, receiver: Receiver) -> None:
    """V5, M7: numbers, booleans, lists and objects; dates and times as ISO 8601; what is absent has no key."""
    shop = EventShop(tmp_path, receiver)
    fields = ("n", "f", "yes", "day", "time", "price", "tags", "address", "empty", "nothing", "nan")
    shop.crm(mapping=[ID, *({"source": each, "target": f"x.{each}"} for each in fields)])
    row = somebody(
        "a",
        n=7,
        f=0.5,
        yes=True,
        day=date(2026, 1, 2),
        time=datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC),
        price=Decimal("1.50"),
        tags=["b", "a"],
        address={"city": "Oslo"},
        empty="",
        nothing=None,
        nan=float("nan"),
    )
    row.pop("identity_map")
    told = objects(shop.send("2026-11-20", row, somebody("b", **dict.fromkeys(fields)) | {"identity_map": []}))
    body = receiver.requests[0].body.decode()
    assert told["a"]["x"] == {
        "n": 7,
        "f": 0.5,
        "yes": True,
        "day": "2026-01-02",
        "time": "2026-01-02T03:04:05.500Z",
        "price": 1.5,
        "tags": ["b", "a"],
        "address": {"city": "Oslo"},
        "empty": "",
    }
    assert '"price":1.50' in body
    assert "identityMap" not in told["a"]
    assert "x" not in told["b"]


def test_one_profile_is_an_array_too(tmp_path: Path, receiver: Receiver) -> None:
    """V5: the body is an array, whatever the number of profiles; equal data give equal bytes."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(aggregation={"best_effort": {"max_profiles": 1}})
    requests = shop.send("2026-11-20", "b", "a")
    assert sorted(names(requests)) == ["a", "b"]
    assert all(isinstance(each.json, list) and len(each.json) == 1 for each in requests)
    other = EventShop(tmp_path / "other", receiver)
    other.crm(aggregation={"best_effort": {"max_profiles": 1}})
    again = other.send("2026-11-20", "a", "b")
    assert {each.body for each in again} == {each.body for each in requests}


@pytest.mark.parametrize(
    ("targets", "wrong"),
    [
        (("person", "person.name"), "person"),
        (("segmentMembership", "x"), "segmentMembership"),
        (("identityMap.Email", "x"), "identityMap"),
        (("segmentMembership.ups", "x"), "segmentMembership"),
    ],
)
def test_targets_that_meet_are_config_errors(
    targets: tuple[str, str], wrong: str, tmp_path: Path, receiver: Receiver
) -> None:
    """V5: a target that is another's prefix, or is segmentMembership or identityMap."""
    shop = EventShop(tmp_path, receiver)
    shop.people("a")
    shop.crm(mapping=[ID, *({"source": "email", "target": each} for each in targets)])
    found = shop.muster("validate", "--offline")
    assert found.code == 2
    assert "destinations/crm.yml:" in found.err
    assert wrong in found.err


def test_an_audience_that_labels_forbid_is_left_out_and_named(tmp_path: Path, receiver: Receiver) -> None:
    """V5, G2: an unmapped audience whose labels would violate a policy is in no message, and `policies check` names it;
    every namespace counts as mapped.
    """
    shop = EventShop(tmp_path, receiver, labels={"sick": ["RHD"]}, custom_actions={"tell": None})
    shop.audience("sick", where="sick")
    shop.write("policies/no-health.yml", {"actions": ["tell"], "deny": "RHD"})
    shop.crm(["vips"], marketing_actions=["tell"])
    told = objects(shop.send("2026-11-20", somebody("a", sick=True)))["a"]
    assert statuses(told) == {"vips": "realized", "all": "realized"}
    checked = shop.muster("policies", "check")
    assert checked.code == 0
    assert "sick" in checked.out
    shop.set(labels={"sick": ["RHD"], "identity_map.Phone": ["RHD"]})
    shop.people(somebody("a", sick=True, identity_map=identities(Phone=["1"])), day="2026-11-21")
    assert shop.muster("policies", "check").code == 2
    assert shop.send("2026-11-21", code=1) == []


def test_messages_need_no_mapped_column(tmp_path: Path, receiver: Receiver) -> None:
    """V5: mapped attributes are as many as are mapped: without an id, messages tell the rest."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(mapping=[EMAIL])
    [request] = shop.send("2026-11-20", "a")
    assert list(request.json[0]) == ["contact", "segmentMembership", "identityMap"]


def test_an_audience_that_was_taken_out_is_one_of_the_others(tmp_path: Path, receiver: Receiver) -> None:
    """V5: from then on it is not mapped: named by id where the profile is realized in it."""
    shop = EventShop(tmp_path, receiver)
    shop.crm([{"audience": "vips", "alias": "V"}, "all"])
    shop.send("2026-11-20", "a")
    shop.crm(["all"])
    told = objects(shop.send("2026-11-21", somebody("a", email="new")))["a"]
    assert statuses(told) == {"all": "realized", "vips": "realized"}


def test_without_a_column_of_identities_there_are_none(tmp_path: Path, receiver: Receiver) -> None:
    """V5, X3c: identities are not compared while the column is absent, then or now."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.send("2026-11-20", "a")
    without = {name: each for name, each in somebody("a").items() if name != "identity_map"}
    assert shop.send("2026-11-21", without) == []
    told = objects(shop.send("2026-11-22", without | {"email": "new"}))["a"]
    assert "identityMap" not in told
    assert shop.send("2026-11-23", somebody("a", email="new")) == []
