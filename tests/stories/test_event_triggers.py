"""V3, V4: who is told, when, and what a message says of somebody who leaves."""

from pathlib import Path
from typing import Any

import pytest
from support.event_shop import DAYS, EMAIL, ID, EventShop, names, objects, somebody, statuses
from support.receiver import LOST, Receiver, Say
from support.shop import identities

CITY = {"source": "city", "target": "city"}


def test_each_change_is_told_once_and_nothing_else(tmp_path: Path, receiver: Receiver) -> None:
    """V3, V11: null to realized, realized to exited, exited to realized; an identity; a mapped value; nobody for a
    column that is not mapped, an audience that is not mapped, or the same value again. V1: with nothing to send no run.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    rows: dict[str, dict[str, Any]] = {name: somebody(name, other=1, n=1) for name in "abcde"}
    rows["d"]["vip"] = False
    shop.audience("other", where="other = 2")
    assert names(shop.send(DAYS[0], *rows.values())) == ["a", "b", "c", "e"]
    assert shop.done["by_trigger"] == {"membership": 4} | dict.fromkeys(
        shop.done["by_trigger"].keys() - {"membership"}, 0
    )
    assert shop.send(DAYS[1], *(row | {"other": 2} for row in rows.values())) == []
    assert shop.last.json["runs"] == []
    rows["a"] |= {"identity_map": identities(Email=["a@x.com"], Phone=["1"])}
    rows["b"] |= {"email": "new@mail"}
    rows["c"] |= {"vip": False}
    rows["d"] |= {"vip": True}
    told = objects(shop.send(DAYS[2], *rows.values()))
    assert sorted(told) == ["a", "b", "c", "d"]
    counted = {name: number for name, number in shop.done["by_trigger"].items() if number}
    assert counted == {"identity": 1, "attributes": 1, "membership": 2}
    assert told["a"]["identityMap"] == {"Email": [{"id": "a@x.com"}], "Phone": [{"id": "1"}]}
    assert told["b"]["contact"] == {"email": "new@mail"}
    assert told["c"]["contact"] == {"email": "c@mail"}, "all mapped attributes go with every message"
    assert statuses(told["c"]) == {"vips": "exited", "all": "realized"}
    assert (shop.done["exported"], shop.done["realized"], shop.done["exited"]) == (4, 3, 1)
    assert shop.send(DAYS[3], *rows.values()) == []
    rows["c"] |= {"vip": True}
    assert statuses(objects(shop.send(DAYS[4], *rows.values()))["c"])["vips"] == "realized"


def test_only_chosen_triggers_send(tmp_path: Path, receiver: Receiver) -> None:
    """V3: `triggers` takes the others away; what is sent for another reason has the newest values all the same."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"], triggers=["membership"])
    shop.send(DAYS[0], "a")
    changed = somebody("a", "other@x.com", email="new@mail")
    assert shop.send(DAYS[1], changed) == []
    [told] = objects(shop.send(DAYS[2], changed | {"vip": False})).values()
    assert told["contact"] == {"email": "new@mail"}
    assert told["identityMap"] == {"Email": [{"id": "other@x.com"}]}


def test_membership_can_be_left_out_and_consent_cannot(tmp_path: Path, receiver: Receiver) -> None:
    """V3: with `triggers: [attributes]` only mapped values and withdrawals of consent send."""
    shop = consenting(tmp_path, receiver, triggers=["attributes"])
    shop.send(DAYS[0], "a", "b")
    assert shop.send(DAYS[1], "a", somebody("b", ok=False))
    assert {name: number for name, number in shop.done["by_trigger"].items() if number} == {"consent": 1}


def test_a_newer_qualification_is_a_change(tmp_path: Path, receiver: Receiver) -> None:
    """V3: who left and came back between two runs is told again, with the new time."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "a")
    shop.people(somebody("a", vip=False), day=DAYS[1])
    shop.evaluate(f"{DAYS[1]}T02:00Z", "--no-exports")
    told = objects(shop.send(DAYS[2], "a"))["a"]["segmentMembership"]["ups"]["vips"]
    assert told == {"lastQualificationTime": f"{DAYS[2]}T02:00:00Z", "status": "realized"}


def test_a_version_column_tells_writes_of_the_same_value(tmp_path: Path, receiver: Receiver) -> None:
    """V3: `attributes_version` names a column that moves with every write."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(attributes_version="version")
    shop.send(DAYS[0], somebody("a", version=1), somebody("b", version=1))
    assert names(shop.send(DAYS[1], somebody("a", version=2), somebody("b", version=1))) == ["a"]
    assert shop.done["by_trigger"]["attributes"] == 1


