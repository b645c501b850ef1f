"""Looks: when a command may believe, without reading data, that there is nothing to send (V1)."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from unittest import mock

import pytest
from support.event_shop import DAYS, KEY, EventShop, somebody
from support.receiver import Receiver

from muster.activation.sending import begin

Change = Callable[[EventShop], object]
LATE = f"{DAYS[0]}T09:00Z"


@pytest.fixture
def shop(tmp_path: Path, receiver: Receiver) -> EventShop:
    """A workspace whose receiver knows everybody, and whose last look found nothing to send."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.send(DAYS[0], "a", "b")
    shop.run(f"{DAYS[0]}T06:00Z")
    return shop


def compares(shop: EventShop, moment: str = LATE, *arguments: str) -> bool:
    """Whether a run compares members with what was delivered."""
    with mock.patch.object(begin, "gather_changes", wraps=begin.gather_changes) as gathered:
        shop.muster("run", "--at", moment, *arguments)
    return gathered.called


def rewritten(shop: EventShop) -> None:
    """Write a file of the snapshot anew with the size and the times that it had."""
    path = shop.root / f"data/profiles/{DAYS[0]}/part-0.parquet"
    before = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Change] = {
    "a file of the snapshot in place": rewritten,
    "a file beside it": lambda shop: shop.people("c", day=f"{DAYS[0]}/more"),
    "an evaluation": lambda shop: shop.evaluate(f"{DAYS[0]}T08:00Z", "--no-exports"),
    "the mapping": lambda shop: shop.crm(mapping=["email"]),
    "a policy": lambda shop: shop.write(
        "policies/ok.yml", {"name": "Ok", "actions": ["email_targeting"], "consent": "ok"}
    ),
    "a forgotten person": lambda shop: shop.ok("profiles", "forget", "b", "--yes"),
    "delivered rows": lambda shop: shop.ok("resync", KEY, "--at", LATE),
    "a newer snapshot": lambda shop: shop.people("a", day=f"{DAYS[0]}T08"),
}


def test_nothing_that_decides_may_change_unseen(shop: EventShop) -> None:
    """V1: whatever a comparison depends on makes the next run compare; without a change no run does."""
    for hour, (what, change) in enumerate(CHANGES.items(), start=10):
        change(shop)
        moments = [f"{DAYS[0]}T{hour}:{minute}Z" for minute in ("00", "05", "10")]
        assert compares(shop, moments[0]), what
        shop.run(moments[1])
        assert not compares(shop, moments[2]), what


def test_a_look_tells_when_it_was(shop: EventShop) -> None:
    """V1: `status` shows the last look, also of a run that did not compare; no run is recorded."""
    assert not compares(shop)
    [found] = shop.ok("status", "--at", LATE, "--json").json["activations"]
    assert found["looked_at"] == f"{DAYS[0]}T09:00:00Z"
    assert found["last_run"]["scheduled_time"] == f"{DAYS[0]}T05:00:00Z"
    assert len(shop.runs()) == 1


def test_a_snapshot_that_is_there_counts_from_its_date(tmp_path: Path, receiver: Receiver) -> None:
    """V1, D2: a later snapshot that is there already is read from its date on, though no file changes then."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.people("a", day=DAYS[1])
    shop.send(DAYS[0], "a", "b")
    shop.run(f"{DAYS[0]}T06:00Z")
    assert not compares(shop, f"{DAYS[0]}T23:59:59Z")
    assert compares(shop, f"{DAYS[1]}T00:00Z")


def test_rows_of_a_feed_count_from_their_times(tmp_path: Path, receiver: Receiver) -> None:
    """V1, D4, X6: memberships begin and end by time alone, though no file changes then."""
    shop = EventShop(tmp_path, receiver)
    shop.audience("fed", source="memberships")
    start = f"{DAYS[0]}T00:00Z"
    shop.feed([("fed", "a", "realized", start, f"{DAYS[0]}T09:00Z"), ("fed", "b", "realized", f"{DAYS[0]}T12:00Z")])
    shop.crm(["fed"])
    shop.send(DAYS[0], "a", "b")
    shop.run(f"{DAYS[0]}T06:00Z")
    assert not compares(shop, f"{DAYS[0]}T08:59:59Z")
    assert compares(shop, f"{DAYS[0]}T09:00Z")
    shop.run(f"{DAYS[0]}T10:00Z")
    assert not compares(shop, f"{DAYS[0]}T11:59:59Z")
    assert compares(shop, f"{DAYS[0]}T12:00Z")


def test_data_become_stale_by_time(tmp_path: Path, receiver: Receiver) -> None:
    """V1, D2: a snapshot that is too old is refused, though nothing has changed."""
    shop = EventShop(tmp_path, receiver, profiles={"path": "data/profiles", "max_age": "24h"})
    shop.crm()
    shop.send(DAYS[0], "a")
    shop.run(f"{DAYS[0]}T06:00Z")
    assert shop.muster("run", "--at", f"{DAYS[1]}T00:00Z").code == 0
    assert shop.muster("run", "--at", f"{DAYS[1]}T00:00:01Z").code == 2


def test_consent_that_asks_the_clock_is_judged_each_time(tmp_path: Path, receiver: Receiver) -> None:
    """V1, G4: where an expression may give another value by time alone, no look is believed."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(marketing_actions=["email_targeting"])
    shop.write(
        "policies/ok.yml",
        {"name": "Ok", "actions": ["email_targeting"], "consent": "ok AND until > CURRENT_DATE"},
    )
    shop.send(DAYS[0], somebody("a", until=date(2026, 11, 22)))
    shop.run(f"{DAYS[0]}T06:00Z")
    assert compares(shop)


def test_a_failed_run_is_no_look(tmp_path: Path, receiver: Receiver) -> None:
    """V1: what could not be sent is compared again; a request on demand never asks the looks."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.default = type(receiver.default)(503)
    shop.send(DAYS[0], "a", code=1)
    assert compares(shop, f"{DAYS[0]}T06:00Z")
    receiver.default = type(receiver.default)(200)
    shop.run(f"{DAYS[0]}T07:00Z")
    shop.run(f"{DAYS[0]}T08:00Z")
    assert not compares(shop)
    assert len(shop.again(LATE, KEY, command=("resync",))) == 1
