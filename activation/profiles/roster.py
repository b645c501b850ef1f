"""The roster: every profile that a command deals with gets a number once, and all comparisons are of numbers (X2, E5). Edge module.

Rows 0 to ``present - 1`` are the profiles of the snapshot, in the order of M6; after them come those that the state
names and the snapshot lacks. An evaluation keeps its roster beside its memberships, so that tomorrow's roster finds out
once, for all files of today, which number became which. State files hold the profile id as well: a number whose roster
is gone is looked up by the id.
"""

import hashlib
import json
import logging
from functools import cached_property
from threading import RLock

import polars as pl

from muster.activation.errors import DataError, StateError
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID, REALIZED, ROW, ROW_TYPE, STATUS, TIME
from muster.activation.frames.hashed_ids import ID_HASH, hashes_of, with_id_hash
from muster.activation.model.history import StoredFile
from muster.activation.profiles.identities import DIGEST_MADE_BY, DIGEST_TYPE, digest
from muster.activation.profiles.snapshots import Snapshot, ids_in_order
from muster.activation.state.files import State

log = logging.getLogger("muster.roster")

KEPT_ROW = "roster_row"  # of state files: UInt32, null for a profile that came after the roster was kept
KEPT_DIGEST = "identity_digest"
_PLACE, _RANK, _BEFORE = "place", "rank", "before"  # further columns of a kept roster, where there is something to say
_NAME, _PRESENT, _KEY, _FOLLOWS = "muster.roster", "muster.present", "muster.snapshot", "muster.follows"
_PIECE = 1 << 20  # ids that are looked up at once
_MOST_GONE = 0.2  # share of profiles without a snapshot's row that is carried on from one roster to the next


