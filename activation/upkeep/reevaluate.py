"""One past evaluation made again, from the inputs that it recorded (E8, SPEC 10)."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from muster.activation.errors import MusterError, RefusedError
from muster.activation.evaluation.evaluate import evaluate_one
from muster.activation.evaluation.record import rule_digest
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.workspace import Workspace
from muster.activation.profiles.opened import recorded_inputs
from muster.activation.session import open_session
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
        if rule_digest(workspace.audiences[name]) != evaluation.rule:
            raise RefusedError(f"{what} cannot be made again: its rule changed since")
        there = ScratchState(state, scratch)
        opened = recorded_inputs(workspace, evaluation, state, there, past)
        with closing(open_session(workspace, evaluation.at, clock, there, past, opened=opened)) as session:
            roster = opened.roster.keep(there, digests=True)
            made = evaluate_one(session, name, evaluation.scope, roster)
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