def consenting(root: Path, receiver: Receiver, **content: Any) -> EventShop:
    """A shop whose destination needs `ok`."""
    shop = EventShop(root, receiver, custom_actions={"tell": None})
    shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok"})
    shop.crm(["vips", "all"], marketing_actions=["tell"], **content)
    return shop


def test_a_withdrawal_tells_what_was_last_sent_and_nothing_else(tmp_path: Path, receiver: Receiver) -> None:
    """V3, G4: the profile id where mapped, the values last sent in mandatory columns, the identities last sent, exits
    of every audience that the row holds as realized; not an audience that is not mapped, not a newer value. Once.
    """
    must = {"source": "email", "target": "contact.email", "mandatory": True}
    shop = consenting(tmp_path, receiver, mapping=[ID, must, CITY])
    shop.audience("third", where="true")
    shop.send(DAYS[0], somebody("a", city="Oslo"), somebody("b", city="Oslo"))
    newer = somebody("a", "new@x.com", city="Bern", email="new@mail", ok=False)
    [request] = shop.send(DAYS[1], newer, somebody("b", city="Oslo"))
    left = f'{{"lastQualificationTime":"{DAYS[1]}T05:00:00Z","status":"exited"}}'
    assert request.body.decode() == (
        '[{"id":"a","contact":{"email":"a@mail"},'
        f'"segmentMembership":{{"ups":{{"vips":{left},"all":{left}}}}},'
        '"identityMap":{"Email":[{"id":"a@x.com"}]}}]'
    )
    run = shop.done
    assert (run["received"], run["exported"], run["exited"]) == (1, 1, 1)
    assert run["by_trigger"]["consent"] == 1
    assert shop.send(DAYS[2], newer, somebody("b", city="Oslo")) == []
    back = objects(shop.send(DAYS[3], newer | {"ok": True}, somebody("b", city="Oslo")))["a"]
    assert statuses(back) == {"vips": "realized", "all": "realized", "third": "realized"}


def test_a_withdrawal_exits_audiences_that_were_taken_out_too(tmp_path: Path, receiver: Receiver) -> None:
    """V3, V4: after an audience was taken out nothing is sent; a withdrawal exits it all the same, and mapping it again
    compares with its rows.
    """
    shop = consenting(tmp_path, receiver, mapping=[ID])
    shop.send(DAYS[0], "a", "b")
    shop.crm(["all"], marketing_actions=["tell"], mapping=[ID])
    assert shop.send(DAYS[1], "a", "b") == []
    assert "vips" in shop.ok("plan", "--at", f"{DAYS[1]}T06:00Z").out
    told = objects(shop.send(DAYS[2], somebody("a", ok=False), "b"))
    assert {name: statuses(each) for name, each in told.items()} == {"a": {"all": "exited", "vips": "exited"}}
    shop.crm(["all", "vips"], marketing_actions=["tell"], mapping=[ID])
    assert shop.send(DAYS[3], somebody("a", ok=False), "b") == []
    assert names(shop.send(DAYS[4], somebody("a", ok=False), somebody("b", vip=False))) == ["b"]


def test_what_is_uncertain_stays_so_after_its_audience_was_taken_out(tmp_path: Path, receiver: Receiver) -> None:
    """V2, V3, V4: a message without the audience that was taken out settles nothing of it: a withdrawal exits it."""
    shop = consenting(tmp_path, receiver, mapping=[ID])
    receiver.default = LOST
    shop.send(DAYS[0], "a", code=1)
    receiver.default = Say(200)
    shop.crm(["all"], marketing_actions=["tell"], mapping=[ID])
    [told] = objects(shop.send(DAYS[1], "a")).values()
    assert statuses(told)["all"] == "realized"
    told = objects(shop.send(DAYS[2], somebody("a", ok=False)))
    assert {name: statuses(each) for name, each in told.items()} == {"a": {"all": "exited", "vips": "exited"}}
    assert shop.send(DAYS[3], somebody("a", ok=False)) == []


