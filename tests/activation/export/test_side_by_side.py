"""Runs of a group are written at once by two threads, and nobody sees it but by the clock (F3, S5, X1, SPEC 9, 10)."""

import errno
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.shop import Result, Shop, person, quick_folder

from muster.activation.export import carry_out
from muster.activation.stores.folder.target import LocalTarget
from muster.activation.system import interrupts, threads
from muster.cli.process import deadline

EVALUATED, SLOT = "2026-11-20T02:00Z", "2026-11-20T05:00Z"
NAMES = ("a", "b", "c", "d")
PATIENCE = 60  # seconds that a test waits for what must come
LOSING = {"source": "phone", "transform": ["e164"], "target": "phone"}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def two_cores() -> Iterator[None]:
    """Two cores, whatever the machine has."""
    with mock.patch.object(threads, "CORES", 2):
        yield


def shop_of(place: Path, **settings: Any) -> Shop:
    """A shop whose audience goes to four destinations at 05:00, in one group; one of two phone numbers is none."""
    shop = Shop(place, **settings)
    shop.profiles("2026-11-20", [person("x", phone="12"), person("y", phone="+16505551212")])
    shop.audience("all", where="true")
    for name in NAMES:
        daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
        shop.destination(name, mapping=["profile_id", LOSING], max_rows_per_file=1, activations=[daily])
    shop.evaluate(EVALUATED)
    return shop


class Writing:
    """The writing of runs, in which the first run waits until all others are written; with one thread nobody waits."""

    def __init__(self) -> None:
        self._write, self._count, self._changing = carry_out.write_files, 0, threading.Lock()
        self._others = threading.Event()
        self.ended: list[str] = []  # destinations, in the order in which their runs ended
        self.threads: set[str] = set()

    def __call__(self, run: Any, *arguments: Any) -> Any:
        with self._changing:
            self.threads.add(threading.current_thread().name)
        if run.destination == NAMES[0] and threads.CORES > 1:
            assert self._others.wait(PATIENCE)
        try:
            return self._write(run, *arguments)
        finally:
            with self._changing:
                self.ended.append(run.destination)
                if len(self.ended) == len(NAMES) - 1:
                    self._others.set()


def told(shop: Shop, fails: str) -> tuple[Result, Writing, list[tuple[str, str]]]:
    """What a run says where the files of a destination cannot be synced; how it wrote, and its outcomes in order."""
    sync, writing = LocalTarget.sync, Writing()

    def failing(target: LocalTarget, temporary: str) -> None:
        if target.root.name == fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target.root / temporary))
        sync(target, temporary)

    with mock.patch.object(carry_out, "write_files", writing), mock.patch.object(LocalTarget, "sync", failing):
        result = shop.muster("-v", "run", "--at", SLOT)
    return result, writing, [(each["destination"], each["status"]) for each in shop.runs()]


def said(result: Result) -> list[str]:
    """The lines of a result that say something of a run, without the time: warnings, errors, files and their rows."""
    lines = [re.sub(r"^[0-9:]{8} ", "", line) for line in result.err.splitlines()]
    return [line for line in lines if any(f"{name}/" in line or f"{name}_" in line for name in NAMES)]


def test_what_is_said_does_not_depend_on_which_thread_is_first(place: Path) -> None:
    """SPEC 9, X1: the first run of a group is written last: warnings, errors, outcomes and files are those of a run
    that one thread writes, and come in the order of the runs.
    """
    one, two = shop_of(place / "one" / "shop"), shop_of(place / "two" / "shop")
    with mock.patch.object(threads, "CORES", 1):
        expected, alone, outcomes = told(one, fails="c")
    found, writing, others = told(two, fails="c")
    assert alone.ended == list(NAMES)
    assert alone.threads == {"MainThread"}
    assert writing.ended[-1] == NAMES[0]
    assert "MainThread" not in writing.threads
    assert sum("lost values" in line for line in said(found)) == len(NAMES) - 1
    assert said(found) == said(expected)
    assert (found.code, others) == (expected.code, outcomes)
    names = [f"out/{name}" for name in one.files()]
    assert [two.tree("out").get(name) for name in names] == [one.tree("out")[name] for name in names]


def test_a_sync_that_fails_fails_the_run_alone(place: Path) -> None:
    """F3, SPEC 10, X1: a file that does not reach the disk fails the run, which says so and leaves nothing; the others
    are delivered, and the next command delivers the run.
    """
    shop = shop_of(place / "shop")
    result, _, outcomes = told(shop, fails="b")
    assert result.code == 1
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert errors == ["error: b/all: out/b: cannot be written: input/output error; nothing was delivered"]
    assert sorted(outcomes) == [(name, "failed" if name == "b" else "succeeded") for name in NAMES]
    assert not [path for path in (shop.root / "out/b").rglob("*") if path.is_file()]
    shop.run(SLOT)
    assert {name.partition("/")[0] for name in shop.files()} == set(NAMES)


def test_a_small_memory_limit_writes_one_run_at_a_time(place: Path) -> None:
    """SPEC 10: where the memory limit has no room for two writers, one thread writes all."""
    shop, writing = shop_of(place / "shop", memory_limit="1GiB"), Writing()
    writing._others.set()  # noqa: SLF001  # nobody waits
    with mock.patch.object(carry_out, "write_files", writing):
        shop.run(SLOT)
    assert (writing.ended, writing.threads) == (list(NAMES), {"MainThread"})


def test_an_interrupt_stops_both_writers(place: Path) -> None:
    """S5, SPEC 9: SIGTERM while two runs are written stops both before a further byte, and begins no other; the command
    leaves no file, says 143, and every slot is due again.
    """
    shop, write = shop_of(place / "shop"), carry_out.write_files
    both, ends = threading.Barrier(2), list[BaseException | None]()

    def interrupted(run: Any, *arguments: Any) -> Any:
        both.wait(PATIENCE)
        if run.destination == NAMES[1]:
            os.kill(os.getpid(), signal.SIGTERM)
        while not interrupts.requested():
            threading.Event().wait(0.001)
        try:
            written = write(run, *arguments)
        except BaseException as error:
            ends.append(error)
            raise
        ends.append(None)
        return written

    # A thread that still ends would have the deadline end this process, which runs other tests, too.
    alone = mock.patch.object(deadline, "_is_at_work", return_value=False)
    with mock.patch.object(carry_out, "write_files", interrupted), alone:
        assert shop.muster("run", "--at", SLOT).code == 143
    assert len(ends) == 2
    assert None not in ends
    assert not [path for path in (shop.root / "out").rglob("*") if path.is_file()]
    assert {(each["status"], each["error"]) for each in shop.runs()} == {
        ("failed", "interrupted before its files were complete; the slot stays due")
    }
    shop.run(SLOT)
    assert {name.partition("/")[0] for name in shop.files()} == set(NAMES)
