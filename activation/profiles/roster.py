"""The roster: a number for every profile that a command deals with, so that comparisons are of numbers (X2, E5).

Rows 0 to ``present - 1`` are the profiles of the snapshot, in the order of M6. After them come profiles that the state
names and the snapshot lacks: the *absent* ones. An evaluation keeps its roster beside its memberships, so that a later
roster translates their numbers once for all files. State files hold the profile id as well: rows whose roster is lost
are found by id.
"""

from functools import cached_property
from threading import RLock

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID, REALIZED, ROW, ROW_TYPE, STATUS, TIME
from muster.activation.frames.hashed_ids import ID_HASH, hashes_of, with_id_hash
from muster.activation.model.history import StoredFile
from muster.activation.profiles import roster_file
from muster.activation.profiles.identities import DIGEST_TYPE, digest
from muster.activation.profiles.positions import gathered, inverse, positions
from muster.activation.profiles.roster_file import (
    EARLIER_ROW,
    FILE_POSITION,
    KEPT_DIGEST,
    KEPT_ROW,
    RANK,
    KeptRoster,
    read_kept,
    unnumbered,
)
from muster.activation.profiles.snapshots import Snapshot, ids_in_order
from muster.activation.state.files import State

_PIECE = 1 << 20  # ids that are looked up at once
_MOST_ABSENT = 0.2  # absent profiles, as a share of the present ones, up to which an earlier roster's are taken over


