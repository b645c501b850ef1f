"""The three modes, each a function that gives the runs to carry out at an instant (S2-S5, V1, X7)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.instants import iso
from muster.activation.model.exports import AnyDecision, Export, Sending, Superseded
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Activation, AnyActivation, Trigger, Workspace
from muster.schedules.due import FirstSeen, History, due, horizon, open_window


class Past(Protocol):
    """The questions about the past that a decision asks; the ledger answers them."""

    def history(self, activation: AnyActivation) -> History:
        """The results of the activation's slots."""

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:
        """The instants at which an audience was evaluated, all from ``since`` on and perhaps earlier ones."""

    def counter(self, activation: AnyActivation, trigger: Trigger, slot: datetime) -> int:
        """The counter of the id of an activation's run for a slot: how often the slot was rewound (F4, S8)."""


@dataclass(frozen=True)
class Situation:
    """All that a decision depends on: the config, what earlier commands saw and did, and the instant."""

    workspace: Workspace
    seen: Mapping[str, FirstSeen]  # by activation key
    past: Past
    at: datetime
    overrides: Collection[str] = ()  # keys of activations whose guards do not count (X11)


def scheduled(situation: Situation) -> list[AnyDecision]:
    """The runs that times of day, intervals, cron and the command itself ask for (S2, V1)."""
    return _all_due(situation, "scheduled")


def each_run(situation: Situation) -> list[AnyDecision]:
    """The runs that every command which evaluates or runs asks for (V1)."""
    return [each for each in scheduled(situation) if each.activation.schedule.kind == "each_run"]


def after_evaluation(situation: Situation) -> list[AnyDecision]:
    """The runs that evaluations of their audiences ask for (S4, V1)."""
    return _all_due(situation, "after_evaluation")


def on_demand(
    workspace: Workspace, keys: Iterable[str], at: datetime, counter: Callable[[AnyActivation], int]
) -> list[AnyDecision]:
    """The runs that a user asks for (X7, V11).

    ``RefusedError`` for an unknown or disabled activation, or one outside its schedule's start and end.
    """
    decisions = []
    for key in dict.fromkeys(keys):
        activation = known(workspace, key)
        nothing = "nothing was exported" if isinstance(activation, Activation) else "nothing was sent"
        if not activation.enabled:
            raise RefusedError(f"{key} is disabled (`enabled: false`); {nothing}")
        if not open_window(activation.schedule, at):
            raise RefusedError(f"{key}: {iso(at)} is outside its schedule, {window(activation)}; {nothing}")
        decisions.append(_decision(activation, "on_demand", at, workspace.name, counter(activation)))
    return decisions


def known(workspace: Workspace, key: str) -> AnyActivation:
    """The activation of a key; ``RefusedError`` with the nearest keys when there is none."""
    activation = workspace.any_activation(key)
    if activation is None:
        raise RefusedError(
            f"there is no activation {key!r}{did_you_mean(key, (each.key for each in workspace.all_activations))}"
        )
    return activation


def window(activation: AnyActivation) -> str:
    """The start and the end of an activation's schedule, ``from 2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z``."""
    schedule = activation.schedule
    parts = [f"from {iso(schedule.start)}" if schedule.start else "", f"to {iso(schedule.end)}" if schedule.end else ""]
    return " ".join(part for part in parts if part)


def _all_due(situation: Situation, trigger: Trigger) -> list[AnyDecision]:
    asking = (each for each in situation.workspace.all_activations if each.enabled and each.schedule.trigger == trigger)
    return [decision for each in asking if (decision := _due(situation, each, trigger))]


def _due(situation: Situation, activation: AnyActivation, trigger: Trigger) -> AnyDecision | None:
    """The one run that is owed to an activation, for its newest due slot; older slots are superseded (S2)."""
    seen, history = situation.seen[activation.key], situation.past.history(activation)
    evaluations = _evaluations(situation, activation, horizon(seen, history)) if trigger == "after_evaluation" else ()
    owed = due(activation.schedule, seen, history, situation.at, evaluations)
    if owed is None:
        return None

    def counter(slot: datetime) -> int:
        return situation.past.counter(activation, trigger, slot)

    settled = owed.superseded_slot
    older = Superseded(owed.superseded_count, settled, counter(settled)) if settled else None
    override, name = activation.key in situation.overrides, situation.workspace.name
    return _decision(activation, trigger, owed.slot, name, counter(owed.slot), older, override_guards=override)


def _evaluations(situation: Situation, activation: AnyActivation, since: datetime) -> Sequence[datetime]:
    """The instants at which an audience of the activation was evaluated, each once (S4, V1)."""
    found = [situation.past.evaluations(each, since) for each in activation.audience_ids]
    return sorted({instant for instants in found for instant in instants})


def _decision(  # noqa: PLR0917  # the parts of a decision, in order
    activation: AnyActivation,
    trigger: Trigger,
    slot: datetime,
    workspace: str,
    counter: int,
    older: Superseded | None = None,
    *,
    override_guards: bool = False,
) -> AnyDecision:
    """The decision to run an activation: to send messages where its destination takes them, else to export files."""
    if isinstance(activation, MessageActivation):
        return Sending(activation, trigger, slot, workspace, counter, older, override_guards)
    if isinstance(activation, Activation):
        return Export(activation, trigger, slot, workspace, counter, older, override_guards)
    raise TypeError(activation)
