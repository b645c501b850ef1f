"""One evaluation: who is in each audience at an instant, and since when, recorded in one transaction (E1-E8, D4, X6).

profiles, events -> qualify.decide -> qualified profiles --+
feed rows -------------------------------------------------+-> transitions -> memberships, in blocks of audiences
memberships of earlier evaluations ------------------------+
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from muster.activation.errors import DataError, MusterError, StateError
from muster.activation.evaluation import memberships
from muster.activation.evaluation.block_memberships import store_in_blocks
from muster.activation.evaluation.earlier import earlier_evaluation, number_earlier
from muster.activation.evaluation.qualify import Decision, decide
from muster.activation.evaluation.request import Request
from muster.activation.frames import engine
from muster.activation.frames.columns import AUDIENCE_ID, PROFILE_ID, REALIZED, STATUS
from muster.activation.inputs.parquet import blamed
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.log import logger
from muster.activation.model.redaction import redact_error
from muster.activation.rules.order import in_order, references
from muster.activation.session import Session
from muster.activation.state import block_upkeep, state_paths
from muster.activation.state.ledger import evaluations_table, failures_table, named_files, numbering_table
from muster.activation.system.os_errors import system_message

log = logger("muster.evaluate")


@dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation: the recorded audiences, and why the others failed."""

    at: datetime
    snapshot: str  # name of the profile snapshot; empty when there was nothing to evaluate
    evaluated: Sequence[AudienceEvaluation] = ()
    failures: Mapping[str, MusterError] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    refused: MusterError | None = None  # why no profiles of any merge policy could be used


def evaluate(session: Session, request: Request, record_beside: Callable[[], None] = lambda: None) -> Evaluation:
    """Evaluate the audiences of a request and record them in one transaction.

    Those that fail stay as they were, and the ledger keeps why they failed (X1, E9). ``record_beside`` records, in this
    transaction, what must be known together with the evaluation, failed or not. An error that stops the evaluation as a
    whole, such as a refused profile snapshot (``DataError``), is raised once all its audiences are recorded as failed;
    that of a merge policy, unless another one is in use.
    """
    if not request.audiences:
        return Evaluation(session.at, "")
    try:
        done = _evaluate(session, request, record_beside)
    except (MusterError, OSError) as error:
        with suppress(MusterError):  # the ledger's disk is full: the error itself says so
            _record_failures(session, dict.fromkeys(request.audiences, error), record_beside)
        raise
    if done.refused:
        raise done.refused
    return done


@dataclass(frozen=True, eq=False)
class _Decided:
    """The decided audiences of one merge policy; of all audiences where profiles have a path."""

    session: Session  # for the profiles of the policy
    names: Sequence[str]
    decision: Decision

    @property
    def snapshot(self) -> str:
        """The name of the profile snapshot."""
        return self.session.opened.snapshot_name


def _evaluate(session: Session, request: Request, record_beside: Callable[[], None]) -> Evaluation:
    groups: list[_Decided] = []
    failures: dict[str, MusterError] = {}
    refused: dict[str, MusterError] = {}  # by merge policy
    for own, names in session.by_policy(request.audiences):
        try:
            groups.append(_decided(own, names))
        except MusterError as error:
            if not session.workspace.profiles.from_sources:
                raise
            failures |= dict.fromkeys(names, error)  # the policy's sources fail its own audiences only (P1, P10)
            refused[own.policy] = error
    for each in groups:
        failures |= each.decision.failures
    for failure in failures.values():
        redact_error(failure, session.workspace.variables)
    if any(each.names for each in groups):
        evaluated = _store_and_record(session, groups, failures, request, record_beside)
    else:
        evaluated = []
        _record_failures(session, failures, record_beside)
    snapshots = ", ".join(each.snapshot for each in groups)
    warnings = [warning for each in groups for warning in each.decision.warnings]
    in_use = {each.merge_policy for each in session.workspace.audiences.values()}
    stopped = next(iter(refused.values())) if refused.keys() == in_use else None
    return Evaluation(session.at, snapshots, evaluated, failures, warnings, stopped)


def _decided(session: Session, names: Sequence[str]) -> _Decided:
    """Decide audiences of one policy, and tell the warnings; an error that stops all of them is raised."""
    _ = session.opened.snapshot  # refused before anything else is looked at (X11, SPEC 10)
    decision = decide_members(session, names)
    able = [name for name in names if name not in decision.failures]
    for warning in (*decision.warnings, *feed_warnings(session, able)):
        session.warnings.add(warning)
    return _Decided(session, able, decision)


