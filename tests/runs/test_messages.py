"""Runs that send messages, as commands carry them out beside one another and after others (V1, V8, SPEC 9)."""

import json
import sys
from pathlib import Path
from unittest import mock

from support.event_shop import DAYS, KEY, EventShop, names, somebody
from support.receiver import Receiver, Say

from muster.activation.sending import deliver


def test_hooks_are_called_once_for_a_reason(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 9, V1: where each command has a slot, a receiver that stays down for a night is one failure."""
    script = "import pathlib, sys; pathlib.Path('told').open('a').write(sys.stdin.read() + chr(10))"
    shop = EventShop(tmp_path, receiver, hooks={"run_failed": [sys.executable, "-c", script]})
    shop.crm()
    receiver.default = Say(503)
    shop.send(DAYS[0], "a", code=1)
    for minute in ("05", "10"):
        shop.again(f"{DAYS[0]}T05:{minute}Z", code=1)
    receiver.default = Say(401)
    shop.again(f"{DAYS[0]}T05:15Z", code=1)
    told = [json.loads(line)["runs"][0] for line in (shop.root / "told").read_text().splitlines()]
    assert [each["scheduled_time"] for each in told] == [f"{DAYS[0]}T05:00:00Z", f"{DAYS[0]}T05:15:00Z"]


def test_a_receiver_that_is_down_delays_no_other(tmp_path: Path, receiver: Receiver) -> None:
    """X1: destinations are sent to beside one another; what one refuses to take changes nothing of the others."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.raw("down", url=receiver.url("/down"), mapping=["profile_id"], activations=[{"id": "a", "audiences": ["all"]}])
    shop.destination(
        "files",
        mapping=["profile_id"],
        activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
    )
    receiver.rule = lambda request: Say(500) if request.path == "/down" else None
    shop.send(DAYS[0], "a", "b", code=1)
    assert {run["destination"]: run["status"] for run in shop.last.json["runs"]} == {
        "crm": "succeeded",
        "down": "failed",
        "files": "succeeded",
    }
    [error] = shop.last.json["errors"]
    assert (error["destination"], error["audience"]) == ("down", None)


def test_only_and_unknown_activations(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 9: `run --only` limits messages too; near names are told; an export of files is no resync."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.ads()
    shop.destination(
        "files",
        mapping=["profile_id"],
        activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
    )
    shop.send(DAYS[0], "a")
    shop.people(somebody("a", email="new@mail"), day=DAYS[1])
    shop.again(f"{DAYS[1]}T06:00Z", "--only", KEY)
    assert [run["destination"] for run in shop.last.json["runs"]] == ["crm"]
    assert "did you mean 'crm/a'" in shop.muster("resync", "crm/b").err
    refused = shop.muster("resync", "files/all")
    assert (refused.code, "`muster export files/all`" in refused.err) == (2, True)


def test_slots_by_the_clock_are_settled_by_a_look(tmp_path: Path, receiver: Receiver) -> None:
    """V1, S2: a slot that found nothing to send is done: what changes later waits for the next one."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(activation={"schedule": {"at": ["05:00", "17:00"]}})
    assert names(shop.send(DAYS[0], "a")) == ["a"]
    assert names(shop.again(f"{DAYS[0]}T17:00Z")) == []
    shop.people("a", somebody("b"), day=f"{DAYS[0]}T18")
    shop.evaluate(f"{DAYS[0]}T18:00Z", "--no-exports")
    assert names(shop.again(f"{DAYS[0]}T18:00Z")) == []
    assert names(shop.again(f"{DAYS[1]}T05:00Z")) == ["b"]
    assert [run["superseded_count"] for run in shop.runs(KEY)] == [0, 0]


def test_status_of_a_failing_receiver(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 9: `status` says since when a receiver fails and why; an activation of each run is never late."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.default = Say(503)
    shop.send(DAYS[0], "a", code=1)
    shop.again(f"{DAYS[0]}T06:00Z", code=1)
    [failing] = shop.ok("status", "--at", f"{DAYS[0]}T07:00Z", "--json").json["activations"]
    assert (failing["state"], failing["failing_since"]) == ("failing", f"{DAYS[0]}T05:00:00Z")
    assert "503" in failing["error"]
    receiver.default = Say(200)
    shop.run(f"{DAYS[0]}T08:00Z")
    [done] = shop.ok("status", "--at", f"{DAYS[2]}T07:00Z", "--json").json["activations"]
    assert (done["state"], done["audience"], done["audiences"]) == ("done", None, ["all"])
    assert shop.ok("status", "--at", f"{DAYS[2]}T07:00Z").code == 0


def test_an_evaluation_that_messages_told_is_not_forgotten(tmp_path: Path, receiver: Receiver) -> None:
    """E6: a run of messages uses the evaluations of its audiences; one that nobody was told of can be forgotten."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "a")
    shop.evaluate(f"{DAYS[0]}T12:00Z", "--no-exports", "--audience", "all")
    used = {each["evaluated_at"]: each["used"] for each in shop.ok("evaluations", "list", "--json").json}
    assert used == {f"{DAYS[0]}T02:00:00Z": True, f"{DAYS[0]}T12:00:00Z": False}
    assert "was used by run" in shop.muster("evaluations", "forget", "--after", f"{DAYS[0]}T01:00Z").err
    shop.ok("evaluations", "forget", "--after", f"{DAYS[0]}T11:00Z")


def test_a_run_that_was_answered_to_its_end_is_not_replaced(tmp_path: Path, receiver: Receiver) -> None:
    """V8: killed before its record, it has nothing to drop: it ends as it would have, whatever changed since."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.people("a", "b")
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports")
    with mock.patch.object(deliver, "settle", side_effect=KeyboardInterrupt):
        assert shop.muster("run", "--at", f"{DAYS[0]}T05:00Z").code == 130
    assert [run["status"] for run in shop.runs()] == ["delivering"]
    shop.crm(headers={"X-More": "1"})
    shop.run(f"{DAYS[0]}T06:00Z")
    assert [(run["status"], run["exported"], run["resent"]) for run in shop.runs()] == [("succeeded", 2, 0)]
    assert len(receiver.requests) == 1
