"""V8, V10: what answers mean, refusals, dead letters, what is uncertain, and going on after a kill."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from support.event_shop import DAYS, EMAIL, ID, KEY, EventShop, lists, names, objects, somebody, statuses
from support.kills import Victim
from support.receiver import CUT, LOST, Received, Receiver, Say, refusing
from support.shop import identities

MANY = tuple(f"p{number}" for number in range(12))


def refuses(*people: str, status: int = 400) -> Any:
    """A rule that refuses requests in which one of these is."""
    return refusing(lambda entry: entry["id"] in people, status=status)


# Refused


def test_culprits_are_found_by_halving(tmp_path: Path, receiver: Receiver) -> None:
    """V10: a refused request of several is halved until the culprits are alone; the others are delivered; the run
    succeeds with a warning and exit 0; who is refused is counted and offered again, after all others.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm(in_flight=1)
    receiver.rule = refuses("p3", "p7", status=422)
    requests = shop.send(DAYS[0], *MANY)
    run = shop.done
    assert (run["status"], run["exported"], run["excluded"]) == ("succeeded", 10, 2)
    assert run["excluded_by"] == {"refused:422": 2}
    assert run["received"] == 12
    [warning] = shop.last.json["warnings"]
    assert "nobody was accepted" not in warning
    alone = [each.json[0]["id"] for each in requests if each.status == 422 and len(each.json) == 1]
    assert sorted(alone) == ["p3", "p7"]
    accepted = [name for each in requests if each.accepted for name in names([each])]
    assert sorted(accepted) == sorted(set(MANY) - {"p3", "p7"})
    assert len({each.key for each in requests}) == len(requests), "a half is a request of its own"
    rejects = {each["profile_id"]: each for each in shop.ok("runs", "rejects", KEY, "--json").json}
    assert rejects.keys() == {"p3", "p7"}
    assert (rejects["p3"]["reason"], rejects["p3"]["tries"]) == ("refused:422", 1)
    shop.crm(in_flight=1, aggregation={"best_effort": {"max_profiles": 2}})
    order = names(shop.send(DAYS[1], *MANY, "new1", "new2"))
    assert set(order[:2]) == {"new1", "new2"}, "who was refused earlier goes last"
    assert set(order[2:]) == {"p3", "p7"}


def test_a_run_in_which_nobody_was_accepted_says_so(tmp_path: Path, receiver: Receiver) -> None:
    """V10: too few requests to tell a wrong template from wrong people refuse all of them; the warning says that the
    requests may be wrong, and says it once.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.rule = refuses("a", "b")
    shop.send(DAYS[0], "a", "b")
    assert "nobody was accepted: the requests may be wrong" in shop.last.json["warnings"][0]
    shop.again(f"{DAYS[0]}T06:00Z")
    assert "nobody was accepted" not in shop.last.json["warnings"][0]


def test_dead_letters_wait_for_a_change_or_a_retry(tmp_path: Path, receiver: Receiver) -> None:
    """V10: offered again at each later run; after `after` runs only when its row or the request's config changes, or
    when `runs retry` makes it due for the next run.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm(dead_letter={"after": 2})
    receiver.rule = refuses("a")
    assert [name for name in names(shop.send(DAYS[0], "a", "b")) if name == "a"]
    assert names(shop.again(f"{DAYS[0]}T06:00Z")) == ["a"]
    assert shop.done["excluded_by"] == {"refused:400": 1}
    assert shop.ok("runs", "rejects", KEY, "--json").json[0]["tries"] == 2
    assert f"not again until they change, or `muster runs retry {KEY}` asks for it" in shop.last.json["warnings"][0]
    assert shop.again(f"{DAYS[0]}T07:00Z") == [], "given up"
    assert shop.last.json["runs"] == []
    assert names(shop.send(DAYS[1], somebody("a", email="new@mail"), "b")) == ["a"], "the row changed"
    shop.again(f"{DAYS[1]}T06:00Z")
    shop.again(f"{DAYS[1]}T07:00Z")
    assert shop.again(f"{DAYS[1]}T08:00Z") == []
    shop.crm(dead_letter={"after": 2}, headers={"X-New": "1"})
    assert names(shop.again(f"{DAYS[1]}T09:00Z")) == ["a"], "the request's config changed"
    for hour in ("10", "11", "12"):
        shop.again(f"{DAYS[1]}T{hour}:00Z")
    assert shop.again(f"{DAYS[1]}T13:00Z") == []
    receiver.rule = None
    shop.ok("runs", "retry", KEY)
    assert names(shop.again(f"{DAYS[1]}T14:00Z")) == ["a"]
    assert shop.done["status"] == "succeeded"
    assert shop.again(f"{DAYS[1]}T15:00Z") == []


