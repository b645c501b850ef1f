"""What became of the entries of an outbox: told by its log, or by a course that was just sent (V2, V8, V10)."""

import polars as pl

from muster.activation.errors import StateError
from muster.activation.outbox import answer_log
from muster.activation.outbox.course import MAYBE, NOT_SENT, NOT_TAKEN, REFUSED, TAKEN, Course
from muster.activation.outbox.outcomes import (
    ACCEPTED,
    OUTCOME,
    OUTCOME_TYPE,
    REASON,
    UNCERTAIN,
    UNSENT,
    Outcomes,
)
from muster.activation.outbox.outcomes import REFUSED as REFUSED_OUTCOME
from muster.activation.outbox.reading import Outbox
from muster.activation.system.boot import boot

_OUTCOMES = {NOT_SENT: UNSENT, TAKEN: ACCEPTED, REFUSED: REFUSED_OUTCOME, MAYBE: UNCERTAIN, NOT_TAKEN: UNSENT}
_OF_TEMPLATE = _OUTCOMES | {REFUSED: UNSENT}
# Of a restored outbox nobody knows what was sent after the backup (V8).
_OF_RESTORED = _OUTCOMES | {NOT_SENT: UNCERTAIN, NOT_TAKEN: UNCERTAIN}
_NOT_SENT = {"throttled", "unsent"}


def replayed(outbox: Outbox) -> Course:
    """The course of an outbox up to where its log ends; ``StateError`` when the log is damaged."""
    course = Course(outbox)
    for record in answer_log.read(outbox.folder, outbox.name):
        learn(course, record, outbox)
    course.go_on(boot())
    return course


def learn(course: Course, record: answer_log.Record, outbox: Outbox) -> None:
    """Tell a course a record of the log; ``StateError`` when it cannot be one of this outbox."""
    try:
        if ids := record.get(answer_log.NOTED):
            course.was_noted(ids, record[answer_log.BOOT])
        elif piece_id := record.get(answer_log.SENDING):
            course.was_sending(piece_id)
        else:
            course.was_answered(record[answer_log.ANSWERED], answer_log.answer_in(record))
    except (KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
        raise StateError(answer_log.damaged(outbox.folder, "it does not belong to the requests")) from error


def settle(outbox: Outbox) -> Outcomes:
    """What became of an outbox of which nothing is sent any more, from the log alone (V8).

    Requests that were never sent are unsent, those that may have been sent are uncertain; of a restored outbox both
    are uncertain. ``StateError`` when the log is damaged.
    """
    return outcomes_of(replayed(outbox))


def outcomes_of(course: Course) -> Outcomes:
    """What became of each entry, as far as a course has come."""
    outbox, answers = course.outbox, course.answers()
    meant = _OF_TEMPLATE if course.is_template else _OF_RESTORED if outbox.is_restored else _OUTCOMES
    outcome = pl.Series(OUTCOME, list(course.codes), dtype=pl.UInt8).replace_strict(meant, return_dtype=OUTCOME_TYPE)
    messages = len(course.codes) - course.codes.count(NOT_SENT) - course.refused_unsent
    requests = sum(number for meaning, number in answers.items() if meaning not in _NOT_SENT)
    if outbox.is_restored:  # all may have been sent
        messages, requests = outbox.entry_count, max(requests, outbox.request_count)
    return Outcomes(
        entries=pl.concat([outbox.entries, pl.LazyFrame([outcome, _reasons(course, meant)])], how="horizontal"),
        error=course.error,
        messages=messages,
        requests=requests,
        repeated=frozenset(course.resent),
        refused_count=course.refused_count,
        answers=answers,
    )


def _reasons(course: Course, meant: dict[int, str]) -> pl.Series:
    """The reason of each entry (String): null where it is not refused."""
    total = len(course.codes)
    if meant is _OF_TEMPLATE:
        return pl.repeat(None, total, dtype=pl.String, eager=True).alias(REASON)
    refused = [(entry, reason) for entry, reason in course.reasons.items() if course.codes[entry] == REFUSED]
    found = pl.repeat(None, total, dtype=pl.String, eager=True).alias(REASON)
    return found.scatter([entry for entry, _ in refused], [reason for _, reason in refused]) if refused else found
