"""The newest time in a column of Parquet files that is not after an instant: from footers, where they say it (D2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import column
from muster.activation.inputs.parquet import Part, footer_of, scan_one
from muster.activation.values.instants import utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IN_A_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True)
class NewestTime:
    """The newest time of files, and the files whose rows must be read to know whether they have a newer one."""

    time: datetime | None  # None: no row of the other files has a time up to the instant
    unread: tuple[Part, ...] = ()


def newest_in_footers(parts: Sequence[Part], name: str, at: datetime) -> NewestTime:
    """The newest time up to ``at`` in the column ``name``, as far as the statistics of row groups say it."""
    newest, unread = None, []
    for part in parts:
        found = _newest_in_footer(part, name, at)
        if isinstance(found, datetime):
            newest = max(newest or found, found)
        elif found is _UNKNOWN:
            unread.append(part)
    return NewestTime(newest, tuple(unread))


def newest_with_rows(found: NewestTime, name: str, at: datetime) -> datetime | None:
    """The newest time up to ``at`` of all files: those whose footers do not say it are read, this column alone."""
    frames = [
        scan_one(part).select(utc(column(name), part.schema[name], name, part.name).alias(name))
        for part in found.unread
    ]
    if not frames:
        return found.time
    times = pl.concat(frames).filter(pl.col(name) <= at).select(pl.col(name).max())
    read: datetime | None = engine.collect(times).item()
    return max((time for time in (found.time, read) if time is not None), default=None)


_UNKNOWN = object()


def _newest_in_footer(part: Part, name: str, at: datetime) -> object:
    """A datetime, None when no row has a time up to ``at``, or ``_UNKNOWN`` when the footer does not say."""
    dtype = part.schema.get(name)
    if dtype is None or dtype == pl.Null or part.rows == 0 or name in part.without_values:
        return None
    if not isinstance(dtype, pl.Datetime):
        return _UNKNOWN  # the reader says what is wrong with it
    ranges = footer_of(part).ranges(name)
    if ranges is None:
        return _UNKNOWN
    newest = None
    for range_ in ranges:
        if range_ is None:  # nulls alone
            continue
        low, high = (_instant(each, _IN_A_SECOND[dtype.time_unit]) for each in range_)
        if low is None or high is None or low <= at < high:
            return _UNKNOWN
        if high <= at:
            newest = max(newest or high, high)
    return newest


def _instant(number: int, in_a_second: int) -> datetime | None:
    """The instant of a stored time, finer digits cut; None outside the years of ``datetime``."""
    try:
        return _EPOCH + timedelta(microseconds=number * 1_000_000 // in_a_second)
    except OverflowError:
        return None


def later_rows(parts: Sequence[Part], name: str, at: datetime) -> int:
    """How many rows have a time in the column ``name`` that is later than ``at``.

    Only files whose footers do not say that none is are read, this column alone.
    """
    unread = [part for part in parts if not _has_none_later(part, name, at)]
    if not unread:
        return 0
    frames = [
        scan_one(part).select(utc(column(name), part.schema[name], name, part.name).alias(name)) for part in unread
    ]
    return int(engine.collect(pl.concat(frames).filter(pl.col(name) > at).select(pl.len())).item())


def _has_none_later(part: Part, name: str, at: datetime) -> bool:
    """Whether a footer says that no row is later; whoever reads the rows says what is wrong with another type."""
    dtype = part.schema.get(name)
    if not isinstance(dtype, pl.Datetime) or part.rows == 0 or name in part.without_values:
        return True
    ranges = footer_of(part).ranges(name)
    if ranges is None:
        return False
    highs = (_instant(each[1], _IN_A_SECOND[dtype.time_unit]) for each in ranges if each is not None)
    return all(high is not None and high <= at for high in highs)
