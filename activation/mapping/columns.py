"""Mapped columns bound to a snapshot: the expression and the type of each column's values (M1, M4, M5)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from muster.activation.frames.columns import ID, INTERNAL, PROFILE_ID, STATUS, TIME, TIME_TYPE
from muster.activation.mapping.row_columns import IDENTITY
from muster.activation.model.workspace import IDENTITY_PREFIX, STATUS_SOURCE, TIME_SOURCE, Column
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules import expressions
from muster.activation.rules.audiences import shortened
from muster.activation.rules.expressions import Moment
from muster.activation.sql.tokens import SqlError
from muster.activation.values import column_paths, transforms
from muster.activation.values.dtypes import describe, unwrapped
from muster.activation.values.known_columns import Columns
from muster.activation.values.regions import region_of
from muster.activation.values.scalars import is_text
from muster.activation.values.text import csv_text, without_formulas

Role = Literal["attribute", "profile_id", "status", "time", "identity"]
_BRACKETED = re.compile(r"""\[['"]([^'"\[\]]+)['"]\]|->>?'([^']+)'""")  # ``loyalty['tier']``, ``loyalty->'tier'``
VALUE = f"{INTERNAL}value:"  # prefix of frames' columns with the values of a field


@dataclass(frozen=True)
class Field:
    """One mapped column bound to a snapshot."""

    column: Column
    role: Role
    expr: pl.Expr  # over the snapshot's frame; for status, time and identity over the rows
    dtype: pl.DataType
    local: Mapping[str, pl.Expr] = field(default_factory=dict)  # columns that ``expr`` reads and the snapshot lacks
    variant: str = ""  # differs between fields of equal ``column.fingerprint`` that hold different values
    sanitizes: bool = False  # text that a spreadsheet would run is made harmless (M8)
    source_values: tuple[pl.Expr, pl.DataType] | None = None  # expression and type before join and transforms
    columns: Mapping[str, transforms.Values] = field(default_factory=dict)  # those that transforms read, by source
    text: pl.Expr | None = None  # the values as they first are text, of a column with transforms
    losses: tuple[transforms.Loss, ...] = ()  # the transforms that may leave nothing of a value

    @property
    def value_column(self) -> str:
        """The column in which frames carry the field's values; equal for two fields of equal values."""
        harmless = "\nharmless" if self.sanitizes and self.dtype == pl.String else ""
        return f"{VALUE}{self.column.fingerprint}{self.variant}{harmless}"

    @property
    def is_scalar(self) -> bool:
        """Whether the field's values can be compared as one text (M3)."""
        return not self.dtype.is_nested() and self.role != "identity"

    @property
    def is_of_profile(self) -> bool:
        """Whether the value depends on the profile alone, not on the membership."""
        return self.role in {"attribute", "profile_id"}

    @property
    def writes_source(self) -> bool:
        """Whether the column holds the values of its source as they are."""
        return self.column.is_plain and not self.sanitizes

    @property
    def reads(self) -> tuple[pl.Expr, ...]:
        """The expressions whose columns of the snapshot the field needs."""
        return (self.expr, *self.local.values())

    def with_source_values(self, expr: pl.Expr, dtype: pl.DataType) -> "Field":
        """The field with other values, before its join and transforms."""
        return replace(self, expr=expr, dtype=dtype, source_values=(expr, dtype))

    def with_steps_applied(self) -> "Field":
        """The field with join, transforms and M8 applied to its source values: as it is written.

        ``ValueError`` says which does not fit.
        """
        mapped, source_values = self.column, self.source_values or (self.expr, self.dtype)
        expr, dtype = source_values
        if mapped.join is not None:
            expr, dtype = _joined(expr, dtype, mapped.join)
        found = transforms.applied(mapped.transform, expr, dtype, self.columns)
        expr, dtype = found.expr, found.dtype
        if self.sanitizes and is_text(dtype):
            expr, dtype = without_formulas(csv_text(expr, dtype)), pl.String()
        return replace(self, expr=expr, dtype=dtype, source_values=source_values, text=found.text, losses=found.losses)


def with_values(frame: pl.LazyFrame, fields: Iterable[Field], *others: str) -> pl.LazyFrame:
    """The columns ``others`` of a snapshot's frame, and each field's values in its ``value_column``."""
    fields = list(fields)
    local = {name: expr for each in fields for name, expr in each.local.items()}
    whole = frame.with_columns(expr.alias(name) for name, expr in local.items()) if local else frame
    return whole.select(*others, *(each.expr.alias(each.value_column) for each in fields))


def bind(
    mapped: Column, snapshot: Snapshot, moment: Moment, problems: list[str], *, sanitizes: bool = False
) -> Field | None:
    """The field of a mapped column; None where it does not fit the snapshot, with a sentence added to ``problems``."""
    try:
        bound = _special(mapped, snapshot) or _attribute(mapped, snapshot, moment)
        return replace(bound, sanitizes=sanitizes).with_steps_applied()
    except ValueError as error:
        shown = f"{mapped.source!r}: " if mapped.expression is None else ""
        problems.append(f"{location_of(mapped)}: {shown}{error}")
        return None


