"""Mapped columns bound to a snapshot: which values a source stands for, and of which type (M1, M4, M5). Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal

import polars as pl

from muster.activation.errors import did_you_mean
from muster.activation.frames.columns import ID, PROFILE_ID, STATUS, TIME, TIME_TYPE
from muster.activation.model.workspace import IDENTITY_PREFIX, STATUS_SOURCE, TIME_SOURCE, Column
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules import expressions
from muster.activation.rules.expressions import Moment
from muster.activation.sql.tokens import SqlError
from muster.activation.values import column_paths, transforms
from muster.activation.values.dtypes import describe, unwrapped
from muster.activation.values.text import csv_text

Role = Literal["attribute", "profile_id", "status", "time", "identity"]
IDENTITY = "__identity"
SENT = "sent:"  # prefix of a column of the delivered set: last sent values of a source as they are (X12),
SENT_AS = "sent_as:"  # those of a target that is made of one, and a digest of how,
UNSENT = "key:"  # and those that only told duplicates apart (M3)


@dataclass(frozen=True)
class Field:
    """One mapped column bound to the snapshot."""

    column: Column
    role: Role
    expr: pl.Expr  # over the snapshot's frame; for status, time and identity over the rows
    dtype: pl.DataType
    local: Mapping[str, pl.Expr] = field(
        default_factory=dict
    )  # what the expression reads and the snapshot's frame lacks
    variant: str = ""  # what tells its values from others of the same content
    is_sent: bool = True  # whether it is a column of the file as it is
    bare_values: tuple[pl.Expr, pl.DataType] | None = None  # before anything was done to them

    @property
    def key(self) -> str:
        """The column in which frames carry its values, whatever its target is called."""
        return f"__value:{self.column.content}{self.variant}"

    @property
    def sent(self) -> str:
        """The column of the delivered set that keeps its values as last sent (X12)."""
        if not self.column.is_plain:
            return f"{SENT_AS}{self.column.target}:{_made_by(self.column)}"
        return f"{SENT if self.is_sent else UNSENT}{self.column.source}"

    @property
    def is_scalar(self) -> bool:
        """Whether its values can be compared as one text (M3)."""
        return not self.dtype.is_nested() and self.role != "identity"

    @property
    def is_of_profile(self) -> bool:
        """Whether its value depends on the profile alone, not on the membership."""
        return self.role in {"attribute", "profile_id"}

    @property
    def is_kept_by_value(self) -> bool:
        """Whether the delivered set keeps its values as they were sent; of ids and identities it keeps how they were written."""
        return self.role not in {"profile_id", "identity"}

    @property
    def reads(self) -> tuple[pl.Expr, ...]:
        """The expressions whose columns of the snapshot it needs."""
        return (self.expr, *self.local.values())

    def bare(self, expr: pl.Expr, dtype: pl.DataType) -> "Field":
        """The field with these values, to which nothing has been done."""
        return replace(self, expr=expr, dtype=dtype, bare_values=(expr, dtype))

    def made(self) -> "Field":
        """The field with what its column does to values done to its bare ones; ``ValueError`` says what does not fit."""
        mapped, (expr, dtype) = self.column, self.bare_values or (self.expr, self.dtype)
        if mapped.join is not None:
            expr, dtype = _joined(expr, dtype, mapped.join)
        if mapped.transform:
            expr, dtype = transforms.apply(mapped.transform, expr, dtype)
        return replace(self, expr=expr, dtype=dtype, bare_values=self.bare_values or (self.expr, self.dtype))


def valued(frame: pl.LazyFrame, fields: Iterable[Field], *others: str) -> pl.LazyFrame:
    """Of a snapshot's frame the columns ``others``, and the values of each field under its key."""
    fields = list(fields)
    local = {name: expr for each in fields for name, expr in each.local.items()}
    whole = frame.with_columns(expr.alias(name) for name, expr in local.items()) if local else frame
    return whole.select(*others, *(each.expr.alias(each.key) for each in fields))


