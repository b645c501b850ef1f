"""The inputs of a run of messages, opened and compared: members, delivered rows, profile values, consent (V2 to V4)."""

from datetime import datetime

from muster.activation.model.activation import Trigger
from muster.activation.model.messages import MessageActivation
from muster.activation.profile_changes.changes import Changes
from muster.activation.session import Session


def gather_changes(
    activation: MessageActivation,
    session: Session,
    *,
    trigger: Trigger,
    scheduled: datetime,
    resync: bool = False,
    override_guards: bool = False,
) -> Changes:
    """Decide whom a run of messages tells what: reads only.

    ``resync`` sends every member beside what is due (V11). Members are of the newest evaluations at or before the
    instant; those of a run after an evaluation, at or before the slot. ``ExportError`` while a variable that the
    activation needs is missing, or when the inputs cannot be used; ``PolicyError`` when a policy forbids the
    activation (G3), ``MistakeError`` for a mapping that does not fit the snapshot, or a namespace that nobody holds
    (M4; ``override_guards`` lets that through), ``StateError`` for damaged rows.
    """
    raise NotImplementedError
