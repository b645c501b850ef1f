"""Profiles, events and memberships read from a bucket (SPEC 2, D2 to D4), against moto's S3 server: the same rules as
for folders.
"""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from support.doc_pages import ROOT, blocks
from support.s3_gate import Gate, Request
from support.servers import KEYS, S3
from support.shop import FEED, STATUS, Shop, at, person

from muster.activation.config import workspace as config
from muster.activation.errors import DataError
from muster.activation.inputs.paths import Inputs
from muster.activation.model.workspace import ProfilesSource, Workspace
from muster.activation.profiles.opened import Opened
from muster.activation.profiles.snapshots import profile_snapshot

PATIENCE = 300  # seconds that a test waits for what must come, on however slow a machine


def parquet(rows: Sequence[dict[str, Any]] | pl.DataFrame) -> bytes:
    """A Parquet file."""
    content = io.BytesIO()
    (rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)).write_parquet(content)
    return content.getvalue()


class Lake:
    """A folder of the bucket that a test fills."""

    def __init__(self, server: S3, folder: str) -> None:
        self.server, self.folder = server, folder
        self.client: Any = server.client

    def put(self, name: str, content: bytes | Sequence[dict[str, Any]]) -> None:
        """A file, from bytes or rows."""
        body = content if isinstance(content, bytes) else parquet(content)
        self.client.put_object(Bucket=self.server.bucket, Key=f"{self.folder}/{name}", Body=body)

    def remove(self, name: str) -> None:
        """Take a file away."""
        self.client.delete_object(Bucket=self.server.bucket, Key=f"{self.folder}/{name}")

    def at(self, path: str, **connection: str) -> dict[str, Any]:
        """A path of muster.yml."""
        return {
            "path": f"s3://{self.server.bucket}/{self.folder}/{path}",
            "connection": {"endpoint": self.server.endpoint()} | connection,
        }


