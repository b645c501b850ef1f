"""The roster: a row for every profile that a command deals with, in the order in which files have them (M6).

Rows 0 to ``present - 1`` are the profiles of the snapshot, in the order of M6. After them come those that the numbering
has and the snapshot lacks: the *absent* ones, in the order of their numbers. So what is chosen by row is in the order
of the files, except for absent profiles. State files name profiles by number and by id: ``roster_file`` has the rows of
a snapshot that an evaluation kept.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from threading import RLock

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID, PROFILE_NUMBER, ROW, ROW_TYPE
from muster.activation.frames.hashed_ids import ID_HASH, hashes_of, with_id_hash
from muster.activation.model.history import StoredFile
from muster.activation.profiles import roster_file
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.positions import by_number, inverse, nulls
from muster.activation.profiles.roster_file import FILE_POSITION, KEPT_DIGEST, KeptRoster, read_kept
from muster.activation.profiles.snapshots import Snapshot, ids_in_order
from muster.activation.state.files import State
from muster.activation.values.identities import DIGEST_TYPE, digest

RANK_TYPE = pl.UInt64
_PIECE = 1 << 20  # ids that are hashed at once
_BETWEEN = 1 << 32  # ranks between two present profiles, for absent ones


class Roster:
    """The profiles of one snapshot, and absent ones, by row."""

    def __init__(
        self, snapshot: Snapshot, numbering: Numbering, numbers: pl.Series, *, file_position: pl.Series | None
    ) -> None:
        self.snapshot = snapshot
        self.numbering = numbering
        self.present = len(numbers)
        self.name: str | None = None  # of the file that keeps the roster; None before it is kept
        self._present_numbers = numbers  # UInt32, by row
        self.file_position = file_position  # UInt32: of each present row in the files; None: they are in row order
        self._digests: pl.Series | None = None  # by present row
        self._digests_by_number: pl.Series | None = None
        self._hidden: tuple[int, pl.Series] | None = None  # numbers of hidden people, and how many numbers there were
        self._keeps_digests = False
        self._kept_digests: dict[str, pl.Series] = {}  # by the name of another kept roster: digests by number
        self._numberings: dict[str, str] = {}  # by the path of a state file: the numbering that it names
        self._alone = RLock()  # rows are given by one thread at a time
        self._number()

    @classmethod
    def of(cls, snapshot: Snapshot, numbering: Numbering) -> "Roster":
        """Check a snapshot's ids (D1), and give numbers to those that have none."""
        ids, file_position = ids_in_order(snapshot)
        return cls(snapshot, numbering, numbering.numbers_of(ids, of_profiles=True), file_position=file_position)

    @classmethod
    def kept(cls, snapshot: Snapshot, state: State, name: str, numbering: Numbering) -> "Roster | None":
        """The roster that an evaluation kept under this name; None unless it was made of exactly this snapshot."""
        found = read_kept(state, name)
        if found is None or found.snapshot_key != roster_file.snapshot_key(snapshot):
            return None
        if found.numbering != numbering.name or not numbering.name:  # an older version numbered profiles each time
            return None
        read = found.read()
        roster = cls(
            snapshot, numbering, read[PROFILE_NUMBER].rechunk(), file_position=read.to_dict().get(FILE_POSITION)
        )
        roster.name = name
        if KEPT_DIGEST in read.columns:
            roster._digests, roster._keeps_digests = read[KEPT_DIGEST].rechunk(), True
        return roster

    # Numbers and rows

    def _number(self) -> None:
        """Set the number (UInt32) of each row, and the row (UInt32) of each number, null for a blanked one."""
        length, numbers = self.numbering.length, self._present_numbers
        rows = inverse(numbers, length)
        absent = rows.is_null()
        if absent.any():
            if self.numbering.has_blanks:
                absent &= self.numbering.ids.head(length).is_not_null()
            added = absent.arg_true().cast(ROW_TYPE).alias(numbers.name)
            behind = pl.int_range(len(numbers), len(numbers) + len(added), dtype=ROW_TYPE, eager=True)
            rows = rows.scatter(added, behind)
            numbers = pl.concat([numbers, added]).rechunk()
        self._numbers, self._rows = numbers, rows
        self._present_numbers = numbers.head(self.present)
        self._has_profile = (rows < self.present).fill_null(value=False)

    def _grown(self) -> None:
        """Give rows to profiles that were numbered meanwhile."""
        with self._alone:
            if len(self._rows) != self.numbering.length:
                self._number()

    def numbers_and_rows(self) -> tuple[pl.Series, pl.Series]:
        """``numbers`` and ``rows`` of one moment: another thread may number further profiles."""
        self._grown()
        with self._alone:
            return self._numbers, self._rows

    @property
    def length(self) -> int:
        """The number of rows given so far."""
        self._grown()
        return len(self._numbers)

    @property
    def numbers(self) -> pl.Series:
        """The number (UInt32) of each row."""
        self._grown()
        return self._numbers

    @property
    def rows(self) -> pl.Series:
        """The row (UInt32) of each number; null for a blanked one."""
        self._grown()
        return self._rows

    @cached_property
    def are_numbers(self) -> bool:
        """Whether the rows of present profiles are their numbers."""
        return self._present_numbers.equals(pl.int_range(self.present, dtype=ROW_TYPE, eager=True))

    @property
    def present_numbers(self) -> pl.Series:
        """Whether the snapshot has the profile of each number (Boolean)."""
        self._grown()
        return self._has_profile

    def rows_of(self, ids: pl.Series) -> pl.Series:
        """The row (UInt32) of each id (String); an unknown id is given a number, and a row after all others."""
        numbers = self.numbering.numbers_of(ids)
        return self.rows.gather(numbers)

    @property
    def present_ids(self) -> pl.Series:
        """The ids (String) of the snapshot's profiles, by row; made anew each time, since they take much memory."""
        return self._ids_from(0, self.present)

    def _ids_from(self, first: int, count: int) -> pl.Series:
        """The ids (String) of some of the snapshot's profiles, from row ``first`` on."""
        return self.numbering.ids.gather(self._present_numbers.slice(first, count))

    def ids_of(self, rows: pl.Series) -> pl.Series:
        """The id (String) of each row."""
        return self.numbering.ids.gather(self.numbers.gather(rows))

    # Order

    def rank_of(self, rows: pl.Series) -> pl.Series:
        """The rank (UInt64) of each row: a frame that is sorted by it is in the order of M6.

        Ranks of absent profiles hold among the rows that are asked for at once.
        """
        ranks = (rows.cast(RANK_TYPE) + 1) * _BETWEEN
        absent = rows >= self.present
        if not absent.any():
            return ranks
        return ranks.scatter(absent.arg_true(), self._absent_ranks(rows.filter(absent), rows.filter(~absent)))

    def _absent_ranks(self, rows: pl.Series, present: pl.Series) -> pl.Series:
        """The ranks of absent profiles: each is behind that of the ``present`` rows before it, in the order of ids."""
        found = self._with_keys(rows).with_row_index("asked").sort("key0", "key1")
        others = present.unique().sort()
        keys = self._with_keys(others)["key0"].set_sorted()
        places = keys.search_sorted(found["key0"].drop_nulls(), side="left").cast(RANK_TYPE)
        behind = pl.concat([pl.Series([0], dtype=RANK_TYPE), (others.cast(RANK_TYPE) + 1) * _BETWEEN])
        before = behind.gather(pl.concat([places.head(0).extend_constant(0, found["key0"].null_count()), places]))
        ranks = before + pl.int_range(1, len(found) + 1, dtype=RANK_TYPE, eager=True)
        return found.with_columns(ranks.alias("rank")).sort("asked")["rank"]

    def _with_keys(self, rows: pl.Series) -> pl.DataFrame:
        """Rows with the sort keys of M6: ``muster:row``, ``key0``, ``key1``."""
        first, *others = self.snapshot.id_order()
        frame = pl.DataFrame([self.ids_of(rows).alias(ID), rows.alias(ROW)])
        return frame.select(ROW, first.alias("key0"), (others[0] if others else first).alias("key1"))

    def is_present(self, rows: pl.Series) -> pl.Series:
        """Whether the snapshot has the profile of each row."""
        return rows < self.present

    @property
    def in_file_order(self) -> bool:
        """Whether the snapshot's files have the profiles in the order of their rows."""
        return self.file_position is None

    def in_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame that was read in the order of the snapshot's files, ordered by roster row; the id hashes are dropped.

        ``DataError`` when ``muster:id_hash`` does not have the id hashes of the profiles of these rows: the snapshot
        was written anew meanwhile, and a value must never come to another person.
        """
        if frame.height != self.present:
            raise self._changed()
        return self.checked(frame if self.file_position is None else frame[self.file_position], 0)

    def checked(self, frame: pl.DataFrame, first: int) -> pl.DataFrame:
        """Some rows of ``in_order``, from row ``first`` on, whose id hashes are checked and dropped."""
        start = first
        for piece in frame.select(ID_HASH).iter_slices(_PIECE):
            if not piece[ID_HASH].equals(hashes_of(self._ids_from(start, piece.height))):
                raise self._changed()
            start += piece.height
        return frame.drop(ID_HASH)

    def checked_parts(self, parts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The rows of ``in_order`` in parts, which have them in the order of the roster already."""
        first = 0
        for part in parts:
            yield self.checked(part, first)
            first += part.height
        if first != self.present:
            raise self._changed()

    def check_rows(self, rows: pl.Series, id_hashes: pl.Series) -> None:
        """``DataError`` unless the id hashes that were read are those of the profiles of these rows."""
        if not id_hashes.equals(hashes_of(self.ids_of(rows))):
            raise self._changed()

    def _changed(self) -> DataError:
        return DataError(
            f"{self.snapshot.name}: the snapshot changed while it was read; run the command again once it "
            f"is written, and write snapshots under a name that starts with '_' until they are complete"
        )

    # Forgotten people

    @property
    def hidden_numbers(self) -> pl.Series:
        """The numbers (UInt32) of the forgotten people whom the snapshot hides, as far as they have one (G8)."""
        hidden, length = self.snapshot.without, self.numbering.length
        if hidden is None:
            return nulls(ROW_TYPE, 0, ROW)
        with self._alone:
            if self._hidden is None or self._hidden[0] != length:
                self._hidden = length, self.numbering.known_numbers_of(hidden).drop_nulls().alias(ROW)
            return self._hidden[1]

    @property
    def forgotten_numbers(self) -> pl.Series:
        """The numbers (UInt32) of forgotten people, as far as they have one (G8)."""
        return pl.concat([self.hidden_numbers, self.numbering.of_forgotten]).unique()

    def stored_ids_of(self, rows: pl.Series) -> pl.Series:
        """The id (String) of each row as files of the state may have it: null for somebody forgotten."""
        ids, forgotten = self.ids_of(rows), self.forgotten_numbers
        if forgotten.is_empty():
            return ids
        return ids.scatter(self.numbers.gather(rows).is_in(forgotten.implode()).arg_true(), None)

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
            return nulls(DIGEST_TYPE, len(rows))
        return self.digests().gather(self.numbers.gather(rows))

    def _present_digests(self) -> pl.Series:
        """The digest of each present profile's identity map, by row."""
        with self._alone:
            if self._digests_by_number is not None:
                return self._digests_by_number.gather(self._present_numbers)
            if self._digests is None:
                digests = digest(self.snapshot.source.identity_map, self.snapshot.identity_type).alias(KEPT_DIGEST)
                read = engine.collect(with_id_hash(self.snapshot.frame()).select(ID_HASH, digests))
                self._digests = self.in_order(read)[KEPT_DIGEST].rechunk()
            return self._digests

    def digests(self) -> pl.Series:
        """The digest of the identity map of each number (UInt64); null if the profile or the map is absent (X3c)."""
        length = self.numbering.length
        if not self.has_digests:
            return nulls(DIGEST_TYPE, length, KEPT_DIGEST)
        with self._alone:
            if self._digests_by_number is None or len(self._digests_by_number) < length:
                self._digests_by_number = by_number(self._present_digests(), self._present_numbers, length)
                self._digests = None  # they are in memory once
            return self._digests_by_number

    def digests_at(self, state: State, name: str) -> pl.Series:
        """The digest of each number (UInt64) as the kept roster of this name has them; null where it has none.

        Its numbers are of this numbering. ``StateError`` when its file is missing or damaged.
        """
        if name == self.name and self.has_digests:
            return self.digests()
        with self._alone:
            if name not in self._kept_digests:
                self._kept_digests[name] = self._read_digests(state, name)
            found, length = self._kept_digests[name], self.numbering.length
            return found if len(found) == length else found.extend_constant(None, length - len(found))

    def _read_digests(self, state: State, name: str) -> pl.Series:
        kept = KeptRoster.read_from(state, name)
        found = engine.collect(kept.frame.select(PROFILE_NUMBER, KEPT_DIGEST))
        return by_number(found[KEPT_DIGEST], found[PROFILE_NUMBER], self.numbering.length)

    # Files of the state

    def keep(self, state: State, *, digests: bool) -> str:
        """Write the roster, with its identity digests if ``digests``; the result is the name of the file."""
        if self.name is None:
            columns = {PROFILE_NUMBER: self._present_numbers}
            if digests and self.has_digests:
                columns[KEPT_DIGEST] = self._present_digests()
                self._keeps_digests = True
            if self.file_position is not None:
                columns[FILE_POSITION] = self.file_position
            self.name = roster_file.write_kept(state, columns, self.snapshot, self.numbering.kept_name)
        return self.name

    def marked(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
        """A frame as the state keeps it: ``profile_id`` and ``profile_number`` in the place of ``muster:row``.

        Numbers that the state does not keep are null. The second value is the metadata of the file, which name the
        roster.
        """
        numbers, kept = self.numbers.gather(frame[ROW]), self.numbering.kept
        known = pl.DataFrame([numbers.alias(ROW)]).select(pl.when(pl.col(ROW) < kept).then(ROW))[ROW]
        ids = self.numbering.ids.gather(numbers).alias(PROFILE_ID)
        columns = [ids if name == ROW else pl.col(name) for name in frame.columns]
        return frame.select(*columns, known.alias(PROFILE_NUMBER)), roster_file.marks(self.name, self.numbering.name)

    def knows_numbers_of(self, state: State, stored: StoredFile) -> bool:
        """Whether the numbers in a state file are of this numbering; else profiles are found by their ids."""
        with self._alone:
            if stored.path not in self._numberings:
                self._numberings[stored.path] = roster_file.numbering_of(state, stored)
            return self._numberings[stored.path] == self.numbering.name != ""

    def has_numbers_of(self, state: State, stored: StoredFile) -> bool:
        """Whether a state file is a part of a block by numbers of this numbering, so that all in it have numbers."""
        return stored.audience is not None and self.knows_numbers_of(state, stored)

    def known_numbers(self, state: State, stored: StoredFile, frame: pl.LazyFrame) -> pl.Series:
        """The numbers (UInt32) of the profiles in a frame of a state file; those without a number are left out."""
        if self.knows_numbers_of(state, stored):
            numbers = engine.collect(frame.select(PROFILE_NUMBER))[PROFILE_NUMBER]
            frame = frame.filter(pl.col(PROFILE_NUMBER).is_null())
        else:
            numbers = pl.Series(PROFILE_NUMBER, [], dtype=ROW_TYPE)
        if len(numbers) and not numbers.has_nulls():
            return numbers
        ids = engine.collect(frame.select(PROFILE_ID))[PROFILE_ID]
        known = self.numbering.known_numbers_of(ids).alias(PROFILE_NUMBER)
        return pl.concat([numbers, known]).drop_nulls()

    def numbered(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A frame with ``muster:row`` (UInt32) in the place of its ``profile_id``."""
        found = engine.collect(frame)
        return found.select(self.rows_of(found[PROFILE_ID]).alias(ROW), pl.exclude(PROFILE_ID))

    def read(self, state: State, stored: StoredFile, *columns: pl.Expr) -> pl.DataFrame:
        """The named columns of a state file, or all, with ``muster:row`` in the place of the profile ids.

        ``StateError`` when the file is damaged.
        """
        frame = state.read(stored)
        if not self.knows_numbers_of(state, stored):
            return self.numbered(frame.select(PROFILE_ID, *roster_file.unnumbered(*columns)))
        found = engine.collect(frame.select(pl.col(PROFILE_NUMBER).alias(ROW), *roster_file.unnumbered(*columns)))
        unknown = found[ROW].is_null()
        rows = self.rows.gather(found[ROW])
        if unknown.any():
            ids = engine.collect(frame.select(PROFILE_ID))[PROFILE_ID].filter(unknown)
            rows = rows.scatter(unknown.arg_true(), self.rows_of(ids))
        return found.with_columns(rows.alias(ROW)).filter(pl.col(ROW).is_not_null())  # nobody has a blanked number
