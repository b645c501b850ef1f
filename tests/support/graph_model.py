"""Profiles from sources in plain Python, from the words of the contract: records, fragments, the graph (P1 to P6).

No Polars, no shortcut, no look at the code: what the packages ``sources`` and ``graph`` find is compared with this. Ids
are text, times are datetimes or None, and identities are pairs of namespace and id.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, TypeAlias

from muster.activation.model.sources import IdentityGraphLimits, Namespace, Source

Identity: TypeAlias = tuple[str, str]
Link: TypeAlias = tuple[Identity, Identity]  # the smaller identity first
OneGraph: TypeAlias = tuple[frozenset[Identity], frozenset[tuple[str, Identity]]]  # a graph: its map, its fragments
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
BUILT_IN_LIST = {"null", "none", "undefined", "anonymous", "invalid", "unknown", "nan", "0", "n/a"}


@dataclass(frozen=True)
class Files:
    """The files of one source: for each name the rows, in order; the date of the snapshot, if there is one."""

    source: Source
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    date: datetime | None = None


@dataclass(frozen=True)
class Record:
    """A record that counts."""

    source: str
    place: tuple[str, int]  # file and row
    time: datetime | None
    primary: Identity | None  # None of an event without one: it links its other identities (P3)
    identities: frozenset[Identity]

    @property
    def linked(self) -> frozenset[Identity]:
        """The identities that it links with each other: none, if there are more than 20 (P2)."""
        return self.identities if len(self.identities) <= 20 else frozenset()


@dataclass
class Told:
    """What is counted of one source."""

    left_out: dict[str, int] = field(default_factory=dict)  # records by reason
    dropped: dict[str, int] = field(default_factory=dict)  # identities by reason
    too_many: int = 0


class RefusedError(Exception):
    """The source is an input error."""


def count(told: dict[str, int], reason: str, number: int = 1) -> None:
    """Count something; no zero is kept."""
    if number:
        told[reason] = told.get(reason, 0) + number


# P1, P2: records


def cleaned(namespace: Namespace, text: str) -> tuple[str, str]:
    """An id after cleaning, and why it is dropped, or nothing."""
    text = text.strip()
    for step in namespace.normalize:
        text = {"trim": str.strip, "lower": str.lower}[step](text)
    if text == "":
        return text, "empty"
    if text in namespace.blocked or any(is_like(text, each) for each in namespace.blocked_like):
        return text, "blocked"
    if text.lower() in BUILT_IN_LIST:
        return text, "built_in"
    if len(text) > 1024:
        return text, "too_long"
    if namespace.pattern is not None and not re.fullmatch(namespace.pattern, text):
        return text, "pattern"
    return text, ""


def is_like(text: str, pattern: str) -> bool:
    """SQL's LIKE."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(is_like(text[cut:], pattern[1:]) for cut in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and is_like(text[1:], pattern[1:])


def identities_in(
    row: Mapping[str, Any], source: Source, namespaces: Mapping[str, Namespace], told: dict[str, int], *, primary: bool
) -> list[Identity]:
    """The identities of a record: the primary one, or the others."""
    found = []
    for each in source.identities:
        if each.primary is not primary or row.get(each.column) is None:
            continue
        value = row[each.column]
        if each.namespace is None:
            written = [(pair["namespace"], pair["id"]) for pair in value if pair["namespace"] and pair["id"]]
        else:
            written = [(each.namespace, one) for one in (value if isinstance(value, list) else [value])]
        for name, text in written:
            if text is None:
                continue
            ident, reason = cleaned(namespaces.get(name, Namespace(name)), str(text))
            if reason:
                count(told, reason)
            else:
                found.append((name, ident))
    return found


def records_of(files: Files, namespaces: Mapping[str, Namespace], at: datetime) -> tuple[list[Record], Told]:
    """The records of a source that count at an instant."""
    source, told = files.source, Told()
    rows = [((name, place), row) for name in sorted(files.rows) for place, row in enumerate(files.rows[name])]
    column = source.timestamp if source.is_events else source.updated_at
    is_changes = not source.is_events and source.mode == "changes"
    if is_changes and any(row[column] is None for _, row in rows):
        raise RefusedError
    named = list[tuple[tuple[str, int], datetime | None, Identity | None, Mapping[str, Any]]]()
    for place, row in rows:
        time = row[column] if column else None
        if (source.is_events or is_changes) and time is not None and time > at:
            count(told.left_out, "later")
            continue
        primary = identities_in(row, source, namespaces, told.dropped, primary=True)
        if not primary and not source.is_events:
            count(told.left_out, "no_primary")
            continue
        named.append((place, time or files.date, primary[0] if primary else None, row))
    if is_changes:
        newest = dict[Identity | None, int]()
        for index, (_, time, primary, _) in enumerate(named):
            before = newest.get(primary)
            if before is None or age_key(time) >= age_key(named[before][1]):
                newest[primary] = index
        count(told.left_out, "replaced", len(named) - len(newest))
        named = [named[index] for index in sorted(newest.values())]
        left = [each for each in named if source.deleted is None or each[3][source.deleted] is not True]
        count(told.left_out, "deleted", len(named) - len(left))
        named = left
    elif not source.is_events and len({primary for _, _, primary, _ in named}) < len(named):
        raise RefusedError
    found = []
    for place, time, primary, row in named:
        others = identities_in(row, source, namespaces, told.dropped, primary=False)
        found.append(Record(source.id, place, time, primary, frozenset([*filter(None, [primary]), *others])))
        told.too_many += len(found[-1].identities) > 20
    return found, told


