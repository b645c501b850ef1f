"""The nouns of a workspace: frozen, checked, with overrides merged (SPEC 2).

``muster.activation.config`` builds the nouns from YAML; no other package knows how YAML is spelled.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from muster.activation.errors import Problem
from muster.activation.model.activation import IDENTITY_PREFIX as IDENTITY_PREFIX  # noqa: PLC0414 (nouns of this module)
from muster.activation.model.activation import STATUS_SOURCE as STATUS_SOURCE  # noqa: PLC0414
from muster.activation.model.activation import TIME_SOURCE as TIME_SOURCE  # noqa: PLC0414
from muster.activation.model.activation import AnyActivation as AnyActivation  # noqa: PLC0414
from muster.activation.model.activation import Column as Column  # noqa: PLC0414
from muster.activation.model.activation import Guards as Guards  # noqa: PLC0414
from muster.activation.model.activation import OnFailedEvaluation as OnFailedEvaluation  # noqa: PLC0414
from muster.activation.model.activation import Schedule as Schedule  # noqa: PLC0414
from muster.activation.model.activation import Trigger as Trigger  # noqa: PLC0414
from muster.activation.model.governance import LabelEntry, Policy
from muster.activation.model.locations import NOWHERE
from muster.activation.model.locations import SourceLocation as SourceLocation  # noqa: PLC0414 (a noun of this module)
from muster.activation.model.messages import MessageActivation, MessageDestination
from muster.activation.model.sources import (
    BUILT_IN,
    DEFAULT_LIMITS,
    DEFAULT_POLICY,
    IdentityGraphLimits,
    MergePolicy,
    Namespace,
    Source,
)

Format = Literal["csv", "parquet", "json"]
Compression = Literal["none", "gzip", "zstd", "zip"]
ExportMode = Literal["full", "incremental"]
InputName = Literal["profiles", "events", "memberships"]  # as muster.yml calls the sources
QuoteStyle = Literal["necessary", "always", "non_numeric", "never"]
Encoding = Literal["utf-8", "utf-16", "latin-1"]  # utf-16: little endian

Change = Literal["membership", "identity", "keys", "attributes"]
CHANGES: tuple[Change, ...] = ("membership", "identity")  # what incremental exports look for by default (X3e)

JOBS = 8  # remote destinations that receive files at the same time, unless the command line says otherwise


@dataclass(frozen=True)
class ProfilesSource:
    """The profile snapshot: the path of its Parquet files, and the columns of ids and of identities (D1, D2, M5)."""

    path: str  # empty where profiles are made of sources
    id: str = "profile_id"
    identity_map: str = "identity_map"
    connection: Mapping[str, str] = field(default_factory=dict)  # of a path in a bucket: keys as of a destination
    max_age: timedelta | None = None  # of the snapshot's date (D2)
    from_sources: bool = False  # whether snapshots are made of ``Workspace.sources``, by merge policy (P)


@dataclass(frozen=True)
class EventsSource:
    """The events: the path of their Parquet files, and the columns of profile ids and of times (D3)."""

    path: str
    profile_id: str = "profile_id"
    timestamp: str = "timestamp"
    connection: Mapping[str, str] = field(default_factory=dict)
    max_age: timedelta | None = None  # of the newest event (D2)


@dataclass(frozen=True)
class MembershipsSource:
    """The membership feeds: the path of their Parquet files (D4)."""

    path: str
    connection: Mapping[str, str] = field(default_factory=dict)
    max_age: timedelta | None = None  # of the newest row (D2)


@dataclass(frozen=True)
class Measure:
    """A named aggregate over one profile's events (E3). ``column`` is a dotted path, None for ``count``."""

    name: str
    function: Literal["count", "count_distinct", "sum", "min", "max", "avg", "first", "last"]
    column: str | None = None
    where: str | None = None
    within: timedelta | None = None
    location: SourceLocation = NOWHERE


@dataclass(frozen=True)
class Audience:
    """A rule over profiles, events and other audiences, or a membership feed, or both (E2, D4, X6)."""

    id: str
    name: str
    where: str | None
    measures: tuple[Measure, ...] = ()
    from_feed: bool = False  # source: memberships
    location: SourceLocation = NOWHERE  # of `where`, or of the file
    merge_policy: str = DEFAULT_POLICY  # by which the profiles were made that the audience is of (P)


