"""V1, V11: schedules, counts, guards and commands of destinations that take messages."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.event_shop import DAYS, EMAIL, ID, KEY, EventShop, names, objects, somebody, statuses
from support.receiver import LOST, Receiver, Say, refusing

# V1


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"activation": {"export": "full"}}, "export"),
        ({"activation": {"audience": "all"}}, "audience"),
        ({"format": "csv"}, "format"),
        ({"file_name": "{date}"}, "file_name"),
        ({"csv": {"bom": True}}, "csv"),
        ({"manifest": False}, "manifest"),
        ({"skip_empty": True}, "skip_empty"),
        ({"max_rows_per_file": 5}, "max_rows_per_file"),
        ({"compression": "gzip"}, "compression"),
        ({"kind": "htttp"}, "http"),
        ({"payload": "profiles"}, "profile"),
        ({"triggers": ["memberships"]}, "membership"),
        ({"aggregation": {"configurable": {"key": ["audiences"]}}}, "audience"),
    ],
)
def test_keys_of_files_and_unknown_ones_are_config_errors(
    content: dict[str, Any], key: str, tmp_path: Path, receiver: Receiver
) -> None:
    """V1: such keys are config errors of their line; unknown ones name the nearest."""
    shop = EventShop(tmp_path, receiver)
    shop.people("a")
    shop.crm(**content)
    found = shop.muster("validate", "--offline")
    assert found.code == 2, found
    assert "destinations/crm.yml:" in found.err
    assert key in found.err


def test_each_run_is_the_default_and_its_slot_is_the_commands(tmp_path: Path, receiver: Receiver) -> None:
    """V1: trigger `scheduled`, whether `run` or `evaluate` asks; a second command at that `at` only retries or
    finishes.
    """
    shop = EventShop(tmp_path, receiver)
    shop.audience("feed", source="memberships")
    shop.crm(["feed"], activations=[{"id": "a", "audiences": ["feed"]}])
    shop.people("a", "b", "c")
    shop.feed([("feed", "a", "realized", f"{DAYS[0]}T01:00Z")], name="1")
    assert names(shop.again(f"{DAYS[0]}T02:00Z", command=("evaluate",))) == ["a"]
    assert shop.done["trigger"] == "scheduled"
    assert shop.done["scheduled_time"] == f"{DAYS[0]}T02:00:00Z"
    shop.feed([("feed", "b", "realized", f"{DAYS[0]}T01:30Z")], name="2")
    assert shop.again(f"{DAYS[0]}T02:00Z") == [], "that slot was finished"
    assert names(shop.again(f"{DAYS[0]}T02:00:01Z")) == ["b"]
    shop.feed([("feed", "c", "realized", f"{DAYS[0]}T02:10Z")], name="3")
    assert shop.again(f"{DAYS[0]}T02:20Z", "--no-exports", command=("evaluate",)) == []
    receiver.default = Say(429)
    shop.again(f"{DAYS[0]}T02:20Z", code=1)
    receiver.default = Say(200)
    assert names(shop.again(f"{DAYS[0]}T02:20Z")) == ["c"], "a failed slot is retried"


def test_a_look_that_finds_nothing_is_no_run_and_shown(tmp_path: Path, receiver: Receiver) -> None:
    """V1: with nothing to send and nothing to settle no run is recorded; `status` shows the last look."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.send(DAYS[0], "a")
    shop.again(f"{DAYS[0]}T09:07Z")
    assert shop.last.json["runs"] == []
    assert len(shop.runs()) == 1
    assert "09:07" in shop.ok("status", "--at", f"{DAYS[0]}T10:00Z").out


