"""Leavers of whom a receiver was never told, because the membership status was not mapped for a while (X3d)."""

from collections.abc import Iterator

from muster.activation.export.baseline import current_baseline, exits_not_sent, run_of
from muster.activation.model.history import Baseline
from muster.activation.model.workspace import STATUS_SOURCE, Activation
from muster.activation.session import Session


def untold_note(activation: Activation, baseline: Baseline, session: Session) -> str | None:
    """How many left an activation untold, and how to send everybody again; None unless the status is mapped now.

    The number stays until a full or first export, after which the receiver can hold exactly the desired set.
    """
    untold = (
        exits_not_sent(run_of(baseline, session))
        if activation.status_mapped and activation.export == "incremental"
        else 0
    )
    if not untold:
        return None
    left = "1 profile left" if untold == 1 else f"{untold:,} profiles left"
    return (
        f"{activation.key}: {left} while {STATUS_SOURCE} was not mapped, and the receiver was never told; to start "
        f"anew, empty the list there and run `muster baseline reset {activation.key}`: the next export holds everybody"
    )


def untold_notes(session: Session) -> Iterator[str]:
    """``untold_note`` of all activations."""
    for activation in session.workspace.activations:
        baseline = current_baseline(activation, session)
        note = untold_note(activation, baseline, session) if baseline else None
        if note:
            yield note
