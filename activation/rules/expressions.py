"""The SQL expression of a mapped column: a value for each profile, from the profile's columns alone (E2, M1).

Expressions are checked like rules and see columns like rules: timestamps are local time, ``now()`` is the instant of a
``Moment``. The value is for a file, so timestamps become instants again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.errors import ExportError, MusterError
from muster.activation.frames.columns import INTERNAL, column
from muster.activation.frames.polars_messages import DIVISION_BY_ZERO, failed_conversion
from muster.activation.model.workspace import Column
from muster.activation.rules import audiences
from muster.activation.rules.order import ANY_INSTANT
from muster.activation.sql.binding import type_of
from muster.activation.sql.parse import parse
from muster.activation.sql.tokens import SqlError
from muster.activation.values.dtypes import describe_in_rule
from muster.activation.values.known_columns import Columns
from muster.activation.values.local_times import is_unaffected, to_local

ALONE = (
    "a mapped column, which sees the columns of one profile; map identity_map.<namespace> as a `source`, and decide "
    "who is exported in the audience's where"
)
IN_A_POLICY = "a consent policy, which sees the columns of one profile"
_LOCAL = f"{INTERNAL}local:"  # prefix of a column as expressions see it (``values.local_times``)
_UTC = pl.Datetime("us", "UTC")
_PAST_ANY_GAP = timedelta(days=2)  # Samoa skipped a whole day


@dataclass(frozen=True)
class Moment:
    """The instant that ``now()`` means in expressions, and the zone of local times."""

    at: datetime
    zone: ZoneInfo


@dataclass(frozen=True, eq=False)
class Value:
    """An expression bound to a snapshot; ``expr`` reads the snapshot's columns, and those of ``local``, by name."""

    expr: pl.Expr
    dtype: pl.DataType
    local: Mapping[str, pl.Expr] = field(default_factory=dict)


def mistake(text: str, alone: str = ALONE) -> str | None:
    """The mistake in an expression, if one shows without data; ``alone`` says for messages what the expression is."""
    try:
        parse(text, ANY_INSTANT, ZoneInfo("UTC"), alone=alone)
    except SqlError as error:
        return str(error)
    return None


def bound(text: str, columns: Columns, moment: Moment) -> Value:
    """An expression bound to the profile columns ``columns``; ``SqlError`` if a name or a type does not fit."""
    return _bound(text, columns, moment, ALONE)


def _bound(text: str, columns: Columns, moment: Moment, alone: str) -> Value:
    types = columns.types
    affected = {name: _LOCAL + name for name, dtype in types.items() if not is_unaffected(dtype)}
    parsed = parse(text, moment.at, moment.zone, affected, alone=alone)
    dtype = type_of(parsed, columns)
    local = {
        affected[name]: to_local(column(name), types[name], moment.zone)[0] for name in affected.keys() & parsed.columns
    }
    if isinstance(dtype, pl.Datetime):
        return Value(_instant(parsed.expr, moment.zone), _UTC, local)
    if _holds_timestamps(dtype):
        raise SqlError(
            f"it gives {describe_in_rule(dtype)} with timestamps inside, which have no zone; map a `source` instead"
        )
    return Value(parsed.expr, dtype, local)


def explained(error: MusterError | OSError, mapping: Iterable[Column]) -> MusterError | OSError:
    """The error, or if an expression of the mapping failed on a value, an error with the expression's location (X1)."""
    message = str(error)
    for mapped in mapping:
        if mapped.expression is not None and _can_fail_so(message, mapped.expression):
            return ExportError(str(audiences.explain(error, mapped.location, mapped.expression)))
    return error


def condition(text: str, columns: Columns, moment: Moment, alone: str) -> Value:
    """A Boolean expression bound to the profile columns ``columns``; ``SqlError`` if it is none, or does not fit.

    ``alone`` is as for ``mistake``.
    """
    found = _bound(text, columns, moment, alone)
    if not isinstance(found.dtype, pl.Boolean):
        raise SqlError(
            f"it gives {describe_in_rule(found.dtype)}; expected a boolean, which is true for whom it lets by"
        )
    return found


def _can_fail_so(message: str, text: str) -> bool:
    """Whether the engine's message can be about this expression."""
    failed = failed_conversion(message)
    if failed is None or not failed.column:
        return failed is not None or DIVISION_BY_ZERO in message
    return failed.column.removeprefix(_LOCAL) in parse(text, ANY_INSTANT, ZoneInfo("UTC"), alone=ALONE).columns


def _instant(local: pl.Expr, zone: ZoneInfo) -> pl.Expr:
    """The instant of a local time (E1): the first of two; in a gap, by the offset before the gap."""
    regular, shifted = (
        each.dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        .dt.cast_time_unit("us")
        for each in (local, local - _PAST_ANY_GAP)
    )
    return pl.coalesce(regular, shifted + _PAST_ANY_GAP)


def _holds_timestamps(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Struct):
        inner = [each.dtype for each in dtype.fields]
    elif isinstance(dtype, pl.Map):
        inner = [dtype.key, dtype.value]
    else:
        inner = [dtype.inner] if isinstance(dtype, pl.List | pl.Array) else []
    return any(each == pl.Datetime or (isinstance(each, pl.DataType) and _holds_timestamps(each)) for each in inner)
