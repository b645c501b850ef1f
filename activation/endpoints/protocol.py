"""What the sender of requests asks of an endpoint: one try of a request at a time, and what the answer means (V10)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Meaning = Literal["accepted", "refused", "throttled", "failing", "lost", "unsent", "fatal"]


@dataclass(frozen=True)
class Record:
    """One record of a stream: the profile id that chooses its partition, and its bytes."""

    partition_key: str
    data: bytes


@dataclass(frozen=True)
class Outgoing:
    """One request as it is sent, each time with the same bytes (V8)."""

    id: str  # of the request: unique in the workspace, also of a half
    key: str  # the Idempotency-Key
    method: str = ""
    url: str = ""  # without what authentication adds
    body: bytes = b""
    records: tuple[Record, ...] = ()  # of a stream, in the order of entries; empty for http
    entries: int = 0  # how many the body has, of http: answers name them by position or by key (V10)


@dataclass(frozen=True)
class Answer:
    """What became of one try.

    accepted   all entries were, but for ``refused``
    refused    none was: 400, 413, 422, or a stream's word for it (V10); a request of several is halved
    throttled  none was, as too many were sent: 429, or a pattern; tried again
    failing    408, 5xx: perhaps some were; tried again
    lost       sent, and no answer: perhaps some were; tried again
    unsent     no connection: none was; tried again
    fatal      any other answer: the run ends; where ``sent`` is false the receiver cannot have had the request
    """

    meaning: Meaning
    reason: str = ""  # short, without profile data: ``422``, ``ProvisionedThroughputExceededException``, ``no answer``
    refused: Mapping[int, str] = field(default_factory=dict)  # positions of refused entries, with the reason
    again: tuple[int, ...] = ()  # positions of entries of an accepted request that are to be sent again (streams)
    refused_count: int = 0  # entries that were refused, nobody knows which (V10)
    retry_after: float | None = None  # seconds
    sent: bool = True  # of "fatal": whether the request went out, as opposed to credentials or a certificate that fail
    look: Callable[[], str] | None = field(default=None, repr=False, compare=False)  # for ``excerpt``

    @property
    def excerpt(self) -> str:
        """At most 300 characters of the answer, for a terminal with -v, without what the request carried (V12).

        It is made when it is asked for: that takes as long as reading the request once more.
        """
        return self.look() if self.look else ""


@dataclass(frozen=True)
class Limits:
    """What one request of a service may hold (V7); None is no limit.

    The bytes of an entry are those of its text in UTF-8, of a stream those of the profile id and ``overhead`` too. The
    bytes of a request are those of its entries, and of a body also what stands between them.
    """

    entries: int | None = None
    bytes: int | None = None
    entry_bytes: int | None = None
    overhead: int = 0


NO_LIMITS = Limits()


class Endpoint(Protocol):
    """An opened connection to a receiver of messages. Its functions are called by several threads at a time."""

    def send(self, outgoing: Outgoing) -> Answer:
        """Try a request once. No error of the network or of the receiver is raised: it is an answer."""

    def check(self, test: Outgoing | None = None) -> str:
        """Connect and authenticate, and say what was found; ``ExportError`` with the reason when it fails (V11).

        ``test`` is a request about nobody that is sent then; without it no message goes out.
        """

    def stop(self) -> None:
        """End pauses and waits: the command is asked to stop."""

    def close(self) -> None:
        """End the connections."""
