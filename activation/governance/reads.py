"""Everything that an activation reads, each with the way from it to the activation (G2).

The reads follow from the YAML alone: no data is opened, and no column is looked up. So of a column whose own name holds
dots, and of a struct's field, the path is the same text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from muster.activation.frames.columns import PROFILE_ID
from muster.activation.model.messages import MessageActivation
from muster.activation.model.request_tree import usage
from muster.activation.model.sources import Source
from muster.activation.model.workspace import (
    IDENTITY_PREFIX,
    STATUS_SOURCE,
    TIME_SOURCE,
    AnyActivation,
    Audience,
    Column,
    EventsSource,
    Workspace,
)
from muster.activation.rules import expressions
from muster.activation.rules.order import ANY_INSTANT, references
from muster.activation.sql.parse import parse
from muster.activation.sql.rewrite import AUDIENCE, IDENTITY, IN_A_MEASURE
from muster.activation.sql.tokens import SqlError
from muster.activation.sql.tree import Node

EVENTS_PREFIX = "events."
SOURCES = "sources"
WHOLE_MAP = ""  # the path of all identity namespaces together
_MAP = IDENTITY_PREFIX.removesuffix(".")
_OF_MEMBERSHIP = frozenset({STATUS_SOURCE, TIME_SOURCE})
_INDEX = re.compile(r"\[-?\d+\]")  # of an element of a list, in a dotted path
_FIELD = "StructExpr.FieldByName"


@dataclass(frozen=True, order=True)
class Thing:
    """A profile column, an event column, an identity namespace, a source, or a column of a source's files.

    ``path`` is dotted, without the indices of elements: a column, or a field of a struct. Of ``identity_map`` it is the
    namespace, or ``WHOLE_MAP``; of ``sources`` it is the id.
    """

    space: str  # ``column``, ``events``, ``identity_map``, ``sources``, or ``source_space`` of a source
    path: str

    def __str__(self) -> str:
        return self.path if self.space == "column" else f"{self.space}.{self.path}".removesuffix(".")


def source_space(source: Source) -> str:
    """The space of the columns in a source's files, by their own names."""
    return f"{SOURCES}.{source.id}"


class Read(NamedTuple):
    """One thing that is read, and the way from it towards the activation.

    The steps of a way are ``column "mail"``, ``deduplicate``, ``measure "visits"`` and ``audience "seniors"``.
    """

    thing: Thing
    way: tuple[str, ...]


class Names(NamedTuple):
    """The names that a workspace has for columns with a meaning of their own."""

    id: str  # of the profiles
    identity_map: str
    event_id: str  # of the profile ids in the events
    timestamp: str  # of the events


def names_of(workspace: Workspace) -> Names:
    """The names of a workspace's columns with a meaning of their own."""
    source, events = workspace.profiles, workspace.events or EventsSource("")
    return Names(source.id, source.identity_map, events.profile_id, events.timestamp)


def reads(activation: AnyActivation, workspace: Workspace) -> Iterator[Read]:
    """Everything that an activation reads: its mapping, its deduplication keys, and what its audiences read (G2)."""
    yield from mapping_reads(activation, workspace)
    for audience in activation.audience_ids:
        yield from audience_reads(audience, workspace)


def mapping_reads(activation: AnyActivation, workspace: Workspace) -> Iterator[Read]:
    """The reads of the mapped columns, of what transforms read beside them, and of the deduplication keys (G2).

    Of messages also those of what goes with them though no column has it (V5, V6).
    """
    names = names_of(workspace)
    for column in activation.mapping:
        for thing in _of_column(column, names, workspace.zone):
            yield Read(thing, (f'column "{column.target}"',))
    for source in activation.deduplicate:
        for thing in _of_source(source, names):
            yield Read(thing, ("deduplicate",))
    if isinstance(activation, MessageActivation):
        yield from _of_messages(activation, names)


def _of_messages(activation: MessageActivation, names: Names) -> Iterator[Read]:
    """The namespaces that messages tell, the profile id where a request or a stream has it, and what is compared.

    Messages of profiles tell all namespaces, or those in ``identities``.
    """
    told = (WHOLE_MAP,) if activation.identities is None else activation.identities
    for namespace in told:
        yield Read(Thing("identity_map", namespace), ("identities",))
    if activation.attributes_version:
        for thing in column_things(activation.attributes_version, names):
            yield Read(thing, ("attributes_version",))
    targets = {column.target for column in activation.mapping}
    used = usage(activation.url or "", activation.request, {}).names
    if PROFILE_ID in used - targets:
        yield Read(Thing("column", PROFILE_ID), ("request",))
    if activation.kind == "kinesis":
        yield Read(Thing("column", PROFILE_ID), ("partition_key",))