def test_after_evaluation_has_a_slot_an_evaluation(tmp_path: Path, receiver: Receiver) -> None:
    """V1: a slot per instant at which any mapped audience was evaluated."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips", "all"], activation={"schedule": "after_evaluation"})
    shop.people("a", "b")
    assert sorted(names(shop.again(f"{DAYS[0]}T02:00Z", command=("evaluate",)))) == ["a", "b"]
    assert (shop.done["trigger"], shop.done["scheduled_time"]) == ("after_evaluation", f"{DAYS[0]}T02:00:00Z")
    assert shop.again(f"{DAYS[0]}T05:00Z") == []
    shop.people("a", somebody("b", vip=False), day=DAYS[1])
    assert shop.again(f"{DAYS[1]}T05:00Z") == [], "no evaluation, no slot"
    told = objects(shop.again(f"{DAYS[1]}T06:00Z", "--audience", "vips", command=("evaluate",)))
    assert {name: statuses(each)["vips"] for name, each in told.items()} == {"b": "exited"}


def test_an_audience_not_evaluated_yet_is_empty_with_a_warning(tmp_path: Path, receiver: Receiver) -> None:
    """V1: the others are sent."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips", "all"])
    shop.people("a")
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports", "--audience", "vips")
    told = objects(shop.again(f"{DAYS[0]}T05:00Z"))
    assert {name: statuses(each) for name, each in told.items()} == {"a": {"vips": "realized"}}
    assert any("all" in each for each in shop.last.json["warnings"])
    told = objects(shop.send(DAYS[1], "a"))
    assert statuses(told["a"]) == {"vips": "realized", "all": "realized"}


def test_mapped_audiences_share_a_merge_policy(tmp_path: Path, receiver: Receiver) -> None:
    """V1: a config error."""
    shop = EventShop(tmp_path, receiver)
    shop.settings.pop("profiles")
    shop.set(
        profiles={"from": "sources"},
        namespaces={"Email": {"type": "email"}},
        merge_policies={"one": {"graph": "none", "default": True}, "two": {"graph": "none"}},
    )
    shop.write(
        "sources/crm.yml",
        {
            "path": "data/crm",
            "kind": "records",
            "mode": "snapshot",
            "identities": [{"column": "email", "namespace": "Email", "primary": True}],
        },
    )
    shop.audience("vips", where="vip", merge_policy="two")
    shop.audience("all", where="true", merge_policy="one")
    shop.crm(["vips", "all"])
    found = shop.muster("validate", "--offline")
    assert found.code == 2
    assert "merge polic" in found.err
    assert "destinations/crm.yml:" in found.err


def test_on_demand_and_disabled_activations(tmp_path: Path, receiver: Receiver) -> None:
    """V1, S1: `on_demand` waits for `resync`; `enabled: false` sends nothing, and `resync` of it exits 2."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(activation={"schedule": "on_demand"})
    assert shop.send(DAYS[0], "a") == []
    assert names(shop.again(f"{DAYS[0]}T06:00Z", command=("resync", KEY))) == ["a"]
    assert shop.done["trigger"] == "on_demand"
    shop.crm(activation={"enabled": False})
    assert shop.again(f"{DAYS[0]}T07:00Z") == []
    assert shop.muster("resync", KEY, "--at", f"{DAYS[0]}T08:00Z").code == 2


# V11


def test_resync_sends_every_member_beside_what_is_due(tmp_path: Path, receiver: Receiver) -> None:
    """V11: `muster resync D/A` and `export D/A`: every member and what is due; rows move as in a scheduled run; values
    and consent of the newest snapshot; dry for who is no member.
    """
    shop = EventShop(tmp_path, receiver, custom_actions={"tell": None})
    shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok"})
    shop.crm(["vips"], marketing_actions=["tell"])
    shop.send(DAYS[0], *"abcd")
    rows = [
        somebody("a", email="new@mail"),
        "b",
        somebody("c", ok=False),
        somebody("d", vip=False),
        somebody("e", vip=False),
    ]
    shop.people(*rows, day=DAYS[1])
    shop.evaluate(f"{DAYS[1]}T02:00Z", "--no-exports")
    told = objects(shop.again(f"{DAYS[1]}T06:00Z", command=("resync", KEY)))
    assert {name: statuses(each)["vips"] for name, each in told.items()} == {
        "a": "realized",
        "b": "realized",
        "c": "exited",
        "d": "exited",
    }
    assert told["a"]["contact"]["email"] == "new@mail"
    assert shop.done["trigger"] == "on_demand"
    assert shop.again(f"{DAYS[1]}T07:00Z") == [], "the rows moved"
    assert sorted(names(shop.again(f"{DAYS[1]}T08:00Z", command=("export", KEY)))) == ["a", "b"]


def test_plan_counts_what_run_sends(tmp_path: Path, receiver: Receiver) -> None:
    """V11: profiles by trigger, requests and bytes; `plan` sends and writes nothing."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"], aggregation={"best_effort": {"max_profiles": 2}})
    shop.send(DAYS[0], *"abc")
    rows = [somebody("a", email="new@mail"), somebody("b", "new@x.com"), somebody("c", vip=False), "d"]
    shop.people(*rows, day=DAYS[1])
    shop.evaluate(f"{DAYS[1]}T02:00Z", "--no-exports")
    before = shop.tree()
    [planned] = shop.ok("plan", "--at", f"{DAYS[1]}T05:00Z", "--json").json
    human = shop.ok("plan", "--at", f"{DAYS[1]}T05:00Z").out
    assert shop.tree() == before
    assert shop.new() == []
    assert planned["action"] == "export"
    assert {name: count for name, count in planned["by_trigger"].items() if count} == {
        "membership": 2,
        "identity": 1,
        "attributes": 1,
    }
    assert (planned["requests"], planned["messages"]) == (2, 4)
    assert "bytes" in human or "KB" in human or " B" in human
    requests = shop.again(f"{DAYS[1]}T05:00Z")
    assert len(requests) == 2
    for key in ("received", "exported", "excluded", "realized", "exited", "by_trigger"):
        assert planned[key] == shop.done[key], key


