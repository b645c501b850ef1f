"""One version of the inputs per command (D2): files that are replaced, rewritten or removed while they are read."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from support.shop import Result, Shop, invoke, process

from muster.activation.errors import DataError
from muster.activation.evaluation import evaluate
from muster.activation.inputs.open_files import OpenFiles
from muster.activation.inputs.parquet import Part, read_part, refuse_rewritten
from muster.activation.inputs.paths import InputPath, Inputs
from muster.activation.inputs.table import table_of
from muster.activation.mapping.profile_values import ProfileValues

PEOPLE = 200
DAY = "data/profiles/2026-11-20"


def version_of(number: int, part: int) -> pl.DataFrame:
    """A part of a snapshot, whose every row has the number of its version."""
    ids = [f"p{part}-{each:04}" for each in range(PEOPLE)]
    return pl.DataFrame({"profile_id": ids, "version": [number] * PEOPLE})


def renamed(path: Path, frame: pl.DataFrame) -> None:
    """Replace a file as writers should: a new one is renamed over the old one."""
    new = path.parent / f"_{path.name}"
    frame.write_parquet(new)
    new.rename(path)


def shop_of(folder: Path, parts: int) -> Shop:
    """A workspace whose snapshot of 20 November has so many parts, all of version 1; everybody is exported at 05:00."""
    shop = Shop(folder)
    for part in range(parts):
        shop.profiles("2026-11-20", version_of(1, part), f"part-{part}")
    shop.audience("all", where="version > 0")
    shop.crm(export="full", mapping=["profile_id", "version"])
    shop.ok("evaluate", "--at", "2026-11-20T02:00Z")
    return shop


@contextmanager
def meanwhile(change: Callable[[], None]) -> Iterator[None]:
    """Change the inputs once, after they were opened and before an export reads the values of profiles."""
    changed: list[bool] = []

    def after_change(read: Callable[..., object]) -> Callable[..., object]:
        def changing(*arguments: object, **named: object) -> object:
            if not changed:
                changed.append(True)
                change()
            return read(*arguments, **named)

        return changing

    ways = {name: after_change(getattr(ProfileValues, name)) for name in ("of", "shared_text")}
    with mock.patch.multiple(ProfileValues, **ways):
        yield
    assert changed


def versions_sent(shop: Shop) -> set[str]:
    """The versions that the rows of the newest delivered file have."""
    return {line.partition(",")[2] for line in shop.sent("crm/all")}


def run(shop: Shop, change: Callable[[], None]) -> Result:
    """`muster run` while the inputs change."""
    with meanwhile(change):
        return shop.muster("run", "--at", "2026-11-20T06:00Z")


@pytest.mark.parametrize("parts", [1, 3])
def test_a_snapshot_that_is_replaced_as_a_whole_is_read_as_it_was(tmp_path: Path, parts: int) -> None:
    """D2: each file that is renamed over is read on as it was opened, and the file sent is of one version."""
    shop = shop_of(tmp_path, parts)

    def replace() -> None:
        for part in range(parts):
            renamed(tmp_path / DAY / f"part-{part}.parquet", version_of(2, part))

    assert run(shop, replace).code == 0
    assert versions_sent(shop) == {"1"}
    assert len(shop.sent("crm/all")) == parts * PEOPLE


def test_a_snapshot_that_is_removed_is_read_as_it_was(tmp_path: Path) -> None:
    """D2: files that are taken away meanwhile are read to their end."""
    shop = shop_of(tmp_path, 2)
    shop.profiles("2026-11-19", version_of(0, 0))
    assert run(shop, lambda: shutil.rmtree(tmp_path / DAY)).code == 0
    assert versions_sent(shop) == {"1"}


def _replaces_one(shop: Shop) -> None:
    renamed(shop.root / DAY / "part-1.parquet", version_of(2, 1))


def _adds_one(shop: Shop) -> None:
    renamed(shop.root / DAY / "part-9.parquet", version_of(2, 9))


def _removes_one(shop: Shop) -> None:
    (shop.root / DAY / "part-1.parquet").unlink()


def _fills_one(shop: Shop) -> None:
    (shop.root / DAY / "000000000001").write_bytes((shop.root / DAY / "part-1.parquet").read_bytes())


@pytest.mark.parametrize("change", [_replaces_one, _adds_one, _removes_one, _fills_one])
def test_a_snapshot_that_changes_in_part_fails_the_run(tmp_path: Path, change: Callable[[Shop], None]) -> None:
    """D2: files replaced one after another may be of two versions: the run fails, and its slot stays due."""
    shop = shop_of(tmp_path, 3)
    (tmp_path / DAY / "000000000001").touch()
    failed = run(shop, lambda: change(shop))
    assert failed.code == 1
    assert "may be of two versions" in " ".join(failed.err.split())
    assert "part-" in failed.err or "000000000001: some files" in failed.err
    assert not shop.files()
    (tmp_path / DAY / "000000000001").unlink()
    assert shop.ok("run", "--at", "2026-11-20T06:00Z")
    assert [each["status"] for each in shop.runs()] == ["succeeded"]


def test_a_file_that_is_no_part_may_change(tmp_path: Path) -> None:
    """D2: a log beside the parts is of no version."""
    shop = shop_of(tmp_path, 2)
    log = tmp_path / DAY / "job.log"
    log.write_text("it begins\n")
    done = run(shop, lambda: log.write_text("it has ended well\n") and None)
    assert done.code == 0
    assert f"{DAY}: job.log is not read" in done.err
    assert versions_sent(shop) == {"1"}


def test_nobody_is_warned_of_a_file_that_is_a_part_in_the_end(tmp_path: Path) -> None:
    """D2: a file that was empty at first, and whole before the snapshot was opened, is read without a word."""
    shop = shop_of(tmp_path, 2)
    part = tmp_path / DAY / "000000000001"
    part.touch()
    read = Inputs.read

    def slowly(inputs: Inputs, files: Sequence[InputPath]) -> list[Part]:
        if not part.stat().st_size:
            version_of(1, 7).write_parquet(part)
        return read(inputs, files)

    with mock.patch.object(Inputs, "read", slowly):
        done = shop.evaluate("2026-11-20T03:00Z")
    assert not done.err
    assert len(shop.memberships()) == 3 * PEOPLE


@pytest.mark.parametrize("parts", [1, 3])
def test_a_file_that_is_rewritten_in_place_fails_the_run(tmp_path: Path, parts: int) -> None:
    """D2: a file that is written to while it is read fails the run with that reason; it is not called damaged."""
    shop = shop_of(tmp_path, parts)
    failed = run(shop, lambda: version_of(2, 0).write_parquet(tmp_path / DAY / "part-0.parquet"))
    assert failed.code == 1
    assert "the file was written to while muster read it" in failed.err
    assert "damaged" not in failed.err
    assert not shop.files()


def test_a_file_that_is_rewritten_with_its_old_times_is_noticed(tmp_path: Path) -> None:
    """D2: a writer that sets a file's size and time as they were is noticed by the footer."""
    path = tmp_path / "part.parquet"
    version_of(1, 0).write_parquet(path, compression="uncompressed")
    files, before = OpenFiles(), path.stat()
    file = files.open(path)
    part = read_part(file.readable, "part.parquet", file)
    refuse_rewritten([part])
    version_of(2, 0).write_parquet(path, compression="uncompressed")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with pytest.raises(DataError, match="written to while muster read it"):
        refuse_rewritten([part])
    files.close()


