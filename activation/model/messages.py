"""The nouns of destinations that take messages: audiences of an activation, requests, answers, the way there (V)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Literal

from muster.activation.errors import Problem
from muster.activation.model.activation import IDENTITY_PREFIX, AnyActivation, Column
from muster.activation.model.locations import NOWHERE, SourceLocation

MessageKind = Literal["http", "kinesis", "event_hubs"]
MessageTrigger = Literal["membership", "identity", "attributes"]  # consent cannot be left out (V3)
MESSAGE_TRIGGERS: tuple[MessageTrigger, ...] = ("membership", "identity", "attributes")
AggregationKey = Literal["audience", "status", "namespace"]


@dataclass(frozen=True)
class MappedAudience:
    """An audience of an activation that sends messages, and the name that the receiver has for it (V1)."""

    id: str
    name: str
    alias: str | None = None
    location: SourceLocation = field(default=NOWHERE, compare=False)

    @property
    def shown(self) -> str:
        """The alias, or the id where there is none: what messages call the audience (V5)."""
        return self.alias or self.id


@dataclass(frozen=True)
class Aggregation:
    """How profiles are grouped into requests (V7). None is the limit of the service."""

    kind: Literal["best_effort", "configurable"] = "best_effort"
    max_profiles: int | None = None  # entries of one request
    max_bytes: int | None = None
    max_age: timedelta = timedelta(0)  # of kind "configurable": how long a change may wait for others
    key: tuple[AggregationKey, ...] = ()  # of kind "configurable": each request is about one value of these


@dataclass(frozen=True)
class Pattern:
    """What marks an answer: its status, a regular expression that its body holds, or both (V10)."""

    status: int | None = None
    body: str | None = None


@dataclass(frozen=True)
class Result:
    """How an accepted answer says which entries were refused (V10). Paths are dotted, into the JSON of the answer."""

    errors: str | None = None  # path of a list of errors, each with the position of an entry under ``index``
    index: str | None = None
    each: str | None = None  # path of a list with one element an entry, named by ``key``, accepted where ``ok`` holds
    key: str | None = None
    ok: str | None = None
    reason: str | None = None  # key of an element that says why; it is shown, never kept
    refused_count: str | None = None  # path of a number of entries that were refused, nobody knows which


@dataclass(frozen=True)
class Answers:
    """What the answers of a receiver mean (V10)."""

    success: tuple[int, ...] = ()  # the statuses that accept; none: every 2xx
    throttled: tuple[Pattern, ...] = ()
    fatal: tuple[Pattern, ...] = ()
    result: Result | None = None


@dataclass(frozen=True, kw_only=True)
class MessageActivation(AnyActivation):
    """Audiences mapped to one destination of messages, with the settings of both levels merged (V1).

    ``mapping`` has the columns of ``columns`` where ``request`` is declared.
    """

    kind: MessageKind
    audiences: tuple[MappedAudience, ...]
    payload: Literal["profile", "request"] = "profile"  # V5, V6
    identities: tuple[str, ...] | None = None  # the namespaces that trigger and are sent; None: all of them (V3)
    triggers: tuple[MessageTrigger, ...] = MESSAGE_TRIGGERS
    attributes_version: str | None = None  # the profile column that moves with every write (V3)
    resends_mapping: bool = False  # on_mapping_change: resend (V4)
    unmapped_audiences: bool = True  # whether messages tell audiences that are not mapped (V5)
    names: bool = False  # whether messages have the names of mapped audiences (V5)
    # The request's tree by kind of change (realized, exited, changed), as JSON text; under "" that of all kinds (V6)
    request: Mapping[str, str] = field(default_factory=dict)
    method: Mapping[str, str] = field(default_factory=dict)  # HTTP method by kind of change; "" as in ``request``
    headers: Mapping[str, str] = field(default_factory=dict)  # may hold secrets: never print or store their values
    url: str | None = None  # of kind http, with placeholders (V6); None while a variable of it is missing
    aggregation: Aggregation = Aggregation()
    answers: Answers = Answers()
    in_flight: int = 8  # requests that are under way at one time (V8)
    dead_letter_after: int | None = 3  # runs that refuse a profile, after which it is not offered any more (V10)
    preset: str | None = None

    @property
    def exports_files(self) -> bool:
        """Whether runs export files of one audience, rather than send messages."""
        return False

    @property
    def audience_ids(self) -> tuple[str, ...]:
        """The ids of the mapped audiences, in config order."""
        return tuple(each.id for each in self.audiences)

    @property
    def identity_column(self) -> Column | None:
        """The column of the one mapped identity namespace of a declared request, if there is one (V6, M5)."""
        return next((column for column in self.mapping if column.source.startswith(IDENTITY_PREFIX)), None)


@dataclass(frozen=True)
class Auth:
    """How requests of kind http say who sends them (V12). Values are names of environment variables."""

    kind: Literal["bearer", "header", "basic", "query", "oauth2"]
    names: Mapping[str, str] = field(default_factory=dict)  # ``bearer_env``, ``user_env``, ``client_id_env`` and so on
    header: str | None = None  # of kind "header": its name
    parameter: str | None = None  # of kind "query": its name
    token_url: str | None = None  # of kind "oauth2"
    parameters: Mapping[str, str] = field(default_factory=dict)  # more of what is asked of ``token_url``, as ``scope``


@dataclass(frozen=True)
class Tls:
    """Files of certificates: the client's own with its key, and those that servers are verified with (V1)."""

    certificate: str | None = None
    key: str | None = None
    ca: str | None = None


@dataclass(frozen=True)
class Rate:
    """At most so many requests in so many seconds (V13)."""

    requests: int
    per: float


@dataclass(frozen=True, kw_only=True)
class MessageDestination:
    """A receiver of messages, and the way to it (V1)."""

    id: str
    name: str
    kind: MessageKind
    # What identifies the receiver, without credentials (X9, V2); empty while a variable of it is missing. Values of
    # variables are in it: show and store ``shown_place``.
    place: str
    shown_place: str = ""  # the place with names of variables instead of their values
    url: str = ""  # of kind http, with placeholders; may hold credentials: never print or store it
    settings: Mapping[str, str] = field(default_factory=dict)  # keys of the kind: ``stream``, ``hub``, ``transport``
    connection: Mapping[str, str] = field(default_factory=dict)  # keys that end in ``_env`` name environment variables
    auth: Auth | None = None
    tls: Tls | None = None
    allow_insecure: bool = False  # whether http:// is allowed beyond this machine (V12)
    rate: Rate | None = None
    retries: int = 4  # of requests that were not answered, or answered with an error that may pass (V10)
    timeout: float = 60.0  # seconds without an answer
    location: SourceLocation = NOWHERE
    unset: tuple[Problem, ...] = ()  # variables that are missing: nothing goes there (SPEC 2)
    shown_url: str = ""  # the url as written, redacted
    # The workspace's environment variables, given as the destination is opened: never shown or stored.
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    marketing_actions: tuple[str, ...] = ()  # what the destination does with the data, sorted (G1)

    @property
    def place_digest(self) -> str | None:
        """The digest of the place, by which delivered rows are known to be of it (X9); None while it is not known."""
        return None if self.unset or not self.place else sha256(self.place.encode()).hexdigest()
