"""The decision to export, as a value: which activation, why, for which instant (X1, S2)."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from muster.activation.instants import iso, stamp
from muster.activation.model.workspace import Activation, ExportMode, Trigger


@dataclass(frozen=True)
class Superseded:
    """Older due slots that a run for a newer slot settles too (S2)."""

    count: int
    newest: datetime
    counter: int = 0  # as an export has


@dataclass(frozen=True)
class Export:
    """The decision to export one activation, for one slot, one evaluation or one request."""

    activation: Activation
    trigger: Trigger
    scheduled: datetime
    workspace: str
    counter: int = 0  # of repeated requests, and of slots that were rewound (F4, S8)
    superseded: Superseded | None = None
    override_guards: bool = False

    @property
    def mode(self) -> ExportMode:
        """Full or incremental; a run on demand is always full (X7)."""
        return "full" if self.trigger == "on_demand" else self.activation.export

    @property
    def run_id(self) -> str:
        """The id of the run that carries out this decision (F4)."""
        return self.run_id_at(self.scheduled, self.counter)

    def run_id_at(self, slot: datetime, counter: int) -> str:
        """The id of this activation's run for another slot."""
        activation = self.activation
        return run_id(self.workspace, activation.destination, activation.id, self.trigger, slot, counter)


def run_id(  # noqa: PLR0917  # the parts of a run's identity, in order
    workspace: str, destination: str, activation: str, trigger: Trigger, scheduled: datetime, counter: int = 0
) -> str:
    """A run's id, ``20261121T170000Z-3f2a9c1b4e``: a function of the decision, never of the clock or chance (F4)."""
    identity = "\0".join((workspace, destination, activation, trigger, iso(scheduled), str(counter)))
    return f"{stamp(scheduled)}-{sha256(identity.encode()).hexdigest()[:10]}"
