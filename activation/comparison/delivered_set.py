"""The delivered set: the desired set of an activation's last success, for the next comparison (X2, X8, X9, X12).

A success makes it of what was judged (``of_success``) and writes it; the next export reads it and puts it beside the
memberships (``sent_before``). All that knows the columns of its frame or its file is here:

__row                    UInt32; in the file ``profile_id`` and ``roster_row`` (``profiles.roster_file``)
last_qualification_time  Datetime(us, UTC)
identity_digest          UInt64: of the identity map (X3c); null where the column was absent
sent:<source>            values last sent of a key that is mapped untransformed, in the type of then (X12)
sent_as:<target>:<hash>  values last sent of a key made by transforms or an expression, and a hash of how
key:<source>             values of a deduplication source that is not written untransformed (M3)
identities:<namespace>   List(String): identities last sent, untransformed (M5)
sent_with                String: the record of the transforms with which ids were sent (``mapping.sent_transforms``)

A delivered set equal to an evaluation's realized memberships may be that evaluation's file.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256

import polars as pl

from muster.activation.comparison.columns import (
    DIGEST_SENT,
    IDS_NOW,
    IDS_SENT,
    INCLUDED,
    RANK,
    TIME_SENT,
    TRANSFORMS_SENT,
    WAS_DELIVERED,
    now,
    sent,
    was_sent,
)
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, REALIZED, ROW, ROW_TYPE, STATUS, TIME, TIME_TYPE
from muster.activation.mapping import sent_transforms
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.row_columns import SENT_WITH
from muster.activation.mapping.sent_types import as_type, spells, with_text_keys
from muster.activation.model.history import StoredFile
from muster.activation.model.workspace import Column
from muster.activation.profiles.identities import DIGEST_MADE_BY, DIGEST_TYPE
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.roster_file import KEPT_DIGEST
from muster.activation.state.files import State

DIGEST = KEPT_DIGEST
IDS_TYPE = pl.List(pl.String())
# The columns of every delivered set; the others depend on the mapping.
SCHEMA = pl.Schema({ROW: ROW_TYPE(), TIME: TIME_TYPE, DIGEST: DIGEST_TYPE()})
_SENT, _SENT_AS, _UNSENT = "sent:", "sent_as:", "key:"


@dataclass(frozen=True)
class DeliveredSet:
    """A delivered set by the rows of a command's roster, in the order of M6."""

    frame: pl.DataFrame

    @classmethod
    def read(cls, roster: Roster, state: State, stored: StoredFile, *, digest_made_by: str) -> "DeliveredSet":
        """The delivered set in a file of the state; ``StateError`` when it, or the roster with its digests, is damaged.

        Digests that were made in another way than today are null: nothing can be compared with them.
        """
        frame = _read(roster, state, stored)
        if digest_made_by != DIGEST_MADE_BY:
            frame = frame.with_columns(pl.lit(None, dtype=DIGEST_TYPE).alias(DIGEST))
        return cls(frame)

    @classmethod
    def of_success(cls, desired: pl.LazyFrame, roster: Roster) -> "DeliveredSet":
        """The delivered set that a success leaves: exactly the desired set, with the values last sent (X8, X12).

        ``desired`` has the columns that ``kept_columns`` makes.
        """
        frame = engine.collect(desired.sort(RANK).drop(RANK))
        digests = frame.with_columns(roster.digests_of(frame[ROW]).alias("today"))
        # The old digest is kept where the identity map is absent now (X3c).
        newest = pl.coalesce("today", DIGEST).alias(DIGEST)
        return cls(digests.select(newest if name == DIGEST else name for name in frame.columns))

    def write(self, roster: Roster, state: State, file: str) -> StoredFile:
        """Write the delivered set as a file of the state."""
        frame, about = roster.marked(self.frame)
        return state.write(frame, file, about)

    @property
    def transform_records(self) -> list[str | None]:
        """The distinct records of transforms with which ids were sent; empty where none was kept."""
        return sent_transforms.records_in(self.frame)

    def count_identified(self, layout: Layout) -> int:
        """How many profiles were last sent with an identity in the mapped namespace (M4, M5)."""
        column = identities_column(layout.namespace) if layout.namespace else ""
        return int((self.frame[column].list.len() > 0).sum()) if column in self.frame.columns else 0

    def by_profile_id(self, roster: Roster) -> pl.DataFrame:
        """The frame with an additional column ``profile_id`` (String)."""
        return self.frame.with_columns(roster.ids_of(self.frame[ROW]).alias(PROFILE_ID))

    def key_types_of(self, layout: Layout) -> Layout:
        """The layout with key types that spell the values last sent (``mapping.sent_types``)."""
        columns = zip(_sent_columns(layout, self.frame.columns), layout.keys, strict=True)
        changed = (field for name, field in columns if name and not spells(field.dtype, self.frame[name]))
        return with_text_keys(layout, {field.key_id for field in changed})

    def sent_before(self, layout: Layout) -> pl.LazyFrame:
        """The values last sent, in the types of the layout's keys: ``__row`` and the columns of ``sent_schema``."""
        schema = self.frame.schema
        columns = _sent_columns(layout, schema.names())
        optional = _optional(layout)
        kept = [
            (pl.col(name) if name in schema else pl.lit(None, dtype=dtype)).alias(alias)
            for alias, (name, dtype) in optional.items()
        ]
        return self.frame.lazy().select(
            ROW,
            pl.col(TIME).alias(TIME_SENT),
            pl.col(DIGEST).alias(DIGEST_SENT),
            *kept,
            *(
                as_type(name, schema, field.dtype).alias(sent(i))
                for i, (name, field) in enumerate(zip(columns, layout.keys, strict=True))
            ),
            *(pl.lit(name is not None).alias(was_sent(i)) for i, name in enumerate(columns)),
        )