def test_a_refused_profile_keeps_its_old_row(tmp_path: Path, receiver: Receiver) -> None:
    """V10: what was refused was not sent: the exit that follows tells what the receiver holds."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "a", "b")
    receiver.rule = refuses("a")
    shop.send(DAYS[1], somebody("a", "new@x.com"), "b")
    receiver.rule = None
    [request] = shop.send(DAYS[2], "b")
    assert request.json[0]["identityMap"] == {"Email": [{"id": "a@x.com"}]}


def test_a_refused_exit_fails_the_run_and_stays_owed(tmp_path: Path, receiver: Receiver) -> None:
    """V10: a refused exit is never given up; a run that could not deliver one fails, exits 1, and its accepted rows
    move.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"], dead_letter={"after": 1})
    shop.send(DAYS[0], "a", "b")
    receiver.rule = refuses("a")
    rows = [somebody("a", vip=False), "b", "c"]
    assert set(names(shop.send(DAYS[1], *rows, code=1))) == {"a", "c"}
    assert shop.done["status"] == "failed"
    assert shop.done["error"]
    for hour in ("06", "07"):
        assert names(shop.again(f"{DAYS[1]}T{hour}:00Z", code=1)) == ["a"], "c was accepted, a is owed"
    receiver.rule = None
    assert names(shop.again(f"{DAYS[1]}T08:00Z")) == ["a"]
    assert shop.again(f"{DAYS[1]}T09:00Z") == []


def test_five_refused_requests_of_new_people_are_the_template(tmp_path: Path, receiver: Receiver) -> None:
    """V10: if none of five is accepted, and each holds somebody not refused before, the run fails, refuses nobody."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(aggregation={"best_effort": {"max_profiles": 2}}, in_flight=1)
    receiver.default = Say(400)
    requests = shop.send(DAYS[0], *MANY, code=1)
    assert len(requests) == 5
    run = shop.done
    assert run["status"] == "failed"
    assert not [reason for reason in run["excluded_by"] or () if reason.startswith("refused")]
    receiver.default = Say(200)
    assert sorted(names(shop.again(f"{DAYS[0]}T06:00Z"))) == sorted(MANY)


def test_fewer_than_five_refused_requests_are_people(tmp_path: Path, receiver: Receiver) -> None:
    """V10: with fewer than five requests, all answered, the refused ones are halved."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.default = Say(413)
    shop.send(DAYS[0], "a", "b")
    assert shop.done["excluded_by"] == {"refused:413": 2}
    assert shop.done["status"] == "succeeded"


def test_results_attribute_refusals(tmp_path: Path, receiver: Receiver) -> None:
    """V10: `errors` and `index`, `each`, `key` and `ok`: minus what the result attributes; `refused_count` is told."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(result={"errors": "errors", "index": "index"})
    receiver.rule = refusing(lambda entry: entry["id"] == "b", each=True)
    [request] = shop.send(DAYS[0], "a", "b", "c")
    assert (shop.done["exported"], shop.done["excluded"]) == (2, 1)
    assert [each["profile_id"] for each in shop.ok("runs", "rejects", KEY, "--json").json] == ["b"]
    assert names(shop.again(f"{DAYS[0]}T06:00Z")) == ["b"]
    del request


# Not now


@pytest.mark.parametrize("answer", [Say(503), Say(429), Say(408), CUT])
def test_what_may_pass_is_tried_again(answer: Say, tmp_path: Path, receiver: Receiver) -> None:
    """V10, V8: 408, 429, 5xx and no answer are tried again, the same bytes under the same key; `resent` counts."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(retries=2)
    receiver.script = [answer]
    first, second = shop.send(DAYS[0], "a")
    assert (first.key, first.body, first.path) == (second.key, second.body, second.path)
    assert shop.done["status"] == "succeeded"
    assert shop.again(f"{DAYS[0]}T06:00Z") == []