class Roster:
    """The profiles of one snapshot, and absent ones, by number."""

    def __init__(
        self, snapshot: Snapshot, ids: pl.LazyFrame, *, present: int, length: int, file_position: pl.Series | None
    ) -> None:
        self.snapshot = snapshot
        self.present = present
        self.name: str | None = None  # of the file that keeps the roster; None before it is kept
        self._unread = ids  # one column, String, by row
        self._length = length
        self._file_position = file_position  # UInt32: of each present row in the files; None: they are in row order
        self._kept_length = 0  # rows that the file knows
        self._followed: tuple[str, KeptRoster] | None = None  # the roster that the kept one followed, and the kept one
        self._rows_by_roster: dict[str, pl.Series] = {}  # by an earlier roster's name: its rows' rows in this roster
        self._digests_by_roster: dict[
            str, pl.Series
        ] = {}  # by an earlier roster's name: the digests it kept, by its rows
        self._digests: pl.Series | None = None
        self._keeps_digests = False
        self._alone = RLock()  # numbers are given by one thread at a time

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Roster":
        """Number a snapshot's profiles and check their ids (D1)."""
        ids, file_position = ids_in_order(snapshot)
        frame = pl.LazyFrame({ID: ids.rechunk()})
        return cls(snapshot, frame, present=len(ids), length=len(ids), file_position=file_position)

    @classmethod
    def kept(cls, snapshot: Snapshot, state: State, name: str) -> "Roster | None":
        """The roster that an evaluation kept under this name; None unless it was made of exactly this snapshot."""
        found = read_kept(state, name)
        if found is None or found.snapshot_key != roster_file.snapshot_key(snapshot):
            return None
        present, (read, length) = found.present, found.read()
        file_position = read[FILE_POSITION].head(present) if FILE_POSITION in read.columns else None
        ids = found.frame.select(pl.col(PROFILE_ID).alias(ID))
        roster = cls(snapshot, ids, present=present, length=length, file_position=file_position)
        roster.name, roster._kept_length = name, length
        if RANK in read.columns:
            roster.__dict__["ranks"] = read[RANK].rechunk()
        if KEPT_DIGEST in read.columns:
            roster._digests, roster._keeps_digests = read[KEPT_DIGEST].head(present).rechunk(), True
        if found.followed is not None:
            roster._followed = found.followed, found
        return roster

    @cached_property
    def _ids(self) -> pl.Series:
        """The id of each row, read at the first use."""
        return engine.collect(self._unread)[ID].rechunk()

    # Numbers of earlier rosters

    def follow(self, state: State, name: str) -> None:
        """Translate the numbers of an earlier roster; its profiles that this roster lacks get rows here."""
        with self._alone:
            self._follow(state, name)

    def _follow(self, state: State, name: str) -> None:
        found = read_kept(state, name)
        if found is None or self._knows(name):
            return
        if KEPT_DIGEST in found.columns:
            self._digests_by_roster[name] = found.column(KEPT_DIGEST).rechunk()
        if self._followed and self._followed[0] == name:
            earlier = self._followed[1].column(EARLIER_ROW)
            self._rows_by_roster[name] = inverse(earlier, engine.collect(found.frame.select(pl.len())).item())
        else:
            self._rows_by_roster[name] = self._rows_of_earlier(found.column(PROFILE_ID), found.present)

    def _knows(self, name: str | None) -> bool:
        """Whether the numbers of the roster of this name are this one's or translated."""
        return name in (self.name, *self._rows_by_roster)

    def _rows_of_earlier(self, ids: pl.Series, present: int) -> pl.Series:
        """The row of each profile of an earlier roster, of which the first ``present`` were in its snapshot.

        Profiles that were absent then already get no row here where they are many: the few that are needed are found
        by id.
        """
        rows = self._look_up(ids)
        unknown = rows.is_null()
        if ids.len() - present > self.present * _MOST_ABSENT:
            unknown &= pl.int_range(ids.len(), eager=True) < present
        start = self._length
        self._append(ids.filter(unknown))
        numbered = pl.when("unknown").then(pl.col("unknown").cum_sum() + (start - 1)).otherwise(ROW)
        return pl.DataFrame({ROW: rows, "unknown": unknown}).select(numbered.cast(ROW_TYPE).alias(ROW))[ROW]

    # Ids

    def _look_up(self, ids: pl.Series) -> pl.Series:
        """The row of each id; null for an id without a row."""
        if len(ids) <= _PIECE or not ids.is_sorted() or not self._is_sorted:
            return positions(ids, self._ids, 0)
        pieces = [ids.slice(start, _PIECE) for start in range(0, len(ids), _PIECE)]
        return pl.concat([self._look_up_sorted(piece) for piece in pieces])

    @cached_property
    def _is_sorted(self) -> bool:
        """Whether the snapshot's ids are in the order of their text."""
        return self.present_ids.is_sorted()

    def _look_up_sorted(self, ids: pl.Series) -> pl.Series:
        """The row of each of these sorted ids: looked up in a range of the present ones, then among absent ones."""
        present = self.present_ids
        low, high = present.search_sorted(ids[0], side="left"), present.search_sorted(ids[-1], side="right")
        rows = positions(ids, self._ids.slice(low, high - low), low)
        if self._length == self.present or not rows.null_count():
            return rows
        return rows.zip_with(rows.is_not_null(), positions(ids, self._ids.slice(self.present), self.present))

    def _append(self, ids: pl.Series) -> None:
        """Add rows for these distinct ids, which have none."""
        if len(ids):
            self.__dict__["_ids"] = pl.concat([self._ids, ids]).rechunk()
            self._length = len(self._ids)
            self.__dict__.pop("ranks", None)

    def rows_of(self, ids: pl.Series) -> pl.Series:
        """The row (UInt32) of each id (String); an unknown id gets a row after all others."""
        with self._alone:
            rows = self._look_up(ids)
            if not rows.null_count():
                return rows
            self._append(ids.filter(rows.is_null()).unique().sort())
            return self._look_up(ids)

    @property
    def length(self) -> int:
        """The number of rows given so far."""
        return self._length

    @property
    def present_ids(self) -> pl.Series:
        """The ids (String) of the snapshot's profiles, by row."""
        return self._ids.head(self.present)

    def ids_of(self, rows: pl.Series) -> pl.Series:
        """The id (String) of each row."""
        return self._ids.gather(rows)

    # Order

    @cached_property
    def ranks(self) -> pl.Series | None:
        """The position of each row in the order of M6 (UInt32); None while the rows are in that order themselves."""
        if self._length == self.present:
            return None
        order = engine.collect(
            pl.LazyFrame({ID: self._ids}).select(pl.arg_sort_by(self.snapshot.id_order()).alias(ROW))
        )
        return order.with_row_index("rank").sort(ROW)["rank"].cast(ROW_TYPE)

    def rank_of(self, rows: pl.Series) -> pl.Series:
        """The rank (UInt32) of each row: frames sorted by it are in the order of M6."""
        with self._alone:
            ranks = self.ranks
        return rows if ranks is None else ranks.gather(rows)

    def is_present(self, rows: pl.Series) -> pl.Series:
        """Whether the snapshot has the profile of each row."""
        return rows < self.present

    @property
    def in_file_order(self) -> bool:
        """Whether the snapshot's files have the profiles in the order of their rows."""
        return self._file_position is None

    def in_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame that was read in the order of the snapshot's files, ordered by roster row; the id hashes are dropped.

        ``DataError`` when ``muster:id_hash`` does not have the id hashes of the profiles of these rows: the snapshot
        was written anew meanwhile, and a value must never come to another person.
        """
        position = self._file_position
        ordered = frame if position is None or frame.height != self.present else frame[position]
        if not ordered[ID_HASH].equals(hashes_of(self.present_ids)):
            raise DataError(
                f"{self.snapshot.name}: the snapshot changed while it was read; run the command again once it "
                f"is written, and write snapshots under a name that starts with '_' until they are complete"
            )
        return ordered.drop(ID_HASH)

    # Identity digests

    @property
    def has_digests(self) -> bool:
        """Whether identities can be compared: the snapshot has an identity map (X3c)."""
        return self.snapshot.identity_type is not None

    @property
    def keeps_digests(self) -> bool:
        """Whether the file that keeps the roster has identity digests."""
        return self._keeps_digests

    def digests_of(self, rows: pl.Series) -> pl.Series:
        """The digest of each profile's identity map (UInt64); null if the profile or the map is absent (X3c)."""
        if not self.has_digests:
            return pl.Series([None], dtype=DIGEST_TYPE).new_from_index(0, len(rows))
        with self._alone:
            if self._digests is None:
                digests = digest(self.snapshot.source.identity_map, self.snapshot.identity_type).alias(KEPT_DIGEST)
                read = engine.collect(with_id_hash(self.snapshot.frame()).select(ID_HASH, digests))
                self._digests = self.in_order(read)[KEPT_DIGEST].rechunk()
        return gathered(self._digests, rows, self.present)

    # Files of the state

    def keep(self, state: State, *, digests: bool) -> str:
        """Write the roster, with its identity digests if ``digests``; the result is the name of the file."""
        if self.name is None:
            columns = {PROFILE_ID: self._ids}
            if digests and self.has_digests:
                columns[KEPT_DIGEST] = self.digests_of(pl.int_range(self._length, dtype=ROW_TYPE, eager=True))
                self._keeps_digests = True
            if self._file_position is not None:
                columns[FILE_POSITION] = self._file_position.extend_constant(None, self._length - self.present)
            if self.ranks is not None:
                columns[RANK] = self.ranks
            followed = next(iter(self._rows_by_roster), None)
            if followed is not None:
                columns[EARLIER_ROW] = inverse(self._rows_by_roster[followed], self._length)
            self.name = roster_file.write_kept(
                state, columns, present=self.present, snapshot=self.snapshot, followed=followed
            )
            self._kept_length = self._length
        return self.name

    def marked(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
        """A frame as the state keeps it: ``profile_id`` for ``muster:row``, and ``roster_row`` if the roster is kept.

        The second value is the metadata of the file, which name the roster.
        """
        ids = self.ids_of(frame[ROW])
        columns = [ids.alias(PROFILE_ID) if name == ROW else pl.col(name) for name in frame.columns]
        if self.name is None:
            return frame.select(columns), {}
        kept_row, about = roster_file.numbered_by(self.name, self._kept_length)
        return frame.select(*columns, kept_row), about

    def numbered(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A frame with ``muster:row`` (UInt32) in the place of its ``profile_id``."""
        found = engine.collect(frame)
        return found.select(self.rows_of(found[PROFILE_ID]).alias(ROW), pl.exclude(PROFILE_ID))

    def read(self, state: State, stored: StoredFile, *columns: pl.Expr) -> pl.DataFrame:
        """The named columns of a state file, or all, with ``muster:row`` in the place of the profile ids.

        ``StateError`` when the file is damaged.
        """
        frame = state.read(stored)
        name = roster_file.roster_of(state, stored)
        if name is not None and not self._knows(name):
            self.follow(state, name)
        if name is None or not self._knows(name):
            return self.numbered(frame.select(PROFILE_ID, *unnumbered(*columns)))
        found = engine.collect(frame.select(pl.col(KEPT_ROW).alias(ROW), *unnumbered(*columns)))
        if name != self.name:
            found = found.with_columns(self._rows_by_roster[name].gather(found[ROW]).alias(ROW))
        return self._found_by_id(found, frame) if found[ROW].null_count() else found

    def read_realized(self, state: State, stored: StoredFile) -> pl.DataFrame:
        """The realized memberships of an evaluation's file, with the identity digests of that evaluation.

        Columns: muster:row, last_qualification_time, identity_digest. ``StateError`` when the file, or the roster
        that has the digests, is damaged.
        """
        name = roster_file.roster_of(state, stored) or ""
        realized = state.read(stored).filter(pl.col(STATUS) == REALIZED)
        found = engine.collect(realized.select(pl.col(KEPT_ROW).alias(ROW), TIME))
        if name == self.name:
            return found.with_columns(self.digests_of(found[ROW]).alias(KEPT_DIGEST))
        self.follow(state, name)
        if name not in self._digests_by_roster:
            state.read_roster(name)  # raises the error that ``follow`` only logs
        digests = self._digests_by_roster[name].gather(found[ROW])
        rows = self._rows_by_roster[name].gather(found[ROW])
        return found.with_columns(rows.alias(ROW), digests.alias(KEPT_DIGEST))

    def _found_by_id(self, found: pl.DataFrame, frame: pl.LazyFrame) -> pl.DataFrame:
        """``found`` with the rows that no kept roster has, looked up by the ids of the state file ``frame``."""
        unknown = pl.col(ROW).is_null()
        ids = engine.collect(frame.select(PROFILE_ID))[PROFILE_ID].filter(found[ROW].is_null())
        nth = (unknown.cum_sum().cast(pl.Int64) - 1).clip(0)
        rows = pl.when(unknown).then(pl.lit(self.rows_of(ids)).gather(nth)).otherwise(ROW)
        return found.with_columns(rows.alias(ROW))
