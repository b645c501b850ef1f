"""The mapped audiences of a run of messages: which evaluations it follows, and who is in them (V1, X6, E9)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.evaluation.current import failed_audiences, members_now
from muster.activation.frames.columns import ROW
from muster.activation.instants import iso
from muster.activation.model.exports import Sending
from muster.activation.model.history import AudienceEvaluation, FailedAudience
from muster.activation.profile_changes.delivered_rows import maybe_status, maybe_time
from muster.activation.profile_changes.people import status, time
from muster.activation.profile_changes.rows_before import RowsBefore
from muster.activation.profiles.members import Members
from muster.activation.profiles.positions import by_number
from muster.activation.rules.expressions import Moment
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table


@dataclass(frozen=True)
class MappedAudiences:
    """The evaluations that a run follows, and the mapped audiences that no evaluation could decide since."""

    evaluations: Mapping[str, AudienceEvaluation]  # by audience; one that was not evaluated yet has none
    failed: Mapping[str, FailedAudience]
    held: frozenset[str]  # failed ones that keep the states that were delivered (E9)
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, sending: Sending, session: Session) -> "MappedAudiences":
        """The newest evaluations at or before the instant; of a run after an evaluation, at or before the slot."""
        activation, until = sending.activation, session.at
        if sending.trigger == "after_evaluation":
            until = min(until, sending.scheduled)
        ids = activation.audience_ids
        newest = {name: evaluations_table.newest(session.ledger, name, until) for name in ids}
        evaluations = {name: found for name, found in newest.items() if found}
        failed = {name: each for name, each in failed_audiences(session).items() if name in ids}
        holds = activation.on_failed_evaluation == "hold" and not sending.is_resync
        warnings = tuple(_warnings(sending, evaluations, failed, until, holds=holds))
        return cls(evaluations, failed, frozenset(failed) if holds else frozenset(), warnings)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the run fails, and stays due, once the other audiences were sent (E9)."""
        return tuple(f"held: {self.failed[name].problem}" for name in sorted(self.held))

    def moment(self, session: Session) -> Moment:
        """The instant that expressions of the mapping call now: of the oldest evaluation, else the command's."""
        instants = [each.at for each in self.evaluations.values()]
        return Moment(min(instants, default=session.at), session.workspace.zone)

    def members(self, rows: RowsBefore, place: int, session: Session) -> Members | None:
        """The members of the mapped audience at a place; None for nobody."""
        name = rows.told[place].audience
        if name in self.held:
            return _delivered_members(rows, place, session)
        evaluation = self.evaluations.get(name)
        return members_now(evaluation, session, is_failed=name in self.failed) if evaluation else None


def _warnings(
    sending: Sending,
    evaluations: Mapping[str, AudienceEvaluation],
    failed: Mapping[str, FailedAudience],
    until: datetime,
    *,
    holds: bool,
) -> Iterator[str]:
    key = sending.activation.key
    for name in dict.fromkeys(sending.activation.audience_ids):
        if name in failed and not holds and name in evaluations:
            used = f"this run sends its evaluation of {iso(evaluations[name].at)}"
            yield f"{key}: {failed[name].problem}; {used}"
        elif name not in evaluations and name not in failed:
            yield (
                f"{key}: audience {name!r} was not evaluated at or before {iso(until)}, so nobody is in it; "
                f"run `muster evaluate`"
            )


def _delivered_members(rows: RowsBefore, place: int, session: Session) -> Members | None:
    """The states that a receiver was last told of an audience."""
    if rows.slim is None:
        return None
    last = pl.coalesce(maybe_status(place), status(place)).alias("status")
    since = pl.coalesce(maybe_time(place), time(place)).alias("time")
    found = rows.slim.select(ROW, last, since)
    numbers, length = session.opened.roster.numbers.gather(found[ROW]), session.opened.numbering.length
    return Members(by_number(found["status"], numbers, length), by_number(found["time"], numbers, length))
