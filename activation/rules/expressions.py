"""The SQL of a mapped column: a value for each profile, of that profile's columns alone (E2, M1). Pure.

It is checked as a rule is, and sees what a rule sees: timestamps are local time, ``now()`` is an instant that is given.
What comes of it is no boolean but a value for a file: a timestamp is an instant again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.errors import ExportError, MusterError
from muster.activation.frames.columns import ID, column
from muster.activation.frames.polars_messages import DIVISION_BY_ZERO, failed_conversion
from muster.activation.model.workspace import Column
from muster.activation.rules import audiences
from muster.activation.rules.order import ANY_INSTANT
from muster.activation.sql.binding import type_of
from muster.activation.sql.parse import parse
from muster.activation.sql.tokens import SqlError
from muster.activation.values.dtypes import describe_in_rule
from muster.activation.values.local_times import is_unaffected, to_local

_LONGEST = 200  # characters of an expression that a message quotes
_ALONE = "a mapped column, which sees the columns of one profile; decide who is exported in the audience's where"
_LOCAL = "__local:"  # a column of timestamps as expressions see it
_UTC = pl.Datetime("us", "UTC")
_PAST_ANY_GAP = timedelta(days=2)  # Samoa left out a day


@dataclass(frozen=True)
class Moment:
    """What instants in an expression are: ``now()``, and the zone of local times."""

    at: datetime
    zone: ZoneInfo


@dataclass(frozen=True, eq=False)
class Value:
    """An expression that fits the snapshot. ``expr`` reads its columns, and those of ``local`` (by name), which it lacks."""

    expr: pl.Expr
    dtype: pl.DataType
    local: Mapping[str, pl.Expr] = field(default_factory=dict)


def mistake(text: str) -> str | None:
    """What is wrong with an expression as far as that shows without data."""
    try:
        parse(text, ANY_INSTANT, ZoneInfo("UTC"), alone=_ALONE)
    except SqlError as error:
        return str(error)
    return None


def shortened(text: str) -> str:
    """An expression on one line, cut where a message would be too long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def bound(text: str, schema: pl.Schema, moment: Moment) -> Value:
    """An expression on profile columns of ``schema``; ``SqlError`` says what does not fit."""
    affected = {name: _LOCAL + name for name, dtype in schema.items() if name != ID and not is_unaffected(dtype)}
    parsed = parse(text, moment.at, moment.zone, affected, alone=_ALONE)
    dtype = type_of(parsed, schema)
    local = {
        affected[name]: to_local(column(name), schema[name], moment.zone)[0]
        for name in affected.keys() & parsed.columns
    }
    if isinstance(dtype, pl.Datetime):
        return Value(_instant(parsed.expr, moment.zone), _UTC, local)
    if _holds_timestamps(dtype):
        raise SqlError(
            f"it gives {describe_in_rule(dtype)} with timestamps inside, which have lost their zone; map a `source` instead"
        )
    return Value(parsed.expr, dtype, local)


def explained(error: MusterError | OSError, mapping: Iterable[Column]) -> MusterError | OSError:
    """A failure on a value as one of the expression that met it, with its place, if one of these columns has it (X1)."""
    said = str(error)
    for mapped in mapping:
        if mapped.expression is not None and _met(said, mapped.expression):
            return ExportError(str(audiences.explain(error, mapped.place, shortened(mapped.expression))))
    return error


def _met(said: str, text: str) -> bool:
    """Whether it may be this expression that the engine speaks of."""
    failed = failed_conversion(said)
    if failed is None or not failed.column:
        return failed is not None or DIVISION_BY_ZERO in said
    return failed.column.removeprefix(_LOCAL) in parse(text, ANY_INSTANT, ZoneInfo("UTC"), alone=_ALONE).columns


def _instant(local: pl.Expr, zone: ZoneInfo) -> pl.Expr:
    """The instant of a local time: the first of two; in a gap, with the offset from before it, as if the clock had not been moved (E1)."""
    here, before = (
        each.dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        .dt.cast_time_unit("us")
        for each in (local, local - _PAST_ANY_GAP)
    )
    return pl.coalesce(here, before + _PAST_ANY_GAP)


def _holds_timestamps(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Struct):
        inner = [each.dtype for each in dtype.fields]
    elif isinstance(dtype, pl.Map):
        inner = [dtype.key, dtype.value]
    else:
        inner = [dtype.inner] if isinstance(dtype, pl.List | pl.Array) else []
    return any(each == pl.Datetime or (isinstance(each, pl.DataType) and _holds_timestamps(each)) for each in inner)
