"""The cost of a whole process: wall time, CPU time and peak memory, as the kernel counts them.

The kernel charges a process for the memory of the one that started it, so whatever needs much (data, comparing files)
runs in processes of its own, and this one imports neither Polars nor DuckDB.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PACKAGES = ("muster-activation", "polars", "duckdb", "pandas", "pyarrow", "numpy")


@dataclass(frozen=True)
class Cost:
    """The cost of one process: wall time and CPU time in seconds, peak memory in bytes."""

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Contender:
    """A command to measure, and a function that puts everything back before each run."""

    name: str
    command: Sequence[str]
    before: Callable[[], None] = lambda: None
    out: Path | None = None  # where it writes, if that is to be compared


class FailedError(Exception):
    """A command ended with an error, or wrote wrong content."""


def muster(workspace: Path, *words: str) -> list[str]:
    """The command line of the ``muster`` that is installed beside this Python."""
    return [str(Path(sys.executable).with_name("muster")), "-q", "-C", str(workspace), *words]


def module(name: str, *words: object) -> list[str]:
    """The command line of a module of this package."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, words)]


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end; ``FailedError`` with the command's stderr if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 (our own commands)
    messages = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise FailedError(
            f"{' '.join(command)}: exit {process.returncode}\n{messages.decode(errors='replace')[-2000:]}"
        )
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def output(command: Sequence[str]) -> str:
    """The output of a command of this package; ``FailedError`` if the command fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 (our own commands)
    if done.returncode:
        raise FailedError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def alternating(contenders: Iterable[Contender], runs: int) -> Iterator[tuple[int, Contender, Cost]]:
    """Run the contenders in turns (A B C A B C ...), so that disturbances on the machine meet all alike.

    No run is dropped.
    """
    contenders = list(contenders)
    for number in range(runs):
        for each in contenders:
            each.before()
            os.sync()  # nobody waits for the disk on account of what was written before
            yield number, each, run(each.command)


def restore(kept: Path, folder: Path) -> None:
    """Replace ``folder`` by ``kept``: Parquet files, which nobody changes in place, are linked, others copied."""
    shutil.rmtree(folder, ignore_errors=True)
    if kept.exists():
        shutil.copytree(kept, folder, copy_function=_linked)


def _linked(source: str, target: str) -> None:
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def empty(*folders: Path) -> None:
    """Remove folders with all that is in them."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def checksum(folder: Path) -> str:
    """The SHA-256 of the names and contents of all data files below a folder."""
    total = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.suffix in {".csv", ".parquet"}):
        with path.open("rb") as file:
            total.update(path.relative_to(folder).as_posix().encode() + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def machine() -> dict[str, object]:
    """The machine's cores, memory, CPU and system, without a host name."""
    with Path("/proc/meminfo").open() as file:
        memory = int(file.readline().split()[1]) * 1024
    return {"cores": os.cpu_count(), "memory": memory, "cpu": _cpu(), "system": platform.system()}


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> dict[str, str]:
    """The versions of Python and of the measured packages."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name.removesuffix("-activation")] = version(name)
    return found