def last_sent(
    mapped: Column, names: Iterable[str], targets: Collection[str], *, is_sent: bool = True, is_lone: bool = True
) -> str | None:
    """The column of a delivered set (``names``) that has the last sent values of a mapped one; None where they were not kept (X12).

    Values that were sent as they are, and are made of the same source now, are those that the receiver has, if this is
    the only column of that source (``is_lone``); and so the other way round. Values that were made in the same way for
    a target that is none any more (not of ``targets``) were sent under that name. What was never sent is looked for
    only by what is not sent either.
    """
    names = list(names)
    plain, unsent = f"{SENT}{mapped.source}", f"{UNSENT}{mapped.source}"
    made = {name: name.removeprefix(SENT_AS).rpartition(":")[::2] for name in names if name.startswith(SENT_AS)}
    same_target = [name for name, (target, _) in made.items() if target == mapped.target]
    if mapped.is_plain:
        return next((name for name in ((plain, *same_target) if is_sent else (unsent, plain)) if name in names), None)
    renamed = [name for name, (target, by) in made.items() if by == _made_by(mapped) and target not in targets]
    return next(
        (
            name
            for name in (*same_target, *renamed[: len(renamed) == 1], *([plain] if is_lone else []))
            if name in names
        ),
        None,
    )


def _made_by(mapped: Column) -> str:
    """What tells how values were made, in the name of a column that keeps them."""
    return sha256(mapped.content.encode()).hexdigest()[:12]


def bind(mapped: Column, snapshot: Snapshot, moment: Moment, problems: list[str]) -> Field | None:
    """The field of a mapped column, or None and a problem."""
    try:
        found = _special(mapped, snapshot) or _attribute(mapped, snapshot, moment)
        return found.made()
    except ValueError as error:
        shown = f"{mapped.source!r}: " if mapped.expression is None else ""
        problems.append(f"{_place(mapped)}: {shown}{error}")
        return None


def _attribute(mapped: Column, snapshot: Snapshot, moment: Moment) -> Field:
    """A column of the profile, or what an expression makes of several."""
    if mapped.expression is None:
        return Field(mapped, "attribute", *_source_values(mapped.source, snapshot.schema))
    try:
        value = expressions.bound(mapped.expression, snapshot.schema, moment)
    except SqlError as error:
        raise ValueError(f"{expressions.shortened(mapped.expression)}: {error}") from error
    return Field(mapped, "attribute", value.expr, value.dtype, value.local, f"\n{moment.at}\n{moment.zone}")


def _special(mapped: Column, snapshot: Snapshot) -> Field | None:
    """Sources that are no attributes: membership status and time, an identity namespace, the profile id."""
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
    if snapshot.identity_type is None:
        raise ValueError(f"the snapshot {snapshot.name} has no identity map {snapshot.source.identity_map!r}")
    return Field(mapped, "identity", pl.col(IDENTITY), pl.String())


def _joined(expr: pl.Expr, dtype: pl.DataType, separator: str) -> transforms.Values:
    """The elements of a list as M7's CSV text, one after the other; those that are null are left out."""
    expr, dtype = unwrapped(expr, dtype)
    if isinstance(dtype, pl.Null):
        return expr.cast(pl.String), pl.String()
    if not isinstance(dtype, pl.List | pl.Array):
        raise ValueError(f"join needs a list, and it is {describe(dtype)}")  # noqa: TRY004 (said of the snapshot)
    listed = expr.arr.to_list() if isinstance(dtype, pl.Array) else expr
    return listed.list.eval(csv_text(pl.element(), dtype.inner).cast(pl.String)).list.join(
        separator, ignore_nulls=True
    ), pl.String()


def _place(column: Column) -> str:
    return f"{column.place.file}:{column.place.line}: {column.place.key}" if column.place.file else "mapping"


def _source_values(source: str, schema: pl.Schema) -> transforms.Values:
    """The snapshot's values at a path, and their type; ``ValueError`` when there are none (M1)."""
    columns = {name: dtype for name, dtype in schema.items() if not name.startswith("__")}
    found = column_paths.resolve(source, columns)
    if found is None:
        raise ValueError(f"the snapshot has no such column{did_you_mean(source, columns)}")
    return found
