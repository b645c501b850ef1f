"""What the model is about: snapshots, messages, audiences, activations, delivered profiles (SPEC 1 to 3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Value = str | int | bool | None
Row = Mapping[str, Value]
Cells = dict[str, Value | datetime]  # one row of a file, by source; "#" is the profile, "#identity" the identity
Identity = tuple[str, str]
Memberships = dict[str, tuple[str, datetime]]  # profile -> (status, last_qualification_time)

REALIZED, EXITED = "realized", "exited"
STATUS, TIME, ID = "segment_membership.status", "segment_membership.last_qualification_time", "profile_id"
NAMESPACE = "identity_map."


@dataclass(frozen=True)
class Snapshot:
    """People by profile id; their identity pairs as they are written, or None where the column is absent."""

    at: datetime
    people: Mapping[str, Row]
    pairs: Mapping[str, Sequence[tuple[str | None, str | None]]] | None
    integers: bool  # whether the profile id is a number

    def identities(self, profile: str) -> frozenset[Identity]:
        """D1: the set of pairs with neither part null nor empty."""
        return frozenset((name, each) for name, each in (self.pairs or {}).get(profile, ()) if name and each)

    def has(self, source: str) -> bool:
        """M4: whether a mapping can name this source."""
        if source.startswith(NAMESPACE):
            return self.pairs is not None
        return source in {STATUS, TIME, ID} or all(source in person for person in self.people.values())

    def order(self, profile: str) -> tuple[int, bytes]:
        """M6: numerically if the id is an integer, else by UTF-8 bytes. A profile of an older snapshot may be gone from
        this one.
        """
        return (int(profile), b"") if self.integers else (0, profile.encode())


@dataclass(frozen=True)
class Message:
    """One row of a membership file (D4)."""

    audience: str
    profile: str
    status: str
    time: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class Audience:
    """A rule over a person and the audiences it refers to, or a feed, or both."""

    id: str
    rule: Callable[[Row, Callable[[str], bool]], bool] | None = None
    refers_to: tuple[str, ...] = ()
    from_feed: bool = False


@dataclass(frozen=True)
class Column:
    """One mapped field."""

    source: str
    target: str
    mandatory: bool = False


@dataclass(frozen=True)
class Activation:
    """What one destination is sent of one audience."""

    key: str
    audience: str
    incremental: bool
    hours: int  # every N hours; 0: after evaluation
    mapping: tuple[Column, ...]
    deduplicate: tuple[str, ...] = ()

    @property
    def status_mapped(self) -> bool:
        return any(column.source == STATUS for column in self.mapping)

    @property
    def namespace(self) -> str | None:
        """The mapped identity namespace (M5)."""
        return next(
            (each.source.removeprefix(NAMESPACE) for each in self.mapping if each.source.startswith(NAMESPACE)), None
        )

    @property
    def kept(self) -> set[str]:
        """X12: the sources whose values, as last sent, an exited row carries."""
        return {each.source for each in self.mapping if each.mandatory} | set(self.deduplicate)


@dataclass(frozen=True)
class Sent:
    """What a delivered set holds of one profile (X2, X12)."""

    time: datetime
    identities: frozenset[Identity] | None  # None: never compared yet
    values: Mapping[str, Value]
    held: frozenset[str]  # identities of the mapped namespace, as last sent