def test_guards_stop_removals_and_floods(tmp_path: Path, receiver: Receiver) -> None:
    """V11, X11: `max_exited` and `max_shrink` for each mapped audience, withdrawals included; `max_messages` also for
    first deliveries and resync. A tripped guard fails the run, sends nothing, and is let through by name.
    """
    shop = EventShop(tmp_path, receiver, custom_actions={"tell": None})
    shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok"})
    shop.crm(["vips", "all"], guards={"max_messages": 3}, marketing_actions=["tell"])
    assert shop.send(DAYS[0], *"abcd", code=1) == []
    assert "max_messages" in shop.done["error"]
    shop.crm(["vips", "all"], guards={"max_messages": 4, "max_exited": 1}, marketing_actions=["tell"])
    assert len(names(shop.again(f"{DAYS[0]}T06:00Z"))) == 4
    rows = [somebody("a", vip=False), somebody("b", ok=False), "c", "d"]
    assert shop.send(DAYS[1], *rows, code=1) == []
    assert "max_exited" in shop.done["error"]
    assert "vips" in shop.done["error"]
    shop.crm(["vips", "all"], guards={"max_messages": 4, "max_shrink": "40%"}, marketing_actions=["tell"])
    assert shop.again(f"{DAYS[1]}T06:00Z", code=1) == []
    assert "max_shrink" in shop.done["error"]
    assert sorted(names(shop.again(f"{DAYS[1]}T07:00Z", "--override-guards", KEY))) == ["a", "b"]
    shop.crm(["vips", "all"], guards={"max_messages": 2}, marketing_actions=["tell"])
    assert shop.again(f"{DAYS[1]}T08:00Z", command=("resync", KEY), code=1) == []


def test_rejects_list_everybody_who_was_left_out(tmp_path: Path, receiver: Receiver) -> None:
    """V11: `profile_id, reason, tries`."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(mapping=[ID, EMAIL | {"mandatory": True}])
    receiver.rule = refusing(lambda entry: entry["id"] == "b")
    shop.send(DAYS[0], "a", "b", somebody("c", email=None))
    found = {each["profile_id"]: each for each in shop.ok("runs", "rejects", KEY, "--json").json}
    assert {name: each["reason"] for name, each in found.items()} == {
        "b": "refused:400",
        "c": "mandatory:contact.email",
    }
    assert found["b"]["tries"] == 1
    assert set(found["c"]) == {"profile_id", "reason", "tries"}
    run = shop.done
    assert run["received"] == run["exported"] + run["excluded"] == 3


def test_verify_compares_the_outbox_with_the_ledger(tmp_path: Path, receiver: Receiver) -> None:
    """V11: says that the receiver was not asked."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.send(DAYS[0], "a")
    shop.new()
    found = shop.ok("verify", shop.done["run_id"])
    assert "receiver" in found.out
    assert "not asked" in found.out
    assert shop.new() == []


