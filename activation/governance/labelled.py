"""The labels of an activation: those of everything that it reads, with the way from there to it (G2)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from muster.activation.governance.origins import Origins, origins_of
from muster.activation.governance.reads import (
    EVENTS_PREFIX,
    SOURCES,
    WHOLE_MAP,
    Names,
    Read,
    Thing,
    audience_reads,
    column_things,
    event_things,
    mapping_reads,
    names_of,
    source_space,
)
from muster.activation.model.governance import LabelEntry
from muster.activation.model.sources import DEFAULT_POLICY
from muster.activation.model.workspace import IDENTITY_PREFIX, AnyActivation, Workspace
from muster.activation.rules.labels import OF_A_GRAPH

_QUOTED = re.compile(r'"((?:[^"]|"")*)"|`((?:[^`]|``)*)`')


@dataclass(frozen=True)
class Labelled:
    """One labelled thing that an activation reads, and the way from it to the activation."""

    what: str  # as in muster.yml: the label's entry, or what is read if that is a part of it
    labels: tuple[str, ...]  # sorted
    way: tuple[str, ...]  # as of a ``Read``
    entry: LabelEntry

    def path_to(self, activation: str) -> tuple[str, ...]:
        """The steps from the thing over audiences to the activation."""
        return self.what, *self.way, activation


class LabelIndex:
    """The labels of a workspace, found by what is read."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._at: dict[Thing, list[tuple[Thing, LabelEntry]]] = {}  # entries of a thing itself
        self._below: dict[Thing, list[tuple[Thing, LabelEntry]]] = {}  # entries of what is below a thing
        self._origins: dict[str, Origins | None] = {}  # by merge policy
        for thing, entry in _labelled_things(workspace):
            self._at.setdefault(thing, []).append((thing, entry))
            for above in _above(thing):
                self._below.setdefault(above, []).append((thing, entry))

    def of_activation(self, activation: AnyActivation) -> tuple[Labelled, ...]:
        """The labelled things that an activation reads: of its mapping first, then of its audiences (G2)."""
        of_audiences = (found for audience in activation.audience_ids for found in self.of_audience(audience))
        return (*self.of_mapping(activation), *of_audiences)

    def of_mapping(self, activation: AnyActivation) -> tuple[Labelled, ...]:
        """The labelled things that the mapping and the deduplication keys of an activation read."""
        found = mapping_reads(activation, self._workspace) if self._at else ()
        return self._found(found, self._origins_of(*activation.audience_ids[:1]))

    def of_audience(self, audience: str) -> tuple[Labelled, ...]:
        """The labelled things that an audience's rule reads, and those of the audiences that it refers to.

        With sources, also those that the audience has by its merge policy: the sources, and C10.
        """
        origins = self._origins_of(audience)
        found = audience_reads(audience, self._workspace) if self._at else ()
        return (*self._found(found, origins), *(self._of_policy(audience, origins) if origins else ()))

    def _origins_of(self, audience: str = "") -> Origins | None:
        """What the profiles of an audience are made of; None where profiles have a path."""
        known = self._workspace.audiences.get(audience)
        policy = known.merge_policy if known else DEFAULT_POLICY
        if policy not in self._origins:
            self._origins[policy] = origins_of(self._workspace, policy)
        return self._origins[policy]

    def _of_policy(self, audience: str, origins: Origins) -> Iterator[Labelled]:
        policy, step = origins.policy, f'audience "{audience}"'
        way = f'merge policy "{policy.id}"', step
        yield from self._found([Read(Thing(SOURCES, each.id), way) for each in origins.sources], None)
        if policy.graph == "private":
            yield Labelled(way[0], (OF_A_GRAPH,), (step,), LabelEntry(way[0], (OF_A_GRAPH,), policy.location))

    def _found(self, reads: Iterable[Read], origins: Origins | None) -> tuple[Labelled, ...]:
        return tuple(dict.fromkeys(found for read in _with_origins(reads, origins) for found in self._labelled(read)))

    def _labelled(self, read: Read) -> Iterator[Labelled]:
        """What the labels say of one read: those of the thing, of what holds it, and of what is below it."""
        for thing in (read.thing, *_above(read.thing)):
            for _, entry in self._at.get(thing, ()):
                yield Labelled(str(read.thing), entry.labels, read.way, entry)
        for thing, entry in self._below.get(read.thing, ()):
            yield Labelled(str(thing), entry.labels, read.way, entry)


def _labelled_things(workspace: Workspace) -> Iterator[tuple[Thing, LabelEntry]]:
    """The things that have labels: in muster.yml, and the columns of sources in their files."""
    names = names_of(workspace)
    for entry in (each for each in workspace.labels if each.labels):
        yield from ((thing, entry) for thing in things_of(entry, names))
        if workspace.profiles.from_sources and entry.what.startswith(f"{SOURCES}."):
            yield Thing(SOURCES, entry.what.removeprefix(f"{SOURCES}.")), entry
    for source in workspace.sources.values():
        for entry in (each for each in source.labels if each.labels):
            for path in dict.fromkeys((entry.what, unquoted(entry.what))):
                yield Thing(source_space(source), path), entry


def _with_origins(reads: Iterable[Read], origins: Origins | None) -> Iterator[Read]:
    """Each read, and the reads of what is behind the thing."""
    for read in reads:
        yield read
        for each in origins.behind(read.thing) if origins else ():
            yield Read(each.thing, (*each.way, *read.way))


def things_of(entry: LabelEntry, names: Names) -> list[Thing]:
    """The things that a label's entry may name, as it is written and without SQL's quotes (G2, E2).

    ``events.x`` is an event column, and a field of a profile column ``events`` where there is one;
    ``events.profile_id`` and ``events.timestamp`` are also the columns that muster.yml names under ``events``.
    """
    texts = dict.fromkeys((entry.what, unquoted(entry.what)))
    return list(dict.fromkeys(thing for text in texts for thing in _named(text, names)))


def unquoted(text: str) -> str:
    """A dotted path without the quotes that names have in SQL: ``events."diagnosis code"``."""
    return _QUOTED.sub(lambda match: (match[1] or "").replace('""', '"') or (match[2] or "").replace("``", "`"), text)


def _named(text: str, names: Names) -> Iterator[Thing]:
    for prefix in (IDENTITY_PREFIX, f"{names.identity_map}."):
        if text.startswith(prefix):
            yield Thing("identity_map", text.removeprefix(prefix))
            return
    if text.startswith(EVENTS_PREFIX):
        yield from event_things(text.removeprefix(EVENTS_PREFIX), names)
    yield from column_things(text, names)


def _above(thing: Thing) -> Iterator[Thing]:
    """The things that hold a thing: structs around a field, the whole identity map around a namespace."""
    if thing.space == "identity_map":
        yield from [Thing(thing.space, WHOLE_MAP)] if thing.path != WHOLE_MAP else ()
        return
    if thing.space == SOURCES:
        return
    steps = thing.path.split(".")
    yield from (Thing(thing.space, ".".join(steps[:length])) for length in range(len(steps) - 1, 0, -1))
