"""The three modes, each a function that gives the exports to carry out at an instant (S2-S5, X7)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.instants import iso
from muster.activation.model.exports import Export, Superseded
from muster.activation.model.workspace import Activation, Trigger, Workspace
from muster.schedules.due import FirstSeen, History, due, horizon, open_window


class Past(Protocol):
    """The questions about the past that a decision asks; the ledger answers them."""

    def history(self, activation: Activation) -> History:
        """The results of the activation's slots."""

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:
        """The instants at which an audience was evaluated, all from ``since`` on and perhaps earlier ones."""

    def counter(self, activation: Activation, trigger: Trigger, slot: datetime) -> int:
        """The counter of the id of an activation's run for a slot: how often the slot was rewound (F4, S8)."""


@dataclass(frozen=True)
class Situation:
    """All that a decision depends on: the config, what earlier commands saw and did, and the instant."""

    workspace: Workspace
    seen: Mapping[str, FirstSeen]  # by activation key
    past: Past
    at: datetime
    overrides: Collection[str] = ()  # keys of activations whose guards do not count (X11)


def scheduled(situation: Situation) -> list[Export]:
    """The exports that times of day, intervals and cron ask for (S2)."""
    return _all_due(situation, "scheduled")


def after_evaluation(situation: Situation) -> list[Export]:
    """The exports that evaluations of their audiences ask for (S4)."""
    return _all_due(situation, "after_evaluation")


def on_demand(
    workspace: Workspace, keys: Iterable[str], at: datetime, counter: Callable[[Activation], int]
) -> list[Export]:
    """The exports that a user asks for (X7).

    ``RefusedError`` for an unknown or disabled activation, or one outside its schedule's start and end.
    """
    exports = []
    for key in dict.fromkeys(keys):
        activation = known(workspace, key)
        if not activation.enabled:
            raise RefusedError(f"{key} is disabled (`enabled: false`); nothing was exported")
        if not open_window(activation.schedule, at):
            raise RefusedError(f"{key}: {iso(at)} is outside its schedule, {window(activation)}; nothing was exported")
        exports.append(Export(activation, "on_demand", at, workspace.name, counter(activation)))
    return exports


def known(workspace: Workspace, key: str) -> Activation:
    """The activation of a key; ``RefusedError`` with the nearest keys when there is none."""
    activation = workspace.activation(key)
    if activation is None:
        raise RefusedError(
            f"there is no activation {key!r}{did_you_mean(key, (each.key for each in workspace.activations))}"
        )
    return activation


def window(activation: Activation) -> str:
    """The start and the end of an activation's schedule, ``from 2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z``."""
    schedule = activation.schedule
    parts = [f"from {iso(schedule.start)}" if schedule.start else "", f"to {iso(schedule.end)}" if schedule.end else ""]
    return " ".join(part for part in parts if part)


def _all_due(situation: Situation, trigger: Trigger) -> list[Export]:
    asking = (each for each in situation.workspace.activations if each.enabled and each.schedule.trigger == trigger)
    return [export for each in asking if (export := _due(situation, each, trigger))]


def _due(situation: Situation, activation: Activation, trigger: Trigger) -> Export | None:
    """The one run that is owed to an activation, for its newest due slot; older slots are superseded (S2)."""
    seen, history = situation.seen[activation.key], situation.past.history(activation)
    evaluations = (
        situation.past.evaluations(activation.audience, horizon(seen, history)) if trigger == "after_evaluation" else ()
    )
    owed = due(activation.schedule, seen, history, situation.at, evaluations)
    if owed is None:
        return None

    def counter(slot: datetime) -> int:
        return situation.past.counter(activation, trigger, slot)

    settled = owed.superseded_slot
    older = Superseded(owed.superseded_count, settled, counter(settled)) if settled else None
    override, name = activation.key in situation.overrides, situation.workspace.name
    return Export(activation, trigger, owed.slot, name, counter(owed.slot), older, override_guards=override)
