"""How an activation's columns lie on a profile snapshot, and what its rows look like (M1-M6, X12). Pure.

A *layout* is the mapping bound to a snapshot's schema. Frames that it makes:

narrow   one row a profile: ``__id``, ``present``, ``ids`` (M5), ``k0...`` (key values), ``t0...`` (tie-break texts)
wide     one row a file row, columns named by their targets, in mapping order
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from activation.errors import MistakeError, did_you_mean
from activation.frames import EXITED, ID, PROFILE_ID, STATUS, TIME, TIME_TYPE, column
from activation.identities import ids_in
from activation.snapshots import Snapshot
from activation.values import csv_text
from activation.workspace import IDENTITY_PREFIX, STATUS_SOURCE, TIME_SOURCE, Activation, Column

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
    def is_scalar(self) -> bool:
        """Whether its values can be compared as one text (M3)."""
        return not self.dtype.is_nested() and self.role != "identity"


@dataclass(frozen=True)
class Layout:
    """An activation's mapping on one snapshot."""

    snapshot: Snapshot
    fields: tuple[Field, ...]
    keys: tuple[Field, ...]  # whose last sent values are kept: mandatory and deduplication columns (X12)
    deduplicate: tuple[int, ...]  # positions in ``keys``
    status_mapped: bool

    @property
    def identity(self) -> Field | None:
        """The mapped identity namespace (M5)."""
        return next((field for field in self.fields if field.role == "identity"), None)

    @property
    def namespace(self) -> str | None:
        """Its name."""
        return self.identity.column.source.removeprefix(IDENTITY_PREFIX) if self.identity else None

    @property
    def ties(self) -> tuple[Field, ...]:
        """The other scalar mapped values that break ties (M3), in mapping order; none when nothing is deduplicated."""
        if not self.deduplicate and not self.identity:
            return ()
        sources = {self.keys[i].column.source for i in self.deduplicate}
        return tuple(
            field
            for field in self.fields
            if field.is_scalar and field.role in {"attribute", "profile_id"} and field.column.source not in sources
        )

    def narrow(self) -> pl.LazyFrame:
        """What the comparison needs of each profile: see the module's docstring."""
        identity_map, dtype = self.snapshot.source.identity_map, self.snapshot.identity_type
        ids = [ids_in(identity_map, dtype, self.namespace).alias("ids")] if self.namespace else []
        return self.snapshot.frame().select(
            ID,
            pl.lit(value=True).alias("present"),
            *ids,
            *(field.expr.alias(f"k{i}") for i, field in enumerate(self.keys)),
            *(csv_text(field.expr, field.dtype).alias(f"t{i}") for i, field in enumerate(self.ties)),
        )

    def id_order(self) -> list[pl.Expr]:
        """Sort keys of a profile id (M6): as a number when the snapshot's ids are, else by UTF-8 bytes."""
        if not self.snapshot.id_is_integer:
            return [pl.col(ID)]
        return [pl.col(ID).cast(pl.Int128, strict=False), pl.col(ID)]

    def wide(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The file's rows, in the order of ``rows`` (``__id``, status, time, ``__identity``, ``o0...``: last sent key values).

        Attributes are the newest of the snapshot, null for a profile that is gone; key columns of exits are the values last sent.
        """
        attributes = [field for field in self.fields if field.role == "attribute"]
        newest = self.snapshot.frame().select(ID, *(field.expr.alias(f"v{i}") for i, field in enumerate(attributes)))
        joined = rows.join(newest, on=ID, how="left", maintain_order="left") if attributes else rows
        position = {field.column.target: i for i, field in enumerate(attributes)}
        return joined.select(self._value(field, position).alias(field.column.target) for field in self.fields)

    def _value(self, field: Field, position: dict[str, int]) -> pl.Expr:
        if field.role != "attribute":
            return field.expr
        newest = pl.col(f"v{position[field.column.target]}")
        key = next((i for i, other in enumerate(self.keys) if other.column.source == field.column.source), None)
        return newest if key is None else pl.when(pl.col(STATUS) == EXITED).then(pl.col(f"o{key}")).otherwise(newest)


def layout(activation: Activation, snapshot: Snapshot) -> Layout:
    """Bind a mapping to a snapshot; ``MistakeError`` names every source that does not exist, with the nearest names (M4)."""
    problems: list[str] = []
    fields = tuple(field for column in activation.mapping if (field := _bind(column, snapshot, problems)))
    extra = [Column(source, source) for source in activation.deduplicate if source not in {field.column.source for field in fields}]
    unmapped = [field for column in extra if (field := _bind(column, snapshot, problems))]
    problems += [
        f"{activation.place.file}: deduplicate: {field.column.source!r} is {field.dtype}; only single values can be compared"
        for field in (*fields, *unmapped)
        if field.column.source in activation.deduplicate and not field.is_scalar
    ]
    if problems:
        raise MistakeError("\n".join(problems))
    wanted = {column.source for column in activation.mapping if column.mandatory} | set(activation.deduplicate)
    keys = _unique(field for field in (*fields, *unmapped) if field.column.source in wanted and field.role in {"attribute", "profile_id"})
    order = {field.column.source: i for i, field in enumerate(keys)}
    return Layout(snapshot, fields, keys, tuple(order[source] for source in activation.deduplicate), activation.status_mapped)


def holding_ids(layout: Layout, rows: pl.DataFrame) -> Layout:
    """The layout with a type for profile ids that holds all of ``rows``: today's, a wider number, or text (D1, X12).

    An exit keeps the id that the receiver knows, also when today's column has become a number, or a narrower one.
    """
    gone = rows.filter(pl.col(STATUS) == EXITED)[ID]
    if _hold(layout.snapshot.schema[PROFILE_ID], gone):
        return layout
    dtype = pl.Int64() if _hold(pl.Int64(), rows[ID]) else pl.String()
    ids = pl.col(ID).cast(dtype, strict=False)
    return replace(
        layout, fields=tuple(replace(each, expr=ids, dtype=dtype) if each.role == "profile_id" else each for each in layout.fields)
    )


def _hold(dtype: pl.DataType, ids: pl.Series) -> bool:
    """Whether values of a type spell these ids as they are."""
    return ids.cast(dtype, strict=False).cast(pl.String).equals(ids)


def _unique(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple({field.column.source: field for field in fields}.values())


def _bind(mapped: Column, snapshot: Snapshot, problems: list[str]) -> Field | None:
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
        return Field(mapped, "status", pl.col(STATUS), pl.String())
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
