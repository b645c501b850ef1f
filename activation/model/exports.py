"""The decision to export: what is to be carried out, before anything is (ARCHITECTURE: a decision is a value). Pure."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from muster.activation.instants import iso, stamp
from muster.activation.model.workspace import Activation, ExportMode, Trigger


@dataclass(frozen=True)
class Superseded:
    """Older due slots that one run for a newer slot settles (S2)."""

    count: int
    newest: datetime


@dataclass(frozen=True)
class Export:
    """One activation, to be exported for one slot, one evaluation or one request."""

    activation: Activation
    trigger: Trigger
    scheduled: datetime
    workspace: str
    counter: int = 0
    superseded: Superseded | None = None
    override_guards: bool = False

    @property
    def mode(self) -> ExportMode:
        """On demand is always a full file (X7)."""
        return "full" if self.trigger == "on_demand" else self.activation.export

    @property
    def run_id(self) -> str:
        """The run's name: a function of the decision (F4)."""
        return self.run_id_at(self.scheduled)

    def run_id_at(self, slot: datetime) -> str:
        """The name of this activation's run for another slot."""
        activation = self.activation
        return run_id(self.workspace, activation.destination, activation.id, self.trigger, slot, self.counter)


def run_id(  # noqa: PLR0917  # the parts of its identity, in order
    workspace: str, destination: str, activation: str, trigger: Trigger, scheduled: datetime, counter: int = 0
) -> str:
    """``20261121T170000Z-3f2a9c1b4e``: a function of what the run is, never of the clock or chance (F4)."""
    identity = "\0".join((workspace, destination, activation, trigger, iso(scheduled), str(counter)))
    return f"{stamp(scheduled)}-{sha256(identity.encode()).hexdigest()[:10]}"
