"""What sources are made of: namespaces, sources, files, merge policies (P1 to P8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Identity = tuple[str, str]  # namespace, id
Time = datetime | None  # None: no time, which is older than any (P3)
Row = Mapping[str, Any]  # a mapping is a struct, a list is a list, a tuple of pairs is a map

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


def age(time: Time) -> datetime:
    """A time to sort by: no time is older than any (P3)."""
    return time or _BEGINNING


def as_bytes(identity: Identity) -> tuple[bytes, bytes]:
    """An identity as text: by the UTF-8 bytes of namespace and id."""
    return identity[0].encode(), identity[1].encode()


@dataclass(frozen=True)
class Namespace:
    """A kind of identity (P2)."""

    id: str
    type: str = "other"
    priority: int = 9
    unique: bool = False
    normalize: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    blocked_like: tuple[str, ...] = ()
    pattern: str | None = None


@dataclass(frozen=True)
class Source:
    """Records or events of one system; ``fields`` are (column, namespace), the first is primary."""

    id: str
    fields: tuple[tuple[str, str], ...]
    kind: str = "records"
    mode: str = "snapshot"
    updated_at: str | None = None
    deleted: str | None = None
    timestamp: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)  # target to source


@dataclass(frozen=True)
class File:
    """One Parquet file of a source: dated or not."""

    name: str
    at: datetime | None
    rows: Sequence[Row]


@dataclass(frozen=True)
class MergePolicy:
    """Which fragments belong together, and whose value counts (P7, P8)."""

    id: str
    graph: str = "private"
    precedence: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Limits:
    """P4, P6."""

    max_identities: int = 50
    max_links: int = 100


@dataclass(frozen=True)
class Setup:
    """The part of a workspace that says how profiles are made."""

    namespaces: Mapping[str, Namespace] = field(repr=False)
    sources: Mapping[str, Source] = field(repr=False)
    policies: Mapping[str, MergePolicy]
    limits: Limits = Limits()
    id_key: str = ""


@dataclass(frozen=True)
class Record:
    """A row that counts at an instant: a record or an event, with identities as they are cleaned."""

    source: Source
    primary: Identity | None
    identities: tuple[Identity, ...]
    time: Time
    row: Row

    @property
    def links(self) -> bool:
        """P2: more than 20 identities link nothing."""
        return len(self.identities) <= 20
