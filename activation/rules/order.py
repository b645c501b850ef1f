"""References between audiences, and the order in which they allow evaluation (E4, E7)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from graphlib import TopologicalSorter
from zoneinfo import ZoneInfo

from muster.activation.model.workspace import Audience
from muster.activation.sql.parse import parse
from muster.activation.sql.tokens import SqlError

ANY_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)  # for parsing alone: references and mistakes do not depend on it


def references(audience: Audience) -> frozenset[str]:
    """The ids to which an audience's rule refers; none for an audience without a rule, or with an invalid one."""
    return _references_in(audience.where) if audience.where is not None else frozenset()


@cache
def _references_in(text: str) -> frozenset[str]:
    try:
        return parse(text, ANY_INSTANT, ZoneInfo("UTC")).audiences
    except SqlError:
        return frozenset()


def with_references(wanted: Iterable[str], audiences: Mapping[str, Audience]) -> frozenset[str]:
    """The wanted audiences, and all to which they refer directly or through others (E7)."""
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        audience = waiting.pop()
        if audience not in found and audience in audiences:
            found.add(audience)
            waiting.extend(references(audiences[audience]))
    return frozenset(found)


def in_order(audiences: Mapping[str, Audience]) -> tuple[str, ...]:
    """All ids, each after the ids to which it refers (E4)."""
    graph = {audience: sorted(references(audiences[audience]) & audiences.keys()) for audience in sorted(audiences)}
    return tuple(TopologicalSorter(graph).static_order())


def cycles(audiences: Mapping[str, Audience]) -> list[tuple[str, ...]]:
    """Every cycle of audiences that refer to each other, from its smallest id on (E4)."""
    graph = {name: sorted(references(audience) & audiences.keys()) for name, audience in audiences.items()}
    return sorted({cycle for name in sorted(graph) if (cycle := _cycle_from(name, graph))})


def _cycle_from(start: str, graph: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """The shortest cycle through an audience, from its smallest id on; None if there is none."""
    waiting: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for path in waiting:  # grows while it is read: breadth first
        for following in graph[path[-1]]:
            if following == start:
                first = path.index(min(path))
                return path[first:] + path[:first]
            if following not in seen:
                seen.add(following)
                waiting.append((*path, following))
    return None