def _attribute(mapped: Column, snapshot: Snapshot, moment: Moment) -> Field:
    """The field of a profile column, or of an expression over profile columns."""
    if mapped.expression is None:
        bound = Field(mapped, "attribute", *_source_values(mapped.source, snapshot.columns))
        if not _has_type(bound, snapshot):
            bound = replace(bound, dtype=pl.Null())
        return replace(bound, columns=_beside(mapped, snapshot))
    try:
        value = expressions.bound(mapped.expression, snapshot.columns, moment)
    except SqlError as error:
        raise ValueError(f"{shortened(mapped.expression)}: {error}") from error
    bound = Field(mapped, "attribute", value.expr, value.dtype, value.local, f"\n{moment.at}\n{moment.zone}")
    return replace(bound, columns=_beside(mapped, snapshot))


def _has_type(field: Field, snapshot: Snapshot) -> bool:
    """Whether transforms look at a column's type: not at that of a plain column without a value in any file (D5)."""
    source, table = field.column.source, snapshot.table
    changes = field.column.transform or field.column.join is not None
    return not (changes and source in table.schema and field.is_scalar and not table.may_have_values(source))


def _beside(mapped: Column, snapshot: Snapshot) -> dict[str, transforms.Values]:
    """The columns that a column's transforms read; ``ValueError`` names a transform whose column does not exist."""
    found = {}
    for source in transforms.columns_read(mapped.transform):
        try:
            found[source] = _source_values(source, snapshot.columns)
        except ValueError as error:
            region = region_of(source)
            said = f"the snapshot has no such column; did you mean the region {region!r}?" if region else error
            raise ValueError(f"e164({source}): {said}") from error
    return found


def _special(mapped: Column, snapshot: Snapshot) -> Field | None:
    """The field of a source that is no attribute: membership status and time, an identity namespace, the profile id."""
    source = mapped.source
    if source == STATUS_SOURCE:
        return Field(mapped, "status", pl.col(STATUS).cast(pl.String), pl.String())
    if source == TIME_SOURCE:
        return Field(mapped, "time", pl.col(TIME), TIME_TYPE)
    if source in {PROFILE_ID, snapshot.source.id}:
        dtype = snapshot.schema[PROFILE_ID]
        return Field(mapped, "profile_id", pl.col(ID).cast(dtype, strict=False), dtype)
    if not source.startswith(IDENTITY_PREFIX):
        return None
    if reason := snapshot.reason_against_identities:
        raise ValueError(reason)
    return Field(mapped, "identity", pl.col(IDENTITY), pl.String())


def _joined(expr: pl.Expr, dtype: pl.DataType, separator: str) -> transforms.Values:
    """The elements of a list as CSV text (M7), joined by ``separator``; null elements are left out."""
    expr, dtype = unwrapped(expr, dtype)
    if isinstance(dtype, pl.Null):
        return expr.cast(pl.String), pl.String()
    if not isinstance(dtype, pl.List | pl.Array):
        raise ValueError(f"join needs a list, and it is {describe(dtype)}")  # noqa: TRY004 (a mistake in the mapping)
    listed = expr.arr.to_list() if isinstance(dtype, pl.Array) else expr
    texts = listed.list.eval(csv_text(pl.element(), dtype.inner).cast(pl.String))
    return texts.list.join(separator, ignore_nulls=True), pl.String()


def location_of(column: Column) -> str:
    """The file, the line and the key at which a column is written, for messages."""
    location = column.location
    where = f"{location.file}:{location.line}" if location.line else location.file
    return f"{where}: {location.key}" if where else "mapping"


def _source_values(source: str, columns: Columns) -> transforms.Values:
    """The snapshot's values at a dotted path, and their type; ``ValueError`` when the path leads nowhere (M1)."""
    meant = _meant(source)
    hint = f"; did you mean {meant!r}?" if meant else ""
    try:
        found = column_paths.resolve(source, columns)
    except ValueError as error:
        raise ValueError(f"{error}{hint}") from error
    if found is None:
        raise ValueError(f"the snapshot has no such column{hint or columns.nearest(source)}")
    return found


def _meant(source: str) -> str | None:
    """The source that is meant by a path as Adobe's schemas or other languages have it; None for other sources."""
    root, _, rest = source.partition(".")
    match root.replace("_", "").lower():
        case "segmentmembership":
            return TIME_SOURCE if rest.replace("_", "").lower().endswith("time") else STATUS_SOURCE
        case "identitymap" if namespace := re.match(r"[^.\[\]]+", rest):
            return f"{IDENTITY_PREFIX}{namespace[0]}"
    dotted = _BRACKETED.sub(lambda match: f".{match[1] or match[2]}", source)
    return dotted if dotted != source else None
