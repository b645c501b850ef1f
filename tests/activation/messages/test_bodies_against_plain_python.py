"""V5 to V7: bodies equal a plain-Python construction with the json module, on hostile text and values."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import plain_bodies
from support.plain_bodies import Entry, Tree
from support.shop import quick_folder
from support.told_people import AT, Person, activation, sent, told

from muster.activation.model.messages import Aggregation, MappedAudience
from muster.activation.model.workspace import Column

HOSTILE = st.text(st.sampled_from('"\\/\b\f\n\r\t\0\x1f\x7f\u2028é😀{}[]:,=\ue002a '), max_size=4) | st.sampled_from(
    ["", "null", "true", "=x", "==", "\x00", "..", '"}],"x":[{"']
)
FLOATS = st.sampled_from([0.0, -0.0, 0.1, 1.5, -2.25, 1e16, 1e300, float("nan"), float("inf"), 123456.789])
INSTANTS = st.integers(-30_000_000_000, 30_000_000_000).map(
    lambda each: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=each, milliseconds=each % 3 * 250)
)
DECIMALS = st.decimals(-9999, 9999, places=2).map(lambda each: each.quantize(Decimal("0.01")) + Decimal("0.00"))
TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (pl.String(), HOSTILE),
    "whole": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pl.Float64(), FLOATS),
    "flag": (pl.Boolean(), st.booleans()),
    "money": (pl.Decimal(10, 2), DECIMALS),
    "when": (pl.Datetime("us", "UTC"), INSTANTS),
    "texts": (pl.List(pl.String()), st.lists(HOSTILE | st.none(), max_size=3)),
    "nested": (
        pl.Struct({"a": pl.String(), "b.c": pl.List(pl.Struct({"d": pl.Float64(), "e": pl.Decimal(10, 2)}))}),
        st.fixed_dictionaries({
            "a": HOSTILE | st.none(),
            "b.c": st.none() | st.lists(st.fixed_dictionaries({"d": FLOATS, "e": st.none() | DECIMALS}), max_size=2),
        }),
    ),
}  # fmt: skip
AUDIENCES = [MappedAudience("one", 'A "name"\n', "é/1 "), MappedAudience("two", "Two", "2"), MappedAudience("3", "3")]
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ID = "profile_id"


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pl.DataFrame, list[Person], list[MappedAudience]]:
    """A snapshot, people to send, audiences."""
    count = draw(st.integers(1, 5))
    ids = sorted(draw(st.lists(HOSTILE.filter(bool), min_size=count, max_size=count, unique=True)), key=str.encode)
    rows = {name: [draw(st.none() | values) for _ in ids] for name, (_, values) in TYPES.items()}
    schema = {name: dtype for name, (dtype, _) in TYPES.items()}
    audiences = AUDIENCES[: draw(st.integers(1, 3))]
    pairs = st.lists(st.tuples(st.sampled_from(["Email", "CRM", 'q"']), HOSTILE.filter(bool)), max_size=3, unique=True)
    people = []
    for each in ids:
        places = sorted(draw(st.sets(st.integers(0, len(audiences) - 1), min_size=1)))
        status = {place: draw(st.booleans()) for place in places}
        times = {place: draw(INSTANTS) for place in places}
        withdrawn = draw(st.integers(0, 4)) == 0
        status = dict.fromkeys(places, False) if withdrawn else status
        exits = [place for place in places if not status[place]]
        known = {"text": json.dumps(draw(HOSTILE), ensure_ascii=False)} if draw(st.booleans()) else {}
        new = draw(st.none() | st.just(()))
        people.append(
            Person(each, status, times, new=new, ids=draw(pairs), ids_sent=draw(pairs), withdrawn=withdrawn,
                   sent=known, withdraws=exits)
        )  # fmt: skip
    profiles = pl.DataFrame({ID: ids, **rows}, schema={ID: pl.String(), **schema}, strict=False)
    return profiles, people, audiences


@QUICK
@given(worlds(), st.booleans(), st.integers(1, 3), st.integers(1, 3))
def test_objects_of_profiles(world: Any, named: bool, most: int, size: int) -> None:
    """V5: nested by dots in mapping order, absent values without a key; a JSON array whatever the number."""
    profiles, people, audiences = world
    targets = [("a.text", "text"), ("whole", "whole"), ("a.b.float", "float"), ("flag", "flag"), ("a.money", "money"),
               ("c.when", "when"), ('d"', "texts"), ("a.nested", "nested"), ("id", ID)]  # fmt: skip
    columns = [Column(source, target, mandatory=source == "text") for target, source in targets]
    of = activation(columns, *audiences, names=named, aggregation=Aggregation(max_profiles=most))
    people = [Person(**{**vars(each), "sent": {"a.text": each.sent["text"]} if each.sent else {}}) for each in people]
    unmapped = {"zz": {people[0].id: AT}, "aa": {each.id: AT for each in people}, "2": {people[0].id: AT}}
    shown = [(each.shown, each.name) for each in audiences]
    rows = {row[ID]: row for row in profiles.iter_rows(named=True)}
    expected = [
        plain_bodies.profile_object(each, rows[each.id], targets, shown, unmapped, kept=["a.text"], names=named)
        for each in people
    ]
    bodies = [
        "[" + ",".join(map(plain_bodies.dumped, expected[i : i + most])) + "]" for i in range(0, len(people), most)
    ]
    with quick_folder() as folder:
        found = sent(told(Path(folder), profiles, of, people, unmapped=unmapped), of, size=size)
    assert [each.body for each in found] == bodies


NAMES = ["text", "whole", "float", "flag", "money", "when", "texts", "nested", ID, "audience.id", "audience.name",
         "status", "last_qualification_time", "run.id", "request.id"]  # fmt: skip
CONSTANTS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | FLOATS | HOSTILE.map(
    lambda text: f"={text}" if text.startswith("=") else text)  # fmt: skip


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Trees with these leaves."""
    keys = HOSTILE.filter(lambda key: not key.startswith("="))
    objects = lambda below: st.dictionaries(keys | st.sampled_from("abc"), below, max_size=4)  # noqa: E731
    return st.recursive(leaves, lambda below: objects(below) | st.lists(below, max_size=3), max_leaves=6)


