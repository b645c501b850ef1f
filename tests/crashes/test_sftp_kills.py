"""Killed while it uploads, again and again: nothing is lost, nothing comes twice, nothing is left behind, there or here
(F3, S6, X8).

A kill counts when it ended a living process that had files to upload. The suite kills 12 times, `make soak` many times
more.
"""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import kills
from support.random_histories import MORE
from support.servers import Proxy, Sshd, proxy, sshd
from support.sftp_drop import check, names, staged
from support.shop import STATUS, Shop, person, quick_folder

ROOT = Path(__file__).parents[2]
KILLS = 6 * min(MORE, 20)  # of each share
START = date(2026, 1, 1)
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
    """A workspace whose files go to a server, and others with the same content to a local folder."""
    shop = Shop(root)
    shop.audience("all", where="true")
    same: dict[str, Any] = {
        "file_name": "{activation}_{datetime}",
        "mapping": ["profile_id", "email", STATUS],
        "activations": ACTIVATIONS,
    }
    shop.destination("drop", url=url, connection=server.connection, timeout="5m", **same)
    shop.destination("local", **same)
    return shop


def _people(day: int) -> list[dict[str, Any]]:
    """Who is there on a day: others than on the day before."""
    return [person(name, f"{name}@{'x' * 2000}") for number, name in enumerate("abcdefghij") if (number + day) % 4]


class Assassin:
    """Kills `muster run` when the network has passed on so many pieces of what it uploads, and keeps the next one."""

    def __init__(self, seed: int, network: Proxy) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # which moments, no secret
        self.network = network
        self.usual = 40  # pieces that a command's uploads take
        self.kills = 0

    def attack(self, shop: Shop, moment: str, *, afresh: bool) -> None:
        """Start the command, from nothing or as a fork, and kill it; a kill that came too late does not count."""
        self.network.stand_still(self.chance.randrange(self.usual))
        hit = kills.kill_when(shop.root, self.network.stands.is_set, "run", "--at", moment, afresh=afresh)
        self.kills += hit and bool(staged(shop))
        self.usual = self.usual + 10 if hit else max(10, self.network.pieces)
        self.network.go_on()


@pytest.mark.parametrize("share", range(2))
def test_kills_while_it_uploads(share: int, server: Sshd, place: Path) -> None:
    """F1, F3, S6, X8: after each kill the next `run`, minutes later, finishes the work: every file is whole and named
    by one manifest, every slot was delivered once, nothing temporary is left at the server or in the state, and all is
    as in a local folder.
    """
    there, day = server.folder / f"in-{share}", START
    with proxy(server.port) as network:
        server.trust(network.port)
        assassin = Assassin(share, network)
        shop = _shop(place / "shop", server.url(f"/in-{share}", network.port), server)
        local = shop.root / "out/local"
        while assassin.kills < KILLS:
            day += timedelta(days=1)
            shop.profiles(f"{day}", _people(day.toordinal()))
            shop.evaluate(f"{day}T02:00Z", "--no-exports")
            for minute in range(assassin.chance.randint(2, 4)):
                assassin.attack(shop, f"{day}T06:0{minute}Z", afresh=(day, minute) == (START + timedelta(days=1), 0))
            shop.ok("-q", "run", "--at", f"{day}T06:09Z")
            check(shop, there, local)
            assert {name: (there / name).read_bytes() for name in names(there)} == {
                name: (local / name).read_bytes() for name in names(local)
            }
    print(  # noqa: T201  # `make soak` shows it
        f"share {share}: {assassin.kills} kills in {(day - START).days} days, nothing lost, nothing doubled"
    )