def test_retry_after_is_kept(tmp_path: Path, receiver: Receiver) -> None:
    """V10: `Retry-After` is kept."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(retries=1)
    receiver.script = [Say(429, headers={"Retry-After": "1"})]
    first, second = shop.send(DAYS[0], "a")
    assert second.arrived - first.arrived >= 0.95


def test_after_all_retries_the_rest_stays_due(tmp_path: Path, receiver: Receiver) -> None:
    """V10: then the run ends as failed, the rest stays due, and nobody is refused."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(retries=1, in_flight=1, aggregation={"best_effort": {"max_profiles": 1}})
    receiver.script = [Say(200), Say(429), Say(429)]
    receiver.default = Say(429)
    sent = shop.send(DAYS[0], "a", "b", "c", code=1)
    accepted = names([each for each in sent if each.accepted])
    assert len(accepted) == 1
    run = shop.done
    assert run["status"] == "failed"
    assert not [reason for reason in run["excluded_by"] or () if reason.startswith("refused")]
    receiver.default = Say(200)
    assert sorted([*accepted, *names(shop.again(f"{DAYS[0]}T06:00Z"))]) == ["a", "b", "c"]


@pytest.mark.parametrize("answer", [Say(401), Say(403), Say(404), Say(302, headers={"Location": "/other"})])
def test_other_answers_end_the_run_and_refuse_nobody(answer: Say, tmp_path: Path, receiver: Receiver) -> None:
    """V10: any other answer ends the run at once; redirects are not followed."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(retries=3, in_flight=1, aggregation={"best_effort": {"max_profiles": 1}})
    receiver.default = answer
    [request] = shop.send(DAYS[0], "a", "b", "c", code=1)
    assert request.path == "/people"
    assert shop.done["status"] == "failed"
    assert str(answer.status) in shop.done["error"]
    receiver.default = Say(200)
    assert sorted(names(shop.again(f"{DAYS[0]}T06:00Z"))) == ["a", "b", "c"]


def test_patterns_say_throttled_and_fatal(tmp_path: Path, receiver: Receiver) -> None:
    """V10: `throttled:` is tried again, `fatal:` ends the run, whatever the status says."""
    shop = EventShop(tmp_path, receiver)
    patterns = {"throttled": [{"status": 400, "body": "too fast"}], "fatal": [{"status": 400, "body": "closed"}]}
    shop.crm(retries=1, **patterns)
    receiver.script = [Say(400, {"message": "too fast"})]
    assert len(shop.send(DAYS[0], "a")) == 2
    assert shop.done["status"] == "succeeded"
    receiver.default = Say(400, {"message": "closed"})
    assert len(shop.send(DAYS[1], "a", "b", code=1)) == 1
    assert shop.done["status"] == "failed"


def test_success_is_what_the_destination_says(tmp_path: Path, receiver: Receiver) -> None:
    """V10: a 2xx that `success` does not name is another answer: it ends the run."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(success={"status": [200]})
    receiver.default = Say(202)
    shop.send(DAYS[0], "a", code=1)
    assert shop.done["status"] == "failed"


# Uncertain


@pytest.mark.parametrize("answer", [LOST, CUT, Say(503)])
def test_what_was_not_answered_counts_as_sent(answer: Say, tmp_path: Path, receiver: Receiver) -> None:
    """V2: an uncertain profile is always sent again; what may have been sent counts as sent until an answer settles it:
    who is no member by then is an exit, with the identities that may have been sent.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    receiver.default = answer
    shop.send(DAYS[0], "a", "b", code=1)
    receiver.default = Say(200)
    told = objects(shop.send(DAYS[1], somebody("a", vip=False), "b", "c"))
    changes = {name: statuses(each)["vips"] for name, each in told.items()}
    assert changes == {"a": "exited", "b": "realized", "c": "realized"}
    assert shop.done["resent"] == 2, "a and b may have been told twice"
    assert shop.send(DAYS[2], somebody("a", vip=False), "b", "c") == []


def test_an_exit_that_may_have_been_sent_is_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    """V2: and a member who came back meanwhile is told as one."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "a", "b")
    receiver.default = LOST
    shop.send(DAYS[1], somebody("a", vip=False), somebody("b", vip=False), code=1)
    receiver.default = Say(200)
    told = objects(shop.send(DAYS[2], somebody("a", vip=False), "b"))
    assert {name: statuses(each)["vips"] for name, each in told.items()} == {"a": "exited", "b": "realized"}


