"""One audience's memberships at an instant, from rule, feed and earlier memberships, in a file of its own (E5, D4, X6).

``block_memberships`` stores audiences that rules alone decide, many together.

Memberships with ids are ``MEMBERSHIPS`` of ``frames.columns``; memberships by number have ``muster:row`` of the
command's roster in place of ids.
"""

from typing import Literal

import polars as pl

from muster.activation.evaluation import transitions
from muster.activation.evaluation.earlier import delivered_profiles, earlier_evaluation
from muster.activation.evaluation.qualify import Decision
from muster.activation.evaluation.record import inputs_record, rule_digest
from muster.activation.frames import engine
from muster.activation.frames.columns import AUDIENCE_ID, MEMBERSHIPS, ROW, STATUS, TIME
from muster.activation.inputs import feeds
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.workspace import Audience
from muster.activation.session import Session
from muster.activation.state import state_paths
from muster.activation.state.ledger import evaluations_table


def store_memberships(
    session: Session, name: str, decision: Decision, scope: Literal["all", "some"], roster: str
) -> AudienceEvaluation:
    """Write one audience's memberships, and return what the ledger is to keep of them (E8); records nothing.

    ``roster`` is the name of the kept roster that numbers the profiles.
    """
    audience, oldest = session.workspace.audiences[name], session.at - session.workspace.keep_exited
    moved = engine.collect(_memberships(session, audience, decision))
    if moved.select(transitions.stored_is_expired(oldest).any()).item():
        delivered = delivered_profiles(session, name)
        if delivered is not None:
            rows = session.opened.roster.rows.filter(delivered).alias(ROW).to_frame().lazy()
            moved = engine.collect(transitions.drop_expired(moved.lazy(), oldest, rows))
    replaced = evaluations_table.get(session.ledger, name, session.at)
    generation = replaced.generation + 1 if replaced else 1
    frame, about = session.opened.roster.marked(_in_order(moved, name, session))
    stored = session.state.write(frame, state_paths.memberships_file(name, session.at, generation), about)
    return AudienceEvaluation(
        name,
        session.at,
        scope,
        stored,
        generation,
        *transitions.sizes(moved),
        rule_digest(audience),
        inputs_record(session.opened, audience, session.workspace.audiences, roster),
    )


def feed_memberships(session: Session, name: str) -> pl.LazyFrame:
    """The memberships, with ids, of an audience that the feed alone decides (D4)."""
    earlier = _with_ids(session, earlier_evaluation(session, name))
    return feeds.feed_memberships(session.opened.feed, name, session.at, earlier, by=session.opened.feed_keys)


def _with_ids(session: Session, evaluation: AudienceEvaluation | None) -> pl.LazyFrame:
    """An evaluation's memberships with ids; no rows without an evaluation."""
    return session.memberships_by_id(evaluation) if evaluation else pl.LazyFrame(schema=MEMBERSHIPS)


def _memberships(session: Session, audience: Audience, decision: Decision) -> pl.LazyFrame:
    """The audience's memberships by number at this instant, with ``was`` of ``transitions`` (E5, D4, X6)."""
    earlier, roster = earlier_evaluation(session, audience.id), session.opened.roster
    prior = session.memberships(earlier, roster).by_row(roster) if earlier else transitions.no_memberships()
    if audience.where is None:
        found = roster.numbered(feed_memberships(session, audience.id))
        return transitions.after_feed(found.lazy(), prior.lazy())
    members = decision.members(audience.id).lazy()
    if not audience.from_feed or not earlier:
        return transitions.after_rule(members, prior.lazy(), session.at)
    # The feed's rows since the earlier evaluation move the memberships that the rule is compared with; who was a
    # member is what the earlier evaluation found, without them.
    feed, before = session.opened.feed, _with_ids(session, earlier)
    keys = session.opened.feed_keys
    overridden = roster.numbered(feeds.override(before, feed, audience.id, earlier.at, session.at, by=keys))
    moved = transitions.after_rule(members, overridden.lazy(), session.at)
    return transitions.after_feed(moved.drop(transitions.WAS), prior.lazy())


def _in_order(moved: pl.DataFrame, audience: str, session: Session) -> pl.DataFrame:
    """Memberships as they are stored: audience_id, muster:row, status, last_qualification_time, in the order of M6."""
    ranks = session.opened.roster.rank_of(moved[ROW])
    return (
        moved.with_columns(ranks.alias("rank"))
        .sort("rank")
        .select(pl.lit(audience).alias(AUDIENCE_ID), ROW, STATUS, TIME)
    )
