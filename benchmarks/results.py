"""Results of measurements as JSON files: written by the workloads, read by the report."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from math import log
from pathlib import Path
from typing import Any, Literal

from benchmarks.measure import Cost, machine, versions

FOLDER = Path(__file__).parent / "results"
Kind = Literal["wall", "cpu", "peak"]


@dataclass
class Result:
    """The result of one workload: the cost of each contender, run by run, and further facts."""

    workload: str
    profiles: int
    runs: dict[str, list[Cost]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)

    def add(self, name: str, cost: Cost) -> None:
        """Add one run."""
        self.runs.setdefault(name, []).append(cost)

    def values(self, name: str, kind: Kind) -> list[float]:
        """The seconds or bytes of each run."""
        return [getattr(cost, kind) for cost in self.runs[name]]

    def median(self, name: str, kind: Kind) -> float:
        """The median of all runs."""
        return statistics.median(self.values(name, kind))

    def save(self, folder: Path) -> None:
        """Write ``<workload>.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        rounded = {
            name: [{"wall": round(cost.wall, 3), "cpu": round(cost.cpu, 3), "peak": cost.peak} for cost in costs]
            for name, costs in self.runs.items()
        }
        (folder / f"{self.workload}.json").write_text(json.dumps(asdict(self) | {"runs": rounded}, indent=1) + "\n")


def load(folder: Path, workload: str) -> Result | None:
    """The stored result of a workload; None where there is none."""
    path = folder / f"{workload}.json"
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    return Result(
        **content | {"runs": {name: [Cost(**cost) for cost in costs] for name, costs in content["runs"].items()}}
    )


def load_all(folder: Path, workloads: Iterable[str]) -> dict[str, Result]:
    """The stored results of these workloads, without those that were never measured."""
    found = ((name, load(folder, name)) for name in workloads)
    return {name: result for name, result in found if result}


def exponent(sizes: Iterable[float], values: Iterable[float]) -> float:
    """The growth of a cost with size: the slope of the line through the logarithms; 1 is in proportion."""
    return statistics.linear_regression([log(size) for size in sizes], [log(value) for value in values]).slope
