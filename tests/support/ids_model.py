"""P7 in plain Python, one graph after another: what the ids of a build are, and what became of those of before."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

Identity = tuple[str, str]  # namespace, id


@dataclass
class Held:
    """A profile id as a build left it."""

    made_of: Identity
    since: int
    identities: set[Identity]


@dataclass
class Outcome:
    """The ids of a build by graph, and what became of those of before."""

    ids: dict[int, str] = field(default_factory=dict)
    kept: dict[str, Held] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    split: set[tuple[str, str]] = field(default_factory=set)


def hashed(namespace: str, id_: str, key: str) -> str:
    """The id that is made of an identity."""
    text = namespace.encode() + b"\0" + id_.encode()
    return (hmac.new(key.encode(), text, hashlib.sha256) if key else hashlib.sha256(text)).hexdigest()[:32]


def build(
    graphs: Mapping[int, Mapping[Identity, datetime | None]],
    priorities: Mapping[str, int],
    before: Mapping[str, Held],
    number: int,
    key: str = "",
) -> Outcome:
    """The ids of graphs, each a mapping of identities to the time of the oldest record."""

    def order(identity: Identity) -> tuple[int, bytes, bytes]:
        return priorities[identity[0]], identity[0].encode(), identity[1].encode()

    place = {identity: graph for graph, members in graphs.items() for identity in members}
    outcome, given = Outcome(), dict[int, list[str]]()
    parts = {name: {place[each] for each in held.identities if each in place} for name, held in before.items()}
    for name, held in before.items():
        if not parts[name]:
            continue
        keeper = place.get(held.made_of)
        if keeper not in parts[name]:
            present = [each for each in held.identities if each in place]
            best = min(
                present,
                key=lambda each: (
                    priorities[each[0]],
                    graphs[place[each]][each] or datetime.min.replace(tzinfo=UTC),
                    each[0].encode(),
                    each[1].encode(),
                ),
            )
            keeper = place[best]
        given.setdefault(keeper, []).append(name)
    for graph, names in given.items():
        survivor = min(names, key=lambda name: (before[name].since, name))
        outcome.ids[graph] = survivor
        outcome.merged |= {name: survivor for name in names if name != survivor}
        outcome.kept[survivor] = Held(before[survivor].made_of, before[survivor].since, set(graphs[graph]))
    new = sorted(set(graphs) - set(given), key=lambda graph: min(map(order, graphs[graph])))
    for graph in new:
        ordered = sorted(graphs[graph], key=order)
        choices = [(hashed(*each, key), each) for each in ordered]
        namespace, id_ = ordered[0]
        more = ((hashed(namespace, f"{id_}\0{number}", key), ordered[0]) for number in count(2))
        found, made_of = next((each for each in choices if each[0] not in outcome.kept), ("", ordered[0]))
        if not found:
            found, made_of = next(each for each in more if each[0] not in outcome.kept)
        outcome.ids[graph] = found
        outcome.kept[found] = Held(made_of, number, set(graphs[graph]))
        outcome.split |= {(name, found) for name in before if graph in parts[name]}
    return outcome
