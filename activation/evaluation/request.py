"""The audiences that a command evaluates: requested or failed ones that may be evaluated at the instant (E6-E9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from muster.activation.errors import DataError, RefusedError, did_you_mean
from muster.activation.evaluation.record import rule_digest
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Run
from muster.activation.rules.order import in_order, references, with_references
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table, failures_table, runs_table


@dataclass(frozen=True)
class Request:
    """The audiences to evaluate, each after those that it refers to, and notes about those evaluated already."""

    audiences: tuple[str, ...]
    scope: Literal["all", "some"]
    notes: tuple[str, ...] = ()


def request_evaluation(session: Session, names: Sequence[str], *, replace: bool = False) -> Request:
    """The audiences ``names`` (all, if none is named) that lack an evaluation at the session's instant (E6, E7).

    An evaluation that a failed one was to replace, and that no run used, is lacking too (E9). ``replace`` also takes
    audiences that lack none. ``RefusedError`` for an unknown name, an instant before an audience's
    latest evaluation, or the replacement of an evaluation that a run used.
    """
    workspace = session.workspace
    unknown = next((name for name in names if name not in workspace.audiences), None)
    if unknown:
        raise RefusedError(f"there is no audience {unknown!r}{did_you_mean(unknown, workspace.audiences)}")
    wanted = with_references(names, workspace.audiences) if names else workspace.audiences.keys()
    order = [name for name in in_order(workspace.audiences) if name in wanted]
    newest = {name: evaluations_table.newest(session.ledger, name) for name in order}
    _refuse_past(session, newest.values())
    at_once = [each for each in newest.values() if each and each.at == session.at]
    if replace:
        _refuse_used(session, at_once)
    replaced = failures_table.current(session.ledger, session.at)
    present = [each for each in at_once if each.audience not in replaced or _user(session, each)]
    lacking = tuple(name for name in order if replace or newest[name] not in present or newest[name] is None)
    notes = () if replace or not present else _notes_about(session, present)
    return Request(lacking, "some" if names else "all", notes)


def rehearse_evaluation(session: Session, *names: str) -> Request:
    """Audiences and those that they refer to, evaluated again even at an instant whose evaluation a run used.

    For an evaluation that is not kept. ``RefusedError`` for an instant before an audience's latest evaluation.
    """
    audiences = session.workspace.audiences
    wanted = with_references(names, audiences)
    order = tuple(each for each in in_order(audiences) if each in wanted)
    _refuse_past(session, [evaluations_table.newest(session.ledger, each) for each in order])
    return Request(order, "some")


def _refuse_past(session: Session, newest: Iterable[AudienceEvaluation | None]) -> None:
    """``RefusedError`` when an audience has an evaluation later than the session's instant."""
    later = next((each for each in newest if each and each.at > session.at), None)
    if later:
        raise RefusedError(
            f"audience {later.audience!r} cannot be evaluated at {iso(session.at)}: its latest evaluation is "
            f"{iso(later.at)}. If that one was a mistake: `muster evaluations forget --after {iso(session.at)}`"
        )


def _refuse_used(session: Session, present: Iterable[AudienceEvaluation]) -> None:
    """``RefusedError`` when a run used one of these evaluations."""
    for each in present:
        if user := _user(session, each):
            raise RefusedError(
                f"the evaluation of {each.audience!r} at {iso(each.at)} was used by run {user.run_id} of "
                f"{user.key}, so it cannot be replaced; evaluate at a later instant"
            )


def _user(session: Session, evaluation: AudienceEvaluation) -> Run | None:
    return runs_table.first_using_evaluation(session.ledger, evaluation.audience, evaluation.at)


def request_reevaluation(session: Session) -> Request:
    """The failed audiences, to be evaluated again at the session's instant (E9).

    Audiences that they refer to and that were never evaluated come with them. A failed audience whose evaluation at
    this very instant was used by a run waits for a later instant (E6).
    """
    audiences, failed = session.workspace.audiences, failures_table.current(session.ledger, session.at)
    newest = {name: evaluations_table.newest(session.ledger, name) for name in audiences}
    wanted = {name for name in audiences if name in failed and not _is_settled(session, newest[name])}
    waiting = list(wanted)
    while waiting:
        unknown = {other for other in references(audiences[waiting.pop()]) if newest[other] is None} - wanted
        wanted |= unknown
        waiting += unknown
    return Request(tuple(name for name in in_order(audiences) if name in wanted), "some")


def _is_settled(session: Session, newest: AudienceEvaluation | None) -> bool:
    """Whether an audience's newest evaluation is of the session's instant, and stays because a run used it (E6)."""
    return newest is not None and newest.at == session.at and _user(session, newest) is not None


def _notes_about(session: Session, present: Sequence[AudienceEvaluation]) -> tuple[str, ...]:
    """Notes that these audiences were evaluated at this instant already, and about what changed since (E6)."""
    names = ", ".join(each.audience for each in present)
    notes = [f"already evaluated at {iso(session.at)}: {names}"]
    audiences = session.workspace.audiences
    changed = [each.audience for each in present if each.rule != rule_digest(audiences[each.audience])]
    if changed:
        notes.append(f"the rule changed since: {', '.join(changed)}; --replace evaluates again if no run has used it")
    if name := _changed_snapshot(session, present):
        notes.append(f"the snapshot changed since: it is {name} now; --replace evaluates again if no run has used it")
    return tuple(notes)


def _changed_snapshot(session: Session, present: Sequence[AudienceEvaluation]) -> str:
    """The names of the snapshots where these evaluations used others; nothing where a snapshot cannot be used.

    The evaluation or the exports that follow refuse such a snapshot themselves.
    """
    changed = []
    for each in present:
        try:
            opened = session.of_audience(each.audience).opened
            records = opened.newest_snapshot.records  # a stale one is refused by what needs it (D2)
        except DataError:
            continue
        if each.inputs["snapshot"]["files"] != records:
            changed.append(opened.snapshot_name)
    return ", ".join(dict.fromkeys(changed))
