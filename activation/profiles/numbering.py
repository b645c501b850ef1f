"""The numbering: a number for every profile that the state ever named, given once and for ever.

State files and memory hold profiles by number, so that sets of people are compared as columns of Booleans. The state
keeps the ids in files of ``numbering/``, each named by its checksum, with one column:

profile_id  String: the id of the profile; null for a blanked number, which is given to nobody again

The place of a row, over all files in their order, is the number. New profiles go into a new file, which takes in those
before it that are not longer, so that few files remain however many evaluations there are.

State files with numbers have ids as well, and name the numbering that the numbers are of. So a damaged numbering costs
time alone: another one begins, and files of the former one are read by their ids.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from threading import RLock

import polars as pl

from muster.activation.errors import StateError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW, ROW_TYPE
from muster.activation.model.history import NumberedProfiles
from muster.activation.model.log import logger
from muster.activation.profiles.forgotten import Forgotten
from muster.activation.profiles.positions import nulls, positions
from muster.activation.state.files import State
from muster.activation.state.ledger import numbering_table
from muster.activation.state.ledger.database import Ledger

log = logger("muster.numbering")

_PIECE = 1 << 20  # ids that are looked up at once
_NOBODY = pl.Series(PROFILE_ID, [], dtype=pl.String)
_NUMBERS = pl.Series(ROW, [], dtype=ROW_TYPE)


class Numbering:
    """The numbers of profiles: those that the state keeps, and those that this command gave."""

    def __init__(
        self, state: State, files: list[NumberedProfiles], former: str = "", forgotten: Forgotten | None = None
    ) -> None:
        self._state = state
        self._files = files
        self._former = former  # the name of the damaged numbering that this one replaces
        self._forgotten = forgotten
        self._blanks: tuple[int, pl.Series] | None = None  # blanked numbers, and how many numbers there were
        self._given = _NOBODY  # the ids of the numbers that are not kept yet
        self._of_forgotten = _NUMBERS  # numbers of forgotten people, given to deal with them in this command alone
        self._alone = RLock()  # numbers are given by one thread at a time

    @classmethod
    def of(cls, state: State, ledger: Ledger) -> "Numbering":
        """The numbering that the state keeps, or a new one where its files are damaged."""
        files, forgotten = numbering_table.list_all(ledger), Forgotten.of(ledger)
        try:
            for each in files:
                state.read(each.stored)
        except StateError as error:
            log.warning("%s; profiles are numbered anew", error)
            return cls(state, [], files[0].name, forgotten)
        return cls(state, files, forgotten=forgotten)

    @property
    def name(self) -> str:
        """The name of the numbering; empty while the state keeps no number of it."""
        return self._files[0].name if self._files else ""

    @property
    def kept_name(self) -> str:
        """The name of the numbering if the state keeps all numbers given so far; empty otherwise.

        A file with numbers that are not kept may not name the numbering: they would be given to others.
        """
        return self.name if self.length == self.kept else ""

    @property
    def kept(self) -> int:
        """How many numbers the state keeps: those below it."""
        return sum(each.profiles for each in self._files)

    @property
    def length(self) -> int:
        """How many numbers were given so far, blanked ones included."""
        return self.kept + len(self._given)

    @cached_property
    def ids(self) -> pl.Series:
        """The id (String) of each number; null for a blanked one. ``StateError`` when a file is damaged."""
        kept = [self._read(each) for each in self._files]
        return pl.concat([*kept, self._given]).rechunk()

    def _read(self, each: NumberedProfiles) -> pl.Series:
        return engine.collect(self._state.read(each.stored).select(PROFILE_ID))[PROFILE_ID]

    @property
    def has_blanks(self) -> bool:
        """Whether a number was blanked."""
        return self.ids.null_count() > 0

    def blanks_below(self, length: int) -> pl.Series:
        """The blanked numbers (UInt32) below a length."""
        if not self.has_blanks:
            return _NUMBERS
        if self._blanks is None or self._blanks[0] != self.length:
            self._blanks = self.length, self.ids.is_null().arg_true().cast(ROW_TYPE)
        blanks = self._blanks[1]
        return blanks.filter(blanks < length)

    def numbers_of(self, ids: pl.Series, *, of_profiles: bool = False) -> pl.Series:
        """The number (UInt32) of each id (String); an id without a number is given the next one.

        ``of_profiles`` says that the ids are those of profiles that are there: with sources, of somebody else where an
        id was that of somebody forgotten.
        """
        with self._alone:
            numbers = self.known_numbers_of(ids)
            unknown = numbers.is_null()
            if not unknown.any():
                return numbers
            start, missing = self.length, ids.filter(unknown)
            if (missing > missing.shift(1)).all():  # null for the first, which does not count
                self._give(missing, of_profiles=of_profiles)
                given = pl.int_range(start, start + len(missing), dtype=ROW_TYPE, eager=True)
                return given.alias(ROW) if len(missing) == len(ids) else numbers.scatter(unknown.arg_true(), given)
            given = missing.unique().sort()
            self._give(given, of_profiles=of_profiles)
            return numbers.scatter(unknown.arg_true(), positions(missing, given, start))

    def known_numbers_of(self, ids: pl.Series) -> pl.Series:
        """The number of each id; null for an id without a number."""
        known = self.ids
        if not len(known):
            return nulls(ROW_TYPE, len(ids), ROW)
        if len(ids) == len(known) and ids.equals(known):
            return pl.int_range(len(ids), dtype=ROW_TYPE, eager=True).alias(ROW)
        if len(ids) <= _PIECE or not (ids.is_sorted() and self._is_sorted):
            return positions(ids, known, 0)
        return pl.concat([self._look_up_sorted(ids.slice(start, _PIECE)) for start in range(0, len(ids), _PIECE)])

    @cached_property
    def _is_sorted(self) -> bool:
        """Whether the ids of the first file, usually most of all, are in the order of their text."""
        return bool(self._files) and self._first.is_sorted()

    @property
    def _first(self) -> pl.Series:
        """The ids of the first file."""
        return self.ids.head(self._files[0].profiles)

    def _look_up_sorted(self, ids: pl.Series) -> pl.Series:
        """The number of each of these sorted ids: looked up in a range of the first file, then in the other ids."""
        first = self._first
        low, high = first.search_sorted(ids[0], side="left"), first.search_sorted(ids[-1], side="right")
        found = positions(ids, first.slice(low, high - low), low)
        if self.length == len(first) or not found.null_count():
            return found
        return found.zip_with(found.is_not_null(), positions(ids, self.ids.slice(len(first)), len(first)))

    def _give(self, ids: pl.Series, *, of_profiles: bool) -> None:
        """Give numbers to these distinct ids, which have none.

        Ids of forgotten people have none that is kept, so whoever comes to light again is met here (G8).
        """
        ids = ids.alias(PROFILE_ID)
        if self._forgotten and (found := self._forgotten.has(ids, former=not of_profiles)).any():
            numbers = found.arg_true().cast(ROW_TYPE) + self.length
            self._of_forgotten = pl.concat([self._of_forgotten, numbers.alias(ROW)])
        self.__dict__["ids"] = pl.concat([self.ids, ids]).rechunk()
        self._given = pl.concat([self._given, ids]).rechunk()

    # Forgotten people

    @property
    def of_forgotten(self) -> pl.Series:
        """The numbers (UInt32) that forgotten people were given in this command: no file of the state has their ids."""
        return self._of_forgotten

    @property
    def stored_ids(self) -> pl.Series:
        """``ids`` as files of the state may have them: null for forgotten people."""
        numbers = self._of_forgotten
        return self.ids.scatter(numbers, None) if len(numbers) else self.ids

    # Files of the state

    @contextmanager
    def kept_on(self) -> Iterator[list[NumberedProfiles]]:
        """Write the numbers that are not kept yet, for a transaction in the block that records the files (``put``).

        The numbers count as kept from now on, unless the block raises.
        """
        files, given = self._files, self._given
        if len(given):
            self._files, self._given = self._written(), _NOBODY
        self.__dict__.pop("_is_sorted", None)
        try:
            yield self._files
        except BaseException:
            self._files, self._given = files, given
            self.__dict__.pop("_is_sorted", None)
            raise

    def _written(self) -> list[NumberedProfiles]:
        """Write a file of the new numbers, which takes in those before it that are not longer."""
        files, first = list(self._files), self.kept
        while files and files[-1].profiles <= self.length - first:
            first = files.pop().first
        frame = self.stored_ids.slice(first).to_frame(PROFILE_ID)
        stored = self._state.write_numbered(frame)
        name = self.name or sha256(f"{self._former}{stored.sha256}".encode()).hexdigest()
        return [*files, NumberedProfiles(first, frame.height, name, stored)]

    def with_blanked(self, numbers: pl.Series) -> list[NumberedProfiles]:
        """Write the files that have these numbers (UInt32) without their ids, for ``numbering_table.put``.

        A blanked number stays, belongs to nobody, and is given to nobody again.
        """
        self._files, self._blanks = [self._blanked(each, numbers) for each in self._files], None
        self.__dict__.pop("ids", None)
        return self._files

    def _blanked(self, each: NumberedProfiles, numbers: pl.Series) -> NumberedProfiles:
        inside = numbers.filter((numbers >= each.first) & (numbers < each.first + each.profiles))
        if inside.is_empty():
            return each
        ids = self._read(each).scatter(inside - each.first, None)
        return replace(each, stored=self._state.write_numbered(ids.to_frame()))
