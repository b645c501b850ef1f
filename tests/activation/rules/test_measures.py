import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.model.measures import CONDITIONS, EVENTS, FUNCTIONS, Event, counting, naive

from muster.activation.frames.columns import EVENT_TIME, ID
from muster.activation.model.workspace import Measure, SourceLocation
from muster.activation.rules.audiences import RuleError
from muster.activation.rules.measures import BoundMeasure, aggregate, bind_measure
from muster.activation.values.known_columns import Columns
from muster.activation.values.local_times import LOCAL

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SCHEMA = pl.Schema(
    {
        ID: pl.String(),
        EVENT_TIME: pl.Datetime("us", "UTC"),
        "timestamp": pl.Datetime("ms"),
        "type": pl.String(),
        "kind": pl.Categorical(),
        "amount": pl.Float64(),
        "points": pl.Int64(),
        "small": pl.Int8(),
        "price": pl.Decimal(10, 2),
        "done": pl.Boolean(),
        "day": pl.Date(),
        "item": pl.Struct({"name": pl.String(), "weight": pl.Float32()}),
        "tags": pl.List(pl.String()),
        "nothing": pl.Null(),
    }
)


def measure(text: str, where: str | None = None, within: timedelta | None = None, name: str = "m") -> Measure:
    function, _, column = text.rstrip(")").partition("(")
    return Measure(
        name, function, column or None, where, within, SourceLocation("audiences/fans.yml", 4, f"events.{name}")
    )  # type: ignore[arg-type]


def event(profile: str, ago: timedelta, **values: object) -> dict[str, object]:
    time = AT - ago
    return {ID: profile, EVENT_TIME: time, "timestamp": time.replace(tzinfo=None), **values}


def frame(events: Sequence[dict[str, object]]) -> pl.LazyFrame:
    return pl.DataFrame(events, schema=SCHEMA).lazy()


def bound(one: Measure, zone: ZoneInfo = BERLIN) -> BoundMeasure:
    return bind_measure(one, Columns(SCHEMA), AT, zone)


def results(
    events: Sequence[dict[str, object]], *measures: Measure, profiles: Iterable[str] = ("ann",)
) -> list[tuple[object, ...]]:
    """Each profile's measures, after the join and fill of an evaluation."""
    ready = [bound(one) for one in measures]
    computed = aggregate(frame(events), ready, AT, BERLIN)
    joined = (
        pl.LazyFrame({ID: list(profiles)})
        .join(computed, on=ID, how="left", maintain_order="left")
        .select(one.filled for one in ready)
    )
    found = joined.collect()
    assert found.dtypes == [one.dtype for one in {one.column: one for one in ready}.values()]
    return found.select(one.column for one in {one.column: one for one in ready}.values()).rows()


def single(
    events: Sequence[dict[str, object]], text: str, where: str | None = None, within: timedelta | None = None
) -> object:
    return results(events, measure(text, where, within))[0][0]


