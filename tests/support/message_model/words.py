"""What the model of messages is about: an activation, what a receiver was told of somebody, delivered rows (V1, V2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from support.model.words import Column, Identity, Policy, Value

Place = tuple[str, str]  # an audience, and the name that the receiver has for it (V2: another alias is another place)
State = tuple[str, datetime]  # status, last_qualification_time
Entry = tuple[tuple[Place, str], str]  # a group and an identifier
Group = tuple[Place, str]  # where requests are keyed: about one audience, and one status


@dataclass(frozen=True)
class Setup:
    """An activation that sends messages, as the YAML has it on a day."""

    places: tuple[Place, ...]  # the mapped audiences in config order
    mapping: tuple[Column, ...]
    triggers: frozenset[str] = frozenset({"membership", "identity", "attributes"})
    policies: tuple[Policy, ...] = ()
    shows_unmapped: bool = True
    names: bool = False
    resends: bool = False  # on_mapping_change: resend
    keyed: bool = False  # a declared request about one audience and one status, an entry an identity (V6, M5)
    namespace: str = "Email"  # of ``keyed``
    limit: int = 100  # entries of a request
    dead_after: int = 3
    patience: int = 0  # hours for which a change may wait for others (V7)

    @property
    def mandatory(self) -> tuple[Column, ...]:
        return tuple(column for column in self.mapping if column.mandatory)


@dataclass(frozen=True)
class Told:
    """What a receiver was told of a profile: states by place, identities, values by target.

    ``held``: by place, the identifiers told as realized; ``ids_of``: the identities with which a place was last told.
    """

    states: Mapping[Place, State] = field(default_factory=dict)
    ids: frozenset[Identity] | None = None  # None: the column was absent
    values: Mapping[str, Value] = field(default_factory=dict)
    held: Mapping[Place, frozenset[str]] = field(default_factory=dict)
    ids_of: Mapping[Place, frozenset[Identity] | None] = field(default_factory=dict)
    without_ids: bool = False  # the last message had none, for want of the column; ``ids`` are older


@dataclass(frozen=True)
class Row:
    """The delivered row of a profile (V2), or one of those that it can be as far as anybody can see.

    ``maybe``: what may have been told since; it counts as told until an answer settles it.
    """

    told: Told | None = None
    maybe: tuple[Told, ...] = ()
    tries: int = 0  # runs that refused it
    refused: Told | None = None  # what was refused

    @property
    def all_told(self) -> tuple[Told, ...]:
        return (*([self.told] if self.told else []), *self.maybe)

    @property
    def holds(self) -> frozenset[Place]:
        """The places of which the receiver has, or may have, the profile as a member."""
        return frozenset(
            place for told in self.all_told for place, (status, _) in told.states.items() if status == "realized"
        )

    def held(self, place: Place) -> frozenset[str]:
        """The identifiers that the receiver has, or may have, as members."""
        return frozenset().union(*(told.held.get(place, frozenset()) for told in self.all_told))

    def accepted(self, told: Told) -> "Row":
        return Row(told)

    def uncertain(self, told: Told) -> "Row":
        return replace(self, maybe=(*self.maybe, told))

    def refused_with(self, told: Told) -> tuple["Row", ...]:
        """V10: the old row stays. Whether what was refused before in other words counts is left open."""
        tries = {self.tries + 1} if self.refused is None or self.refused == told else {self.tries + 1, 1}
        return tuple(replace(self, tries=each, refused=told) for each in tries)


NOTHING, EMPTY = Row(), Told()


@dataclass(frozen=True)
class Message:
    """What a run has to tell of one profile.

    ``texts``: where the payload is the profile, the JSON that is right, one of them. ``groups``: where requests are
    keyed, the identifiers told in each: those that must be, and those that may be.
    """

    trigger: frozenset[str]  # one of them is right
    told: Told  # what the receiver was told, once it accepts
    exits: bool  # whether it tells an exit
    leaves: bool  # whether the profile is in no mapped audience any more
    texts: tuple[str, ...] = ()
    groups: Mapping[Group, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)
    optional: Mapping[Group, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)
