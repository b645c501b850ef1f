"""What every activation has: a schedule, mapped columns, guards (SPEC 2, S1, M1, X11)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from muster.activation.errors import Problem
from muster.activation.model.locations import NOWHERE, SourceLocation

OnFailedEvaluation = Literal["hold", "use_newest"]
Trigger = Literal["scheduled", "after_evaluation", "on_demand"]

STATUS_SOURCE = "segment_membership.status"
TIME_SOURCE = "segment_membership.last_qualification_time"
IDENTITY_PREFIX = "identity_map."


@dataclass(frozen=True)
class Schedule:
    """When an activation or the evaluation asks to run (S1). Exactly one kind; ``start``/``end`` are instants (UTC)."""

    kind: Literal["at", "every", "cron", "after_evaluation", "on_demand", "each_run"]
    zone: ZoneInfo
    times: tuple[time, ...] = ()  # kind "at": local times, sorted, unique
    monthly: str = ""  # kind "at": one day of each month, ``1`` to ``31`` or ``last``; empty: every day
    hours: int = 0  # kind "every"
    cron: str = ""  # kind "cron": five fields
    start: datetime | None = None  # inclusive
    end: datetime | None = None  # exclusive

    @property
    def trigger(self) -> Trigger:
        """The trigger of the runs that this schedule asks for."""
        return self.kind if self.kind in {"after_evaluation", "on_demand"} else "scheduled"


@dataclass(frozen=True)
class Column:
    """One mapped column (M1). ``source`` is a dotted path into the profile, ``target`` the column's name in files."""

    source: str
    target: str
    mandatory: bool = False
    location: SourceLocation = NOWHERE
    transform: tuple[str, ...] = ()  # steps in order, as written: ``trim``, ``date(%Y)``
    expression: str | None = None  # SQL over profile columns; ``source`` is empty then
    join: str | None = None  # separator between the elements of a list
    occurrence: int = 1  # among the columns of this target: a receiver may take a header several times

    @property
    def name(self) -> str:
        """The target, with the occurrence behind it from the second on (``Email#2``): unique in a mapping (M1)."""
        return self.target if self.occurrence == 1 else f"{self.target}#{self.occurrence}"

    @property
    def is_plain(self) -> bool:
        """Whether the column holds the values of its source unchanged."""
        return not self.transform and self.expression is None and self.join is None

    @property
    def fingerprint(self) -> str:
        """Text that is equal for two columns if they are made in the same way: of a plain column, its source."""
        if self.is_plain:
            return self.source
        # Sources have no line break, so no source equals the fingerprint of a column that is made of one.
        return "\n".join(("", self.source, *map(repr, (self.expression, self.join, *self.transform))))

    @property
    def untransformed(self) -> "Column":
        """This column without ``transform`` and ``join``."""
        return replace(self, transform=(), join=None)


@dataclass(frozen=True)
class Guards:
    """Limits that stop an export (X11). ``max_shrink`` is a fraction (0.3 for 30%); None: no limit."""

    max_shrink: float | None = None
    max_exited: int | None = None
    shrink_location: SourceLocation = field(default=NOWHERE, compare=False)  # where the limit is written
    exited_location: SourceLocation = field(default=NOWHERE, compare=False)
    max_messages: int | None = None  # entries that one run sends (V11); of activations that send messages alone
    messages_location: SourceLocation = field(default=NOWHERE, compare=False)

    @property
    def has_limit(self) -> bool:
        """Whether a guard is switched on that the delivered set is asked for."""
        return self.max_shrink is not None or self.max_exited is not None


@dataclass(frozen=True, kw_only=True)
class AnyActivation:
    """What activations that write files and those that send messages have in common (SPEC 2, V1)."""

    id: str
    destination: str
    destination_name: str
    schedule: Schedule
    mapping: tuple[Column, ...]
    deduplicate: tuple[str, ...] = ()
    guards: Guards = Guards()
    enabled: bool = True  # a disabled activation exports nothing, and counts as absent (X9)
    on_failed_evaluation: OnFailedEvaluation = "hold"  # whether runs fail while an audience is failed (E9)
    location: SourceLocation = NOWHERE
    unset: tuple[Problem, ...] = ()  # variables that its exports need and that are missing: every run fails (SPEC 2)
    marketing_actions: tuple[str, ...] = ()  # what the destination does with the data, sorted (G1)

    @property
    def key(self) -> str:
        """``destination/activation``, as the user writes it."""
        return f"{self.destination}/{self.id}"

    @property
    def exports_files(self) -> bool:
        """Whether runs export files of one audience, rather than send messages."""
        return True

    @property
    def mode(self) -> Literal["full", "incremental"]:
        """How runs for slots export: of messages, what changed."""
        return "incremental"

    @property
    def audience_ids(self) -> tuple[str, ...]:
        """The ids of the mapped audiences, in config order; all of them are of one merge policy."""
        raise NotImplementedError
