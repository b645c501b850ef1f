"""Measures in groups: however events are divided, sampled and passed over, each profile's measures are the model's."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.model.measures import CONDITIONS, EVENTS, FUNCTIONS, Event, counting, naive
from support.shop import Shop, person

from muster.activation.evaluation import measured
from muster.activation.frames import hashed_ids
from muster.activation.frames.columns import EVENT_TIME, ID
from muster.activation.inputs import events as event_files
from muster.activation.inputs.parquet import read_part
from muster.activation.model.workspace import EventsSource, Measure, SourceLocation
from muster.activation.rules.measures import BoundMeasure, bind_measure
from muster.activation.values.known_columns import Columns

AT, UTC_ZONE, DAY = datetime(2026, 11, 21, 16, tzinfo=UTC), ZoneInfo("UTC"), timedelta(days=1)
SCHEMA = pl.Schema(
    {
        ID: pl.String(),
        EVENT_TIME: pl.Datetime("us", "UTC"),
        "type": pl.String(),
        "amount": pl.Float64(),
        "points": pl.Int64(),
    }
)
PEOPLE = ["eve", "bob", "ann"]
_ALL = (1 << 64) - 1  # hashes
Asked = tuple[tuple[str, str | None], str | None, int | None]
ASKED = st.lists(
    st.tuples(st.sampled_from(FUNCTIONS), st.sampled_from(list(CONDITIONS)), st.none() | st.integers(1, 5)),
    min_size=1,
    max_size=8,
)


def bound(asked: Asked) -> BoundMeasure:
    (function, column), where, days = asked
    location = SourceLocation("audiences/fans.yml", 4, "events.m")
    within = None if days is None else days * DAY
    measure = Measure("m", function, column, where, within, location)  # type: ignore[arg-type]
    return bind_measure(measure, Columns(SCHEMA), AT, UTC_ZONE)


def session(events: Sequence[Event], working: int) -> Any:
    """As much of a session as measures need: profiles, events, a memory budget."""
    rows = [(who, AT - days * DAY, kind, amount, points) for who, days, kind, amount, points in events]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").lazy()
    opened = SimpleNamespace(
        snapshot=SimpleNamespace(frame=lambda: pl.LazyFrame({ID: PEOPLE})),
        events=SimpleNamespace(frame=frame, sample=lambda: frame.head(3)),
        event_parts=[SimpleNamespace(rows=len(events))],
    )
    workspace, budget = SimpleNamespace(zone=UTC_ZONE), SimpleNamespace(working=working)
    return SimpleNamespace(opened=opened, workspace=workspace, budget=budget, at=AT)


@settings(max_examples=40)
@given(
    EVENTS,
    ASKED,
    st.sampled_from([100, 1 << 30]),
    st.sampled_from([0.0, 2.0]),
    st.sampled_from([1, 2, 3, _ALL]),
)
def test_measures_in_groups_are_what_they_say(
    events: list[Event], asked: list[Asked], working: int, a_pass: float, hashes: int
) -> None:
    """E3: groups of frequent and of rare events, ranges of profiles and shared id hashes change no value."""
    ready = [bound(each) for each in asked]
    with (
        mock.patch.multiple(measured, _FEW=0, _PASS=a_pass),
        mock.patch.object(hashed_ids, "_hash", lambda ids: ids.hash(1) % hashes),
    ):
        found = measured.of_people(session(events, working), ready)
    assert found is not None
    filled = found.with_columns(one.filled for one in {one.column: one for one in ready}.values())
    for row, profile in enumerate(PEOPLE):
        for one, ((function, column), where, days) in zip(ready, asked, strict=True):
            expected = naive(counting(events, profile, where, days), function, column)
            close = pytest.approx(expected, rel=1e-12, abs=1e-9) if isinstance(expected, float) else expected
            assert filled[one.column][row] == close, (profile, function, column, where, days)


def test_events_of_somebody_else_are_noticed() -> None:
    """E3: one event of another id in a group with a profile's hash shows, whichever check hash is the greater."""
    ids = [str(number) for number in range(20)]
    with mock.patch.object(hashed_ids, "_hash", lambda ids: ids.hash(1) % 1):
        for other in ids[1:]:
            grouped = [
                pl.LazyFrame({ID: each}).pipe(hashed_ids.with_id_hash).group_by(hashed_ids.ID_HASH)
                for each in (["0", other], ["0", "0"])
            ]
            own = pl.LazyFrame({ID: ["0"]}).pipe(hashed_ids.with_id_hash)
            found = [
                own.join(each.agg(hashed_ids.check_range()), on=hashed_ids.ID_HASH).select(hashed_ids.has_collision())
                for each in grouped
            ]
            assert [each.item() for each in pl.collect_all(found)] == [True, False]


