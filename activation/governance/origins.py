"""What is behind a merged column, an event column, a namespace or a profile id: columns of sources (G2, P7, P8).

Everything follows from the YAML. Where a path may lead to more than one column of a source, all of them count, so that
no label is lost.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property

from muster.activation.frames.columns import PROFILE_ID
from muster.activation.governance.reads import WHOLE_MAP, Read, Thing, names_of, source_space
from muster.activation.model.sources import (
    DEFAULT_POLICY,
    VIEW_COLUMNS,
    MergePolicy,
    Source,
    event_sources,
    record_sources,
)
from muster.activation.model.workspace import Workspace


class Origins:
    """What the profiles and events of one merge policy are made of."""

    def __init__(self, workspace: Workspace, policy: MergePolicy) -> None:
        self._workspace, self.policy = workspace, policy
        self._records = record_sources(policy, workspace.sources)
        self._events = event_sources(policy, workspace.sources)
        self._found: dict[Thing, tuple[Read, ...]] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the policy: those of records, then those of events."""
        return *self._records, *self._events

    def behind(self, thing: Thing) -> tuple[Read, ...]:
        """The things that a thing is made of, each with the way from there up to the thing itself."""
        if thing not in self._found:
            self._found[thing] = tuple(dict.fromkeys(self._behind(thing)))
        return self._found[thing]

    def _behind(self, thing: Thing) -> Iterator[Read]:
        if thing == Thing("column", PROFILE_ID):
            yield from self._behind_ids()
        elif thing.space == "identity_map":
            yield from self._feeding(thing.path, (str(thing),))
        elif thing.space == "column":
            yield from (Read(each, (str(thing),)) for each in _given(thing.path, self._records))
        elif thing.space == "events":
            yield from (Read(each, (str(thing),)) for each in self._of_events(thing.path))

    def _behind_ids(self) -> Iterator[Read]:
        """The namespaces that ids are made of, and what feeds them: without a key, an id tells who it is (P7)."""
        if self._workspace.id_key:
            return
        for namespace in self._namespaces_of_ids:
            read = Read(Thing("identity_map", namespace), (PROFILE_ID,))
            yield read
            yield from self._feeding(namespace, (str(read.thing), *read.way))

    @cached_property
    def _namespaces_of_ids(self) -> tuple[str, ...]:
        """The namespaces that ids of new profiles may be made of (P7); ``WHOLE_MAP`` where these may be any."""
        if self.policy.graph == "none":
            return tuple(sorted({each.primary.namespace or WHOLE_MAP for each in self._records}))
        found = {each.namespace or WHOLE_MAP for source in self.sources for each in source.identities}
        return (WHOLE_MAP,) if WHOLE_MAP in found else tuple(sorted(found))

    def _feeding(self, namespace: str, way: tuple[str, ...]) -> Iterator[Read]:
        """The columns with the identities of a namespace, in the files of sources, and as they are merged."""
        linking = self.sources if self.policy.graph == "private" else self._records
        for source in linking:
            for each in source.identities:
                if WHOLE_MAP in {namespace, each.namespace or WHOLE_MAP} or namespace == each.namespace:
                    inner = f".{namespace}" if each.namespace is None and namespace != WHOLE_MAP else ""
                    yield Read(Thing(source_space(source), f"{each.column}{inner}"), way)
                    space = "events" if source.is_events else "column"
                    yield from (Read(Thing(space, name), way) for name in _merged_names(each.column, source))

    def _of_events(self, path: str) -> Iterator[Thing]:
        """The columns of event sources behind an event column.

        Those with the time and with the identities of events are also behind the names that stand for them.
        """
        yield from _given(path, self._events)
        names = names_of(self._workspace)
        for source in self._events:
            if path == names.timestamp and source.timestamp:
                yield Thing(source_space(source), source.timestamp)
            if path == names.event_id:
                yield from (Thing(source_space(source), each.column) for each in source.identities)


def _given(path: str, sources: Iterable[Source]) -> Iterator[Thing]:
    """The columns of sources whose values a merged column has: those that are renamed to it, and those of its name."""
    for source in sources:
        for target, written in source.columns.items():
            if _is_in(path, target):
                yield Thing(source_space(source), f"{written}{path.removeprefix(target)}")
            elif _is_in(target, path):
                yield Thing(source_space(source), written)
        if not _is_taken(path, source):
            yield Thing(source_space(source), path)


def _merged_names(column: str, source: Source) -> Iterator[str]:
    """The names that a column of a source has after ``columns:``; none of a column that is no attribute."""
    for target, written in source.columns.items():
        if _is_in(column, written):
            yield f"{target}{column.removeprefix(written)}"
        elif _is_in(written, column):
            yield target
    if not _is_taken(column, source) and not any(_is_in(column, each) for each in VIEW_COLUMNS):
        yield column


def _is_taken(path: str, source: Source) -> bool:
    """Whether a column of a source is not there under its own name: another one has it, or it has another (P8).

    Where a field is renamed, the struct keeps it.
    """
    moved = {each for each in source.columns.values() if each.partition(".")[0] == each}
    return any(_is_in(path, each) for each in (*source.columns, *moved))


def _is_in(path: str, other: str) -> bool:
    """Whether a dotted path is another one, or lies below it."""
    return path == other or path.startswith(f"{other}.")


def origins_of(workspace: Workspace, policy: str) -> Origins | None:
    """What the profiles of a merge policy are made of; None where profiles have a path."""
    if not workspace.profiles.from_sources:
        return None
    return Origins(workspace, workspace.merge_policies.get(policy, MergePolicy(DEFAULT_POLICY)))
