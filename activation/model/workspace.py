"""The nouns of a workspace, as everything but the YAML reader sees them: frozen, checked, overrides merged (SPEC 2).

``muster.activation.config.workspace`` builds them from YAML and is the only module that knows how YAML is spelled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

Format = Literal["csv", "parquet", "json"]
Compression = Literal["none", "gzip", "zstd"]
ExportMode = Literal["full", "incremental"]
Trigger = Literal["scheduled", "after_evaluation", "on_demand"]
QuoteStyle = Literal["necessary", "always", "non_numeric", "never"]
Encoding = Literal["utf-8", "utf-16"]  # the latter little endian

JOBS = 8  # remote destinations that are delivered to at once, unless the command line says otherwise

STATUS_SOURCE = "segment_membership.status"
TIME_SOURCE = "segment_membership.last_qualification_time"
IDENTITY_PREFIX = "identity_map."


@dataclass(frozen=True)
class Place:
    """Where something is written in the YAML: the file relative to the workspace, the line from 1, the dotted key."""

    file: str = ""
    line: int = 0
    key: str = ""


@dataclass(frozen=True)
class ProfilesSource:
    path: str
    id: str = "profile_id"
    identity_map: str = "identity_map"
    connection: Mapping[str, str] = field(default_factory=dict)  # of a path in a bucket, as a destination's


@dataclass(frozen=True)
class EventsSource:
    path: str
    profile_id: str = "profile_id"
    timestamp: str = "timestamp"
    connection: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MembershipsSource:
    path: str
    connection: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Schedule:
    """When an activation or the evaluation asks to run (S1). Exactly one kind; ``start``/``end`` are instants (UTC)."""

    kind: Literal["at", "every", "cron", "after_evaluation", "on_demand"]
    zone: ZoneInfo
    times: tuple[time, ...] = ()  # kind "at": local times, sorted, unique
    hours: int = 0  # kind "every"
    cron: str = ""  # kind "cron": five fields
    start: datetime | None = None  # inclusive
    end: datetime | None = None  # exclusive

    @property
    def trigger(self) -> Trigger:
        """What starts the runs of its kind."""
        return self.kind if self.kind in {"after_evaluation", "on_demand"} else "scheduled"


@dataclass(frozen=True)
class Measure:
    """A named aggregate over one profile's events (E3). ``column`` is a dotted path, None for ``count``."""

    name: str
    function: Literal["count", "count_distinct", "sum", "min", "max", "avg", "first", "last"]
    column: str | None = None
    where: str | None = None
    within: timedelta | None = None
    place: Place = Place()


@dataclass(frozen=True)
class Audience:
    """A rule over profiles, events and other audiences, or a membership feed, or both (E2, D4, X6)."""

    id: str
    name: str
    where: str | None
    measures: tuple[Measure, ...] = ()
    from_feed: bool = False  # source: memberships
    place: Place = Place()  # of `where`, or of the file


@dataclass(frozen=True)
class Column:
    """One mapped field (M1). ``source`` is a dotted path, ``target`` the header."""

    source: str
    target: str
    mandatory: bool = False
    place: Place = Place()
    transform: tuple[str, ...] = ()  # carried out in this order, as written: ``trim``, ``date(%Y)``
    expression: str | None = None  # SQL over profile columns, instead of a source, which is empty then
    join: str | None = None  # what stands between the elements of a list

    @property
    def is_plain(self) -> bool:
        """Whether it holds the values of its source as they are."""
        return not self.transform and self.expression is None and self.join is None

    @property
    def content(self) -> str:
        """What tells its values from those of other columns: the source alone where they are its values as they are."""
        if self.is_plain:
            return self.source
        # A source is one line, so that none is taken for what is made of one.
        return "\n".join(("", self.source, *map(repr, (self.expression, self.join, *self.transform))))

    @property
    def untransformed(self) -> "Column":
        """The same column before anything is done to its values."""
        return replace(self, transform=(), join=None)


