"""Kinesis and Event Hubs through the command: runs with records that are refused, throttled and lost (V1, V7, V10)."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from support.event_hub import HUB, KEY, VARIABLE, EventHub
from support.event_shop import DAYS, EMAIL, ID, EventShop, somebody, statuses
from support.kinesis_gate import REGION, Gate
from support.receiver import Receiver
from support.servers import KEYS

KEY_OF_STREAM = "crm/a"
TOO_MUCH = "ProvisionedThroughputExceededException"
_NUMBERS = itertools.count()


class StreamShop(EventShop):
    """A workspace that sends profiles to a stream."""

    def kinesis(self, gate: Gate, **content: Any) -> str:
        """A destination of a new stream; its name."""
        name = f"profiles-{next(_NUMBERS)}"
        gate.stream(name)
        connection = {"endpoint": gate.endpoint, "region": REGION}
        settings = {"stream": name, "partition_key": "profile_id", "connection": connection}
        self._stream("kinesis", **(settings | content))
        return name

    def event_hub(self, **content: Any) -> None:
        """A destination of the hub that tests have."""
        self._stream("event_hubs", namespace="acme", hub=HUB, connection_string_env=VARIABLE, **content)

    def _stream(self, kind: str, **content: Any) -> None:
        activation = {"id": "a", "audiences": ["vips"], "schedule": "each_run"}
        settings = {"mapping": [ID, EMAIL], "unmapped_audiences": "none", "retries": 2, "activations": [activation]}
        self.write("destinations/crm.yml", {"name": "CRM", "kind": kind, "payload": "profile", **settings, **content})


@pytest.fixture
def shop(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> StreamShop:
    """A workspace with AWS's own variables."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return StreamShop(tmp_path, receiver)


def told_of(stream: dict[str, list[bytes]]) -> dict[str, list[dict[str, str]]]:
    """What a stream tells of each profile, in order: the statuses."""
    return {profile: [statuses(json.loads(each)) for each in found] for profile, found in stream.items()}


def test_a_stream_is_told_of_each_profile(shop: StreamShop, before_kinesis: Gate) -> None:
    """V1, V3, V5: a record is one object of one profile, whose id is its partition key; who leaves is told later."""
    stream = shop.kinesis(before_kinesis)
    shop.send(DAYS[0], "a", "b")
    [record] = before_kinesis.lying(stream)["a"]
    assert record.startswith(b'{"id":"a","contact":{"email":"a@mail"},"segmentMembership":{"ups":{"vips":')
    assert record.endswith(b'"identityMap":{"Email":[{"id":"a@x.com"}]}}')
    shop.send(DAYS[1], "a", somebody("b", vip=False))
    shop.send(DAYS[2], "a", "b")
    assert told_of(before_kinesis.lying(stream)) == {
        "a": [{"vips": "realized"}],
        "b": [{"vips": "realized"}, {"vips": "exited"}, {"vips": "realized"}],
    }


def test_only_refused_records_are_sent_again(shop: StreamShop, before_kinesis: Gate) -> None:
    """V10: of a request that was taken in part the throttled record alone comes again; the refused one is counted."""
    stream = shop.kinesis(before_kinesis)

    def refuse(request: Any) -> dict[int, str]:
        codes = {"b": TOO_MUCH if request.number == 0 else "", "c": "InvalidArgumentException"}
        found = {place: codes.get(key, "") for place, (key, _) in enumerate(request.records)}
        return {place: code for place, code in found.items() if code}

    before_kinesis.refuse = refuse
    shop.send(DAYS[0], "a", "b", "c")
    assert sorted(before_kinesis.lying(stream)) == ["a", "b"]
    assert (shop.done["status"], shop.done["exported"]) == ("succeeded", 2)
    assert shop.done["excluded_by"] == {"refused:InvalidArgumentException": 1}
    assert [[key for key, _ in each.records] for each in before_kinesis.puts][:2] == [["a", "b", "c"], ["b"]]
    before_kinesis.open()
    shop.again(f"{DAYS[0]}T06:00Z")
    assert told_of(before_kinesis.lying(stream)) == {name: [{"vips": "realized"}] for name in ("a", "b", "c")}


def test_who_may_have_been_told_is_told_again(shop: StreamShop, before_kinesis: Gate) -> None:
    """V2, V10: without answers the run fails, and everybody of it comes again in the next one."""
    stream = shop.kinesis(before_kinesis, retries=0)
    before_kinesis.after = lambda *_: None
    shop.send(DAYS[0], "a", "b", code=1)
    assert shop.done["status"] == "failed"
    before_kinesis.open()
    shop.again(f"{DAYS[0]}T06:00Z")
    assert {profile: len(found) for profile, found in before_kinesis.lying(stream).items()} == {"a": 2, "b": 2}


def test_requests_keep_to_the_limits_of_kinesis(shop: StreamShop, before_kinesis: Gate) -> None:
    """V7: 500 records a request, whatever is configured; a profile whose record is too large is refused alone."""
    stream = shop.kinesis(before_kinesis, aggregation={"best_effort": {"max_profiles": 10_000}})
    rows = [somebody(f"p{number:03}") for number in range(600)]
    shop.send(DAYS[0], *rows, somebody("wide", email="w" * 1_000_001))
    assert sorted(len(each.records) for each in before_kinesis.puts) == [100, 500]
    assert len(before_kinesis.lying(stream)) == 600
    assert shop.done["excluded_by"] == {"refused:too_large": 1}


