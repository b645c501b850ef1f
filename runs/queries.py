"""What the listing commands ask and the small repairs do (SPEC 9, E6, X9)."""

import heapq
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.instants import iso, parse_instant
from muster.activation.model.history import Baseline, Run
from muster.activation.model.workspace import Schedule
from muster.activation.state.ledger import baselines_table, deletion, evaluations_table, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.cli.shapes import runs
from muster.cli.shapes.runs import Json
from muster.schedules.crontab import crontab_text
from muster.schedules.descriptions import describe
from muster.schedules.slots import next_slots

if TYPE_CHECKING:
    from muster.activation.session import Session


def schedules(session: "Session") -> list[Json]:
    """Each activation's schedule in words and its next fire time."""
    lines = []
    for each in session.workspace.activations:
        following = next_slots(each.schedule, session.at, 1)
        lines.append(runs.schedule(each, describe(each.schedule), following[0] if following else None))
    return lines


def next_fires(session: "Session", n: int) -> list[Json]:
    """The next fire times of all activations together, soonest first."""
    fires = [
        (moment, each.key, each)
        for each in session.workspace.activations
        for moment in next_slots(each.schedule, session.at, n)
    ]
    return [runs.fire(each, moment) for moment, _, each in heapq.nsmallest(n, fires, key=lambda fire: fire[:2])]


def crontab(session: "Session") -> str:
    """A crontab for this workspace."""
    asked: list[Schedule] = [each.schedule for each in session.workspace.activations]
    if session.workspace.evaluation_schedule:
        asked.append(session.workspace.evaluation_schedule)
    return crontab_text(asked, str(session.root), session.at)


def find_run(ledger: Ledger, run_id: str) -> Run:
    """The run of that id, or the only one whose id starts so."""
    found = runs_table.find(ledger, prefix=run_id, limit=2)
    exact = next((run for run in found if run.run_id == run_id), None)
    if exact or len(found) == 1:
        return exact or found[0]
    if found:
        raise RefusedError(
            f"several runs start with {run_id!r}, such as {found[0].run_id} and {found[1].run_id}; give more of the id"
        )
    raise RefusedError(
        f"there is no run {run_id!r}{did_you_mean(run_id, (run.run_id for run in runs_table.find(ledger, limit=200)))}"
    )


def rejects(session: "Session", run_id: str) -> list[Json]:
    """Each profile that the run left out, with the reason (X10)."""
    from muster.activation.frames import engine

    run = find_run(session.ledger, run_id)
    if run.rejects is None and run.excluded and run.status == "succeeded":
        raise RefusedError(
            f"run {run.run_id} left out {run.excluded} profiles; the list of them was lost, and put aside by a repair"
        )
    return engine.collect(session.state.read(run.rejects)).to_dicts() if run.rejects else []


def audience(session: "Session", name: str) -> Json:
    """One audience with its history and the activations that send it."""
    found = session.workspace.audiences.get(name)
    if found is None:
        raise RefusedError(f"there is no audience {name!r}{did_you_mean(name, session.workspace.audiences)}")
    history = [each for each in evaluations_table.list_all(session.ledger) if each.audience == name]
    return runs.audience_details(
        found, history, (each for each in session.workspace.activations if each.audience == name)
    )


def evaluations(session: "Session") -> list[Json]:
    """Every evaluation, newest first."""
    records = evaluations_table.list_all(session.ledger)
    used = {each.at for each in records if runs_table.first_using_evaluation(session.ledger, each.audience, each.at)}
    return runs.evaluations(records, used)


def forget(session: "Session", after: str) -> int:
    """Forget evaluations later than a time; ``RefusedError`` when a run has used one of them (E6)."""
    moment = parse_instant(after, session.workspace.zone)
    for each in evaluations_table.list_all(session.ledger):
        user = runs_table.first_using_evaluation(session.ledger, each.audience, each.at) if each.at > moment else None
        if user:
            raise RefusedError(
                f"the evaluation of {each.audience!r} at {iso(each.at)} was used by run {user.run_id} of {user.key}; "
                f"forgetting stops before it: give --after {iso(each.at)} or later"
            )
    _refuse_pruned(session, moment)
    with session.ledger.transaction():
        gone = evaluations_table.delete_after(session.ledger, moment)
    for each in gone:
        session.state.remove(each.stored)
    return len(gone)


def _refuse_pruned(session: "Session", moment: datetime) -> None:
    """What an audience would go on from must be there: nobody who was a member enters anew."""
    for audience, until, oldest in deletion.pruned_evaluations(session.ledger):
        if moment < oldest:
            raise RefusedError(
                f"evaluations of {audience!r} up to {iso(until)} were pruned; forgetting stops before: give "
                f"--after {iso(oldest)} or later"
            )


def baselines(ledger: Ledger, key: str | None) -> list[Json]:
    """All baselines, or the one of an activation."""
    return [
        runs.baseline(each) for each in (baselines_table.list_all(ledger) if key is None else [_baseline(ledger, key)])
    ]


def _baseline(ledger: Ledger, key: str) -> Baseline:
    destination, _, activation = key.partition("/")
    found = baselines_table.get(ledger, destination, activation)
    if found is None:
        known = [f"{each.destination}/{each.activation}" for each in baselines_table.list_all(ledger)]
        raise RefusedError(
            f"{key!r} has no baseline: it has delivered nothing on its schedule{did_you_mean(key, known)}"
        )
    return found


def reset_baseline(session: "Session", key: str) -> None:
    """Forget what an activation delivered (X9)."""
    found = _baseline(session.ledger, key)
    _refuse_unfinished(session, key)
    with session.ledger.transaction():
        baselines_table.delete(session.ledger, found.destination, found.activation)
    session.state.remove(found.stored)


def move_baseline(session: "Session", old: str, new: str) -> None:
    """Hand a baseline to another name (X9); ``RefusedError`` when the new name is unknown or has one of its own."""
    found = _baseline(session.ledger, old)
    target = session.workspace.activation(new)
    if target is None:
        raise RefusedError(
            f"there is no activation {new!r}{did_you_mean(new, (each.key for each in session.workspace.activations))}"
        )
    if baselines_table.get(session.ledger, target.destination, target.id):
        raise RefusedError(
            f"{new} has a baseline of its own; `muster baseline reset {new}` first if it is to be replaced"
        )
    _refuse_unfinished(session, old)
    _refuse_unfinished(session, new)
    with session.ledger.transaction():
        baselines_table.delete(session.ledger, found.destination, found.activation)
        baselines_table.put(session.ledger, replace(found, destination=target.destination, activation=target.id))


def _refuse_unfinished(session: "Session", key: str) -> None:
    """A run that is being delivered will move the baseline: it comes first (S6)."""
    if any(run.key == key for run in runs_table.unfinished(session.ledger)):
        raise RefusedError(f"{key}: a run was interrupted while it was delivered; `muster run` finishes it first")
