"""One past evaluation made again, from the inputs that it recorded (E8, SPEC 10)."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
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
    shown = f"the evaluation of {evaluation.audience!r} at {iso(evaluation.at)}"
    if why := _why_impossible(evaluation, workspace):
        raise RefusedError(f"{shown} cannot be made again: {why}")
    there = ScratchState(state, scratch)
    try:
        with closing(ledger.copy()) as past:
            with past.transaction():
                deletion.forget_evaluation(past, evaluation.audience, evaluation.at)
            opened = recorded_inputs(workspace, evaluation, there, past)
            with closing(open_session(workspace, evaluation.at, clock, there, past, opened=opened)) as session:
                roster = opened.roster.keep(there, digests=True)
                made = evaluate_one(session, evaluation.audience, evaluation.scope, roster)
    except RefusedError:
        raise
    except MusterError as error:
        raise RefusedError(f"{shown} cannot be made again: {error}") from error
    before, after = ((each.realized, each.entered, each.exited) for each in (evaluation, made))
    if before != after:
        raise RefusedError(
            f"{shown} comes out differently: {after} realized, entered and exited, where it had {before}"
        )
    kept = {key: evaluation.inputs[key] for key in ("snapshot", "ages") if key in evaluation.inputs}
    return replace(made, inputs=made.inputs | kept)


def _why_impossible(evaluation: AudienceEvaluation, workspace: Workspace) -> str:
    """Return why an evaluation cannot come out as it was, or an empty text."""
    audience = workspace.audiences.get(evaluation.audience)
    if audience is None:
        return "the audience is not in the config any more"
    if missing := missing_inputs(evaluation, workspace):
        return f"{missing[0]} changed or is missing"
    if rule_digest(audience) != evaluation.rule:
        return "its rule changed since"
    return ""
