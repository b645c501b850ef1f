"""What a run that sends messages would do, without doing it: profiles by trigger, messages, requests, bytes (V11)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from muster.activation.errors import MusterError
from muster.activation.export.carry_out import Outcome
from muster.activation.export.decided import as_user_reads
from muster.activation.export.sample import Sample
from muster.activation.frames import engine
from muster.activation.inputs.parquet import blamed
from muster.activation.messages.requests import REQUEST_ID, Batch, text
from muster.activation.model.exports import Sending
from muster.activation.outbox.writing import BODY, bodies_of
from muster.activation.profile_changes.changes import Changes
from muster.activation.sending.begin import Waiting, batches_of, gathered
from muster.activation.sending.guards import refuse_messages, refuse_removals
from muster.activation.sending.run_record import new_run, with_changes
from muster.activation.session import Session
from muster.activation.wording import counted


def preview(sending: Sending, session: Session, shown: "Shown | None" = None) -> Outcome | None:
    """The run with its counts, or the error that it would end with; None where there is nothing to send.

    ``shown`` takes the first messages.
    """
    own = session.of_audience(sending.activation.audience_ids[0])
    run = new_run(sending, session)
    try:
        with blamed(own.opened.opened_parts):
            changes = gathered(sending, own)
            run = with_changes(run, changes, own)
            refuse_removals(sending, changes.removals)
            waiting, totals = Waiting(), Totals()
            for batch in waiting.apart(batches_of(sending, run, changes, own)):
                totals.add(batch)
                if shown:
                    shown.add(batch)
            own.opened.refuse_changed()
        if not totals.messages and not changes.settles and not changes.failed:
            return None
        run = replace(run, messages=totals.messages, requests=totals.requests)
        told = tuple(_remarks(sending.key, changes, totals, waiting.profiles))
        refuse_messages(totals.messages, sending)
    except (MusterError, OSError) as problem:
        error = as_user_reads(problem, sending, own)
        return Outcome(replace(run, error=str(error)), error)
    held = "; ".join(changes.failed)
    failed = as_user_reads(MusterError(held), sending, own) if held else None
    return Outcome(replace(run, error=held or None), failed, told, totals.bytes)


@dataclass
class Totals:
    """How much a run would send."""

    messages: int = 0
    requests: int = 0
    bytes: int = 0

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.messages += batch.entries.height
        self.requests += batch.requests.height
        self.bytes += batch.bytes


@dataclass
class Shown:
    """The first messages of a run, as texts: objects of profiles, or the whole bodies of declared requests (V5, V6)."""

    limit: int
    are_bodies: bool
    total: int = 0
    texts: list[str] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Take the messages of a batch, as long as there is room."""
        self.total += batch.requests.height if self.are_bodies else batch.entries.height
        room = self.limit - len(self.texts)
        if room <= 0:
            return
        if self.are_bodies:
            self.texts += _bodies(batch, room)
        else:
            self.texts += batch.entries[text(0)].head(room).to_list()

    @property
    def sample(self) -> Sample:
        """The messages as a preview shows them."""
        column = "request" if self.are_bodies else "message"
        values = tuple((json.loads(each),) for each in self.texts)
        return Sample((column,), self.total, tuple((each,) for each in self.texts), values)


def _bodies(batch: Batch, room: int) -> list[str]:
    """The first bodies of a batch; ``…`` stands for the request's id, which a run would give it."""
    found = engine.collect(bodies_of(batch).head(room))[BODY]
    return [each.replace(REQUEST_ID, "…") for each in found]


def _remarks(key: str, changes: Changes, totals: Totals, waiting: int) -> Iterator[str]:
    """The size of what is sent, who is sent by which trigger, who waits (V7), and what a new mapping does (V4)."""
    if totals.requests:
        yield f"{counted(totals.bytes, 'byte')} in {counted(totals.requests, 'request')}"
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
