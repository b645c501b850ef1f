"""The nouns of `graph`: one graph with its links, and the sizes of all graphs (P3 to P6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, order=True)
class HeldIdentity:
    """An identity of a graph."""

    namespace: str
    id: str
    primary: bool = False  # whether it is the primary identity of a fragment
    oldest: datetime | None = None  # the oldest record that holds it now

    @property
    def text(self) -> str:
        """``Email:ann@x.com``, as the command line takes it."""
        return f"{self.namespace}:{self.id}"


@dataclass(frozen=True)
class Link:
    """Two identities that stand in one record, and the newest record that states it (P3)."""

    one: HeldIdentity
    other: HeldIdentity
    time: datetime
    source: str | None  # a source's id
    file: str | None
    reason: str = (
        ""  # why the link is refused: ``shared`` (P4), ``unique`` (P5), ``size`` (P6); empty of one that holds
    )


@dataclass(frozen=True)
class SharedIdentity:
    """An identity with too many neighbours, which links nothing (P4)."""

    namespace: str
    id: str
    neighbours: int


@dataclass(frozen=True)
class GraphDetails:
    """The graph that holds one identity."""

    policy: str
    at: datetime
    looked_for: str
    profile_id: str | None  # None of a graph without a fragment
    identities: tuple[HeldIdentity, ...]
    links: tuple[Link, ...]
    refused: tuple[Link, ...]  # links of these identities that were refused
    shared: tuple[SharedIdentity, ...]  # shared identities that stand in records with these


@dataclass(frozen=True)
class GraphStats:
    """The graphs of a merge policy at an instant, and what became of profile ids since the build before."""

    policy: str
    at: datetime
    graphs: int
    identities: int
    profiles: int  # graphs with a fragment
    sizes: Mapping[int, int]  # identities of a graph to number of graphs, ascending
    largest: HeldIdentity | None  # the smallest identity of the largest graph
    refused: Mapping[str, int] = field(default_factory=dict)  # refused links by reason
    refused_links: tuple[Link, ...] = ()  # the first of them
    shared: tuple[SharedIdentity, ...] = ()
    previous_at: datetime | None = None  # the instant of the build before; None of the first
    merged: int | None = None  # ids that became aliases since then
    split: int | None = None  # profiles that came out of others since then