def test_a_streams_run_is_looked_at_and_sent_again(shop: StreamShop, before_kinesis: Gate, tmp_path: Path) -> None:
    """V11: `replay` writes a record a line, `verify` makes them again, `redeliver` puts the same records once more."""
    stream = shop.kinesis(before_kinesis)
    shop.send(DAYS[0], "a", "b")
    first = before_kinesis.lying(stream)
    found = shop.ok("replay", KEY_OF_STREAM, "--to", str(tmp_path / "again"), "--json").json
    [file] = (tmp_path / "again").iterdir()
    assert (file.name, found["requests"][0]["method"]) == ("000001.jsonl", None)
    assert sorted(file.read_bytes().splitlines()) == sorted(record for records in first.values() for record in records)
    assert json.loads(shop.ok("verify", KEY_OF_STREAM, "--json").out)[0]["result"] == "intact"
    shop.ok("redeliver", KEY_OF_STREAM)
    assert before_kinesis.lying(stream) == {profile: records * 2 for profile, records in first.items()}


def test_a_missing_stream_ends_the_run(shop: StreamShop, before_kinesis: Gate) -> None:
    """V10: an answer that nothing of the run can mend ends it, and refuses nobody."""
    shop.kinesis(before_kinesis, stream="none")
    shop.send(DAYS[0], "a", "b", code=1)
    assert "ResourceNotFoundException: there is no such stream in this account and region" in shop.done["error"]
    assert len(before_kinesis.puts) == 1
    assert shop.done["excluded"] in {0, 2}
    assert not shop.done["excluded_by"] or "refused" not in str(shop.done["excluded_by"])


# Event Hubs


@pytest.fixture
def hub_shop(shop: StreamShop, hub: EventHub, monkeypatch: pytest.MonkeyPatch) -> StreamShop:
    """A workspace that knows the hub's connection string."""
    monkeypatch.setenv(VARIABLE, hub.text())
    return shop


def in_order(hub: EventHub) -> dict[str, list[dict[str, str]]]:
    """What a hub tells of each profile, in order: the statuses."""
    found: dict[str, list[dict[str, str]]] = {}
    for events in hub.events.values():
        for each in events:
            found.setdefault(each["id"], []).append(statuses(each))
    return found


def test_a_hub_is_told_of_each_profile(hub_shop: StreamShop, hub: EventHub) -> None:
    """V1, V3, V8: an event is one object of one profile; what is told of a profile lies in its order."""
    hub_shop.event_hub()
    hub_shop.send(DAYS[0], "a", "b")
    hub_shop.send(DAYS[1], "a", somebody("b", vip=False))
    hub_shop.send(DAYS[2], "a", "b")
    assert in_order(hub) == {
        "a": [{"vips": "realized"}],
        "b": [{"vips": "realized"}, {"vips": "exited"}, {"vips": "realized"}],
    }


def test_a_batch_that_fails_is_split(hub_shop: StreamShop, hub: EventHub) -> None:
    """V10: a batch that the hub refuses is halved until the culprit is alone; a busy hub is asked again."""
    hub_shop.event_hub()
    hub.say({"say": "reject", "condition": "com.microsoft:server-busy"}, refused="p3")
    people = [f"p{number}" for number in range(12)]
    hub_shop.send(DAYS[0], *people)
    assert sorted(in_order(hub)) == sorted({*people} - {"p3"})
    assert (hub_shop.done["status"], hub_shop.done["exported"]) == ("succeeded", 11)
    assert hub_shop.done["excluded_by"] == {"refused:argument-error": 1}


def test_batches_keep_to_the_limit_of_the_hub(hub_shop: StreamShop, hub: EventHub) -> None:
    """V7: 1 MB a batch with what the service adds to each event, and nobody is refused for it."""
    hub_shop.event_hub()
    hub.say(size=1_000_000)
    hub_shop.send(DAYS[0], *(somebody(f"p{number}", email="w" * 9_600) for number in range(410)))
    assert sum(map(len, hub.events.values())) == 410
    assert hub_shop.done["requests"] == 4 + 1
    assert hub_shop.done["exported"] == 410


def test_a_wrong_key_ends_the_run(hub_shop: StreamShop, hub: EventHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """V10, V12: nobody is refused, and neither key nor token is told anywhere."""
    wrong = "d3Jvbmcga2V5"
    monkeypatch.setenv(VARIABLE, hub.text(wrong))
    hub_shop.event_hub()
    hub_shop.send(DAYS[0], "a", code=1)
    assert "the key, signature or token is not accepted, or has expired" in hub_shop.done["error"]
    said = hub_shop.last.out + hub_shop.last.err
    kept = b"".join(hub_shop.tree(".muster").values())
    for secret in (wrong, "SharedAccessSignature", KEY):
        assert secret not in said
        assert secret.encode() not in kept


def test_destinations_are_checked(hub_shop: StreamShop, hub: EventHub, before_kinesis: Gate) -> None:
    """V11: `destinations check` connects and authenticates, and sends nothing without `--send-test`."""
    hub_shop.event_hub()
    assert f"hub {HUB}: 4 partitions" in hub_shop.ok("destinations", "check", "crm").out
    assert hub.state["transfers"] == []
    stream = hub_shop.kinesis(before_kinesis)
    said = hub_shop.ok("destinations", "check", "crm").out
    assert f"stream {stream}: active, 2 open shards" in " ".join(said.split())
    assert before_kinesis.puts == []
    assert "a test record was taken" in hub_shop.ok("destinations", "check", "crm", "--send-test").out
    assert before_kinesis.lying(stream) == {"muster-test": [b"{}"]}
