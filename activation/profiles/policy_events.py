"""The events of a merge policy: those of all sources as one table, each led to a profile when it is read (P9).

An event comes to the profile of its highest-priority identity that has one, of equal priority the smallest by namespace
and id. Rows of ``events.path`` name a profile by id or by an identity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames import engine
from muster.activation.frames.columns import EVENT_TIME, ID, INTERNAL, ROW, ROW_TYPE, TIME_TYPE
from muster.activation.inputs.events import Events
from muster.activation.inputs.feeds import NAMED
from muster.activation.inputs.joint_columns import NamedTable, conformed, joint_columns, named_table
from muster.activation.inputs.parquet import Part
from muster.activation.inputs.table import Table, table_of
from muster.activation.inputs.table_columns import time_column
from muster.activation.model.workspace import EventsSource
from muster.activation.profiles.leads import IDENTITY, NAMESPACE, Leads
from muster.activation.profiles.names import names_in, numbers_of_names
from muster.activation.profiles.positions import nulls
from muster.activation.sources.cleaning import cleaned, namespace_of
from muster.activation.sources.identity_columns import IdentityColumn, identity_columns
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.reserved_columns import refuse_reserved

_EVENT = f"{INTERNAL}event"  # ROW_TYPE: a row of the table of one source
_PRIORITY = "priority"


@dataclass(frozen=True, eq=False)
class SourceEvents:
    """The events of one source."""

    named: NamedTable
    time: pl.Expr  # ``muster:time`` over the frame of the table
    numbers: Callable[[Leads], pl.Series]  # of each event the number (UInt32) of its profile; null for none

    @property
    def table(self) -> Table:
        """The files."""
        return self.named.table


def events_of_source(opened: OpenedSource) -> SourceEvents:
    """The events of a source of them; ``DataError`` when the timestamp is missing or of another type.

    ``ConfigError`` for columns with the names of those of the merged view (P8).
    """
    source, table = opened.source, opened.table
    refuse_reserved(source, table.columns.names)
    try:
        time = time_column(table, source.timestamp or "")
    except DataError as error:
        raise DataError(f"{error} (timestamp in {source.location.file})") from error
    named = named_table(table, source.columns, source.location.file)
    return SourceEvents(named, time, lambda leads: _numbers(opened, leads))


def events_of_path(parts: Sequence[Part], source: EventsSource) -> SourceEvents:
    """The events of ``events.path``; ``DataError`` when the timestamp is missing or of another type."""
    table = table_of(parts, source.path)
    time = time_column(table, source.timestamp, "events.timestamp")
    return SourceEvents(named_table(table, {}), time, lambda leads: _numbers_by_name(table, source, leads))


def policy_events(sources: Sequence[SourceEvents], leads: Leads, at: datetime) -> Events:
    """The events of all sources that reach a profile, with ``muster:id`` and ``muster:time``.

    ``DataError`` when an identity column is missing or of another type. Columns of one name have a type that holds the
    values of all sources; those without one cannot be used (D5).
    """
    columns = joint_columns([each.named for each in sources])
    found = [_led(each, leads, at, conformed(each.named, columns)) for each in sources if each.table.rows]
    frames, bare = [each.frame for each in found], [each.bare for each in found]
    nothing = [pl.LazyFrame(schema={**columns.types, EVENT_TIME: TIME_TYPE, ID: pl.String})]
    return Events(
        pl.concat(frames or nothing),
        tuple(part for each in sources for part in each.table.parts),
        columns,
        pl.concat(bare or nothing),
        sum(each.ignored for each in found),
    )


@dataclass(frozen=True, eq=False)
class _Led:
    """The events of one source that reach a profile."""

    frame: pl.LazyFrame
    bare: pl.LazyFrame  # all events, without ids
    ignored: int  # events up to the instant that reach none


def _led(events: SourceEvents, leads: Leads, at: datetime, columns: Sequence[pl.Expr]) -> _Led:
    bare = events.table.frame().select(*columns, events.time.alias(EVENT_TIME))
    ids = pl.DataFrame([leads.ids.gather(events.numbers(leads)).alias(ID)])
    whole = pl.concat([bare, ids.lazy()], how="horizontal")
    until = pl.col(EVENT_TIME) <= pl.lit(at, dtype=TIME_TYPE)
    ignored = engine.collect(whole.select((pl.col(ID).is_null() & until).sum())).item() if ids[ID].null_count() else 0
    return _Led(whole.filter(pl.col(ID).is_not_null()), bare, ignored)


def _numbers_by_name(table: Table, source: EventsSource, leads: Leads) -> pl.Series:
    """The number of the profile of each row of ``events.path``: each name is looked up once."""
    name = names_in(table, source.profile_id, leads, "events.profile_id")
    names = engine.collect(table.frame().select(name))[NAMED]
    distinct = names.unique()
    known = pl.DataFrame([distinct, numbers_of_names(distinct, leads)]).drop_nulls().lazy()
    return engine.collect(names.to_frame().lazy().join(known, on=NAMED, how="left", maintain_order="left"))[ROW]


def _numbers(opened: OpenedSource, leads: Leads) -> pl.Series:
    """The number of the profile of each event of a source."""
    columns = identity_columns(opened.table, opened.source)
    frame = opened.table.frame().with_row_index(_EVENT)
    found = nulls(ROW_TYPE, opened.table.rows, ROW)
    for group in _last_first(columns, leads):
        led = pl.concat([_of_column(each, frame, leads) for each in group])
        if len(group) > 1 or group[0].is_list:
            order = led.sort(_EVENT, _PRIORITY, NAMESPACE, IDENTITY)
            led = order.unique(_EVENT, keep="first", maintain_order=True)
        numbers = engine.collect(led.select(_EVENT, ROW))
        found = found.scatter(numbers[_EVENT], numbers[ROW])  # what comes later leads before what came earlier
    return found


def _last_first(columns: Sequence[IdentityColumn], leads: Leads) -> list[list[IdentityColumn]]:
    """Identity columns of one namespace together, those that lead before others last; all with an identity map."""
    if any(each.namespace is None for each in columns):
        return [list(columns)]
    by_namespace: dict[str, list[IdentityColumn]] = {}
    for each in columns:
        by_namespace.setdefault(each.namespace or "", []).append(each)

    def rank(namespace: str) -> tuple[int, bytes]:
        return namespace_of(leads.namespaces, namespace).priority, namespace.encode()

    return [by_namespace[namespace] for namespace in sorted(by_namespace, key=rank, reverse=True)]


def _of_column(each: IdentityColumn, frame: pl.LazyFrame, leads: Leads) -> pl.LazyFrame:
    """The identities in a column that lead to a profile: ``muster:event``, priority, namespace, id, ``muster:row``."""
    priority: pl.Expr
    if each.namespace is None:
        halves = pl.col("id").str.splitn("\0", 2).struct.rename_fields([NAMESPACE, "written"]).struct.unnest()
        pairs = each.listed(frame, _EVENT).select(_EVENT, halves)
        ids = leads.cleaned(pl.col(NAMESPACE), pl.col("written"))
        found = pairs.with_columns(ids.alias(IDENTITY)).join(leads.everywhere, on=[NAMESPACE, IDENTITY])
        priorities = {name: rules.priority for name, rules in leads.namespaces.items()}
        others = namespace_of({}, "").priority
        priority = pl.col(NAMESPACE).replace_strict(priorities, default=others, return_dtype=pl.Int64)
    else:
        rules, ids = namespace_of(leads.namespaces, each.namespace), pl.col("id")
        read = each.listed(frame, _EVENT) if each.is_list else frame.select(_EVENT, each.raw).select(_EVENT, each.texts)
        found = read.select(_EVENT, cleaned(ids, rules).alias(IDENTITY)).join(
            leads.in_namespace(each.namespace), on=IDENTITY
        )
        found = found.with_columns(pl.lit(each.namespace).alias(NAMESPACE))
        priority = pl.lit(rules.priority, dtype=pl.Int64)
    return found.select(_EVENT, priority.alias(_PRIORITY), NAMESPACE, IDENTITY, ROW)
