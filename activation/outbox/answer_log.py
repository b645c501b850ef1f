"""The log of an outbox: which requests may have been sent, and what was answered, one record a line (V8).

Records are appended and never changed. Each is written at once, so that a killed command loses none, and reaches the
disk within ``SYNC_SECONDS``; a note that requests may have been sent is on the disk before the first of them is sent.
A line is the checksum of its number and its record, and the record as JSON:

{"outbox": "<run>.<comparison>"}                        the first one
{"noted": ["0-7", "12.0"], "boot": "5d8e..."}           may have been sent from here on; ``12.0``: a half of request 12
{"sending": "3"}                                        is being sent
{"answered": "3", "meaning": "accepted", "reason": "", "refused": {"4": "422"}, ...}

A last line that is torn counts as not written: a power cut came first. Any other damage is an error. While the machine
has not been started anew since a note, no record is lost: what was noted and never ``sending`` was never sent.
"""

import json
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from muster.activation.endpoints.protocol import Answer
from muster.activation.errors import StateError
from muster.activation.system.boot import boot
from muster.activation.system.disk import create_file, own_file, sync

LOG = "answers.log"
SYNC_SECONDS = 0.05
_OUTBOX, NOTED, BOOT, SENDING, ANSWERED = "outbox", "noted", "boot", "sending", "answered"

Record = dict[str, Any]
_as_text = json.JSONEncoder(separators=(",", ":")).encode


def name_of(run_id: str, compared: int) -> str:
    """The name of an outbox in its log, and the beginning of the ids of its requests."""
    return f"{run_id}-{compared}"


def create(folder: Path, file_mode: int, outbox: str) -> None:
    """Begin the log of an outbox, and sync it; ``OSError`` when the system refuses."""
    path = folder / LOG
    create_file(path, file_mode)
    with open(path, "r+b", buffering=0, opener=own_file) as file:  # Path.open takes no opener
        _write(file.fileno(), _line(0, {_OUTBOX: outbox}))
    sync(path)


def noted(ids: Sequence[str]) -> Record:
    """The record that requests, or halves of requests, may have been sent; ranges such as ``0-7`` are ids too."""
    return {NOTED: list(ids), BOOT: boot()}


def sending(request_id: str) -> Record:
    """The record that a request is being sent."""
    return {SENDING: request_id}


def answered(request_id: str, answer: Answer) -> Record:
    """The record of an answer. It has no text that the receiver chose, beyond the reason (V12)."""
    return {
        ANSWERED: request_id,
        "meaning": answer.meaning,
        "reason": answer.reason,
        "refused": {str(position): reason for position, reason in answer.refused.items()},
        "again": list(answer.again),
        "refused_count": answer.refused_count,
        "sent": answer.sent,
    }


def answer_in(record: Record) -> Answer:
    """The answer that a record tells of."""
    refused = {int(position): reason for position, reason in record["refused"].items()}
    again = tuple(record["again"])
    return Answer(record["meaning"], record["reason"], refused, again, record["refused_count"], sent=record["sent"])


def read(folder: Path, outbox: str) -> Iterator[Record]:
    """The records of the log of an outbox, without the first; ``StateError`` when it is damaged, or of another one."""
    yield from (record for record, _ in records_with_ends(folder, outbox) if record is not None)


def records_with_ends(folder: Path, outbox: str) -> Iterator[tuple[Record | None, int]]:
    """The records of ``read``, each with the bytes of the log up to its end; None for the first record."""
    lines = _lines(folder)
    first = next(lines, None)
    if first is None or first[0].get(_OUTBOX) != outbox:
        raise StateError(damaged(folder, "it does not begin as the log of this outbox"))
    yield None, first[1]
    yield from lines


def _lines(folder: Path) -> Iterator[tuple[Record, int]]:
    """The records, up to a torn last line, each with the bytes up to its end."""
    try:
        with (folder / LOG).open("rb") as file:
            end = 0
            for number, line in enumerate(file):
                record = _record(number, line)
                if record is None:
                    if file.read(1):
                        raise StateError(damaged(folder, f"line {number + 1} is not as it was written"))
                    return
                end += len(line)
                yield record, end
    except FileNotFoundError:
        raise StateError(damaged(folder, "it is missing")) from None


def damaged(folder: Path, what: str) -> str:
    """The message about the damaged log in an outbox's folder: where, what, and the way out."""
    shown, key = "/".join((*folder.parts[-5:], LOG)), "/".join(folder.parts[-3:-1])
    remedy = f"run `muster state repair --drop-outbox {key}`; see `muster state check`"
    return f"{shown}: {what}: the state is damaged; {remedy}"


def _line(number: int, record: Record) -> bytes:
    text = _as_text(record)
    return f"{_checksum(number, text)} {text}\n".encode()


def _checksum(number: int, text: str) -> str:
    return f"{zlib.crc32(f'{number} {text}'.encode()):08x}"


def _record(number: int, line: bytes) -> Record | None:
    """The record of a whole line; None of one that is torn or damaged."""
    try:
        checksum, _, text = line.decode().partition(" ")
    except UnicodeDecodeError:
        return None
    if not text.endswith("\n") or checksum != _checksum(number, text[:-1]):
        return None
    record: Record = json.loads(text)
    return record


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


class AnswerLog:
    """The log of one outbox, open for appending. Several threads may append; a thread of its own syncs."""

    def __init__(self, folder: Path, records: int, size: int) -> None:
        """Open the log behind its whole lines; a torn last line is taken away. ``OSError`` when that fails."""
        self._descriptor = own_file(str(folder / LOG), os.O_WRONLY)
        self._changing = threading.Lock()  # held while the file, or what is known of it, changes
        self._syncing = threading.Lock()  # held while the file is synced
        self._number = records
        self._unsynced = False
        self._broken: OSError | None = None
        self._ended = threading.Event()
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)
        self._syncer = threading.Thread(target=self._sync_often, name="muster-answers", daemon=True)
        self._syncer.start()

    @classmethod
    def opened(cls, folder: Path) -> Self:
        """The log of an outbox, to be continued."""
        records = size = 0
        with (folder / LOG).open("rb") as file:
            for line in file:
                if _record(records, line) is None:
                    break
                records += 1
                size += len(line)
        return cls(folder, records, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, record: Record, *, synced: bool = False) -> None:
        """Write a record; ``synced`` returns once it is on the disk. ``OSError`` when it, or one before it, failed.

        Nothing is written once the log is closed: a request that was answered later may be sent again.
        """
        with self._changing:
            if self._broken:
                raise self._broken
            if self._ended.is_set():
                return
            try:
                _write(self._descriptor, _line(self._number, record))
            except OSError as error:
                self._broken = error
                raise
            self._number += 1
            self._unsynced = True
        if synced:
            self._sync()

    def _sync(self) -> None:
        with self._syncing:
            with self._changing:
                if self._broken:
                    raise self._broken
                if not self._unsynced or self._descriptor < 0:
                    return
                self._unsynced = False
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                self._broken = error
                raise

    def _sync_often(self) -> None:
        while not self._ended.wait(SYNC_SECONDS):
            try:
                self._sync()
            except OSError:  # the next record that is appended tells of it
                return

    def close(self) -> None:
        """Sync what was written, and write nothing more. ``OSError`` when the disk does not take it."""
        with self._changing:
            if self._ended.is_set():
                return
            self._ended.set()
        try:
            self._sync()
        finally:
            with self._syncing, self._changing:
                os.close(self._descriptor)
                self._descriptor = -1
        self._syncer.join()
