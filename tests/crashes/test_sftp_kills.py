"""Killed while it uploads, again and again: nothing is lost, nothing comes twice, nothing is left behind, there or here
(F3, S6, X8).

A kill counts when it ended a living process that had files to upload. The suite kills 12 times, `make soak` many times
more.
"""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import kills
from support.random_histories import MORE
from support.servers import Sshd, proxy, sshd
from support.sftp_drop import check, names, staged
from support.shop import STATUS, Shop, person, quick_folder

ROOT = Path(__file__).parents[2]
KILLS = 6 * min(MORE, 20)  # of each share
DAYS = 28
ACTIVATIONS: list[dict[str, Any]] = [
    {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}, "max_rows_per_file": 3},
    {
        "audience": "all",
        "id": "latest",
        "export": "full",
        "schedule": {"at": "05:00"},
        "file_name": "latest",
        "max_rows_per_file": 4,
    },
    {
        "audience": "all",
        "id": "follows",
        "export": "full",
        "schedule": "after_evaluation",
        "file_name": "{date}/{activation}_{datetime}",
    },
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


def _shop(root: Path, url: str, server: Sshd) -> Shop:
    """A workspace in which on each day other people are there; the same goes to a server and to a local folder."""
    shop = Shop(root)
    for day in range(1, DAYS + 1):
        people = [
            person(name, f"{name}@{'x' * 2000}") for number, name in enumerate("abcdefghij") if (number + day) % 4
        ]
        shop.profiles(f"2026-11-{day:02}", people)
    shop.audience("all", where="true")
    same: dict[str, Any] = {
        "file_name": "{activation}_{datetime}",
        "mapping": ["profile_id", "email", STATUS],
        "activations": ACTIVATIONS,
    }
    shop.destination("drop", url=url, connection=server.connection, timeout="20s", **same)
    shop.destination("local", **same)
    return shop


class Assassin:
    """Kills `muster run` at moments between the first file that it has to upload and its usual end."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # which moments, no secret
        self.usual = 1.0  # seconds that the uploads take
        self.kills = 0

    def attack(self, shop: Shop, moment: str, *, afresh: bool) -> None:
        """Start the command, from nothing or as a fork, and kill it; a kill that came too late does not count."""
        seconds, began = self.chance.uniform(0, self.usual), time.monotonic()
        if afresh:
            hit = kills.kill_process(shop.root, seconds, "-q", "run", "--at", moment, since=lambda: staged(shop))
        else:
            hit = kills.stop_after(
                shop.root, seconds, signal.SIGKILL, "run", "--at", moment, since=lambda: staged(shop)
            )
        self.kills += hit
        if not hit:
            self.usual = max(0.1, (self.usual + time.monotonic() - began) / 3)


@pytest.mark.parametrize("share", range(2))
def test_kills_while_it_uploads(share: int, server: Sshd, place: Path) -> None:
    """F1, F3, S6, X8: after each kill the next `run`, minutes later, finishes the work: every file is whole and named
    by one manifest, every slot was delivered once, nothing temporary is left at the server or in the state, and all is
    as in a local folder.
    """
    assassin, there, day = Assassin(share), server.folder / f"in-{share}", 0
    with proxy(server.port) as network:
        server.trust(network.port)
        network.delay = 0.004
        shop = _shop(place / "shop", server.url(f"/in-{share}", network.port), server)
        local = shop.root / "out/local"
        while assassin.kills < KILLS and day < DAYS:
            day += 1
            shop.evaluate(f"2026-11-{day:02}T02:00Z", "--no-exports")
            for minute in range(assassin.chance.randint(2, 4)):
                assassin.attack(shop, f"2026-11-{day:02}T06:0{minute}Z", afresh=(day, minute) == (1, 0))
            shop.ok("-q", "run", "--at", f"2026-11-{day:02}T06:09Z")
            check(shop, there, local)
            assert {name: (there / name).read_bytes() for name in names(there)} == {
                name: (local / name).read_bytes() for name in names(local)
            }
    assert assassin.kills >= KILLS
    print(  # noqa: T201  # `make soak` shows it
        f"share {share}: {assassin.kills} kills on {day} days, nothing lost, nothing doubled"
    )
