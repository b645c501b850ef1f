"""The delivered set: the desired set of an activation's last success, for the next comparison (X2, X8, X9, X12).

A success makes it of what was judged (``of_success``) and writes it; the next export reads it and continues it
(``continued``). The columns of its file:

profile_id, profile_number  in memory ``muster:row``, UInt32 (``profiles.roster``)
last_qualification_time  Datetime(us, UTC)
identity_digest          UInt64: of the identity map (X3c); null where the column was absent
value:<target>           what was last sent in a column that exits carry, in the type of then (X12)
values:<target>          List(String): the same where a profile has several rows, one for each identity (M5)
attribute:<target>       what was last sent in another column, where `changes` asks (X3e)
key:<source>             the value at the last sending of a deduplication source that is not mapped (M3)
unknown:<target>         Boolean: it is not known what was sent in the column; absent where all is known
compared_by:<target>     String: the text by which a value is compared as a key (D7), of a column whose type has changed
                         since; absent where the value says it

A delivered set equal to an evaluation's realized memberships may be that evaluation's file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import polars as pl

from muster.activation.comparison.columns import (
    DIGEST_SENT,
    IDS_NOW,
    INCLUDED,
    RANK,
    WAS_DELIVERED,
    is_known,
    now,
    sent,
    sent_key,
)
from muster.activation.comparison.continuing import Continued, continued
from muster.activation.comparison.earlier_sets import by_target, earlier_identities
from muster.activation.comparison.keys import SentTypes, sent_text
from muster.activation.frames import engine
from muster.activation.frames.columns import (
    PROFILE_ID,
    PROFILE_NUMBER,
    REALIZED,
    ROW,
    ROW_TYPE,
    STATUS,
    TIME,
    TIME_TYPE,
)
from muster.activation.mapping.kept import CARRIED, COMPARED, COMPARED_BY, IDENTITIES, UNKNOWN, Kept
from muster.activation.mapping.last_mapping import LastMapping
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.sent_types import with_texts
from muster.activation.model.history import StoredFile
from muster.activation.model.workspace import IDENTITY_PREFIX
from muster.activation.profiles import roster_file
from muster.activation.profiles.members import DeliveredPeople, Members
from muster.activation.profiles.positions import by_number, nulls
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.roster_file import KEPT_DIGEST, OLDER_ROW, KeptRoster
from muster.activation.state.files import State
from muster.activation.values.identities import DIGEST_MADE_BY, DIGEST_TYPE
from muster.activation.values.text import csv_text, key_text

DIGEST = KEPT_DIGEST
_BY_ROW = {ROW: ROW_TYPE()}


@dataclass(frozen=True, eq=False)
class SentBefore:
    """What delivered profiles were sent, beside the layout that continues it."""

    layout: Layout  # with the columns of which what was sent is kept on, and types that spell it
    people: DeliveredPeople | None  # None for nobody
    values: pl.DataFrame  # muster:row, and ``sent(i)`` and ``is_known(i)`` of ``layout.kept``; no row if that is empty

    @property
    def types(self) -> SentTypes:
        """The type of each ``sent(i)``; of lists the type of their elements."""
        return [
            pl.String() if each.holds_lists else self.values.schema[sent(i)] for i, each in enumerate(self.layout.kept)
        ]

    def without_values(self) -> "SentBefore":
        """The columns that are kept on, for an export that sends everybody anew: nothing is known of what was sent."""
        kept = (
            replace(
                each,
                as_text=False,
                holds_lists=each.field.role == "identity",
                is_made_otherwise=False,
                has_key_texts=False,
            )
            for each in self.layout.kept
        )
        fields = {each.position: each.field for each in self.layout.kept}
        typed = (fields.get(position, field) for position, field in enumerate(self.layout.fields))
        return nothing_sent(replace(self.layout, fields=tuple(typed), kept=tuple(kept)), self.people)


@dataclass(frozen=True, eq=False)
class DeliveredSet:
    """A delivered set: the rows of its file, or the people of an evaluation by number."""

    roster: Roster
    last: LastMapping | None  # with which it was sent; None where that is not known
    _rows: pl.DataFrame | None = None
    _people: DeliveredPeople | None = None

    @classmethod
    def read(
        cls, roster: Roster, state: State, stored: StoredFile, last: LastMapping | None, *, digest_made_by: str
    ) -> "DeliveredSet":
        """The delivered set in a file of the state; ``StateError`` when it, or the roster with its digests, is damaged.

        Digests that were made in another way than today are null: nothing can be compared with them.
        """
        is_comparable = digest_made_by == DIGEST_MADE_BY
        if state.is_memberships(stored) and roster.knows_numbers_of(state, stored):
            members = Members.read(roster, state, stored)
            is_realized = members.is_realized.alias(REALIZED)
            times = pl.DataFrame([is_realized, members.times.alias(TIME)]).select(pl.when(REALIZED).then(TIME))[TIME]
            digests = roster.digests_at(state, roster_file.roster_of(state, stored) or "")
            return cls(
                roster,
                last,
                None,
                DeliveredPeople(times, digests if is_comparable else nulls(DIGEST_TYPE, len(digests))),
            )
        if state.is_memberships(stored):
            frame = roster.numbered(realized_by_file(state, stored).lazy().drop(PROFILE_NUMBER, strict=False))
        else:
            frame = roster.read(state, stored)
        if not is_comparable:
            frame = frame.with_columns(pl.lit(None, dtype=DIGEST_TYPE).alias(DIGEST))
        return cls(roster, last, frame)

    @classmethod
    def of_success(cls, desired: pl.LazyFrame, roster: Roster) -> "DeliveredSet":
        """The delivered set that a success leaves: exactly the desired set, with the values last sent (X8, X12).

        ``desired`` has the columns that ``kept_columns`` makes.
        """
        frame = engine.collect(desired.sort(RANK).drop(RANK))
        digests = frame.with_columns(roster.digests_of(frame[ROW]).alias("today"))
        # The old digest is kept where the identity map is absent now (X3c).
        newest = pl.coalesce("today", DIGEST).alias(DIGEST)
        names = [name for name in frame.columns if not _says_nothing(name, frame)]
        return cls(roster, None, digests.select(newest if name == DIGEST else name for name in names))

    @classmethod
    def columns_alone(
        cls, roster: Roster, state: State, stored: StoredFile, last: LastMapping | None
    ) -> "DeliveredSet":
        """The delivered set in a file without its people: for an export that sends everybody anew."""
        fixed = {ROW: ROW_TYPE(), TIME: TIME_TYPE, DIGEST: DIGEST_TYPE()}
        try:
            stored_schema = {} if state.is_memberships(stored) else pl.read_parquet_schema(state.path(stored))
        except (OSError, pl.exceptions.PolarsError):  # whoever needs the people reports it
            stored_schema = {}
        names = {PROFILE_ID, PROFILE_NUMBER, OLDER_ROW, *fixed}
        kept = {name: dtype for name, dtype in stored_schema.items() if name not in names}
        return cls(roster, last, pl.DataFrame(schema=fixed | kept))

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The rows of the delivered set: muster:row, and the columns of its file."""
        if self._rows is not None:
            return self._rows
        rows = self.roster.rows.head(len(self.people.times))  # some may have been numbered since
        by_number = pl.LazyFrame([rows.alias(ROW), self.people.times.alias(TIME), self.people.digests.alias(DIGEST)])
        return engine.collect(by_number.filter(pl.col(TIME).is_not_null()).sort(ROW))

    @cached_property
    def people(self) -> DeliveredPeople:
        """The profiles of the delivered set by number."""
        if self._people is not None:
            return self._people
        frame, length = self.frame, self.roster.numbering.length
        numbers = self.roster.numbers.gather(frame[ROW])
        return DeliveredPeople(by_number(frame[TIME], numbers, length), by_number(frame[DIGEST], numbers, length))

    def write(self, state: State, file: str) -> StoredFile:
        """Write the delivered set as a file of the state."""
        frame, about = self.roster.marked(self.frame)
        return state.write(frame, file, about)

    def count_identified(self, layout: Layout) -> int:
        """How many profiles were last sent with an identity in the mapped namespace (M4, M5)."""
        columns = self.last.columns if self.last else tuple(field.column for field in layout.identities)
        names = [
            f"{IDENTITIES}{each.name}" for each in columns if each.source == f"{IDENTITY_PREFIX}{layout.namespace}"
        ]
        known = [name for name in (*names, earlier_identities(layout.namespace)) if name in self.frame.columns]
        return int((self.frame[known[0]].list.len() > 0).sum()) if known else 0

    def by_profile_id(self) -> pl.DataFrame:
        """The frame with an additional column ``profile_id`` (String)."""
        return self.frame.with_columns(self.roster.ids_of(self.frame[ROW]).alias(PROFILE_ID))

    def sent_before(self, layout: Layout) -> SentBefore:
        """What was sent, continued by the columns of a layout (X12)."""
        last = self.last or _assumed(layout)
        if self._people is not None and not _continued(layout, _without_values(), self.roster, last):
            return SentBefore(with_texts(replace(layout, kept=()), set()), self._people, pl.DataFrame(schema=_BY_ROW))
        found = _continued(layout, self.frame, self.roster, last)
        values = self.frame.select(ROW).with_columns(
            column
            for i, each in enumerate(found)
            for column in (
                each.values.alias(sent(i)),
                each.known.alias(is_known(i)),
                *([] if each.key_texts is None else [each.key_texts.alias(sent_key(i))]),
            )
        )
        kept = tuple(each.kept for each in found)
        deduplicate = (_place(layout.kept[i], kept) for i in layout.deduplicate)
        continuing = replace(layout, kept=kept, deduplicate=tuple(deduplicate))
        texts = {each.position for each in kept if each.as_text and each.position is not None}
        return SentBefore(with_texts(continuing, texts), self.people, values)


