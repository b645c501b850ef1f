"""The merged view of one policy at one instant, and what leads to its profiles (P7 to P9, P12)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from support.source_model.graph import graph_of
from support.source_model.ids import Ids, digest, priority
from support.source_model.records import clean, policy_events, policy_sources, records_at
from support.source_model.words import File, Identity, MergePolicy, Namespace, Record, Setup, Source, age, as_bytes

Leaf = tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """One profile: its fragments, its identity map, its merged leaves."""

    fragments: tuple[Record, ...]
    identities: frozenset[Identity]
    values: Mapping[Leaf, Any]


@dataclass
class View:
    """What a policy makes of the sources at an instant; ``leads``: which profile an identity leads to (P9)."""

    at: datetime
    build: int
    people: dict[str, Person] = field(default_factory=dict)
    leads: dict[Identity, str] = field(default_factory=dict)
    events: list[Record] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


def view_at(setup: Setup, policy: MergePolicy, files: Mapping[str, Sequence[File]], at: datetime, ids: Ids) -> View:
    """P10: the view, and the ids of one more build."""
    sources = policy_sources(setup, policy)
    records = [each for source in sources for each in records_at(setup, source, files[source.id], at)]
    events = [
        each for source in policy_events(setup, policy) for each in records_at(setup, source, files[source.id], at)
    ]
    if policy.graph == "none":
        people = _by_primary(setup, records, ids)
    else:
        graph = graph_of([*records, *events], setup.namespaces, setup.limits)
        primaries = {each.primary for each in records}
        people = ids.give(graph, [each for each in graph.graphs if each & primaries])
    view = View(at, ids.build, events=events, records=records)
    for name, identities in people.items():
        fragments = [each for each in records if each.primary in _primaries(policy, name, identities, ids)]
        view.people[name] = Person(tuple(fragments), identities, merged(policy, sources, fragments))
        leading = _primaries(policy, name, identities, ids)
        view.leads |= dict.fromkeys(leading, name)
    return view


def _by_primary(setup: Setup, records: Iterable[Record], ids: Ids) -> dict[str, frozenset[Identity]]:
    """P7, without a graph: each primary identity is a profile."""
    ids.build += 1
    found: dict[str, frozenset[Identity]] = {}
    for each in records:
        assert each.primary
        name = digest(setup.id_key, each.primary)
        linked = each.identities if each.links else (each.primary,)
        found[name] = found.get(name, frozenset()) | frozenset(linked)
    return found


def _primaries(policy: MergePolicy, name: str, identities: frozenset[Identity], ids: Ids) -> frozenset[Identity]:
    """The identities that lead to a profile: without a graph only the one that its id is made of."""
    if policy.graph == "none":
        return frozenset(each for each in identities if digest(ids.setup.id_key, each) == name)
    return identities


# P8


def leaves(row: Mapping[str, Any]) -> dict[Leaf, Any]:
    """The leaves of a row: fields of structs are leaves, lists are whole."""
    found: dict[Leaf, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= {(name, *leaf): each for leaf, each in leaves(value).items()}
        else:
            found[(name,)] = value
    return found


def fragment(record: Record) -> dict[Leaf, Any]:
    """The attributes of a fragment, as their columns are called in the view."""
    renamed = {before: after for after, before in record.source.columns.items()}
    hidden = {"profile_id", "identity_map"}
    row = {renamed.get(name, name): each for name, each in record.row.items() if renamed.get(name, name) not in hidden}
    return leaves(row)


def merged(policy: MergePolicy, sources: Sequence[Source], fragments: Iterable[Record]) -> dict[Leaf, Any]:
    """P8: of each leaf the value that counts."""
    order = policy.precedence or tuple(each.id for each in sources)
    rank = {source: place for place, source in enumerate(order)}
    ordered = sorted(fragments, key=lambda each: as_bytes(each.primary or ("", "")))
    if policy.precedence:
        ordered.sort(key=lambda each: age(each.time), reverse=True)
        ordered.sort(key=lambda each: rank[each.source.id])
    else:
        ordered.sort(key=lambda each: rank[each.source.id])
        ordered.sort(key=lambda each: age(each.time), reverse=True)
    found: dict[Leaf, Any] = {}
    for each in ordered:
        for leaf, value in fragment(each).items():
            if isinstance(value, tuple):  # a map, key by key
                kept = dict(found.get(leaf) or ())
                kept |= {key: each for key, each in value if kept.get(key) is None}
                found[leaf] = tuple(kept.items())
            elif found.get(leaf) is None:
                found[leaf] = value
    return found


# P9, P12


def led_by(setup: Setup, view: View, identities: Iterable[Identity]) -> str | None:
    """P9: the profile of the highest-priority identity that has one, then by text."""
    ordered = sorted(identities, key=lambda each: (priority(setup, each), as_bytes(each)))
    return next((view.leads[each] for each in ordered if each in view.leads), None)


def events_of(setup: Setup, view: View) -> Iterator[tuple[str, Record]]:
    """P9: the events that come to a profile."""
    for each in view.events:
        profile = led_by(setup, view, each.identities)
        if profile is not None:
            yield profile, each


def named(setup: Setup, view: View, namespace: str, raw: str) -> str | None:
    """P12: the profile that a row names by an identity, which is cleaned as in P2."""
    text = clean(setup.namespaces.get(namespace, Namespace(namespace)), raw)
    return None if text is None else view.leads.get((namespace, text))
