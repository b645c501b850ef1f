"""Whom a run of messages tells, and why (V3, V4, V11, G4, E9)."""

from pathlib import Path

from support.told_shop import PROFILE, ToldShop, customer

AT = "2026-11-{}T{:02}:00Z"


def test_each_trigger_is_told_once_by_the_first(tmp_path: Path) -> None:
    """V3, V11: whose membership, identities or values changed is told, by the first of these; nobody else is. A change
    of a column that is not mapped, and of an audience that is not, tells nobody.
    """
    shop = ToldShop(tmp_path, PROFILE)
    names = ("joins", "leaves", "other_mail", "other_id", "both", "same")
    shop.shop.audience("others", where="points = 1")
    shop.day(20, *(customer(each, points=0, vip=each != "joins") for each in names))
    first = shop.run(AT.format(20, 3))
    assert first.triggers == dict.fromkeys(sorted(names), "membership")
    assert shop.run(AT.format(20, 4)).after is None
    shop.day(
        21,
        customer("joins", points=0),
        customer("leaves", points=0, vip=False, city="Rome"),
        customer("other_mail", "other_mail@x", points=0, email="new@x"),
        customer("other_id", "more@x", "other_id@x", points=0),
        customer("both", "new@x", points=0, email="new@x"),
        customer("same", points=1),
    )
    told = shop.run(AT.format(21, 3))
    assert told.triggers == {
        "joins": "membership",
        "leaves": "membership",
        "other_mail": "attributes",
        "other_id": "identity",
        "both": "identity",
    }
    assert told.people["leaves"] == {"trigger": "membership", "vips": (False, "21.02"), "locals": (False, "21.02")}
    assert told.people["joins"]["vips"] == (True, "21.02")
    counts = told.counts
    assert (counts.received, counts.realized, counts.exited) == (5, 4, 1)
    assert counts.by_trigger == {"membership": 2, "identity": 2, "attributes": 1}


def test_triggers_that_are_off(tmp_path: Path) -> None:
    """V3, V4: the first delivery is to all members, until all of them were sent; then only what triggers is told. The
    message has the states of all audiences.
    """
    shop = ToldShop(tmp_path, PROFILE, triggers=["attributes"])
    shop.day(20, customer("a"), customer("b"))
    shop.run(AT.format(20, 3), lambda entry: "unsent" if entry["profile_id"] == "b" else "accepted")
    assert shop.run(AT.format(20, 4)).triggers == {"b": "membership"}
    shop.day(21, customer("a", email="new@x", vip=False), customer("b", "other@x", vip=False), customer("c"))
    told = shop.run(AT.format(21, 3)).people
    assert told == {"a": {"trigger": "attributes", "vips": (False, "21.02"), "locals": (True, "20.02")}}


def test_a_version_moves_with_every_write(tmp_path: Path) -> None:
    """V3: an overwrite with the value that was there is a change where `attributes_version` says so."""
    shop = ToldShop(tmp_path, PROFILE, attributes_version="written")
    shop.day(20, customer("a", written=1), customer("b", written=1))
    shop.run(AT.format(20, 3))
    shop.day(21, customer("a", written=2), customer("b", written=1))
    assert shop.run(AT.format(21, 3)).triggers == {"a": "attributes"}


def test_withdrawals_hold_what_was_sent_and_nothing_else(tmp_path: Path) -> None:
    """V3, G4, G8: who lets nothing through any more, or is gone, is told with exits of all that the row holds, and the
    id and identities of before; a refused exit stays owed. Who was never told is left out.
    """
    shop = ToldShop(tmp_path, PROFILE, marketing_actions=["email_targeting"])
    shop.shop.write("policies/mail.yml", {"actions": ["email_targeting"], "consent": "ok"})
    shop.day(20, customer("stays"), customer("left"), customer("gone"), customer("never", ok=False))
    assert shop.run(AT.format(20, 3)).rejects == {"never": "consent:mail"}
    shop.configure("locals")
    new = {"email": "new@x", "ok": False}
    shop.day(21, customer("stays", "n@x", **new), customer("left", "n@x", vip=False, city="Rome", **new))
    told = shop.run(AT.format(21, 3), lambda entry: "refused 400" if entry["profile_id"] == "gone" else "accepted")
    at, out = (False, "21.03"), (False, "21.02")
    assert told.people == {
        "stays": {"trigger": "consent", "locals": at, "vips": at},
        "left": {"trigger": "consent", "locals": out, "vips": at},
        "gone": {"trigger": "membership", "locals": out, "vips": at},
    }
    texts = {each["profile_id"]: each["text"] for each in told.entries}
    assert texts["stays"].startswith('{"profile_id":"stays","segmentMembership":')
    assert texts["stays"].endswith('"identityMap":{"Email":[{"id":"stays@x"}]}}')
    assert all("new@x" not in text and "n@x" not in text for text in texts.values())
    assert told.after is not None
    assert told.after.refused_exits == 1
    assert [*shop.rows()] == ["gone"]
    assert [*shop.run(AT.format(21, 4)).triggers] == ["gone"]
    assert shop.rows() == {}


