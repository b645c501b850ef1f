"""Real refusals of the system, for everybody: permissions that bind root too, and limits that need no mount (SPEC 10,
X1, F3).

What fails says why, the others are delivered, and a later run heals it. Afterwards an audit finds nothing partial and
nothing left.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from support.permissions import limited_to, run
from support.reader_audit import Delivery, audit
from support.refusals import changed, told
from support.shop import Result, Shop

FIRST, AGAIN, LATER = "2026-11-20T06:00Z", "2026-11-20T06:10Z", "2026-11-21T06:00Z"
TEN = [f"d{number}" for number in range(10)]


@contextmanager
def mode(folder: Path, bits: int) -> Iterator[None]:
    """A folder with other permissions for a while."""
    former = folder.stat().st_mode
    folder.chmod(bits)
    yield
    folder.chmod(former)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Ten destinations that are each sent one audience a day, in two parts."""
    return of_ten(tmp_path / "shop")


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The same once the first day is delivered, to be copied."""
    made = of_ten(tmp_path_factory.mktemp("first") / "shop")
    made.run(FIRST)
    return made


@pytest.fixture
def delivered_once(first_day: Shop, tmp_path: Path) -> Shop:
    """A copy of it."""
    shutil.copytree(first_day.root, tmp_path / "shop")
    return Shop(tmp_path / "shop", **first_day.settings)


def of_ten(root: Path) -> Shop:
    """The workspace of these shops."""
    made = Shop(root, evaluation={"schedule": {"at": "02:00"}})
    for day, gone in (("20", "f"), ("21", "a")):
        made.profiles(f"2026-11-{day}", [{"profile_id": name} for name in "abcdef" if name != gone])
    made.audience("all", where="true")
    for name in TEN:
        status = {"source": "segment_membership.status", "target": "status"}
        activation = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
        made.destination(name, mapping=["profile_id", status], max_rows_per_file=3, activations=[activation])
        (made.root / "out" / name).mkdir(parents=True)
    return made


def places(shop: Shop) -> list[Path]:
    """The folders of the ten."""
    return [shop.root / "out" / name for name in TEN]


def delivered(shop: Shop) -> list[Delivery]:
    """What an audit finds."""
    return audit(shop.root, *places(shop))


def heals(shop: Shop, failed: str) -> None:
    """Once what failed is put right, the next run delivers its slot; and the days after are as if nothing had been."""
    ours = shop.muster("run", "--at", AGAIN)
    assert (ours.code, ours.err) == (0, "")
    assert sorted(each.key for each in delivered(shop)) == sorted(f"{name}/all" for name in TEN)
    assert [each["status"] for each in shop.runs(f"{failed}/all")] == ["succeeded"]
    assert shop.muster("run", "--at", LATER).code == 0
    rows = {
        each.key: [(row["profile_id"], row["status"]) for row in each.rows or ()]
        for each in delivered(shop)
        if each.slot > "2026-11-21"
    }
    assert rows == {f"{name}/all": [("a", "exited"), ("f", "realized")] for name in TEN}


def only_one_failed(shop: Shop, result: Result, failed: str, expected: str) -> None:
    """One of the ten runs says why it failed; the nine others are delivered."""
    assert (result.code, told(result)) == (1, f"error: {failed}/all: {expected}")
    assert not list((shop.root / "out" / failed).glob("[!.]*"))
    statuses = {
        run["destination"]: run["status"] for run in shop.runs() if run["scheduled_time"] == "2026-11-20T05:00:00Z"
    }
    assert {name for name in TEN if statuses[name] == "succeeded"} == set(TEN) - {failed}


@pytest.mark.parametrize("bits", [0o500, 0o000], ids=oct)
def test_a_folder_that_may_not_be_written(shop: Shop, bits: int) -> None:
    """SPEC 10, X1: one destination of ten is read only, or not even that."""
    with mode(shop.root / "out/d3", bits):
        result = run(shop.root, FIRST)
    only_one_failed(shop, result, "d3", "out/d3: cannot be written: permission denied")
    heals(shop, "d3")


LOSES = """
import os
from muster.activation.stores.folder import target as folder
real, seen = folder.LocalTarget.{step}, []

