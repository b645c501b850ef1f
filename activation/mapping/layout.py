"""The rows that an activation writes: its mapping bound to a profile snapshot (M1-M6, X12).

A *layout* is the mapping bound to a snapshot's schema. ``Layout.output_frame`` has one row for each row of a file, and
the file's columns: named by their targets (``Column.name``), in mapping order.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.errors import MistakeError
from muster.activation.frames.columns import EXITED, ID, PROFILE_ID, REALIZED, ROW, STATUS
from muster.activation.mapping.columns import Field, bind, location_of
from muster.activation.mapping.kept import (
    Kept,
    compared_positions,
    identifying_groups,
    kept_of_mapping,
    kept_of_messages,
)
from muster.activation.mapping.last_mapping import compared_column
from muster.activation.mapping.lost_values import Watched
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import AS_SENT, exit_value
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import (
    CHANGES,
    IDENTITY_PREFIX,
    Activation,
    AnyActivation,
    Change,
    Column,
    SourceLocation,
)
from muster.activation.presets import checks
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules.expressions import Moment
from muster.activation.values.identities import ids_in


@dataclass(frozen=True)
class Layout:
    """An activation's mapping bound to one snapshot."""

    snapshot: Snapshot
    fields: tuple[Field, ...]
    kept: tuple[Kept, ...]  # the columns of which the delivered set keeps what was sent (X3e, X12)
    deduplicate: tuple[int, ...]  # positions in ``kept`` of the columns whose values are keys (M3)
    status_mapped: bool
    changes: tuple[Change, ...] = CHANGES
    identified_by: tuple[tuple[str, ...], ...] = ()  # groups of targets: a value in each of one identifies (X2)
    sanitizes: bool = False  # M8

    @property
    def identities(self) -> tuple[Field, ...]:
        """The columns of the mapped identity namespace (M5)."""
        return tuple(field for field in self.fields if field.role == "identity")

    @property
    def identity(self) -> Field | None:
        """The column of the mapped identity namespace that is the key: the plain one, else the first; None without."""
        return next((field for field in self.identities if field.column.is_plain), next(iter(self.identities), None))

    @property
    def namespace(self) -> str | None:
        """The name of the mapped identity namespace; None where no namespace is mapped."""
        return self.identity.column.source.removeprefix(IDENTITY_PREFIX) if self.identity else None

    @property
    def ids(self) -> Field | None:
        """A profile's ids in the mapped namespace: List(String), null only for profiles absent from the snapshot.

        The ids are untransformed. Ids of which the transforms leave no text are not among them (M2), and of ids that
        are written with one key only the first (M5).
        """
        raw = self.raw_ids
        if not self.identity or not raw:
            return None
        expr = raw.expr
        written = [field for field in self.identities if not field.writes_source]
        for field in written:
            expr = expr.list.eval(pl.element().filter((_written_id(field) != "").fill_null(value=False)))
        if not self.identity.writes_source:
            expr = expr.list.eval(pl.element().filter(_written_id(self.identity).is_first_distinct()))
        variant = "".join(field.value_column for field in written)
        return replace(raw, expr=expr, variant=variant)

    def written_ids(self, field: Field, ids: pl.Expr) -> pl.Expr:
        """The identities of a list as ``field``, a column of the namespace, writes them, in their order."""
        return ids if field.writes_source else ids.list.eval(_written_id(field).cast(pl.String))

    @property
    def identifying(self) -> tuple[int, ...]:
        """The positions in ``kept`` of the columns by which a receiver knows people (M3, M5).

        Where nothing tells people apart today, columns that did at the last delivery and are made in another way since
        are such once more: what was sent under them is withdrawn (X12).
        """
        if self.identity:
            return tuple(i for i, each in enumerate(self.kept) if each.field is self.identity)
        was = (i for i, each in enumerate(self.kept) if each.was_identifying and each.is_made_otherwise)
        return self.deduplicate or tuple(was)

    @property
    def ties(self) -> tuple[Field, ...]:
        """The scalar profile columns that break ties between duplicates (M3), in mapping order.

        The columns that are the key are not among them. The tuple is empty where people are told apart by no column.
        """
        if not self.identifying:
            return ()
        keys = {self.kept[i].position for i in self.identifying}
        of_profile = ((i, field) for i, field in enumerate(self.fields) if field.is_scalar and field.is_of_profile)
        return tuple(field for position, field in of_profile if position not in keys)

    @property
    def plain_ids(self) -> frozenset[str]:
        """The targets that hold the profile id as it is: no profile lacks a value there."""
        return frozenset(
            each.column.target for each in self.fields if each.role == "profile_id" and each.column.is_plain
        )

    @property
    def identifies_everybody(self) -> bool:
        """Whether the receiver of the preset knows each profile by the profile id (X2)."""
        return any(self.plain_ids.issuperset(group) for group in self.identified_by)

    @property
    def attributes(self) -> tuple[Field, ...]:
        """The fields whose values rows take from the snapshot."""
        return tuple(field for field in self.fields if field.role == "attribute")

    @property
    def watched(self) -> tuple[Watched, ...]:
        """The columns whose transforms may leave nothing of a value, each once."""
        return tuple({field.value_column: Watched(field) for field in self.attributes if field.losses}.values())

    def identities_over(self, ids: pl.Expr) -> tuple[Field, ...]:
        """The columns of the mapped namespace as fields of a frame with one identity a row."""
        return tuple(each.with_source_values(ids, pl.String()).with_steps_applied() for each in self.identities)

    @property
    def raw_ids(self) -> Field | None:
        """A profile's ids in the mapped namespace: List(String), those that cannot be written among them."""
        if not self.identity or not self.namespace:
            return None
        ids = ids_in(self.snapshot.source.identity_map, self.snapshot.identity_type, self.namespace)
        return Field(self.identity.column.untransformed, "attribute", ids, pl.List(pl.String()), variant="\nraw ids")

    def output_frame(self, rows: pl.DataFrame, values: ProfileValues, watched: Sequence[Watched] = ()) -> pl.LazyFrame:
        """The columns of the file, one row for each of ``rows`` (``compare``'s), in their order.

        Attributes have the newest values of the snapshot, null for a profile that is absent from it and in rows with
        ``muster:as_sent`` (P11). Key columns of exits have the values last sent. The frame has fewer rows than ``rows``
        when the snapshot was replaced meanwhile; the file's rows are counted for that (X10). The flags of ``watched``
        come last, false for exits.
        """
        ids = values.roster.ids_of(rows[ROW]).alias(ID) if any(f.role == "profile_id" for f in self.fields) else None
        fields = (*self.attributes, *(each.marker for each in watched))
        frame = values.of(rows if ids is None else rows.with_columns(ids), fields, counted=True)
        flags = {name: flag for each in watched for name, flag in each.flags.items()}
        return frame.select(
            *(
                self._value(position, field, rows.columns).alias(field.column.name)
                for position, field in enumerate(self.fields)
            ),
            *((flag & (pl.col(STATUS) == REALIZED)).alias(name) for name, flag in flags.items()),
        )

    @staticmethod
    def _value(position: int, field: Field, columns: Collection[str]) -> pl.Expr:
        newest = field.expr
        if field.role == "attribute":
            newest = pl.col(field.value_column)
            newest = pl.when(~pl.col(AS_SENT)).then(newest) if AS_SENT in columns else newest
        name = exit_value(position)
        return _of_exits(pl.col(name).cast(field.dtype), newest) if name in columns else newest