def test_audiences_that_are_added_taken_out_and_renamed(tmp_path: Path) -> None:
    """V4, V2: an audience that is added later backfills its own members; one that is taken out is told no more, and
    compared once it is mapped again; one with another alias begins anew.
    """
    shop = ToldShop(tmp_path, PROFILE)
    shop.configure("vips")
    shop.day(20, customer("a"), customer("b", city="Rome"))
    shop.run(AT.format(20, 3))
    shop.configure("vips", "locals")
    assert shop.run(AT.format(20, 4)).triggers == {"a": "membership"}
    shop.configure("locals")
    told = shop.run(AT.format(20, 5))
    assert (told.after, [each.is_mapped for each in told.changes.told]) == (None, [True, False])
    shop.day(21, customer("a", vip=False), customer("b", city="Rome", vip=False))
    assert shop.run(AT.format(21, 3)).after is None
    shop.configure("locals", "vips")
    assert [*shop.run(AT.format(21, 4)).triggers] == ["a", "b"]
    shop.configure({"audience": "locals", "alias": "77"}, "vips")
    assert shop.run(AT.format(21, 5)).people == {"a": {"trigger": "membership", "77": (True, "20.02")}}


def test_an_audience_that_failed_keeps_what_was_delivered(tmp_path: Path) -> None:
    """E9, V1: nobody joins or leaves it, but withdrawals do, the other audiences go on, and the run is to fail. One
    that was not evaluated yet is empty, with a warning. A resync sends the newest evaluation.
    """
    shop = ToldShop(tmp_path, PROFILE, marketing_actions=["email_targeting"])
    shop.shop.write("policies/mail.yml", {"actions": ["email_targeting"], "consent": "ok"})
    shop.day(20, customer("a"), customer("b"), customer("c"))
    shop.run(AT.format(20, 3))
    shop.shop.audience("vips", where="vip AND nothing = 1")
    shop.shop.audience("late", where="true")
    shop.day(21, customer("a", vip=False, city="Rome"), customer("b", ok=False), customer("c"), customer("d"), code=1)
    shop.shop.audience("later", where="true")
    shop.configure("vips", "locals", "later")
    told = shop.run(AT.format(21, 3))
    assert told.people == {
        "a": {"trigger": "membership", "vips": (True, "20.02"), "locals": (False, "21.02")},
        "b": {"trigger": "consent", "vips": (False, "21.03"), "locals": (False, "21.03")},
        "d": {"trigger": "membership", "locals": (True, "21.02")},
    }
    assert [each.partition(":")[0] for each in told.changes.failed] == ["held"]
    assert ["'later'" in each for each in told.warnings] == [True]
    again = shop.run(AT.format(21, 4), resync=True)
    assert (again.triggers, again.changes.failed) == ({"a": "resync", "c": "resync", "d": "resync"}, ())


def test_guards_count_each_mapped_audience(tmp_path: Path) -> None:
    """X11, V11: of each mapped audience how many were delivered, are desired and leave, withdrawals among them."""
    shop = ToldShop(tmp_path, PROFILE)
    shop.day(20, *(customer(each) for each in "abcd"))
    assert shop.run(AT.format(20, 3)).changes.removals == ()
    shop.day(21, customer("a"), customer("b", vip=False), customer("e", city="Rome"))
    removals = shop.teller.plan(AT.format(21, 3)).changes.removals
    assert [(each.audience.audience, each.delivered, each.desired, each.leaving) for each in removals] == [
        ("vips", 4, 2, 3),
        ("locals", 4, 2, 2),
    ]
