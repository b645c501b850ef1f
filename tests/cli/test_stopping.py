"""SIGTERM and Ctrl-C stop a command cleanly and soon, in the middle of native code too (SPEC 9: exit 130, 143)."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from support.reader_audit import audit, ledger
from support.shop import Shop, process, quick_folder

from muster.activation.system import interrupts
from muster.cli.app import TerminatedError

ROOT = Path(__file__).parents[2]
PEOPLE = 200_000
SOON = 8.0  # seconds of work after a signal: two are promised on two cores; the work that is stopped takes far longer
PATIENCE = 300  # seconds that a test waits for what must come, on however slow a machine
RUN = ("run", "--at", "2026-11-21T06:00Z")
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.fixture(scope="module")
def slow() -> Iterator[Shop]:
    """A workspace whose one rule takes a minute of Polars' time, and whose file then takes a while too."""
    with quick_folder() as place:
        shop = Shop(place / "shop", evaluation={"schedule": {"at": "02:00"}})
        frame = pl.DataFrame({"number": range(PEOPLE)})
        profile_id = pl.format("p{}", "number")
        shop.profiles(
            "2026-11-21", frame.select(profile_id=profile_id, text=pl.lit("aé" * 100), noise=pl.col("number").hash())
        )
        shop.audience("slow", where=" OR ".join(f"NORMALIZE(text || '{number}', NFKD) = 'x'" for number in range(8)))
        shop.audience("all", where="noise IS NOT NULL")
        shop.destination(
            "crm",
            mapping=["profile_id", "text", "noise"],
            compression="gzip",
            activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
        )
        yield shop


def _work_of(pid: int) -> float:
    """How many seconds of CPU time a process has used: on a busy machine the clock goes on and it does not."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _work_of_ended() -> float:
    """How many seconds of CPU time all ended processes of this one have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _stop(
    shop: Shop, number: signal.Signals, when: Callable[[], bool], work: float
) -> tuple[subprocess.CompletedProcess[str], float]:
    """`muster run`, stopped so many seconds of work after a condition holds; how it ended, and how many seconds of work
    after the signal.
    """
    before = _work_of_ended()
    command = [sys.executable, "-m", "muster.cli", "-C", str(shop.root), *RUN]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        while not when() and running.poll() is None:
            time.sleep(0.01)
        begun = _work_of(running.pid)
        while running.poll() is None and _work_of(running.pid) < begun + work:
            time.sleep(0.01)
        assert running.poll() is None, "it was over before it could be stopped"
        running.send_signal(number)
        asked = _work_of(running.pid)
        out, err = running.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(command, running.returncode, out, err), _work_of_ended() - before - asked


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_long_evaluation_is_stopped(slow: Shop, number: signal.Signals, code: int) -> None:
    """SPEC 9: in the middle of one long call into Polars: soon, without a word, and as if nothing had been begun."""
    before = slow.tree("out") if (slow.root / "out").exists() else {}
    ended, took = _stop(slow, number, (slow.root / ".muster/lock").exists, 1.5)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")
    assert took < SOON
    assert (slow.tree("out") if (slow.root / "out").exists() else {}) == before
    assert process("-C", str(slow.root), "runs", "list", "--json").json == []


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_long_write_is_stopped(slow: Shop, number: signal.Signals, code: int) -> None:
    """SPEC 9, F3: while a large file is written: soon, without a word; no partial file, and the next command delivers
    it whole.
    """
    with quick_folder() as place:
        shop = Shop(place / "shop", **slow.settings)
        (shop.root / "data").symlink_to(slow.root / "data")
        shop.audience("all", where="noise IS NOT NULL")
        (shop.root / "destinations").symlink_to(slow.root / "destinations")
        out = shop.root / "out/crm"
        ended, took = _stop(shop, number, lambda: any(path.stat().st_size for path in out.glob(".*.tmp")), 0)
        assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")
        assert took < SOON
        assert not list(out.glob("[!.]*"))
        shop.run("2026-11-21T06:05Z")
        [delivery] = audit(shop.root, out)
        assert len(delivery.rows or ()) == PEOPLE
        with closing(ledger(shop.root / ".muster")) as known:
            assert [tuple(row) for row in known.execute("SELECT status, attempts FROM runs")] == [("succeeded", 2)]


LOADING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from muster.cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["muster.activation.errors", "typer", "muster.cli.commands"])
def test_what_is_being_loaded_is_stopped(module: str) -> None:
    """SPEC 9, 10: Ctrl-C before the command begins ends it without a word too: exit 130, and no traceback."""
    command = [sys.executable, "-c", LOADING, module, "plan"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


DEAF = """
import sys, time
from muster.activation.profiles.roster import Roster

def deaf(*_, **__):
    sys.stdout.write("deaf"); sys.stdout.flush()
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            time.sleep(600)
        except BaseException:
            pass

Roster.keep = deaf
from muster.cli.main import main
main()
"""


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_what_does_not_stop_is_ended(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """SPEC 9, S6: a step that hears nothing, in a thread of its own, is ended in time, as by a kill; the next command
    does its work.
    """
    shop = Shop(tmp_path / "shop", evaluation={"schedule": {"at": "02:00"}})
    shop.profiles("2026-11-21", [{"profile_id": "a"}])
    shop.audience("all", where="true")
    shop.destination(
        "crm", mapping=["profile_id"], activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}]
    )
    command = [sys.executable, "-c", DEAF, "-C", str(shop.root), *RUN]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdout.read(4) == b"deaf"
        running.send_signal(number)
        assert running.wait(PATIENCE) == code
    shop.run("2026-11-21T06:05Z")
    assert [delivery.slot for delivery in audit(shop.root, shop.root / "out/crm")] == ["2026-11-21T05:00:00Z"]


@pytest.mark.parametrize(("wish", "code"), [(TerminatedError(), 143), (KeyboardInterrupt(), 130)])
def test_a_signal_inside_a_call_into_polars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: BaseException, code: int
) -> None:
    """SPEC 9: what a signal's handler raises while Polars calls Python comes out as a panic: exit 143 or 130 all the
    same.
    """
    shop = Shop(tmp_path)

    def run(*_: object, **__: object) -> None:
        interrupts.request(wish)
        raise pl.exceptions.PanicException("called `Result::unwrap()` on an `Err` value")

    monkeypatch.setattr("muster.runs.run", run, raising=False)
    result = shop.muster("run")
    assert (result.code, result.err) == (code, "")
