"""Profile ids that stay from build to build, with aliases through merges and splits (P7)."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from support.source_model.graph import Graph
from support.source_model.words import Identity, Setup, age, as_bytes


@dataclass(frozen=True)
class Held:
    """One id: since which build it is held, the identity it was made of, the identities of its graph."""

    since: int
    origin: Identity
    identities: frozenset[Identity]


@dataclass(frozen=True)
class Merge:
    """One id that became an alias."""

    build: int
    alias: str
    survivor: str


@dataclass(frozen=True)
class Split:
    """A new profile that came out of one that kept the id."""

    build: int
    profile: str
    new: str


@dataclass
class Ids:
    """The ids of one policy, from build to build."""

    setup: Setup
    build: int = 0
    held: dict[str, Held] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    merges: list[Merge] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)

    def resolve(self, profile: str) -> str:
        """P7: who an id leads to, through chains."""
        while profile in self.aliases:
            profile = self.aliases[profile]
        return profile

    def give(self, graph: Graph, graphs: Sequence[frozenset[Identity]]) -> dict[str, frozenset[Identity]]:
        """P7: the ids of the graphs that have a fragment, in one more build."""
        self.build += 1
        kept = self._kept(graph, graphs)
        made: dict[str, Held] = {}
        for number, ids in kept.items():  # merges among the ids so kept
            survivor = min(ids, key=lambda each: (self.held[each].since, each))
            made[survivor] = Held(self.held[survivor].since, self.held[survivor].origin, graphs[number])
        for number, ids in kept.items():
            survivor = next(each for each in made if made[each].identities == graphs[number])
            for other in ids - {survivor}:
                self.aliases[other] = survivor
                self.merges.append(Merge(self.build, other, survivor))
        for number, identities in enumerate(graphs):
            if number not in kept:
                name, origin = self._new(identities, made)
                made[name] = Held(self.build, origin, identities)
                came_out_of = [each for each, before in self.held.items() if before.identities & identities]
                self.splits += [Split(self.build, each, name) for each in came_out_of]
        for name in made:
            self.aliases.pop(name, None)
        self.held = made
        return {name: each.identities for name, each in made.items()}

    def _kept(self, graph: Graph, graphs: Sequence[frozenset[Identity]]) -> dict[int, set[str]]:
        """Splits first: of each id of before, the one part that keeps it."""
        kept: dict[int, set[str]] = {}
        for name, before in self.held.items():
            parts = [number for number, each in enumerate(graphs) if each & before.identities]
            if not parts:
                continue  # somebody gone
            found = [number for number in parts if before.origin in graphs[number]]
            if not found:
                best = min(
                    (each for number in parts for each in graphs[number] & before.identities),
                    key=lambda each: (self._priority(each), age(graph.oldest[each]), as_bytes(each)),
                )
                found = [number for number in parts if best in graphs[number]]
            kept.setdefault(found[0], set()).add(name)
        return kept

    def _priority(self, identity: Identity) -> int:
        return priority(self.setup, identity)

    def _new(self, identities: frozenset[Identity], taken: Mapping[str, Held]) -> tuple[str, Identity]:
        ordered = sorted(identities, key=lambda each: (self._priority(each), as_bytes(each)))
        for name, origin in _candidates(self.setup.id_key, ordered):
            if name not in taken:
                return name, origin
        raise AssertionError


def _candidates(key: str, ordered: Sequence[Identity]) -> Iterator[tuple[str, Identity]]:
    for identity in ordered:
        yield digest(key, identity), identity
    for number in range(2, 100):
        yield digest(key, ordered[0], str(number)), ordered[0]


def digest(key: str, identity: Identity, *more: str) -> str:
    """P7: the id that is made of an identity."""
    content = "\0".join((*identity, *more)).encode()
    if key:
        return hmac.new(key.encode(), content, hashlib.sha256).hexdigest()[:32]
    return hashlib.sha256(content).hexdigest()[:32]


def priority(setup: Setup, identity: Identity) -> int:
    """The priority of an identity's namespace; 9 for one that nobody declared."""
    namespace = setup.namespaces.get(identity[0])
    return namespace.priority if namespace else 9
