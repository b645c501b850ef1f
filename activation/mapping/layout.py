"""What the rows of an activation look like: its mapping on a profile snapshot (M1-M6, X12). Pure.

A *layout* is the mapping bound to a snapshot's schema. Its wide frame has one row a file row, columns named by their
targets, in mapping order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.errors import MistakeError
from muster.activation.frames.columns import EXITED, ID, PROFILE_ID, ROW, STATUS
from muster.activation.mapping import sent_transforms
from muster.activation.mapping.columns import Field, bind
from muster.activation.mapping.profile_values import Attributes
from muster.activation.model.workspace import IDENTITY_PREFIX, Activation, Column
from muster.activation.profiles.identities import ids_in
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules.expressions import Moment


@dataclass(frozen=True)
class Layout:
    """An activation's mapping on one snapshot."""

    snapshot: Snapshot
    fields: tuple[Field, ...]
    keys: tuple[Field, ...]  # whose last sent values are kept: mandatory and deduplication columns (X12)
    deduplicate: tuple[int, ...]  # positions in ``keys``: the sources as they are
    written_keys: tuple[
        int, ...
    ]  # positions in ``keys``: the columns by which a receiver knows them, if those are others
    untransformed: tuple[Field, ...]  # ``fields`` before anything is done to their values
    status_mapped: bool
    forms: tuple[
        str | None, ...
    ] = ()  # how ids and identities of the delivered set were written, if not all were as they are, and now

    @property
    def identities(self) -> tuple[Field, ...]:
        """The columns of the mapped identity namespace (M5)."""
        return tuple(field for field in self.fields if field.role == "identity")

    @property
    def identity(self) -> Field | None:
        """The first of them."""
        return next(iter(self.identities), None)

    @property
    def namespace(self) -> str | None:
        """Its name."""
        return self.identity.column.source.removeprefix(IDENTITY_PREFIX) if self.identity else None

    @property
    def ids(self) -> Field | None:
        """The ids that a profile holds in that namespace: List(String), never null but for profiles that are gone.

        They are as they are in the snapshot; those of which nothing is left to be written are not among them (M2).
        """
        if not self.identity or not self.namespace:
            return None
        expr = ids_in(self.snapshot.source.identity_map, self.snapshot.identity_type, self.namespace)
        made = [field for field in self.identities if not field.column.is_plain]
        for field in made:
            written = field.bare(pl.element(), pl.String()).made().expr
            expr = expr.list.eval(pl.element().filter((written != "").fill_null(value=False)))
        variant = "".join(field.column.fingerprint for field in made)
        return Field(self.identity.column.untransformed, "attribute", expr, pl.List(pl.String()), variant=variant)

    @property
    def ties(self) -> tuple[Field, ...]:
        """The other scalar mapped values that break ties (M3), in mapping order and untransformed; none when nothing is deduplicated."""
        if not self.deduplicate and not self.identity:
            return ()
        sources = {self.keys[i].column.source for i in self.deduplicate}
        return tuple(
            field
            for field in self.untransformed
            if field.is_scalar and field.is_of_profile and field.column.source not in sources
        )

    @property
    def form(self) -> str | None:
        """How ids and identities are written (``sent_with``); None when all are written as they are."""
        return sent_transforms.form_of(self.fields)

    @property
    def tells_forms(self) -> bool:
        """Whether delivered sets and exits say how their ids and identities were written."""
        return self.form is not None or bool(self.forms)

    def following(self, delivered: pl.DataFrame | None) -> "Layout":
        """The layout with the forms that a delivered set tells of."""
        before = (
            sent_transforms.found(delivered)
            if delivered is not None and sent_transforms.WITH in delivered.columns
            else []
        )
        if self.form is None and before in ([], [None]):
            return self
        return replace(self, forms=tuple(dict.fromkeys([*before, self.form, None])))

    @property
    def compared(self) -> tuple[Field, ...]:
        """The values that a comparison asks of every profile: keys, and identities."""
        return (*self.keys, *([self.ids] if self.ids else []))

    @property
    def written(self) -> tuple[Field, ...]:
        """The values that rows take from the snapshot."""
        return tuple(field for field in self.fields if field.role == "attribute")

    def wide(self, rows: pl.DataFrame, attributes: Attributes) -> pl.LazyFrame:
        """The file's rows, in the order of ``rows`` (``__row``, status, time, ``__identity``, ``o0...``: last sent keys, ``sent_with``).

        Attributes are the newest of the snapshot, null for a profile that is gone; key columns of exits are the values
        last sent. It has fewer rows than ``rows`` when the snapshot is another one by now; the file's rows are counted
        for that (X10).
        """
        ids = (
            attributes.roster.ids_of(rows[ROW]).alias(ID)
            if any(field.role == "profile_id" for field in self.fields)
            else None
        )
        frame = attributes.of(rows if ids is None else rows.with_columns(ids), self.written, counted=True)
        forms = sent_transforms.found(rows) if sent_transforms.WITH in rows.columns else []
        return frame.select(self._value(field, forms).alias(field.column.target) for field in self.fields)

    def _value(self, field: Field, forms: Sequence[str | None]) -> pl.Expr:
        if field.role != "attribute":
            return _of_exit(sent_transforms.as_sent(field, forms), field.expr) if forms else field.expr
        kept, newest = self.place_of(field), pl.col(field.key)
        return newest if kept is None else _of_exit(pl.col(f"o{kept}"), newest)

    def place_of(self, field: Field) -> int | None:
        """The place in ``keys`` of what is kept of a field."""
        return next((i for i, other in enumerate(self.keys) if other.sent == field.sent), None)


