"""Destinations that refuse, disks that fill up, commands that are stopped (SPEC 10, F3), tried through the real
command.

That run fails (exit 1), the others go on, and nothing partial is left: neither under a final name nor under a hidden
one.
"""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.refusals import ADHOC, AT, DAILY, EXPORT, PLAN, RUN, VALIDATE, changed, new_shop, refused, told, used_shop
from support.shop import Shop

from muster.activation.stores.folder import target as folder

ROOT = Path(__file__).parents[2]
NOON = ("run", "--at", "2026-11-21T12:00Z")
Spoil = Callable[[Path], object]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has evaluated and delivered; tests work on copies."""
    return used_shop(tmp_path_factory.mktemp("morning") / "shop").root


@pytest.fixture
def shop(tmp_path: Path, morning: Path) -> Shop:
    """A workspace with a state, in which only the exports are due."""
    shutil.copytree(morning, tmp_path / "shop")
    found = new_shop(tmp_path / "shop")
    found.set(evaluation={})
    return found


def hidden(shop: Shop) -> list[str]:
    """Temporary files at any destination."""
    return [path.name for path in (shop.root / "out").rglob(".*") if path.is_file()]


def only_others(shop: Shop, *arguments: str) -> str:
    """Run a command of which the runs to `crm` fail and those to `files` succeed; what stderr says."""
    before, rows = shop.tree("out/crm"), shop.ok("baseline", "show", "crm/all", "--json").json
    result = shop.muster(*arguments)
    assert result.code == 1, result
    assert changed(before, shop.tree("out/crm")) == []
    assert hidden(shop) == []
    assert shop.ok("baseline", "show", "crm/all", "--json").json == rows
    assert shop.runs("crm/all")[-1]["status"] == "failed"
    assert shop.runs("files/all")[-1]["status"] == "succeeded"
    assert shop.rows(shop.files("files")[-1])
    return told(result)


# A place that cannot be written


PLACES: dict[str, tuple[Spoil, str, str]] = {
    "a file": (lambda root: (root / "place").write_text("x"), "place", "place: is a file; expected a folder"),
    "below a file": (
        lambda root: (root / "place").write_text("x"),
        "place/crm",
        "place/crm: place is a file; expected a folder",
    ),
    "a broken link": (
        lambda root: (root / "place").symlink_to("/nowhere"),
        "place",
        "place: is a link to a file or folder that does not exist",
    ),
    "no such device": (
        lambda _root: None,
        "/proc/nowhere",
        "/proc/nowhere: cannot be written: no such file or directory; nothing was delivered",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_is_no_folder_fails_its_runs_alone(shop: Shop, place: str) -> None:
    """SPEC 10: a destination that cannot be written fails its runs, exit 1, with its url and the reason; the others are
    delivered.
    """
    spoil, url, expected = PLACES[place]
    shop.destination("crm", url=url, mapping=["profile_id", "email"], activations=[DAILY, ADHOC])
    spoil(shop.root)
    before = shop.tree()
    if place != "no such device":
        assert refused(shop, *VALIDATE) == f"error: crm/all, crm/adhoc: {expected}"
        planned = shop.muster(*PLAN)
        assert (planned.code, told(planned)) == (1, f"error: crm/all: {expected}")
    demanded = shop.muster(*EXPORT)
    assert (demanded.code, told(demanded)) == (1, f"error: crm/adhoc: {expected}")
    result = shop.muster(*RUN)
    assert (result.code, told(result)) == (1, f"error: crm/all: {expected}")
    allowed = (".muster/ledger", ".muster/baselines/files", "out/files")
    assert [name for name in changed(before, shop.tree()) if not name.startswith(allowed)] == []
    assert shop.runs("files/all")[-1]["status"] == "succeeded"


def test_a_failed_run_is_delivered_once_the_place_is_there(shop: Shop) -> None:
    """S5, SPEC 10: its slot stays due: the same run is tried again, under the same name, when the place can be
    written.
    """
    shop.destination("crm", url="place", mapping=["profile_id", "email"], activations=[DAILY])
    (shop.root / "place").write_text("x")
    shop.muster(*RUN)
    failed = shop.runs("crm/all")[-1]
    (shop.root / "place").unlink()
    shop.run("2026-11-21T12:00Z")
    done = shop.runs("crm/all")[-1]
    assert (done["run_id"], done["status"], done["attempts"]) == (failed["run_id"], "succeeded", 2)


def test_a_folder_under_the_final_name(shop: Shop) -> None:
    """F1, SPEC 10: a folder where the file belongs fails the run before a byte is written, with or without a time in
    the name.
    """
    (shop.root / "out/crm/crm_all_20261121T050000Z.csv").mkdir()
    assert (
        only_others(shop, *RUN)
        == "error: crm/all: out/crm/crm_all_20261121T050000Z.csv: a folder has the name of the file; move it away"
    )
    shop.destination("crm", file_name="latest-{activation}", mapping=["profile_id"], activations=[DAILY])
    (shop.root / "out/crm/latest-all.csv").mkdir()
    result = shop.muster(*NOON)
    assert (result.code, told(result)) == (
        1,
        "error: crm/all: out/crm/latest-all.csv: a folder has the name of the file; move it away",
    )
    assert hidden(shop) == []


def test_a_folder_under_the_manifests_name(shop: Shop) -> None:
    """F3: a reader must never see files whose manifest cannot come: the run fails before a byte is written."""
    planned = shop.ok(*PLAN, "--json").json
    run_id = next(step["run_id"] for step in planned if step["destination"] == "crm")
    name = f"manifest-shop-crm-{run_id}.json"
    (shop.root / "out/crm" / name).mkdir()
    assert only_others(shop, *RUN) == f"error: crm/all: out/crm/{name}: a folder has the name of the file; move it away"


def test_a_strangers_file_stays(shop: Shop) -> None:
    """F1: a file that this run did not plan is never replaced, whoever it belongs to."""
    place = shop.root / "out/crm/crm_all_20261121T050000Z.csv"
    place.write_text("somebody else's")
    said = only_others(shop, *RUN)
    expected = "another file already has this name, and muster does not overwrite it; move it away"
    assert said == f"error: crm/all: out/crm/crm_all_20261121T050000Z.csv: {expected}"
    assert place.read_text() == "somebody else's"


# What the system refuses while a file is written


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only file system"),
        (errno.ENOSPC, "no space left on device"),
        (errno.EDQUOT, "disk quota exceeded"),
        (errno.EIO, "input/output error"),
        (errno.ESTALE, "stale file handle"),
    ],
)
@pytest.mark.parametrize("step", ["make_folder", "create_file", "sync"])
def test_what_the_system_refuses_is_said(shop: Shop, step: str, number: int, words: str) -> None:
    """SPEC 10: whatever the system says while a file is made, written or synced: the run fails with its url and those
    words.
    """
    real = getattr(folder, step)

    def refuse(path: Path, *rest: Any) -> Any:
        if "out/crm" in str(path):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *rest)

    with mock.patch(f"muster.activation.stores.folder.target.{step}", refuse):
        assert only_others(shop, *RUN) == f"error: crm/all: out/crm: cannot be written: {words}; nothing was delivered"


def test_a_folder_without_permission(shop: Shop) -> None:
    """SPEC 10: a folder that may not be written is found before anything is written, by `validate` too."""
    with mock.patch("muster.activation.stores.folder.target.os.access", lambda path, _mode: "crm" not in str(path)):
        assert (
            refused(shop, *VALIDATE)
            == "error: crm/all, crm/us, crm/adhoc: out/crm: cannot be written: permission denied"
        )
        assert only_others(shop, *RUN) == "error: crm/all: out/crm: cannot be written: permission denied"


def test_a_place_that_fails_after_the_files_are_complete(shop: Shop) -> None:
    """F3, S6: refused while files become visible, the run stays `delivering`, says so, and the next command finishes
    it.
    """
    real = os.replace

    def refuse(source: Any, target: Any) -> None:
        if "manifest" in str(target) and "out/crm" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))
        real(source, target)

    with mock.patch("os.replace", refuse):
        result = shop.muster(*RUN)
    assert result.code == 1
    expected = (
        "out/crm: cannot be written: no space left on device; the run is not finished; the next command goes on with it"
    )
    assert told(result) == f"error: crm/all: {expected}"
    left = shop.runs("crm/all")[-1]
    assert (left["status"], left["error"]) == ("delivering", expected)
    assert hidden(shop) == []
    assert not list((shop.root / "out/crm").glob(f"manifest*{left['run_id']}*")), (
        "without its manifest a reader does not take the files"
    )
    shop.run(AT)
    done = shop.runs("crm/all")[-1]
    assert (done["run_id"], done["status"], done["files"]) == (left["run_id"], "succeeded", left["files"])


# A disk that fills up


def big(shop: Shop, count: int = 20_000) -> None:
    """Many profiles: files of about 1 MB."""
    frame = pl.DataFrame({"profile_id": [f"p{number:06d}" for number in range(count)]})
    noise = pl.col("profile_id").hash().cast(pl.String)
    shop.profiles(
        "2026-11-21", frame.with_columns(email=noise + "@example.com", country=pl.lit("US"), year=pl.lit(1980))
    )


@pytest.mark.parametrize(
    "options",
    [
        {"format": "csv"},
        {"format": "json", "compression": "gzip"},
        {"format": "parquet"},
        {"format": "csv", "max_rows_per_file": 5000},
    ],
    ids=["csv", "json.gz", "parquet", "parts"],
)
def test_a_full_disk_fails_the_run_and_leaves_nothing(shop: Shop, options: dict[str, Any]) -> None:
    """SPEC 10: the disk is full in the middle of a file: exit 1, the url and the reason, nothing partial; a small file
    still goes out.
    """
    big(shop)
    shop.audience("few", where="profile_id < 'p000003'")
    shop.evaluate("2026-11-21T03:00Z", "--no-exports")
    shop.destination("crm", mapping=["profile_id", "email"], activations=[DAILY], **options)
    shop.destination("files", mapping=["profile_id"], activations=[{**DAILY, "audience": "few", "id": "all"}])
    before = shop.tree("out/crm")
    result = limited(shop, 200_000)  # more than the ledger takes
    assert result.returncode == 1, result.stderr
    assert result.stderr == "error: crm/all: out/crm: cannot be written: file too large; nothing was delivered\n"
    assert changed(before, shop.tree("out/crm")) == []
    assert hidden(shop) == []
    assert shop.runs("files/all")[-1]["status"] == "succeeded"
    assert shop.runs("crm/all")[-1]["status"] == "failed"


def limited(shop: Shop, size: int) -> subprocess.CompletedProcess[str]:
    """`muster run` as a process that may write no file beyond a size but the ledger, as on a disk with little room."""
    command = [sys.executable, "-m", "muster.cli", "-C", str(shop.root), *RUN]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False, preexec_fn=limit
    )


# A small disk of its own, where the machine lets the tests have one


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=False, capture_output=True
    ).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def leave(disk: Path, room: int) -> None:
    """Fill the disk but for some bytes, in whole pages."""
    (disk / "filler").unlink(missing_ok=True)
    status = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - room)))


@pytest.mark.parametrize("room", [0, 4096, 100_000, 800_000])
def test_a_destination_on_a_full_disk(shop: Shop, disk: Path, room: int) -> None:
    """SPEC 10: a disk with room for nothing, a part of the file or nearly all of it: exit 1, nothing partial; later it
    goes out whole.
    """
    big(shop)
    shop.evaluate("2026-11-21T03:00Z", "--no-exports")
    shop.destination("crm", url=str(disk / "crm"), mapping=["profile_id", "email"], activations=[DAILY])
    leave(disk, room)
    result = shop.muster(*RUN)
    assert result.code == 1
    assert (
        told(result) == f"error: crm/all: {disk}/crm: cannot be written: no space left on device; nothing was delivered"
    )
    assert [path.name for path in disk.rglob("*") if path.is_file()] == ["filler"]
    assert shop.runs("files/all")[-1]["status"] == "succeeded"
    (disk / "filler").unlink()
    shop.run("2026-11-21T12:00Z")
    assert (shop.runs("crm/all")[-1]["realized"], shop.runs("crm/all")[-1]["attempts"]) == (20_000, 2)


def test_a_disk_without_room_for_the_manifest(shop: Shop, disk: Path) -> None:
    """F3, S6: the files fit and the manifest does not: the run is not finished, no manifest tells of it, and the next
    command ends it.
    """
    shop.destination("crm", url=str(disk / "crm"), mapping=["profile_id"], activations=[DAILY])
    leave(disk, 4096)
    result = shop.muster(*RUN)
    assert result.code == 1
    assert "no space left on device; the run is not finished; the next command goes on with it" in told(result)
    assert shop.runs("crm/all")[-1]["status"] == "delivering"
    assert not list((disk / "crm").glob("manifest*"))
    assert not list((disk / "crm").glob(".*"))
    (disk / "filler").unlink()
    shop.run(AT)
    assert shop.runs("crm/all")[-1]["status"] == "succeeded"
    assert len(list((disk / "crm").glob("manifest*"))) == 1


@pytest.mark.parametrize("room", [0, 4096, 12_288, 40_960, 102_400])
def test_a_state_on_a_full_disk(tmp_path: Path, disk: Path, room: int) -> None:
    """SPEC 10: however little room the state has, a command fails cleanly, and once there is room everything is as if
    it never had.
    """
    shop = new_shop(tmp_path / "shop")
    shop.set(state=str(disk / "state"))
    shop.run("2026-11-20T06:00Z")
    big(shop)
    leave(disk, room)
    result = shop.muster(*RUN)
    assert result.code in {1, 2}
    assert "no space left on device" in told(result) or "database or disk is full" in told(result)
    assert hidden(shop) == []
    (disk / "filler").unlink()
    shop.run(AT)
    shop.run(AT)
    assert {each["id"]: each["realized"] for each in shop.ok("audiences", "list", "--json").json} == {
        "all": 20_000,
        "us": 20_000,
    }
    runs = [run for run in shop.runs() if run["scheduled_time"] >= "2026-11-21"]
    assert {run["status"] for run in runs} == {"succeeded"}
    assert {f"{run['destination']}/{run['activation']}": run["realized"] for run in runs} == dict.fromkeys(
        ("crm/all", "crm/us", "files/all"), 20_000
    )


@pytest.mark.parametrize("room", [0, 4096, 16_384, 65_536])
def test_a_first_state_on_a_full_disk(tmp_path: Path, disk: Path, room: int) -> None:
    """SPEC 10: a disk without room for a state at all: the command says so, and what it left is no obstacle."""
    shop = new_shop(tmp_path / "shop")
    shop.set(state=str(disk / "state"))
    leave(disk, room)
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code in {1, 2}
    assert "disk" in told(result) or "no space left" in told(result)
    (disk / "filler").unlink()
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T06:00Z")


def test_a_later_part_that_does_not_fit(shop: Shop) -> None:
    """SPEC 10, F2: the third part is refused: the two before it disappear with it."""
    shop.destination("crm", mapping=["profile_id"], max_rows_per_file=2, activations=[{**DAILY, "export": "full"}])
    real = folder.create_file

    def refuse(path: Path, mode: int) -> None:
        if path.name.endswith(".3.tmp"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, mode)

    with mock.patch("muster.activation.stores.folder.target.create_file", refuse):
        assert (
            only_others(shop, *RUN)
            == "error: crm/all: out/crm: cannot be written: no space left on device; nothing was delivered"
        )


# Commands that are stopped


SLOW = """
import time
from muster.activation.{package} import {module}

