"""The rows that an activation writes: its mapping bound to a profile snapshot (M1-M6, X12).

A *layout* is the mapping bound to a snapshot's schema. ``Layout.output_frame`` has one row for each row of a file, and
the file's columns: named by their targets, in mapping order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.errors import MistakeError
from muster.activation.frames.columns import EXITED, ID, PROFILE_ID, ROW, STATUS
from muster.activation.mapping import sent_transforms
from muster.activation.mapping.columns import Field, bind
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import exit_key
from muster.activation.model.workspace import IDENTITY_PREFIX, Activation, Column, SourceLocation
from muster.activation.profiles.identities import ids_in
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules.expressions import Moment


@dataclass(frozen=True)
class Layout:
    """An activation's mapping bound to one snapshot."""

    snapshot: Snapshot
    fields: tuple[Field, ...]
    keys: tuple[Field, ...]  # the mandatory and deduplication columns, whose last sent values are kept (X12)
    deduplicate: tuple[int, ...]  # positions in ``keys`` of the untransformed sources that tell duplicates (M3)
    receiver_keys: tuple[int, ...]  # positions in ``keys`` of the columns written of these sources, where others
    untransformed: tuple[Field, ...]  # ``fields`` without their transforms
    status_mapped: bool
    sent_records: tuple[str | None, ...] = ()  # of ``sent_transforms``, in the delivered set and of today, if any

    @property
    def identities(self) -> tuple[Field, ...]:
        """The columns of the mapped identity namespace (M5)."""
        return tuple(field for field in self.fields if field.role == "identity")

    @property
    def identity(self) -> Field | None:
        """The first column of the mapped identity namespace; None where no namespace is mapped."""
        return next(iter(self.identities), None)

    @property
    def namespace(self) -> str | None:
        """The name of the mapped identity namespace; None where no namespace is mapped."""
        return self.identity.column.source.removeprefix(IDENTITY_PREFIX) if self.identity else None

    @property
    def ids(self) -> Field | None:
        """A profile's ids in the mapped namespace: List(String), null only for profiles absent from the snapshot.

        The ids are untransformed. Ids of which the transforms leave no text are not among them (M2).
        """
        if not self.identity or not self.namespace:
            return None
        expr = ids_in(self.snapshot.source.identity_map, self.snapshot.identity_type, self.namespace)
        transformed = [field for field in self.identities if not field.column.is_plain]
        for field in transformed:
            written = field.with_source_values(pl.element(), pl.String()).with_steps_applied().expr
            expr = expr.list.eval(pl.element().filter((written != "").fill_null(value=False)))
        variant = "".join(field.column.fingerprint for field in transformed)
        return Field(self.identity.column.untransformed, "attribute", expr, pl.List(pl.String()), variant=variant)

    @property
    def ties(self) -> tuple[Field, ...]:
        """The scalar profile columns that break ties between duplicates (M3), untransformed, in mapping order.

        Deduplication sources are not among them. The tuple is empty where nothing is deduplicated.
        """
        if not self.deduplicate and not self.identity:
            return ()
        sources = {self.keys[i].column.source for i in self.deduplicate}
        return tuple(
            field
            for field in self.untransformed
            if field.is_scalar and field.is_of_profile and field.column.source not in sources
        )

    @property
    def transforms_record(self) -> str | None:
        """The record of the transforms of ids and identities (``sent_with``); None where they are untransformed."""
        return sent_transforms.record_of(self.fields)

    @property
    def records_transforms(self) -> bool:
        """Whether delivered sets and exits have a column ``sent_with``."""
        return self.transforms_record is not None or bool(self.sent_records)

    def with_sent_transforms(self, records: Sequence[str | None]) -> "Layout":
        """The layout with the transform records of a delivered set added to today's."""
        if self.transforms_record is None and all(record is None for record in records):
            return self
        return replace(self, sent_records=tuple(dict.fromkeys([*records, self.transforms_record, None])))

    @property
    def compared(self) -> tuple[Field, ...]:
        """The profile values that a delivered set keeps of everybody: keys, and ids of the mapped namespace."""
        return (*self.keys, *([self.ids] if self.ids else []))

    @property
    def attributes(self) -> tuple[Field, ...]:
        """The fields whose values rows take from the snapshot."""
        return tuple(field for field in self.fields if field.role == "attribute")

    def output_frame(self, rows: pl.DataFrame, values: ProfileValues) -> pl.LazyFrame:
        """The columns of the file, one row for each of ``rows`` (``compare``'s), in their order.

        Attributes have the newest values of the snapshot, null for a profile that is absent from it. Key columns of
        exits have the values last sent. The frame has fewer rows than ``rows`` when the snapshot was replaced
        meanwhile; the file's rows are counted for that (X10).
        """
        ids = values.roster.ids_of(rows[ROW]).alias(ID) if any(f.role == "profile_id" for f in self.fields) else None
        frame = values.of(rows if ids is None else rows.with_columns(ids), self.attributes, counted=True)
        records = sent_transforms.records_in(rows)
        return frame.select(self._value(field, records).alias(field.column.target) for field in self.fields)

    def _value(self, field: Field, records: Sequence[str | None]) -> pl.Expr:
        if field.role != "attribute":
            return _of_exits(sent_transforms.as_sent(field, records), field.expr) if records else field.expr
        position, newest = self.key_position(field), pl.col(field.value_column)
        return newest if position is None else _of_exits(pl.col(exit_key(position)), newest)

    def key_position(self, field: Field) -> int | None:
        """The position in ``keys`` of the column that keeps a field's last sent values; None where none does."""
        return next((i for i, other in enumerate(self.keys) if other.key_id == field.key_id), None)