def age_key(time: datetime | None) -> datetime:
    """No time is older than any."""
    return time or LONG_AGO


# P3 to P6: the graph


@dataclass
class Graphs:
    """The graphs of a policy at an instant."""

    graphs: set[OneGraph]  # those that have a fragment
    leads: dict[Identity, OneGraph]  # of the identities that lead to one
    refused: dict[Link, tuple[datetime | None, str]] = field(default_factory=dict)
    shared: dict[Identity, int] = field(default_factory=dict)
    cut: set[Identity] = field(default_factory=set)


def links_of(records: Iterable[Record]) -> dict[Link, datetime | None]:
    """Every pair of identities of one record, with the time of the newest record that states it."""
    found = dict[Link, datetime | None]()
    for record in records:
        for one, other in combinations(sorted(record.linked), 2):
            before = found.get((one, other))
            found[one, other] = record.time if age_key(record.time) >= age_key(before) else before
    return found


def oldest_of(records: Iterable[Record]) -> dict[Identity, datetime | None]:
    """The time of the oldest record that holds each identity."""
    found = dict[Identity, datetime | None]()
    for record in records:
        for each in record.identities:
            before = found.get(each, record.time)
            found[each] = record.time if age_key(record.time) < age_key(before) else before
    return found


def connected(identities: Iterable[Identity], links: Iterable[Link]) -> list[set[Identity]]:
    """The components."""
    groups = [{each} for each in identities]
    for one, other in links:
        first = next(group for group in groups if one in group)
        second = next(group for group in groups if other in group)
        if first is not second:
            first |= second
            groups = [group for group in groups if group is not second]
    return groups


def clashes(identities: Iterable[Identity], namespaces: Mapping[str, Namespace]) -> list[str]:
    """The unique namespaces of which these identities hold two values, by name."""
    count = Counter(name for name, _ in set(identities))
    return sorted(name for name, number in count.items() if number > 1 and rule(namespaces, name).unique)


def rule(namespaces: Mapping[str, Namespace], name: str) -> Namespace:
    """A namespace; one that is nowhere declared has the defaults."""
    return namespaces.get(name, Namespace(name))


def graphs_of(
    records: Sequence[Record],
    namespaces: Mapping[str, Namespace],
    limits: IdentityGraphLimits,
    with_fragments: set[str],
) -> Graphs:
    """The graphs by the rules in order; ``with_fragments`` are the ids of record sources."""
    oldest, links = oldest_of(records), links_of(records)
    shared = {}
    for identity in oldest:  # P4
        neighbours = {each for link in links if identity in link for each in link} - {identity}
        if not rule(namespaces, identity[0]).unique and len(neighbours) > limits.max_links:
            shared[identity] = len(neighbours)
    links = {link: time for link, time in links.items() if not set(link) & set(shared)}
    refused = dict[Link, tuple[datetime | None, str]]()
    groups = list[set[Identity]]()
    for component in connected(oldest, links):  # P5
        inside = [link for link in links if link[0] in component]
        if not clashes(component, namespaces):
            groups.append(component)
            continue
        inside.sort(key=lambda link: (sum(rule(namespaces, name).priority for name, _ in link), link))
        inside.sort(key=lambda link: age_key(links[link]), reverse=True)
        parts = [{each} for each in component]
        for one, other in inside:
            first = next(part for part in parts if one in part)
            second = next(part for part in parts if other in part)
            if first is second:
                continue
            if clash := clashes(first | second, namespaces):
                refused[one, other] = (links[one, other], clash[0])
                continue
            parts = [part for part in parts if part is not first and part is not second] + [first | second]
        groups += parts
    gone = set[Identity]()
    for group in list(groups):  # P6
        if len(group) <= limits.max_identities:
            continue
        order = sorted(group, key=lambda each: cut_order(each, namespaces, oldest))
        excess = set(order[: len(group) - limits.max_identities])
        inside = [link for link in links if set(link) <= group and not set(link) & excess]
        groups.remove(group)
        groups += connected(group, inside)
        gone |= excess
    fragments = {(record.source, record.primary) for record in records if record.source in with_fragments}
    graphs = {(frozenset(group), frozenset(each for each in fragments if each[1] in group)) for group in groups}
    graphs = {graph for graph in graphs if graph[1]}
    return Graphs(graphs, {each: graph for graph in graphs for each in graph[0]}, refused, shared, gone)


def cut_order(
    identity: Identity, namespaces: Mapping[str, Namespace], oldest: Mapping[Identity, datetime | None]
) -> tuple[int, int, datetime, Identity]:
    """Which of a component's identities go first: by type, priority, age, text."""
    found = rule(namespaces, identity[0])
    kind = {"cookie": 0, "device": 1}.get(found.type, 2)
    return kind, -found.priority, age_key(oldest[identity]), identity


def graphs_without_links(records: Sequence[Record], with_fragments: set[str]) -> Graphs:
    """Each primary identity is a graph, with the identities of its fragments."""
    maps, fragments = dict[Identity, set[Identity]](), dict[Identity, set[tuple[str, Identity]]]()
    for record in records:
        if record.source in with_fragments:
            maps.setdefault(record.primary, {record.primary}).update(record.linked)
            fragments.setdefault(record.primary, set()).add((record.source, record.primary))
    leads = {each: (frozenset(held), frozenset(fragments[each])) for each, held in maps.items()}
    return Graphs(set(leads.values()), leads)
