"""The nouns of profiles from sources: sources, identity namespaces, limits of the graph, merge policies (P)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from muster.activation.model.governance import LabelEntry
from muster.activation.model.locations import NOWHERE, SourceLocation

NamespaceType = Literal["person", "email", "phone", "device", "cookie", "other"]
SourceKind = Literal["records", "events"]
SourceMode = Literal["snapshot", "changes"]
GraphKind = Literal["private", "none"]
DEFAULT_POLICY = "default"
VIEW_COLUMNS = ("profile_id", "identity_map")  # those that every merged view has beside the sources' columns (P8, P10)


@dataclass(frozen=True)
class Namespace:
    """A kind of identity: how its ids are cleaned, and what the identity graph makes of them (P2, P4, P5, P6)."""

    id: str
    type: NamespaceType = "other"
    priority: int = 9  # 1 is highest
    unique: bool = False  # a graph holds one value at most (P5)
    normalize: tuple[str, ...] = ()  # steps in order, as written: ``trim``, ``lower``
    blocked: tuple[str, ...] = ()  # ids that say nothing, as they are after ``normalize``
    blocked_like: tuple[str, ...] = ()  # SQL LIKE patterns over ids after ``normalize``
    pattern: str | None = None  # a regular expression that the whole id matches
    is_declared: bool = False  # in muster.yml; else built in
    location: SourceLocation = NOWHERE


BUILT_IN: Mapping[str, Namespace] = {
    each.id: each
    for each in (
        Namespace("CRMID", "person", 1, unique=True),
        Namespace("Email", "email", 2, normalize=("trim", "lower")),
        Namespace("Phone", "phone", 3, normalize=("trim",)),
        Namespace("GAID", "device", 4),
        Namespace("IDFA", "device", 4),
        Namespace("ECID", "cookie", 5, pattern="[0-9]{38}"),
    )
}


@dataclass(frozen=True)
class SourceIdentity:
    """A column of a source that holds identities: of one ``namespace``, or an identity map with any (D1)."""

    column: str  # dotted path; a list gives several identities
    namespace: str | None = None  # None: the column is an identity map
    primary: bool = False
    location: SourceLocation = NOWHERE


@dataclass(frozen=True)
class Source:
    """Records or events of one system of a company, each with identities (P1)."""

    id: str
    name: str
    path: str
    identities: tuple[SourceIdentity, ...]
    kind: SourceKind = "records"
    mode: SourceMode = "snapshot"  # of records
    profile: bool = True  # whether its records are part of profiles
    updated_at: str | None = None  # column of records: when the record was changed; None: the snapshot's date
    deleted: str | None = None  # Boolean column of ``changes``: the newest row says that the fragment is gone
    timestamp: str | None = None  # column of events
    columns: Mapping[str, str] = field(default_factory=dict)  # target to source: a dotted path of the files
    connection: Mapping[str, str] = field(default_factory=dict)
    max_age: timedelta | None = None
    labels: tuple[LabelEntry, ...] = ()  # of columns of the files, by their own names (G2)
    location: SourceLocation = NOWHERE  # ``location.file`` is the source's name for ``Inputs.at``

    @property
    def primary(self) -> SourceIdentity:
        """The primary identity: with the source it makes the fragment (P1)."""
        return next(each for each in self.identities if each.primary)

    @property
    def identity_columns(self) -> frozenset[str]:
        """The columns of the files that identities are read from, also where a path leads below one (P8)."""
        paths = (each.column for each in self.identities)
        return frozenset(start for path in paths for start in (path, path.partition(".")[0]))

    @property
    def is_events(self) -> bool:
        """Whether the rows are events, which link identities and make no fragment (P3, P9)."""
        return self.kind == "events"

    @property
    def time_column(self) -> str | None:
        """The column with the time of a row: ``timestamp`` of events, ``updated_at`` of records; None where unset."""
        return self.timestamp if self.is_events else self.updated_at


@dataclass(frozen=True)
class IdentityGraphLimits:
    """Limits of the identity graph: more is taken for a mistake of the data (P4, P6)."""

    max_identities: int = 50  # of one graph
    max_links: int = 100  # neighbours of one identity that is not of a unique namespace


@dataclass(frozen=True)
class MergePolicy:
    """How fragments become profiles: which belong together, and whose value counts (P7, P8)."""

    id: str
    graph: GraphKind = "private"
    precedence: tuple[str, ...] | None = None  # source ids, the first with a value counts; None: the newest value
    sources: tuple[str, ...] | None = None  # source ids, in the order that ties count; None: all, by id
    location: SourceLocation = NOWHERE


def record_sources(policy: MergePolicy, sources: Mapping[str, Source]) -> tuple[Source, ...]:
    """The sources whose records make the profiles of a policy, in the order in which ties count (P1, P8).

    Sources with ``profile: false`` are read by nobody. With ``precedence`` only the listed sources count.
    """
    names = policy.sources if policy.sources is not None else tuple(sorted(sources))
    if policy.precedence is not None:
        names = tuple(each for each in names if each in policy.precedence)
    chosen = (sources[each] for each in names if each in sources)
    return tuple(each for each in chosen if not each.is_events and each.profile)


def event_sources(policy: MergePolicy, sources: Mapping[str, Source]) -> tuple[Source, ...]:
    """The sources whose events a policy reads, by id: those in its ``sources:``, by default all (P8, P9)."""
    names = sources if policy.sources is None else policy.sources
    return tuple(sources[each] for each in sorted(names) if each in sources and _counts(sources[each]))


def _counts(source: Source) -> bool:
    return source.is_events and source.profile


DEFAULT_LIMITS = IdentityGraphLimits()