STORY = [
    event(
        "ann",
        1 * DAY,
        type="view",
        amount=1.5,
        points=3,
        price=Decimal("0.10"),
        kind="b",
        item={"name": "car", "weight": 2.0},
        day=date(2026, 1, 2),
    ),
    event(
        "ann",
        2 * DAY,
        type="buy",
        amount=None,
        points=3,
        price=Decimal("0.20"),
        kind="a",
        done=True,
        item=None,
        day=date(2026, 1, 3),
    ),
    event(
        "ann",
        40 * DAY,
        type="view",
        amount=-0.5,
        points=None,
        small=127,
        kind="b",
        done=False,
        item={"name": "hat", "weight": None},
    ),
    event("ann", 41 * DAY, type="view", amount=float("nan"), points=7, small=127, item={"name": None, "weight": 0.25}),
    event("bob", 1 * DAY, type="buy", amount=100.0, points=1),
]
COMPUTED = [
    ("count", None, 4),
    ("count", "type = 'view'", 3),
    ("count", "amount > 0", 2),  # NaN is greater than all numbers in a condition, as in SQL elsewhere
    ("count_distinct(points)", None, 2),
    ("count_distinct(type)", None, 2),
    ("count_distinct(amount)", None, 2),
    ("sum(points)", None, 13),
    ("sum(points)", "type = 'view'", 10),
    ("sum(amount)", None, 1.0),
    ("sum(price)", None, Decimal("0.30")),
    ("sum(small)", None, 254),
    ("sum(nothing)", None, 0),
    ("sum(item.weight)", None, 2.25),
    ("avg(points)", None, 13 / 3),
    ("avg(amount)", None, 0.5),
    ("avg(price)", None, 0.15),
    ("avg(nothing)", None, None),
    ("min(amount)", None, -0.5),
    ("max(amount)", None, 1.5),
    ("min(type)", None, "buy"),
    ("max(item.name)", None, "hat"),
    ("max(kind)", None, "b"),
    ("max(done)", None, True),
    ("max(day)", None, date(2026, 1, 3)),
    ("max(nothing)", None, None),
    ("min(timestamp)", None, datetime.fromisoformat("2026-10-11 18:00")),  # local: summer time
    ("max(timestamp)", None, datetime.fromisoformat("2026-11-20 17:00")),
    ("first(type)", None, "view"),
    ("last(type)", None, "view"),
    ("first(points)", None, 7),
    ("last(points)", None, 3),
    ("first(amount)", None, None),  # NaN is null
    ("last(amount)", "type = 'buy'", None),
    ("last(timestamp)", "type = 'buy'", datetime.fromisoformat("2026-11-19 17:00")),
    ("last(kind)", None, "b"),
    ("count", "timestamp > TIMESTAMP '2026-11-20 16:59:59'", 1),
    ("count", "timestamp < now() - INTERVAL '30 days'", 2),
    ("count", "item.name = 'car' OR kind = 'a'", 2),
]


@pytest.mark.parametrize(
    ("text", "where", "expected"), COMPUTED, ids=[f"{text} {where or ''}" for text, where, _ in COMPUTED]
)
def test_functions(text: str, where: str | None, expected: object) -> None:
    """E3: what each function gives over one profile's events; null values do not count, a null condition is no
    match.
    """
    assert single(STORY, text, where) == expected


EMPTY = [
    ("count", 0),
    ("count_distinct(type)", 0),
    ("sum(points)", 0),
    ("sum(amount)", 0.0),
    ("sum(price)", Decimal(0)),
]
EMPTY += [
    (f"{function}({column})", None)
    for function in ("min", "max", "avg", "first", "last")
    for column in ("points", "amount")
]


@pytest.mark.parametrize(("text", "expected"), EMPTY)
@pytest.mark.parametrize("where", [None, "type = 'never'"])
def test_without_events(text: str, expected: object, where: str | None) -> None:
    """E3: with no events 0 for counts and sums, null otherwise; also when events are there, but none that counts."""
    assert results(STORY, measure(text, where), profiles=["ann", "zoe"])[1] == (expected,)
    if where:
        assert single(STORY, text, where) == expected


def test_the_window_has_both_its_ends() -> None:
    """E3: ``within: 30d`` keeps ``at - 30d <= timestamp <= at``, exactly."""
    second = timedelta(microseconds=1)
    edges = [
        event("ann", ago, type="view")
        for ago in (30 * DAY + second, 30 * DAY, 30 * DAY - second, second, timedelta(0), -second)
    ]
    assert single(edges, "count", within=30 * DAY) == 4
    assert single(edges, "count") == 5


def test_events_after_the_instant_do_not_exist() -> None:
    """D3: events later than the instant of evaluation do not exist for it."""
    events = [event("ann", -DAY, points=9), event("ann", DAY, points=1)]
    assert results(events, measure("count"), measure("max(points)"), measure("last(points)")) == [(1, 1, 1)]


def test_windows_side_by_side() -> None:
    """E3, E7: measures with their own windows and conditions are computed together, each from its own events."""
    assert results(
        STORY,
        measure("count", within=30 * DAY),
        measure("count", "type = 'view'"),
        measure("sum(points)", within=1 * DAY),
        measure("first(points)", "type = 'view'", within=400 * DAY),
        profiles=["ann", "bob", "zoe"],
    ) == [(2, 3, 3, 7), (1, 0, 1, None), (0, 0, 0, None)]