def test_a_gone_profile_is_told_like_a_withdrawal(tmp_path: Path, receiver: Receiver) -> None:
    """V3: the message of a profile that is gone holds what was last sent, with the time of its exit."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "a", "b")
    [request] = shop.send(DAYS[1], "b")
    assert request.json == [
        {
            "id": "a",
            "segmentMembership": {
                "ups": {"vips": {"lastQualificationTime": f"{DAYS[1]}T02:00:00Z", "status": "exited"}}
            },
            "identityMap": {"Email": [{"id": "a@x.com"}]},
        }
    ]
    assert shop.done["by_trigger"]["membership"] == 1
    assert shop.send(DAYS[2], "b") == []


def test_a_forgotten_person_is_told_as_an_exit_and_then_unknown(tmp_path: Path, receiver: Receiver) -> None:
    """V3, G8: a withdrawal as well; after its delivery the state has neither the id nor an identity."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "forgotten-one", "b")
    shop.ok("profiles", "forget", "forgotten-one")
    told = objects(shop.send(DAYS[1], "forgotten-one", "b"))
    assert {name: statuses(each) for name, each in told.items()} == {"forgotten-one": {"vips": "exited"}}
    assert told["forgotten-one"]["identityMap"] == {"Email": [{"id": "forgotten-one@x.com"}]}
    assert "contact" not in told["forgotten-one"]
    assert shop.send(DAYS[2], "forgotten-one", "b") == []
    held = [name for name, content in shop.tree(".muster").items() if b"forgotten-one" in content]
    assert held == []
    shop.ok("state", "check")


def test_who_is_excluded_now_is_an_exit(tmp_path: Path, receiver: Receiver) -> None:
    """V3, M2: a delivered member who is excluded now, is an exit; who never was delivered is counted."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"], mapping=[ID, EMAIL | {"mandatory": True}])
    shop.send(DAYS[0], "a", somebody("b", email=None))
    assert shop.done["excluded_by"] == {"mandatory:contact.email": 1}
    assert (shop.done["received"], shop.done["exported"]) == (2, 1)
    [told] = objects(shop.send(DAYS[1], somebody("a", email=None), somebody("b", email=None))).values()
    assert told["id"] == "a"
    assert statuses(told)["vips"] == "exited"


def test_an_exit_matches_what_the_receiver_holds(tmp_path: Path, receiver: Receiver) -> None:
    """X12: mandatory columns of a message of exits have what was last sent, other columns the newest values; a message
    of somebody who is still in an audience has the newest everywhere.
    """
    shop = EventShop(tmp_path, receiver)
    shop.audience("other", where="other = 2")
    shop.crm(["vips", "other"], mapping=[ID, EMAIL | {"mandatory": True}, CITY])
    shop.send(DAYS[0], *(somebody(name, other=2 if name == "c" else 1, city="Rome") for name in "abc"))
    rows = [
        somebody("a", email=None, other=1, city="Oslo"),
        somebody("b", email="new@mail", vip=False, other=1, city="Oslo"),
        somebody("c", email="new@mail", vip=False, other=2, city="Oslo"),
    ]
    told = objects(shop.send(DAYS[1], *rows))
    sent = {name: (each["contact"]["email"], each["city"]) for name, each in told.items()}
    assert sent == {"a": ("a@mail", "Oslo"), "b": ("b@mail", "Oslo"), "c": ("new@mail", "Oslo")}


# V4


def test_an_audience_added_later_sends_its_own_members(tmp_path: Path, receiver: Receiver) -> None:
    """V4: the first delivery sends all members; an audience that is added sends its own members."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["all"])
    rows = ["a", somebody("b", vip=False)]
    assert names(shop.send(DAYS[0], *rows)) == ["a", "b"]
    assert shop.done["first_export"] is True
    shop.crm(["all", "vips"])
    told = objects(shop.send(DAYS[1]))
    assert {name: statuses(each) for name, each in told.items()} == {"a": {"all": "realized", "vips": "realized"}}
    assert shop.done["first_export"] is False


