"""A kind of destination is one folder and one line of a table: one that muster does not have is added and used."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.shop import Result, Shop, person

from muster.activation.stores.kinds import KINDS

ROOT = Path(__file__).parents[3]
DAY = "2026-11-20"
MUSTER = """
from muster.activation.stores.kinds import KINDS
from support.shelf import SHELF
KINDS["shelf"] = SHELF

from muster.cli.main import main
main()
"""


def muster(shop: Shop, *arguments: str) -> Result:
    """Run `muster` as a process whose table of kinds has one line more."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", MUSTER, "-C", str(shop.root), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


def shop_with_shelves(folder: Path, **connection: Any) -> Shop:
    """A shop with people, whose files go to a shelf."""
    shop = Shop(folder)
    shop.audience("all", where="true")
    shop.profiles(DAY, [person("a"), person("b")])
    shop.crm(url="shelf://upper/crm", connection={"room": "room"} | connection, export="full", mapping=["profile_id"])
    (shop.root / "room").mkdir()
    return shop


def test_files_are_delivered_to_a_kind_that_was_added(tmp_path: Path) -> None:
    """F1, F3, X8: a run is delivered whole, tried again where that helps, found by `verify`, and put back when lost."""
    shop = shop_with_shelves(tmp_path)
    assert muster(shop, "evaluate", "--at", f"{DAY}T02:00Z").code == 0
    done = muster(shop, "run", "--at", f"{DAY}T05:00Z")
    assert done.code == 0, done.err
    assert "it fell down; trying again" in done.err
    [file] = (shop.root / "room/crm").glob("*.csv")
    assert file.read_text() == "profile_id\na\nb\n"
    assert muster(shop, "verify", "--all").code == 0
    file.unlink()
    assert muster(shop, "verify", "--all").code == 1
    [run] = json.loads(muster(shop, "runs", "list", "--json").out)
    assert run["files"][0]["path"] == f"shelf://upper/crm/{file.name}"
    assert muster(shop, "redeliver", run["run_id"]).code == 0
    assert file.read_text() == "profile_id\na\nb\n"


def test_a_destination_of_a_kind_that_was_added_is_checked(tmp_path: Path) -> None:
    """F3: `destinations check` tries every step, and says what the kind's client says."""
    shop = shop_with_shelves(tmp_path)
    [checked] = json.loads(muster(shop, "destinations", "check", "--json").out)
    assert [step["step"] for step in checked["steps"]] == ["connect", "write", "read back", "replace", "delete"]
    assert checked["result"] == "ok"
    (shop.root / "room").rename(shop.root / "attic")
    assert "error: crm: connect: there is no such room" in muster(shop, "destinations", "check").err


def test_inputs_are_read_from_a_kind_that_was_added(tmp_path: Path) -> None:
    """D2: profiles are read from each kind whose declaration says that it lists."""
    shop = shop_with_shelves(tmp_path)
    (shop.root / "data/profiles").rename(shop.root / "room/profiles")
    shop.set(profiles={"path": "shelf://lower/profiles", "connection": {"room": "room"}})
    done = muster(shop, "evaluate", "--at", f"{DAY}T02:00Z")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("url", "connection", "said"),
    [
        ("shelf://upper:80/crm", {}, "has more than a shelf before the path; expected shelf://shelf/prefix"),
        ("shelf:crm", {}, "is not a url; expected shelf://shelf/prefix"),
        ("shelv://upper", {}, "gs://, sftp://, shelf://; did you mean 'shelf'?"),
        (
            "shelf://upper/crm",
            {"lamp": "dim", "room": "x"},
            "connection.lamp: 'dim' is not allowed; expected on or off",
        ),
        ("shelf://upper/crm", {"lamp": "on"}, "connection.lamp: needs room beside it"),
        ("shelf://upper/crm", {"lamb": "on", "room": "x"}, "connection.lamb: unknown key; did you mean 'lamp'?"),
        (
            "shelf://upper/crm",
            {"region": "x", "room": "x"},
            "connection.region: is not a key of a connection to shelf://",
        ),
        ("s3://upper/crm", {"lamp": "on", "room": "x"}, "connection.room: is not a key of a connection to s3://"),
    ],
)
def test_what_a_kind_declares_is_checked(url: str, connection: dict[str, str], said: str, tmp_path: Path) -> None:
    """SPEC 2, 10: urls and keys of a kind that was added are checked as it declares, and are none of other kinds'."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm(url=url, connection=connection, export="full", mapping=["profile_id"])
    refused = muster(shop, "validate")
    assert said in refused.err


def test_kinds_declare_what_they_have_in_common_alike() -> None:
    """`connection` is read before its kind is known: a key of several kinds holds one kind of value."""
    holds: dict[str, object] = {}
    for kind in KINDS.values():
        for key in kind.keys:
            assert holds.setdefault(key.name, (key.holds, key.words)) == (key.holds, key.words), key.name
            assert {key.needs, *key.excludes} - {""} <= {each.name for each in kind.keys}


def test_declarations_load_no_extra() -> None:
    """A declaration names what its client needs, and loads none of it: an extra may be missing."""
    needed = sorted({module for kind in KINDS.values() for module in (*kind.needs, kind.client.rpartition(".")[0])})
    code = f"import sys, muster.activation.stores.urls; print([m for m in {needed} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
