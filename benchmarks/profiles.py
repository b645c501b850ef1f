"""Profiles from sources: the graph of many identities on two days, one person looked up, and the merge of fragments.

DuckDB makes the profiles of the same files with a careful script, which keeps no ids, no lineage and no state.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import measure, workspaces
from benchmarks.generate_sources import SOURCES
from benchmarks.measure import Contender, Cost, FailedError
from benchmarks.night import Bench
from benchmarks.night_task import DAYS
from benchmarks.results import Result
from benchmarks.targets import FIRST_DAY, NEXT_DAY, SHOW

_FIRST, _SECOND = (f"{day}T02:00Z" for day in DAYS)
_NAMESPACES = {"Account": {"priority": 2}}
PEER = "DuckDB, first day"


def graph(bench: Bench, identities: int) -> Result:
    """The profiles of the first day, those of a day with 1 % new links, and one person among them."""
    data, place = _data(bench, "links", identities), _place(bench, "graph")
    out = place.parent / "graph.parquet"
    policy = {"default": {"graph": "private", "attributes": "newest"}}
    _write(place, _linked_sources(data), {"merge_policies": policy, "namespaces": _NAMESPACES})
    build = ("profiles", "build", "--at")
    show = measure.muster(place, "profiles", "show", "CRMID:C1234", "--at", _FIRST)
    script = measure.module("profiles_duckdb", "links", data, DAYS[0], out)
    kept = place.parent / "graph-kept"
    contenders = [
        Contender(FIRST_DAY, measure.muster(place, *build, _FIRST), partial(measure.empty, place / ".muster")),
        Contender(SHOW, [each for each in show if each != "-q"], partial(_keep_once, place / ".muster", kept)),
        Contender(NEXT_DAY, measure.muster(place, *build, _SECOND), partial(measure.restore, kept, place / ".muster")),
        Contender(PEER, script),
    ]
    result = Result("graph", identities)
    for number, each, cost in measure.alternating(contenders, bench.runs):
        _told(bench, result, number, each, cost)
        if each.name == NEXT_DAY:
            measure.empty(kept)
    result.facts["profiles"] = {"muster": _digest(_view(place)), "DuckDB": _digest(out)}
    bench.clear("profiles")
    return result


def merge(bench: Bench, people: int) -> Result:
    """Three sources of N fragments each merged to N profiles; the values are compared with those of DuckDB."""
    data, place = _data(bench, "fragments", people), _place(bench, "merge")
    out = place.parent / "merge.parquet"
    sources = {
        name: {
            "path": str(data / name),
            "updated_at": "updated_at",
            "identities": [{"column": "crm_id", "namespace": "CRMID", "primary": True}],
        }
        for name in SOURCES
    }
    policy = {"graph": "none", "attributes": "newest", "sources": list(SOURCES)}
    _write(place, sources, {"merge_policies": {"default": policy}})
    command = measure.muster(place, "profiles", "build", "--at", _FIRST)
    script = measure.module("profiles_duckdb", "fragments", data, DAYS[0], out)
    contenders = [
        Contender("muster", command, partial(measure.empty, place / ".muster")),
        Contender("DuckDB", script),
    ]
    result = Result("merge", people)
    for number, each, cost in measure.alternating(contenders, bench.runs):
        _told(bench, result, number, each, cost)
    if (one := _digest(_view(place))) != (other := _digest(out)):
        raise FailedError(f"muster and DuckDB made different profiles: {one} and {other}")
    bench.clear("profiles")
    return result


def _told(bench: Bench, result: Result, number: int, each: Contender, cost: Cost) -> None:
    bench.tell(
        f"{result.workload}, run {number + 1} of {bench.runs}: {each.name} {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, "
        f"{cost.peak >> 20:,} MiB"
    )
    result.add(each.name, cost)


def _data(bench: Bench, kind: str, number: int) -> Path:
    folder = bench.work / f"data-{kind}-{number}"
    bench.tell(f"data of {number:,} {'identities' if kind == 'links' else 'people'}")
    measure.run(measure.module("generate_sources", folder, kind, number))
    return folder


def _place(bench: Bench, name: str) -> Path:
    place = bench.work / "profiles" / name
    measure.empty(place, place.parent / f"{name}-kept")
    return place


def _keep_once(state: Path, kept: Path) -> None:
    """Keep the state of the first day for the second one."""
    if not kept.exists():
        measure.restore(state, kept)


def _view(place: Path) -> Path:
    """The newest view of the default policy."""
    return max((place / ".muster" / "profiles" / "default").iterdir())


def _digest(path: Path) -> Any:
    """Numbers that say whether two sets of profiles are equal, made in a process of its own."""
    return json.loads(measure.output(measure.module("profile_digest", path)))


def _linked_sources(data: Path) -> dict[str, dict[str, Any]]:
    email = {"column": "email", "namespace": "Email"}
    return {
        "crm": {
            "path": str(data / "crm"),
            "updated_at": "updated_at",
            "identities": [_primary("crm_id", "CRMID"), email, {"column": "phone", "namespace": "Phone"}],
        },
        "shop": {
            "path": str(data / "shop"),
            "updated_at": "updated_at",
            "identities": [_primary("account", "Account"), email],
        },
        "web": {
            "path": str(data / "web"),
            "kind": "events",
            "timestamp": "timestamp",
            "identities": [_primary("ecid", "ECID"), email, {"column": "account", "namespace": "Account"}],
        },
    }


def _primary(column: str, namespace: str) -> dict[str, Any]:
    return {"column": column, "namespace": namespace, "primary": True}


def _write(place: Path, sources: dict[str, dict[str, Any]], settings: dict[str, Any]) -> None:
    """Write a workspace of sources, with one audience of everybody."""
    general = {"profiles": {"from": "sources"}} | settings
    workspaces.write(place, place, {"everybody": {"where": "true"}}, {}, general, sources=sources)
