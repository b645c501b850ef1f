"""Past evaluations made again, from the inputs that they recorded (E8, SPEC 10)."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from muster.activation.errors import MusterError, RefusedError
from muster.activation.evaluation.evaluate import evaluate_again
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.profiles import roster_file
from muster.activation.profiles.opening import recorded_inputs
from muster.activation.session import open_session
from muster.activation.state.blocks import write_block
from muster.activation.state.files import ScratchState, State
from muster.activation.state.ledger import deletion
from muster.activation.state.ledger.database import Ledger
from muster.activation.upkeep.named_file_faults import why_impossible


def reevaluate(
    workspace: Workspace,
    state: State,
    ledger: Ledger,
    evaluations: Sequence[AudienceEvaluation],
    *,
    scratch: Path,
    clock: Callable[[], datetime],
) -> list[StoredFile]:
    """Write the memberships of evaluations, which one command made, anew into the folder ``scratch``; returns where.

    ``RefusedError`` when one cannot be made again or comes out differently.
    """
    shown = _shown(evaluations)
    for each in evaluations:
        if why := why_impossible(each, workspace):
            raise RefusedError(f"{_shown([each])} cannot be made again: {why}")
    there = ScratchState(state, scratch)
    try:
        made = _made(workspace, there, ledger, evaluations, clock)
        for before, after in zip(evaluations, made, strict=True):
            _refuse_difference(before, after)
        return _of_as_many_numbers(there, evaluations[0], [each.stored for each in made])
    except RefusedError:
        raise
    except MusterError as error:
        raise RefusedError(f"{shown} cannot be made again: {error}") from error


def _made(
    workspace: Workspace,
    there: ScratchState,
    ledger: Ledger,
    evaluations: Sequence[AudienceEvaluation],
    clock: Callable[[], datetime],
) -> list[AudienceEvaluation]:
    """The evaluations that come of the recorded inputs, as if they had never been made before."""
    of_all = _with_inputs_of_all(evaluations)
    with closing(ledger.copy()) as past:
        with past.transaction():
            for each in evaluations:
                deletion.forget_evaluation(past, each.audience, each.at)
        opened = recorded_inputs(workspace, of_all, there, past)
        with closing(open_session(workspace, of_all.at, clock, there, past, opened=opened)) as session:
            roster = opened.roster.keep(there, digests=True)
            return evaluate_again(session, [each.audience for each in evaluations], of_all.scope, roster)


def _with_inputs_of_all(evaluations: Sequence[AudienceEvaluation]) -> AudienceEvaluation:
    """The first evaluation with the inputs of all: each records only the kinds that decided it."""
    first, *others = evaluations
    kinds = ("events", "event_sources", "memberships")  # the second of sources alone
    read: dict[str, Any] = {
        kind: next((each.inputs[kind] for each in evaluations if each.inputs.get(kind)), []) for kind in kinds
    }
    return replace(first, inputs=first.inputs | read) if others else first


def _refuse_difference(evaluation: AudienceEvaluation, made: AudienceEvaluation) -> None:
    before, after = ((each.realized, each.entered, each.exited) for each in (evaluation, made))
    if before != after:
        raise RefusedError(
            f"{_shown([evaluation])} comes out differently: {after} realized, entered and exited, where it had {before}"
        )


def _of_as_many_numbers(there: ScratchState, before: AudienceEvaluation, made: list[StoredFile]) -> list[StoredFile]:
    """The parts of a block with as many numbers as the block had of before: others were given since.

    Profiles that were numbered anew may be members behind these: then all numbers stay.
    """
    numbers = before.inputs.get("numbers")
    if made[0].audience is None or before.stored.audience is None or numbers is None:
        return made
    behind = there.read_block(made).slice(numbers).select(pl.exclude(PROFILE_ID).count())
    if any(engine.collect(behind).row(0)):
        return made
    block = there.read_block(made).head(numbers)
    file, names = made[0].path, [str(each.audience) for each in made]
    parts = write_block(there, f"{file}.cut", block, names, roster_file.marks_of(there, made[0]))
    return [parts[name] for name in names]


def _shown(evaluations: Sequence[AudienceEvaluation]) -> str:
    names = ", ".join(repr(each.audience) for each in evaluations)
    return f"the evaluation of {names} at {iso(evaluations[0].at)}"
