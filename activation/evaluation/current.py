"""The members of an audience at the instant of a command: as evaluated, and brought up to date by the feed (X2, X6)."""

from datetime import datetime

from muster.activation.errors import DataError, ExportError
from muster.activation.frames.columns import PROFILE_ID, STATUS, TIME
from muster.activation.inputs import feeds
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, FailedAudience
from muster.activation.profiles.members import Members
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table, failures_table


def failed_audiences(session: Session) -> dict[str, FailedAudience]:
    """The audiences that no evaluation could decide since their newest one, by id (E9)."""
    return failures_table.current(session.ledger, session.at)


def refuse_unevaluated(evaluation: AudienceEvaluation | None, audience: str, at: datetime) -> AudienceEvaluation:
    """The evaluation of an audience; ``ExportError`` where there is none at or before ``at``."""
    if evaluation is None:
        raise ExportError(f"audience {audience!r} was not evaluated at or before {iso(at)}; run `muster evaluate`")
    return evaluation


def newest_members(audience: str, session: Session) -> Members:
    """The members of an audience at the session's instant, by the numbers of the newest snapshot (X2, X6).

    ``ExportError`` when the audience was not evaluated at or before the instant.
    """
    session = session.of_audience(audience)
    newest = evaluations_table.newest(session.ledger, audience, session.at)
    evaluation = refuse_unevaluated(newest, audience, session.at)
    return members_now(evaluation, session, is_failed=audience in failed_audiences(session))


def members_now(evaluation: AudienceEvaluation, session: Session, *, is_failed: bool) -> Members:
    """The evaluation's memberships by number; those of a feed audience brought up to date (X6).

    ``session`` is that for the profiles of the audience. A feed that cannot be used leaves a failed audience as it was
    last evaluated (E9), else it raises ``DataError``.
    """
    audience, roster = session.workspace.audiences[evaluation.audience], session.opened.roster
    if not audience.from_feed:
        return session.memberships(evaluation, roster)
    try:
        if warning := session.opened.feed_warning(audience.id):
            session.warnings.add(warning)
        evaluated, feed = session.memberships_by_id(evaluation), session.opened.whole_feed
    except DataError:
        if is_failed:
            return session.memberships(evaluation, roster)
        raise
    keys = session.opened.feed_keys
    if audience.where is None:
        newest = feeds.feed_memberships(feed, audience.id, session.at, evaluated, by=keys)
    else:
        newest = feeds.override(evaluated, feed, audience.id, evaluation.at, session.at, by=keys)
    return Members.of_rows(roster.numbered(newest.select(PROFILE_ID, STATUS, TIME)), roster)
