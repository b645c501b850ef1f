"""What was before an evaluation: an audience's earlier memberships, and who is in its delivered sets (E5)."""

from collections.abc import Iterable
from datetime import timedelta
from functools import reduce

import polars as pl

from muster.activation.comparison import delivered_set
from muster.activation.errors import StateError
from muster.activation.frames.columns import TIME
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
    nobody = pl.Series([False]).new_from_index(0, roster.numbering.length)
    try:
        sets = [
            delivered_set.delivered_numbers(roster, session.state, each)
            for each in sorted(stored, key=lambda each: each.file)
        ]
    except StateError as error:
        session.warnings.add(f"audience {name!r} keeps all its exited memberships: {error}")
        return None
    return reduce(lambda one, other: one | other, sets, nobody)


def number_earlier(session: Session, names: Iterable[str]) -> None:
    """Give numbers to the profiles of the audiences' earlier memberships that have none.

    Those are profiles that the snapshot lacks, in files of older versions, or of a numbering that was damaged.
    """
    roster = session.opened.roster
    for name in names:
        earlier = earlier_evaluation(session, name)
        if earlier and not roster.has_numbers_of(session.state, earlier.stored):
            roster.read(session.state, earlier.stored, pl.col(TIME))