ELEMENTS = trees(CONSTANTS | st.sampled_from([f"={name}" for name in NAMES]))
OUTSIDE = ["status", "audience.id", "run.id", "request.id", "flag"]


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A tree of a request with up to two lists over profiles."""
    lists = {f"list{number}": {"each": "profiles", "as": draw(ELEMENTS)} for number in range(draw(st.integers(0, 2)))}
    constant = draw(trees(CONSTANTS | st.sampled_from([f"={name}" for name in OUTSIDE])))
    return {"before": constant, **lists, "behind": draw(st.sampled_from([None, "=flag", "=status", "==x"]))}


@QUICK
@given(
    worlds(),
    requests(),
    st.none() | requests(),
    st.sampled_from(["https://x.example/", "https://x.example/{audience.name}?{status}"]),
    st.builds(
        partial(Aggregation, "configurable"),
        st.integers(1, 4),
        st.none() | st.integers(30, 300),
        key=st.sampled_from([(), ("audience",), ("status",), ("audience", "status")]),
    ),
)
def test_declared_requests(world: Any, tree: Any, exited: Any, url: str, aggregation: Aggregation) -> None:
    """V6, V7: values keep types, null drops keys, requests are about one key, and limits hold."""
    profiles, people, audiences = world
    request = {"": tree} if exited is None else {"realized": tree, "exited": exited}
    method = {} if exited is None else {"realized": "PUT", "exited": "DELETE"}
    columns = [Column(name, name, mandatory=name == "text") for name in TYPES]
    key, most, largest = aggregation.key, aggregation.max_profiles or 0, aggregation.max_bytes
    of = activation(
        columns, *audiences, payload="request", request={kind: json.dumps(each) for kind, each in request.items()},
        method=method, url=url, aggregation=aggregation,
    )  # fmt: skip
    with quick_folder() as folder:
        found = sent(told(Path(folder), profiles, of, people), of, size=50)
    model = Tree(request, method, url, frozenset(TYPES))
    rows = {row[ID]: row for row in profiles.iter_rows(named=True)}
    entries = list(entries_of(people, rows, audiences, model, key))
    is_split = exited is not None or "status" in key or "{status}" in url or any(
        name == "status" and not in_each for name, in_each in plain_bodies.names_in(tree)
    )  # fmt: skip
    passes = [[e for e in entries if e.is_exit], [e for e in entries if not e.is_exit]] if is_split else [entries]
    expected = []
    for each in passes:
        fitting = [e for e in each if not plain_bodies.is_too_large(model, e, largest)]
        expected += plain_bodies.requests(model, fitting, key, most, largest, first=len(expected))
    told_apart = [each for each in found if not each.refused_as]
    if len(told_apart) == len(found):
        assert [(each.method, each.url, each.body) for each in found] == [
            (each.method, each.url, each.body) for each in expected
        ]
    else:  # numbers of requests, and so their ids, count those that are refused unsent
        assert [len(each.people) for each in told_apart] == [len(each.people) for each in expected]
    assert all(len(each.body.encode()) <= (largest or 10**9) for each in told_apart)


def entries_of(people: Any, rows: Any, audiences: Any, model: Tree, key: Any) -> Any:
    """The entries of people in the order of M6."""
    used = {name for tree in model.request.values() for name, _ in plain_bodies.names_in(tree)}
    of_audience = {"audience.id", "audience.name", "last_qualification_time"}
    per_audience = bool(used & of_audience) or "{" in model.url or "audience" in key
    by_kind = len(model.request) > 1 or "status" in {*key, *used}
    for number, person in enumerate(people):
        places = sorted(person.status)
        exits, others = [p for p in places if not person.status[p]], [p for p in places if person.status[p]]
        if per_audience:
            chosen: list[tuple[int | None, bool, str]] = [(p, True, "exited") for p in exits]
            chosen += [(p, False, plain_bodies.kind_of(person, p)) for p in others]
        else:
            kinds = {plain_bodies.kind_of(person, p) for p in others}
            chosen = [(None, True, "exited")] if exits and (by_kind or not others) else []
            chosen += [(None, False, "realized" if "realized" in kinds else "changed")] if others else []
        for place, is_exit, kind in chosen:
            values = {name: plain_bodies.plain(rows[person.id][name]) for name in (ID, *TYPES)}
            if person.withdrawn:
                values = {name: value if name == ID else None for name, value in values.items()}
            if is_exit:
                values["text"] = json.loads(person.sent["text"]) if "text" in person.sent else None
            values |= {"status": "exited" if is_exit else "realized", "run.id": "run-1"}
            if place is not None:
                values |= {"audience.id": audiences[place].id, "audience.name": audiences[place].name}
                values["last_qualification_time"] = plain_bodies.instant(person.times[place])
            yield Entry(number, place, is_exit, kind, values)
