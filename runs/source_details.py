"""The nouns of `sources`: a source, what it gives at an instant, what was left out and why (P1, P2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from muster.activation.model.sources import Source


@dataclass(frozen=True)
class SourceDetails:
    """A source, and what it gives at an instant; numbers are None where it cannot be read."""

    source: Source
    policies: tuple[str, ...]  # the merge policies that read it, by id; none with ``profile: false``
    read: str | None = None  # the snapshot, or the path, that was read
    files: int | None = None
    records: int | None = None  # rows; with ``mode: changes`` those up to the instant
    fragments: int | None = None  # None of events, which make none
    identities: int | None = None  # different ones
    links: int | None = None  # different pairs of them
    left_out: Mapping[str, int] = field(default_factory=dict)  # by reason, those of which there are some
    newest: datetime | None = None  # the newest time of a record or event; else the date of the snapshot
    age: timedelta | None = None  # of ``newest`` at the instant
    error: str = ""  # why the source cannot be read, so that its policies fail

    @property
    def is_stale(self) -> bool:
        """Whether the source is older than ``max_age`` allows."""
        return self.age is not None and self.source.max_age is not None and self.age > self.source.max_age
