"""The decision to run an activation, as a value: which activation, why, for which instant (X1, S2, V1)."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TypeAlias

from muster.activation.instants import iso, stamp
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Activation, AnyActivation, ExportMode, Trigger


@dataclass(frozen=True)
class Superseded:
    """Older due slots that a run for a newer slot settles too (S2)."""

    count: int
    newest: datetime
    counter: int = 0  # as a decision has


@dataclass(frozen=True)
class Decision:
    """The decision to run one activation, for one slot, one evaluation or one request."""

    activation: AnyActivation
    trigger: Trigger
    scheduled: datetime
    workspace: str
    counter: int = 0  # of repeated requests, and of slots that were rewound (F4, S8)
    superseded: Superseded | None = None
    override_guards: bool = False

    @property
    def key(self) -> str:
        """The activation key, ``destination/activation``."""
        return self.activation.key

    @property
    def mode(self) -> ExportMode:
        """Full or incremental; a run on demand is always full (X7)."""
        raise NotImplementedError

    @property
    def run_id(self) -> str:
        """The id of the run that carries out this decision (F4)."""
        return self.run_id_at(self.scheduled, self.counter)

    def run_id_at(self, slot: datetime, counter: int) -> str:
        """The id of this activation's run for another slot."""
        activation = self.activation
        return run_id(self.workspace, activation.destination, activation.id, self.trigger, slot, counter)


@dataclass(frozen=True)
class Export(Decision):
    """The decision to export files of one activation."""

    activation: Activation

    @property
    def mode(self) -> ExportMode:
        """Full or incremental; a run on demand is always full (X7)."""
        return "full" if self.trigger == "on_demand" else self.activation.export


@dataclass(frozen=True)
class Sending(Decision):
    """The decision to send messages of one activation (V1)."""

    activation: MessageActivation

    @property
    def is_resync(self) -> bool:
        """Whether every member is sent, beside those who are due (V11)."""
        return self.trigger == "on_demand"

    @property
    def mode(self) -> ExportMode:
        """Full for a run on demand, which sends every member; else incremental."""
        return "full" if self.is_resync else "incremental"


AnyDecision: TypeAlias = Export | Sending


def run_id(  # noqa: PLR0917  # the parts of a run's identity, in order
    workspace: str, destination: str, activation: str, trigger: Trigger, scheduled: datetime, counter: int = 0
) -> str:
    """A run's id, ``20261121T170000Z-3f2a9c1b4e``: a function of the decision, never of the clock or chance (F4)."""
    identity = "\0".join((workspace, destination, activation, trigger, iso(scheduled), str(counter)))
    return f"{stamp(scheduled)}-{sha256(identity.encode()).hexdigest()[:10]}"
