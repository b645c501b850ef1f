"""The performance targets of muster, as limits on measured values."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import results
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


LARGE = 10_000_000  # profiles from which growth says something: below, what a command costs at any size hides it


def _growth(result: Result) -> float | None:
    of_size = result.facts["sizes"]
    if max(of_size) < LARGE:
        return None
    return results.exponent(of_size, [result.median(f"muster {size}", "wall") for size in of_size])


def _largest(result: Result) -> float | None:
    largest = max(result.facts["sizes"])
    return result.median(f"muster {largest}", "peak") if largest >= LARGE else None


def _rule_part(result: Result) -> float | None:
    """The cost of 1,000 audiences against 100, less the cost of one audience: start, ids, files."""
    if not {"1", "100", "1000"} <= result.runs.keys():
        return None
    one, hundred, thousand = (result.median(name, "wall") for name in ("1", "100", "1000"))
    return (thousand - one) / (hundred - one)


TARGETS = (
    Target("night, wall time against DuckDB", "night", 0.25, _ratio("muster", "DuckDB"), _times),
    Target("night, peak memory against DuckDB", "night", 0.75, _ratio("muster", "DuckDB", "peak"), _times),
    Target("night, wall time against a plain Polars script", "night", 1.25, _ratio("muster", "Polars"), _times),
    Target("night, growth of wall time (1: in proportion)", "growth", 1.0, _growth, lambda value: f"{value:.2f}"),
    Target("night, peak memory at the largest size", "growth", 4 * GIB, _largest, _memory),
    Target("one audience to CSV, against a bare sink", "one-audience", 1.3, _ratio("muster csv", "bare csv"), _times),
    Target(
        "one audience to Parquet, against a bare sink",
        "one-audience",
        1.3,
        _ratio("muster parquet", "bare parquet"),
        _times,
    ),
    Target("1,000 changes among all members", "few-changes", 3, _median("muster", "wall"), _seconds),
    Target("1,000 changes, against reading the ids", "few-changes", 1.5, _ratio("muster", "keys"), _times),
    Target("1,000 audiences against 100, the rules' part", "many-audiences", 10, _rule_part, _times),
    Target("1,000 audiences, peak memory", "many-audiences", 3 * GIB, _median("1000", "peak"), _memory),
    Target("4,000 audiences, peak memory", "many-audiences", 4 * GIB, _median("4000", "peak"), _memory),
    Target("help", "help", 0.15, _median("muster", "wall"), _seconds),
    Target("run with 1,000 activations, none due", "nothing-due", 0.5, _median("muster", "wall"), _seconds),
    Target("runs list after 100,000 runs", "runs-list", 0.5, _median("muster", "wall"), _seconds),
)