def _record_failures(
    session: Session, failures: Mapping[str, MusterError | OSError], record_beside: Callable[[], None]
) -> None:
    """Record which audiences failed and why, in a transaction of its own (E9), with what is recorded beside them."""
    for error in failures.values():
        if isinstance(error, MusterError):
            redact_error(error, session.workspace.variables)
    with session.ledger.transaction():
        _put_failures(session, failures)
        record_beside()


def _put_failures(session: Session, failures: Mapping[str, MusterError | OSError]) -> None:
    """Record failures inside the caller's transaction, each error on one line."""
    texts = {
        name: system_message(error) if isinstance(error, OSError) else "; ".join(str(error).splitlines())
        for name, error in failures.items()
    }
    failures_table.put(session.ledger, texts, session.at)


def feed_warnings(session: Session, names: Sequence[str]) -> list[str]:
    """Warnings about the feed audiences among ``names`` of which the feed has no row (X11)."""
    fed = (name for name in names if session.workspace.audiences[name].from_feed)
    return [warning for name in fed if (warning := session.opened.feed_warning(name))]


def evaluate_again(
    session: Session, names: Sequence[str], scope: Literal["all", "some"], roster: str
) -> list[AudienceEvaluation]:
    """Evaluate audiences and write their memberships, numbered by a kept roster; nothing is recorded.

    Raises the error of an audience that fails.
    """
    decision = decide_members(session, names)
    for error in decision.failures.values():
        raise error
    _number_all(session, names)
    taken = named_files.blocks(session.ledger)
    stored = {each.audience: each for each in _store_all(_Decided(session, names, decision), scope, roster, taken)}
    return [stored[name] for name in names]


def decide_members(session: Session, names: Sequence[str]) -> Decision:
    """Decide the rules among ``names``, given the members of audiences that are decided elsewhere.

    Those are feed audiences, and audiences that are not among ``names``: as they were last evaluated (E9). Events and
    feeds that cannot be used, and damaged memberships of before, fail the audiences of ``names`` that use them, and
    those that refer to such an audience.
    """
    audiences = session.workspace.audiences
    failures = _input_failures(session, names) | _state_failures(session, names)
    ruled = [name for name in in_order(audiences) if name in names and audiences[name].where is not None]
    referred = {other for name in ruled for other in references(audiences[name])}
    known: dict[str, pl.LazyFrame] = {}
    for other in sorted(referred - {*ruled, *failures}):
        try:
            members = _members_elsewhere(session, other, is_evaluated_now=other in names)
        except StateError as error:
            failures = {name: error for name in ruled if other in references(audiences[name])} | failures
        else:
            known |= {other: members} if members is not None else {}
    return decide(session, ruled, known, failures)


def _input_failures(session: Session, names: Sequence[str]) -> dict[str, MusterError]:
    """Why audiences cannot be decided whose events or feed cannot be used: damaged, mistyped, stale, empty (E9)."""
    audiences = session.workspace.audiences
    failures: dict[str, MusterError] = {}
    for users, read in (
        ([name for name in names if audiences[name].measures], lambda: session.opened.events),
        ([name for name in names if audiences[name].from_feed], lambda: session.opened.feed),
    ):
        try:
            found = read() if users else None
        except DataError as error:
            failures = dict.fromkeys(users, error) | failures
        else:
            if found is None and session.workspace.profiles.from_sources:
                problem = f"the merge policy {session.policy!r} reads no events, which measures need (muster.yml)"
                failures = dict.fromkeys(users, DataError(problem)) | failures
    return failures


def _state_failures(session: Session, names: Sequence[str]) -> dict[str, MusterError]:
    """Why audiences cannot be decided whose memberships of before are damaged: they alone are held up (E9, F6)."""
    failures: dict[str, MusterError] = {}
    for name in names:
        earlier = earlier_evaluation(session, name)
        try:
            _ = session.state.read(earlier.stored) if earlier else None
        except StateError as error:
            failures[name] = error
    return failures


def _members_elsewhere(session: Session, name: str, *, is_evaluated_now: bool) -> pl.LazyFrame | None:
    """The members (``profile_id``) of an audience that no rule of this evaluation decides; None when it is undecided.

    They are those of the newest evaluation, unless the audience ``is_evaluated_now`` or failed since (E6, E9). Before
    its first evaluation, a feed audience has the members that its feed gives.
    """
    stored = None if is_evaluated_now else evaluations_table.newest(session.ledger, name, session.at)
    if not is_evaluated_now and name in failures_table.current(session.ledger, session.at):
        return None
    if stored:
        found = session.memberships_by_id(stored)
    elif session.workspace.audiences[name].where is None:
        found = memberships.feed_memberships(session, name)
    else:
        return None
    return found.filter(pl.col(STATUS) == REALIZED).select(PROFILE_ID)


