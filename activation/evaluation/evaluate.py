"""Segment evaluation: who is in each audience at one instant, and since when (E1-E8, D4, X6). Edge module.

profiles, events --> members.decide --> qualified --+
feed rows ------------------------------------------+--> moves (E5) --> memberships, one file an audience
memberships of the evaluation before ---------------+
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl

from muster.activation.errors import ExportError, RefusedError, StateError, did_you_mean
from muster.activation.evaluation import transitions
from muster.activation.evaluation.qualify import Decision, decide
from muster.activation.frames import engine
from muster.activation.frames.columns import AUDIENCE_ID, MEMBERSHIPS, PROFILE_ID, REALIZED, ROW, ROW_TYPE, STATUS, TIME
from muster.activation.inputs import feeds
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.redaction import hide, hide_in
from muster.activation.model.workspace import Audience
from muster.activation.rules.order import in_order, references, with_references
from muster.activation.session import Session
from muster.activation.state import state_paths
from muster.activation.state.ledger import baselines_table, evaluations_table, runs_table
from muster.activation.system.threads import map_in_two_threads

log = logging.getLogger("muster.evaluate")


@dataclass(frozen=True)
class Request:
    """Which audiences are to be evaluated, in order of reference, and what is to be said of the others."""

    audiences: tuple[str, ...]
    scope: Literal["all", "some"]
    notes: tuple[str, ...] = ()


@dataclass
class Evaluation:
    """What an evaluation found."""

    at: datetime
    snapshot: str
    evaluated: list[AudienceEvaluation] = field(default_factory=list)
    failures: dict[str, ExportError] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def request_evaluation(session: Session, names: Sequence[str], *, replace: bool = False) -> Request:
    """What is to be evaluated at the session's instant (E6, E7); ``RefusedError`` for what may not be."""
    workspace = session.workspace
    unknown = next((name for name in names if name not in workspace.audiences), None)
    if unknown:
        raise RefusedError(f"there is no audience {unknown!r}{did_you_mean(unknown, workspace.audiences)}")
    wanted = with_references(names, workspace.audiences) if names else workspace.audiences.keys()
    order = [name for name in in_order(workspace.audiences) if name in wanted]
    newest = {name: evaluations_table.newest(session.ledger, name) for name in order}
    _refuse_past(session, newest.values())
    present = [each for each in newest.values() if each and each.at == session.at]
    if replace:
        _refuse_used(session, present)
    lacking = tuple(name for name in order if replace or newest[name] not in present or newest[name] is None)
    notes = () if replace or not present else _already(session, present)
    return Request(lacking, "some" if names else "all", notes)


def _refuse_past(session: Session, newest: Iterable[AudienceEvaluation | None]) -> None:
    later = next((each for each in newest if each and each.at > session.at), None)
    if later:
        raise RefusedError(
            f"audience {later.audience!r} was evaluated at {iso(later.at)}, later than {iso(session.at)}; "
            f"evaluations go forward: "
            f"`muster evaluations forget --after {iso(session.at)}` if that was a mistake"
        )


def _refuse_used(session: Session, present: Iterable[AudienceEvaluation]) -> None:
    for each in present:
        user = runs_table.first_using_evaluation(session.ledger, each.audience, each.at)
        if user:
            raise RefusedError(
                f"the evaluation of {each.audience!r} at {iso(each.at)} was used by run {user.run_id} of "
                f"{user.key}; evaluate later"
            )


def _already(session: Session, present: Sequence[AudienceEvaluation]) -> tuple[str, ...]:
    """That they were evaluated at this instant already, and what changed since (E6)."""
    names = ", ".join(each.audience for each in present)
    notes = [f"already evaluated at {iso(session.at)}: {names}"]
    changed = [each.audience for each in present if each.rule != rule_digest(session, each.audience)]
    if changed:
        notes.append(f"the rule changed since: {', '.join(changed)}; --replace evaluates again if no run has used it")
    now = session.snapshot
    if any(each.inputs["snapshot"]["files"] != now.records for each in present):
        notes.append(
            f"the snapshot changed since: it is {now.name} now; --replace evaluates again if no run has used it"
        )
    return tuple(notes)


