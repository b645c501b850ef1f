"""Runs that sent messages are looked at and sent again: `verify`, `replay`, `redeliver` (V11, V12, G3, G4, G8)."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.event_shop import DAYS, ID, KEY, EventShop, somebody
from support.receiver import Received, Receiver, Say, refusing

TWO = {"best_effort": {"max_profiles": 2}}
TREE = {"ask": "=request.id", "run": "=run.id", "people": {"each": "profiles", "as": {"id": "=id", "in": "=status"}}}


def bodies(folder: Path) -> list[bytes]:
    """The bodies that a replay wrote, in order."""
    return [each.read_bytes() for each in sorted(folder.iterdir())]


def told(requests: list[Received]) -> list[tuple[str, str, str, bytes]]:
    """What came, in whatever order: path, method, key, body."""
    return sorted((each.path, each.method, each.key, each.body) for each in requests)


def sent_once(shop: EventShop, *rows: Any, **content: Any) -> list[Received]:
    """The first day of a shop: what its CRM was told."""
    shop.crm(**({"aggregation": TWO} | content))
    return shop.send(DAYS[0], *rows)


def checked(shop: EventShop) -> dict[str, Any]:
    """What `verify` says of the messages of the newest run."""
    [found] = json.loads(shop.muster("verify", KEY, "--json").out)
    assert isinstance(found, dict)
    return found


def change(shop: EventShop, query: str) -> None:
    """Change the ledger behind muster's back."""
    with sqlite3.connect(shop.root / ".muster/ledger.sqlite") as ledger:
        ledger.execute(query)
    ledger.close()
    (shop.root / ".muster/ledger.checked").unlink(missing_ok=True)


def test_bodies_are_what_was_sent_whatever_the_config_says_by_now(tmp_path: Path, receiver: Receiver) -> None:
    """V11: `replay` writes the bodies that came, ids of requests too, after the mapping, members and values changed."""
    shop = EventShop(tmp_path, receiver)
    settings = {"payload": None, "mapping": None, "columns": [ID], "request": TREE}
    first = sent_once(shop, *"abcde", **settings)
    run = shop.done["run_id"]
    shop.crm(["vips"], **(settings | {"request": {"people": {"each": "profiles", "as": "=id"}}}))
    shop.send(DAYS[1], "a", "f")
    shop.new()
    replayed = shop.ok("replay", run, "--to", str(tmp_path / "again"), "--json").json
    found = bodies(tmp_path / "again")
    assert sorted(found) == sorted(each.body for each in first)
    assert [json.loads(body)["ask"] for body in found] == [f"{run}-1-{number}" for number in range(3)]
    assert [(each["method"], each["url"], each["key"]) for each in replayed["requests"]] == [
        ("POST", receiver.url("/people"), request.key) for request in sorted(first, key=lambda each: each.json["ask"])
    ]
    assert replayed["same"]
    assert shop.new() == []
    again = shop.muster("replay", run, "--to", str(tmp_path / "again"))
    assert (again.code, "not empty" in again.err) == (2, True)


def test_messages_tell_unmapped_audiences_as_they_were(tmp_path: Path, receiver: Receiver) -> None:
    """V5, V11: a later evaluation changes nothing of the bodies of an earlier run, which tell exits too."""
    shop = EventShop(tmp_path, receiver)
    sent_once(shop, *"abcd")
    second = shop.send(DAYS[1], "a", somebody("b", vip=False, email="new@mail"), "c")
    run = shop.done["run_id"]
    assert [each for request in second for each in request.json if "exited" in str(each)]
    shop.people(somebody("a", vip=False), "b", day=DAYS[2])
    shop.evaluate(f"{DAYS[2]}T02:00Z", "--no-exports")
    shop.ok("replay", run, "--to", str(tmp_path / "again"))
    assert sorted(bodies(tmp_path / "again")) == sorted(each.body for each in second)
    shop.new()
    shop.ok("redeliver", run)
    assert told(shop.new()) == told(second)


