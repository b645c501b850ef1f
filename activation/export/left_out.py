"""How many members the consent policies leave out of an activation today (G4, G6)."""

import operator
from functools import reduce

from muster.activation.evaluation.current import newest_members
from muster.activation.inputs.parquet import blamed
from muster.activation.model.workspace import AnyActivation
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table


def left_out(activation: AnyActivation, session: Session) -> dict[str, int]:
    """How many members each consent policy that applies leaves out at the session's instant, by policy id, in order.

    Members are those of the newest evaluation, feeds brought up to date (X6), who are in the newest snapshot; whom two
    policies leave out counts for both, and who is in several of the activation's audiences once. Empty where no consent
    policy applies. ``ExportError`` when no audience was evaluated yet, or a policy does not fit the snapshot;
    ``DataError`` when an input cannot be read.
    """
    session = session.of_audience(activation.audience_ids[0])
    with blamed(session.opened.opened_parts):
        found = session.consent.let_through(activation)
        if not found:
            return {}
        members = [newest_members(audience, session).is_realized for audience in _audiences(activation, session)]
        present = session.consent.in_newest()
        known = min(len(present), *map(len, (*members, *found.values())))  # later numbers are of absent profiles
        here = reduce(operator.or_, (each.head(known) for each in members)) & present.head(known)
        session.opened.refuse_changed()
    return {policy: int((here & ~through.head(known)).sum()) for policy, through in found.items()}


def _audiences(activation: AnyActivation, session: Session) -> tuple[str, ...]:
    """The audiences that were evaluated, as others are empty for messages (V1); all of them where none was."""
    audiences = activation.audience_ids
    evaluated = (each for each in audiences if evaluations_table.newest(session.ledger, each, session.at))
    return tuple(evaluated) or audiences
