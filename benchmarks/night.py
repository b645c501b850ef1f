"""The workload "night": on the second day evaluate 40 audiences, then write a full and an incremental CSV file of each.

Every contender does it from the same Parquet files to files with the same rows, in one process, with what it knows of
the first day (made before, put back before each run, outside the timing). Files are compared before any time is
believed.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import measure, workspaces
from benchmarks.measure import Contender, Cost, FailedError
from benchmarks.night_task import DAYS
from benchmarks.results import Result

PEERS = {  # the module of each, and the options
    "DuckDB": ("night_duckdb",),
    "DuckDB, synced": ("night_duckdb", "--synced"),
    "Polars": ("night_polars",),
    "pandas": ("night_pandas",),
}
WAYS = ("muster", "DuckDB", "DuckDB, synced", "Polars")
ALL_WAYS = (*WAYS, "pandas")
GROWTH, GROWING = (1, 2, 5, 10), ("muster", "DuckDB", "Polars")
LARGE, LIMIT = 10, "1GiB"  # times as many profiles, and the memory limit there
SYNCS = ("fsync", "fdatasync")
_AT = tuple(f"{day}T02:00Z" for day in DAYS)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """The settings of a benchmark: working folder, number of runs, a function that reports progress."""

    work: Path
    runs: int
    tell: Tell
    shuffled: bool = False

    def data(self, profiles: int, *words: str) -> Path:
        """The generated data, made unless it is there."""
        options = [*words, *(["--shuffled"] if self.shuffled else [])]
        folder = self.work / "-".join(["data", str(profiles), *(word.strip("-") for word in options)])
        self.tell(f"data of {profiles:,} profiles")
        measure.run(measure.module("generate", folder, profiles, *options))
        return folder

    def clear(self, *kinds: str) -> None:
        """Remove the folders of workloads or data."""
        measure.empty(*(path for kind in kinds for path in self.work.glob(kind)))


def measured(bench: Bench, profiles: int, ways: Sequence[str], workload: str = "night") -> Result:
    """Measure the night, ``bench.runs`` times with each contender of ``ways``."""
    result = Result(workload, profiles, facts={"files": 0, "rows": 0})
    for _, name, cost in _nights(bench, profiles, ways, result):
        result.add(name, cost)
    bench.clear("night")
    return result


def growth(bench: Bench, profiles: int, ways: Sequence[str] = GROWING) -> Result:
    """Measure the night at 1, 2, 5 and 10 times the size; runs are called ``way size``."""
    sizes = [profiles * factor for factor in GROWTH]
    result = Result("growth", profiles, facts={"sizes": sizes, "ways": list(ways)})
    for size in sizes:
        for _, name, cost in _nights(bench, size, ways, Result("", size)):
            result.add(f"{name} {size}", cost)
        bench.clear(
            "night", *([f"data-{size}", f"data-{size}-shuffled"] if size != profiles else [])
        )  # they fill many a disk
    return result


def large(bench: Bench, profiles: int) -> Result:
    """Measure muster's night at N profiles, at ten times N, and there once more with a memory limit, in turns.

    Both of the large ones must write the same bytes.
    """
    sizes = (profiles, profiles * LARGE)
    result = Result("large", profiles, facts={"sizes": list(sizes), "limit": LIMIT})
    contenders = [
        replace(_muster(bench.work / "night" / f"muster-{size}", bench.data(size)), name=f"muster {size}")
        for size in sizes
    ]
    limited = (*contenders[-1].command, "--memory-limit", LIMIT)
    contenders.append(replace(contenders[-1], name=f"muster {sizes[-1]}, {LIMIT}", command=limited))
    sums: dict[Path | None, str] = {}
    for number, each, cost in measure.alternating(contenders, bench.runs):
        bench.tell(f"run {number + 1} of {bench.runs}: {each.name} {cost.wall:.1f} s")
        if sums.setdefault(each.out, now := measure.checksum(each.out or bench.work)) != now:
            raise FailedError(f"{each.name} wrote other bytes than the run before")
        result.add(each.name, cost)
    bench.clear("night")
    return result


def syncs(bench: Bench, profiles: int) -> Result:
    """Count the fsync and fdatasync calls of muster's night and of the DuckDB script that syncs, with strace."""
    if not shutil.which("strace"):
        raise FailedError("strace is not installed: nothing counts the calls")
    data, calls = bench.data(profiles), dict[str, dict[str, int]]()
    for way in ("muster", "DuckDB, synced"):
        contender, log = _prepared(bench, way, data), bench.work / "night" / "syncs.txt"
        contender.before()
        options = ["-f", "-qq", "-e", f"trace={','.join(SYNCS)}", "-o", str(log)]
        measure.run(["strace", *options, *contender.command])
        lines = log.read_text().splitlines()
        calls[way] = {call: sum(f" {call}(" in line for line in lines) for call in SYNCS}
        bench.tell(f"calls of {way}: {calls[way]}")
    bench.clear("night")
    return Result("syncs", profiles, facts={"calls": calls})


