"""SFTP servers that may not do everything, disks that are full, networks that break: what is told, what is left, what
goes on (F3, S6).
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.servers import Sshd, proxy, sshd
from support.sftp_drop import AGAIN, FIRST, NAME, SECOND, big, check, content, drop_shop, names, send, staged
from support.shop import Shop

from muster.activation.stores import retrying
from muster.activation.stores.sftp.login import Login

ROOT = Path(__file__).parents[3]
USUAL = 60  # seconds that muster waits for an answer where no `timeout` says otherwise
PATIENCE = 300  # seconds that a test waits for what must come, on however slow a machine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long pauses."""
    monkeypatch.setattr(retrying, "_FIRST_PAUSE", 0.02)


def fails(shop: Shop, moment: str = FIRST) -> str:
    """What `run` says when the drop refuses: one message, exit 1; the run is to be gone on with."""
    result = shop.muster("run", "--at", moment)
    assert result.code == 1
    [said] = [line for line in result.err.splitlines() if not line.startswith("warning: ")]
    assert [run["status"] for run in shop.runs("drop/all")][-1:] == ["delivering"]
    return said


def steps(shop: Shop) -> tuple[dict[str, str | None], int]:
    """What `destinations check` finds: each step with what went wrong; and its exit code."""
    result = shop.muster("destinations", "check", "drop", "--json")
    [found] = result.json
    return {step["step"]: step["error"] for step in found["steps"]}, result.code


# Rights