def _continued(layout: Layout, frame: pl.DataFrame, roster: Roster, last: LastMapping) -> list[Continued]:
    """The columns that a delivered set with the rows of ``frame`` keeps from now on."""
    ids = cache(lambda: roster.ids_of(frame[ROW]))
    return list(continued(layout, by_target(frame, ids, last), ids, last))


def _without_values() -> pl.DataFrame:
    """The columns of a delivered set that keeps no values, without rows: they decide which values are continued."""
    return pl.DataFrame(schema={**_BY_ROW, TIME: TIME_TYPE, DIGEST: DIGEST_TYPE()})


def _assumed(layout: Layout) -> LastMapping:
    """Today's mapping in the place of one that is not recorded."""
    columns = tuple(field.column for field in layout.fields)
    sources = tuple(layout.kept[i].field.column.source for i in layout.deduplicate)
    id_column = layout.snapshot.source.id
    return LastMapping(columns, sources, layout.sanitizes, id_column, is_recorded=False)


def _says_nothing(name: str, frame: pl.DataFrame) -> bool:
    """Whether a column is as good as absent: nothing is unknown, or the values say by which text they are compared."""
    if not name.startswith(COMPARED_BY):
        return name.startswith(UNKNOWN) and not frame[name].any()
    target = name.removeprefix(COMPARED_BY)
    values = next(frame[each] for each in (f"{CARRIED}{target}", f"{COMPARED}{target}") if each in frame.columns)
    text = key_text(pl.col("value"), values.dtype).cast(pl.String)
    return frame[name].equals(values.to_frame("value").select(text.alias(name))[name])


