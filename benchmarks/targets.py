"""The performance targets of muster, as limits on measured values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.results import Kind, Result

GIB = 1 << 30


@dataclass(frozen=True)
class Target:
    """A limit on a number of a result; ``value`` is None where the result lacks what the number needs."""

    words: str
    workload: str
    limit: float
    value: Callable[[Result], float | None]
    form: Callable[[float], str]
    is_least: bool = False  # whether the number is to be at least the limit; else it is to be at most the limit

    @property
    def goal(self) -> str:
        """The limit in words."""
        return f"{'at least' if self.is_least else 'at most'} {self.form(self.limit)}"

    def is_met(self, value: float) -> bool:
        """Whether a measured number keeps to the limit."""
        return value >= self.limit if self.is_least else value <= self.limit


def _times(value: float) -> str:
    return f"{value:.2f} x"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _memory(value: float) -> str:
    return f"{value / GIB:.2f} GiB"


def _ratio(one: str, other: str, kind: Kind = "wall") -> Callable[[Result], float | None]:
    return lambda result: (
        result.median(one, kind) / result.median(other, kind) if {one, other} <= result.runs.keys() else None
    )


def _median(name: str, kind: Kind) -> Callable[[Result], float | None]:
    return lambda result: result.median(name, kind) if name in result.runs else None


def _fact(*names: str) -> Callable[[Result], float | None]:
    """A number among the facts of a result, by the keys that lead to it."""

    def value(result: Result) -> float | None:
        found: Any = result.facts
        for name in names:
            found = found.get(name) if found else None
        return found

    return value


def _calls(result: Result) -> float | None:
    calls = result.facts["calls"].get("muster")
    return sum(calls.values()) if calls else None


LARGE = 10_000_000  # profiles from which a large night says something: below, what a night costs at any size hides it


def _large(number: int, kind: Kind) -> Callable[[Result], float | None]:
    """The median of a contender of the workload ``large``: at N, at ten times N, and there with a memory limit."""
    return lambda result: result.median(list(result.runs)[number], kind) if _is_large(result) else None


def _is_large(result: Result) -> bool:
    return bool(max(result.facts["sizes"]) >= LARGE)


def _tenfold(result: Result) -> float | None:
    """CPU time at ten times N against ten times that at N."""
    small, large = result.facts["sizes"]
    at_small, at_large = (result.median(f"muster {size}", "cpu") for size in (small, large))
    return at_large / at_small / (large / small) if _is_large(result) else None


def _against(kind: Kind, what: str, *limits: tuple[str, float]) -> tuple[Target, ...]:
    return tuple(
        Target(f"night, {what} against {peer}", "night", limit, _ratio("muster", peer, kind), _times)
        for peer, limit in limits
    )


def _sink(form: str, name: str) -> Target:
    value = _ratio(f"muster {form}", f"bare {form}")
    return Target(f"one audience to {name}, wall time against a bare sink", "one-audience", 1.3, value, _times)


BUILT_A_SECOND = "profiles built into bodies a second, on one core"  # facts of `messages`
SHARE, MEMORY = "sending, speed against the plain client", "memory while sending, over that of an evaluation, MiB"
FULL_GRAPH, FULL_MERGE = 10_000_000, 1_000_000  # identities and people from which the limits say something
FIRST_DAY, NEXT_DAY, SHOW = "muster, first day", "muster, next day", "muster, profiles show"  # contenders of `graph`


def _of_full_graph(name: str, kind: Kind) -> Callable[[Result], float | None]:
    return lambda result: _median(name, kind)(result) if result.profiles >= FULL_GRAPH else None


def _next_day(result: Result) -> float | None:
    return _ratio(NEXT_DAY, FIRST_DAY, "cpu")(result) if result.profiles >= FULL_GRAPH else None


def _of_full_merge(result: Result) -> float | None:
    return _median("muster", "cpu")(result) if result.profiles >= FULL_MERGE else None


TARGETS = (
    *_against("cpu", "CPU time", ("DuckDB", 0.8), ("Polars", 1.0)),
    *_against("wall", "wall time", ("DuckDB", 0.8), ("Polars", 1.0)),
    *_against("peak", "peak memory", ("DuckDB", 0.6)),
    Target("night of ten times as many, CPU time against ten nights", "large", 1.1, _tenfold, _times),
    Target("night of ten times as many, peak memory", "large", 3 * GIB, _large(1, "peak"), _memory),
    Target("the same with a memory limit of 1 GiB", "large", 2 * GIB, _large(2, "peak"), _memory),
    Target("1,000 changes among all members, CPU time", "few-changes", 2, _median("muster", "cpu"), _seconds),
    Target("1,000 changes among all members, wall time", "few-changes", 2, _median("muster", "wall"), _seconds),
    Target("1,000 audiences, CPU time", "many-audiences", 10, _median("1000", "cpu"), _seconds),
    Target("4,000 audiences, CPU time", "many-audiences", 32, _median("4000", "cpu"), _seconds),
    *(_sink("csv", "CSV"), _sink("parquet", "Parquet")),
    Target("graph of the first day, CPU time", "graph", 120, _of_full_graph(FIRST_DAY, "cpu"), _seconds),
    Target("graph of the first day, peak memory", "graph", 6 * GIB, _of_full_graph(FIRST_DAY, "peak"), _memory),
    Target("a day with 1 % new links, CPU time against the first day", "graph", 0.33, _next_day, _times),
    Target("profiles show, wall time", "graph", 2, _of_full_graph(SHOW, "wall"), _seconds),
    Target("merge of three fragments a profile, CPU time", "merge", 15, _of_full_merge, _seconds),
    Target(BUILT_A_SECOND, "messages", 20_000, _fact(BUILT_A_SECOND), lambda value: f"{value:,.0f}", is_least=True),
    Target(SHARE, "messages", 0.8, _fact(SHARE), _times, is_least=True),
    Target(MEMORY, "messages", 300, _fact(MEMORY), lambda value: f"{value:,.0f} MiB"),
    Target("fsync and fdatasync calls of a night", "syncs", 700, _calls, lambda value: f"{value:,.0f}"),
    Target("help, CPU time", "help", 0.09, _median("muster", "cpu"), _seconds),
    Target("run with 1,000 activations, none due, CPU time", "nothing-due", 0.3, _median("muster", "cpu"), _seconds),
    Target("runs list after 100,000 runs, wall time", "runs-list", 0.5, _median("muster", "wall"), _seconds),
    Target("upload to Azure, speed against the plain client", "uploads", 0.8, _fact("azure"), _times, is_least=True),
    Target("upload to Cloud Storage, likewise", "uploads", 0.8, _fact("gcs"), _times, is_least=True),
    Target(
        "e164 of different numbers a second",
        "e164",
        1e5,
        _fact("per_second"),
        lambda value: f"{value:,.0f}",
        is_least=True,
    ),
)
