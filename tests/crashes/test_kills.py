"""Killed at random, over days of a random shop: nothing is lost, nothing comes twice, nothing is left behind.

The suite kills 30 times, `make soak` ten times as often and more (MUSTER_SOAK). A kill counts when it ended a living
process.
"""

import hashlib
import json
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import kills
from support.crash_points import left_by_kills
from support.random_histories import MORE
from support.random_shop import START, RandomShop, Sent, assassinated, check
from support.reader_audit import audit, evaluated
from support.shop import STATUS, Shop, quick_folder

ROOT = Path(__file__).parents[2]
SHARES = 6  # tests that each kill a share, so that several processes can work on them
KILLS = 5 * min(MORE, 12)  # of each share
DAYS = 3 if MORE > 1 else 2
SMALL = 41  # a shop with four activations: timed and constant names, in full and in increments
TICKS = [START + timedelta(days=day, hours=1) for day in range(2)]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory."""
    with quick_folder() as folder:
        yield folder


class Assassin:
    """Kills `muster run` at a step, or a little after one; one process in eight is started from nothing."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # which moments, no secret
        self.usual = 100  # steps of a command
        self.kills = 0

    def attack(self, shop: Shop, moment: str) -> None:
        """Start the command and kill it; a kill that came too late does not count."""
        command = ("run", "--at", moment)
        if self.chance.random() < 0.125:
            self.kills += kills.kill_when(
                shop.root, kills.in_seconds(self.chance.uniform(0.3, 1.2)), *command, afresh=True
            )
            return
        number, delay = self.chance.randrange(1, self.usual), self.chance.choice((0, self.chance.uniform(0.001, 0.05)))
        hit = kills.signal_at(shop.root, number, signal.SIGKILL, *command, delay=delay)
        self.kills += hit
        self.usual = self.usual + 10 if hit else max(10, (self.usual + number) // 2)


def _later(tick: datetime, minutes: int) -> str:
    return (tick + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize("share", range(SHARES))
def test_kills_at_random_moments(place: Path, share: int) -> None:
    """F1, F3, S2, S4, S6, X3, X8: after each kill the next `run`, minutes later as in life, finishes the work. Then
    every file is whole and named by one manifest, every slot was delivered once, what was sent gives who is in the
    audience, nothing temporary is left at destinations or in the state, and the ledger names every file of the state.
    """
    assassin, delivered, seed = Assassin(share), 0, 1000 * share
    while assassin.kills < KILLS:
        seed += 1
        random_shop = RandomShop.of(seed, DAYS)
        shop = random_shop.write(place / f"shop-{seed}")
        ticks = random_shop.ticks()
        for _ in assassinated(shop, ticks, assassin, KILLS):
            found = audit(shop.root, *random_shop.places(shop.root))
        delivered += check(random_shop, ticks, found, evaluated(shop.root / ".muster"))
    assert delivered
    print(  # noqa: T201  # `make soak` shows it
        f"share {share}: {assassin.kills} kills, {delivered} deliveries, none lost, none doubled"
    )


def test_a_kill_at_every_step_and_minutes_later(place: Path) -> None:
    """F3, S6: the same for a kill at each step on the disk: between write, sync, rename, manifest, commit and clean-up,
    in turn.
    """
    random_shop = RandomShop.of(SMALL, days=2)
    shop = random_shop.write(place / "shop")
    first, second = START + timedelta(hours=1), START + timedelta(days=1, hours=1)
    shop.run(_later(first, 0))
    whole = _copy(shop, place / "whole")
    _, states = left_by_kills(whole, place / "left", "run", "--at", _later(second, 0))
    for number, left in enumerate(states[:: 1 if MORE > 1 else 6]):
        victim = left.shop
        if number % 4 == 0:
            victim = _copy(shop, place / "victim")
            kills.kill(victim.root, left.moments[0], "run", "--at", _later(second, 0))
        victim.ok("-q", "run", "--at", _later(second, 1))
        found = audit(victim.root, *random_shop.places(victim.root))
        assert check(random_shop, [first, second], found, evaluated(victim.root / ".muster")) == len(found), str(left)
        shutil.rmtree(victim.root)


def _copy(shop: Shop, folder: Path) -> Shop:
    shutil.copytree(shop.root, folder)
    return Shop(folder, **shop.settings)


# Whoever checks is checked: each of these faults is seen


def _doubled(shop: Shop) -> None:
    file = next(path for path in sorted((shop.root / "out/crm").rglob("*.csv")) if path.stat().st_size)
    file.write_text(file.read_text() * 2)


def _lost(shop: Shop) -> None:
    next(iter(sorted((shop.root / "out/crm").rglob("*.csv")))).unlink()


def _stray(shop: Shop) -> None:
    (shop.root / "out/crm/crm_a9_20261120T000000Z.csv").write_text("profile_id\n")


def _hidden(shop: Shop) -> None:
    (shop.root / "out/crm/.run.1.tmp").write_text("")


def _forgotten(shop: Shop) -> None:
    next(iter(sorted((shop.root / "out/crm").glob("manifest-*")))).unlink()


def _state_left(shop: Shop) -> None:
    (shop.root / ".muster/tmp/memberships~gold").write_text("")


def _state_spoiled(shop: Shop) -> None:
    file = next(iter(sorted((shop.root / ".muster/memberships").rglob("*.parquet"))))
    file.write_bytes(file.read_bytes()[:-1])


def _slot_lost(shop: Shop) -> None:
    manifest = next(iter(sorted((shop.root / "out/crm").glob("manifest-*"))))
    content = json.loads(manifest.read_text())
    for result in content["exportResults"]:
        (shop.root / "out/crm" / result["sinkPath"].lstrip("/") / result["name"]).unlink()
    manifest.unlink()
    with closing(sqlite3.connect(shop.root / ".muster/ledger.sqlite")) as ledger, ledger:
        for table in ("files", "removals", "runs"):
            ledger.execute(f"DELETE FROM {table} WHERE run_id = ?", (content["flowRunId"],))


def _row_lost(shop: Shop) -> None:
    """A file, its manifest and the ledger agree; only a row is missing."""
    manifest = max(
        (shop.root / "out/crm").glob("manifest-*"), key=lambda path: json.loads(path.read_text())["counts"]["exported"]
    )
    content = json.loads(manifest.read_text())
    result = content["exportResults"][0]
    file = shop.root / "out/crm" / result["sinkPath"].lstrip("/") / result["name"]
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    result |= {
        "size": file.stat().st_size,
        "rows": result["rows"] - 1,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    content["counts"]["exported"] -= 1
    manifest.write_text(json.dumps(content))


FAULTS = [_doubled, _lost, _stray, _hidden, _forgotten, _state_left, _state_spoiled, _slot_lost, _row_lost]


@pytest.fixture(scope="module")
def healthy() -> Iterator[tuple[RandomShop, Shop]]:
    """Two days of a shop that the audit finds nothing wrong with."""
    with quick_folder() as folder:
        random_shop = RandomShop.of(3, days=2)
        shop = random_shop.write(folder / "shop")
        shop.destination("crm", mapping=["profile_id", STATUS], activations=_plain(random_shop))
        for tick in TICKS:
            shop.run(_later(tick, 0))
        _look_at(random_shop, shop)
        yield random_shop, shop


def _look_at(random_shop: RandomShop, shop: Shop) -> None:
    check(random_shop, TICKS, audit(shop.root, *random_shop.places(shop.root)), evaluated(shop.root / ".muster"))


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda each: each.__name__.strip("_"))
def test_the_audit_sees_a_fault(healthy: tuple[RandomShop, Shop], place: Path, spoil: Callable[[Shop], None]) -> None:
    """A file lost, doubled, unnamed or left over, a slot or a row that is missing, a state file spoiled or left: none
    goes unnoticed.
    """
    random_shop, shop = healthy[0], _copy(healthy[1], place / "shop")
    _look_at(random_shop, shop)
    spoil(shop)
    with pytest.raises(AssertionError):
        _look_at(random_shop, shop)


def _plain(random_shop: RandomShop) -> list[dict[str, Any]]:
    """Activations of one destination that send CSV of everyone, the first in increments; the random shop is
    told of it.
    """
    made = [Sent("crm", f"a{number}", "everyone", number == 0, 24, "", mandatory=False) for number in range(2)]
    random_shop.activations = [*made, *(each for each in random_shop.activations if each.destination != "crm")]
    return [
        {
            "audience": "everyone",
            "id": each.name,
            "export": "incremental" if each.incremental else "full",
            "schedule": {"every": "24h"},
        }
        for each in made
    ]
