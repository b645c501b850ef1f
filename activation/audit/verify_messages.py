"""Compare what is kept of a run's messages with the ledger (V11); nothing is written, and no receiver is asked.

decision   the file is as it was written, and says as much of entries as the run
answers    requests were answered as often as the run says
bodies     made again, they have the digest of the outbox from which they were sent
"""

from collections.abc import Iterator

import polars as pl

from muster.activation.audit.verify import Checked, CheckedRun, Difference, Result
from muster.activation.errors import InputError, MusterError, StateError
from muster.activation.frames.engine import ReadError
from muster.activation.messages.requests import NO_URL, TOO_LARGE
from muster.activation.model.history import Run
from muster.activation.outbox.outcomes import OUTCOME, REASON, UNSENT
from muster.activation.outbox.reading import open_outbox
from muster.activation.outbox.settle import replayed
from muster.activation.redelivery.message_material import MessageMaterial, gather_messages
from muster.activation.session import Session
from muster.activation.wording import counted

NOT_ASKED = "muster's own record was compared; the receiver was not asked"
_NEVER_ARRIVED = {"throttled", "unsent"}  # meanings of answers of which ``Run.requests`` counts none


def check_messages(run: Run, session: Session) -> CheckedRun:
    """Compare a run of messages with its decision, its answers and the digest of its outbox.

    Of a run that is being sent it is the outbox that is compared.
    """
    location = f"the messages of {run.url or run.destination}"
    if run.status == "delivering":
        found = tuple(_of_outbox(run, session))
        return CheckedRun(run, messages=Checked(location, "differs" if found else "intact", found, note=NOT_ASKED))
    if not run.messages:
        return CheckedRun(run)
    differences, note = [*_of_answers(run)], NOT_ASKED
    if run.decision is None:
        note = f"{NOT_ASKED}; its decision was pruned or forgotten, so its bodies were not made again"
    else:
        try:
            session.state.check(run.decision)
            material = gather_messages(run, session, as_recorded=True)
            differences += [*_of_entries(run, material), *_of_bodies(material)]
        except (StateError, ReadError) as error:
            differences.append(Difference("unreadable", str(error)))
        except InputError as error:
            note = f"{NOT_ASKED}; its bodies could not be made again: {error}"
    result: Result = "differs" if differences else "intact"
    return CheckedRun(run, messages=Checked(location, result, tuple(differences), note=note))


def _of_outbox(run: Run, session: Session) -> Iterator[Difference]:
    try:
        outbox = open_outbox(session.state, run)
        try:
            replayed(outbox)
        finally:
            outbox.close()
    except MusterError as error:
        yield Difference("unreadable", str(error))


def _of_answers(run: Run) -> Iterator[Difference]:
    """Whether the requests of a run are those that were answered, or may have been."""
    answers = run.answers or {}
    answered = sum(number for meaning, number in answers.items() if meaning not in _NEVER_ARRIVED)
    if answered != run.requests:
        yield Difference(
            "answers", f"the run counts {counted(run.requests or 0, 'request')}, and its answers are of {answered:,}"
        )


def _of_entries(run: Run, material: MessageMaterial) -> Iterator[Difference]:
    """Whether a decision holds the entries that the run counts, each with what became of it."""
    entries, messages = material.entries, run.messages or 0
    refused_unsent = pl.col(REASON).is_in([TOO_LARGE, NO_URL]).fill_null(value=False)
    sent = entries.filter((pl.col(OUTCOME) != UNSENT) & ~refused_unsent).height
    if not sent <= messages <= entries.height:
        yield Difference(
            "answers",
            f"the run counts {counted(messages, 'message')}, and its decision holds {sent:,} of {entries.height:,} "
            "entries that were sent",
        )


def _of_bodies(material: MessageMaterial) -> Iterator[Difference]:
    if material.digest() != material.recipe.texts_sha256:
        yield Difference("bodies", f"made again, the messages are not those that were sent: {material.why_different()}")