def test_check_finds_everything_in_order(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: connects, writes, reads back, replaces, deletes; nothing stays but the folder."""
    shop = drop_shop(tmp_path / "shop", server)
    assert steps(shop) == (dict.fromkeys(["connect", "write", "read back", "replace", "delete"]), 0)
    assert content(server.folder) == {}
    assert not (shop.root / ".muster").exists()


LIMITS: dict[str, tuple[str, str, str]] = {
    "read only": ("-R", "write", "make the folder"),
    "no folders": ("-P mkdir", "write", "make the folder"),
    "no writing": ("-P write", "write", "write "),
    "no rename": ("-P rename", "write", "rename "),
    "no reading": ("-P read", "read back", "read "),
    "no replacing": ("-P posix-rename,remove", "replace", "delete "),
    "no deleting": ("-P remove", "delete", "delete "),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_check_names_the_right_that_is_missing(limit: str, tmp_path: Path) -> None:
    """SPEC 10: what the server does not let the user do is told by its name, and at which step."""
    option, step, what = LIMITS[limit]
    with sshd(tmp_path / "sshd", f"Subsystem sftp internal-sftp {option}") as server:
        found, code = steps(drop_shop(tmp_path / "shop", server))
    assert code == 1
    [*before, last] = found
    assert (last, [found[each] for each in before]) == (step, [None] * len(before))
    assert f"denies permission to {what}" in (found[last] or "")


@pytest.mark.parametrize("option", ["-R", "-P rename"])
def test_what_may_not_be_written_fails_alone(option: str, server: Sshd, tmp_path: Path) -> None:
    """SPEC 10, X1: a server that refuses to write or to rename fails its run; another destination is delivered; nothing
    is left there.
    """
    with sshd(tmp_path / "sshd", f"Subsystem sftp internal-sftp {option}") as strict:
        shop = drop_shop(tmp_path / "shop", strict)
        send(shop, "other", server)
        assert "the server denies permission to" in fails(shop)
        assert content(strict.folder) == {}
    check_run = [run["status"] for run in shop.runs("other/all")]
    assert check_run == ["succeeded"]
    assert len(names(server.folder)) == 1


def test_a_server_that_cannot_replace_in_one_step(tmp_path: Path) -> None:
    """F1: without OpenSSH's posix-rename the file before is removed, then the new one gets its name."""
    with sshd(tmp_path / "sshd", "Subsystem sftp internal-sftp -P posix-rename") as server:
        shop = drop_shop(tmp_path / "shop", server, file_name="latest")
        shop.run(FIRST)
        shop.run(SECOND)
        assert names(server.folder) == ["in/latest.csv"]
        check(shop, server.folder / "in")


def test_a_server_that_cannot_sync(tmp_path: Path) -> None:
    """F3: a server without fsync, or one that lets no modes be set, is written to all the same."""
    with sshd(tmp_path / "sshd", "Subsystem sftp internal-sftp -u 077 -P fsync,setstat,fsetstat") as server:
        shop = drop_shop(tmp_path / "shop", server)
        shop.set(file_mode="0644")
        shop.run(FIRST)
        assert (server.folder / "in" / NAME).stat().st_mode & 0o777 == 0o600
        check(shop, server.folder / "in")


def test_the_umask_of_a_server_does_not_count(tmp_path: Path) -> None:
    """F6: files and folders have the modes that `file_mode` says."""
    with sshd(tmp_path / "sshd", "Subsystem sftp internal-sftp -u 077") as server:
        shop = drop_shop(tmp_path / "shop", server)
        shop.set(file_mode="0664")
        shop.run(FIRST)
        assert {path.stat().st_mode & 0o777 for path in (server.folder / "in").iterdir()} == {0o664}
        assert (server.folder / "in").stat().st_mode & 0o777 == 0o775


def test_a_full_disk(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: the run fails and says so, nothing is left there, the other destination is delivered."""
    with sshd(tmp_path / "sshd", room=200_000) as full:
        shop = drop_shop(tmp_path / "shop", full, retries=3)
        big(shop, 1_000_000)
        send(shop, "other", server)
        said = fails(shop)
        assert "the server cannot write" in said
        assert "its disk may be full" in said
        assert "tried" not in said
        assert content(full.folder) == {}
        [other] = shop.runs("other/all")
        assert other["status"] == "succeeded"
        big(shop, 1_000_000)
        assert "write" in fails(shop, AGAIN)


# Networks


def test_a_connection_that_breaks_in_the_middle(server: Sshd, tmp_path: Path) -> None:
    """F3: the file is sent again from its beginning, over a new connection; it is whole and nothing is left
    beside it.
    """
    with proxy(server.port) as network:
        server.trust(network.port)
        network.cut = {0: 700_000, 1: 300_000}
        shop = drop_shop(tmp_path / "shop", server, url=server.url("/in", network.port), retries=2)
        big(shop, 1_500_000)
        result = shop.ok("-v", "run", "--at", FIRST)
    assert network.connections == 3
    assert result.err.count("trying again in") == 2
    assert len(check(shop, server.folder / "in")) == 1


@pytest.mark.parametrize("sent", [2_000, 5_000, 7_000, 9_000])
def test_a_connection_that_breaks_anywhere(server: Sshd, tmp_path: Path, sent: int) -> None:
    """F3, S6: also while it connects, looks, renames, or writes the manifest."""
    with proxy(server.port) as network:
        server.trust(network.port)
        network.cut = {0: sent}
        shop = drop_shop(tmp_path / "shop", server, url=server.url("/in", network.port), retries=1, max_rows_per_file=2)
        shop.run(FIRST)
    assert network.connections == 2
    assert len(check(shop, server.folder / "in")) == 1


def test_a_server_that_falls_silent_costs_the_others_nothing(server: Sshd, tmp_path: Path) -> None:
    """S6, SPEC 10: while it does not answer, the other destination is delivered; its own run ends after `timeout`."""
    with proxy(server.port) as network:
        server.trust(network.port)
        network.dead = True
        shop = drop_shop(tmp_path / "shop", server, url=server.url("/silent", network.port), timeout="10m")
        send(shop, "other", server)

        def hang_up() -> None:
            wait_until(lambda: list((server.folder / "in").glob("manifest-*")))
            network.hang_up()

        with running_beside(hang_up):
            fails(shop)
        send(shop, "drop", server, url=server.url("/silent", network.port), timeout="2s")
        began = time.monotonic()
        said = fails(shop, AGAIN)
        took = time.monotonic() - began
    assert "no answer" in said or "the connection broke" in said
    assert 2.0 <= took < USUAL


def test_a_server_that_falls_silent_in_the_middle(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: the same after half of a file."""
    with proxy(server.port) as network:
        server.trust(network.port)
        network.delay = 0.003
        shop = drop_shop(tmp_path / "shop", server, url=server.url("/in", network.port), timeout="1s")
        big(shop, 3_000_000)

        def silence() -> None:
            wait_until(lambda: growing(server))
            network.dead = True

        with running_beside(silence):
            began = time.monotonic()
            fails(shop)
        assert time.monotonic() - began < USUAL
        network.dead, network.delay = False, 0
        shop.run(AGAIN)
    assert len(check(shop, server.folder / "in")) == 1


def test_what_could_not_be_delivered_is_delivered_later(server: Sshd, tmp_path: Path) -> None:
    """S6: retries used up, the run stays `delivering`, its files wait here; the next `run` brings the same bytes under
    the same names.
    """
    with proxy(server.port) as network:
        server.trust(network.port)
        shop = drop_shop(
            tmp_path / "shop", server, url=server.url("/in", network.port), retries=2, timeout="1s", max_rows_per_file=3
        )
        send(shop, "calm", server, url=server.url("/calm"), file_name="drop_all_{datetime}", max_rows_per_file=3)
        network.cut = dict.fromkeys(range(3), 100)
        assert fails(shop).endswith("; tried 3 times")
        assert network.connections == 3
        assert names(server.folder / "in") == []
        assert len(staged(shop)) == 2
        shop.profiles("2026-11-20", [{"profile_id": "z", "email": "z@x.com", "vip": False}])  # what it holds is settled
        shop.run(AGAIN)
    there, calm = server.folder / "in", server.folder / "calm"
    assert {name: (there / name).read_bytes() for name in names(there)} == {
        name: (calm / name).read_bytes() for name in names(calm)
    }
    assert len(names(there)) == 2
    check(shop, there, calm)


def test_an_idle_connection_is_made_anew(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 10: a connection that lay idle may be gone; that is no failure, with no retry left either."""
    monkeypatch.setattr(Login, "patience", 0.0)
    with proxy(server.port) as network:
        server.trust(network.port)
        shop = drop_shop(tmp_path / "shop", server, url=server.url("/in", network.port))
        shop.run(FIRST)
        assert network.connections == 2  # for the file, for the manifest
    check(shop, server.folder / "in")


# Being stopped


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_upload_is_stopped(server: Sshd, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """SPEC 9: in the middle of an upload: soon, without a word; the next run delivers it whole."""
    with proxy(server.port) as network:
        server.trust(network.port)
        shop = drop_shop(tmp_path / "shop", server, url=server.url("/in", network.port))
        big(shop, 10_000_000)
        network.stand_still(120)  # pieces: some dozens for the connection, the others of 160 and more of the file
        command = [sys.executable, "-m", "muster.cli", "-C", str(shop.root), "run", "--at", FIRST]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            wait_until(lambda: network.stands.is_set() or running.poll() is not None)
            grown = growing(server)
            running.send_signal(number)
            said = running.communicate(timeout=PATIENCE)  # the network stands still until then
        network.go_on()
        assert grown
        assert (running.returncode, said) == (code, ("", ""))
        assert names(server.folder) == []
        shop.run(AGAIN)
    assert len(check(shop, server.folder / "in")) == 1


def growing(server: Sshd) -> bool:
    """Whether a temporary file has something in it."""
    return any(path.stat().st_size for path in server.folder.rglob(".*.tmp"))


def wait_until(come: Callable[[], object]) -> None:
    """Until something has come about."""
    until = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)


class running_beside:  # noqa: N801  # reads as a statement
    """Something that is done in another thread meanwhile."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
