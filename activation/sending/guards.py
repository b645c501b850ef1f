"""Guards of activations that send messages: for each mapped audience, and for the number of messages (X11, V11)."""

from collections.abc import Iterable, Iterator

from muster.activation.export.guards import Fault, removal_faults, tripped
from muster.activation.messages.requests import Batch
from muster.activation.model.exports import Sending
from muster.activation.profile_changes.changes import Removal

_UNSENT = "nothing was sent; the run stays due"


def refuse_removals(sending: Sending, removals: Iterable[Removal]) -> None:
    """``GuardError`` when a mapped audience would shrink, or lose profiles, beyond the guards (X11)."""
    if sending.override_guards:
        return
    guards = sending.activation.guards
    faults = [
        fault
        for each in removals
        for fault in removal_faults(
            guards, each.delivered, each.desired, each.leaving, f"audience {each.audience.audience!r}"
        )
    ]
    if faults:
        raise tripped(faults, sending.key, *_way_on(sending))


def refused_beyond(batches: Iterable[Batch], sending: Sending) -> Iterator[Batch]:
    """The batches as they come; ``GuardError`` at the end when they have more entries than ``max_messages`` (V11).

    The batches beyond the limit are counted alone.
    """
    most, entries = sending.activation.guards.max_messages, 0
    for batch in batches:
        entries += batch.entries.height
        if most is None or sending.override_guards or entries <= most:
            yield batch
    if fault := _fault(entries, sending):
        raise tripped([fault], sending.key, *_way_on(sending))


def refuse_messages(entries: int, sending: Sending) -> None:
    """``GuardError`` when a run would send more than ``max_messages``."""
    if fault := _fault(entries, sending):
        raise tripped([fault], sending.key, *_way_on(sending))


def _fault(entries: int, sending: Sending) -> Fault | None:
    guards = sending.activation.guards
    if guards.max_messages is None or sending.override_guards or entries <= guards.max_messages:
        return None
    text = f"guard max_messages: {entries} messages would be sent; at most {guards.max_messages} may"
    return text, guards.messages_location


def _way_on(sending: Sending) -> tuple[str, str]:
    """What was not done, and the command that lets the run through."""
    if sending.is_resync:
        return "nothing was sent", f"muster resync {sending.key} --override-guards"
    return _UNSENT, "muster run"