def _place(one: Kept, kept: Sequence[Kept]) -> int:
    """The place among ``kept`` of the column that ``one`` is."""
    name = one.position, one.field.column.source
    return next(i for i, each in enumerate(kept) if (each.position, each.field.column.source) == name)


def nothing_sent(layout: Layout, people: DeliveredPeople | None = None) -> SentBefore:
    """What was sent where nothing is known of any value, of these people."""
    values = (
        column
        for i, each in enumerate(layout.kept)
        for column in (
            pl.lit(None, pl.List(pl.String()) if each.holds_lists else each.field.dtype).alias(sent(i)),
            pl.lit(value=False).alias(is_known(i)),
        )
    )
    return SentBefore(layout, people, pl.DataFrame(schema=_BY_ROW).with_columns(values))


def kept_columns(layout: Layout, types: SentTypes) -> list[pl.Expr | str]:
    """The columns of a delivered set, and ``rank``, of judged profiles that are desired (X8, X12).

    Profiles that were not included keep the values with which they were last sent.
    """
    is_fresh = pl.col(INCLUDED) | ~pl.col(WAS_DELIVERED)
    columns = []
    for i, each in enumerate(layout.kept):
        today = _today(each, i, types[i], rows=pl.col(IDS_NOW).list.len() if layout.identity else pl.lit(1))
        columns.append(pl.when(is_fresh).then(today).otherwise(sent(i)).alias(each.stored_name))
        if each.has_key_texts:
            text = key_text(pl.col(now(i)), each.field.dtype)
            columns.append(
                pl.when(is_fresh).then(text).otherwise(sent_text(each, i, types[i])).alias(each.key_texts_name)
            )
        columns.append((~is_fresh & ~pl.col(is_known(i)).fill_null(value=False)).alias(each.unknown_name))
    return [ROW, RANK, TIME, pl.col(DIGEST_SENT).alias(DIGEST), *columns]


