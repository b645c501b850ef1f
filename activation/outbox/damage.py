"""What is wrong with an outbox on disk, and what is left of a damaged one (SPEC 10, V8)."""

import os
from collections.abc import Iterator
from typing import Any

from muster.activation.errors import StateError
from muster.activation.model.history import Run, StoredFile
from muster.activation.outbox import answer_log
from muster.activation.outbox.course import Course
from muster.activation.outbox.reading import Outbox
from muster.activation.outbox.settle import learn, replayed
from muster.activation.state.files import State
from muster.activation.system.disk import sync


def faults(state: State, run: Run) -> Iterator[StateError]:
    """What is wrong with the outbox of a run that is being sent; nothing of one that is sound, or restored (V8)."""
    outbox = Outbox(state, run, run.outbox or {})
    found = list(_file_faults(outbox))
    yield from found
    if not found:
        try:
            replayed(outbox)
        except StateError as error:
            yield error


def _file_faults(outbox: Outbox) -> Iterator[StateError]:
    for stored in files_of(outbox.record):
        if outbox.is_restored and stored.path.endswith("/texts"):
            continue
        try:
            outbox.state.check(stored)
        except StateError as error:
            yield error


def files_of(record: dict[str, Any]) -> list[StoredFile]:
    """The files of an outbox that the ledger knows: all but the log."""
    records = [record["people"], *record["requests"], *record["entries"], record["texts"]]
    return [StoredFile.of(each) for each in records]


def keep_what_is_known(state: State, run: Run) -> bool:
    """Make of a damaged outbox one that is never sent: everybody without a known answer is uncertain (V8).

    The log keeps its records up to the damage, and the texts are removed. False when that cannot be done, as people,
    requests or entries are damaged: nobody can say any more who was told what.
    """
    outbox = Outbox(state, run, run.outbox or {})
    if any(not str(fault).startswith(f"{outbox.shown}/texts") for fault in _file_faults(outbox)):
        return False
    (outbox.folder / "texts").unlink(missing_ok=True)
    kept = _sound_bytes(outbox)
    if kept is None:
        (outbox.folder / answer_log.LOG).unlink(missing_ok=True)
        answer_log.create(outbox.folder, state.file_mode, outbox.name)
    else:
        os.truncate(outbox.folder / answer_log.LOG, kept)
        sync(outbox.folder / answer_log.LOG)
    sync(outbox.folder)
    return True


def _sound_bytes(outbox: Outbox) -> int | None:
    """How many bytes of the log can be believed; None when not even its beginning can."""
    course, kept = Course(outbox), None
    try:
        for record, end in answer_log.records_with_ends(outbox.folder, outbox.name):
            if record is not None:
                learn(course, record, outbox)
            kept = end
    except StateError:
        pass
    return kept
