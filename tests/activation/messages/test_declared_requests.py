"""V6, V7, V9: declared requests, by golden bodies."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from support.told_people import AT, Person, activation, batches, sent, told

from muster.activation.endpoints.protocol import Limits
from muster.activation.model.messages import Aggregation, MappedAudience
from muster.activation.model.workspace import Column

CARS = MappedAudience("delorean-owners", "DeLorean owners", "23845")
DALLAS = MappedAudience("city-dallas", "Dallas", "23846")
PROFILES = pl.DataFrame(
    {
        "profile_id": [1, 2, 3, 4],
        "email": ["ann@x.com", "b/b@x.com", None, "d@x.com"],
        "city": ["Oslo", "Dallas", "Oslo", ""],
        "score": [0.5, float("nan"), None, 1e300],
        "identity_map": [
            [{"namespace": "Email", "id": "Ann@x.com"}, {"namespace": "Email", "id": "a2@x.com"}],
            [{"namespace": "Email", "id": "b@x.com"}],
            [],
            [{"namespace": "Email", "id": "d@x.com"}],
        ],
    }
)
EMAIL = Column("identity_map.Email", "EMAIL", transform=("trim", "lower"))


def declared(tree: Any, *columns: Column, **changed: Any) -> Any:
    """An activation of a declared request for the two audiences."""
    shapes = tree if isinstance(tree, dict) and tree.keys() & {"realized", "exited", ""} else {"": tree}
    request = {kind: json.dumps(each) for kind, each in shapes.items()}
    return activation(columns, CARS, DALLAS, payload="request", request=request, **changed)


def test_identifiers_by_audience_and_status(tmp_path: Path) -> None:
    """M5, V9: an entry per identity, exits of gone ones first in a phase of their own, requests keyed by the url."""
    of = declared(
        {"payload": {"schema": ["EMAIL"], "data": {"each": "profiles", "as": ["=EMAIL"]}}}, EMAIL,
        url="https://g.example/v25.0/{audience.alias}/users", method={"realized": "POST", "exited": "DELETE"},
        identities=("Email",), aggregation=Aggregation("configurable", 2, key=("audience", "status")),
    )  # fmt: skip
    people = [
        Person("1", {0: True, 1: True}, leaves={0: ["old@x.com"]}),
        Person("2", {0: True, 1: False}, leaves={1: ["b@x.com"]}),
        Person("4", {0: False}, leaves={0: ["d@x.com", "e@x.com"]}, withdrawn=True),
    ]
    found = sent(told(tmp_path, PROFILES, of, people), of)
    assert [(each.phase, each.method, each.url[-11:], each.body, each.people) for each in found] == [
        (0, "DELETE", "23845/users", '{"payload":{"schema":["EMAIL"],"data":[["old@x.com"],["d@x.com"]]}}', ["1", "4"]),
        (0, "DELETE", "23846/users", '{"payload":{"schema":["EMAIL"],"data":[["b@x.com"]]}}', ["2"]),
        (0, "DELETE", "23845/users", '{"payload":{"schema":["EMAIL"],"data":[["e@x.com"]]}}', ["4"]),
        (1, "POST", "23845/users", '{"payload":{"schema":["EMAIL"],"data":[["a2@x.com"],["ann@x.com"]]}}', ["1", "1"]),
        (1, "POST", "23846/users", '{"payload":{"schema":["EMAIL"],"data":[["a2@x.com"],["ann@x.com"]]}}', ["1", "1"]),
        (1, "POST", "23845/users", '{"payload":{"schema":["EMAIL"],"data":[["b@x.com"]]}}', ["2"]),
    ]
    told_identifiers = [
        each for batch in batches(told(tmp_path, PROFILES, of, people), of) for each in batch.entries["identifiers"]
    ]
    assert [list(each) for each in told_identifiers][:4] == [["old@x.com"], ["d@x.com"], ["b@x.com"], ["e@x.com"]]


def test_shapes_by_kind_of_change(tmp_path: Path) -> None:
    """V6: a profile that exits one audience and starts another is in both requests; `changed` is as `realized`."""
    of = declared(
        {
            "realized": {"add": {"each": "profiles", "as": {"id": "=profile_id", "to": "=audience.name"}}},
            "exited": {"remove": {"each": "profiles", "as": {"id": "=profile_id", "at": "=last_qualification_time"}}},
        }
    )
    people = [
        Person("1", {0: True, 1: False}, {1: datetime(2026, 11, 1, tzinfo=UTC)}, withdraws=[1]),
        Person("3", {0: True}, new=[]),
        Person("4", {1: True}, withdraws=[1]),
    ]
    found = sent(told(tmp_path, PROFILES, of, people), of)
    assert [each.body for each in found] == [
        '{"remove":[{"id":1,"at":"2026-11-01T00:00:00Z"},{"id":4,"at":"2026-11-21T17:00:00Z"}]}',
        '{"add":[{"id":1,"to":"DeLorean owners"},{"id":3,"to":"DeLorean owners"},{"id":4,"to":"Dallas"}]}',
    ]


def test_values_keep_types_and_null_drops_its_key(tmp_path: Path) -> None:
    """V6: null drops its key at every depth and stays in lists; `==x` is text; what stands outside `each` is a key."""
    of = declared(
        {"city": "=city", "n": None, "v": "==x", "of": {"run": "=run.id", "request": "=request.id"},
         "l": [None, "=city"], "users": {"each": "profiles", "as": {
             "m": "=email", "s": "=score", "deep": {"s": "=score"}, "l": ["=email"]}}},
        Column("email", "email"), Column("city", "city"), Column("score", "score"),
    )  # fmt: skip
    people = [Person(str(number), {0: True}, told=[0]) for number in range(1, 5)]
    bodies = [json.loads(each.body) for each in sent(told(tmp_path, PROFILES, of, people), of)]
    assert [each["of"] for each in bodies] == [{"run": "run-1", "request": f"run-1-1-{i}"} for i in range(3)]
    assert [(each["city"], each["l"], each["v"], "n" in each) for each in bodies] == [
        ("Oslo", [None, "Oslo"], "=x", False), ("Dallas", [None, "Dallas"], "=x", False), ("", [None, ""], "=x", False)
    ]  # fmt: skip
    assert [each["users"] for each in bodies] == [
        [{"m": "ann@x.com", "s": 0.5, "deep": {"s": 0.5}, "l": ["ann@x.com"]}, {"deep": {}, "l": [None]}],
        [{"m": "b/b@x.com", "deep": {}, "l": ["b/b@x.com"]}],
        [{"m": "d@x.com", "s": 1e300, "deep": {"s": 1e300}, "l": ["d@x.com"]}],
    ]


def test_url_values_add_no_structure(tmp_path: Path) -> None:
    """V6: values in urls are percent-encoded; one without a value is refused unsent, as an empty one means another."""
    of = declared({"id": "=profile_id"}, Column("email", "email"), url="https://x.example/users/{email}")
    people = [Person(str(number), {0: True}) for number in range(1, 5)]
    found = sent(told(tmp_path, PROFILES.with_columns(email=pl.col("email").replace("d@x.com", "..")), of, people), of)
    in_order = sorted(found, key=lambda each: each.people)
    assert [(each.url, each.body, each.refused_as) for each in in_order] == [
        ("https://x.example/users/ann%40x.com", '{"id":1}', None),
        ("https://x.example/users/b%2Fb%40x.com", '{"id":2}', None),
        ("", '{"id":3}', "no_value_in_url"),
        ("https://x.example/users/%2E%2E", '{"id":4}', None),
    ]


def test_exits_carry_what_was_sent(tmp_path: Path) -> None:
    """X12, V2, V3: exits have values last sent, or maybe sent, in kept columns, and newest ones elsewhere."""
    of = declared(
        {"users": {"each": "profiles", "as": ["=status", "=profile_id", "=email", "=city"]}},
        Column("email", "email", mandatory=True), Column("city", "city"),
    )  # fmt: skip
    people = [
        Person("1", {0: True}, sent={"email": '"old@x.com"'}, withdraws=[0], also={0: [{"email": '"maybe@x.com"'}]}),
        Person("2", {0: False}, withdraws=[0]),
        Person("4", {0: False}, withdraws=[0], sent={"email": '"d@x.com"'}, withdrawn=True),
    ]
    assert json.loads(sent(told(tmp_path, PROFILES, of, people), of)[0].body)["users"] == [
        ["exited", 1, "old@x.com", "Oslo"],
        ["exited", 1, "maybe@x.com", "Oslo"],
        ["realized", 1, "ann@x.com", "Oslo"],
        ["exited", 2, None, "Dallas"],
        ["exited", 4, "d@x.com", None],
    ]


def test_who_was_refused_earlier_goes_last(tmp_path: Path) -> None:
    """V10: in requests behind all others of the phase."""
    of = declared({"users": {"each": "profiles", "as": "=profile_id"}})
    people = [Person("1", {0: True}, refused=True), Person("2", {0: True}), Person("3", {0: True}, refused=True)]
    assert [each.body for each in sent(told(tmp_path, PROFILES, of, people), of)] == [
        '{"users":[2]}',
        '{"users":[1,3]}',
    ]


def test_limits_of_the_service_hold(tmp_path: Path) -> None:
    """V7: whatever is configured; an entry too large alone is a request of its own that is refused unsent."""
    of = declared(
        {"users": {"each": "profiles", "as": "=city"}}, Column("city", "city"),
        aggregation=Aggregation(max_profiles=1000, max_bytes=1000),
    )  # fmt: skip
    profiles = PROFILES.with_columns(city=pl.Series(["a", "b", "c" * 30, "d"]))
    people = [Person(str(number), {0: True}) for number in range(1, 5)]
    changes = told(tmp_path, profiles, of, people)
    assert [len(each.people) for each in sent(changes, of, Limits(entries=3))] == [3, 1]
    found = sent(changes, of, Limits(bytes=len('{"users":["a","b"]}')))
    assert [each.people for each in found] == [["1", "2"], ["3"], ["4"]]
    assert [each.refused_as for each in found] == [None, "too_large", None]
    assert sent(changes, of, Limits(bytes=len('{"users":["a","b"]}') - 1))[0].people == ["1"]


def test_records_of_a_stream_are_single_objects(tmp_path: Path) -> None:
    """V5, V7: an entry is one object; the limits count the key of a record too."""
    of = activation([Column("city", "city")], CARS, kind="kinesis", url=None)
    people = [Person(str(number), {0: True}) for number in range(1, 5)]
    changes = told(tmp_path, PROFILES, of, people)
    found = batches(changes, of, Limits(entries=3, entry_bytes=10_000))
    assert [name for name in found[0].requests.columns if name.startswith("part")] == []
    texts = [each for batch in found for each in batch.entries["text:0"]]
    assert json.loads(texts[0])["city"] == "Oslo"
    assert [batch.requests.height for batch in found] == [1, 1]
    longest = max(len(each) for each in texts) + 1
    assert not any(any(batch.requests["refused_as"]) for batch in batches(changes, of, Limits(entry_bytes=longest)))
    assert any(any(batch.requests["refused_as"]) for batch in batches(changes, of, Limits(entry_bytes=longest - 1)))


def test_requests_that_are_not_full_wait(tmp_path: Path) -> None:
    """V7: full requests go at once, exits never wait, the rest when its oldest change is old enough."""
    of = declared(
        {"users": {"each": "profiles", "as": ["=profile_id", "=status"]}},
        aggregation=Aggregation("configurable", 2, max_age=timedelta(hours=1)),
    )
    young, old = AT - timedelta(minutes=59), AT - timedelta(hours=1)
    people = [
        Person("1", {0: True}, since=young),
        Person("2", {0: True}),
        Person("3", {0: False}, withdraws=[0]),
        Person("4", {0: True}, since=young),
    ]

    def outcome(**options: Any) -> tuple[list[list[str]], list[int]]:
        changes = told(tmp_path, PROFILES, of, people)
        waiting = [each.waiting for each in batches(changes, of, **options) if each.waiting is not None]
        persons = [person for each in waiting for person in each["person"]]
        return [each.people for each in sent(changes, of, **options)], persons

    assert outcome() == ([["1", "2"], ["3", "4"]], [])
    people.pop()
    assert outcome() == ([["1", "2"], ["3"]], [])
    people[:] = people[1:]
    people.append(Person("4", {1: True}, since=young))
    people.append(Person("1", {1: True}, since=young))
    assert outcome() == ([["2", "3"], ["4", "1"]], [])
    people.pop()
    assert outcome() == ([["2", "3"]], [2])
    assert outcome(waits=False) == ([["2", "3"], ["4"]], [])
    people[-1] = Person("4", {1: True}, since=old)
    assert outcome() == ([["2", "3"], ["4"]], [])
    people[:] = [Person("3", {0: False}, withdraws=[0]), Person("4", {1: True}, since=young)]
    of = replace(of, aggregation=replace(of.aggregation, max_profiles=3))
    assert outcome() == ([["3"]], [1])
