"""V5: messages of whole profiles, one object each."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from support.told_people import AT, Person, activation, sent, told

from muster.activation.model.messages import Aggregation, MappedAudience
from muster.activation.model.workspace import Column
from muster.activation.profile_changes.people import ToldAudience

CARS, DALLAS = MappedAudience("delorean-owners", "DeLorean owners"), MappedAudience("city-dallas", "Dallas", "d-1")
MAPPING = (
    Column("person.first", "person.name.firstName"),
    Column("email", "personalEmail.address", mandatory=True),
    Column("person.age", "person.age"),
    Column("vip", "vip"),
)
PROFILES = pl.DataFrame(
    {
        "profile_id": ["p1", "p2", "p3", "p4"],
        "person": [{"first": 'Ann "A"', "age": 30}, {"first": None, "age": None}, {"first": "Cy\n😀", "age": 1}, None],
        "email": ["ann@x.com", "b@x.com", None, "d@x.com"],
        "vip": [True, None, False, None],
        "identity_map": [[{"namespace": "Email", "id": "ann@x.com"}]] * 4,
    }
)


def test_golden_body(tmp_path: Path) -> None:
    """V5: attributes nested in mapping order, audiences in config order, identities sorted; no space, no absent key."""
    of = activation(MAPPING, CARS, DALLAS, names=True)
    ids = [("CRM", "7"), ("Email", "a@x.com"), ("Email", "ann@x.com")]
    gone = datetime(2026, 11, 21, 1, 2, 3, 500000, UTC)
    people = [
        Person("p1", {0: True, 1: False}, {1: gone}, ids=ids),
        Person("p2", {1: True}),
        Person("p3", {0: True}, ids=[("Email", 'q"\\')]),
        Person("p4", {0: False}, ids=[("Email", "new@x.com")], ids_sent=[("Email", "old@x.com")], withdrawn=True,
               sent={"personalEmail.address": '"old@x.com"'}),
    ]  # fmt: skip
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    unmapped = {"b-side": {"p1": since, "p4": since}, "a-side": {"p1": since, "p3": since}}
    requests = sent(told(tmp_path, PROFILES, of, people, unmapped=unmapped), of)
    assert [(each.method, each.url, each.phase, each.people) for each in requests] == [
        ("POST", "https://crm.example.com/profiles", 0, ["p1", "p2", "p3", "p4"])
    ]
    assert requests[0].body == (
        r'[{"person":{"name":{"firstName":"Ann \"A\""},"age":30},"personalEmail":{"address":"ann@x.com"},"vip":true,'
        r'"segmentMembership":{"ups":{"delorean-owners":{"lastQualificationTime":"2026-11-20T02:00:00Z",'
        r'"status":"realized","name":"DeLorean owners"},"d-1":{"lastQualificationTime":"2026-11-21T01:02:03.500Z",'
        r'"status":"exited","name":"Dallas"},"a-side":{"lastQualificationTime":"2026-01-02T03:04:05Z",'
        r'"status":"realized"},"b-side":{"lastQualificationTime":"2026-01-02T03:04:05Z","status":"realized"}}},'
        r'"identityMap":{"CRM":[{"id":"7"}],"Email":[{"id":"a@x.com"},{"id":"ann@x.com"}]}},'
        r'{"personalEmail":{"address":"b@x.com"},"segmentMembership":{"ups":{"d-1":{"lastQualificationTime":'
        r'"2026-11-20T02:00:00Z","status":"realized","name":"Dallas"}}}},'
        r'{"person":{"name":{"firstName":"Cy\n😀"},"age":1},"vip":false,"segmentMembership":{"ups":{"delorean-owners":'
        r'{"lastQualificationTime":"2026-11-20T02:00:00Z","status":"realized","name":"DeLorean owners"},"a-side":'
        r'{"lastQualificationTime":"2026-01-02T03:04:05Z","status":"realized"}}},'
        r'"identityMap":{"Email":[{"id":"q\"\\"}]}},'
        r'{"personalEmail":{"address":"old@x.com"},"segmentMembership":{"ups":{"delorean-owners":'
        r'{"lastQualificationTime":"2026-11-20T02:00:00Z","status":"exited","name":"DeLorean owners"}}},'
        r'"identityMap":{"Email":[{"id":"old@x.com"}]}}]'
    )


def test_objects_in_groups(tmp_path: Path) -> None:
    """V7: groups by audience, status or namespace hold whole objects; a profile is in each that it has something of."""
    people = [
        Person("p1", {0: True, 1: False}, ids=[("CRM", "7"), ("Email", "a@x.com")]),
        Person("p2", {0: True}, ids=[("Email", "b@x.com")]),
        Person("p3", {1: True}, told=[], ids=[]),
    ]

    def groups(*key: str) -> list[list[str]]:
        of = activation([], CARS, DALLAS, aggregation=Aggregation("configurable", key=key))  # type: ignore[arg-type]
        return [each.people for each in sent(told(tmp_path, PROFILES, of, people), of)]

    assert groups() == [["p1", "p2", "p3"]]
    assert groups("audience") == [["p1", "p3"], ["p1", "p2"]]  # the exits of a profile stand first
    assert groups("status") == [["p1"], ["p1", "p2", "p3"]]
    assert groups("audience", "status") == [["p1"], ["p1", "p2"], ["p3"]]
    assert groups("namespace") == [["p1"], ["p1", "p2"], ["p3"]]


def test_identities_limit_what_is_told(tmp_path: Path) -> None:
    """V3, V9: with `identities` only these are sent, and messages of exits alone are answered before all others."""
    of = activation([Column("vip", "vip")], CARS, DALLAS, identities=("Email",))
    people = [
        Person("p1", {0: True, 1: False}, ids=[("CRM", "7"), ("Email", "a@x.com")]),
        Person("p2", {0: False, 1: False}, ids=[("CRM", "8")]),
    ]
    found = sent(told(tmp_path, PROFILES, of, people), of)
    assert [(each.phase, each.people) for each in found] == [(0, ["p2"]), (1, ["p1"])]
    bodies = [json.loads(each.body)[0] for each in found]
    assert [each.get("identityMap") for each in bodies] == [None, {"Email": [{"id": "a@x.com"}]}]


def test_ids_keep_their_type(tmp_path: Path) -> None:
    """D1, M7: whole numbers as ids are numbers; one that no number is spelled as is text."""
    of = activation([Column("profile_id", "id")], CARS)
    people = [Person("7", {0: True}), Person("007", {0: False}, withdrawn=True)]
    found = sent(told(tmp_path, pl.DataFrame({"profile_id": [7]}), of, people), of)
    assert [each["id"] for each in json.loads(found[0].body)] == [7, "007"]


def test_an_audience_that_was_taken_out_is_an_unmapped_one(tmp_path: Path) -> None:
    """V4, V5: to a member it is told as unmapped, in a withdrawal as an exit; an alias means its own audience alone."""
    of = activation([], DALLAS)
    audiences = [
        ToldAudience("city-dallas", "d-1", "Dallas", is_mapped=True),
        ToldAudience("cars", None, "Cars", is_mapped=False),
    ]
    people = [Person("p1", {0: True}), Person("p2", {0: False, 1: False}, withdrawn=True)]
    unmapped = {"cars": {"p1": AT, "p2": AT}, "d-1": {"p1": AT}}
    [found] = sent(told(tmp_path, PROFILES, of, people, audiences, unmapped=unmapped), of)
    ups = [each["segmentMembership"]["ups"] for each in json.loads(found.body)]
    assert [{name: each["status"] for name, each in own.items()} for own in ups] == [
        {"d-1": "realized", "cars": "realized"},
        {"d-1": "exited", "cars": "exited"},
    ]


def test_a_message_that_tells_an_exit_does_not_wait(tmp_path: Path) -> None:
    """V7: exits never wait, though the profile stays in another audience."""
    of = activation([], CARS, DALLAS, aggregation=Aggregation("configurable", max_age=timedelta(hours=1)))
    people = [Person("p1", {0: True, 1: False}), Person("p2", {0: True})]
    assert [each.people for each in sent(told(tmp_path, PROFILES, of, people), of)] == [["p1"]]
