"""Measures over a profile's events: bound to the event columns, then all computed in one pass (E3, E7).

Events have ``muster:id`` (String), ``muster:time`` (Datetime(us, UTC)) and the user's columns. The result has
``muster:id`` and one column for each measure; a profile without events that count has no row.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.frames.columns import EVENT_TIME, ID, INTERNAL, column
from muster.activation.frames.hashed_ids import ID_HASH, check_range, with_id_hash
from muster.activation.model.workspace import Measure
from muster.activation.rules.aggregates import computed, prepared, result_type
from muster.activation.rules.audiences import RuleError
from muster.activation.sql.binding import bind
from muster.activation.sql.parse import Parsed, parse
from muster.activation.sql.rewrite import IN_A_MEASURE, MEASURE
from muster.activation.sql.tokens import SqlError
from muster.activation.values import column_paths
from muster.activation.values.known_columns import Columns
from muster.activation.values.local_times import localise

_UTC = pl.Datetime("us", "UTC")


@dataclass(frozen=True, eq=False)
class BoundMeasure:
    """A measure that fits the event columns. Measures that compute one thing share a ``column``."""

    measure: Measure
    column: str  # name of the column in the result
    dtype: pl.DataType  # of that column, as rules see it
    source: tuple[pl.Expr, pl.DataType] | None  # the event column or field, and its type; None for count
    parsed: Parsed | None  # the condition for events that count
    since: datetime | None  # the first instant that counts

    @property
    def reads(self) -> frozenset[str]:
        """The event columns that the measure reads."""
        named = self.source[0].meta.root_names() if self.source else []
        return frozenset(named) | (self.parsed.columns if self.parsed else frozenset())

    @property
    def filled(self) -> pl.Expr:
        """The measure's column for all profiles: without events, counts and sums are 0, other functions null (E3)."""
        found = pl.col(self.column)
        return found.fill_null(pl.lit(0).cast(self.dtype)) if self.measure.function in _ZERO_WITHOUT_EVENTS else found


_ZERO_WITHOUT_EVENTS = ("count", "count_distinct", "sum")


def bind_measure(measure: Measure, columns: Columns, at: datetime, zone: ZoneInfo) -> BoundMeasure:
    """A measure bound to the event columns, with their types in the files (E3).

    ``RuleError`` if a column does not exist or a type does not fit (SPEC 10).
    """
    try:
        source = None if measure.column is None else _source(measure.column, columns)
        dtype = result_type(measure.function, source[1], str(measure.column)) if source else pl.Int64()
        parsed = _bound_where(measure, columns, at, zone)
    except SqlError as error:
        raise RuleError(measure.location, as_written(measure), str(error)) from error
    since = at - measure.within if measure.within is not None else None
    return BoundMeasure(measure, _column(measure, parsed), dtype, source, parsed, since)


def aggregate(
    events: pl.LazyFrame,
    measures: Iterable[BoundMeasure],
    at: datetime,
    zone: ZoneInfo,
    by: str = ID,
    *,
    within: pl.Expr | None = None,
) -> pl.LazyFrame:
    """All measures in one pass over the events up to ``at`` (E3, E7): ``ID``, and a column for each distinct measure.

    With ``by=ID_HASH`` the result has ``ID_HASH`` in the place of ``ID``, and the columns of
    ``hashed_ids.check_range``. ``within`` is a condition on ``ID_HASH``: for which profiles.
    """
    chosen = list(distinct(measures))
    if not chosen:
        return with_id_hash(events).select(by).clear()
    start = _start(chosen)
    results = [_result(measure, start, zone).alias(measure.column) for measure in chosen]
    counted = (
        events.filter(_in_time(start, at)).pipe(_prepare, chosen, start, zone, [ID]).pipe(_count_only, chosen, start)
    )
    if by == ID_HASH or within is not None:
        counted = counted.pipe(with_id_hash)
    if within is not None:
        counted = counted.filter(within)
    return counted.group_by(by).agg(*results, *(check_range() if by == ID_HASH else []))


def distinct(measures: Iterable[BoundMeasure]) -> Iterable[BoundMeasure]:
    """One measure of those that compute one thing."""
    return {measure.column: measure for measure in measures}.values()


def counting(events: pl.LazyFrame, measures: Sequence[BoundMeasure], at: datetime, zone: ZoneInfo) -> pl.LazyFrame:
    """Whether each event up to ``at`` counts for each measure: Boolean columns with the names of the measures'."""
    start = _start(measures)
    marked = events.filter(_in_time(start, at)).pipe(_prepare, measures, start, zone, [])
    always = {measure.column: pl.lit(value=True) for measure in measures if _counts_always(measure, start)}
    marks = {measure.column: pl.col(_condition(measure)) for measure in measures if measure.column not in always}
    return marked.select(EVENT_TIME, **(always | marks)).drop(EVENT_TIME)


