"""Files brought to a real sshd: they appear whole, under their names, and are looked after there as in a folder (F1,
F3, F6, X9).
"""

import asyncio
from pathlib import Path

import asyncssh
import pytest
from support.servers import Sshd, proxy
from support.sftp_drop import AGAIN, FIRST, NAME, SECOND, Watcher, big, check, content, drop_shop, names, staged
from support.shop import STATUS, at

import muster


def test_files_arrive_as_they_would_in_a_folder(server: Sshd, tmp_path: Path) -> None:
    """F2, F3, F4, F6: the same bytes as in a local folder, in folders that are made, with `file_mode`; the manifest
    tells of them.
    """
    shop = drop_shop(
        tmp_path / "shop", server, file_name="{date}/all_{datetime}", max_rows_per_file=4, compression="gzip"
    )
    shop.set(file_mode="0640")
    more = {"mapping": ["profile_id", "email", STATUS], "max_rows_per_file": 4, "compression": "gzip"}
    shop.destination(
        "local",
        file_name="{date}/all_{datetime}",
        activations=[{"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}],
        **more,
    )
    shop.run(FIRST)
    shop.run(SECOND)
    there = server.folder / "in"
    assert names(there) == [
        *(
            "20261120/all_20261120T050000Z.csv.gz",
            "20261120/all_20261120T050000Z_2.csv.gz",
            "20261121/all_20261121T050000Z.csv.gz",
        ),
    ]
    assert {name: (there / name).read_bytes() for name in names(there)} == {
        name: (shop.root / "out/local" / name).read_bytes() for name in names(shop.root / "out/local")
    }
    assert {path.stat().st_mode & 0o777 for path in there.rglob("*") if path.is_file()} == {0o640}
    assert {path.stat().st_mode & 0o777 for path in (there, there / "20261120")} == {0o750}
    assert len(check(shop, there, shop.root / "out/local")) == 4


def test_a_reader_never_sees_part_of_a_file(server: Sshd, tmp_path: Path) -> None:
    """F3: who reads whatever appears reads whole files only, though they arrive slowly."""
    with proxy(server.port) as slow:
        slow.delay = 0.004
        server.trust(slow.port)
        shop = drop_shop(tmp_path / "shop", server, url=server.url("/in", slow.port))
        big(shop, 4_000_000)
        with Watcher(server.folder / "in").watching() as watcher:
            shop.run(FIRST)
    assert len(watcher.hidden) > 5, "it was not seen growing"
    assert {name: len(contents) for name, contents in watcher.read.items()} == {
        NAME: 1,
        **{name: 1 for name in watcher.read if name != NAME},
    }
    check(shop, server.folder / "in")


def test_constant_names_are_replaced(server: Sshd, tmp_path: Path) -> None:
    """F1: without a time in its name a file takes the place of the one before, and parts that are too many go."""
    shop = drop_shop(tmp_path / "shop", server, file_name="latest", max_rows_per_file=4)
    shop.run(FIRST)
    there = server.folder / "in"
    assert names(there) == ["latest.csv", "latest_2.csv"]
    first = (there / "latest.csv").read_bytes()
    shop.run(SECOND)
    assert names(there) == ["latest.csv"]
    assert (there / "latest.csv").read_bytes() != first
    check(shop, there)


def test_a_file_of_somebody_else_is_never_replaced(server: Sshd, tmp_path: Path) -> None:
    """F1: a file that the run did not plan fails it and stays as it is; once it is moved away the run is finished."""
    shop = drop_shop(tmp_path / "shop", server)
    there = server.folder / "in"
    there.mkdir()
    (there / NAME).write_text("mine")
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert f"{NAME}: another file already has this name, and muster does not overwrite it; move it away" in result.err
    assert content(there) == {NAME: b"mine"}
    (there / NAME).rename(server.folder / "mine")
    shop.run(AGAIN)
    assert [run["attempts"] for run in shop.runs()] == [1]
    check(shop, there)


@pytest.mark.parametrize("file_name", ["{destination}_{activation}_{datetime}", "latest"])
def test_a_folder_under_the_final_name(server: Sshd, tmp_path: Path, file_name: str) -> None:
    """F1, SPEC 10: a folder where the file belongs is told, and stays."""
    shop = drop_shop(tmp_path / "shop", server, file_name=file_name)
    taken = server.folder / "in" / (NAME if "{" in file_name else "latest.csv")
    taken.mkdir(parents=True)
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert "move it away" in result.err
    assert taken.is_dir()
    assert names(server.folder, hidden=True) == []


def test_an_upload_that_was_interrupted_begins_anew(server: Sshd, tmp_path: Path) -> None:
    """F3, S6: what an earlier upload left under the temporary name, a link even, is no part of the file."""
    shop = drop_shop(tmp_path / "shop", server)
    there = server.folder / "in"
    there.mkdir()
    (there / NAME).write_text("in the way")
    shop.muster("run", "--at", FIRST)
    [waiting] = staged(shop)
    (server.folder / "elsewhere").write_text("untouched" * 1000)
    (there / waiting).symlink_to(server.folder / "elsewhere")
    (there / NAME).unlink()
    shop.run(AGAIN)
    assert (server.folder / "elsewhere").read_text() == "untouched" * 1000
    check(shop, there)


def test_the_ledger_and_manifests_name_no_user(server: Sshd, tmp_path: Path) -> None:
    """X9, SPEC 2: what is recorded of the place has neither user nor key."""
    shop = drop_shop(tmp_path / "shop", server)
    shop.run(FIRST)
    [run] = shop.runs()
    assert [file["path"] for file in run["files"]] == [f"sftp://127.0.0.1:{server.port}{server.folder}/in/{NAME}"]
    kept = [path for path in (shop.root / ".muster").rglob("*") if path.is_file() and path.name != "config.checked"]
    recorded = b"".join(path.read_bytes() for path in [*kept, *(server.folder / "in").iterdir()])
    assert server.url().split("//")[1].split("127.")[0].encode() not in recorded
    assert str(server.key).encode() not in recorded


# What is done with delivered files


def test_verify_names_what_changed(server: Sshd, tmp_path: Path) -> None:
    """F4: files are read again at the server."""
    shop = drop_shop(tmp_path / "shop", server)
    shop.run(FIRST)
    assert shop.ok("verify").code == 0
    file = server.folder / "in" / NAME
    file.write_text(file.read_text().replace("a@x.com", "z@x.com"))
    result = shop.muster("verify")
    assert result.code == 1
    assert "its sha256 is" in result.err
    file.unlink()
    result = shop.muster("verify")
    assert result.code == 1
    assert "the file is missing" in result.out + result.err


def test_redeliver_puts_back_what_was_lost(server: Sshd, tmp_path: Path) -> None:
    """F1, F3: the lost part is uploaded again, byte for byte; the other stays as it is; a foreign one is replaced only
    if forced.
    """
    shop = drop_shop(tmp_path / "shop", server, max_rows_per_file=4)
    shop.run(FIRST)
    there = server.folder / "in"
    before = content(there)
    lost, kept = there / NAME, there / NAME.replace(".csv", "_2.csv")
    when = kept.stat().st_mtime_ns
    lost.unlink()
    [run] = shop.runs()
    shop.ok("redeliver", run["run_id"])
    assert content(there) == before
    assert kept.stat().st_mtime_ns == when
    lost.write_text("foreign")
    assert "--force overwrites it" in shop.muster("redeliver", run["run_id"]).err
    assert lost.read_text() == "foreign"
    shop.ok("redeliver", run["run_id"], "--force")
    assert content(there) == before
    check(shop, there)


def test_reconcile_reads_the_server(server: Sshd, tmp_path: Path) -> None:
    """X8: the delivered files, replayed as a receiver would, give the delivered set; a file that is lost is told."""
    shop = drop_shop(tmp_path / "shop", server)
    shop.run(FIRST)
    shop.run(SECOND)
    shop.ok("reconcile", "drop/all", "--at", SECOND)
    (server.folder / "in" / NAME).unlink()
    assert shop.muster("reconcile", "drop/all", "--at", SECOND).code != 0


def test_state_check_tells_of_files_that_wait_for_nothing(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: what a killed command left in the staging folder is told, and goes with --tidy or with the next run;
    what waits stays.
    """
    shop = drop_shop(tmp_path / "shop", server)
    (server.folder / "in").mkdir()
    (server.folder / "in" / NAME).write_text("in the way")
    shop.muster("run", "--at", FIRST)
    [waiting] = staged(shop)
    left = shop.root / ".muster/staging/.left.1.tmp"
    left.write_text("x")
    left.chmod(0o600)
    said = shop.ok("state", "check")
    assert ".left.1.tmp" in said.out + said.err
    assert waiting not in said.out + said.err
    shop.ok("state", "repair", "--tidy")
    assert staged(shop) == [waiting]


def test_a_notebook_delivers_too(server: Sshd, tmp_path: Path) -> None:
    """A notebook's cells run in a thread with an event loop at work; a destination's loop then has another thread."""
    shop = drop_shop(tmp_path / "shop", server)

    async def cells() -> int:
        workspace = muster.open_workspace(shop.root)
        assert muster.validate(workspace, now=at(FIRST)).is_valid
        done = muster.run(workspace, now=at(FIRST))
        assert [each.result for each in muster.verify(workspace, now=at(FIRST))] == ["intact"]
        return done.exit_code

    assert asyncio.run(cells()) == 0
    assert names(server.folder / "in") == [NAME]


def test_passwords_are_those_of_the_workspace(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: a variable that ``connection`` names has the value that the workspace was opened with, and no other."""
    key = Path(server.connection["key_file"])
    connection = server.connection | {"passphrase_env": "DROP_PASSPHRASE"}
    locked = tmp_path / "locked"
    locked.write_bytes(asyncssh.read_private_key(key).export_private_key("openssh", "opened-by-this"))
    locked.chmod(0o600)
    shop = drop_shop(tmp_path / "shop", server, connection=connection | {"key_file": str(locked)})
    monkeypatch.setenv("DROP_PASSPHRASE", "of-the-process")
    opened = [
        muster.open_workspace(shop.root, variables={"DROP_PASSPHRASE": word}) for word in ("x" * 8, "opened-by-this")
    ]
    checked = [muster.check_destinations(each)[0].is_usable for each in opened]
    assert checked == [False, True]
