"""What the rows of an activation look like: its mapping on a profile snapshot (M1-M6, X12). Pure.

A *layout* is the mapping bound to a snapshot's schema. Its wide frame has one row a file row, columns named by their targets, in
mapping order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from activation.attributes import Attributes
from activation.errors import MistakeError
from activation.fields import Field, bind
from activation.frames import EXITED, ID, PROFILE_ID, ROW, STATUS
from activation.identities import ids_in
from activation.snapshots import Snapshot
from activation.workspace import IDENTITY_PREFIX, Activation, Column


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
    def ids(self) -> Field | None:
        """The ids that a profile holds in that namespace: List(String), never null but for profiles that are gone."""
        if not self.identity or not self.namespace:
            return None
        expr = ids_in(self.snapshot.source.identity_map, self.snapshot.identity_type, self.namespace)
        return Field(self.identity.column, "attribute", expr, pl.List(pl.String()))

    @property
    def ties(self) -> tuple[Field, ...]:
        """The other scalar mapped values that break ties (M3), in mapping order; none when nothing is deduplicated."""
        if not self.deduplicate and not self.identity:
            return ()
        sources = {self.keys[i].column.source for i in self.deduplicate}
        return tuple(field for field in self.fields if field.is_scalar and field.is_of_profile and field.column.source not in sources)

    @property
    def compared(self) -> tuple[Field, ...]:
        """The values that a comparison asks of every profile: keys, and identities."""
        return (*self.keys, *([self.ids] if self.ids else []))

    @property
    def written(self) -> tuple[Field, ...]:
        """The values that rows take from the snapshot."""
        return tuple(field for field in self.fields if field.role == "attribute")

    def wide(self, rows: pl.DataFrame, attributes: Attributes) -> pl.LazyFrame:
        """The file's rows, in the order of ``rows`` (``__row``, status, time, ``__identity``, ``o0...``: last sent key values).

        Attributes are the newest of the snapshot, null for a profile that is gone; key columns of exits are the values last sent.
        It has fewer rows than ``rows`` when the snapshot is another one by now; the file's rows are counted for that (X10).
        """
        ids = attributes.roster.ids_of(rows[ROW]).alias(ID) if any(field.role == "profile_id" for field in self.fields) else None
        frame = attributes.of(rows if ids is None else rows.with_columns(ids), self.written, counted=True)
        return frame.select(self._value(field).alias(field.column.target) for field in self.fields)

    def _value(self, field: Field) -> pl.Expr:
        if field.role != "attribute":
            return field.expr
        newest = pl.col(field.key)
        kept = next((i for i, other in enumerate(self.keys) if other.column.source == field.column.source), None)
        return newest if kept is None else pl.when(pl.col(STATUS) == EXITED).then(pl.col(f"o{kept}")).otherwise(newest)


def layout(activation: Activation, snapshot: Snapshot) -> Layout:
    """Bind a mapping to a snapshot; ``MistakeError`` names every source that does not exist, with the nearest names (M4)."""
    problems: list[str] = []
    fields = tuple(field for column in activation.mapping if (field := bind(column, snapshot, problems)))
    extra = [Column(source, source) for source in activation.deduplicate if source not in {field.column.source for field in fields}]
    unmapped = [field for column in extra if (field := bind(column, snapshot, problems))]
    problems += [
        f"{activation.place.file}: deduplicate: {field.column.source!r} is {field.dtype}; only single values can be compared"
        for field in (*fields, *unmapped)
        if field.column.source in activation.deduplicate and not field.is_scalar
    ]
    if problems:
        raise MistakeError("\n".join(problems))
    wanted = {column.source for column in activation.mapping if column.mandatory} | set(activation.deduplicate)
    keys = _unique(field for field in (*fields, *unmapped) if field.column.source in wanted and field.is_of_profile)
    order = {field.column.source: i for i, field in enumerate(keys)}
    return Layout(snapshot, fields, keys, tuple(order[source] for source in activation.deduplicate), activation.status_mapped)


def holding_ids(layout: Layout, rows: pl.DataFrame, attributes: Attributes) -> Layout:
    """The layout with a type for profile ids that holds all of ``rows``: today's, a wider number, or text (D1, X12).

    An exit keeps the id that the receiver knows, also when today's column has become a number, or a narrower one.
    """
    roster = attributes.roster
    gone = roster.ids_of(rows[ROW].filter(rows[ROW] >= roster.present))
    if _hold(layout.snapshot.schema[PROFILE_ID], gone):
        return layout
    dtype = pl.Int64() if _hold(pl.Int64(), roster.ids_of(rows[ROW])) else pl.String()
    ids = pl.col(ID).cast(dtype, strict=False)
    return replace(
        layout, fields=tuple(replace(each, expr=ids, dtype=dtype) if each.role == "profile_id" else each for each in layout.fields)
    )


def _hold(dtype: pl.DataType, ids: pl.Series) -> bool:
    """Whether values of a type spell these ids as they are."""
    return ids.cast(dtype, strict=False).cast(pl.String).equals(ids)


def _unique(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple({field.column.source: field for field in fields}.values())