@pytest.fixture
def lake(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """A folder for one test, with Amazon's own variables set, and copies of inputs beside the test's own files."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    filled = Lake(s3, tmp_path.name)
    yield filled
    filled.client.close()


@pytest.fixture
def shop(lake: Lake, tmp_path: Path) -> Shop:
    """A shop whose profiles are dated snapshots in the bucket."""
    made = Shop(tmp_path / "shop", profiles=lake.at("profiles"))
    made.audience("all", where="vip")
    made.crm()
    return made


def people(*ids: str) -> list[dict[str, Any]]:
    """Rows of a snapshot."""
    return [person(each) for each in ids]


def test_dated_snapshots(shop: Shop, lake: Lake, tmp_path: Path) -> None:
    """D2, E8: the newest snapshot at or before the instant, whose folder may hold many files; what starts with '.' or
    '_' is not looked at; files are recorded by their address; no copy of them is left.
    """
    lake.put("profiles/2026-11-20/part-0.parquet", people("a"))
    lake.put("profiles/2026-11-20/more/part-1.parquet", people("b"))
    lake.put("profiles/2026-11-20/_SUCCESS", b"")
    lake.put("profiles/2026-11-20/_tmp/part-9.parquet", b"half a fi")
    lake.put("profiles/_2026-11-21/part-0.parquet", people("x"))
    lake.put("profiles/2026-11-22.parquet", people("b", "c"))
    lake.put("profiles-of-others/2026-11-20.parquet", people("y"))
    assert shop.day("2026-11-20") == ["a,a@x.com,realized", "b,b@x.com,realized"]
    assert shop.day("2026-11-22") == ["a,,exited", "c,c@x.com,realized"]
    (newest,) = shop.ok("evaluations", "list", "--json").json[:1]
    assert newest["snapshot"] == f"{lake.at('profiles')['path']}/2026-11-22.parquet"
    assert not list((tmp_path / "tmp").iterdir())


def parts_of(path: str, lake: Lake, root: Path) -> list[str]:
    """The files, below the lake's folder, of the snapshot of 2026-11-20."""
    source = ProfilesSource(**lake.at(path))
    workspace = Workspace(root, "shop", ZoneInfo("UTC"), source, root / ".muster", {}, (), {})
    snapshot = profile_snapshot(workspace, Inputs(workspace), at("2026-11-20T02:00Z"), warn=[].append)[0]
    return [part.name.removeprefix(lake.at("")["path"]) for part in snapshot.parts]


@pytest.mark.parametrize(
    "path", ["all/2026-*/*.parquet", "all/**/part-?.parquet", "all/2026-11-20/part-0.parquet", "all/2026-11-20/"]
)
def test_globs_files_and_folders(path: str, lake: Lake, tmp_path: Path) -> None:
    """D2: a glob, one file, a folder of undated files; what starts with '.' or '_' is not looked at."""
    lake.put("all/2026-11-20/part-0.parquet", people("a"))
    lake.put("all/2026-11-20/.part-1.parquet", people("b"))
    lake.put("all/_2026-11-21/part-0.parquet", people("c"))
    lake.put("all/2026-11-20/notes.txt", b"nothing of ours")
    assert parts_of(path, lake, tmp_path) == ["all/2026-11-20/part-0.parquet"]


def test_events_and_memberships(shop: Shop, lake: Lake) -> None:
    """D3, D4: event files and feeds lie in buckets too, each with a connection of its own."""
    lake.put("profiles/2026-11-20.parquet", people("a", "b"))
    lake.put("events/1.parquet", [{"profile_id": "a", "timestamp": at("2026-11-19T00:00Z")}])
    lake.put("events/2.parquet", [{"profile_id": "b", "timestamp": at("2026-11-25T00:00Z")}])
    row = ("visitors", "b", "realized", at("2026-11-19T00:00Z"), None)
    lake.put("feeds/all.parquet", parquet(pl.DataFrame([row], schema=FEED, orient="row")))
    shop.set(events=lake.at("events"), memberships=lake.at("feeds/*.parquet"))
    shop.audience("active", events={"seen": {"measure": "count"}}, where="seen > 0")
    shop.audience("visitors", source="memberships")
    daily = {"export": "full", "schedule": {"at": "05:00"}}
    shop.crm(
        activations=[{"audience": each, **daily} for each in ("active", "visitors")], mapping=["profile_id", STATUS]
    )
    assert shop.day("2026-11-20", key="crm/active") == ["a,realized"]
    assert shop.sent("crm/visitors") == ["b,realized"]


def test_a_snapshot_that_changed_or_is_gone(shop: Shop, lake: Lake) -> None:
    """X7: an on-demand export reads the snapshot of the evaluation, and is refused when its file changed or is gone."""
    file = "profiles/2026-11-20.parquet"
    lake.put(file, people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-20T03:00Z")
    name = f"{lake.at(file)['path']}"
    lake.put(file, people("a", "b"))
    assert shop.muster("export", "crm/all", "--at", "2026-11-20T04:00Z").err.startswith(
        f"error: {name}: the snapshot file changed: "
    )
    lake.remove(file)
    refused = shop.muster("export", "crm/all", "--at", "2026-11-20T04:00Z")
    assert refused.code == 2
    assert refused.err.startswith(
        f"error: {name}: the snapshot file is missing: audience 'all' was evaluated with it; run `muster evaluate`"
    )


def test_what_a_name_does_not_tell_is_looked_at(shop: Shop, lake: Lake, before_s3: Gate) -> None:
    """D2: an object whose name does not end in .parquet is looked at by its first and last bytes, once in a command,
    and copied only if it is Parquet; others are named, and half of one is damaged.
    """
    at_gate = lake.at("profiles", endpoint=before_s3.endpoint)
    shop.set(profiles=at_gate, events=lake.at("events/*", endpoint=before_s3.endpoint))
    time = at("2026-11-19T00:00Z")
    lake.put("events/000000000000", [{"profile_id": each, "timestamp": time} for each in ("a", "b")])
    lake.put("profiles/2026-11-20/part-0.parquet", people("a"))
    lake.put("profiles/2026-11-20/000000000001", people("b"))
    for name in ("profiles/2026-11-20/job.log", "profiles/job.log", "events/job.log"):
        lake.put(name, b"all is well, and was so all the night")
    lake.put("profiles/2026-11-19/job.log", b"this one is of yesterday and concerns nobody")
    lake.put("profiles/2026-11-20/empty", b"")
    shop.audience("all", events={"seen": {"measure": "count"}}, where="seen = 1")
    assert shop.day("2026-11-20") == ["a,a@x.com,realized", "b,b@x.com,realized"]
    said = shop.muster("validate", "--at", "2026-11-20T05:00Z").err
    address = at_gate["path"]
    assert f"warning: {address}: job.log is not read: expected a name with a date" in said
    assert f"warning: {address}/2026-11-20: empty, job.log are not read: expected Parquet files" in said
    assert f"warning: {lake.at('events/*')['path']}: job.log is not read: expected Parquet files" in said
    before_s3.open()
    shop.evaluate("2026-11-20T06:00Z")
    asked = Counter(
        (each.key.removeprefix(f"{lake.folder}/"), each.headers.get("Range"))
        for each in before_s3.requests
        if each.operation == "GetObject"
    )
    head, tail = "bytes=0-3", "bytes=33-36"
    assert asked == {
        **{(f"{name}/job.log", piece): 1 for name in ("profiles", "events") for piece in (head, tail)},
        **{("profiles/2026-11-20/job.log", piece): 1 for piece in (head, tail)},
        **{(f"{name}1", piece): 1 for name in ("profiles/2026-11-20/00000000000",) for piece in (head, None)},
        **{("events/000000000000", piece): 1 for piece in (head, None)},
        ("profiles/2026-11-20/part-0.parquet", None): 1,
    }
    lake.put("profiles/2026-11-20/000000000001", parquet(people("b"))[9:])
    refused = shop.muster("evaluate", "--at", "2026-11-20T07:00Z")
    assert refused.code == 2
    assert f"{address}/2026-11-20/000000000001: cannot be read as Parquet: it does not start" in refused.err


@pytest.mark.parametrize(
    ("path", "day"),
    [
        ("profiles", ""),
        ("profiles/*/*.parquet", ""),
        ("profiles", "2026-11-20/"),
        ("profiles/*/*/*.parquet", "date=2026-11-20/"),
    ],
)
def test_columns_in_the_names_of_folders(path: str, day: str, shop: Shop, lake: Lake) -> None:
    """D2, X7: folders `name=value` are columns in buckets, too, and are so when the snapshot is exported again."""
    lake.put(f"profiles/{day}country=US/part-0.parquet", people("a"))
    lake.put(f"profiles/{day}country=a%2Fb/part-0.parquet", people("b"))
    shop.set(profiles=lake.at(path))
    shop.crm(mapping=["profile_id", "country"], export="full")
    assert shop.day("2026-11-20") == ["a,US", "b,a/b"]
    shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    (newest,) = shop.ok("evaluations", "list", "--json").json
    name = f"profiles/{day}" if day else path
    assert newest["snapshot"] == lake.at(name.rstrip("/"))["path"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing", "{at}/nothing: there is no such file or folder (profiles.path in muster.yml)"),
        ("profiles/*.parq", "{at}/profiles/*.parq: matches no Parquet file (profiles.path in muster.yml)"),
        (
            "bad",
            (
                "{at}/bad/2026-11-20.parquet: cannot be read as Parquet: it is truncated: its end is missing; "
                "write the file again"
            ),
        ),
        ("twice", "{at}/twice: 2026-11-20 and 2026-11-20.parquet are two snapshots of one instant; expected one"),
        (
            "unnamed",
            (
                "{at}/unnamed/2026-11-20//2.parquet: the object name contains '//', which muster cannot read; "
                "rename the object"
            ),
        ),
        (
            "bare",
            "{at}/bare/2026-11-20//2: the object name contains '//', which muster cannot read; rename the object",
        ),
        ("_hidden/unnamed", "{at}/_hidden/unnamed/2026-11-20//2.parquet: the object name contains '//'"),
        ("empty", "{at}/empty/2026-11-20: the snapshot folder holds no Parquet file; write its files"),
    ],
)
def test_mistakes_are_told_as_for_folders(path: str, said: str, lake: Lake, tmp_path: Path) -> None:
    """SPEC 10: one message with the file's address and what was expected."""
    lake.put("bad/2026-11-20.parquet", parquet(people("a"))[:-9])
    lake.put("profiles/notes.txt", b"no table")
    for name in ("twice/2026-11-20.parquet", "twice/2026-11-20/1.parquet"):
        lake.put(name, people("a"))
    for name in ("unnamed/2026-11-20/1.parquet", "unnamed/2026-11-20//2.parquet"):
        lake.put(name, people("a"))
        lake.put(f"_hidden/{name}", people("a"))
    for name in ("bare/2026-11-20/1.parquet", "bare/2026-11-20//2", "bare/2026-11-20//_SUCCESS"):
        lake.put(name, people("a"))
    lake.put("bare/2026-11-20//notes", b"no table, and nobody has to rename it")
    lake.put("empty/2026-11-20/_SUCCESS", b"")
    with pytest.raises(DataError) as caught:
        parts_of(path, lake, tmp_path)
    assert str(caught.value).startswith(said.format(at=lake.at("")["path"].rstrip("/")))


def test_a_bucket_that_cannot_be_had(shop: Shop, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 10: a missing bucket, a server that is not there, a library that is not: each is told with the key of
    muster.yml, exit 2.
    """
    shop.set(profiles=lake.at("") | {"path": "s3://nowhere-at-all/profiles"})
    refused = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert refused.code == 2
    said = "s3://nowhere-at-all: there is no bucket nowhere-at-all (profiles.path in muster.yml)"
    assert refused.err == f"error: {said}\n"
    monkeypatch.setattr("muster.activation.stores.urls.is_installed", lambda _: False)
    refused = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert refused.err.startswith(
        "error: muster.yml: profiles.path: cannot be used: boto3 is not installed; pip install"
    )


def test_the_page_shows_what_is_accepted(shop: Shop) -> None:
    """docs/inputs.md: the paths and connections of its example are such."""
    (block,) = (each for each in blocks(ROOT / "docs/inputs.md", "yaml") if "connection:" in each.text)
    shop.write("muster.yml", f"workspace: shop\n{block.text}")
    workspace = config.load(shop.root, {"LAKE_SAS": "invented-signature"})
    assert workspace.profiles.connection == {}
    assert workspace.events
    assert workspace.events.connection == {"account": "acmelake", "sas_token_env": "LAKE_SAS"}


def test_a_connection_is_checked(shop: Shop, lake: Lake) -> None:
    """SPEC 2, 10: the keys of a connection are those of a destination there; one for a local path is a mistake."""
    shop.set(
        profiles=lake.at("profiles", acount="x", access_key_id_env="NOT_SET"),
        events={"path": "data/events", "connection": {"region": "x"}},
    )
    refused = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert refused.code == 2
    assert "profiles.connection.acount: unknown key; did you mean 'account'?" in refused.err
    shop.set(profiles=lake.at("profiles", account="x", access_key_id_env="NOT_SET"))
    said = shop.muster("evaluate", "--at", "2026-11-20T02:00Z").err
    assert "profiles.connection.account: is not a key of a connection to s3://" in said
    assert "profiles.connection.access_key_id_env: needs secret_access_key_env beside it" in said
    assert "profiles.connection.access_key_id_env: environment variable NOT_SET is not set" in said
    assert "events.connection: is for inputs on other machines; the path is a local one" in said


def test_the_scheme_is_read_without_case(shop: Shop, lake: Lake) -> None:
    """X7: the snapshot of an evaluation is found again, however its bucket's scheme is written."""
    lake.put("profiles/2026-11-20.parquet", people("a"))
    path = lake.at("profiles")
    shop.set(profiles=path | {"path": path["path"].replace("s3://", "S3://")})
    shop.evaluate("2026-11-20T02:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-20T03:00Z")


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_nothing_is_left_of_what_was_copied(
    how: signal.Signals, code: int, lake: Lake, before_s3: Gate, tmp_path: Path
) -> None:
    """docs/inputs.md: a command that is stopped while it waits for a file leaves no copy of another."""
    for name in ("a", "b"):
        lake.put(f"profiles/2026-11-20/{name}.parquet", people(name))
    shop = Shop(tmp_path / "shop", profiles=lake.at("profiles", endpoint=before_s3.endpoint))
    shop.audience("all", where="vip")
    asked, over = threading.Event(), threading.Event()

    def silent(request: Request) -> None:
        if request.operation == "GetObject" and request.key.endswith("b.parquet"):
            asked.set()
            over.wait(PATIENCE)

    before_s3.before = silent
    command = [sys.executable, "-m", "muster.cli", "-C", str(shop.root), "evaluate", "--at", "2026-11-20T02:00Z"]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL) as stopped:
        assert asked.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while not [copy for copy in tmp_path.glob("tmp/muster-inputs-*/*") if copy.stat().st_size]:
            assert time.monotonic() < until, "the other file, which is copied at the same time, never came"
            time.sleep(0.01)
        stopped.send_signal(how)
        assert stopped.wait(PATIENCE) == code
    over.set()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_is_read_is_one_content(shop: Shop, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """D2: a file that is replaced while a command works with it is read as it was: it is copied once."""
    lake.put("profiles/2026-11-20.parquet", people("a", "b"))
    taken = Opened.roster_of

    def replaced(opened: Opened, snapshot: Any) -> Any:
        lake.put("profiles/2026-11-20.parquet", people("z"))
        return taken(opened, snapshot)

    monkeypatch.setattr(Opened, "roster_of", replaced)
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["a", "b"]
