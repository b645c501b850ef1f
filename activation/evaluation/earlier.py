"""What was before an evaluation: an audience's earlier memberships, and who is in its delivered sets (E5)."""

from collections.abc import Iterable
from datetime import timedelta
from functools import reduce

import polars as pl

from muster.activation.comparison import delivered_set
from muster.activation.errors import StateError
from muster.activation.frames.columns import TIME
from muster.activation.model.history import AudienceEvaluation, Baseline, MessageBaseline
from muster.activation.profiles import following
from muster.activation.session import Session
from muster.activation.state.ledger import baselines_table, evaluations_table, message_baselines_table


def earlier_evaluation(session: Session, name: str) -> AudienceEvaluation | None:
    """The audience's newest evaluation before this instant."""
    return evaluations_table.newest(session.ledger, name, session.at - timedelta(seconds=1))


def delivered_profiles(session: Session, name: str) -> pl.Series | None:
    """Whether each number is in a delivered set of the audience (Boolean), those of absent activations too (E5, X9).

    Whom receivers of messages were told of is, too (V2), and who survives a merge, if a delivered set holds one of the
    merged ids (P11). None when a delivered set is damaged: the export of its activation reports that (X1), and until
    then nobody is dropped.
    """
    ledger, roster = session.ledger, session.opened.roster
    mapped = (
        baselines_table.get(ledger, each.destination, each.id)
        for each in session.workspace.activations
        if each.audience == name
    )
    found = {each.stored: each for each in (*mapped, *baselines_table.of_audience(ledger, name)) if each}
    _ = session.lineage  # which may number survivors
    nobody = pl.Series([False]).new_from_index(0, roster.numbering.length)
    try:
        sets = [_in_set(found[stored], session) for stored in sorted(found, key=lambda stored: stored.file)]
        sets += [_in_set(each, session) for each in message_baselines_table.list_all(ledger) if each.tells(name)]
    except StateError as error:
        session.warnings.add(f"audience {name!r} keeps all its exited memberships: {error}")
        return None
    return reduce(lambda one, other: one | other, sets, nobody)


def _in_set(baseline: Baseline | MessageBaseline, session: Session) -> pl.Series:
    """Whether each number is in one delivered set (Boolean), itself or as the survivor of a merge since."""
    delivered = delivered_set.delivered_numbers(session.opened.roster, session.state, baseline.stored)
    absorbed = session.lineage.absorbed_since(baseline.policy, baseline.build) if session.lineage else None
    if absorbed is None:
        return delivered
    merged = absorbed.filter(delivered.gather(absorbed[following.ABSORBED]))
    return delivered.clone().scatter(merged[following.SURVIVOR], values=True)


def number_earlier(session: Session, names: Iterable[str]) -> None:
    """Give numbers to the profiles of the audiences' earlier memberships that have none.

    Those are profiles that the snapshot lacks, in files of older versions, or of a numbering that was damaged, and
    survivors of merges who are gone themselves (P11).
    """
    roster = session.opened.roster
    for name in names:
        earlier = earlier_evaluation(session, name)
        if earlier and not roster.has_numbers_of(session.state, earlier.stored):
            roster.read(session.state, earlier.stored, pl.col(TIME))
        if earlier:
            session.absorbed_since(earlier)