def test_ties_are_decided_by_value() -> None:
    """E3: of events at one time, first is the smallest value and last the greatest; null comes before every value."""
    tie = [event("ann", DAY, points=points, type=str(points)) for points in (2, 3, 1)]
    assert results(tie, measure("first(points)"), measure("last(points)"), measure("last(type)")) == [(1, 3, "3")]
    with_null = [*tie, event("ann", DAY)]
    assert results(with_null, measure("first(points)"), measure("last(points)")) == [(None, 3)]


def test_first_and_last_go_by_instant_not_by_local_time() -> None:
    """E3: at a clock change local times repeat; order is that of the instants."""
    late, early = (
        datetime(2026, 10, 25, hour, minute, tzinfo=UTC) for hour, minute in ((1, 10), (0, 50))
    )  # 02:10 after 02:50
    events = [event("ann", AT - moment, points=moment.hour) for moment in (late, early)]
    assert results(events, measure("first(points)"), measure("last(timestamp)"), measure("min(timestamp)")) == [
        (0, datetime.fromisoformat("2026-10-25 02:10"), datetime.fromisoformat("2026-10-25 02:50"))
    ]


@pytest.mark.parametrize("values", [[2**63 - 1, 2**63 - 1, 5], [-(2**63), -(2**63)], [2**53 + 1, 1]])
def test_sums_of_whole_numbers_are_exact(values: list[int]) -> None:
    """E3: the sum of whole numbers is exact, also past 64 bits."""
    events = [event("ann", DAY, points=value) for value in values]
    assert single(events, "sum(points)") == sum(values)
    assert single(events, "avg(points)") == pytest.approx(sum(values) / len(values))


def test_sums_of_floats_are_those_of_their_values() -> None:
    """E1: a sum of floats is rounded once, so that a threshold that the values reach is reached."""
    assert single([event("ann", DAY, amount=value) for value in (16.7, 16.7, 16.6)], "sum(amount)") == 50.0
    assert single([event("ann", DAY, amount=0.1) for _ in range(1000)], "sum(amount)") == math.fsum([0.1] * 1000)
    assert single([event("ann", DAY, amount=value) for value in (1e16, 1.0, -1e16)], "sum(amount)") == 1.0
    assert single([event("ann", DAY, amount=value) for value in (1e300, 1e300)], "sum(amount)") == 2e300
    assert single([event("ann", DAY, amount=value) for value in (math.inf, 1.0)], "sum(amount)") == math.inf


def test_shared_measures_are_computed_once() -> None:
    """E7: equal measures share a column, however their conditions are spelled; different ones do not."""
    texts = {"a": "type = 'view'", "b": "(type='view') -- seen", "c": "\"type\"  =\n'view'"}
    spelled = [measure("count", text, DAY, name) for name, text in texts.items()]
    assert len({bound(one).column for one in spelled}) == 1
    others = [
        measure("count", "type = 'view'"),
        measure("count", "type = 'View'", DAY),
        measure("count", "type = 'view'", 2 * DAY),
        measure("count_distinct(type)", "type = 'view'", DAY),
        measure("count_distinct(points)", "type = 'view'", DAY),
        measure("count", within=DAY),
    ]
    assert len({bound(one).column for one in [*others, spelled[0]]}) == len(others) + 1
    computed = aggregate(frame(STORY), [bound(one) for one in spelled], AT, BERLIN)
    assert computed.collect_schema().names() == [ID, bound(spelled[0]).column]


def test_a_measure_names_the_columns_that_it_reads() -> None:
    """E7: only the columns that measures need are read."""
    assert bound(measure("sum(item.weight)", "type = 'view' AND day > CURRENT_DATE")).reads == {"item", "type", "day"}
    assert bound(measure("count")).reads == frozenset()
    narrow = frame(STORY).select(ID, EVENT_TIME, "type")
    assert aggregate(narrow, [bound(measure("count", "type = 'view'"))], AT, BERLIN).collect().height == 1


def test_no_measures_no_rows() -> None:
    """E7: without measures there is nothing to compute, and the join still works."""
    assert aggregate(frame(STORY), [], AT, BERLIN).collect().is_empty()