def _nights(bench: Bench, profiles: int, ways: Sequence[str], result: Result) -> Iterable[tuple[int, str, Cost]]:
    data = bench.data(profiles)
    contenders = [_prepared(bench, way, data) for way in ways]
    found, seen = {}, dict[str, str]()
    costs: list[tuple[int, str, Cost]] = []
    for number, each, cost in measure.alternating(contenders, bench.runs):
        bench.tell(f"{profiles:,} profiles, run {number + 1} of {bench.runs}: {each.name} {cost.wall:.1f} s")
        if each.out is None:
            raise ValueError(each)
        sum_now = measure.checksum(each.out)
        if seen.get(each.name) != sum_now:
            seen[each.name], found[each.name] = sum_now, contents(each.out)
            _agree(found)
        costs.append((number, each.name, cost))
    files = next(iter(found.values()))
    result.facts.update(files=len(files), rows=sum(int(rows) for rows, _ in files.values()))
    return costs


def contents(folder: Path) -> dict[str, list[int | str]]:
    """The number of rows and the digest of each file below a folder."""
    found: list[dict[str, list[int | str]]] = json.loads(measure.output(measure.module("contents", folder)))
    return found[0]


def _agree(found: dict[str, dict[str, list[int | str]]]) -> None:
    (first, expected), *others = found.items()
    for name, files in others:
        differ = sorted(path for path in expected.keys() | files.keys() if expected.get(path) != files.get(path))
        if differ:
            details = ", ".join(
                f"{path} ({expected.get(path, ['no'])[0]} and {files.get(path, ['no'])[0]} rows)" for path in differ[:5]
            )
            raise FailedError(f"{first} and {name} wrote different content in {len(differ)} files: {details}")


def _prepared(bench: Bench, way: str, data: Path) -> Contender:
    """A contender that has done the first day."""
    folder = bench.work / "night" / way.lower().replace(", ", "-")
    measure.empty(folder)
    bench.tell(f"first day of {way}")
    return _muster(folder, data) if way == "muster" else _peer(folder, way, data)


def _muster(folder: Path, data: Path) -> Contender:
    workspaces.night(folder, data)
    measure.run(measure.muster(folder, "evaluate", "--at", _AT[0]))
    return stateful("muster", folder, "evaluate", "--at", _AT[1])


def stateful(name: str, folder: Path, *words: str) -> Contender:
    """A command in a workspace whose state of this moment is put back before each run, with no files exported."""
    kept = folder.parent / f"{folder.name}-kept"
    measure.restore(folder / ".muster", kept)

    def before() -> None:
        measure.restore(kept, folder / ".muster")
        measure.empty(folder / "exports")

    return Contender(name, measure.muster(folder, *words), before, folder / "exports")


def _peer(folder: Path, way: str, data: Path) -> Contender:
    out, state, (script, *options) = folder / "out", folder / "state", PEERS[way]
    measure.run(measure.module(script, data, DAYS[0], state, out))

    def before() -> None:
        measure.empty(out)
        (state / f"{DAYS[1]}.parquet").unlink(missing_ok=True)

    return Contender(way, measure.module(script, data, DAYS[1], state, out, *options), before, out)
