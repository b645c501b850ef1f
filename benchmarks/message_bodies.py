"""Build bodies of messages, or send ready ones: children of ``benchmarks.messages``, each a process of its own.

``build WORKSPACE AT KEPT``  begin a run, and keep the bodies in the folder KEPT, beside them how many profiles there
                             are, and the CPU seconds in which their bodies were built and written
``send KEPT URL``            send the kept bodies with the plain client, urllib3, eight at a time
"""

import json
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

IN_FLIGHT = 8
BODIES, PLACES, BUILT = "bodies", "places.json", "built.json"


def build(workspace: Path, at: str, kept: Path) -> None:
    """Begin a run, measure what writes the outbox, and end there as if killed."""
    from muster.activation.sending import begin  # noqa: PLC0415  # the other child does without
    from muster.cli.process.command_line import carry_out  # noqa: PLC0415

    write = begin.write_outbox

    def measured(state: Any, run: Any, people: Any, batches: Any) -> Any:
        began = time.process_time()
        record = write(state, run, people, batches)
        found = [people.height, time.process_time() - began]
        _keep(state, record, kept)
        (kept / BUILT).write_text(json.dumps(found))
        os._exit(0)

    begin.write_outbox = measured
    sys.argv = ["muster", "-q", "-C", str(workspace), "run", "--at", at]
    raise SystemExit(carry_out() or "the run wrote no outbox")


def _keep(state: Any, record: Any, kept: Path) -> None:
    import polars as pl  # noqa: PLC0415

    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    shutil.copyfile(state.folder / record["texts"]["file"], kept / BODIES)
    requests = pl.concat(pl.read_parquet(state.folder / each["file"]) for each in record["requests"])
    (kept / PLACES).write_text(json.dumps(requests.select("at", "size").rows()))


def send(kept: Path, url: str) -> None:
    """Send the bodies, each once."""
    import urllib3  # noqa: PLC0415

    places = json.loads((kept / PLACES).read_text())
    pool = urllib3.PoolManager(maxsize=IN_FLIGHT, block=True, retries=False)
    with (kept / BODIES).open("rb") as file:
        bodies = (file.read(size) for _, size in places)

        def post(body: bytes) -> None:
            answer = pool.request("POST", url, body=body, headers={"Content-Type": "application/json"})
            if answer.status != 200:
                raise SystemExit(f"the server answered {answer.status}")

        with ThreadPoolExecutor(IN_FLIGHT) as threads:
            under_way = set[Any]()
            for body in bodies:
                under_way.add(threads.submit(post, body))
                while len(under_way) >= 2 * IN_FLIGHT:
                    under_way = _without_done(under_way)


def _without_done(under_way: set[Any]) -> set[Any]:
    from concurrent.futures import FIRST_COMPLETED, wait  # noqa: PLC0415

    done, others = wait(under_way, return_when=FIRST_COMPLETED)
    for each in done:
        each.result()
    return set(others)


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    else:
        send(Path(sys.argv[2]), sys.argv[3])
