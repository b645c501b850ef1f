"""Baselines, the last scheduled delivery of each activation: show, reset, or move them to another name (X8, X9)."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.model.history import Baseline, MessageBaseline
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Workspace
from muster.activation.state.ledger import baselines_table, looks_table, message_baselines_table, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import lock, read_ledger

AnyBaseline: TypeAlias = Baseline | MessageBaseline


@dataclass(frozen=True)
class DeliveredRows:
    """What an activation that sends messages delivered last (V2)."""

    destination: str
    activation: str
    profiles: int  # that a receiver was told to be in a mapped audience
    evaluated_at: datetime | None  # the oldest evaluation of the mapped audiences; None once the run was pruned
    delivered_at: datetime  # the slot of the last run that moved the rows

    @property
    def key(self) -> str:
        """``destination/activation``."""
        return f"{self.destination}/{self.activation}"


def list_baselines(workspace: OpenWorkspace) -> tuple[Baseline | DeliveredRows, ...]:
    """The baselines of all activations that have one, by destination and activation."""
    return read_ledger(workspace, lambda ledger: tuple(_shown(ledger, each) for each in _all(ledger)))


def show_baseline(workspace: OpenWorkspace, activation: str) -> Baseline | DeliveredRows:
    """The baseline of an activation such as ``crm/newsletter``; ``RefusedError`` when it has none."""
    return read_ledger(workspace, lambda ledger: _shown(ledger, _baseline(ledger, activation, workspace.config)))


def reset_baseline(workspace: OpenWorkspace, activation: str) -> AnyBaseline:
    """Forget what an activation delivered, so that its next run is a first one (X9); returns the baseline.

    Raises ``RefusedError`` when there is no baseline, or an interrupted run is to be finished first.
    """
    with lock(workspace) as locked:
        found = _baseline(locked.ledger, activation, workspace.config)
        _refuse_unfinished(locked.ledger, activation)
        others = [each for each in _all(locked.ledger) if each.key == activation]  # of a time with another kind
        with locked.ledger.transaction():
            for each in others:
                _delete(locked.ledger, each)
        for each in others:
            locked.state().remove(each.stored)
    return found


def move_baseline(workspace: OpenWorkspace, old: str, new: str) -> AnyBaseline:
    """Hand the baseline of ``old`` to the renamed activation ``new`` (X9); returns the baseline as it is now.

    Raises ``RefusedError`` when ``old`` has none, ``new`` is unknown, has one of its own, or sends messages where
    ``old`` wrote files, or an interrupted run of either is to be finished first.
    """
    config = workspace.config
    with lock(workspace) as locked:
        found = _baseline(locked.ledger, old, config, like=new)
        target = config.activation(new) or config.message_activation(new)
        if target is None:
            raise RefusedError(
                f"there is no activation {new!r}{did_you_mean(new, (each.key for each in config.all_activations))}"
            )
        if isinstance(target, MessageActivation) != isinstance(found, MessageBaseline):
            kinds = ("sends messages", "writes files") if isinstance(target, MessageActivation) else _TURNED
            raise RefusedError(f"{new} {kinds[0]}, and what {old} delivered is of one that {kinds[1]}")
        if any(each.key == target.key and type(each) is type(found) for each in _all(locked.ledger)):
            raise RefusedError(
                f"{new} has a baseline of its own; `muster baseline reset {new}` first if it is to be replaced"
            )
        _refuse_unfinished(locked.ledger, old)
        _refuse_unfinished(locked.ledger, new)
        moved = replace(found, destination=target.destination, activation=target.id)
        with locked.ledger.transaction():
            _delete(locked.ledger, found)
            if isinstance(moved, MessageBaseline):
                message_baselines_table.put(locked.ledger, moved)
                looks_table.delete(locked.ledger, moved.destination, moved.activation)
            else:
                baselines_table.put(locked.ledger, moved)
    return moved


def _shown(ledger: Ledger, each: AnyBaseline) -> Baseline | DeliveredRows:
    if isinstance(each, Baseline):
        return each
    run = runs_table.get(ledger, each.run_id)
    evaluated_at = run.evaluated_at if run else None
    return DeliveredRows(each.destination, each.activation, each.members, evaluated_at, each.at)


def _all(ledger: Ledger) -> list[AnyBaseline]:
    found: list[AnyBaseline] = [*baselines_table.list_all(ledger), *message_baselines_table.list_all(ledger)]
    return sorted(found, key=lambda each: (each.destination, each.activation))


def _delete(ledger: Ledger, found: AnyBaseline) -> None:
    """Delete a baseline, and the last look at its activation. In a transaction."""
    table = message_baselines_table if isinstance(found, MessageBaseline) else baselines_table
    table.delete(ledger, found.destination, found.activation)
    looks_table.delete(ledger, found.destination, found.activation)


def _baseline(ledger: Ledger, key: str, config: Workspace, *, like: str = "") -> AnyBaseline:
    """The baseline of an activation; of one that had another kind once, that of the kind it has, or ``like`` has."""
    is_of_messages = config.message_activation(like or key) is not None
    known = _all(ledger)
    of_it = sorted(
        (each for each in known if each.key == key),
        key=lambda each: isinstance(each, MessageBaseline) != is_of_messages,
    )
    if not of_it:
        raise RefusedError(
            f"{key!r} has no baseline: it has delivered nothing on its schedule"
            f"{did_you_mean(key, [each.key for each in known])}"
        )
    return of_it[0]


_TURNED = ("writes files", "sends messages")


def _refuse_unfinished(ledger: Ledger, key: str) -> None:
    """Raise ``RefusedError`` while a run of the activation is unfinished: that run will move the baseline (S6)."""
    if any(run.key == key for run in runs_table.unfinished(ledger)):
        raise RefusedError(f"{key}: a run was interrupted while it was delivered; `muster run` finishes it first")