def loses(target, *rest, **more):
    if target.url == "out/d3":
        seen.append(1)
        if len(seen) == {when}:
            os.chmod(target.root, 0o500)
    return real(target, *rest, **more)

folder.LocalTarget.{step} = loses
"""


@pytest.mark.parametrize(
    ("step", "when", "then"),
    [
        ("stage", 1, "nothing was delivered"),
        ("stage", 2, "nothing was delivered"),
        ("publish", 1, "the run is not finished; the next command goes on with it"),
        ("publish", 2, "the run is not finished; the next command goes on with it"),
        ("write", 1, "the run is not finished; the next command goes on with it"),
    ],
)
def test_a_permission_that_is_lost_halfway(shop: Shop, step: str, when: int, then: str) -> None:
    """SPEC 10, F3, S6: lost before the first part, between the parts, before or between the renames, before the
    manifest: no reader is told of the files, the nine others are delivered, and the next run brings it to its end.
    """
    result = run(shop.root, FIRST, code=LOSES.format(step=step, when=when))
    assert (result.code, told(result)) == (1, f"error: d3/all: out/d3: cannot be written: permission denied; {then}")
    assert not list((shop.root / "out/d3").glob("manifest-*"))
    assert len([each for name in TEN for each in (shop.root / "out" / name).glob("manifest-*")]) == 9
    (shop.root / "out/d3").chmod(0o700)
    heals(shop, "d3")


def test_a_folder_where_a_file_belongs(shop: Shop) -> None:
    """F1, X1: one destination of ten has a folder under the name of its second part."""
    way = shop.root / "out/d3/d3_all_20261120T050000Z_2.csv"
    way.mkdir()
    result = run(shop.root, FIRST)
    assert result.code == 1
    assert told(result) == f"error: d3/all: out/d3/{way.name}: a folder has the name of the file; move it away"
    way.rmdir()
    heals(shop, "d3")


@pytest.mark.parametrize("bits", [0o500, 0o000], ids=oct)
def test_a_state_that_may_not_be_written(delivered_once: Shop, bits: int) -> None:
    """SPEC 10: nothing is delivered that the state could not record; it says so, and later all goes on."""
    shop = delivered_once
    before = shop.tree("out")
    with mode(shop.root / ".muster", bits):
        result = run(shop.root, LATER)
    assert result.code in {1, 2}, result
    assert told(result).startswith("error: .muster")
    assert "permission denied" in told(result) or "readonly" in told(result)
    assert changed(before, shop.tree("out")) == []
    assert shop.muster("run", "--at", LATER).code == 0
    assert len(delivered(shop)) == 20


@pytest.mark.parametrize("folder", ["tmp", "baselines/d3/all", "memberships"])
def test_a_folder_of_the_state_that_may_not_be_written(delivered_once: Shop, folder: str) -> None:
    """SPEC 10, X1: what needs it fails and says so, and nothing more; later all goes on."""
    shop = delivered_once
    with mode(shop.root / ".muster" / folder, 0o500):
        result = run(shop.root, LATER)
    assert result.code in {1, 2}, result
    assert "permission denied" in told(result)
    shop.run("2026-11-21T06:10Z")
    assert len(delivered(shop)) == 20


@pytest.mark.parametrize("size", [8_192, 60_000, 150_000])
def test_a_state_without_room(tmp_path: Path, size: int) -> None:
    """SPEC 10: files of the state that cannot be written whole, with or without room for the ledger's next page: the
    command says why; with room again, all is as if it had never lacked.
    """
    shop = Shop(tmp_path / "shop", evaluation={"schedule": {"at": "02:00"}})
    for day, count in (("20", 10), ("21", 50_000)):
        frame = pl.DataFrame({"profile_id": [f"{number * 7919 % 99_991:06}" for number in range(count)]})
        shop.profiles(f"2026-11-{day}", frame)
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id"])
    shop.run(FIRST)
    before = shop.tree("out")
    result = run(shop.root, LATER, limited_to(size))
    assert result.code in {1, 2}, result
    assert "file too large" in told(result) or "full" in told(result) or "disk i/o error" in told(result).lower(), (
        result.err
    )
    assert changed(before, shop.tree("out")) == []
    shop.run("2026-11-21T06:10Z")
    assert [len(each.rows or ()) for each in audit(shop.root, shop.root / "out/crm")] == [10, 49_990]