def test_429_is_no_uncertainty(tmp_path: Path, receiver: Receiver) -> None:
    """V2: what was answered by 429 was not sent: who is no member any more was never told, and is not told."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    receiver.default = Say(429)
    shop.send(DAYS[0], "a", "b", code=1)
    receiver.default = Say(200)
    assert names(shop.send(DAYS[1], somebody("a", vip=False), "b")) == ["b"]


def test_rows_move_audience_by_audience(tmp_path: Path, receiver: Receiver) -> None:
    """V2: where a request is about one audience, what was accepted for one is not sent again with the other."""
    shop = EventShop(tmp_path, receiver)
    shop.ads([("all", "1"), ("vips", "2")], in_flight=1)

    def second_waits(request: Received) -> Say | None:
        return Say(429) if request.path.startswith("/lists/2/") else None

    receiver.rule = second_waits
    sent = lists(shop.send(DAYS[0], "a", code=1))
    assert sent == [("POST", "1", ["a@x.com"]), ("POST", "2", ["a@x.com"])]
    receiver.rule = None
    assert lists(shop.again(f"{DAYS[0]}T06:00Z")) == [("POST", "2", ["a@x.com"])]
    receiver.rule = second_waits
    row = somebody("a", identity_map=identities(Email=["new@x.com"]))
    shop.send(DAYS[1], row, code=1)
    receiver.rule = None
    again = lists(shop.again(f"{DAYS[1]}T06:00Z"))
    assert ("POST", "2", ["new@x.com"]) in again
    assert ("DELETE", "2", ["a@x.com"]) in again, "an identity change reaches each audience"
    assert shop.again(f"{DAYS[1]}T07:00Z") == []


# Kills


def killed_shop(
    root: Path, receiver: Receiver, *, after: int, people: int = 6, feed: str | None = None
) -> tuple[EventShop, list[Received]]:
    """A shop whose first run is killed while a request is there, after so many answers; what arrived until then."""
    shop = EventShop(root, receiver)
    shop.crm(["feed" if feed else "vips"], in_flight=1, aggregation={"best_effort": {"max_profiles": 1}})
    if feed:
        shop.audience("feed", source="memberships")
        shop.feed([("feed", f"p{number}", "realized", f"{DAYS[0]}T01:00Z") for number in range(people)], name="1")
        shop.feed([("feed", "p0", "exited", feed)], name="2")
    shop.people(*(f"p{number}" for number in range(people)))
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports")
    receiver.stand_still(after)
    victim = Victim(shop.root, "run", "--at", f"{DAYS[0]}T05:00Z", variables={})
    assert receiver.stands.wait(30)
    victim.kill()
    victim.ended(5)
    receiver.go_on()
    wait_for_answers(receiver)
    return shop, shop.new()


def wait_for_answers(receiver: Receiver) -> None:
    """Until no request is under way at the receiver."""
    for _ in range(400):
        if all(each.answered for each in receiver.requests):
            return
        threading.Event().wait(0.01)


def test_after_a_kill_the_run_goes_on(tmp_path: Path, receiver: Receiver) -> None:
    """V8: answered requests are not sent again, possibly-sent ones with the same bytes and key, never-sent ones are
    sent; who is sent twice is counted; at the end the outbox is gone.
    """
    shop, before = killed_shop(tmp_path, receiver, after=3)
    assert len(before) == 4
    listed = shop.runs()[-1]
    assert listed["status"] == "delivering"
    planned = shop.ok("plan", "--at", f"{DAYS[0]}T05:00Z", "--json").json
    assert [each["action"] for each in planned] == ["finish"]
    after = shop.again(f"{DAYS[0]}T05:00Z")
    twice = [each for each in after if each.key in {old.key for old in before}]
    assert [(each.key, each.body) for each in twice][-1:] == [(before[3].key, before[3].body)]
    assert 1 <= len(twice) <= 4, "answers are synced at least every 50 ms"
    assert sorted({*names(before), *names(after)}) == [f"p{number}" for number in range(6)]
    run = shop.runs()[-1]
    assert (run["status"], run["exported"], run["resent"]) == ("succeeded", 6, len(twice))
    assert shop.again(f"{DAYS[0]}T06:00Z") == []
    assert not [name for name in shop.tree(".muster") if "/outbox/" in name]


def test_what_was_asked_for_follows_the_run_that_goes_on(tmp_path: Path, receiver: Receiver) -> None:
    """S6, V11: `resync` finishes the run of a killed command first, and then sends every member."""
    shop, before = killed_shop(tmp_path, receiver, after=1, people=3)
    told = names(shop.again(f"{DAYS[0]}T06:00Z", command=("resync", "crm/a")))
    assert (told[:2], told[2:]) == (["p1", "p2"], ["p0", "p1", "p2"])
    assert names(before) == ["p0", "p1"]
    assert [(run["trigger"], run["exported"]) for run in shop.runs()] == [("scheduled", 3), ("on_demand", 3)]


def test_after_a_kill_and_a_change_nothing_of_the_outbox_is_sent(tmp_path: Path, receiver: Receiver) -> None:
    """V8: if evaluation or snapshot changed, never-sent are dropped, possibly-sent are uncertain, the run ends as
    failed (`replaced`), and a fresh comparison covers both.
    """
    shop, before = killed_shop(tmp_path, receiver, after=2)
    old = {each.key for each in before}
    rows = [somebody(f"p{number}", vip=number != 5, email="newer") for number in range(6)]
    after = shop.send(DAYS[1], *rows, code=0)
    assert not [each for each in after if each.key in old]
    told = objects(after)
    unsure = set(names(before[2:]))
    assert unsure <= set(told)
    assert {name for name in told if statuses(told[name])["vips"] == "exited"} <= {"p5"} & set(names(before))
    assert {f"p{number}" for number in range(5)} <= set(told)
    assert all(each["contact"]["email"] == "newer" for each in told.values())
    assert shop.runs()[-1]["resent"] == len(unsure)
    statuses_of_runs = [(run["status"], run["error"]) for run in shop.runs()]
    assert [status for status, _ in statuses_of_runs] == ["failed", "succeeded"]
    assert "replaced" in str(statuses_of_runs[0][1])


def test_keys_and_bytes_are_those_of_the_log(tmp_path: Path, receiver: Receiver) -> None:
    """V8: the Idempotency-Key is a hash of run, comparison, method, url and body: equal bodies of two runs differ."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.default = LOST
    [first] = shop.send(DAYS[0], "a", code=1)
    receiver.default = Say(200)
    [second] = shop.again(f"{DAYS[0]}T06:00Z")
    assert first.body == second.body
    assert first.key != second.key