def _of_exit(sent: pl.Expr, newest: pl.Expr) -> pl.Expr:
    """What an exit was last sent, and the newest for others (X12)."""
    return pl.when(pl.col(STATUS) == EXITED).then(sent).otherwise(newest)


def layout(activation: Activation, snapshot: Snapshot, moment: Moment) -> Layout:
    """Bind a mapping to a snapshot; ``MistakeError`` names every source that does not exist, with the nearest names (M4).

    So it does for every transform that does not fit its column, and every expression that fits no column (X1).
    """
    problems: list[str] = []
    fields = tuple(field for column in activation.mapping if (field := bind(column, snapshot, moment, problems)))
    plain = {field.column.source for field in fields if field.column.is_plain}
    extra = [Column(source, source) for source in activation.deduplicate if source not in plain]
    unsent = [replace(field, is_sent=False) for column in extra if (field := bind(column, snapshot, moment, problems))]
    problems += [
        (
            f"{activation.location.file}: deduplicate: {field.column.source!r} is {field.dtype}; only single values "
            f"can be compared"
        )
        for field in (*fields, *unsent)
        if field.column.is_plain and field.column.source in activation.deduplicate and not field.is_scalar
    ]
    if problems:
        raise MistakeError("\n".join(dict.fromkeys(problems)))
    keys = _unique(field for field in (*fields, *unsent) if field.is_of_profile and _is_kept(field.column, activation))
    raw = {field.column.source: i for i, field in enumerate(keys) if field.column.is_plain}
    by = tuple(raw[source] for source in activation.deduplicate)
    written = tuple(_written(source, keys, raw[source]) for source in activation.deduplicate)
    untransformed = tuple(
        field for column in activation.mapping if (field := bind(column.untransformed, snapshot, moment, problems))
    )
    return Layout(snapshot, fields, keys, by, () if written == by else written, untransformed, activation.status_mapped)


def _written(source: str, keys: Sequence[Field], raw: int) -> int:
    """The place in ``keys`` of the column that holds a deduplicated source: as it is, or else the first that is made of it."""
    made = (i for i, field in enumerate(keys) if field.column.source == source and field.is_sent)
    return raw if keys[raw].is_sent else next(made, raw)


def _is_kept(column: Column, activation: Activation) -> bool:
    """Whether the last sent values of a column are kept: it is mandatory, or another one of its source is, or duplicates are told by it."""
    mandatory = {each.source for each in activation.mapping if each.mandatory and each.is_plain}
    return (
        column.mandatory or column.source in activation.deduplicate or (column.is_plain and column.source in mandatory)
    )


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
    fields = (each.bare(ids, dtype).made() if each.role == "profile_id" else each for each in layout.fields)
    return replace(layout, fields=tuple(fields))


def _hold(dtype: pl.DataType, ids: pl.Series) -> bool:
    """Whether values of a type spell these ids as they are."""
    return ids.cast(dtype, strict=False).cast(pl.String).equals(ids)


def _unique(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple({field.sent: field for field in fields}.values())