def _of_exits(sent: pl.Expr, newest: pl.Expr) -> pl.Expr:
    """The value last sent in exited rows, the newest value in realized rows (X12)."""
    return pl.when(pl.col(STATUS) == EXITED).then(sent).otherwise(newest)


def layout(activation: Activation, snapshot: Snapshot, moment: Moment) -> Layout:
    """Bind a mapping to a snapshot.

    ``MistakeError`` names every source that does not exist, with the nearest names (M4), every transform that does not
    fit its column, and every expression that does not fit the columns it reads (X1).
    """
    problems: list[str] = []
    fields = _bound(activation.mapping, snapshot, moment, problems)
    plain = {field.column.source for field in fields if field.column.is_plain}
    place = SourceLocation(activation.location.file, key="deduplicate")  # without a line: activations inherit it
    unmapped = [Column(source, source, location=place) for source in activation.deduplicate if source not in plain]
    unsent = [replace(field, is_sent=False) for field in _bound(unmapped, snapshot, moment, problems)]
    problems += [
        f"{activation.location.file}: deduplicate: {field.column.source!r} is {field.dtype}; "
        "only single values can be compared"
        for field in (*fields, *unsent)
        if field.column.is_plain and field.column.source in activation.deduplicate and not field.is_scalar
    ]
    if problems:
        raise MistakeError("\n".join(dict.fromkeys(problems)))
    keys = _unique(field for field in (*fields, *unsent) if field.is_of_profile and _is_key(field.column, activation))
    positions = {field.column.source: i for i, field in enumerate(keys) if field.column.is_plain}
    deduplicate = tuple(positions[source] for source in activation.deduplicate)
    written = tuple(_receiver_key(source, keys, positions[source]) for source in activation.deduplicate)
    return Layout(
        snapshot,
        fields,
        keys,
        deduplicate,
        () if written == deduplicate else written,
        _bound([column.untransformed for column in activation.mapping], snapshot, moment, problems),
        activation.status_mapped,
    )


def _bound(columns: Iterable[Column], snapshot: Snapshot, moment: Moment, problems: list[str]) -> tuple[Field, ...]:
    return tuple(field for column in columns if (field := bind(column, snapshot, moment, problems)))


def _receiver_key(source: str, keys: Sequence[Field], untransformed: int) -> int:
    """The position in ``keys`` of the column by which a receiver knows a deduplicated source.

    That is the untransformed column where it is mapped, otherwise the first mapped column made of the source.
    """
    mapped = (i for i, field in enumerate(keys) if field.column.source == source and field.is_sent)
    return untransformed if keys[untransformed].is_sent else next(mapped, untransformed)


def _is_key(column: Column, activation: Activation) -> bool:
    """Whether the last sent values of a column are kept (X12).

    They are for mandatory columns, for untransformed columns of a source that a mandatory untransformed column has,
    and for columns of a deduplicated source.
    """
    mandatory = {each.source for each in activation.mapping if each.mandatory and each.is_plain}
    shares_mandatory_source = column.is_plain and column.source in mandatory
    return column.mandatory or column.source in activation.deduplicate or shares_mandatory_source


def holding_ids(layout: Layout, rows: pl.DataFrame, values: ProfileValues) -> Layout:
    """The layout with a type for profile ids that spells the ids of all ``rows``: today's, Int64, or text (D1, X12).

    An exit keeps the id that the receiver knows, also when today's column has become a number, or a narrower one.
    """
    roster = values.roster
    absent = roster.ids_of(rows[ROW].filter(rows[ROW] >= roster.present))
    if _spells_ids(layout.snapshot.schema[PROFILE_ID], absent):
        return layout
    dtype = pl.Int64() if _spells_ids(pl.Int64(), roster.ids_of(rows[ROW])) else pl.String()
    ids = pl.col(ID).cast(dtype, strict=False)
    fields = (
        each.with_source_values(ids, dtype).with_steps_applied() if each.role == "profile_id" else each
        for each in layout.fields
    )
    return replace(layout, fields=tuple(fields))


def _spells_ids(dtype: pl.DataType, ids: pl.Series) -> bool:
    """Whether values of ``dtype`` are written with the same text as these ids (String)."""
    return ids.cast(dtype, strict=False).cast(pl.String).equals(ids)


def _unique(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple({field.key_id: field for field in fields}.values())