def test_verify_asks_no_receiver(tmp_path: Path, receiver: Receiver) -> None:
    """V11: without an argument, too; exit 0 and `intact`, and the note says so; failed runs that sent are looked at."""
    shop = EventShop(tmp_path, receiver)
    sent_once(shop, *"abc")
    shop.new()
    found = checked(shop)
    assert (found["result"], found["messages"]["result"], found["files"]) == ("intact", "intact", [])
    assert "the receiver was not asked" in found["messages"]["note"]
    assert "the receiver was not asked" in shop.ok("verify").out
    assert shop.new() == []
    receiver.rule = lambda request: Say(503) if b'"d"' in request.body else None
    shop.crm(in_flight=1, aggregation={"best_effort": {"max_profiles": 1}})
    shop.send(DAYS[1], *"abcdx", code=1)
    assert [each["result"] for each in json.loads(shop.muster("verify", "--all", "--json").out)] == ["intact", "intact"]


def test_verify_finds_what_is_not_as_it_was(tmp_path: Path, receiver: Receiver) -> None:
    """V11: another digest of the outbox, other counts, a damaged decision: each is told, and exit 1."""
    shop = EventShop(tmp_path, receiver)
    sent_once(shop, *"abc")
    twin = EventShop.at(shutil.copytree(shop.root, tmp_path / "twin"))
    assert isinstance(twin, EventShop)
    change(twin, "UPDATE runs SET requests = 7")
    assert [each["what"] for each in checked(twin)["messages"]["differences"]] == ["answers"]
    change(twin, "UPDATE runs SET requests = 2, messages = 9")
    assert [each["what"] for each in checked(twin)["messages"]["differences"]] == ["answers"]
    change(twin, "UPDATE runs SET messages = 3")
    assert checked(twin)["result"] == "intact"
    query = "SELECT json_extract(content, '$.messages.texts.sha256') FROM inputs WHERE content LIKE '%texts%'"
    with sqlite3.connect(twin.root / ".muster/ledger.sqlite") as ledger:
        (digest,) = ledger.execute(query).fetchone()
    ledger.close()
    change(twin, f"UPDATE inputs SET content = replace(content, '{digest}', '{digest[::-1]}')")
    assert [each["what"] for each in checked(twin)["messages"]["differences"]] == ["bodies"]
    assert twin.muster("verify", KEY).code == 1
    replayed = twin.muster("replay", KEY, "--to", str(tmp_path / "again"))
    assert (replayed.code, "not the bodies that were sent" in replayed.err) == (1, True)
    resent = twin.muster("redeliver", KEY)
    assert (resent.code, "nothing was sent" in resent.err) == (1, True)
    [decision] = (shop.root / ".muster/decisions").iterdir()
    decision.write_bytes(decision.read_bytes()[:-1] + b"x")
    assert [each["what"] for each in checked(shop)["messages"]["differences"]] == ["unreadable"]
    assert len(receiver.requests) == 2


