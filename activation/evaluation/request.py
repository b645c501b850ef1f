"""The audiences that a command evaluates: requested ones that may be evaluated at the instant (E6, E7)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.evaluation.record import rule_digest
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation
from muster.activation.rules.order import in_order, with_references
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table, runs_table


@dataclass(frozen=True)
class Request:
    """The audiences to evaluate, each after those that it refers to, and notes about those evaluated already."""

    audiences: tuple[str, ...]
    scope: Literal["all", "some"]
    notes: tuple[str, ...] = ()


def request_evaluation(session: Session, names: Sequence[str], *, replace: bool = False) -> Request:
    """The audiences ``names`` (all, if none is named) that lack an evaluation at the session's instant (E6, E7).

    ``replace`` also takes those that have one. ``RefusedError`` for an unknown name, an instant before an audience's
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
    present = [each for each in newest.values() if each and each.at == session.at]
    if replace:
        _refuse_used(session, present)
    lacking = tuple(name for name in order if replace or newest[name] not in present or newest[name] is None)
    notes = () if replace or not present else _notes_about(session, present)
    return Request(lacking, "some" if names else "all", notes)


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
        user = runs_table.first_using_evaluation(session.ledger, each.audience, each.at)
        if user:
            raise RefusedError(
                f"the evaluation of {each.audience!r} at {iso(each.at)} was used by run {user.run_id} of "
                f"{user.key}, so it cannot be replaced; evaluate at a later instant"
            )


def _notes_about(session: Session, present: Sequence[AudienceEvaluation]) -> tuple[str, ...]:
    """Notes that these audiences were evaluated at this instant already, and about what changed since (E6)."""
    names = ", ".join(each.audience for each in present)
    notes = [f"already evaluated at {iso(session.at)}: {names}"]
    audiences = session.workspace.audiences
    changed = [each.audience for each in present if each.rule != rule_digest(audiences[each.audience])]
    if changed:
        notes.append(f"the rule changed since: {', '.join(changed)}; --replace evaluates again if no run has used it")
    snapshot = session.opened.newest_snapshot  # a stale one is refused by what needs it (D2)
    if any(each.inputs["snapshot"]["files"] != snapshot.records for each in present):
        notes.append(
            f"the snapshot changed since: it is {snapshot.name} now; --replace evaluates again if no run has used it"
        )
    return tuple(notes)