def evaluate(session: Session, request: Request, beside: Callable[[], None] = lambda: None) -> Evaluation:
    """Evaluate the audiences of a request and record them, all in one transaction; what fails is left as it was (X1).

    ``beside`` records, in the same transaction, what must be known together with the evaluation.
    """
    if not request.audiences:
        return Evaluation(session.at, "")
    decision = decide_members(session, request.audiences)
    evaluation = Evaluation(session.at, session.snapshot.name, [], decision.failures, decision.warnings)
    for error in decision.failures.values():
        hide_in(error, session.workspace.variables)
    for warning in decision.warnings:
        log.warning("%s", hide(warning, session.workspace.variables))
    if any(session.workspace.audiences[name].from_feed for name in request.audiences):
        _ = session.feed  # refused as a whole before the first file is written (D4)
    decided = [name for name in request.audiences if name not in decision.failures]
    if not decided:
        return evaluation
    _follow(session)
    roster = session.roster.keep(
        session.state, digests=any(each.schedule.kind != "on_demand" for each in session.workspace.activations)
    )
    try:
        evaluation.evaluated += _recorded(session, decided, decision, request.scope, roster)
        if evaluation.evaluated:
            with session.ledger.transaction():
                evaluations_table.put(session.ledger, evaluation.evaluated, session.clock())
                beside()
    finally:  # files that were replaced, and those of an evaluation that was not recorded after all
        for name in decided:
            session.state.keep_only(state_paths.memberships_folder(name), evaluations_table.files(session.ledger, name))
        session.state.keep_rosters(evaluations_table.rosters(session.ledger))
    return evaluation


def evaluate_alone(session: Session, name: str, scope: Literal["all", "some"], roster: str) -> AudienceEvaluation:
    """Evaluate one audience and write its memberships, numbered by a kept roster; nothing is recorded."""
    decision = decide_members(session, [name])
    for error in decision.failures.values():
        raise error
    return _record(session, name, decision, scope, roster)


def _recorded(
    session: Session, names: Sequence[str], decision: Decision, scope: Literal["all", "some"], roster: str
) -> list[AudienceEvaluation]:
    """Write the memberships of all audiences: feeds one after the other, since they number profiles, the others two at once."""
    fed = [name for name in names if session.workspace.audiences[name].from_feed]
    found = {name: _record(session, name, decision, scope, roster) for name in fed}
    others = [name for name in names if name not in found]
    for done, each in enumerate(
        map_in_two_threads(lambda name: _record(session, name, decision, scope, roster), others), start=len(found) + 1
    ):
        step = {"done": done, "of": len(names), "rows": each.realized, "step": f"evaluating {each.audience}"}
        log.info("%s: %d realized", each.audience, each.realized, extra=step)
        found[each.audience] = each
    return [found[name] for name in names]


def _follow(session: Session) -> None:
    """Take over the numbers of earlier evaluations before this one's are kept."""
    for name in evaluations_table.rosters(session.ledger):
        session.roster.follow(session.state, name)


def decide_members(session: Session, names: Sequence[str]) -> Decision:
    """Decide the rules among ``names``; members of feed audiences and of audiences evaluated at this instant already are given to them."""
    workspace = session.workspace
    ruled = [name for name in in_order(workspace.audiences) if name in names and _has_rule(workspace.audiences[name])]
    referred = {other for name in ruled for other in references(workspace.audiences[name])}
    elsewhere = {name: _members_elsewhere(session, name, again=name in names) for name in sorted(referred - set(ruled))}
    return decide(session, ruled, {name: members for name, members in elsewhere.items() if members is not None})


def _has_rule(audience: Audience) -> bool:
    return audience.where is not None


def _members_elsewhere(session: Session, name: str, *, again: bool) -> pl.LazyFrame | None:
    """The members (``profile_id``) of an audience that no rule of this evaluation decides; None when it has none yet.

    ``again``: the audience is evaluated beside the others, so what an earlier evaluation at this instant found does not
    count (E6).
    """
    stored = None if again else evaluations_table.get(session.ledger, name, session.at)
    if stored:
        memberships = session.state.read(stored.stored)
    elif not _has_rule(session.workspace.audiences[name]):
        memberships = feeds.feed_memberships(
            session.feed, name, session.at, _prior_memberships(session, _prior(session, name))
        )
    else:
        return None
    return memberships.filter(pl.col(STATUS) == REALIZED).select(PROFILE_ID)


def _prior(session: Session, name: str) -> AudienceEvaluation | None:
    """The audience's evaluation before this instant."""
    return evaluations_table.newest(session.ledger, name, session.at - timedelta(seconds=1))


def _prior_memberships(session: Session, before: AudienceEvaluation | None) -> pl.LazyFrame:
    """Its memberships with profile ids, for feeds."""
    return session.state.read(before.stored) if before else pl.LazyFrame(schema=MEMBERSHIPS)


