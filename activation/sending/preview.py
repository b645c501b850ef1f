"""What a run that sends messages would do, without doing it: profiles by trigger, messages, requests, bytes (V11)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from muster.activation.errors import MusterError
from muster.activation.export.carry_out import Outcome
from muster.activation.export.decided import as_user_reads
from muster.activation.inputs.parquet import blamed
from muster.activation.model.exports import Sending
from muster.activation.outbox.writing import remove_outbox, write_outbox
from muster.activation.profile_changes.changes import Changes
from muster.activation.sending.begin import Waiting, batches_of, gathered
from muster.activation.sending.guards import refuse_messages, refuse_removals
from muster.activation.sending.run_record import new_run, with_changes
from muster.activation.session import Session
from muster.activation.wording import counted


def preview(sending: Sending, session: Session) -> Outcome | None:
    """The run with its counts, or the error that it would end with; None where there is nothing to send.

    The outbox is written to the state, which is a scratch folder, and removed.
    """
    own = session.of_audience(sending.activation.audience_ids[0])
    run = new_run(sending, session)
    try:
        with blamed(own.opened.opened_parts):
            changes = gathered(sending, own)
            run = with_changes(run, changes, own)
            refuse_removals(sending, changes.removals)
            if changes.people.is_empty() and not changes.settles and not changes.failed:
                return None
            waiting = Waiting()
            batches = waiting.apart(batches_of(sending, run, changes, own))
            outbox = write_outbox(own.state, run, changes.people, batches)
            remove_outbox(own.state, outbox)
            totals = outbox["totals"]
            own.opened.refuse_changed()
        if not totals["entries"] and not changes.settles and not changes.failed:
            return None
        run = replace(run, messages=totals["entries"], requests=totals["requests"])
        told = tuple(_remarks(sending.key, changes, totals, waiting.profiles))
        refuse_messages(totals["entries"], sending)
    except (MusterError, OSError) as problem:
        error = as_user_reads(problem, sending, own)
        return Outcome(replace(run, error=str(error)), error)
    held = "; ".join(changes.failed)
    failed = as_user_reads(MusterError(held), sending, own) if held else None
    return Outcome(replace(run, error=held or None), failed, told, totals["bytes"])


def _remarks(key: str, changes: Changes, totals: Mapping[str, int], waiting: int) -> Iterator[str]:
    """The size of what is sent, who is sent by which trigger, who waits (V7), and what a new mapping does (V4)."""
    if totals["requests"]:
        yield f"{counted(totals['bytes'], 'byte')} in {counted(totals['requests'], 'request')}"
    yield from (f"{number:,} by {trigger}" for trigger, number in changes.counts.by_trigger.items() if number)
    if waiting:
        yield f"{counted(waiting, 'profile')} waiting for others"
    change = changes.mapping_change
    if change and not change.is_resent and (change.counts_as_sent or change.sent_anew):
        anew = f", {change.sent_anew:,} are sent anew" if change.sent_anew else ""
        yield (
            f"the mapping changed: the values of {counted(change.counts_as_sent, 'profile')} count as sent{anew}; "
            f"`muster resync {key}` sends every member"
        )