MISTAKES = [
    (measure("sum(type)"), "sum(type): type is text (String); sum needs numbers"),
    (measure("avg(done)"), "done is a boolean (Boolean); avg needs numbers"),
    (measure("sum(timestamp)"), "timestamp is a timestamp (Datetime); sum needs numbers"),
    (measure("max(tags)"), "tags is a list (List(String)); max needs text, numbers, booleans or times"),
    (measure("count_distinct(item)"), "item is a struct"),
    (measure("sum(amuont)"), "unknown column 'amuont'; did you mean 'amount'"),
    (measure("sum(item.wieght)"), "has no field 'wieght'; did you mean 'weight'?"),
    (measure("sum(type.x)"), "'type' is text (String) and has no field 'x'"),
    (measure("sum(__id)"), "unknown column '__id'"),
    (measure("count", "points = 'x'"), "points is a whole number (Int64) and 'x' is text"),
    (measure("count", "tpye = 'x'"), "unknown column 'tpye'; did you mean 'type'"),
    (measure("count", "points"), "a rule is true or false"),
    (measure("count", "audience.vip"), "a measure, which sees one event at a time"),
    (measure("count", "sum(points) > 1"), "SUM is not allowed"),
]


@pytest.mark.parametrize(("one", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_measure_that_does_not_fit_says_why(one: Measure, words: str) -> None:
    """SPEC 10: a mistake in a measure names file, line, measure, column and type before an event is read."""
    with pytest.raises(RuleError) as error:
        bound(one)
    assert str(error.value).startswith("audiences/fans.yml:4: events.m: ")
    assert words in str(error.value)


def test_a_column_with_a_dot_in_its_name_is_found() -> None:
    """SPEC 2: a dotted path is a column of that name, or else a field."""
    schema = pl.Schema({**SCHEMA, "item.name": pl.Int64(), "a.b": pl.Struct({"c": pl.Int64()})})
    assert bind_measure(measure("max(item.name)"), Columns(schema), AT, BERLIN).dtype == pl.Int64()
    assert bind_measure(measure("max(a.b.c)"), Columns(schema), AT, BERLIN).reads == {"a.b"}


def test_results_have_types_that_rules_know() -> None:
    """E2, E3: a measure's type is known before it is computed; timestamps are local without zone."""
    types = {
        "count": pl.Int64(),
        "sum(points)": pl.Int128(),
        "sum(small)": pl.Int64(),
        "sum(price)": pl.Decimal(38, 2),
        "avg(points)": pl.Float64(),
    }
    types |= {
        "max(timestamp)": LOCAL,
        "last(kind)": pl.String(),
        "max(item.weight)": pl.Float64(),
        "first(day)": pl.Date(),
    }
    for text, dtype in types.items():
        assert bound(measure(text)).dtype == dtype


WINDOWS = st.lists(st.tuples(st.sampled_from(list(CONDITIONS)), st.none() | st.integers(1, 5)), min_size=1, max_size=3)


@settings(max_examples=60)
@given(EVENTS, WINDOWS, st.randoms())
def test_measures_are_what_they_say(
    events: list[Event], windows: list[tuple[str | None, int | None]], random: Random
) -> None:
    """E1, E3: every function, with any condition and window, gives what counting by hand gives, in whatever order
    events are read.
    """
    asked = [(f, c, where, days) for f, c in FUNCTIONS for where, days in windows]
    ready = [
        bound(measure(f"{f}({c})" if c else f, where, None if days is None else days * DAY))
        for f, c, where, days in asked
    ]
    rows = [
        event(who, days * DAY, type=kind, amount=amount, points=points) for who, days, kind, amount, points in events
    ]

    def computed(rows: list[dict[str, object]]) -> pl.DataFrame:
        found = aggregate(frame(rows), ready, AT, BERLIN)
        joined = pl.LazyFrame({ID: ["ann", "bob"]}).join(found, on=ID, how="left", maintain_order="left")
        return joined.select({one.column: one.filled for one in ready}.values()).collect()

    result = computed(rows)
    assert result.equals(computed(random.sample(rows, len(rows))))
    for row, profile in enumerate(("ann", "bob")):
        for one, (function, column, where, days) in zip(ready, asked, strict=True):
            expected = naive(counting(events, profile, where, days), function, column)
            close = pytest.approx(expected, rel=1e-12, abs=1e-9) if isinstance(expected, float) else expected
            assert result[one.column][row] == close, (function, column, where, days)
