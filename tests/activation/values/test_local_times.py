from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.values.local_times import LOCAL, local_type, localise, to_local

BERLIN = ZoneInfo("Europe/Berlin")
EASTERN = timezone(timedelta(hours=-5))


def local(text: str) -> datetime:
    """A naive local time."""
    return datetime.fromisoformat(text)


def seen(values: list[object], dtype: pl.DataType, zone: ZoneInfo = BERLIN) -> list[object]:
    """A column as expressions see it."""
    frame = pl.LazyFrame({"x": pl.Series("x", values, dtype=dtype)})
    result = localise(frame, ["x"], zone).collect()["x"]
    assert result.dtype == local_type(frame.collect_schema()["x"])
    return result.to_list()


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_naive_timestamps_are_utc(unit: str) -> None:
    """E2: naive input is UTC, and becomes local time in the workspace's zone; winter and summer differ."""
    times = [local("2026-01-01 12:00"), local("2026-07-01 12:00"), None]
    assert seen(times, pl.Datetime(unit)) == [local("2026-01-01 13:00"), local("2026-07-01 14:00"), None]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("stored", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_zoned_timestamps_are_converted(unit: str, stored: str) -> None:
    """E2: input with a zone is the instant that it is."""
    times = [datetime(2026, 1, 1, 7, tzinfo=EASTERN), None]
    assert seen(times, pl.Datetime(unit, stored)) == [local("2026-01-01 13:00"), None]


def test_clock_changes() -> None:
    """E2: local time jumps and repeats as the zone's clock does; nothing fails or is lost."""
    hours = [datetime(2026, *rest, 30, tzinfo=UTC) for rest in ((3, 29, 0), (3, 29, 1), (10, 25, 0), (10, 25, 1))]
    expected = ["2026-03-29 01:30", "2026-03-29 03:30", "2026-10-25 02:30", "2026-10-25 02:30"]
    assert seen(hours, pl.Datetime("us", "UTC")) == [local(text) for text in expected]


INSTANT, SHOWN = local("2026-01-01 12:00"), local("2026-01-01 13:00")
NAIVE = pl.Datetime("ms")
NESTED = [
    (pl.List(NAIVE), [[INSTANT, None], [], None], [[SHOWN, None], [], None]),
    (pl.Array(NAIVE, 2), [[INSTANT, None], None], [[SHOWN, None], None]),
    (pl.Struct({"t": NAIVE, "n": pl.Int64}), [{"t": INSTANT, "n": 1}, None], [{"t": SHOWN, "n": 1}, None]),
    (pl.Struct({"t": NAIVE, "n": pl.Int64}), [{"t": None, "n": None}], [{"t": None, "n": None}]),
    (pl.List(pl.Struct({"t": NAIVE})), [[{"t": INSTANT}, None], None], [[{"t": SHOWN}, None], None]),
    (
        pl.Struct({"a": pl.Struct({"t": NAIVE})}),
        [{"a": {"t": INSTANT}}, {"a": None}],
        [{"a": {"t": SHOWN}}, {"a": None}],
    ),
    (pl.List(pl.List(NAIVE)), [[[INSTANT]], [None]], [[[SHOWN]], [None]]),
    (pl.Map(pl.String, NAIVE), [{"a": INSTANT}, {}, None], [{"a": SHOWN}, {}, None]),
    *[(dtype, [7, None], [7, None]) for dtype in (pl.Int8, pl.UInt16, pl.UInt32)],
    (pl.Struct({"a": pl.List(pl.Int32)}), [{"a": [7, None]}, None], [{"a": [7, None]}, None]),
    (pl.Categorical(), ["a", None], ["a", None]),
    (pl.Enum(["a"]), ["a", None], ["a", None]),
    (pl.List(pl.Categorical()), [["a"], None], [["a"], None]),
]


@pytest.mark.parametrize(("dtype", "values", "expected"), NESTED, ids=[str(dtype) for dtype, _, _ in NESTED])
def test_timestamps_are_local_at_any_depth(dtype: pl.DataType, values: list[object], expected: list[object]) -> None:
    """E2: every timestamp is local time, inside lists, structs and maps too; nulls stay null; categories are text,
    arrays lists.
    """
    assert seen(values, dtype) == expected


PLAIN = [
    pl.Int64(),
    pl.UInt64(),
    pl.String(),
    pl.Boolean(),
    pl.Date(),
    pl.Time(),
    pl.Duration("ms"),
    pl.Decimal(10, 2),
    pl.Float32(),
    pl.Binary(),
    pl.Null(),
]
PLAIN += [pl.List(pl.Int64), pl.Struct({"a": pl.Date, "b": pl.List(pl.String)}), pl.Map(pl.String, pl.Int64)]


@pytest.mark.parametrize("dtype", PLAIN, ids=str)
def test_other_columns_stay_as_they_are(dtype: pl.DataType) -> None:
    """E2: what holds no timestamp and no narrow number is not touched."""
    expr = pl.col("x")
    same, unchanged = to_local(expr, dtype, BERLIN)
    assert same is expr
    assert unchanged == dtype
    frame = pl.LazyFrame(schema={"x": dtype})
    assert localise(frame, ["x"], BERLIN) is frame


def test_only_the_columns_asked_for_change() -> None:
    """E2: what a receiver is sent stays an instant: only the columns that a rule reads are localised."""
    frame = localise(pl.LazyFrame({"a": [INSTANT], "b": [INSTANT]}), ["a"], BERLIN).collect()
    assert frame.row(0) == (SHOWN, INSTANT)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_timestamps_that_mean_never_do_no_harm(unit: str) -> None:
    """D1: the largest and smallest timestamps, which exporters use for "never", stay later and earlier than
    all others.
    """
    extremes = pl.Series("x", [2**63 - 1, -(2**63) + 1, 0], dtype=pl.Int64).cast(pl.Datetime(unit))
    found = localise(pl.LazyFrame({"x": extremes}), ["x"], BERLIN).select(
        pl.col("x") > local("2200-01-01"), (pl.col("x") < local("1800-01-01")).alias("early")
    )
    assert found.collect().rows() == [(True, False), (False, True), (False, False)]


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  # naive, as Hypothesis wants it
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
)
def test_local_time_is_pythons(moment: datetime, name: str) -> None:
    """E2: local time is what the zone's rules say, at any instant."""
    zone = ZoneInfo(name)
    assert seen([moment], LOCAL, zone) == [moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)]
