"""One past evaluation made again, from the inputs that it recorded (E8, SPEC 10)."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from muster.activation.errors import MusterError, RefusedError
from muster.activation.evaluation.evaluate import evaluate_alone, rule_digest
from muster.activation.inputs.parquet import Part
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.workspace import Workspace
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import snapshot_of
from muster.activation.session import Session
from muster.activation.state.files import ScratchState, State
from muster.activation.state.ledger import deletion
from muster.activation.state.ledger.database import Ledger
from muster.activation.upkeep.named_file_faults import missing_inputs


def reevaluate(
    workspace: Workspace,
    state: State,
    ledger: Ledger,
    evaluation: AudienceEvaluation,
    *,
    scratch: Path,
    clock: Callable[[], datetime],
) -> AudienceEvaluation:
    """Return the evaluation, with its memberships written anew into the folder ``scratch``.

    ``RefusedError`` when it cannot be made again or comes out differently.
    """
    name, what = evaluation.audience, f"the evaluation of {evaluation.audience!r} at {iso(evaluation.at)}"
    if name not in workspace.audiences:
        raise RefusedError(f"{what} cannot be made again: the audience is not in the config any more")
    if gone := missing_inputs(evaluation, workspace):
        raise RefusedError(f"{what} cannot be made again: {gone[0]} changed or is gone")
    past = ledger.copy()
    try:
        with past.transaction():
            deletion.forget_evaluation(past, name, evaluation.at)
        session = Session(workspace, ScratchState(state, scratch), past, evaluation.at, clock, allow_empty=True)
        made = _evaluated(session, state, evaluation, what)
    except RefusedError:
        raise
    except MusterError as error:
        raise RefusedError(f"{what} cannot be made again: {error}") from error
    finally:
        past.close()
    sizes = [(each.realized, each.entered, each.exited) for each in (evaluation, made)]
    if sizes[0] != sizes[1]:
        raise RefusedError(
            f"{what} comes out differently: {sizes[1]} realized, entered and exited, where it had {sizes[0]}"
        )
    return made


def _evaluated(session: Session, state: State, evaluation: AudienceEvaluation, what: str) -> AudienceEvaluation:
    if rule_digest(session, evaluation.audience) != evaluation.rule:
        raise RefusedError(f"{what} cannot be made again: its rule changed since")
    inputs = evaluation.inputs
    parts = {kind: [_part(session, record) for record in inputs[kind]] for kind in ("events", "memberships")}
    snapshot = snapshot_of(session.workspace, [_part(session, record) for record in inputs["snapshot"]["files"]])
    session.__dict__ |= {"snapshot": snapshot, "event_parts": parts["events"], "feed_parts": parts["memberships"]}
    roster = Roster.kept(snapshot, state, inputs["roster"]) or session.roster_of(snapshot)
    session.use_roster(snapshot, roster)
    name = roster.keep(session.state, digests=True)
    return evaluate_alone(session, evaluation.audience, evaluation.scope, name)


def _part(session: Session, record: dict[str, str | int]) -> Part:
    return session.places.read_one(session.places.named(str(record["name"])))