def test_a_secret_in_bodies_is_kept_nowhere_and_comes_from_the_config(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V12, V11: a body with the value of a variable is made again by the config of today, and compared."""
    monkeypatch.setenv("CRM_KEY", "hush-hush-4711")
    shop = EventShop(tmp_path, receiver)
    settings = {"payload": None, "mapping": None, "columns": [ID], "request": TREE | {"api_key": "${CRM_KEY}"}}
    first = sent_once(shop, *"abc", **settings)
    assert first[0].json["api_key"] == "hush-hush-4711"
    assert b"hush-hush-4711" not in b"".join(shop.tree(".muster").values())
    shop.new()
    shop.ok("redeliver", KEY)
    assert told(shop.new()) == told(first)
    shop.crm(**(settings | {"aggregation": TWO, "request": TREE | {"api_key": "${CRM_KEY}", "more": 1}}))
    changed = shop.muster("redeliver", KEY)
    assert changed.code == 1
    assert f"the config of {KEY} has changed since the run: put it back" in changed.err
    assert "hush" not in changed.err
    assert shop.new() == []


def test_a_redelivery_changes_no_row_and_no_run(tmp_path: Path, receiver: Receiver) -> None:
    """V11: the record and the rows stay; the next run has nothing to send; `runs show` tells when it was."""
    shop = EventShop(tmp_path, receiver)
    first = sent_once(shop, *"abc")
    before = shop.runs(KEY)
    rows = shop.tree(".muster/baselines")
    found = shop.ok("redeliver", KEY, "--json").json
    assert (found["messages"], found["requests"], found["refused"]) == (3, 2, 0)
    assert told(shop.new()) == told(first)
    assert shop.runs(KEY) == before
    assert shop.tree(".muster/baselines") == rows
    assert "outbox" not in str(sorted(shop.tree(".muster")))
    assert "requests: 2" in shop.ok("runs", "show", KEY).out
    assert shop.again(f"{DAYS[0]}T06:00Z") == []
    keys = {each.key for each in first}
    for _ in range(2):
        shop.ok("redeliver", KEY, "--new-keys")
        anew = {each.key for each in shop.new()}
        assert not anew & keys
        keys |= anew


def test_who_the_receiver_refuses_again_is_told(tmp_path: Path, receiver: Receiver) -> None:
    """V10, V11: refused entries leave exit 0; a receiver that does not answer is exit 1, and nothing is left behind."""
    shop = EventShop(tmp_path, receiver)
    receiver.rule = refusing(lambda each: each["id"] == "b")
    sent_once(shop, *"abc")
    assert shop.ok("redeliver", KEY, "--json").json["refused"] == 1
    receiver.rule, receiver.default = None, Say(503)
    failed = shop.muster("redeliver", KEY)
    assert (failed.code, f"{KEY}: " in failed.err) == (1, True)
    assert "outbox" not in str(sorted(shop.tree(".muster")))


def test_only_the_newest_run_with_messages_is_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    """V11: an older one says less, or other than the receiver knows by now; runs that sent nothing have no messages."""
    shop = EventShop(tmp_path, receiver)
    sent_once(shop, "a")
    older = shop.done["run_id"]
    shop.send(DAYS[1], "a", "b")
    newest = shop.done["run_id"]
    shop.new()
    found = shop.muster("redeliver", older)
    assert (found.code, f"run {newest} has sent messages" in found.err) == (2, True)
    shop.ok("redeliver", newest)
    assert [each["id"] for request in shop.new() for each in request.json] == ["b"]
    receiver.default = Say(401)
    shop.send(DAYS[2], *"abc", code=1)
    assert len(shop.new()) == 0
    shop.crm(url=receiver.url("/elsewhere"))
    moved = shop.muster("redeliver", newest)
    assert moved.code == 2
    assert shop.muster("redeliver", newest, "--force").code == 2


def test_nobody_whose_consent_fails_now_is_told_again(tmp_path: Path, receiver: Receiver) -> None:
    """G4, G8, V11: refused, and said how many; an audit may have the bodies, in a folder of its own."""
    shop = EventShop(tmp_path, receiver, custom_actions={"tell": None})
    shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok"})
    sent_once(shop, *"abc", marketing_actions=["tell"])
    shop.people("a", somebody("b", ok=False), "c", day=DAYS[1])
    shop.new()
    for command in ("redeliver", "replay"):
        found = shop.muster(command, KEY)
        assert (found.code, "1 profile that policy 'ok' leaves out" in found.err) == (2, True), found.err
    assert shop.new() == []
    shop.ok("replay", KEY, "--as-recorded", "--to", str(tmp_path / "audit"))
    assert sum(body.count(b'"id":"b"') for body in bodies(tmp_path / "audit")) == 1


def test_policies_of_today_forbid_messages_of_earlier_runs(tmp_path: Path, receiver: Receiver) -> None:
    """G3, V11: a label that is given later holds for what was sent before."""
    shop = EventShop(tmp_path, receiver, custom_actions={"tell": None})
    sent_once(shop, "a", marketing_actions=["tell"])
    shop.write("policies/no.yml", {"actions": ["tell"], "deny": "I1"})
    shop.set(labels={"email": ["I1"]})
    for command in ("redeliver", "replay"):
        found = shop.muster(command, KEY)
        assert (found.code, "its messages are forbidden by the policies of today" in found.err) == (2, True), found.err


def test_what_is_missing_is_named(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 10, V11: a snapshot that is gone, an activation that is gone, a run that sent nothing."""
    shop = EventShop(tmp_path, receiver)
    sent_once(shop, *"abc")
    part = shop.root / f"data/profiles/{DAYS[0]}/part-0.parquet"
    shop.people(*"abc", day=DAYS[1])
    content = part.read_bytes()
    part.unlink()
    found = shop.muster("redeliver", KEY)
    assert (found.code, "part-0.parquet" in found.err) == (2, True)
    assert "could not be made again" in checked(shop)["messages"]["note"]
    part.write_bytes(content)
    shop.crm(activation={"id": "other"})
    found = shop.muster("redeliver", KEY)
    assert (found.code, f"{KEY} is not in the config" in found.err) == (2, True), found.err
    assert shop.muster("redeliver", "crm/other").code == 2
