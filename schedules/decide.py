"""The three modes: which exports are to be carried out at an instant (S2-S5, X7). Pure: three small functions, one list each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.instants import iso
from muster.activation.model.exports import Export, Superseded
from muster.activation.model.workspace import Activation, Trigger, Workspace
from muster.schedules.due import History, Sighting, due, horizon, open_window


class Past(Protocol):
    """What a decision asks about the past; the ledger answers."""

    def history(self, activation: Activation) -> History:
        """What the activation's slots came to."""

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:
        """The instants at which an audience was evaluated, from ``since`` on at least."""


@dataclass(frozen=True)
class Look:
    """What a command sees when it decides: the config, what was seen and done before, and the instant."""

    workspace: Workspace
    seen: Mapping[str, Sighting]
    past: Past
    at: datetime
    overrides: Collection[str] = ()  # activations whose guards are let through (X11)


def scheduled(look: Look) -> list[Export]:
    """The exports that times of day, intervals and cron ask for."""
    return _all_due(look, "scheduled")


def after_evaluation(look: Look) -> list[Export]:
    """The exports that evaluations of their audiences ask for (S4)."""
    return _all_due(look, "after_evaluation")


def on_demand(
    workspace: Workspace, keys: Iterable[str], at: datetime, counter: Callable[[Activation], int]
) -> list[Export]:
    """The exports a person asks for; ``RefusedError`` for an unknown activation or one outside its start and end (X7)."""
    exports = []
    for key in dict.fromkeys(keys):
        activation = workspace.activation(key)
        if activation is None:
            raise RefusedError(
                f"there is no activation {key!r}{did_you_mean(key, (each.key for each in workspace.activations))}"
            )
        if not open_window(activation.schedule, at):
            raise RefusedError(f"{key}: {iso(at)} is outside its schedule, {window(activation)}; nothing was exported")
        exports.append(Export(activation, "on_demand", at, workspace.name, counter(activation)))
    return exports


def window(activation: Activation) -> str:
    """``from 2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z``."""
    schedule = activation.schedule
    parts = [f"from {iso(schedule.start)}" if schedule.start else "", f"to {iso(schedule.end)}" if schedule.end else ""]
    return " ".join(part for part in parts if part)


def _all_due(look: Look, trigger: Trigger) -> list[Export]:
    asking = (each for each in look.workspace.activations if each.schedule.trigger == trigger)
    return [export for each in asking if (export := _due(look, each, trigger))]


def _due(look: Look, activation: Activation, trigger: Trigger) -> Export | None:
    """The one run that an activation is owed, for its newest slot; older ones are superseded (S2)."""
    seen, history = look.seen[activation.key], look.past.history(activation)
    evaluations = (
        look.past.evaluations(activation.audience, horizon(seen, history)) if trigger == "after_evaluation" else ()
    )
    owed = due(activation.schedule, seen, history, look.at, evaluations)
    if owed is None:
        return None
    older = Superseded(owed.superseded_count, owed.superseded_slot) if owed.superseded_slot else None
    override = activation.key in look.overrides
    return Export(activation, trigger, owed.slot, look.workspace.name, superseded=older, override_guards=override)