def test_replay_and_redeliver(tmp_path: Path, receiver: Receiver) -> None:
    """V11: `replay RUN --to FOLDER` has the request bodies as files; `redeliver RUN` sends the newest run again, bodies
    made again and checked; `--new-keys` for receivers that drop repeated keys; refused for people whose consent fails
    now.
    """
    shop = EventShop(tmp_path, receiver, custom_actions={"tell": None})
    shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok"})
    shop.crm(aggregation={"best_effort": {"max_profiles": 2}}, marketing_actions=["tell"])
    first = shop.send(DAYS[0], *"abc")
    run = shop.done["run_id"]
    shop.ok("replay", run, "--to", str(tmp_path / "bodies"))
    bodies = {each.read_bytes() for each in (tmp_path / "bodies").rglob("*") if each.is_file()}
    assert {each.body for each in first} <= bodies
    shop.new()
    shop.ok("redeliver", run)
    again = shop.new()
    assert sorted((each.key, each.body) for each in again) == sorted((each.key, each.body) for each in first)
    shop.ok("redeliver", run, "--new-keys")
    anew = shop.new()
    assert sorted(each.body for each in anew) == sorted(each.body for each in first)
    assert not {each.key for each in anew} & {each.key for each in first}
    shop.people(somebody("a", ok=False), "b", "c", day=DAYS[1])
    refused = shop.muster("redeliver", run)
    sent = names(shop.new())
    assert "a" not in sent
    assert refused.code != 0 or refused.err
    assert "its messages tell of 1 profile that policy 'ok' leaves out today" in refused.err


def test_a_preview_shows_where_the_id_of_a_request_goes(tmp_path: Path, receiver: Receiver) -> None:
    """V6: a preview has no run, so `…` stands for the id of the request."""
    shop = EventShop(tmp_path, receiver)
    shop.ads(request={"call": "=request.id", "users": {"each": "profiles", "as": "=EMAIL"}})
    shop.people("a")
    [row] = shop.ok("preview", "ads/a", "--json", "--at", f"{DAYS[0]}T06:00Z").json["rows"]
    assert row["request"]["call"] == "…"


def test_check_connects_and_sends_nothing_unless_asked(tmp_path: Path, receiver: Receiver) -> None:
    """V11: `destinations check` connects and authenticates; `--send-test` sends."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.people("a")
    shop.ok("destinations", "check", "crm")
    assert not [each for each in shop.new() if b"a@mail" in each.body or each.method in {"POST", "DELETE"}]
    shop.ok("destinations", "check", "crm", "--send-test")
    assert shop.new()
    shop.crm(url="http://127.0.0.1:1/people")
    assert shop.muster("destinations", "check", "crm").code != 0


def test_hooks_hear_of_runs_of_messages(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 9: the documents of hooks hold runs of messages; a failure is told once until its reason changes."""
    script = "import pathlib, sys; pathlib.Path('told').open('a').write(sys.stdin.read() + chr(10))"
    hook = [sys.executable, "-c", script]
    shop = EventShop(tmp_path, receiver, hooks=dict.fromkeys(("run_failed", "run_succeeded", "guard_tripped"), hook))
    shop.crm(["vips"])
    shop.send(DAYS[0], "a", "b")
    receiver.default = Say(503)
    shop.send(DAYS[1], somebody("a", vip=False), "b", code=1)
    shop.again(f"{DAYS[1]}T05:00Z", code=1)
    receiver.default = Say(200)
    shop.crm(["vips"], guards={"max_exited": 0})
    shop.again(f"{DAYS[1]}T06:00Z", code=1)
    told = [json.loads(line) for line in (shop.root / "told").read_text().splitlines()]
    assert [each["event"] for each in told] == ["run_succeeded", "run_failed", "run_failed", "guard_tripped"]
    assert told[0]["runs"][0]["messages"] == 2
    assert told[0]["runs"][0]["audiences"] == ["vips"]