def _today(kept: Kept, position: int, sent_type: pl.DataType, rows: pl.Expr) -> pl.Expr:
    """What a column would have today, in the type of what was sent; ``rows`` is the number of a profile's rows."""
    value, dtype = pl.col(now(position)), kept.field.dtype
    if kept.holds_lists:
        return value if kept.field.role == "identity" else csv_text(value, dtype).cast(pl.String).repeat_by(rows)
    text = key_text if kept.position is None else csv_text
    return value if sent_type == dtype else text(value, dtype).cast(pl.String)


def delivered_numbers(roster: Roster, state: State, stored: StoredFile) -> pl.Series:
    """Whether each number is in a delivered set (Boolean); ``StateError`` when its file is damaged.

    Profiles without a number are left out, and are given none.
    """
    if roster.has_numbers_of(state, stored):
        return Members.read(roster, state, stored).is_realized
    frame = state.read(stored)
    people = frame.filter(pl.col(STATUS) == REALIZED) if state.is_memberships(stored) else frame
    numbers, length = roster.known_numbers(state, stored, people), roster.numbering.length
    everybody = pl.Series([True]).new_from_index(0, len(numbers))
    return by_number(everybody, numbers, length).fill_null(value=False)


def realized_by_file(state: State, stored: StoredFile) -> pl.DataFrame:
    """The delivered set in an evaluation's file, as a file of its own has it: with the digests of that roster.

    ``StateError`` when the roster, which has the digests, is missing or damaged.
    """
    roster = KeptRoster.read_from(state, roster_file.roster_of(state, stored) or "").frame
    realized = state.read(stored).filter(pl.col(STATUS) == REALIZED)
    if PROFILE_NUMBER in engine.schema_of(roster):
        numbered = realized.join(
            roster.select(PROFILE_NUMBER, DIGEST), on=PROFILE_NUMBER, how="left", maintain_order="left"
        )
        return engine.collect(numbered.select(PROFILE_ID, TIME, DIGEST, PROFILE_NUMBER))
    digests, found = engine.collect(roster.select(DIGEST))[DIGEST], engine.collect(realized)
    return found.select(PROFILE_ID, TIME, digests.gather(found[OLDER_ROW]).alias(DIGEST))


def people(state: State, stored: StoredFile, last: LastMapping | None) -> pl.DataFrame:
    """A delivered set by ``profile_id``; without other columns if it is an evaluation's file."""
    frame = state.read(stored)
    if state.is_memberships(stored):
        return engine.collect(frame.filter(pl.col(STATUS) == REALIZED).select(PROFILE_ID))
    found = engine.collect(frame)
    return by_target(found, lambda: found[PROFILE_ID], last) if last else found
