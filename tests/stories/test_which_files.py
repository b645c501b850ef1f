"""Which files are read (D2): by their contents, whatever their names; the rest is named."""

import io
import os
import shutil
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import permissions
from support.shop import STATUS, Shop, person

DAY = "2026-11-20"
AT = f"{DAY}T05:00Z"
SNAPSHOT = f"data/profiles/{DAY}"
EXPECTED = "expected Parquet files, whatever their names"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace that evaluates and sends everybody; `a` is in a part with an ordinary name."""
    made = Shop(tmp_path, evaluation={"schedule": {"at": "02:00"}})
    made.audience("all", where="true")
    made.crm(export="full", mapping=["profile_id"])
    made.profiles(DAY, [person("a")])
    return made


def parquet(*rows: dict[str, Any]) -> bytes:
    """A Parquet file of these rows, by default of a person `b`."""
    content = io.BytesIO()
    pl.DataFrame(list(rows) or [person("b")]).write_parquet(content)
    return content.getvalue()


def put(shop: Shop, name: str, content: bytes) -> Path:
    """Write a file of the workspace."""
    path = shop.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sent(shop: Shop) -> tuple[list[str], str]:
    """Who is sent at five, and what is said."""
    done = shop.ok("run", "--at", AT)
    return shop.sent("crm/all"), done.out + done.err


@pytest.mark.parametrize(
    "name", ["000000000000", "part-00000", "b.parq", "B.PARQ", "b.PARQUET", "b.parquet.snappy", "b.gz", "more/0"]
)
def test_a_parquet_file_is_read_whatever_its_name(shop: Shop, name: str) -> None:
    """D2: what begins and ends as Parquet is a part: BigQuery, Hive and Impala name theirs so."""
    put(shop, f"{SNAPSHOT}/{name}", parquet())
    assert sent(shop)[0] == ["a", "b"]
    assert not shop.muster("validate", "--at", AT).err


@pytest.mark.parametrize(
    "name",
    [
        f"{DAY}.parquet",
        f"{DAY}.parq",
        f"{DAY}T01.PARQ",
        f"date={DAY}.parquet",
        DAY,
        f"{DAY}.snappy.parquet",
        f"{DAY}.parq.gz",
    ],
)
def test_dated_files(shop: Shop, name: str) -> None:
    """D2: a dated file is a snapshot, with each ending and with none."""
    shutil.rmtree(shop.root / "data/profiles")
    put(shop, f"data/profiles/{name}", parquet())
    assert sent(shop)[0] == ["b"]


@pytest.mark.parametrize("name", ["000000000000", "more/notes.txt", "b.PARQUET"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [(parquet()[:-9], "it is truncated: its end is missing"), (parquet()[9:], "it does not start as a Parquet file")],
    ids=["the end is missing", "the beginning is missing"],
)
def test_half_a_parquet_file_is_damaged(shop: Shop, name: str, content: bytes, reason: str) -> None:
    """D2, SPEC 10: what begins or ends as Parquet and is not whole is exit 2, whatever its name."""
    put(shop, f"{SNAPSHOT}/{name}", content)
    refused = shop.muster("evaluate", "--at", AT)
    assert refused.code == 2
    assert f"error: {SNAPSHOT}/{name}: cannot be read as Parquet: {reason}" in refused.err
    assert refused.err.endswith("; write the file again\n")


@pytest.mark.parametrize("name", ["b.parquet", "b.Parq"])
@pytest.mark.parametrize("content", [b"", b"profile_id,email\nb,b@x.com\n"], ids=["empty", "CSV"])
def test_a_name_promises_parquet(shop: Shop, name: str, content: bytes) -> None:
    """D2: a file that is named as Parquet and is none is damaged."""
    put(shop, f"{SNAPSHOT}/{name}", content)
    refused = shop.muster("evaluate", "--at", AT)
    assert refused.code == 2
    assert f"error: {SNAPSHOT}/{name}: cannot be read as Parquet: " in refused.err


def test_an_encrypted_footer_is_told(shop: Shop) -> None:
    """D2: PARE at the end is Parquet with an encrypted footer, and not called damaged."""
    put(shop, f"{SNAPSHOT}/0", b"PARE" + bytes(20) + b"\x04\0\0\0PARE")
    refused = shop.muster("evaluate", "--at", AT)
    assert refused.code == 2
    told = "its footer is encrypted, which muster cannot read; write it without encryption"
    assert f"{SNAPSHOT}/0: cannot be read as Parquet: {told}" in refused.err


def test_other_files_in_a_snapshot_are_named(shop: Shop) -> None:
    """D2: what is no Parquet file is named with what was expected; checksums and hidden names are not."""
    for name in ("part-1.txt", "SUCCESS", "sub/log", "a.crc", "a.MD5", "a.sha256", "_SUCCESS", ".x", "_tmp/b", ".y/c"):
        put(shop, f"{SNAPSHOT}/{name}", b"" if name == "SUCCESS" else b"all is well here")
    people, said = sent(shop)
    assert people == ["a"]
    assert f"warning: {SNAPSHOT}: SUCCESS, part-1.txt, sub/log are not read: {EXPECTED}; names" in said
    assert said.count("not read") == 1


def test_other_entries_beside_snapshots_are_named(shop: Shop) -> None:
    """D2: so are files and folders beside the snapshots; folders there are not looked into."""
    put(shop, "data/profiles/27-11-2026/part-0.parquet", parquet())
    put(shop, "data/profiles/x.parquet/part-0.parquet", parquet())
    for name in ("2026-11-20.csv", "2026-11-20.crc", "readme"):
        put(shop, f"data/profiles/{name}", b"some text of no interest")
    (shop.root / "data/profiles/latest").symlink_to("nowhere")
    people, said = sent(shop)
    assert people == ["a"]
    names = "2026-11-20.csv, 27-11-2026/, latest, readme, x.parquet/"
    assert f"warning: data/profiles: {names} are not read: expected a name with a date" in said


@pytest.mark.parametrize("content", [parquet(), parquet()[:-9]], ids=["whole", "cut"])
def test_an_undated_file_beside_dated_ones(shop: Shop, content: bytes) -> None:
    """D2: dated and undated side by side are an input error, whatever the undated file is called; damage is told."""
    put(shop, "data/profiles/000000000000", content)
    refused = shop.muster("evaluate", "--at", AT)
    assert refused.code == 2
    whole = f"data/profiles: holds dated snapshots ({DAY}) beside undated files (000000000000)"
    assert (whole if content == parquet() else "data/profiles/000000000000: cannot be read as Parquet") in refused.err


def test_events_and_memberships_are_found_alike(shop: Shop) -> None:
    """D2 to D4: parts without an ending are read, other files are named."""
    time = datetime(2026, 11, 19, tzinfo=UTC)
    row = {"audience_id": "fed", "profile_id": "a", "status": "realized", "last_qualification_time": time}
    put(shop, "data/events/000000000000", parquet({"profile_id": "a", "timestamp": time}))
    put(shop, "data/memberships/day/part-00000", parquet(row))
    for folder in ("events", "memberships/day"):
        put(shop, f"data/{folder}/job.log", b"all is well here")
    shop.set(events={"path": "data/events"}, memberships={"path": "data/memberships/*"})
    shop.audience("all", events={"seen": {"measure": "count"}}, where="seen = 1")
    shop.audience("fed", source="memberships")
    daily = {"export": "full", "schedule": {"at": "05:00"}}
    shop.crm(activations=[{"audience": each, **daily} for each in ("all", "fed")], mapping=["profile_id"])
    people, said = sent(shop)
    assert people == shop.sent("crm/fed") == ["a"]
    assert f"warning: data/events: job.log is not read: {EXPECTED}" in said
    assert f"warning: data/memberships/*: day/job.log is not read: {EXPECTED}" in said


def test_a_damaged_event_file_without_an_ending(shop: Shop) -> None:
    """D2, E9: the audiences that use it fail, and the file is named."""
    put(shop, "data/events/0", parquet({"profile_id": "a", "timestamp": datetime(2026, 11, 19, tzinfo=UTC)})[:-4])
    shop.set(events={"path": "data/events"})
    shop.audience("all", events={"seen": {"measure": "count"}}, where="seen = 1")
    failed = shop.muster("run", "--at", AT)
    assert failed.code == 1
    assert "data/events/0: cannot be read as Parquet: it is truncated: its end is missing" in failed.err


def test_what_is_no_regular_file(shop: Shop) -> None:
    """D2: a pipe or a socket is never waited for: named as Parquet it is damaged, else warned of."""
    pipe = shop.root / SNAPSHOT / "pipe"
    os.mkfifo(pipe)
    assert f"warning: {SNAPSHOT}: pipe is not read: {EXPECTED}" in sent(shop)[1]
    pipe.rename(pipe.with_suffix(".parquet"))
    said = "cannot be read as Parquet: it is a pipe, a socket or a device, not a file"
    assert f"{SNAPSHOT}/pipe.parquet: {said}" in shop.muster("validate", "--at", AT).err
    (shop.root / SNAPSHOT / "pipe.parquet").unlink()
    with socket.socket(socket.AF_UNIX) as bound, pytest.MonkeyPatch.context() as patch:
        patch.chdir(pipe.parent)  # a socket's path may not be long
        bound.bind("s")
        assert f"warning: {SNAPSHOT}: s is not read: {EXPECTED}" in shop.ok("validate", "--at", AT).err
        (pipe.parent / "s").rename(pipe.parent / "s.parq")
    assert f"{SNAPSHOT}/s.parq: {said}" in shop.muster("validate", "--at", AT).err


def test_broken_links(shop: Shop) -> None:
    """D2: a link that leads nowhere is damaged if it is named as Parquet, else warned of; one to a folder above it is
    not followed.
    """
    (shop.root / SNAPSHOT / "latest").symlink_to("nowhere")
    assert f"warning: {SNAPSHOT}: latest is not read" in sent(shop)[1]
    (shop.root / SNAPSHOT / "itself").symlink_to("itself")
    (shop.root / SNAPSHOT / "more").mkdir()
    (shop.root / SNAPSHOT / "more/above").symlink_to("..")
    assert f"warning: {SNAPSHOT}: itself, latest are not read" in shop.ok("validate", "--at", AT).err
    (shop.root / SNAPSHOT / "latest.parquet").symlink_to("nowhere")
    refused = shop.muster("validate", "--at", AT)
    assert refused.code == 2
    assert f"{SNAPSHOT}/latest.parquet: cannot be read as Parquet: no such file or directory" in refused.err


def test_a_file_that_may_not_be_read(shop: Shop) -> None:
    """D2: a file of which nobody can see whether it is a part is refused, and not left out: its people would exit."""
    put(shop, f"{SNAPSHOT}/000000000000", parquet()).chmod(0)
    refused = permissions.run(shop.root, AT)
    assert refused.code == 2
    said = "cannot be read, so muster cannot see whether it is Parquet: permission denied"
    assert f"error: {SNAPSHOT}/000000000000: {said}" in refused.err


@pytest.mark.parametrize(
    ("path", "mode"), [("data/profiles", 0o444), ("data/profiles/*", 0), ("data/profiles/**/*.parquet", 0)]
)
def test_a_folder_that_may_not_be_read(shop: Shop, path: str, mode: int) -> None:
    """D2: a folder whose files nobody may see is refused, also where a glob leads: its people would exit."""
    shop.set(profiles={"path": path})
    put(shop, f"{SNAPSHOT}/more/part-1.parquet", parquet()).parent.chmod(mode)
    refused = permissions.run(shop.root, AT)
    (shop.root / SNAPSHOT / "more").chmod(0o700)
    assert refused.code == 2
    assert f"{SNAPSHOT}/more: the folder cannot be read: permission denied" in refused.err


@pytest.mark.parametrize("pattern", ["data/profiles/*/*", "data/profiles/**/*", "data/profiles/2026-*"])
def test_globs_tell_files_apart(shop: Shop, pattern: str) -> None:
    """D2: a glob's matches are told apart by content, and read once; files of older snapshots are not looked at."""
    shop.set(profiles={"path": pattern})
    put(shop, "data/profiles/2026-11-19/old.txt", b"all was well here")
    put(shop, f"{SNAPSHOT}/0", parquet())
    put(shop, f"{SNAPSHOT}/new.txt", b"all is well here")
    people, said = sent(shop)
    assert people == ["a", "b"]
    assert f"warning: {SNAPSHOT}: new.txt is not read: {EXPECTED}" in said
    assert said.count("not read") == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/all/*/*.parquet", "data/all/*/*.parquet"),
        ("data/all/x", "data/all/x"),
        ("data/all/*/p.*", "data/all/*/p.*"),
    ],
)
def test_many_files_are_called_by_what_holds_them(shop: Shop, path: str, name: str) -> None:
    """D2: an undated snapshot is called by its glob or folder, and not by one of its files, wherever it is named."""
    for part in ("p", "q"):
        shop.parquet(f"data/all/x/{part}.parquet", [person(part)])
    shop.set(profiles={"path": path})
    assert f" fit {name} (" in shop.ok("validate", "--at", AT).out
    assert f"on {name}" in sent(shop)[1]
    (newest,) = shop.ok("evaluations", "list", "--json").json
    assert newest["snapshot"] == name
    told = "data/all/x/p.parquet" if path.endswith("/p.*") else f"{name} (2 files)"
    shop.set(profiles={"path": path, "id": "nobody"})
    assert shop.muster("validate", "--at", AT).err.startswith(f"error: {told}: there is no id column 'nobody'")
    shop.set(profiles={"path": path}, events={"path": path})
    shop.audience("all", events={"n": {"measure": "count"}}, where="n = 1")
    assert f"{told}: there is no column 'timestamp'" in shop.muster("validate", "--at", AT).err


def test_a_part_that_lost_its_ending_takes_nobody_along(shop: Shop) -> None:
    """D2, E5: the next day's part is called otherwise, and nobody exits."""
    shop.crm(mapping=["profile_id", STATUS])
    put(shop, f"{SNAPSHOT}/part-1.parquet", parquet())
    assert shop.day(DAY) == ["a,realized", "b,realized"]
    for number, one in enumerate(("a", "b")):
        put(shop, f"data/profiles/2026-11-21/{number:012}", parquet(person(one)))
    assert shop.day("2026-11-21") == []
