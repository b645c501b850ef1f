"""The identity graph: links, shared identities, unique namespaces, size (P3 to P6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from support.source_model.words import Identity, Limits, Namespace, Record, Time, age, as_bytes

Link = tuple[Identity, Identity]
FALLS = ("cookie", "device")  # types that P6 takes first


@dataclass
class Graph:
    """Identities in graphs, each a set; what was refused and what is shared."""

    graphs: list[frozenset[Identity]]
    oldest: Mapping[Identity, Time]
    refused: set[Link] = field(default_factory=set)
    shared: set[Identity] = field(default_factory=set)


class _Union:
    """Sets that grow together."""

    def __init__(self, identities: Iterable[Identity]) -> None:
        self.of = {each: {each} for each in identities}

    def join(self, one: Identity, other: Identity) -> None:
        if self.of[one] is not self.of[other]:
            self.of[one] |= self.of[other]
            for each in self.of[other]:
                self.of[each] = self.of[one]

    def sets(self) -> list[frozenset[Identity]]:
        return list({id(each): frozenset(each) for each in self.of.values()}.values())


def graph_of(records: Sequence[Record], namespaces: Mapping[str, Namespace], limits: Limits) -> Graph:
    """P2, P4, P5, P6, in this order."""
    oldest: dict[Identity, Time] = {}
    for record in records:
        for each in record.identities:
            oldest[each] = min(oldest.get(each, record.time), record.time, key=age)
    links = _links(records)
    shared = {each for each in oldest if not _is_unique(namespaces, each) and _degree(links, each) > limits.max_links}
    links = {pair: time for pair, time in links.items() if not shared & set(pair)}
    made = Graph([], oldest, shared=shared)
    for component in _components(oldest, links):
        inside = {pair: time for pair, time in links.items() if pair[0] in component}
        for part in _unique(component, inside, namespaces, made.refused):
            made.graphs += _cut(part, inside, made, namespaces, limits.max_identities)
    return made


def _links(records: Iterable[Record]) -> dict[Link, Time]:
    """P3: every pair of identities of one record, at the time of the newest that states it."""
    links: dict[Link, Time] = {}
    for record in records:
        for pair in combinations(record.identities, 2) if record.links else ():
            links[pair] = max(links.get(pair, record.time), record.time, key=age)
    return links


def _degree(links: Iterable[Link], identity: Identity) -> int:
    return sum(identity in pair for pair in links)


def _is_unique(namespaces: Mapping[str, Namespace], identity: Identity) -> bool:
    return identity[0] in namespaces and namespaces[identity[0]].unique


def _priority(namespaces: Mapping[str, Namespace], identity: Identity) -> int:
    return namespaces.get(identity[0], Namespace(identity[0])).priority


def _components(identities: Iterable[Identity], links: Iterable[Link]) -> list[frozenset[Identity]]:
    union = _Union(identities)
    for one, other in links:
        union.join(one, other)
    return union.sets()


def _unique(
    component: frozenset[Identity],
    links: Mapping[Link, Time],
    namespaces: Mapping[str, Namespace],
    refused: set[Link],
) -> list[frozenset[Identity]]:
    """P5: links newest first, then by the smaller sum of priorities, then by text; none that brings a second value."""
    if _fits(component, namespaces):
        return [component]
    union = _Union(component)
    ordered = sorted(links, key=lambda pair: (as_bytes(pair[0]), as_bytes(pair[1])))
    ordered.sort(key=lambda pair: sum(_priority(namespaces, each) for each in pair))
    ordered.sort(key=lambda pair: age(links[pair]), reverse=True)  # sorts are stable, reversed ones too
    for one, other in ordered:
        if _fits(union.of[one] | union.of[other], namespaces):
            union.join(one, other)
        else:
            refused.add((one, other))
    return union.sets()


def _fits(identities: Iterable[Identity], namespaces: Mapping[str, Namespace]) -> bool:
    """Whether each unique namespace has one value at most."""
    names = [namespace for namespace, _ in identities if namespace in namespaces and namespaces[namespace].unique]
    return len(names) == len(set(names))


def _cut(
    part: frozenset[Identity],
    links: Mapping[Link, Time],
    made: Graph,
    namespaces: Mapping[str, Namespace],
    size: int,
) -> list[frozenset[Identity]]:
    """P6: the excess loses all links; what falls apart is not cut again."""
    if len(part) <= size:
        return [part]

    def order(identity: Identity) -> tuple[object, ...]:
        kind = namespaces.get(identity[0], Namespace(identity[0])).type
        falls = FALLS.index(kind) if kind in FALLS else len(FALLS)
        return falls, -_priority(namespaces, identity), age(made.oldest[identity]), as_bytes(identity)

    excess = set(sorted(part, key=order)[: len(part) - size])
    kept = [pair for pair in links if part >= set(pair) and pair not in made.refused and not excess & set(pair)]
    return _components(part, kept)
