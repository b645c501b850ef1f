"""What was before an evaluation: an audience's earlier memberships, and who is in its delivered sets (E5)."""

from datetime import timedelta
from functools import reduce

import polars as pl

from muster.activation.comparison import delivered_set
from muster.activation.errors import StateError
from muster.activation.model.history import AudienceEvaluation
from muster.activation.session import Session
from muster.activation.state.ledger import baselines_table, evaluations_table


def earlier_evaluation(session: Session, name: str) -> AudienceEvaluation | None:
    """The audience's newest evaluation before this instant."""
    return evaluations_table.newest(session.ledger, name, session.at - timedelta(seconds=1))


def delivered_profiles(session: Session, name: str) -> pl.Series | None:
    """Whether each number is in a delivered set of the audience (Boolean), those of absent activations too (E5, X9).

    None when a delivered set is damaged: the export of its activation reports that (X1), and until then nobody is
    dropped.
    """
    ledger, roster = session.ledger, session.opened.roster
    mapped = (
        baselines_table.get(ledger, each.destination, each.id)
        for each in session.workspace.activations
        if each.audience == name
    )
    stored = {baseline.stored for baseline in (*mapped, *baselines_table.of_audience(ledger, name)) if baseline}
    try:
        sets = [
            delivered_set.delivered_numbers(roster, session.state, each)
            for each in sorted(stored, key=lambda each: each.file)
        ]
    except StateError as error:
        session.warnings.add(f"audience {name!r} keeps all its exited memberships: {error}")
        return None
    length = roster.numbering.length  # a set that names somebody without a number is longer than one read before it
    whole = [each.extend_constant(value=False, n=length - len(each)) for each in sets]
    return reduce(lambda one, other: one | other, whole, pl.Series([False]).new_from_index(0, length))
