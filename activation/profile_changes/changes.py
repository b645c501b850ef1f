"""What a run of messages would tell, as a value: the people to send, counts, and what rows become without a message."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.model.history import AudienceEvaluation, MessageBaseline
from muster.activation.profile_changes.people import ToldAudience
from muster.activation.profiles.members import Members


@dataclass(frozen=True)
class Counts:
    """The profiles that a run of messages considered, each once (V11)."""

    received: int = 0
    exported: int = 0
    excluded: int = 0
    realized: int = 0  # exported less exited
    exited: int = 0  # members of no mapped audience any more
    excluded_by: Mapping[str, int] = field(default_factory=dict)  # by the name of the reason, in the order of names
    by_trigger: Mapping[str, int] = field(default_factory=dict)  # of the exported, in the order of ``TRIGGERS``

    @property
    def balanced(self) -> bool:
        """``received = exported + excluded``, ``exported = realized + exited``, and reasons and triggers add up."""
        return (
            self.received == self.exported + self.excluded
            and self.exported == self.realized + self.exited == sum(self.by_trigger.values())
            and self.excluded == sum(self.excluded_by.values())
        )


@dataclass(frozen=True)
class Removal:
    """What a run would remove from one mapped audience at the receiver, for its guards (X11, V11)."""

    audience: ToldAudience
    delivered: int  # profiles that rows hold as realized, as delivered: before aliases
    desired: int
    leaving: int  # delivered profiles that are not desired any more, withdrawals among them


@dataclass(frozen=True)
class MappingChange:
    """What a mapping that changed since the last run does to delivered profiles (V4)."""

    counts_as_sent: int  # profiles whose other values count as sent
    sent_anew: int  # profiles that are sent, as a mandatory value, a key or an identity is made otherwise
    is_resent: bool  # on_mapping_change: resend


@dataclass(frozen=True, eq=False)
class Changes:
    """What a run of messages would tell. ``people`` has the columns of ``profile_changes.people``, by profile id."""

    people: pl.DataFrame
    told: tuple[ToldAudience, ...]
    layout: Layout
    values: ProfileValues  # of the rows of ``people``, by the fields of ``layout``
    evaluations: Mapping[str, AudienceEvaluation]  # by mapped audience; one that was not evaluated yet has none
    unmapped: tuple[str, ...]  # other evaluated audiences of the merge policy, by id (V5)
    members: Callable[[str], Members]  # reads the members of a mapped or unmapped audience, by its id
    before: MessageBaseline | None  # None for a first delivery
    made: dict[str, Any]  # what the columns of the rows mean after the run (``MessageBaseline.made``)
    moved: Callable[[], pl.LazyFrame] | None  # rows with the moves that need no message; None where there are none
    counts: Counts  # as if each message were accepted
    excluded: pl.DataFrame  # profile_id, reason, tries (UInt16): considered profiles without a message, by id
    removals: tuple[Removal, ...]  # of mapped audiences that were delivered before
    mapping_change: MappingChange | None = None
    failed: tuple[str, ...] = ()  # why audiences could not be evaluated: the run fails, and stays due (E9)
    warnings: tuple[str, ...] = ()
    waiting: int = 0  # profiles that may wait for others (V7)
    has_duplicates: bool = False  # whether people have no entry, as a member has what they are known by (M3, M5)
    waits_anew: bool = False  # whether a change was first seen now, and may wait for others (V7)
    merged: int | None = None  # delivered ids that became aliases (P11); None with ``profiles.path``
    split: int | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The mapped columns, bound to the snapshot."""
        return self.layout.fields

    @property
    def has_something(self) -> bool:
        """Whether there is something to send, or to settle without a message; else no run is recorded (V1)."""
        return not self.people.is_empty() or self.settles

    @property
    def settles(self) -> bool:
        """Whether a run moves rows though it sends no message: it is recorded then (V1)."""
        return self.moved is not None or self.has_duplicates or self.waits_anew
