"""Messages: how fast bodies are built, how fast they are sent beside the plain client, and what a backfill takes (V13).

The receiver runs on the same machine, counts what arrives, and takes CPU time of the same cores. It is what tells how
long sending took: from the first request that arrives to the last one that ends.
"""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks import measure, workspaces
from benchmarks.measure import ROOT, Contender, FailedError
from benchmarks.message_bodies import BUILT
from benchmarks.night import Bench
from benchmarks.night_task import DAYS
from benchmarks.results import Result
from benchmarks.targets import BUILT_A_SECOND, MEMORY, SHARE

_AT = f"{DAYS[0]}T02:00Z"
_RULES = {"everybody": {"where": "true"}, "odd": {"where": "lifetime_value > 500"}, "others": {"where": "true"}}
_MAPPING = [
    {"source": "email", "target": "personalEmail.address"},
    {"source": "city", "target": "homeAddress.city"},
    {"source": "country", "target": "homeAddress.country"},
    {"source": "lifetime_value", "target": "loyalty.value"},
    {"source": "signup_at", "target": "loyalty.joinDate"},
]
MIB = 1 << 20
MUSTER, PLAIN, BASE = "muster run", "urllib3, ready bodies", "muster evaluate"


def measured(bench: Bench, profiles: int) -> Result:
    """A backfill of N profiles, in turns with the plain client that sends the same bodies."""
    data, place = bench.data(profiles), bench.work / "messages"
    measure.empty(place)
    with _server() as url:
        _write(place, data, url)
        kept = bench.work / "messages-bodies"
        built = _built(place, kept)
        evaluate = measure.muster(place, "evaluate", "--at", _AT, "--no-exports")
        contenders = [
            Contender(BASE, evaluate, partial(measure.empty, place / ".muster")),
            Contender(MUSTER, measure.muster(place, "run", "--at", _AT), partial(measure.empty, place / ".muster")),
            Contender(PLAIN, measure.module("message_bodies", "send", kept, f"{url}/profiles")),
        ]
        result = Result("messages", profiles)
        arrived: dict[str, list[list[float]]] = {}
        for number, each, cost in measure.alternating(contenders, bench.runs):
            result.add(each.name, cost)
            arrived.setdefault(each.name, []).append(found := _arrived(url))
            began, ended = found[2:]
            bench.tell(
                f"messages, run {number + 1} of {bench.runs}: {each.name} {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, "
                f"{cost.peak >> 20:,} MiB; {found[0]:,} requests in {ended - began:.1f} s"
            )
        measure.empty(place / ".muster")
        sending = _memory_while_sending(place, url)
    _check(arrived)
    seconds = {name: [each[3] - each[2] for each in found] for name, found in arrived.items()}
    pairs = zip(seconds[MUSTER], seconds[PLAIN], strict=True)
    speeds = {name: profiles / statistics.median(seconds[name]) for name in (MUSTER, PLAIN)}
    result.facts |= {
        BUILT_A_SECOND: profiles / statistics.median(built),
        "profiles sent a second": speeds[MUSTER],
        "profiles sent a second by the plain client": speeds[PLAIN],
        SHARE: statistics.median(plain / own for own, plain in pairs),
        MEMORY: max(0.0, (sending - result.median(BASE, "peak")) / MIB),
    }
    measure.empty(place, kept)
    return result


def _built(place: Path, kept: Path) -> list[float]:
    """CPU seconds of building and writing all bodies, with one thread of Polars; three times."""
    found = []
    for _ in range(3):
        measure.empty(place / ".muster", kept)
        command = measure.module("message_bodies", "build", place, _AT, kept)
        limited = os.environ | {"POLARS_MAX_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=limited, capture_output=True, text=True, check=False)  # noqa: S603 (our own command)
        if done.returncode:
            raise FailedError(done.stderr[-2000:])
        found.append(json.loads((kept / BUILT).read_text())[1])
    return found


def _memory_while_sending(place: Path, url: str) -> float:
    """The most memory of a further run, in bytes, from the first request to the last."""
    seen: list[tuple[float, int]] = []
    with subprocess.Popen(measure.muster(place, "run", "--at", _AT), cwd=ROOT) as process:  # noqa: S603 (our own command)
        while process.poll() is None:
            seen.append((time.perf_counter(), _resident(process.pid)))
            time.sleep(0.02)
    _, _, began, ended = _arrived(url)
    held = [each for at, each in seen if began <= at <= ended]
    if not held:
        raise FailedError("nothing was seen of the run while it sent")
    return max(held)


def _resident(process: int) -> int:
    """The memory of another process, in bytes."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:  # it ended just now
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)


def _check(arrived: dict[str, list[list[float]]]) -> None:
    """``FailedError`` unless muster and the plain client sent as many requests and bytes in each run."""
    sent = {tuple(each[:2]) for name in (MUSTER, PLAIN) for each in arrived[name]}
    if len(sent) != 1:
        raise FailedError(f"different requests and bytes arrived: {sorted(sent)}")


def _arrived(url: str) -> list[float]:
    """Requests, bytes, the beginning of the first and the end of the last one, since the last call."""
    with urlopen(url) as answer:  # noqa: S310  # the server of this module
        found: list[float] = json.loads(answer.read())
    return found


@contextmanager
def _server() -> Iterator[str]:
    with subprocess.Popen(  # noqa: S603 (our own command)
        measure.module("message_server"), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise FailedError("the server has no pipes")
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def _write(place: Path, data: Path, url: str) -> None:
    destination: dict[str, Any] = {
        "kind": "http",
        "url": f"{url}/profiles",
        "mapping": _MAPPING,
        "aggregation": {"best_effort": {"max_profiles": 100, "max_bytes": "1MB"}},
        "activations": [{"id": "all", "audiences": ["everybody", "odd"], "schedule": "each_run"}],
    }
    workspaces.write(place, data, _RULES, {"crm": destination}, {"evaluation": {"schedule": {"at": "02:00"}}})