def _moved(session: Session, audience: Audience, decision: Decision) -> pl.LazyFrame:
    """The audience's memberships at this instant (E5, D4, X6), as ``moves`` has them."""
    before, roster = _prior(session, audience.id), session.roster
    prior = session.memberships(before, roster) if before else transitions.nobody()
    if not _has_rule(audience):
        found = feeds.feed_memberships(session.feed, audience.id, session.at, _prior_memberships(session, before))
        return transitions.replaced(roster.numbered(found).lazy(), prior.lazy())
    if not audience.from_feed or not before:
        return transitions.qualify(decision.members(audience.id).lazy(), prior.lazy(), session.at)
    heard = feeds.override(_prior_memberships(session, before), session.feed, audience.id, before.at, session.at)
    return transitions.qualify(decision.members(audience.id).lazy(), roster.numbered(heard).lazy(), session.at).pipe(
        _since, prior
    )


def _since(moved: pl.LazyFrame, prior: pl.DataFrame) -> pl.LazyFrame:
    """Who was a member is told by the evaluation before, not by what the feed said since."""
    return transitions.replaced(moved.drop(transitions.WAS), prior.lazy())


def _record(
    session: Session, name: str, decision: Decision, scope: Literal["all", "some"], roster: str
) -> AudienceEvaluation:
    """Write one audience's memberships and say what the ledger is to remember of them (E8)."""
    audience, keep = session.workspace.audiences[name], session.workspace.keep_exited
    moved = engine.collect(_moved(session, audience, decision))
    if (
        moved.select(transitions.stale(session.at, keep).any()).item()
        and (delivered := _delivered(session, name)) is not None
    ):
        moved = engine.collect(transitions.retain(moved.lazy(), session.at, keep, delivered))
    before = evaluations_table.get(session.ledger, name, session.at)
    generation = before.generation + 1 if before else 1
    frame, about = session.roster.marked(_finished(moved, name, session))
    stored = session.state.write(frame, state_paths.memberships_file(name, session.at, generation), about)
    return AudienceEvaluation(
        name,
        session.at,
        scope,
        stored,
        generation,
        *transitions.sizes(moved),
        rule_digest(session, name),
        _inputs(session, audience, roster),
    )


def _finished(moved: pl.DataFrame, audience: str, session: Session) -> pl.DataFrame:
    """As an evaluation leaves memberships (``MEMBERSHIPS``), in the order of M6."""
    ordered = moved.with_columns(session.roster.rank_of(moved[ROW]).alias("rank")).sort("rank")
    return ordered.select(pl.lit(audience).alias(AUDIENCE_ID), ROW, STATUS, TIME)


def _delivered(session: Session, name: str) -> pl.LazyFrame | None:
    """The profiles (``__row``) that a delivered set of the audience holds, those of activations that are absent now included (E5, X9).

    None when one of them is damaged: its activation's export says so (X1), and here nobody is dropped meanwhile.
    """
    ledger = session.ledger
    mapped = (
        baselines_table.get(ledger, each.destination, each.id)
        for each in session.workspace.activations
        if each.audience == name
    )
    stored = {baseline.stored for baseline in (*mapped, *baselines_table.of_audience(ledger, name)) if baseline}
    try:
        held = [
            session.roster.delivered(session.state, each).select(ROW)
            for each in sorted(stored, key=lambda each: each.file)
        ]
    except StateError as error:
        log.warning("audience %r keeps all its exited memberships: %s", name, error)
        return None
    return pl.concat(held).lazy() if held else pl.LazyFrame(schema={ROW: ROW_TYPE})


def rule_digest(session: Session, name: str) -> str:
    """A digest of what decides an audience: its rule, its measures, its source."""
    audience = session.workspace.audiences[name]
    measures = [
        [each.name, each.function, each.column, each.where, _seconds(each.within)] for each in audience.measures
    ]
    return hashlib.sha256(json.dumps([audience.where, measures, audience.from_feed]).encode()).hexdigest()


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _inputs(session: Session, audience: Audience, roster: str) -> dict[str, Any]:
    """The files that were used (E8), and the roster whose numbers the memberships have."""
    snapshot = session.snapshot
    dated = iso(snapshot.instant) if snapshot.instant else None
    return {
        "snapshot": {"name": snapshot.name, "instant": dated, "files": snapshot.records},
        "events": [part.record for part in session.event_parts] if audience.measures else [],
        "memberships": [part.record for part in session.feed_parts] if audience.from_feed else [],
        "roster": roster,
    }