def test_a_changed_alias_starts_that_audience_anew(tmp_path: Path, receiver: Receiver) -> None:
    """V2: a changed alias starts that audience anew at the receiver, and `plan` says so."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["all", {"audience": "vips", "alias": "one"}])
    shop.send(DAYS[0], "a", somebody("b", vip=False))
    shop.crm(["all", {"audience": "vips", "alias": "two"}])
    planned = shop.ok("plan", "--at", f"{DAYS[1]}T05:00Z")
    assert "two" in planned.out
    told = objects(shop.send(DAYS[1]))
    assert {name: statuses(each) for name, each in told.items()} == {"a": {"all": "realized", "two": "realized"}}


def test_a_changed_mapping_resends_nobody_unless_asked(tmp_path: Path, receiver: Receiver) -> None:
    """V4: in the first run after it values count as sent; `plan` and the run warn and name `resync`; `resend` sends."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(mapping=[ID, CITY])
    rows = [somebody("a", city="Oslo"), somebody("b", city="Oslo")]
    shop.send(DAYS[0], *rows)
    shop.crm(mapping=[ID, CITY, EMAIL])
    assert "resync" in shop.ok("plan", "--at", f"{DAYS[1]}T05:00Z").err
    rows.append(somebody("c", city="Oslo"))
    assert names(shop.send(DAYS[1], *rows)) == ["c"]
    assert any("resync" in each for each in shop.last.json["warnings"]), shop.last.json["warnings"]
    rows[0] |= {"email": "new@mail"}
    told = objects(shop.send(DAYS[2], *rows))
    assert sorted(told) == ["a"], "from then on the new column is compared"
    shop.crm(mapping=[ID, EMAIL], on_mapping_change="resend")
    assert names(shop.send(DAYS[3], *rows)) == ["a", "b", "c"]
    assert shop.send(DAYS[4], *rows) == []


def test_a_changed_mapping_counts_as_sent_even_where_nothing_is_due(tmp_path: Path, receiver: Receiver) -> None:
    """V4: the first run after the change counts values as sent, and what changes after it is told."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(mapping=[ID, CITY])
    shop.send(DAYS[0], somebody("a", city="Oslo"))
    shop.crm(mapping=[ID, EMAIL])
    assert shop.send(DAYS[1], somebody("a", city="Oslo")) == []
    assert names(shop.send(DAYS[2], somebody("a", city="Oslo", email="new@mail"))) == ["a"]


def test_removal_and_return_of_an_activation_compare_with_its_rows(tmp_path: Path, receiver: Receiver) -> None:
    """V4, X9: slots missed while absent are not due, and the rows stay."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.send(DAYS[0], "a", "b")
    (shop.root / "destinations/crm.yml").unlink()
    assert shop.send(DAYS[1], "a", "b", "c") == []
    shop.crm()
    assert names(shop.send(DAYS[2], "a", "b", "c")) == ["c"]


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("/v25.0/people", "/v26.0/people", True),
        ("/v25/people?x=1", "/v3/people?x=2", True),
        ("/people", "/others", False),
    ],
)
def test_the_place_is_scheme_host_port_and_path(
    before: str, after: str, is_same: bool, tmp_path: Path, receiver: Receiver
) -> None:
    """V2, X9: without version segments; another place holds nothing."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(url=receiver.url(before))
    shop.send(DAYS[0], "a")
    shop.crm(url=receiver.url(after))
    assert names(shop.again(f"{DAYS[0]}T06:00Z")) == ([] if is_same else ["a"])


def test_a_place_can_have_a_name(tmp_path: Path, receiver: Receiver) -> None:
    """V2: `place:` counts instead of the url."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(place="the crm")
    shop.send(DAYS[0], "a")
    shop.crm(url=receiver.url("/elsewhere"), place="the crm")
    assert shop.again(f"{DAYS[0]}T06:00Z") == []
    shop.crm(place="another")
    assert names(shop.again(f"{DAYS[0]}T07:00Z")) == ["a"]