def test_never_two_requests_with_one_profile(tmp_path: Path, receiver: Receiver) -> None:
    """V8: `in_flight` requests at a time, 8 by default, never two with the same profile."""
    shop = EventShop(tmp_path, receiver)
    shop.ads([("all", "1"), ("vips", "2")], limit=1)
    receiver.default = Say(200, delay=0.03)
    requests = shop.send(DAYS[0], *(f"p{number}" for number in range(10)))
    assert len(requests) == 20
    assert 2 <= receiver.most_busy <= 8
    for one in requests:
        for other in requests:
            if one.number < other.number and one.json == other.json:
                assert (one.answered or 0) <= other.arrived


# E9


def test_a_failed_audience_keeps_its_states_while_others_go_on(tmp_path: Path, receiver: Receiver) -> None:
    """V1, E9: one whose evaluation failed keeps its delivered states; withdrawals and the others go on, and the run
    fails and stays due.
    """
    shop = EventShop(tmp_path, receiver, custom_actions={"tell": None})
    shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok"})
    shop.crm(["vips", "all"], marketing_actions=["tell"], mapping=[ID, EMAIL])
    shop.send(DAYS[0], "a", "b")
    rows = [{name: each for name, each in somebody(who).items() if name != "vip"} for who in "abc"]
    rows[1]["ok"] = False
    shop.profiles(DAYS[1], rows)
    shop.muster("evaluate", "--at", f"{DAYS[1]}T02:00Z", "--no-exports")
    told = objects(shop.again(f"{DAYS[1]}T05:00Z", code=1))
    assert {name: statuses(each) for name, each in told.items()} == {
        "b": {"vips": "exited", "all": "exited"},
        "c": {"all": "realized"},
    }
    [run] = [each for each in shop.last.json["runs"] if each["activation"] == "a"]
    assert run["status"] == "failed"
    assert "vips" in run["error"]
    told = objects(shop.send(DAYS[2], "a", somebody("b", ok=False), "c"))
    assert {name: statuses(each) for name, each in told.items()} == {"c": {"vips": "realized", "all": "realized"}}


