"""The labels of an activation: those of everything that it reads, with the way from there to it (G2)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from muster.activation.governance.reads import (
    EVENTS_PREFIX,
    WHOLE_MAP,
    Names,
    Read,
    Thing,
    audience_reads,
    column_things,
    mapping_reads,
    names_of,
)
from muster.activation.model.governance import LabelEntry
from muster.activation.model.workspace import IDENTITY_PREFIX, Activation, Workspace

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
        self._workspace, names = workspace, names_of(workspace)
        self._at: dict[Thing, list[tuple[Thing, LabelEntry]]] = {}  # entries of a thing itself
        self._below: dict[Thing, list[tuple[Thing, LabelEntry]]] = {}  # entries of what is below a thing
        for entry in (each for each in workspace.labels if each.labels):
            for thing in things_of(entry, names):
                self._at.setdefault(thing, []).append((thing, entry))
                for above in _above(thing):
                    self._below.setdefault(above, []).append((thing, entry))

    def of_activation(self, activation: Activation) -> tuple[Labelled, ...]:
        """The labelled things that an activation reads: of its mapping first, then of its audience (G2)."""
        return (*self.of_mapping(activation), *self.of_audience(activation.audience))

    def of_mapping(self, activation: Activation) -> tuple[Labelled, ...]:
        """The labelled things that the mapping and the deduplication keys of an activation read."""
        return self._found(mapping_reads(activation, self._workspace)) if self._at else ()

    def of_audience(self, audience: str) -> tuple[Labelled, ...]:
        """The labelled things that an audience's rule reads, and those of the audiences that it refers to."""
        return self._found(audience_reads(audience, self._workspace)) if self._at else ()

    def _found(self, reads: Iterable[Read]) -> tuple[Labelled, ...]:
        return tuple(dict.fromkeys(found for read in reads for found in self._labelled(read)))

    def _labelled(self, read: Read) -> Iterator[Labelled]:
        """What the labels say of one read: those of the thing, of what holds it, and of what is below it."""
        for thing in (read.thing, *_above(read.thing)):
            for _, entry in self._at.get(thing, ()):
                yield Labelled(str(read.thing), entry.labels, read.way, entry)
        for thing, entry in self._below.get(read.thing, ()):
            yield Labelled(str(thing), entry.labels, read.way, entry)


def things_of(entry: LabelEntry, names: Names) -> list[Thing]:
    """The things that a label's entry may name, as it is written and without SQL's quotes (G2, E2).

    ``events.x`` is an event column, and a field of a profile column ``events`` where there is one.
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
        yield Thing("events", text.removeprefix(EVENTS_PREFIX))
    yield from column_things(text, names)


def _above(thing: Thing) -> Iterator[Thing]:
    """The things that hold a thing: structs around a field, the whole identity map around a namespace."""
    if thing.space == "identity_map":
        yield from [Thing(thing.space, WHOLE_MAP)] if thing.path != WHOLE_MAP else ()
        return
    steps = thing.path.split(".")
    yield from (Thing(thing.space, ".".join(steps[:length])) for length in range(len(steps) - 1, 0, -1))
