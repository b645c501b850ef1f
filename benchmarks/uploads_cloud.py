"""Files to a bucket on this machine: by muster's delivery and by the plain client of the service's vendor, in turns.

``uploads_azure`` and ``uploads_gcs`` have the two ways to one service. The server holds what it gets in memory, and
takes CPU time of the same cores: its CPU time and the client's are told. Each upload is a process of its own, which is
timed from the first upload to the last; Python's start and the making of the client are not.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, FailedError, module
from muster.activation.destinations.remote import RemoteTarget
from muster.activation.model.history import PlannedFile
from muster.activation.model.workspace import Destination
from muster.activation.stores.protocol import Store
from muster.activation.system.disk import checksum

MIB = 1 << 20
_QUICK = Path("/dev/shm")  # noqa: S108  # only where a folder of our own is made: in memory, so that no disk is measured
_TICKS = os.sysconf("SC_CLK_TCK")  # of CPU time in a second

Plain = Callable[[dict[str, Any]], Callable[[Path], object]]  # makes a client, and returns what uploads a file


@dataclass(frozen=True)
class Cost:
    """What uploading took: seconds, CPU seconds and MiB over the base of the client, CPU seconds of the server."""

    wall: float
    cpu: float
    memory: float
    server_cpu: float


def measured(cloud: str, size: int, count: int, runs: int, tell: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """The medians of muster's delivery and of the plain client, and the median of the ratios of each pair of runs.

    ``cloud`` is ``azure`` or ``gcs``; ``size`` is the bytes of each of ``count`` files.
    """
    serve = _serve(cloud)
    found: dict[str, list[Cost]] = {"muster": [], "plain": []}
    for number in range(runs):
        with _working_folder() as folder, serve(folder / "server") as server:
            for way in found:
                _upload(cloud, way, server, _files(folder / f"first-{way}", 8 * MIB, 4))  # the server warms up
            files = _files(folder / "files", size, count)
            for way in sorted(found, reverse=number % 2 == 1):
                found[way].append(cost := _upload(cloud, way, server, files))
                tell(
                    f"{count} x {size // MIB:,} MiB, run {number + 1} of {runs}: {way} {cost.wall:.2f} s, "
                    f"CPU {cost.cpu:.2f} s, server's {cost.server_cpu:.2f} s"
                )
    medians = {
        way: {field: statistics.median(asdict(each)[field] for each in costs) for field in asdict(costs[0])}
        for way, costs in found.items()
    }
    pairs = zip(found["muster"], found["plain"], strict=True)
    medians["muster"]["share"] = statistics.median(theirs.wall / ours.wall for ours, theirs in pairs)
    return medians


def _serve(cloud: str) -> Callable[[Path], AbstractContextManager[Any]]:
    sys.path.insert(0, str(ROOT / "tests"))
    from support import cloud_servers  # noqa: PLC0415  # what the tests use

    return {"azure": cloud_servers.azure, "gcs": cloud_servers.google}[cloud]


@contextmanager
def _working_folder() -> Iterator[Path]:
    quick = _QUICK if os.access(_QUICK, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=quick) as folder:
        yield Path(folder)


def _files(staging: Path, size: int, count: int) -> Path:
    """Write one file, link the others to it, each under its temporary name; returns their folder."""
    chance = random.Random(1)  # noqa: S311  # bytes, no secret
    staging.mkdir()
    first, *others = (staging / f".{number}.tmp" for number in range(count))
    with first.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(chance.randbytes(min(MIB, size - start)))
    for other in others:
        os.link(first, other)
    return staging


def _upload(cloud: str, way: str, server: Any, files: Path) -> Cost:
    settings = {
        "url": server.url("/in"),
        "connection": server.connection(),
        "container": server.container,
        "files": str(files),
    }
    process = _server()
    before = _cpu(process)
    done = subprocess.run(  # noqa: S603  # our own command
        module(f"uploads_{cloud}", way, json.dumps(settings)),
        cwd=ROOT,
        env=os.environ | server.extra,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FailedError(f"{way}: {done.stderr[-2000:]}")
    wall, cpu, memory = json.loads(done.stdout)
    cost = Cost(wall, cpu, memory, _cpu(process) - before)
    lying = server.sizes()
    if sorted(lying.values()) != sorted(path.stat().st_size for path in files.iterdir()):
        raise FailedError(f"{way} uploaded something else")
    for each in lying:
        server.remove(each)
    return cost


def _server() -> int:
    """The one process that this one has started and that still runs: the server."""
    (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return int(child)


def _cpu(process: int) -> float:
    """CPU seconds of another process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


# In the child


def run(store: Callable[[Destination, Path], Store], plain: Plain) -> None:
    """Upload all files one after the other, one way, and print seconds, CPU seconds and MiB of memory."""
    way, settings = sys.argv[1], json.loads(sys.argv[2])
    files = sorted(Path(settings["files"]).iterdir())
    put = _delivery(store, settings, files[0]) if way == "muster" else plain(settings)
    base, cpu, began = _peak(), time.process_time(), time.perf_counter()
    for path in files:
        put(path)
    sys.stdout.write(json.dumps([time.perf_counter() - began, time.process_time() - cpu, _peak() - base]))


def _delivery(
    store: Callable[[Destination, Path], Store], settings: dict[str, Any], file: Path
) -> Callable[[Path], object]:
    """What delivers a staged file; all have the content of ``file``."""
    destination = Destination("drop", "drop", settings["url"], settings["connection"])
    opened, digest = store(destination, Path()), checksum(file)
    target = RemoteTarget(settings["url"], lambda: opened, file.parent, 0o600, retries=0)

    def put(path: Path) -> None:
        planned = PlannedFile(1, path.name, f"muster{path.name}", 1, path.stat().st_size, digest)
        target.publish(planned, replace=False)

    return put


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
