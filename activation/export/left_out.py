"""How many members the consent policies leave out of an activation today (G4, G6)."""

from muster.activation.evaluation.current import newest_members
from muster.activation.inputs.parquet import blamed
from muster.activation.model.workspace import Activation
from muster.activation.session import Session


def left_out(activation: Activation, session: Session) -> dict[str, int]:
    """How many members each consent policy that applies leaves out at the session's instant, by policy id, in order.

    Members are those of the newest evaluation, feeds brought up to date (X6), who are in the newest snapshot; whom two
    policies leave out counts for both. Empty where no consent policy applies. ``ExportError`` when the audience was not
    evaluated yet, or a policy does not fit the snapshot; ``DataError`` when an input cannot be read.
    """
    session = session.of_audience(activation.audience)
    with blamed(session.opened.opened_parts):
        found = session.consent.let_through(activation)
        if not found:
            return {}
        members, present = newest_members(activation.audience, session).is_realized, session.consent.in_newest()
        known = min(len(members), len(present), *map(len, found.values()))  # later numbers are of absent profiles
        here = members.head(known) & present.head(known)
        session.opened.refuse_changed()
    return {policy: int((here & ~through.head(known)).sum()) for policy, through in found.items()}
