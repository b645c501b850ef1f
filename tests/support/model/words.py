"""What the model is about: snapshots, messages, audiences, activations, delivered profiles (SPEC 1 to 3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

Value = str | int | float | Decimal | bool | None
Row = Mapping[str, Value]
Cells = dict[str, Value | datetime]  # one row of a file, by source; "#" is the profile, "#identity" the identity
Identity = tuple[str, str]
Memberships = dict[str, tuple[str, datetime]]  # profile -> (status, last_qualification_time)

REALIZED, EXITED = "realized", "exited"
STATUS, TIME, ID = "segment_membership.status", "segment_membership.last_qualification_time", "profile_id"
NAMESPACE = "identity_map."
RECEIVERS = {"email", "phone"}


@dataclass(frozen=True)
class Snapshot:
    """People by profile id; their identity pairs as they are written, or None where the column is absent."""

    at: datetime
    people: Mapping[str, Row]
    pairs: Mapping[str, Sequence[tuple[str | None, str | None]]] | None
    integers: bool  # whether the profile id is a number
    points: str = "whole"  # the type of the column ``points``: whole, float, decimal, scaled or text (D7)

    def identities(self, profile: str) -> frozenset[Identity]:
        """D1: the set of pairs with neither part null nor empty."""
        return frozenset((name, each) for name, each in (self.pairs or {}).get(profile, ()) if name and each)

    def has(self, source: str) -> bool:
        """M4: whether a mapping can name this source."""
        if source.startswith(NAMESPACE):
            held = {name for profile in self.people for name, _ in self.identities(profile)}
            return source.removeprefix(NAMESPACE) in held
        return source in {STATUS, TIME, ID} or all(source in person for person in self.people.values())

    def order(self, profile: str) -> tuple[int, int, bytes]:
        """M6: numerically if the id is an integer, else by UTF-8 bytes. A profile of an older snapshot may be gone from
        this one, and be no number.
        """
        is_number = self.integers and profile.isdecimal()
        return (int(is_number), int(profile) if is_number else 0, profile.encode())


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
    transform: tuple[str, ...] = ()  # of ``TRANSFORMS``

    @property
    def made_of(self) -> tuple[str, tuple[str, ...]]:
        """X12: source and transforms."""
        return self.source, self.transform


@dataclass(frozen=True)
class Policy:
    """Consent (G4): who may be sent; None of a person says nothing, and does not let through."""

    id: str
    lets_through: Callable[[Row], bool | None]


@dataclass(frozen=True)
class Activation:
    """What one destination is sent of one audience."""

    key: str
    audience: str
    incremental: bool
    hours: int  # every N hours; 0: after evaluation
    mapping: tuple[Column, ...]
    deduplicate: tuple[str, ...] = ()
    changes: tuple[str, ...] = ("membership", "identity")
    sanitizes: bool = False
    preset: bool = False  # Braze's: it knows people by ``RECEIVERS`` alone
    policies: tuple[Policy, ...] = ()  # those that apply

    @property
    def identifying(self) -> tuple[Column, ...]:
        """X2: the columns of a preset by which its receiver knows people, each alone."""
        return tuple(each for each in self.mapping if self.preset and each.target in RECEIVERS)

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
    def targets(self) -> set[str]:
        """The targets of all columns."""
        return {each.target for each in self.mapping}

    @property
    def identities(self) -> tuple[Column, ...]:
        """The columns of the mapped namespace (M5)."""
        return tuple(each for each in self.mapping if each.source.startswith(NAMESPACE))

    def compared(self, source: str) -> Column | None:
        """M3: the column by which a deduplication source is compared; None where it is not mapped."""
        made = [each for each in self.mapping if each.source == source]
        return next((each for each in made if not each.transform), made[0] if made else None)

    @property
    def keys(self) -> tuple[Column | str, ...]:
        """The parts of a key (M3, M5): columns, or sources that are not mapped."""
        plain_first = sorted(self.identities, key=lambda each: bool(each.transform))
        return tuple(plain_first[:1]) or tuple(self.compared(source) or source for source in self.deduplicate)

    @property
    def kept(self) -> set[str]:
        """X12: the targets of which an exited row carries what was sent, because of today's settings."""
        seen = {each.target for each in self.identifying if each.source != ID or each.transform}
        return self.kept_by_key | seen

    @property
    def kept_by_key(self) -> set[str]:
        """X12: those of mandatory, deduplication and identity columns."""
        sources = {each.source for each in self.mapping if each.mandatory and not each.transform}
        return {
            each.target
            for each in self.mapping
            if each.source not in {STATUS, TIME}
            and (
                each.mandatory
                or each.source in self.deduplicate
                or each in self.identities
                or (each.source in sources and not each.transform)
                or (each.source == ID and each.transform)
            )
        }

    @property
    def asked(self) -> set[str]:
        """X3e: the targets whose values are compared."""
        of_profile = [each for each in self.mapping if each.source not in {STATUS, TIME}]
        if "attributes" in self.changes:
            return {each.target for each in of_profile}
        return self.kept_by_key - self.hidden_ids if "keys" in self.changes else set()

    @property
    def hidden_ids(self) -> set[str]:
        """Profile ids that are kept only as they are transformed: they are no key."""
        return {each.target for each in self.mapping if each.source == ID and not each.mandatory} - set(
            self.deduplicate
        )


@dataclass(frozen=True)
class Sent:
    """What a delivered set holds of one profile (X2, X12)."""

    time: datetime
    identities: frozenset[Identity] | None  # None: never compared yet
    rows: tuple[Row, ...]  # what was last sent, by target; what is not known is absent
    unmapped: Row  # the values of deduplication sources that were not mapped then


@dataclass(frozen=True)
class Delivered:
    """A delivered set, and the settings with which it was sent."""

    by: Activation
    kept: frozenset[str]  # the targets that exits carried
    people: Mapping[str, Sent]