def as_written(measure: Measure) -> str:
    """The measure about as the user wrote it: ``sum(amount) where amount > 0``."""
    function = measure.function if measure.column is None else f"{measure.function}({measure.column})"
    return function if measure.where is None else f"{function} where {measure.where}"


def _source(path: str, columns: Columns) -> tuple[pl.Expr, pl.DataType]:
    """An event column, or a field of a struct by its dotted path, and its type; ``SqlError`` with the nearest names."""
    try:
        found = column_paths.resolve(path, columns, with_elements=False)
    except ValueError as error:
        raise SqlError(str(error)) from error
    if found is None:
        first = path.split(".", 1)[0]
        raise SqlError(f"unknown column {first!r}{columns.nearest(first)}")
    return found


def _bound_where(measure: Measure, columns: Columns, at: datetime, zone: ZoneInfo) -> Parsed | None:
    if measure.where is None:
        return None
    parsed = parse(measure.where, at, zone, alone=IN_A_MEASURE)
    bind(parsed, columns)
    return parsed


def _column(measure: Measure, parsed: Parsed | None) -> str:
    """A name that is equal for measures that compute one thing; conditions compare by their parsed expressions."""
    condition = parsed.expr.meta.serialize(format="json") if parsed else None
    within = measure.within.total_seconds() if measure.within is not None else None
    key = json.dumps([measure.function, measure.column, within, condition])
    return f"{MEASURE}{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def _start(measures: Sequence[BoundMeasure]) -> datetime | None:
    """The first instant that counts for any of the measures; None if there is no first."""
    starts = [measure.since for measure in measures if measure.since is not None]
    return min(starts) if starts and len(starts) == len(measures) else None


def _in_time(start: datetime | None, at: datetime) -> pl.Expr:
    until = pl.col(EVENT_TIME) <= pl.lit(at, dtype=_UTC)
    return until if start is None else until & (pl.col(EVENT_TIME) >= pl.lit(start, dtype=_UTC))


def _counts_always(measure: BoundMeasure, start: datetime | None) -> bool:
    """Whether every event from ``start`` on counts for the measure."""
    return measure.parsed is None and (measure.since is None or measure.since == start)


def _prepare(
    events: pl.LazyFrame,
    measures: Sequence[BoundMeasure],
    start: datetime | None,
    zone: ZoneInfo,
    who: Sequence[str],
) -> pl.LazyFrame:
    """The columns ``who`` and ``muster:time``, one column for each value to aggregate, and one for each condition."""
    values = {_value(measure): prepared(*measure.source) for measure in measures if measure.source}
    conditional = [measure for measure in measures if not _counts_always(measure, start)]
    in_conditions = sorted({name for measure in conditional if measure.parsed for name in measure.parsed.columns})
    conditions = {_condition(measure): _counts(measure) for measure in conditional}
    return (
        events.select(
            *who, EVENT_TIME, *map(column, in_conditions), *(value.alias(name) for name, value in values.items())
        )
        .pipe(localise, in_conditions, zone)
        .select(*who, EVENT_TIME, *values, *(counts.alias(name) for name, counts in conditions.items()))
    )


def _value(measure: BoundMeasure) -> str:
    return f"{INTERNAL}value:{measure.measure.column}"


def _condition(measure: BoundMeasure) -> str:
    return f"{INTERNAL}counts:{measure.column}"


def _counts(measure: BoundMeasure) -> pl.Expr:
    """Whether an event counts: null is no match (E2), and the window includes both ends (E3)."""
    condition = measure.parsed.expr.fill_null(value=False) if measure.parsed else pl.lit(value=True)
    return condition if measure.since is None else condition & (pl.col(EVENT_TIME) >= pl.lit(measure.since, dtype=_UTC))


def _count_only(events: pl.LazyFrame, measures: Sequence[BoundMeasure], start: datetime | None) -> pl.LazyFrame:
    """The events that count for a measure; other events need not be grouped."""
    if any(_counts_always(measure, start) for measure in measures):
        return events
    return events.filter(pl.any_horizontal(_condition(measure) for measure in measures))


def _result(measure: BoundMeasure, start: datetime | None, zone: ZoneInfo) -> pl.Expr:
    value, dtype = (pl.col(_value(measure)), measure.source[1]) if measure.source else (pl.lit(1), measure.dtype)
    time, number = pl.col(EVENT_TIME), pl.len()
    if not _counts_always(measure, start):
        counts = pl.col(_condition(measure))
        value, time, number = pl.when(counts).then(value), pl.when(counts).then(time), counts.sum()
    return computed(measure.measure.function, dtype, value, time=time, number=number, zone=zone)