@dataclass(frozen=True)
class CsvOptions:
    delimiter: str = ","
    quote: str = '"'
    quote_style: QuoteStyle = "necessary"
    header: bool = True
    null_value: str = ""
    line_terminator: str = "\n"
    bom: bool = False
    sanitize_formulas: bool = False
    encoding: Encoding = "utf-8"


@dataclass(frozen=True)
class Guards:
    """X11. ``max_shrink`` is a fraction (0.3 for 30%)."""

    max_shrink: float | None = None
    max_exited: int | None = None


@dataclass(frozen=True)
class PgpKey:
    """An OpenPGP key, as its file holds it; ``path`` is as written."""

    path: str
    fingerprint: str
    expires: datetime | None  # from then on it is of no use for what it is here for
    place: Place = Place()


@dataclass(frozen=True)
class Pgp:
    """To whom files are encrypted, and who signs them."""

    public_keys: tuple[PgpKey, ...]
    sign_with: PgpKey | None = None
    passphrase_env: str | None = None  # the variable that holds the passphrase of ``sign_with``


@dataclass(frozen=True)
class Activation:
    """One audience mapped to one destination, with the destination's settings and its own merged (X1)."""

    id: str
    destination: str
    destination_name: str
    audience: str
    export: ExportMode
    schedule: Schedule
    url: str  # expanded; may hold credentials: never print or store it
    format: Format
    mapping: tuple[Column, ...]
    deduplicate: tuple[str, ...] = ()
    csv: CsvOptions = CsvOptions()
    compression: Compression = "none"
    file_name: str = "{destination}_{activation}_{datetime}"
    max_rows_per_file: int = 5_000_000
    manifest: bool = True
    skip_empty: bool = False
    guards: Guards = Guards()
    encryption: Pgp | None = None
    preset: str | None = None  # the receiver whose rules the files are checked against
    place: Place = Place()

    @property
    def key(self) -> str:
        """``destination/activation``, as the user writes it."""
        return f"{self.destination}/{self.id}"

    @property
    def status_mapped(self) -> bool:
        """Whether leavers are told to the receiver (X3d)."""
        return any(column.source == STATUS_SOURCE for column in self.mapping)

    @property
    def identity_column(self) -> Column | None:
        """The mapped identity namespace, at most one (M5)."""
        return next((column for column in self.mapping if column.source.startswith(IDENTITY_PREFIX)), None)


@dataclass(frozen=True)
class Destination:
    """A place that files go to, and how it is reached."""

    id: str
    name: str
    url: str  # expanded; may hold credentials: never print or store it
    connection: Mapping[str, str] = field(default_factory=dict)  # keys that end in ``_env`` name environment variables
    retries: int = 4  # of what may pass
    timeout: float = 60.0  # seconds without an answer
    place: Place = Place()
    service: str = ""  # endpoint, account or user that the url does not contain; with it the url identifies one place


@dataclass(frozen=True)
class Keep:
    """How much of one kind of history stays: what is as young as ``age`` or among the newest ``count``; None for no such reason."""

    age: timedelta | None = None
    count: int | None = None


@dataclass(frozen=True)
class Retention:
    """What `muster prune` leaves of history; None: all of it."""

    evaluations: Keep | None = None
    runs: Keep | None = None


@dataclass(frozen=True)
class Workspace:
    root: Path  # absolute
    name: str
    zone: ZoneInfo
    profiles: ProfilesSource
    state: Path  # absolute
    audiences: dict[str, Audience]
    activations: tuple[Activation, ...]  # in the order of destination id, then as written
    destinations: dict[str, Destination]  # also those without activations
    events: EventsSource | None = None
    memberships: MembershipsSource | None = None
    evaluation_schedule: Schedule | None = None
    keep_exited: timedelta = timedelta(days=30)
    file_mode: int = 0o600
    memory_limit: int | None = None  # bytes; None: a share of what the machine has
    retention: Retention = Retention()
    variables: Mapping[str, str] = field(
        default_factory=dict
    )  # environment variables that the YAML takes: never shown or stored

    def activation(self, key: str) -> Activation | None:
        """The activation named ``destination/activation``."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[str, Activation]:
        return {activation.key: activation for activation in reversed(self.activations)}