def slow(*_):
    time.sleep(600)

{module}.{step} = slow
from muster.cli.main import main
main()
"""


def stopped(
    shop: Shop, number: signal.Signals, step: str, when: Callable[[], bool]
) -> subprocess.CompletedProcess[str]:
    """`muster run` as a process in which one step takes very long, and which gets a signal as soon as it has come to
    that.
    """
    path, _, name = step.partition(":")
    package, _, module = path.rpartition(".")
    command = [sys.executable, "-c", SLOW.format(package=package, module=module, step=name), "-C", str(shop.root), *RUN]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        while not when() and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(number)
        out, err = running.communicate(timeout=300)
    return subprocess.CompletedProcess(command, running.returncode, out, err)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_nothing_partial(shop: Shop, number: signal.Signals, code: int) -> None:
    """SPEC 9, 10: Ctrl-C and SIGTERM end a run with 130 and 143, without a word, and without anything that a reader
    could take.
    """
    (shop.root / "destinations/files.yml").unlink()
    before = shop.tree("out")
    written = (shop.root / "out/crm").glob
    result = stopped(
        shop,
        number,
        "stores.folder.target:LocalTarget.sync",
        lambda: any(path.stat().st_size for path in written(".*.tmp")),
    )
    assert (result.returncode, result.stdout, result.stderr) == (code, "", "")
    assert shop.tree("out") == before
    run = shop.runs("crm/all")[-1]
    assert (run["status"], run["error"]) == ("failed", "interrupted before its files were complete; the slot stays due")
    shop.run("2026-11-21T12:00Z")
    assert [(each["run_id"], each["status"], each["attempts"]) for each in shop.runs("crm/all")[-1:]] == [
        (run["run_id"], "succeeded", 2)
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_first_command_that_is_stopped_leaves_no_state(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """SPEC 9: stopped while it evaluates for the first time, a command leaves no state folder to be taken for a
    history.
    """
    shop = new_shop(tmp_path / "shop")
    state = shop.root / ".muster"
    result = stopped(shop, number, "evaluation.evaluate:_record", (state / "ledger.sqlite").exists)
    assert (result.returncode, result.stdout, result.stderr) == (code, "", "")
    assert not state.exists()
    assert not (shop.root / "out").exists()
