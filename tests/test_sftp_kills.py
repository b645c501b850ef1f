"""Killed while it uploads, again and again: nothing is lost, nothing comes twice, nothing is left behind, there or here (F3, S6, X8).

A kill counts when it ended a living process that had files to upload. The suite kills 12 times, `make soak` many times more.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dropping import check, names, staged
from histories import MORE
from servers import Sshd, proxy, sshd
from workshop import STATUS, Shop, person, quick_folder

ROOT = Path(__file__).parent.parent
KILLS = 6 * min(MORE, 20)  # of each share
ACTIVATIONS: list[dict[str, Any]] = [
    {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}, "max_rows_per_file": 3},
    {"audience": "all", "id": "latest", "export": "full", "schedule": {"at": "05:00"}, "file_name": "latest", "max_rows_per_file": 4},
    {"audience": "all", "id": "follows", "export": "full", "schedule": "after_evaluation", "file_name": "{date}/{activation}_{datetime}"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    """One server."""
    with quick_folder() as place, sshd(place / "sshd") as running:
        yield running


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory."""
    with quick_folder() as folder:
        yield folder


def _shop(root: Path, url: str, server: Sshd, days: int) -> Shop:
    """A workspace in which on each day other people are there."""
    shop = Shop(root, evaluation={"schedule": {"at": "02:00"}})
    for day in range(1, days + 1):
        people = [person(name, f"{name}@{'x' * 2000}") for number, name in enumerate("abcdefghij") if number % days != day % days]
        shop.profiles(f"2026-11-{day:02}", people)
    shop.audience("all", where="true")
    connection, mapping = server.connection, ["profile_id", "email", STATUS]
    shop.destination("drop", url=url, connection=connection, timeout="20s", mapping=mapping, activations=ACTIVATIONS)
    return shop


def _killed(shop: Shop, moment: str, after: float) -> bool:
    """Start `muster run` and kill it some time after it has files to upload; whether that came before its end."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "-q", "-C", str(shop.root), "run", "--at", moment]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE) as running:
        while running.poll() is None and not staged(shop):
            time.sleep(0.005)
        try:
            running.wait(after)
        except subprocess.TimeoutExpired:
            running.kill()
        _, said = running.communicate()
    assert running.returncode in {0, -signal.SIGKILL}, said
    return running.returncode == -signal.SIGKILL


@pytest.mark.parametrize("share", range(2))
def test_kills_while_it_uploads(share: int, server: Sshd, place: Path) -> None:
    """F1, F3, S6, X8: after each kill the next `run`, minutes later, finishes the work: every file is whole and named by one manifest,
    every slot was delivered once, nothing temporary is left at the server or in the state, and all is as if nobody had been killed.
    """
    chance, kills, usual, day = random.Random(share), 0, 1.0, 0  # noqa: S311  # which moments, no secret
    there, calm, days = server.folder / f"in-{share}", server.folder / f"calm-{share}", 28
    with proxy(server.port) as network:
        server.trust(network.port)
        network.delay = 0.004
        shop = _shop(place / "shop", server.url(f"/in-{share}", network.port), server, days)
        twin = _shop(place / "twin", server.url(f"/calm-{share}"), server, days)
        while kills < KILLS and day < days:
            day += 1
            for minute in range(chance.randint(1, 3)):
                began = time.monotonic()
                hit = _killed(shop, f"2026-11-{day:02}T06:0{minute}Z", chance.uniform(0, usual))
                kills += hit
                usual = usual if hit else max(0.2, (usual + time.monotonic() - began) / 3)
            shop.ok("-q", "run", "--at", f"2026-11-{day:02}T06:09Z")
            twin.ok("-q", "run", "--at", f"2026-11-{day:02}T06:09Z")
            check(shop, there)
            assert names(there) == names(calm)
            assert {name: (there / name).read_bytes() for name in names(there)} == {
                name: (calm / name).read_bytes() for name in names(calm)
            }
    assert kills >= KILLS
    assert multiprocessing.current_process().name