def numbered(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns of a mapping, those of one target numbered in mapping order (M1)."""
    seen: Counter[str] = Counter()
    found = []
    for column in columns:
        seen[column.target] += 1
        found.append(replace(column, occurrence=seen[column.target]))
    return tuple(found)


@dataclass(frozen=True)
class CsvOptions:
    """The form of an activation's CSV files (M7)."""

    delimiter: str = ","
    quote: str = '"'
    quote_style: QuoteStyle = "necessary"
    header: bool = True
    null_value: str = ""
    line_terminator: str = "\n"
    bom: bool = False
    sanitize_formulas: bool = False
    encoding: Encoding = "utf-8"
    escape: str = ""  # before quotes and itself inside quotes; empty: quotes are doubled

    def meets_delimiter(self, text: str) -> bool:
        """Whether a reader could find a delimiter in unquoted text, or one that reaches beyond either end of it."""
        starts = (self.delimiter[cut:] for cut in range(1, len(self.delimiter)))
        ends = (self.delimiter[:cut] for cut in range(1, len(self.delimiter)))
        return self.delimiter in text or any(map(text.startswith, starts)) or any(map(text.endswith, ends))


@dataclass(frozen=True)
class PgpKey:
    """An OpenPGP key that was read from a file. ``path`` is the file as written in the YAML."""

    path: str
    fingerprint: str
    expires: datetime | None  # the key can neither encrypt nor sign from then on
    location: SourceLocation = NOWHERE


@dataclass(frozen=True)
class Pgp:
    """The keys for which files are encrypted, and the key that signs the files."""

    public_keys: tuple[PgpKey, ...]
    sign_with: PgpKey | None = None
    passphrase_env: str | None = None  # the variable that holds the passphrase of ``sign_with``


@dataclass(frozen=True, kw_only=True)
class Activation(AnyActivation):
    """One audience mapped to one destination of files, with the settings of both levels merged (X1)."""

    audience: str
    export: ExportMode
    url: str | None  # expanded; may hold credentials: never print or store it; None while a variable of it is missing
    format: Format
    changes: tuple[Change, ...] = CHANGES
    csv: CsvOptions = CsvOptions()
    compression: Compression = "none"
    file_name: str = "{destination}_{activation}_{datetime}"
    max_rows_per_file: int = 5_000_000
    manifest: bool = True
    skip_empty: bool = False
    encryption: Pgp | None = None
    preset: str | None = None  # the receiver whose rules the files are checked against

    @property
    def mode(self) -> ExportMode:
        """How runs for slots export."""
        return self.export

    @property
    def audience_ids(self) -> tuple[str, ...]:
        """The id of the audience."""
        return (self.audience,)

    @property
    def status_mapped(self) -> bool:
        """Whether the mapping has the membership status, so that files can send exits (X3d)."""
        return any(column.source == STATUS_SOURCE for column in self.mapping)

    @property
    def identity_column(self) -> Column | None:
        """The column of the mapped identity namespace, if there is one (M5)."""
        return next((column for column in self.mapping if column.source.startswith(IDENTITY_PREFIX)), None)


@dataclass(frozen=True)
class Destination:
    """A place that files go to, and the connection to it."""

    id: str
    name: str
    url: str  # expanded; may hold credentials: never print or store it; empty while a variable of it is missing
    connection: Mapping[str, str] = field(default_factory=dict)  # keys that end in ``_env`` name environment variables
    retries: int = 4  # of failures that may pass
    timeout: float = 60.0  # seconds without an answer
    location: SourceLocation = NOWHERE
    # Endpoint, account or user that the url does not contain; with it the url identifies one place (X9).
    service: str = ""
    unset: tuple[Problem, ...] = ()  # variables of url and connection that are missing: nothing goes there (SPEC 2)
    shown_url: str = ""  # the url as written, redacted, while a variable of it is missing
    # The workspace's environment variables, given as the destination is opened: never shown or stored.
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    marketing_actions: tuple[str, ...] = ()  # what the destination does with the data, sorted (G1)


@dataclass(frozen=True)
class Keep:
    """The records of one kind that `muster prune` keeps: all younger than ``age``, and the newest ``count``."""

    age: timedelta | None = None
    count: int | None = None


@dataclass(frozen=True)
class Retention:
    """Which evaluations and runs `muster prune` keeps; None: all of them."""

    evaluations: Keep | None = None
    runs: Keep | None = None


@dataclass(frozen=True)
class Workspace:
    """A whole workspace without mistakes: sources, audiences, activations and settings (SPEC 2)."""

    root: Path  # absolute
    name: str
    zone: ZoneInfo
    profiles: ProfilesSource
    state: Path  # absolute
    audiences: dict[str, Audience]
    activations: tuple[Activation, ...]  # those that write files, in the order of destination id, then as written
    destinations: dict[str, Destination]  # those of files, also without activations
    message_activations: tuple[MessageActivation, ...] = ()  # in the order of destination id, then as written (V1)
    message_destinations: Mapping[str, MessageDestination] = field(default_factory=dict)  # also without activations
    events: EventsSource | None = None
    memberships: MembershipsSource | None = None
    evaluation_schedule: Schedule | None = None
    keep_exited: timedelta = timedelta(days=30)
    file_mode: int = 0o600
    memory_limit: int | None = None  # bytes; None: a share of what the machine has
    retention: Retention = Retention()
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # event to the words of a command (SPEC 9)
    # Environment variables that the YAML refers to: never show or store them.
    variables: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()  # the names of variables that the YAML refers to and that are not set
    labels: tuple[LabelEntry, ...] = ()  # in the order of muster.yml (G1)
    policies: Mapping[str, Policy] = field(default_factory=dict)  # those in files and the core policies in use, by id
    sources: Mapping[str, Source] = field(default_factory=dict)  # by id; none where profiles have a path (P1)
    namespaces: Mapping[str, Namespace] = field(default_factory=lambda: dict(BUILT_IN))  # built in and declared, by id
    identity_graph: IdentityGraphLimits = DEFAULT_LIMITS
    merge_policies: Mapping[str, MergePolicy] = field(default_factory=dict)  # by id; never empty with sources
    id_key: str = field(default="", repr=False)  # the key that profile ids are made with (P7): never show or store it

    @property
    def unset(self) -> tuple[Problem, ...]:
        """The variables that exports need and that are missing, in the order of files and lines (SPEC 2)."""
        problems = {problem for each in self.destinations.values() for problem in each.unset}
        problems |= {problem for each in self.message_destinations.values() for problem in each.unset}
        return tuple(sorted(problems | {problem for each in self.all_activations for problem in each.unset}))

    @property
    def all_activations(self) -> tuple[AnyActivation, ...]:
        """The activations that write files, and those that send messages, in the order of destination id."""
        both: tuple[AnyActivation, ...] = (*self.activations, *self.message_activations)
        return tuple(sorted(both, key=lambda each: each.destination)) if self.message_activations else both

    def merge_policy_of(self, activation: AnyActivation) -> str | None:
        """The merge policy that the audiences of an activation are of; None while there is none of them (P10)."""
        known = (self.audiences[each] for each in activation.audience_ids if each in self.audiences)
        return next((each.merge_policy for each in known), None)

    def marketing_actions_of(self, destination: str) -> tuple[str, ...] | None:
        """What a destination of files or of messages does with the data; None for one that does not exist (G1)."""
        found = self.destinations.get(destination) or self.message_destinations.get(destination)
        return None if found is None else found.marketing_actions

    def activation(self, key: str) -> Activation | None:
        """The activation that writes files with the key ``destination/activation``, if there is one."""
        return self._by_key.get(key)

    def message_activation(self, key: str) -> MessageActivation | None:
        """The activation that sends messages with the key ``destination/activation``, if there is one."""
        return next((each for each in self.message_activations if each.key == key), None)

    def any_activation(self, key: str) -> AnyActivation | None:
        """The activation with the key ``destination/activation``, of files or of messages, if there is one."""
        return self.activation(key) or self.message_activation(key)

    @cached_property
    def _by_key(self) -> dict[str, Activation]:
        return {activation.key: activation for activation in reversed(self.activations)}
