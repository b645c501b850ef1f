"""Baselines, the last scheduled delivery of each activation: show, reset, or move them to another name (X8, X9)."""

from dataclasses import replace

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.model.history import Baseline
from muster.activation.state.ledger import baselines_table, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import lock, read_ledger


def list_baselines(workspace: OpenWorkspace) -> tuple[Baseline, ...]:
    """The baselines of all activations that have one."""
    return read_ledger(workspace, lambda ledger: tuple(baselines_table.list_all(ledger)))


def show_baseline(workspace: OpenWorkspace, activation: str) -> Baseline:
    """The baseline of an activation such as ``crm/newsletter``; ``RefusedError`` when it has none."""
    return read_ledger(workspace, lambda ledger: _baseline(ledger, activation))


def reset_baseline(workspace: OpenWorkspace, activation: str) -> Baseline:
    """Forget what an activation delivered, so that its next export is a first one (X9); returns the baseline.

    Raises ``RefusedError`` when there is no baseline, or an interrupted run is to be finished first.
    """
    with lock(workspace) as locked:
        found = _baseline(locked.ledger, activation)
        _refuse_unfinished(locked.ledger, activation)
        with locked.ledger.transaction():
            baselines_table.delete(locked.ledger, found.destination, found.activation)
        locked.state().remove(found.stored)
    return found


def move_baseline(workspace: OpenWorkspace, old: str, new: str) -> Baseline:
    """Hand the baseline of ``old`` to the renamed activation ``new`` (X9); returns the baseline as it is now.

    Raises ``RefusedError`` when ``old`` has none, ``new`` is unknown or has one of its own, or an interrupted run of
    either is to be finished first.
    """
    config = workspace.config
    with lock(workspace) as locked:
        found = _baseline(locked.ledger, old)
        target = config.activation(new)
        if target is None:
            raise RefusedError(
                f"there is no activation {new!r}{did_you_mean(new, (each.key for each in config.activations))}"
            )
        if baselines_table.get(locked.ledger, target.destination, target.id):
            raise RefusedError(
                f"{new} has a baseline of its own; `muster baseline reset {new}` first if it is to be replaced"
            )
        _refuse_unfinished(locked.ledger, old)
        _refuse_unfinished(locked.ledger, new)
        moved = replace(found, destination=target.destination, activation=target.id)
        with locked.ledger.transaction():
            baselines_table.delete(locked.ledger, found.destination, found.activation)
            baselines_table.put(locked.ledger, moved)
    return moved


def _baseline(ledger: Ledger, key: str) -> Baseline:
    destination, _, activation = key.partition("/")
    found = baselines_table.get(ledger, destination, activation)
    if found is None:
        known = [f"{each.destination}/{each.activation}" for each in baselines_table.list_all(ledger)]
        raise RefusedError(
            f"{key!r} has no baseline: it has delivered nothing on its schedule{did_you_mean(key, known)}"
        )
    return found


def _refuse_unfinished(ledger: Ledger, key: str) -> None:
    """Raise ``RefusedError`` while a run of the activation is unfinished: that run will move the baseline (S6)."""
    if any(run.key == key for run in runs_table.unfinished(ledger)):
        raise RefusedError(f"{key}: a run was interrupted while it was delivered; `muster run` finishes it first")