def flags(*shares: float) -> pl.DataFrame:
    """Of a hundred events, for measure number ``n`` the first so many percent count."""
    return pl.DataFrame({f"m{n}": [row < share * 100 for row in range(100)] for n, share in enumerate(shares)})


def divided(*shares: float) -> list[list[str]]:
    measures: Any = [SimpleNamespace(column=f"m{n}") for n in range(len(shares))]
    return [[each.column for each in group.measures] for group in measured.divided(measures, flags(*shares), 100)]


def test_rare_events_are_grouped_by_themselves() -> None:
    """E7: many measures of rare events do not become columns of all events; a few may, since passes cost as well."""
    assert divided(0.01, 1.0, 0.02, 0.9, 0.03, 0.01) == [["m1", "m3"], ["m4", "m2", "m0", "m5"]]
    assert divided(0.9, 1.0, 0.8) == [["m1", "m0", "m2"]]
    assert divided(0.01, 1.0) == [["m1", "m0"]]
    assert divided(0.0, 0.0) == [["m0", "m1"]]
    assert divided(0.5) == [["m0"]]


def test_a_group_reckons_with_the_events_that_count() -> None:
    """Memory is reckoned by the share of the events that a group keeps, and a quarter more."""
    measures: Any = [SimpleNamespace(column=f"m{n}") for n in range(6)]
    often, seldom = measured.divided(measures, flags(0.01, 1.0, 0.02, 0.9, 0.03, 0.04), 100)
    assert (often.share, seldom.share) == (1.0, pytest.approx(0.05))
    assert seldom.bytes_per_event < often.bytes_per_event / 10


def test_a_sample_is_from_all_over_the_files(tmp_path: Path) -> None:
    """Event files are cut by time: the first rows alone would be of one day."""
    parts = []
    for number in range(3):
        path = tmp_path / f"{number}.parquet"
        rows = pl.select(timestamp=pl.datetime(2026, 11, 1 + number).repeat_by(20_000).explode())
        rows.with_columns(profile_id=pl.lit("a")).write_parquet(path)
        parts.append(read_part(path, path.name))
    sample = event_files.read(parts, EventsSource("events", "profile_id", "timestamp")).sample()
    assert sample is not None
    found = sample.collect()
    assert found.height < 40_000
    assert found["timestamp"].dt.day().unique().sort().to_list() == [1, 2, 3]


def test_a_measure_that_fails_in_a_group_fails_its_audience_alone(tmp_path: Path) -> None:
    """X1: a value that cannot be converted stops the audience that converts it, whichever group its events are in."""
    shop = Shop(tmp_path)
    measures = {"seen": {"measure": "count"}, "bought": {"measure": "count", "where": "kind = 'buy'"}}
    shop.audience("healthy", events=measures, where="seen = 2 AND bought = 1")
    casting = {"large": {"measure": "count", "where": "kind = 'buy' AND CAST(size AS INT) > 1"}}
    shop.audience("failing", events=casting, where="large > 0")
    shop.profiles("2026-11-20", [person("1"), person("2")])
    at = datetime(2026, 11, 19, tzinfo=UTC)
    rows = [("1", "buy", "3"), ("1", "view", "4"), ("2", "view", "wide"), ("2", "view", "5")]
    shop.events([{"profile_id": who, "timestamp": at, "kind": kind, "size": size} for who, kind, size in rows])
    with mock.patch.multiple(measured, _FEW=0, _PASS=0.0):
        result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 1
    assert "audiences/failing.yml:3: events.large" in result.err
    assert shop.memberships("healthy").keys() == {"1"}