def _written_id(field: Field) -> pl.Expr:
    """The element of a list of ids as a column of the namespace writes it."""
    return field.with_source_values(pl.element(), pl.String()).with_steps_applied().expr


def _of_exits(sent: pl.Expr, newest: pl.Expr) -> pl.Expr:
    """The value last sent in exited rows, the newest value in realized rows (X12)."""
    return pl.when(pl.col(STATUS) == EXITED).then(sent).otherwise(newest)


def layout(activation: Activation, snapshot: Snapshot, moment: Moment) -> Layout:
    """Bind a mapping to a snapshot.

    ``MistakeError`` names every source that does not exist, with the nearest names (M4), every transform that does not
    fit its column, and every expression that does not fit the columns it reads (X1).
    """
    problems: list[str] = []
    sanitizes = activation.format == "csv" and activation.csv.sanitize_formulas
    fields = _bound(activation.mapping, snapshot, moment, problems, sanitizes=sanitizes)
    unmapped = _unmapped_keys(activation, snapshot, moment, problems)
    groups = identifying_groups(activation, fields)
    kept = tuple(kept_of_mapping(activation, fields, unmapped, {name for group in groups for name in group}))
    deduplicate = _compared(activation, kept, problems)
    problems += _list_problems(activation, fields)
    if problems:
        raise MistakeError("\n".join(dict.fromkeys(problems)))
    return Layout(snapshot, fields, kept, deduplicate, activation.status_mapped, activation.changes, groups, sanitizes)


