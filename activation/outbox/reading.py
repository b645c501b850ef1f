"""An outbox that is read: its requests by number, their entries, and the bodies of whole requests and of parts (V8)."""

import hashlib
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from muster.activation.endpoints.protocol import Outgoing, Record
from muster.activation.errors import StateError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.messages import requests as columns
from muster.activation.messages.requests import REQUEST_ID
from muster.activation.model.history import Run, StoredFile
from muster.activation.outbox import answer_log
from muster.activation.outbox.places import ABSENT, Places, Span, places_of
from muster.activation.outbox.writing import AT, ENTRIES, FIRST, PART_SIZES, SIZE, lists_of, size
from muster.activation.profile_changes.people import WAS_REFUSED
from muster.activation.state.files import State
from muster.activation.system.disk import own_file
from muster.activation.system.os_errors import system_message

_ID = REQUEST_ID.encode()
_ROWS = 256  # of requests that are made into Python's objects at once
_KEPT = 16  # requests whose places are kept


@dataclass(frozen=True)
class Stored:
    """A request as the outbox has it."""

    phase: int
    method: str
    url: str
    refused_as: str | None  # the reason for which the request is refused unsent
    at: int
    size: int
    part_sizes: tuple[int, ...]
    entries: range


@dataclass(eq=False)
class Outbox:
    """An outbox in the state folder. One thread reads it at a time, but for ``outgoing``."""

    state: State
    run: Run
    record: dict[str, Any]
    new_keys: str = ""  # where requests of a run that ended are sent under other keys: what makes them others (V11)
    _parts: dict[int, pl.DataFrame] = field(default_factory=dict)  # requests of the parts that were read last
    _rows: dict[int, dict[str, Any]] = field(default_factory=dict)  # some of these, by number
    _kept_places: dict[int, Places] = field(default_factory=dict)  # by where the body begins

    @property
    def name(self) -> str:
        """The beginning of the ids of the outbox's requests: unique in the workspace."""
        return answer_log.name_of(self.run.run_id, self.run.compared or 1)

    @property
    def folder(self) -> Path:
        """Where the outbox lies."""
        return self.state.folder / str(self.record["folder"])

    @property
    def shown(self) -> str:
        """The folder as messages name it."""
        return f"{self.state.folder.name}/{self.record['folder']}"

    @property
    def is_restored(self) -> bool:
        """Whether the outbox has no texts: it comes from a backup, and is never sent (V8)."""
        return not self.state.path(self._texts).exists()

    @property
    def people(self) -> pl.LazyFrame:
        """The people to send, with the columns of ``profile_changes.people``."""
        return self.state.read(StoredFile.of(self.record["people"]))

    @property
    def entries(self) -> pl.LazyFrame:
        """All entries in their order, with the columns of ``messages.requests`` but texts."""
        scans = [self.state.read(each) for each in self._entry_parts]
        return pl.concat(scans).select(*columns.ENTRY_TYPES) if scans else pl.LazyFrame(schema=columns.ENTRY_TYPES)

    @property
    def request_count(self) -> int:
        """How many requests there are, without halves."""
        return int(self.record["totals"]["requests"])

    @property
    def entry_count(self) -> int:
        """How many entries there are."""
        return int(self.record["totals"]["entries"])

    @property
    def _texts(self) -> StoredFile:
        return StoredFile.of(self.record["texts"])

    @property
    def _entry_parts(self) -> list[StoredFile]:
        return [StoredFile.of(each) for each in self.record["entries"]]

    @property
    def _request_parts(self) -> list[StoredFile]:
        return [StoredFile.of(each) for each in self.record["requests"]]

    def _column(self, parts: Iterable[StoredFile], name: str, kind: str) -> "array[int]":
        found = array(kind)
        for part in parts:
            frame = engine.collect(self.state.read(part).select(pl.col(name).cast(pl.Int64).fill_null(ABSENT)))
            found.extend(frame.to_series().to_list())
        return found

    @cached_property
    def persons(self) -> "array[int]":
        """By entry the row of the person to send."""
        return self._column(self._entry_parts, columns.PERSON, "I")

    @cached_property
    def _firsts(self) -> "array[int]":
        """By request the first of its entries, and the number of all entries behind them."""
        found = self._column(self._request_parts, FIRST, "I")
        found.append(self.entry_count)
        return found

    @cached_property
    def _sizes(self) -> "tuple[array[int], ...]":
        """By list, and by entry, the bytes of the entry's text."""
        parts = self._entry_parts
        names = engine.schema_of(self.state.read(parts[0])).names() if parts else []
        return tuple(self._column(parts, size(k), "q") for k in range(lists_of(names)))

    @cached_property
    def phases(self) -> Sequence[int]:
        """The first request of each phase, and the number of all requests behind them."""
        found = self._column(self._request_parts, columns.PHASE, "B")
        later = [number for number, (before, here) in enumerate(pairwise(found), start=1) if before != here]
        return [0, *later, len(found)] if found else [0]

    @cached_property
    def profile_ids(self) -> pl.Series:
        """By person the profile id (String)."""
        return engine.collect(self.people.select(PROFILE_ID)).to_series()

    @cached_property
    def refused_before(self) -> frozenset[int]:
        """The persons who were refused in an earlier run (V10)."""
        rows = self.people.with_row_index("person").filter(pl.col(WAS_REFUSED)).select("person")
        return frozenset(engine.collect(rows).to_series())

    @cached_property
    def _starts(self) -> list[int]:
        """By part the first request in it, and the number of all requests behind them."""
        found = [0]
        for part in self._request_parts:
            found.append(found[-1] + int(engine.collect(self.state.read(part).select(pl.len())).item()))
        return found

    def persons_of(self, entries: Sequence[int]) -> "Sequence[int] | array[int]":
        """The persons of some entries."""
        if isinstance(entries, range):
            return self.persons[entries.start : entries.stop]
        return [self.persons[entry] for entry in entries]

    def entries_of(self, number: int) -> range:
        """The entries of a request."""
        return range(self._firsts[number], self._firsts[number + 1])

    def stored(self, number: int) -> Stored:
        """A request by its number."""
        if number not in self._rows:
            self._rows = dict(self._rows_from(number))
        row = self._rows[number]
        return Stored(
            phase=row[columns.PHASE],
            method=row[columns.METHOD],
            url=row[columns.URL],
            refused_as=row[columns.REFUSED_AS],
            at=row[AT],
            size=row[SIZE],
            part_sizes=tuple(row[PART_SIZES]),
            entries=range(row[FIRST], row[FIRST] + row[ENTRIES]),
        )

    def _rows_from(self, number: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Some requests from one on, as the files have them."""
        part = bisect_right(self._starts, number) - 1
        if part not in self._parts:
            while len(self._parts) > 1:
                del self._parts[next(iter(self._parts))]
            self._parts[part] = engine.collect(self.state.read(self._request_parts[part]))
        first = number - self._starts[part]
        return enumerate(self._parts[part].slice(first, _ROWS).iter_rows(named=True), start=number)

    @cached_property
    def _descriptor(self) -> int:
        try:
            return own_file(str(self.state.path(self._texts)), os.O_RDONLY)
        except OSError as error:
            shown = f"{self.state.folder.name}/{self._texts.path}"
            raise StateError(f"{shown}: the file cannot be read ({system_message(error)})") from error

    def prepare(self) -> None:
        """Read what ``outgoing`` needs, before several threads call it."""
        _ = self._descriptor, self._sizes, self.persons, self._firsts, self._starts
        if self.request_count and not self.stored(0).method:
            _ = self.profile_ids

    def close(self) -> None:
        """Close the file of texts, if it was opened."""
        if descriptor := self.__dict__.pop("_descriptor", None):
            os.close(descriptor)

    def outgoing(self, own_id: str, stored: Stored, entries: Sequence[int]) -> Outgoing:
        """A request, or a part of one, as it is sent: with the bytes that it has each time (V8).

        ``own_id`` is the request's id within the outbox: ``12``, or ``12.0`` of a half.
        """
        request_id = f"{self.name}-{own_id}"
        if not stored.method:
            data = [text.replace(_ID, request_id.encode()) for text in self._records(stored, entries)]
            ids = (self.profile_ids[self.persons[entry]] for entry in entries)
            records = tuple(Record(*each) for each in zip(ids, data, strict=True))
            return Outgoing(request_id, self._key("", "", b"\n".join(data)), records=records)
        url, spans = stored.url.replace(REQUEST_ID, request_id), [(0, stored.size)]
        if len(entries) < len(stored.entries):
            positions = range(entries[0] - stored.entries.start, entries[-1] + 1 - stored.entries.start)
            spans = list(self._places(stored).part_of(positions))
        body = b"".join(self._read(stored, span) for span in spans).replace(_ID, request_id.encode())
        return Outgoing(request_id, self._key(stored.method, url, body), stored.method, url, body, entries=len(entries))

    def _records(self, stored: Stored, entries: Sequence[int]) -> Iterator[bytes]:
        """The records of some entries of a request of a stream."""
        whole, places = self._read(stored, (0, stored.size)), self._places(stored).lists[0]
        for entry in entries:
            begin, end = places[entry - stored.entries.start] or (0, 0)
            yield whole[begin:end]

    def _read(self, stored: Stored, span: Span) -> bytes:
        return os.pread(self._descriptor, span[1] - span[0], stored.at + span[0])

    def _places(self, stored: Stored) -> Places:
        """Where parts and texts are in a request's body; those of a few requests are kept, for their other halves."""
        found = self._kept_places.get(stored.at)
        if found is None:
            own = slice(stored.entries.start, stored.entries.stop)
            found = places_of(stored.part_sizes, [sizes[own] for sizes in self._sizes])
            if len(self._kept_places) >= _KEPT:
                self._kept_places.clear()
            self._kept_places[stored.at] = found
        return found

    def _key(self, method: str, url: str, body: bytes) -> str:
        """The Idempotency-Key of a request (V8)."""
        return key_of(self.run.run_id, self.run.compared or 1, method, url, body, new_keys=self.new_keys)


def key_of(run_id: str, compared: int, method: str, url: str, body: bytes, *, new_keys: str = "") -> str:
    """The Idempotency-Key: a hash of run id, comparison, method, url and body; of ``new_keys`` too if there are any."""
    digest = hashlib.sha256()
    pieces = [run_id.encode(), b"%d" % compared, method.encode(), url.encode(), body]
    for piece in (*pieces, *([new_keys.encode()] if new_keys else [])):
        digest.update(b"%d:" % len(piece) + piece)
    return digest.hexdigest()[:32]


def open_outbox(state: State, run: Run, *, is_fresh: bool = False) -> Outbox:
    """The outbox of a run that is being sent. Files are compared with their checksums before they are used.

    ``is_fresh``: this command has just written it. ``StateError`` when a file is damaged, or missing, but for the
    texts, which a restored outbox does not have.
    """
    if run.outbox is None:
        raise ValueError(f"run {run.run_id} has no outbox")
    outbox = Outbox(state, run, run.outbox)
    if not is_fresh and not outbox.is_restored:
        state.check(StoredFile.of(run.outbox["texts"]))
    return outbox