def audience_reads(audience: str, workspace: Workspace) -> Iterator[Read]:
    """The reads of an audience's rule and measures, and of all audiences that it refers to, at any depth (G2, E4).

    Each audience is read once, by the shortest way. A feed audience without a rule reads the feed alone.
    """
    names, seen = names_of(workspace), {audience}
    waiting: list[tuple[str, tuple[str, ...]]] = [(audience, (f'audience "{audience}"',))]
    for each, way in waiting:  # grows while it is read: breadth first
        found = workspace.audiences.get(each)
        if found is None:
            continue
        for read in _own_reads(found, names, workspace.zone):
            yield Read(read.thing, (*read.way, *way))
        further = sorted(references(found) - seen)
        seen.update(further)
        waiting += [(other, (f'audience "{other}"', *way)) for other in further]


def column_things(path: str, names: Names) -> Iterator[Thing]:
    """The things that the path of a profile column names: the profile id has one name, the identity map namespaces."""
    plain = _INDEX.sub("", path)
    if plain in {names.id, PROFILE_ID}:
        yield Thing("column", PROFILE_ID)
    elif path == plain and path.startswith(f"{names.identity_map}."):
        steps = path.removeprefix(f"{names.identity_map}.").split(".")  # a namespace, whose name may hold dots
        yield from (Thing("identity_map", ".".join(steps[:length])) for length in range(1, len(steps) + 1))
    elif plain in {names.identity_map, _MAP} or plain.startswith(f"{names.identity_map}."):
        yield Thing("identity_map", WHOLE_MAP)
    else:
        yield Thing("column", plain)


def event_things(path: str, names: Names) -> list[Thing]:
    """The things that the path of an event column names.

    ``profile_id`` and ``timestamp``, as muster.yml calls them, are also the columns which it names so.
    """
    own = {"profile_id": names.event_id, "timestamp": names.timestamp}
    return [Thing("events", each) for each in dict.fromkeys((path, own.get(path, path)))]


def expression_things(text: str, names: Names, zone: ZoneInfo) -> list[Thing]:
    """The things that SQL over profile columns reads, each once; none of an invalid expression."""
    return [thing for path in _paths(text, zone, expressions.ALONE) for thing in column_things(path, names)]


@lru_cache(maxsize=10_000)
def _own_reads(audience: Audience, names: Names, zone: ZoneInfo) -> tuple[Read, ...]:
    """The reads of an audience's own rule and measures; the ways end before the audience.

    Each measure reads the profile id and the time of the events, too: each event is of a profile and an instant.
    """
    if audience.where is None:
        return ()
    measures = {measure.name for measure in audience.measures}
    found = []
    for path in _paths(audience.where, zone):
        if path.startswith(IDENTITY):
            found.append(Read(Thing("identity_map", path.removeprefix(IDENTITY)), ()))
        elif not path.startswith(AUDIENCE) and path not in measures:
            found += [Read(thing, ()) for thing in column_things(path, names)]
    for measure in audience.measures:
        paths = {*_paths(measure.where or "true", zone, IN_A_MEASURE)}
        paths |= {measure.column} if measure.column else set()
        paths |= {names.event_id, names.timestamp}
        found += [Read(Thing("events", path), (f'measure "{measure.name}"',)) for path in sorted(paths)]
    return tuple(found)


def _of_column(column: Column, names: Names, zone: ZoneInfo) -> Iterator[Thing]:
    """The things that a mapped column reads, each once."""
    found = [] if column.expression is None else expression_things(column.expression, names, zone)
    found += _of_source(column.source, names) if column.expression is None else ()
    if column.transform:
        from muster.activation.values import transforms  # noqa: PLC0415  # most mappings have none

        found += [thing for source in transforms.columns_read(column.transform) for thing in _of_source(source, names)]
    yield from dict.fromkeys(found)


def _of_source(source: str, names: Names) -> Iterator[Thing]:
    """The things that the source of a mapped column names; none for the status and the time of a membership."""
    if source.startswith(IDENTITY_PREFIX):
        yield Thing("identity_map", source.removeprefix(IDENTITY_PREFIX))
    elif source not in _OF_MEMBERSHIP:
        yield from column_things(source, names)


def _paths(text: str, zone: ZoneInfo, alone: str = "") -> tuple[str, ...]:
    """The paths of the columns that an expression reads, sorted: a struct's field where the tree shows that it alone.

    References to audiences and namespaces are columns of their own there. An invalid expression has none: that is
    reported elsewhere.
    """
    try:
        root = parse(text, ANY_INSTANT, zone, alone=alone).root
    except SqlError:
        return ()
    found: set[str] = set()
    waiting: list[tuple[Node, str]] = [(root, "")]
    while waiting:
        node, below = waiting.pop()
        if node.kind == "Column":
            found.add(f"{node.detail}{below}")
        elif node.kind == _FIELD:
            waiting.append((node.inputs[0], f".{node.detail}{below}"))
        else:
            waiting += [(each, "") for each in node.inputs]
    return tuple(sorted(found))