def test_the_log_of_a_run_is_plain(tmp_path: Path, receiver: Receiver) -> None:
    """V11: `messages`, `requests`, `by_trigger` and `resent` stand in the JSON of a run, and in `runs show`."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(aggregation={"best_effort": {"max_profiles": 2}})
    shop.send(DAYS[0], "a", "b", "c")
    run = shop.ok("runs", "show", KEY, "--json").json
    assert (run["messages"], run["requests"], run["resent"]) == (3, 2, 0)
    assert run["by_trigger"]["membership"] == 3
    assert run["audience"] is None
    assert run["audiences"] == ["all"]
    assert run["evaluated_at"] == f"{DAYS[0]}T02:00:00Z"
    assert run["trigger"] == "scheduled"
    assert run["scheduled_time"] == f"{DAYS[0]}T05:00:00Z"
    assert "3" in shop.ok("runs", "show", KEY).out
    assert json.dumps(run)


def test_two_uncertain_ends_in_a_row_are_both_kept(tmp_path: Path, receiver: Receiver) -> None:
    """V2: what may have been sent counts as sent until an answer settles it: another lost answer settles nothing."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    receiver.default = LOST
    shop.send(DAYS[0], "a", "b", code=1)
    receiver.default = CUT
    shop.send(DAYS[1], somebody("a", vip=False), code=1)
    receiver.default = Say(200)
    told = objects(shop.send(DAYS[2], somebody("a", vip=False)))
    assert {name: statuses(each)["vips"] for name, each in told.items()} == {"a": "exited", "b": "exited"}
    assert shop.send(DAYS[3], somebody("a", vip=False)) == []


@pytest.mark.parametrize("what", ["policy", "headers", "feed"])
def test_any_change_of_what_decides_replaces_the_run(what: str, tmp_path: Path, receiver: Receiver) -> None:
    """V8: evaluation, snapshot, feed, policies and the activation's config must be as they were to go on."""
    shop = EventShop(tmp_path, receiver, custom_actions={"tell": None})
    shop.audience("feed", source="memberships")
    shop.feed([("feed", f"p{number}", "realized", f"{DAYS[0]}T01:00Z") for number in range(4)], name="1")
    shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok"})
    content = {"in_flight": 1, "aggregation": {"best_effort": {"max_profiles": 1}}, "marketing_actions": ["tell"]}
    shop.crm(["feed"], **content)
    shop.people(*(f"p{number}" for number in range(4)))
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports")
    receiver.stand_still(1)
    victim = Victim(shop.root, "run", "--at", f"{DAYS[0]}T05:00Z", variables={})
    assert receiver.stands.wait(30)
    victim.kill()
    victim.ended(5)
    receiver.go_on()
    wait_for_answers(receiver)
    before = shop.new()
    if what == "policy":
        shop.write("policies/ok.yml", {"actions": ["tell"], "consent": "ok AND profile_id <> 'p3'"})
    elif what == "headers":
        shop.crm(["feed"], **content, headers={"X-New": "1"})
    else:
        shop.feed([("feed", "p3", "exited", f"{DAYS[0]}T04:00Z")], name="2")
    after = shop.again(f"{DAYS[0]}T05:30Z")
    assert not {each.key for each in before} & {each.key for each in after}
    assert "replaced" in str(shop.runs()[0]["error"])
    members = {"p0", "p1", "p2"} | ({"p3"} if what == "headers" else set())
    told: dict[str, str] = {}
    for each in receiver.accepted:
        told |= {one["id"]: statuses(one)["feed"] for one in each.json}
    assert {name for name, status in told.items() if status == "realized"} == members


def test_a_half_has_an_id_and_a_key_of_its_own(tmp_path: Path, receiver: Receiver) -> None:
    """V6, V8: `=request.id` is that of the request that is sent; a repeat has the id of before."""
    shop = EventShop(tmp_path, receiver)
    tree = {"id": "=request.id", "run": "=run.id", "people": {"each": "profiles", "as": {"id": "=profile_id"}}}
    activations = [{"id": "a", "audiences": ["all"]}]
    shop.raw("crm", request=tree, columns=[ID], activations=activations, in_flight=1, retries=1)
    receiver.script = [Say(503)]
    receiver.rule = refusing(lambda entry: entry["id"] == "b")
    first, again, *halves = shop.send(DAYS[0], "a", "b", "c", "d")
    assert (first.body, first.key) == (again.body, again.key)
    ids = [each.json["id"] for each in (again, *halves)]
    assert len(set(ids)) == len(ids) == len({each.key for each in (again, *halves)})
    assert {each.json["run"] for each in halves} == {shop.done["run_id"]}