def layout_of_messages(activation: MessageActivation, snapshot: Snapshot, moment: Moment) -> Layout:
    """Bind the mapping of an activation that sends messages to a snapshot; errors are as of ``layout``."""
    problems: list[str] = []
    fields = _bound(activation.mapping, snapshot, moment, problems)
    kept = tuple(kept_of_messages(activation, fields, _unmapped_keys(activation, snapshot, moment, problems)))
    deduplicate = _compared(activation, kept, problems)
    if problems:
        raise MistakeError("\n".join(dict.fromkeys(problems)))
    return Layout(snapshot, fields, kept, deduplicate, status_mapped=True)


def _unmapped_keys(activation: AnyActivation, snapshot: Snapshot, moment: Moment, problems: list[str]) -> list[Field]:
    """The deduplication sources that are not mapped."""
    place = SourceLocation(activation.location.file, key="deduplicate")  # without a line: activations inherit it
    unmapped: list[Field] = []
    for source in activation.deduplicate:
        if not compared_column(activation.mapping, source):
            wrong: list[str] = []
            unmapped += _bound([Column(source, source, location=place)], snapshot, moment, wrong)
            problems += [_named_by_target(each, source, activation.mapping) for each in wrong]
    return unmapped


def _compared(activation: AnyActivation, kept: Sequence[Kept], problems: list[str]) -> tuple[int, ...]:
    """The positions in ``kept`` of the keys of ``deduplicate`` (M3)."""
    deduplicate = compared_positions(activation, kept)
    problems += [
        f"{activation.location.file}: deduplicate: {kept[i].field.column.source!r} is {kept[i].field.dtype}; "
        "only single values can be compared"
        for i in deduplicate
        if not kept[i].field.is_scalar
    ]
    return deduplicate


def _list_problems(activation: Activation, fields: Iterable[Field]) -> Iterator[str]:
    """The columns of lists and structs that the receiver of the activation's preset does not take."""
    for field in fields:
        if problem := checks.list_problem(activation, field.column, field.dtype):
            shown = f"{field.column.source!r}: " if field.column.expression is None else ""
            yield f"{location_of(field.column)}: {shown}{problem}"


def _bound(
    columns: Iterable[Column], snapshot: Snapshot, moment: Moment, problems: list[str], *, sanitizes: bool = False
) -> tuple[Field, ...]:
    bound = (bind(column, snapshot, moment, problems, sanitizes=sanitizes) for column in columns)
    return tuple(field for field in bound if field)


def _named_by_target(problem: str, key: str, mapping: Iterable[Column]) -> str:
    """The problem of a key of ``deduplicate``; for one that is a target, what to write in its place (M3)."""
    column = next((each for each in mapping if each.target == key), None)
    if column is None:
        return problem
    instead = f"its source {column.source!r}" if column.source else "the source of a column, not an expression's target"
    return f"{problem.partition(f': {key!r}: ')[0]}: {key!r} is a target of the mapping; write {instead}"


def holding_ids(layout: Layout, rows: pl.DataFrame, values: ProfileValues) -> Layout:
    """The layout with a type for profile ids that spells the ids of all ``rows``: today's, Int64, or text (D1, X12).

    An exit keeps the id that the receiver knows, also when today's column has become a number, or a narrower one.
    """
    roster = values.roster
    if rows.is_empty() or int(rows[ROW].max()) < roster.present:  # type: ignore[arg-type]  # row numbers
        return layout
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
