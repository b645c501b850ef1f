"""The nouns of governance: what data is, and what may not be done with it (G1 to G5)."""

from dataclasses import dataclass
from typing import Literal

from muster.activation.model.locations import NOWHERE, SourceLocation


@dataclass(frozen=True)
class LabelEntry:
    """The labels of one thing: a profile column, an event column, a namespace or a source (G1).

    ``what`` is written as in muster.yml: ``health.score``, ``events.diagnosis``, ``identity_map.Phone``,
    ``sources.loyalty``. A label of a struct is one of all that is below it.
    """

    what: str
    labels: tuple[str, ...]  # sorted
    location: SourceLocation = NOWHERE


@dataclass(frozen=True)
class Policy:
    """A rule about marketing actions: it denies them for some labels (G3), or leaves people out without consent (G4).

    Exactly one of ``deny`` and ``consent`` is given.
    """

    id: str
    name: str
    actions: tuple[str, ...]  # sorted
    deny: str | None = None  # an expression over labels
    consent: str | None = None  # SQL over profile columns; true lets a person through
    enabled: bool = True
    is_core: bool = False  # built in, and switched on by ``core_policies``
    location: SourceLocation = NOWHERE  # of ``deny`` or ``consent``
    consent_from: tuple[str, ...] = ()  # the sources of which alone ``consent`` is judged; none: all (G4)

    @property
    def kind(self) -> Literal["deny", "consent"]:
        """Whether the policy denies actions (G3), or leaves people out (G4)."""
        return "consent" if self.deny is None else "deny"

    @property
    def expression(self) -> str:
        """The text of ``deny`` or ``consent``."""
        return self.deny or self.consent or ""

    def applies_to(self, marketing_actions: tuple[str, ...]) -> bool:
        """Whether the policy is in use and a destination with these actions has one of its own."""
        return self.enabled and not set(self.actions).isdisjoint(marketing_actions)
