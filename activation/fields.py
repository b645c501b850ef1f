"""Mapped columns bound to a snapshot: which values a source stands for, and of which type (M1, M4, M5). Pure."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from activation.errors import did_you_mean
from activation.frames import ID, PROFILE_ID, STATUS, TIME, TIME_TYPE, column
from activation.snapshots import Snapshot
from activation.workspace import IDENTITY_PREFIX, STATUS_SOURCE, TIME_SOURCE, Column

Role = Literal["attribute", "profile_id", "status", "time", "identity"]
IDENTITY = "__identity"
_STEP = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")


@dataclass(frozen=True)
class Field:
    """One mapped column bound to the snapshot."""

    column: Column
    role: Role
    expr: pl.Expr  # over the snapshot's frame; for status, time and identity over the rows
    dtype: pl.DataType

    @property
    def key(self) -> str:
        """The column in which frames carry its values, whatever its target is called."""
        return f"__value:{self.column.source}"

    @property
    def is_scalar(self) -> bool:
        """Whether its values can be compared as one text (M3)."""
        return not self.dtype.is_nested() and self.role != "identity"

    @property
    def is_of_profile(self) -> bool:
        """Whether its value depends on the profile alone, not on the membership."""
        return self.role in {"attribute", "profile_id"}


def bind(mapped: Column, snapshot: Snapshot, problems: list[str]) -> Field | None:
    """The field of a mapped column, or None and a problem."""
    bound = _special(mapped, snapshot) or resolve(mapped.source, snapshot.schema)
    if isinstance(bound, Field):
        return bound
    if isinstance(bound, str):
        problems.append(f"{_place(mapped)}: {mapped.source!r}: {bound}")
        return None
    return Field(mapped, "attribute", *bound)


def _special(mapped: Column, snapshot: Snapshot) -> Field | str | None:
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
        return f"the snapshot {snapshot.name} has no identity map {snapshot.source.identity_map!r}"
    return Field(mapped, "identity", pl.col(IDENTITY), pl.String())


def _place(column: Column) -> str:
    return f"{column.place.file}:{column.place.line}: {column.place.key}" if column.place.file else "mapping"


def resolve(source: str, schema: pl.Schema) -> tuple[pl.Expr, pl.DataType] | str:
    """A dotted path such as ``person.name.first`` or ``tags[0]`` as expression and type, or the words of what is wrong with it.

    A column whose own name holds dots is found first; of several readings the longest column name wins.
    """
    if source in schema and not source.startswith("__"):
        return column(source), schema[source]
    pieces = source.split(".")
    for length in range(len(pieces), 0, -1):
        match = _STEP.fullmatch(pieces[length - 1])
        name = ".".join([*pieces[: length - 1], match[1]]) if match else ""
        if match and name in schema and not name.startswith("__"):
            return _descend(*_index(column(name), schema[name], match[2], name), pieces[length:], name)
    known = [name for name in schema if not name.startswith("__")]
    return f"the snapshot has no such column{did_you_mean(source, known)}"


def _descend(expr: pl.Expr | str, dtype: pl.DataType, pieces: list[str], path: str) -> tuple[pl.Expr, pl.DataType] | str:
    if isinstance(expr, str):
        return expr
    if not pieces:
        return expr, dtype
    match = _STEP.fullmatch(pieces[0])
    fields = {field.name: field.dtype for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
    if not match or match[1] not in fields:
        return f"{path!r} has no field {pieces[0]!r}{did_you_mean(pieces[0], fields)}"
    name, inner = match[1], fields[match[1]]
    return _descend(*_index(expr.struct.field(name), inner, match[2], f"{path}.{name}"), pieces[1:], f"{path}.{name}")  # type: ignore[arg-type]  # Polars allows a type for its instance


def _index(expr: pl.Expr, dtype: pl.DataType, indices: str, path: str) -> tuple[pl.Expr | str, pl.DataType]:
    for index in re.findall(r"\d+", indices):
        if not isinstance(dtype, (pl.List, pl.Array)):
            return f"{path!r} is {dtype}, not a list: [{index}] has no meaning", dtype
        get = expr.list.get if isinstance(dtype, pl.List) else expr.arr.get
        expr, dtype = get(int(index), null_on_oob=True), dtype.inner  # type: ignore[assignment]  # Polars allows a type for its instance
    return expr, dtype
