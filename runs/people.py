"""The nouns of `profiles show`: one person, from where each value is, and who was sent it (SPEC 9, P7, P8, P11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ShownFragment:
    """A fragment of a person (P1)."""

    source: str  # a source's id
    namespace: str
    id: str  # the primary identity
    time: datetime | None  # of its record


@dataclass(frozen=True)
class ShownMembership:
    """A person's status in an audience, as the newest evaluation found it (E5)."""

    audience: str
    status: str  # realized or exited
    since: datetime  # last_qualification_time
    evaluated_at: datetime


@dataclass(frozen=True)
class ShownDelivery:
    """An activation that last delivered the person, under which id, and with which values of those that it keeps."""

    activation: str  # destination/activation
    profile_id: str
    delivered_at: datetime
    values: Mapping[str, Any]  # by target


@dataclass(frozen=True)
class ShownAttribute:
    """A leaf of the merged values, and the source that gave it (P8)."""

    name: str  # a dotted path
    value: Any  # as JSON has it; None where nobody has one
    text: str  # as a CSV file has it; empty where there is none
    source: str | None  # a source's id


@dataclass(frozen=True)
class PersonDetails:
    """One merged person."""

    policy: str
    at: datetime
    looked_for: str
    profile_id: str
    alias: str | None  # the id that was looked for, where it was merged into ``profile_id``
    attributes: tuple[ShownAttribute, ...]  # in the order of the view's columns
    identities: tuple[tuple[str, str], ...]  # namespace and id, sorted
    fragments: tuple[ShownFragment, ...]
    audiences: tuple[ShownMembership, ...]
    deliveries: tuple[ShownDelivery, ...]
    aliases: tuple[str, ...]