class Roster:
    """The profiles of one snapshot, and those that are gone, by number."""

    def __init__(
        self, snapshot: Snapshot, ids: pl.LazyFrame, *, present: int, length: int, place: pl.Series | None
    ) -> None:
        self.snapshot = snapshot
        self.present = present
        self.name: str | None = None  # of the file that keeps it, None as long as none does
        self._unread = ids  # one column, String, by row
        self._length = length
        self._place = place  # UInt32: where each present row lies in the files; None: in this order
        self._kept = 0  # rows that the file knows
        self._before: tuple[str, pl.LazyFrame] | None = (
            None  # the roster that the kept one followed, and each row's row there
        )
        self._now: dict[str, pl.Series] = {}  # by an earlier roster's name: this roster's row of each of its rows
        self._then: dict[str, pl.Series] = {}  # and the digests that it kept, by its own rows
        self._digests: pl.Series | None = None
        self._kept_digests = False
        self._alone = RLock()  # numbers are given by one thread at a time

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Roster":
        """Number a snapshot's profiles, its ids checked on the way (D1)."""
        ids, place = ids_in_order(snapshot)
        return cls(snapshot, pl.LazyFrame({ID: ids.rechunk()}), present=len(ids), length=len(ids), place=place)

    @classmethod
    def kept(cls, snapshot: Snapshot, state: State, name: str) -> "Roster | None":
        """The roster that an evaluation kept, if it was made of this very snapshot."""
        found = _read_kept(state, name)
        if found is None or found[1].get(_KEY) != _key(snapshot):
            return None
        frame, about = found
        present, small = (
            int(about[_PRESENT]),
            [name for name in (_PLACE, _RANK, KEPT_DIGEST) if name in engine.schema_of(frame)],
        )
        read, size = engine.collect_all([frame.select(small), frame.select(pl.len())])
        place = read[_PLACE].head(present) if _PLACE in small else None
        roster = cls(
            snapshot, frame.select(pl.col(PROFILE_ID).alias(ID)), present=present, length=size.item(), place=place
        )
        roster.name, roster._kept = name, size.item()
        if _RANK in small:
            roster.__dict__["ranks"] = read[_RANK].rechunk()
        if KEPT_DIGEST in small:
            roster._digests, roster._kept_digests = read[KEPT_DIGEST].head(present).rechunk(), True
        if _FOLLOWS in about:
            roster._before = about[_FOLLOWS], frame.select(_BEFORE)
        return roster

    @cached_property
    def _ids(self) -> pl.Series:
        """The id of each row, read when it is first asked for."""
        return engine.collect(self._unread)[ID].rechunk()

    def follow(self, state: State, name: str) -> None:
        """Take over the numbers of an earlier roster: its profiles that are gone get rows here, and its files can be read by number."""
        with self._alone:
            self._follow(state, name)

    def _follow(self, state: State, name: str) -> None:
        found = _read_kept(state, name)
        if found is None or name in (self.name, *self._now):
            return
        frame, about = found
        if KEPT_DIGEST in engine.schema_of(frame):
            self._then[name] = engine.collect(frame.select(KEPT_DIGEST))[KEPT_DIGEST].rechunk()
        if self._before and self._before[0] == name:
            then = engine.collect(self._before[1])[_BEFORE]
            self._now[name] = inverse(then, engine.collect(frame.select(pl.len())).item())
        else:
            self._now[name] = self._numbers_of(
                engine.collect(frame.select(PROFILE_ID))[PROFILE_ID], int(about[_PRESENT])
            )

    def _numbers_of(self, before: pl.Series, present: int) -> pl.Series:
        """The rows of an earlier roster's profiles, of which the first ones were present; some who are gone for long have none."""
        rows = self._look_up(before)
        lost = rows.is_null()
        if (
            before.len() - present > self.present * _MOST_GONE
        ):  # those that were gone then already are found by id where need be
            lost &= pl.int_range(before.len(), eager=True) < present
        start = self._length
        self._append(before.filter(lost))
        numbered = pl.DataFrame({ROW: rows, "lost": lost}).select(
            pl.when("lost").then(pl.col("lost").cum_sum() + (start - 1)).otherwise(ROW).cast(ROW_TYPE).alias(ROW)
        )
        return numbered[ROW]

    def _look_up(self, ids: pl.Series) -> pl.Series:
        """The row of each id, null for one that has none yet."""
        if len(ids) <= _PIECE or not ids.is_sorted() or not self._sorted:
            return _positions(ids, self._ids, 0)
        pieces = [ids.slice(start, _PIECE) for start in range(0, len(ids), _PIECE)]
        return pl.concat([self._among_sorted(piece) for piece in pieces])

    @cached_property
    def _sorted(self) -> bool:
        """Whether the snapshot's ids are in the order of their text."""
        return self.present_ids.is_sorted()

    def _among_sorted(self, ids: pl.Series) -> pl.Series:
        """As ``_look_up``, for ids that are sorted: only a range of the roster can have them, and what is gone."""
        present = self.present_ids
        low, high = present.search_sorted(ids[0], side="left"), present.search_sorted(ids[-1], side="right")
        rows = _positions(ids, self._ids.slice(low, high - low), low)
        if self._length == self.present or not rows.null_count():
            return rows
        return rows.zip_with(rows.is_not_null(), _positions(ids, self._ids.slice(self.present), self.present))

    def _append(self, ids: pl.Series) -> None:
        """Rows for ids that have none: distinct ones."""
        if len(ids):
            self.__dict__["_ids"] = pl.concat([self._ids, ids]).rechunk()
            self._length = len(self._ids)
            self.__dict__.pop("ranks", None)

    def rows_of(self, ids: pl.Series) -> pl.Series:
        """The row of each id (String); one that was not known gets a row after all others."""
        with self._alone:
            rows = self._look_up(ids)
            if not rows.null_count():
                return rows
            self._append(ids.filter(rows.is_null()).unique().sort())
            return self._look_up(ids)

    @property
    def length(self) -> int:
        """How many numbers are given so far."""
        return self._length

    @property
    def present_ids(self) -> pl.Series:
        """The ids of the snapshot's profiles, by row."""
        return self._ids.head(self.present)

    def ids_of(self, rows: pl.Series) -> pl.Series:
        """The id (String) of each row."""
        return self._ids.gather(rows)

    @cached_property
    def ranks(self) -> pl.Series | None:
        """The place of each row in the order of M6 (UInt32); None as long as the rows are in that order themselves."""
        if self._length == self.present:
            return None
        order = engine.collect(
            pl.LazyFrame({ID: self._ids}).select(pl.arg_sort_by(self.snapshot.id_order()).alias(ROW))
        )
        ranked = order.with_row_index("rank").sort(ROW)
        return ranked["rank"].cast(ROW_TYPE)

    def rank_of(self, rows: pl.Series) -> pl.Series:
        """What to sort rows by (M6)."""
        with self._alone:
            ranks = self.ranks
        return rows if ranks is None else ranks.gather(rows)

    def is_present(self, rows: pl.Series) -> pl.Series:
        """Whether the snapshot has them."""
        return rows < self.present

    @property
    def in_file_order(self) -> bool:
        """Whether the files have the profiles in the order of their rows."""
        return self._place is None

    def in_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        """What was read from the snapshot in the order of its files, one row a profile, by row, without its ``__id_hash``.

        ``DataError`` when the keys beside the values are not of the ids that have these rows: the snapshot was written
        anew meanwhile, and a value must never come to another person.
        """
        ordered = frame if self._place is None or frame.height != self.present else frame[self._place]
        if not ordered[ID_HASH].equals(hashes_of(self.present_ids)):
            raise DataError(
                f"{self.snapshot.name}: the snapshot changed while it was read; run the command again once it "
                f"is written, "
                "and write snapshots under a name that starts with '_' until they are complete"
            )
        return ordered.drop(ID_HASH)

    @property
    def has_digests(self) -> bool:
        """Whether identities can be compared: the snapshot has an identity map (X3c)."""
        return self.snapshot.identity_type is not None

    def digests_of(self, rows: pl.Series) -> pl.Series:
        """The digest of each profile's identity map (UInt64), null for one that is gone, or without an identity map (X3c)."""
        if not self.has_digests:
            return pl.Series([None], dtype=DIGEST_TYPE).new_from_index(0, len(rows))
        with self._alone:
            if self._digests is None:
                source = self.snapshot.source.identity_map
                made = engine.collect(
                    with_id_hash(self.snapshot.frame()).select(
                        ID_HASH, digest(source, self.snapshot.identity_type).alias(KEPT_DIGEST)
                    )
                )
                self._digests = self.in_order(made)[KEPT_DIGEST].rechunk()
        return gathered(self._digests, rows, self.present)

    def keep(self, state: State, *, digests: bool) -> str:
        """Write the roster down, with its digests if wanted; its name is the checksum of what was written."""
        if self.name is None:
            columns = {PROFILE_ID: self._ids}
            rows = pl.int_range(self._length, dtype=ROW_TYPE, eager=True)
            if digests and self.has_digests:
                columns[KEPT_DIGEST] = self.digests_of(rows)
                self._kept_digests = True
            if self._place is not None:
                columns[_PLACE] = self._place.extend_constant(None, self._length - self.present)
            if self.ranks is not None:
                columns[_RANK] = self.ranks
            about = {_PRESENT: str(self.present), _KEY: _key(self.snapshot)}
            if self._now:
                about[_FOLLOWS], now = next(iter(self._now.items()))
                columns[_BEFORE] = inverse(now, self._length)
            self.name = state.write_roster(pl.DataFrame(columns), about)
            self._kept = self._length
        return self.name

    def marked(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
        """A frame for the state, with profile ids in the place of ``__row``, and the numbers beside them as far as the kept roster goes.

        And what says so in the file's metadata.
        """
        ids = self.ids_of(frame[ROW])
        columns = [ids.alias(PROFILE_ID) if name == ROW else pl.col(name) for name in frame.columns]
        if self.name is None:
            return frame.select(columns), {}
        return frame.select(*columns, pl.when(pl.col(ROW) < self._kept).then(ROW).alias(KEPT_ROW)), {_NAME: self.name}

    def numbered(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A frame with ``__row`` in the place of its ``profile_id``."""
        found = engine.collect(frame)
        return found.select(self.rows_of(found[PROFILE_ID]).alias(ROW), pl.exclude(PROFILE_ID))

    def read(self, state: State, stored: StoredFile, *columns: pl.Expr) -> pl.DataFrame:
        """These columns of a state file, or all, with ``__row`` in the place of the profile ids; ``StateError`` when it is damaged."""
        frame = state.read(stored)
        with engine.translated():
            name = pl.read_parquet_metadata(state.path(stored)).get(_NAME)
        if name is not None and name not in (self.name, *self._now):
            self.follow(state, name)
        if name is None or name not in (self.name, *self._now):
            return self.numbered(frame.select(PROFILE_ID, *(columns or [pl.exclude(PROFILE_ID, KEPT_ROW)])))
        found = engine.collect(
            frame.select(pl.col(KEPT_ROW).alias(ROW), *(columns or [pl.exclude(PROFILE_ID, KEPT_ROW)]))
        )
        if name != self.name:
            found = found.with_columns(self._now[name].gather(found[ROW]).alias(ROW))
        return self._found_by_id(found, frame) if found[ROW].null_count() else found

    def delivered(self, state: State, stored: StoredFile) -> pl.DataFrame:
        """A delivered set (``compare.DELIVERED``), which may be an evaluation's memberships: then those realized, with their digests.

        ``StateError`` when it, or the roster that has the digests, is damaged.
        """
        if not state.is_memberships(stored):
            return self.read(state, stored)
        with engine.translated():
            name = pl.read_parquet_metadata(state.path(stored)).get(_NAME, "")
        found = engine.collect(
            state.read(stored).filter(pl.col(STATUS) == REALIZED).select(pl.col(KEPT_ROW).alias(ROW), TIME)
        )
        if name == self.name:
            return found.with_columns(self.digests_of(found[ROW]).alias(KEPT_DIGEST))
        self.follow(state, name)
        if name not in self._then:
            state.read_roster(name)  # says what is wrong with it
        then, now = self._then[name].gather(found[ROW]), self._now[name].gather(found[ROW])
        return found.with_columns(now.alias(ROW), then.alias(KEPT_DIGEST))

    @property
    def tells_digests(self) -> bool:
        """Whether the file that keeps it has digests."""
        return self._kept_digests

    def _found_by_id(self, found: pl.DataFrame, frame: pl.LazyFrame) -> pl.DataFrame:
        """Fill in the rows that no kept roster has, by the ids of the state file ``frame``."""
        unknown = pl.col(ROW).is_null()
        ids = engine.collect(frame.select(PROFILE_ID))[PROFILE_ID].filter(found[ROW].is_null())
        nth = (unknown.cum_sum().cast(pl.Int64) - 1).clip(0)
        return found.with_columns(
            pl.when(unknown).then(pl.lit(self.rows_of(ids)).gather(nth)).otherwise(ROW).alias(ROW)
        )


def _positions(ids: pl.Series, among: pl.Series, first: int) -> pl.Series:
    """Where each id stands in ``among``, counted from ``first``; null where it does not."""
    known = pl.LazyFrame({ID: among}).with_row_index(ROW, offset=first)
    return engine.collect(pl.LazyFrame({ID: ids}).join(known, on=ID, how="left", maintain_order="left"))[ROW]


def inverse(rows: pl.Series, length: int) -> pl.Series:
    """Of a series that says where each of its places went: where each of ``length`` places came from, null for nowhere."""
    came = pl.DataFrame({ROW: rows}).with_row_index("from").drop_nulls()
    nowhere = pl.Series([None], dtype=ROW_TYPE).new_from_index(0, length)
    return nowhere.scatter(came[ROW], came["from"])


def gathered(values: pl.Series, rows: pl.Series, present: int) -> pl.Series:
    """Values by row, null for the rows from ``present`` on."""
    if not len(rows) or (rows.max() or 0) < present:  # type: ignore[operator]  # a Series of numbers
        return values.gather(rows)
    return values.gather(pl.DataFrame({ROW: rows}).select(pl.when(pl.col(ROW) < present).then(ROW))[ROW])


def _key(snapshot: Snapshot) -> str:
    """What tells snapshots apart: the files, and how ids and identities are read from them."""
    source = snapshot.source
    return hashlib.sha256(
        json.dumps([snapshot.records, source.id, source.identity_map, DIGEST_MADE_BY]).encode()
    ).hexdigest()


def _read_kept(state: State, name: str) -> tuple[pl.LazyFrame, dict[str, str]] | None:
    """A kept roster and what its file says of it; None when it is gone or damaged: the ids in the state files are enough."""
    try:
        return state.read_roster(name)
    except StateError as error:
        log.info("%s", error)
        return None