def sent_schema(layout: Layout) -> dict[str, pl.DataType]:
    """The columns that ``DeliveredSet.sent_before`` has beside ``__row``."""
    fixed = {TIME_SENT: TIME_TYPE, DIGEST_SENT: DIGEST_TYPE()}
    optional = {alias: dtype for alias, (_, dtype) in _optional(layout).items()}
    keys = {sent(i): field.dtype for i, field in enumerate(layout.keys)}
    return fixed | optional | keys | {was_sent(i): pl.Boolean() for i in range(len(layout.keys))}


def _optional(layout: Layout) -> dict[str, tuple[str, pl.DataType]]:
    """By column of the comparison: the column of the delivered set that only some layouts have, and its type."""
    ids = {IDS_SENT: (identities_column(layout.namespace), IDS_TYPE)} if layout.namespace else {}
    return ids | ({TRANSFORMS_SENT: (SENT_WITH, pl.String())} if layout.records_transforms else {})


def keeps_values(layout: Layout) -> bool:
    """Whether a delivered set keeps more of a profile than its membership and identity digest."""
    return bool(layout.compared) or layout.records_transforms


def kept_columns(layout: Layout) -> list[pl.Expr | str]:
    """The columns of a delivered set, and ``rank``, of judged profiles that are desired (X8, X12).

    Profiles that were not included keep the values with which they were last sent.
    """
    is_fresh = pl.col(INCLUDED) | ~pl.col(WAS_DELIVERED)
    keys = [
        pl.when(is_fresh | ~pl.col(was_sent(i)).fill_null(value=False)).then(now(i)).otherwise(sent(i))
        for i in range(len(layout.keys))
    ]
    columns = [key.alias(column_of(field)) for key, field in zip(keys, layout.keys, strict=True)]
    if layout.namespace:
        ids = pl.when(is_fresh | pl.col(IDS_SENT).is_null()).then(IDS_NOW).otherwise(IDS_SENT)
        columns.append(ids.alias(identities_column(layout.namespace)))
    if layout.records_transforms:
        record = pl.lit(layout.transforms_record, pl.String)
        columns.append(pl.when(is_fresh).then(record).otherwise(TRANSFORMS_SENT).alias(SENT_WITH))
    return [ROW, RANK, TIME, pl.col(DIGEST_SENT).alias(DIGEST), *columns]


def rows_of(roster: Roster, state: State, stored: StoredFile) -> pl.DataFrame:
    """The profiles of a delivered set: __row; ``StateError`` as for ``DeliveredSet.read``."""
    return _read(roster, state, stored).select(ROW)


def _read(roster: Roster, state: State, stored: StoredFile) -> pl.DataFrame:
    return roster.read_realized(state, stored) if state.is_memberships(stored) else roster.read(state, stored)


def people(state: State, stored: StoredFile) -> pl.DataFrame:
    """A delivered set by ``profile_id``, as its file has it; without other columns if that is an evaluation's file."""
    frame = state.read(stored)
    if state.is_memberships(stored):
        frame = frame.filter(pl.col(STATUS) == REALIZED).select(PROFILE_ID)
    return engine.collect(frame)


# Names of columns


def identities_column(namespace: str) -> str:
    """The column with the identities of a namespace."""
    return f"identities:{namespace}"


def column_of(field: Field) -> str:
    """The column that keeps a key's values as last sent (X12)."""
    if not field.column.is_plain:
        return f"{_SENT_AS}{field.column.target}:{_recipe_hash(field.column)}"
    return f"{_SENT if field.is_sent else _UNSENT}{field.column.source}"


def _recipe_hash(mapped: Column) -> str:
    """A hash of the source, expression, join and transforms that make a column's values."""
    return sha256(mapped.fingerprint.encode()).hexdigest()[:12]


def last_sent(
    mapped: Column, names: Iterable[str], targets: Collection[str], *, is_sent: bool = True, is_lone: bool = True
) -> str | None:
    """The column, among a delivered set's ``names``, with the values last sent of a mapped column (X12).

    None where they were not kept. The search follows what the receiver has: values sent untransformed count for a
    column made of the same source, if it is the only column of that source (``is_lone``); values sent for the same
    target count for an untransformed column. Values made in the same way for a target that no longer exists (not among
    ``targets``) were sent under the old name. Only a column that is not sent (``is_sent`` False) looks for values that
    were never sent.
    """
    names = list(names)
    plain, unsent = f"{_SENT}{mapped.source}", f"{_UNSENT}{mapped.source}"
    made = {name: name.removeprefix(_SENT_AS).rpartition(":")[::2] for name in names if name.startswith(_SENT_AS)}
    same_target = [name for name, (target, _) in made.items() if target == mapped.target]
    if mapped.is_plain:
        candidates = [plain, *same_target] if is_sent else [unsent, plain]
    else:
        same_recipe = (name for name, (_, recipe) in made.items() if recipe == _recipe_hash(mapped))
        renamed = [name for name in same_recipe if made[name][0] not in targets]
        candidates = [*same_target, *(renamed if len(renamed) == 1 else []), *([plain] if is_lone else [])]
    return next((name for name in candidates if name in names), None)


def _sent_columns(layout: Layout, names: Collection[str]) -> list[str | None]:
    """For each key of a layout the column of ``names`` with its values last sent; None where they were not kept."""
    columns_of_source = Counter(field.column.source for field in layout.fields)
    targets = {field.column.target for field in layout.fields}
    return [
        last_sent(each.column, names, targets, is_sent=each.is_sent, is_lone=columns_of_source[each.column.source] == 1)
        for each in layout.keys
    ]