def test_nothing_is_recorded_of_an_evaluation_whose_snapshot_changed(tmp_path: Path) -> None:
    """D2: an evaluation that may have read two versions is refused before it is recorded."""
    shop = shop_of(tmp_path, 2)
    store = evaluate.store_in_blocks

    def changing(*arguments: object, **named: object) -> object:
        _replaces_one(shop)
        return store(*arguments, **named)  # type: ignore[arg-type]

    with mock.patch.object(evaluate, "store_in_blocks", changing):
        failed = shop.muster("evaluate", "--at", "2026-11-20T03:00Z")
    assert failed.code == 2
    assert "may be of two versions" in failed.err
    assert [each["evaluated_at"] for each in shop.ok("evaluations", "list", "--json").json] == ["2026-11-20T02:00:00Z"]


def test_a_request_on_demand_is_of_one_version(tmp_path: Path) -> None:
    """D2, X7: an export on demand reads the files of its evaluation as it opened them."""
    shop = shop_of(tmp_path, 2)
    with meanwhile(lambda: _replaces_one(shop)):
        shop.ok("export", "crm/all", "--at", "2026-11-20T03:00Z")
    [file] = shop.files()
    assert {row["version"] for row in shop.rows(file)} == {"1"}


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    """D2: a file that is not whole because a writer is at it is not called damaged."""
    shop = shop_of(tmp_path, 1)
    path = tmp_path / DAY / "part-0.parquet"
    whole = path.read_bytes()
    command = [sys.executable, "-c", _SLOW_WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin
        assert writer.stdout
        writer.stdin.write(whole)
        writer.stdin.close()
        assert writer.stdout.readline()  # half of the file is there
        shop.ok("run", "--at", "2026-11-20T06:00Z")
        assert writer.wait() == 0
    assert versions_sent(shop) == {"1"}


_SLOW_WRITER = """
import sys, time
content = sys.stdin.buffer.read()
with open(sys.argv[1], "wb", buffering=0) as file:
    step = len(content) // 10
    for start in range(0, len(content), step):
        file.write(content[start:start + step])
        if start == 5 * step: print("half", flush=True)
        time.sleep(0.1)
"""

_REPLACING = """
import sys, time
from pathlib import Path
sys.path[:0] = [sys.argv[1], f"{sys.argv[1]}/activation/inputs", str(Path(sys.argv[1]).parent)]
from test_one_version import version_of
folder, parts, in_place = Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
number = 1
while True:
    number += 1
    names = [folder / f"part-{part}.parquet" for part in range(parts)]
    for part, path in enumerate(names):
        version_of(number, part).write_parquet(path if in_place else path.with_name("_" + path.name))
    for path in names if not in_place else []:
        path.with_name("_" + path.name).rename(path)
    if number == 2: print("at work", flush=True)
    time.sleep(0.05)
"""


@pytest.mark.parametrize(("parts", "in_place"), [(1, False), (3, False), (2, True)])
def test_no_file_has_rows_of_two_versions(tmp_path: Path, parts: int, *, in_place: bool) -> None:
    """D2: while a process replaces the snapshot every 50 ms, each file that is sent is of one version, and whole."""
    shop = shop_of(tmp_path, parts)
    shop.set(evaluation={"schedule": {"every": "1h"}})
    shop.crm(export="full", mapping=["profile_id", "version"], schedule={"every": "1h"})
    tests = Path(__file__).parents[2]
    command = [sys.executable, "-c", _REPLACING, str(tests), str(tmp_path / DAY), str(parts), str(in_place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout
            assert writer.stdout.readline()
            times = [f"2026-11-20T{hour:02}:30Z" for hour in range(6, 9 if in_place else 12)]
            # A file that shrinks while it is mapped can end the process that reads it: that must not be this one.
            call = process if in_place else invoke
            codes = [call("-C", str(tmp_path), "run", "--at", time).code for time in times]
        finally:
            writer.kill()
    if not in_place:
        assert codes == [0] * 6
    for file in shop.files():
        rows = shop.rows(file)
        assert len(rows) == parts * PEOPLE
        assert len({row["version"] for row in rows}) == 1


def test_files_past_the_limit_of_open_files_are_compared_by_their_names(tmp_path: Path) -> None:
    """D2: where a process may not hold all files open, one that is replaced counts as written to."""
    paths = [tmp_path / f"{each}.parquet" for each in range(40)]
    for path in paths:
        version_of(1, 0).write_parquet(path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with mock.patch.object(resource, "getrlimit", return_value=(64, 64)):
        files = OpenFiles()
        opened = [files.open(path) for path in paths]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    assert {each.descriptor is None for each in opened} == {True, False}
    parts = [read_part(each.readable, each.path.name, each) for each in opened]
    assert table_of(parts).frame().collect().height == 40 * PEOPLE
    refuse_rewritten(parts)
    renamed(paths[0], version_of(2, 0))  # held open
    refuse_rewritten(parts)
    renamed(paths[-1], version_of(2, 0))
    with pytest.raises(DataError, match=r"39\.parquet"):
        refuse_rewritten(parts)
    files.close()


def test_few_open_files_are_enough(tmp_path: Path) -> None:
    """SPEC 9: under `ulimit -n 64`, many parts are read."""
    shop = shop_of(tmp_path, 100)
    script = 'ulimit -n 64; exec "$0" -m muster.cli -C "$1" run --at 2026-11-20T06:00Z'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert len(shop.sent("crm/all")) == 100 * PEOPLE


def test_no_file_is_left_open(tmp_path: Path) -> None:
    """D2: what a command held open is closed at its end."""
    shop = shop_of(tmp_path, 3)
    shop.ok("run", "--at", "2026-11-20T06:00Z")
    held = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    assert not [each for each in held if str(tmp_path) in each and each.endswith(".parquet")]