def test_lists_and_status_know_messages(tmp_path: Path, receiver: Receiver) -> None:
    """V11, SPEC 9: the commands that list activations have those of messages too."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips", "all"])
    shop.send(DAYS[0], "a")
    for command in (
        ["schedule", "list"],
        ["destinations", "list"],
        ["runs", "list"],
        ["status", "--at", f"{DAYS[0]}T06:00Z"],
        ["baseline", "show"],
    ):
        assert "crm" in shop.ok(*command).out, command
    assert "crm/a" in shop.ok("audiences", "show", "vips").out
    [row] = shop.ok("baseline", "show", "--json").json
    assert (row["destination"], row["activation"], row["profiles"]) == ("crm", "a", 1)
    shop.ok("baseline", "reset", KEY, "--yes") if "--yes" in shop.muster(
        "baseline", "reset", "--help"
    ).out else shop.ok("baseline", "reset", KEY)
    assert names(shop.again(f"{DAYS[0]}T07:00Z")) == ["a"], "the next delivery is a first one"


def test_a_run_at_an_uncertain_end_says_so(tmp_path: Path, receiver: Receiver) -> None:
    """V10: a run that ended without answers has the reason, exits 1, and its profiles are due."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.default = LOST
    shop.send(DAYS[0], "a", code=1)
    assert shop.done["status"] == "failed"
    assert shop.done["error"]
    assert shop.runs()[-1]["status"] == "failed"


def test_a_run_is_as_old_as_its_oldest_evaluation(tmp_path: Path, receiver: Receiver) -> None:
    """V11: `evaluated_at` is the oldest of the mapped audiences'."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips", "all"])
    shop.send(DAYS[0], "a")
    shop.people("a", "b", day=DAYS[1])
    shop.evaluate(f"{DAYS[1]}T02:00Z", "--no-exports", "--audience", "vips")
    assert names(shop.again(f"{DAYS[1]}T05:00Z")) == ["b"]
    assert shop.done["evaluated_at"] == f"{DAYS[0]}T02:00:00Z"


def test_a_workspace_without_such_destinations_is_as_before(tmp_path: Path, receiver: Receiver) -> None:
    """Files go on beside messages: nothing that happens to one activation changes another (X1)."""
    shop = EventShop(tmp_path, receiver)
    shop.destination(
        "files",
        mapping=["profile_id"],
        activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
    )
    shop.crm()
    receiver.default = Say(503)
    shop.send(DAYS[0], "a", "b", code=1)
    assert shop.sent("files/all") == ["a", "b"]
    by_key = {run["destination"]: run for run in shop.last.json["runs"]}
    assert (by_key["files"]["status"], by_key["crm"]["status"]) == ("succeeded", "failed")
    assert by_key["files"]["audience"] == "all"


def test_activations_override_their_destination(tmp_path: Path, receiver: Receiver) -> None:
    """V1: an activation has the overrides of its destination; each is compared with rows of its own (X1)."""
    shop = EventShop(tmp_path, receiver)
    other = {"id": "b", "audiences": ["vips"], "mapping": [ID], "aggregation": {"best_effort": {"max_profiles": 1}}}
    shop.crm(activations=[{"id": "a", "audiences": ["all"]}, other])
    requests = shop.send(DAYS[0], "x", "y")
    assert sorted(len(each.json) for each in requests) == [1, 1, 2]
    assert [list(each.json[0])[:2] for each in requests if len(each.json) == 1] == [["id", "segmentMembership"]] * 2
    assert names(shop.send(DAYS[1], "x", somebody("y", email="new@mail"))) == ["y"]


def test_start_and_end_bound_an_activation(tmp_path: Path, receiver: Receiver) -> None:
    """V1, S1: `each_run` has slots from `start` on, and none from `end` on."""
    shop = EventShop(tmp_path, receiver)
    schedule = {"each_run": True, "start": DAYS[1], "end": DAYS[2]}
    shop.crm(activation={"schedule": schedule})
    assert shop.send(DAYS[0], "a") == []
    assert names(shop.send(DAYS[1], "a")) == ["a"]
    assert shop.send(DAYS[2], "a", "b") == []