def _store_and_record(
    session: Session,
    groups: Sequence[_Decided],
    failures: Mapping[str, MusterError],
    request: Request,
    record_beside: Callable[[], None],
) -> list[AudienceEvaluation]:
    """Write and record the memberships of decided audiences; remove files that the ledger does not name (E8)."""
    numbering, names = session.opened.numbering, [name for each in groups for name in each.names]
    try:
        for each in groups:
            _number_all(each.session, each.names)
        with numbering.kept_on() as files:
            stored = _stored(session, groups, request)
            session.opened.refuse_changed()  # nothing is recorded of two versions of an input (D2)
            evaluated = [stored[name] for name in request.audiences if name in stored]
            with session.ledger.transaction():
                numbering_table.put(session.ledger, files)
                evaluations_table.put(session.ledger, evaluated, session.clock())
                failures_table.settle(session.ledger, names, session.at)
                _put_failures(session, failures)
                record_beside()
    finally:  # files that were replaced, and those of an evaluation that was not recorded after all
        for name in names:
            session.state.keep_only(state_paths.memberships_folder(name), evaluations_table.files(session.ledger, name))
        session.state.keep_only(state_paths.MEMBERSHIPS, named_files.blocks(session.ledger))
        session.state.keep_only(state_paths.NUMBERING, numbering_table.files(session.ledger))
        session.state.keep_rosters(evaluations_table.rosters(session.ledger))
    _drop_replaced(session)
    return evaluated


def _stored(session: Session, groups: Sequence[_Decided], request: Request) -> dict[str, AudienceEvaluation]:
    """Write the rosters and memberships of all groups; what the ledger is to keep of them, by audience."""
    is_scheduled = any(each.schedule.kind != "on_demand" for each in session.workspace.all_activations)
    taken, number = named_files.blocks(session.ledger), sum(len(each.names) for each in groups)
    stored: dict[str, AudienceEvaluation] = {}
    with blamed(session.opened.opened_parts):
        for group in groups:
            roster = group.session.opened.roster.keep(session.state, digests=is_scheduled)
            for each in _store_all(group, request.scope, roster, taken):
                stored[each.audience] = each
                doing = f"evaluating {each.audience}"
                step = {"done": len(stored), "of": number, "rows": each.realized, "step": doing}
                log.info("%s: %d realized", each.audience, each.realized, extra=step)
            _tell_ignored([stored[name] for name in group.names], group.session.policy)
    return stored


def _tell_ignored(evaluations: Sequence[AudienceEvaluation], policy: str) -> None:
    """Log how many events and rows of feeds reach no profile of a merge policy (P12)."""
    for each in evaluations:
        if rows := each.ignored_rows.get("memberships"):
            log.info("%s: memberships in rows that reach no profile: %d", each.audience, rows)
    if events := max((each.ignored_rows.get("events", 0) for each in evaluations), default=0):
        log.info("merge policy %s: events that reach no profile: %d", policy, events)


def _drop_replaced(session: Session) -> None:
    """Take from blocks of this instant the audiences that were evaluated anew."""
    try:
        block_upkeep.drop_replaced(session.state, session.ledger, session.at)
    except MusterError as error:  # a full disk: they stay until the next prune
        log.warning("%s", error)


def _number_all(session: Session, names: Sequence[str]) -> None:
    """Give numbers to the profiles that earlier memberships or a feed name and the snapshot lacks.

    So all whom this evaluation finds have numbers before it writes any, and blocks have a row for each.
    """
    number_earlier(session, names)
    fed = [name for name in names if session.workspace.audiences[name].from_feed]
    if fed:
        rows = session.opened.feed.filter(pl.col(AUDIENCE_ID).is_in(fed)).select(pl.col(PROFILE_ID).unique())
        session.opened.numbering.numbers_of(engine.collect(rows)[PROFILE_ID])


def _store_all(
    group: _Decided, scope: Literal["all", "some"], roster: str, taken: set[str]
) -> Iterator[AudienceEvaluation]:
    """Write the memberships of all audiences: those of feeds in files of their own, the others in blocks."""
    session, names, decision = group.session, group.names, group.decision
    fed = [name for name in names if session.workspace.audiences[name].from_feed]
    others = [name for name in names if name not in fed]
    for name in fed:
        yield memberships.store_memberships(session, name, decision, scope, roster)
    yield from store_in_blocks(session, others, decision, scope, roster, taken=taken)
