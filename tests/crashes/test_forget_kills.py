"""A kill of `profiles forget` at any step on the disk is harmless: the next one finishes (G8)."""

from collections.abc import Iterator, Sequence

import pytest
from support.crash_checks import check_same, memory, twin_of
from support.crash_points import left_by_kills
from support.erased import holding
from support.kills import Moment, some
from support.receiver import Receiver
from support.shop import STATUS, Shop, identities, person, quick_folder
from support.sourced import hold, id_of, sourced

HERS = ("anna-7", "phone-anna")
FORGET = ("profiles", "forget", "anna-7")


@pytest.fixture
def shop(receiver: Receiver) -> Iterator[Shop]:
    """Two nights of an audience by rule and one by a feed, whose receivers are told and not told of exits; one of them
    is told by messages.
    """
    with quick_folder() as folder:
        shop = Shop(folder / "shop")
        people = [person(name) | {"identity_map": identities(Phone=[f"phone-{name}"])} for name in ("anna-7", "bert-8")]
        shop.profiles("2026-11-20", people)
        shop.audience("all", where="vip")
        shop.audience("listed", source="memberships")
        shop.feed([("listed", name, "realized", "2026-11-20T01:00Z") for name in ("anna-7", "bert-8")])
        daily = {"export": "incremental", "schedule": {"at": "05:00"}}
        shop.destination("crm", mapping=["profile_id", "email", STATUS], activations=[{"audience": "all", **daily}])
        shop.destination("mute", mapping=["profile_id", "email"], activations=[{"audience": "listed", **daily}])
        shop.write("destinations/api.yml", _messages(receiver))
        for day in ("20", "21"):
            shop.evaluate(f"2026-11-{day}T02:00Z")
            shop.run(f"2026-11-{day}T05:00Z")
        yield shop


def _messages(receiver: Receiver) -> dict[str, object]:
    mapping = [{"source": "profile_id", "target": "id"}, {"source": "email", "target": "mail", "mandatory": True}]
    activations = [{"id": "a", "audiences": ["all", "listed"]}]
    content = {"name": "API", "kind": "http", "url": receiver.url("/people"), "payload": "profile"}
    return content | {"mapping": mapping, "activations": activations}


@pytest.fixture
def sources() -> Iterator[Shop]:
    """Two nights of people from sources, of whom one has an alias since the second."""
    with quick_folder() as folder:
        shop = sourced(folder / "shop", "crm", "cards")
        bert = ("bert-8", "bert@mail.example")
        hold(shop, "crm", "2026-11-20", ("anna-7", "anna@mail.example"), bert)
        hold(shop, "cards", "2026-11-20", ("card-7", None, "2026-11-19T10:00", False))
        shop.day("2026-11-20")
        hold(shop, "cards", "2026-11-21", ("card-7", "anna@mail.example", "2026-11-20T10:00", False))
        hold(shop, "crm", "2026-11-21", ("anna-7", "anna@mail.example"), bert)
        shop.day("2026-11-21")
        yield shop


def _memory(shop: Shop) -> dict[str, object]:
    """All that matters of a workspace, but for the digests, whose key is random."""
    found = memory(shop)
    return found | {"forgotten": len(found["forgotten"])}


def _every_other(moments: Sequence[Moment]) -> Sequence[Moment]:
    return some(moments)[::4]


def test_a_kill_of_profiles_forget_at_any_step(shop: Shop) -> None:
    """G8, SPEC 10: whenever it is killed, the state is sound. The same command again leaves just what it would have
    left. Where an evaluation and an export come first, the person is a member as before, or forgotten.
    """
    whole = twin_of(shop, "whole")
    steps, states = left_by_kills(whole, shop.root.parent / "left", *FORGET, shown=_every_other)
    expected, told = _memory(whole), set()
    assert len(steps) > 20
    for number, left in enumerate(states):
        if number % 5 == 2:
            _check_next_night(left.shop)
        else:
            assert left.shop.ok("state", "check"), left
            told.add(left.shop.ok(*FORGET, "--json").json["already"])
            check_same(_memory(left.shop), expected, left)
        left.remove()
    assert told == {True, False}
    assert [name.partition("/")[0] for name in holding(whole, *HERS)] == ["baselines", "baselines"]
    whole.run("2026-11-22T05:00Z")
    assert holding(whole, *HERS) == []


def test_a_kill_of_profiles_forget_with_sources(sources: Shop) -> None:
    """G8, P7, SPEC 10: the identities are blocked and the builds clean, or all is as it was; the same command again
    leaves just what it would have left, and says that it was done before where it was.
    """
    hers = (
        "anna-7",
        "card-7",
        "anna@mail.example",
        *(id_of(*each) for each in (("CRMID", "anna-7"), ("Card", "card-7"))),
    )
    whole = twin_of(sources, "whole")
    forget = ("profiles", "forget", "CRMID:anna-7", "--at", "2026-11-21T06:00Z")
    steps, states = left_by_kills(whole, sources.root.parent / "left", *forget, shown=_every_twelfth)
    expected, told = _memory(whole), set()
    assert len(steps) > 40
    for left in states:
        assert left.shop.ok("state", "check"), left
        told.add(left.shop.ok(*forget, "--json").json["already"])
        check_same(_memory(left.shop), expected, left)
        left.remove()
    assert told == {True, False}
    assert [name.partition("/")[0] for name in holding(whole, *hers)] == ["baselines"]


def _every_twelfth(moments: Sequence[Moment]) -> Sequence[Moment]:
    return some(moments)[::12]


def _check_next_night(shop: Shop) -> None:
    shop.evaluate("2026-11-22T02:00Z")
    shop.run("2026-11-22T05:00Z")
    [run] = [each for each in shop.runs("crm/all") if each["scheduled_time"] == "2026-11-22T05:00:00Z"]
    members = next(each for each in shop.ok("audiences", "list", "--json").json if each["id"] == "all")
    assert (members["realized"], run["exited"]) in {(2, 0), (1, 1)}
    assert (members["realized"] == 2) == bool(holding(shop, *HERS))
