"""What was measured, as JSON files: written by the workloads, read by the report."""

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
    """One workload: who cost what, run by run, and what else is to be known of it."""

    workload: str
    profiles: int
    runs: dict[str, list[Cost]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)

    def add(self, name: str, cost: Cost) -> None:
        """One more run."""
        self.runs.setdefault(name, []).append(cost)

    def values(self, name: str, kind: Kind) -> list[float]:
        """Seconds or bytes of each run."""
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
    """What was measured last, if anything was."""
    path = folder / f"{workload}.json"
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    return Result(
        **content | {"runs": {name: [Cost(**cost) for cost in costs] for name, costs in content["runs"].items()}}
    )


def load_all(folder: Path, workloads: Iterable[str]) -> dict[str, Result]:
    """What was measured of these."""
    found = ((name, load(folder, name)) for name in workloads)
    return {name: result for name, result in found if result}


def exponent(sizes: Iterable[float], values: Iterable[float]) -> float:
    """How a cost grows with size: the slope of the line through the logarithms; 1 is in proportion."""
    return statistics.linear_regression([log(size) for size in sizes], [log(value) for value in values]).slope