def test_an_outbox_of_a_backup_is_never_sent(tmp_path: Path, receiver: Receiver) -> None:
    """V8: its profiles are uncertain: they are compared anew, and told under new keys."""
    shop, before = killed_shop(tmp_path / "shop", receiver, after=2)
    copy = tmp_path / "copy"
    shop.ok("state", "backup", str(copy))
    shutil.rmtree(shop.root / ".muster")
    shop.ok("state", "restore", str(copy))
    after = shop.again(f"{DAYS[0]}T05:00Z")
    assert not {each.key for each in before} & {each.key for each in after}
    assert set(names(after)) | set(names(before)) >= {f"p{number}" for number in range(6)}
    assert set(names(after)) >= {f"p{number}" for number in range(2, 6)}
    assert shop.again(f"{DAYS[0]}T06:00Z") == []


def test_requests_keep_a_pace(tmp_path: Path, receiver: Receiver) -> None:
    """V13: `rate`: so many requests in so long."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(rate={"requests": 2, "per": "1s"}, aggregation={"best_effort": {"max_profiles": 1}})
    requests = shop.send(DAYS[0], *"abc")
    assert requests[-1].arrived - requests[0].arrived >= 0.45


def test_halving_waits_for_five_answers(tmp_path: Path, receiver: Receiver) -> None:
    """V10: a refused request is halved not before five requests were answered, or all were."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(in_flight=1, aggregation={"best_effort": {"max_profiles": 2}})
    receiver.rule = refuses("p0", "p1")
    requests = shop.send(DAYS[0], *MANY)
    assert [len(each.json) for each in requests[:5]] == [2] * 5
    assert [each.status for each in requests[:5]].count(400) == 1
    assert shop.done["excluded_by"] == {"refused:400": 2}


def test_people_who_were_refused_before_are_no_template(tmp_path: Path, receiver: Receiver) -> None:
    """V10: five refused requests are the template only if each holds somebody who was not refused before."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(in_flight=1, aggregation={"best_effort": {"max_profiles": 1}})
    bad = [f"bad{number}" for number in range(6)]
    receiver.rule = refuses(*bad)
    good = [f"a{number}" for number in range(6)]  # they go first
    shop.send(DAYS[0], *good, *bad)
    assert shop.done["excluded_by"] == {"refused:400": 6}
    again = shop.again(f"{DAYS[0]}T06:00Z")
    assert sorted(names(again)) == bad
    assert (shop.done["status"], shop.done["excluded_by"]) == ("succeeded", {"refused:400": 6})


def test_a_failed_audience_may_be_used_as_last_evaluated(tmp_path: Path, receiver: Receiver) -> None:
    """E9: with `on_failed_evaluation: use_newest` the run goes on with the newest evaluation."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"], activation={"on_failed_evaluation": "use_newest"})
    shop.send(DAYS[0], "a", somebody("b", vip=False))
    rows = [{name: each for name, each in somebody(who, email="new").items() if name != "vip"} for who in "ab"]
    shop.profiles(DAYS[1], rows)
    shop.muster("evaluate", "--at", f"{DAYS[1]}T02:00Z", "--no-exports")
    shop.new()
    shop.muster("run", "--at", f"{DAYS[1]}T05:00Z", "--json")
    assert names(shop.new()) == ["a"]
    assert shop.runs()[-1]["status"] == "succeeded"


def test_a_feed_row_of_the_next_second_replaces_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """V8, E1: instants are whole seconds: a row of half a second later does not exist for a command at that instant."""
    shop, before = killed_shop(tmp_path, receiver, after=1, people=3, feed=f"{DAYS[0]}T05:00:00.5Z")
    after = shop.again(f"{DAYS[0]}T05:00:00Z")
    assert {each.key for each in after} >= {before[1].key}, "the run goes on"
    assert shop.runs()[-1]["status"] == "succeeded"
