"""What holds for every bucket that files are brought to (F1, F3, S6, SPEC 10): a class that the tests of each kind of
cloud inherit.

Who inherits it has a fixture ``cloud``: a server of `cloud_servers`.
"""

import contextlib
import hashlib
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from support import kills
from support.cloud_servers import Azure, Google, forger
from support.servers import proxy
from support.shop import Shop, at, person

from muster.activation.inputs.paths import Inputs
from muster.activation.model.workspace import ProfilesSource, Workspace
from muster.activation.profiles.snapshots import profile_snapshot
from muster.activation.stores.gcs import streaming
from muster.activation.stores.protocol import DamagedError, PassingError, Sent, Store, TakenError

ROOT = Path(__file__).parents[2]
DAY, NEXT_DAY = "2026-11-20", "2026-11-21"
FILE = "crm_all_20261120T050000Z.csv"
KILLS = 2
LEAST = 4096  # bytes of a piece of a file that is hashed: more than a request signs
Cloud = Azure | Google


@contextlib.contextmanager
def variables(cloud: Cloud, **more: str) -> Iterator[None]:
    """The environment that the cloud's connection names."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (cloud.extra | more).items():
            patch.setenv(name, value)
        yield


def shop_for(cloud: Cloud, root: Path, place: str, **more: Any) -> Shop:
    """A shop with two people who are sent to the cloud each day."""
    shop = Shop(root / "shop")
    shop.audience("all", where="true")
    shop.crm(
        **(
            {
                "url": cloud.url(f"/{place}"),
                "connection": cloud.connection(),
                "export": "full",
                "mapping": ["profile_id"],
            }
            | more
        )
    )
    shop.profiles(DAY, [person("a"), person("b")])
    shop.evaluate(f"{DAY}T02:00Z")
    return shop


def files(cloud: Cloud, place: str) -> dict[str, bytes]:
    """What lies in a test's folder, by name."""
    return {
        name.removeprefix(f"{place}/"): content
        for name, content in cloud.files().items()
        if name.startswith(f"{place}/")
    }


def data(cloud: Cloud, place: str) -> dict[str, bytes]:
    """The same without manifests."""
    return {name: content for name, content in files(cloud, place).items() if not name.startswith("manifest-")}


def sent(folder: Path, content: bytes, name: str = "big.bin") -> Sent:
    """A file to be put."""
    path = folder / name
    path.write_bytes(content)
    return Sent(path, name, f".{name}.tmp", len(content), hashlib.sha256(content).hexdigest())


class CountingPath(type(Path())):  # type: ignore[misc]  # the class of this system's paths
    """The path of a file whose bytes are counted when they are read."""

    seen: dict[str, int]

    def open(self, *_: object, **__: object) -> Any:
        """Open to read, unbuffered."""
        seen = self.seen

        class File(io.FileIO):
            def read(self, size: int | None = -1, /) -> bytes:
                content = super().read(-1 if size is None else size) or b""
                seen["read"] += len(content)
                return content

        return File(self)

    def read_bytes(self) -> bytes:
        """All of it."""
        with self.open() as file:
            content: bytes = file.read()
            return content


def counting(make: Callable[..., Any], name: str, seen: dict[str, int]) -> Callable[..., Any]:
    """A maker of digests that counts the bytes of all pieces that are large enough to be a file's."""

    class Counted:
        def __init__(self, content: bytes = b"", **options: Any) -> None:
            self._digest = make(**options)
            self.update(content)

        def update(self, content: bytes) -> None:
            seen[name] += len(content) if len(content) >= LEAST else 0
            self._digest.update(content)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._digest, name)

    return Counted


class CloudRules:
    """Rules of delivery to a bucket."""

    @pytest.fixture(autouse=True)
    def _environment(self, cloud: Cloud) -> Iterator[None]:
        with variables(cloud):
            yield

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        """A folder of the bucket that this test has for itself."""
        return tmp_path.name

    def store(self, cloud: Cloud, place: str, **connection: str) -> Store:
        """What reaches the test's folder, without retries."""
        raise NotImplementedError

    def test_files_lie_there_whole(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """F3, F4, X8: the file, then the manifest, and nothing else; `verify` reads them again, and sees what was
        spoiled or lost; `redeliver` puts the same bytes back.
        """
        shop = shop_for(cloud, tmp_path, place)
        shop.run(f"{DAY}T05:00Z")
        lying = files(cloud, place)
        (run,) = shop.runs("crm/all")
        assert lying.pop(f"manifest-shop-crm-{run['run_id']}.json").startswith(b"{")
        assert lying == {FILE: b"profile_id\na\nb\n"}
        assert run["files"][0]["path"] == f"{cloud.url(f'/{place}')}/{FILE}"
        assert not list((shop.root / ".muster/staging").glob("*"))
        shop.ok("verify", "--all")
        cloud.put(f"{place}/{FILE}", b"profile_id\na\nc\n")
        assert "differs" in shop.muster("verify", "--all").out
        cloud.remove(f"{place}/{FILE}")
        assert shop.muster("verify", "--all").code == 1
        shop.ok("redeliver", run["run_id"])
        assert data(cloud, place) == {FILE: b"profile_id\na\nb\n"}
        shop.ok("verify", "--all")

    def test_a_constant_name_is_replaced(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """F1: without a time in its name each export replaces the file before, and removes parts that are left over."""
        shop = shop_for(cloud, tmp_path, place, file_name="all people", max_rows_per_file=1)
        shop.run(f"{DAY}T05:00Z")
        assert data(cloud, place) == {"all people.csv": b"profile_id\na\n", "all people_2.csv": b"profile_id\nb\n"}
        shop.profiles(NEXT_DAY, [person("c")])
        shop.evaluate(f"{NEXT_DAY}T02:00Z")
        shop.run(f"{NEXT_DAY}T05:00Z")
        assert data(cloud, place) == {"all people.csv": b"profile_id\nc\n"}

    def test_somebody_elses_file_is_never_replaced(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """F1: with a time in the name a file that stands there is left, the run fails and says so; moved away, the run
        is finished.
        """
        shop = shop_for(cloud, tmp_path, place)
        cloud.put(f"{place}/{FILE}", b"theirs")
        failed = shop.muster("run", "--at", f"{DAY}T05:00Z")
        assert failed.code == 1
        assert "another file already has this name, and muster does not overwrite it; move it away" in failed.err
        assert files(cloud, place) == {FILE: b"theirs"}
        cloud.remove(f"{place}/{FILE}")
        shop.run(f"{DAY}T05:10Z")
        assert data(cloud, place) == {FILE: b"profile_id\na\nb\n"}

    def test_a_large_file_goes_in_pieces(self, cloud: Cloud, place: str, tmp_path: Path, small_pieces: int) -> None:
        """F3: a file of many pieces is whole and told with its checksum; it is replaced, or, if it must not be, left
        alone.
        """
        store = self.store(cloud, place)
        first, second = (random.Random(seed).randbytes(small_pieces * 5 + 77) for seed in (1, 2))  # noqa: S311
        store.put(sent(tmp_path, first), replace=False)
        assert files(cloud, place) == {"big.bin": first}
        with pytest.raises(TakenError):
            store.put(sent(tmp_path, second), replace=False)
        assert b"".join(store.read("big.bin")) == first
        store.put(again := sent(tmp_path, second), replace=True)
        reported = store.stat("big.bin")
        assert reported
        assert (reported.size, reported.sha256) == (again.size, again.sha256)
        assert files(cloud, place) == {"big.bin": second}
        store.delete("big.bin")
        store.delete("big.bin")
        assert store.stat("big.bin") is None
        with pytest.raises(FileNotFoundError):
            b"".join(store.read("big.bin"))
        store.close()

    def test_a_staged_file_that_was_damaged_is_not_sent(
        self, cloud: Cloud, place: str, tmp_path: Path, small_pieces: int
    ) -> None:
        """F3: what is sent is what was counted and checked when it was written."""
        small, large = bytes(10), bytes(5 * small_pieces)
        for whole, there in ((small, b"x" + small[1:]), (large, b"x" + large[1:]), (large, large[1:]), (large, b"")):
            damaged = sent(tmp_path, whole)
            damaged.path.write_bytes(there)
            with pytest.raises(DamagedError, match="the staged file is not as it was written"):
                self.store(cloud, place).put(damaged, replace=False)
        assert files(cloud, place) == {}

    def test_what_was_spoiled_on_its_way_is_no_file(
        self, cloud: Cloud, place: str, tmp_path: Path, small_pieces: int
    ) -> None:
        """F3: the service knows the digest of each request, or of the whole, and refuses another content: small or
        large, nothing is seen there, and the try is worth another one.
        """
        for size in (0, 3 * small_pieces):
            content = bytes(size) + b"to be spoiled" + bytes(size)
            with forger(cloud.port, b"to be spoiled", b"spoiled it is") as between:
                store = self.store(cloud, place, **cloud.connection(between.port))
                with pytest.raises(PassingError):
                    store.put(sent(tmp_path, content), replace=False)
            assert between.times == 0
            assert files(cloud, place) == {}

    def test_each_byte_is_read_once_and_hashed_once(
        self, cloud: Cloud, place: str, tmp_path: Path, small_pieces: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """F3: checking a file costs no second reading, and no digest is made twice."""
        for size in (small_pieces - 1, 5 * small_pieces + LEAST):
            content = random.Random(size).randbytes(size)  # noqa: S311
            file, seen = sent(tmp_path, content, f"{size}.bin"), dict.fromkeys(("read", "sha256", "md5", "crc32c"), 0)
            with monkeypatch.context() as patch:
                patch.setattr(hashlib, "sha256", counting(hashlib.sha256, "sha256", seen))
                patch.setattr(hashlib, "md5", counting(hashlib.md5, "md5", seen))
                patch.setattr(
                    streaming.google_crc32c, "Checksum", counting(streaming.google_crc32c.Checksum, "crc32c", seen)
                )
                path = CountingPath(file.path)
                path.seen = seen
                self.store(cloud, place).put(replace(file, path=path), replace=False)
            in_transit = "md5" if cloud.scheme == "az" else "crc32c"
            assert {name: bytes_ for name, bytes_ in seen.items() if bytes_} == dict.fromkeys(
                ("read", "sha256", in_transit), size
            )
            assert files(cloud, place)[file.name] == content

    def test_what_was_spoiled_on_its_way_goes_again(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """F3: the checksum is compared before the manifest is written: bytes that changed on their way are
        sent anew.
        """
        shop = shop_for(cloud, tmp_path, place)
        with forger(cloud.port, b"profile_id\na\nb\n", b"profile_id\na\nX\n") as between:
            shop.crm(
                url=cloud.url(f"/{place}"),
                connection=cloud.connection(between.port),
                export="full",
                mapping=["profile_id"],
            )
            done = shop.run(f"{DAY}T05:00Z")
        assert between.times == 0
        assert "trying again" in done.err, done.err
        assert data(cloud, place) == {FILE: b"profile_id\na\nb\n"}

    def test_a_connection_that_breaks_is_made_again(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """F3, SPEC 10: what may pass is tried again, and the file sent anew from its beginning; then it is whole."""
        shop = shop_for(cloud, tmp_path, place)
        with proxy(cloud.port) as between:
            between.cut = dict.fromkeys(range(2), 100)
            shop.crm(
                url=cloud.url(f"/{place}"),
                connection=cloud.connection(between.port),
                export="full",
                mapping=["profile_id"],
            )
            done = shop.run(f"{DAY}T05:00Z")
        assert between.connections > 1
        assert "trying again" in done.err, done.err
        assert data(cloud, place) == {FILE: b"profile_id\na\nb\n"}

    def test_a_place_that_does_not_answer_is_given_up(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """SPEC 10: after `timeout`, and `retries` more tries, the run fails and says why; the next command
        finishes it.
        """
        shop = shop_for(cloud, tmp_path, place)
        with proxy(cloud.port) as between:
            between.dead = True
            dead = {
                "url": cloud.url(f"/{place}"),
                "connection": cloud.connection(between.port),
                "retries": 0,
                "timeout": "1s",
            }
            shop.crm(**dead, export="full", mapping=["profile_id"])
            failed = shop.muster("run", "--at", f"{DAY}T05:00Z")
        assert failed.code == 1
        assert f"crm/all: {cloud.url(f'/{place}')}: {FILE} cannot be " in failed.err
        assert "no answer in time" in failed.err
        shop.crm(url=cloud.url(f"/{place}"), connection=cloud.connection(), export="full", mapping=["profile_id"])
        shop.run(f"{DAY}T05:01Z")
        assert data(cloud, place) == {FILE: b"profile_id\na\nb\n"}

    def test_a_missing_bucket_is_told(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """SPEC 10: a place that is not there fails the run at once, without another try, and `destinations check` says
        the same.
        """
        shop = shop_for(cloud, tmp_path, place, url=f"{cloud.scheme}://nowhere-at-all/{place}")
        kind = "container" if cloud.scheme == "az" else "bucket"
        for failed in (shop.muster("run", "--at", f"{DAY}T05:00Z"), shop.muster("destinations", "check")):
            assert failed.code == 1
            assert f"there is no {kind} nowhere-at-all" in failed.err
            assert "again" not in failed.err.replace("tries again", "")
            assert "Traceback" not in failed.err

    def test_a_place_is_checked(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """SPEC 9: `destinations check` connects, writes, reads, replaces, deletes, and leaves nothing."""
        shop = shop_for(cloud, tmp_path, place)
        (found,) = shop.ok("destinations", "check", "--json").json
        assert [(step["step"], step["ok"]) for step in found["steps"]] == [
            (step, True) for step in ("connect", "write", "read back", "replace", "delete")
        ]
        assert files(cloud, place) == {}

    def test_inputs_are_read_from_it(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """SPEC 2, D2: profiles may lie in such a bucket; a file in it is read whole, and told by its address. A file
        whose name does not end in .parquet is read if its first or last bytes are Parquet's, else warned of.
        """
        content = io.BytesIO()
        pl.DataFrame([person("a"), person("b")]).write_parquet(content)
        for name in (
            "2026-11-19.parquet",
            "2026-11-20/part-0.parquet",
            "2026-11-20/_part-1.parquet",
            "2026-11-20/000000000001",
            "2026-11-21.parquet",
        ):
            cloud.put(f"{place}/{name}", content.getvalue())
        cloud.put(f"{place}/2026-11-20/job.log", b"2026-11-20 all is well")
        warnings: list[str] = []
        source = ProfilesSource(cloud.url(f"/{place}"), connection=cloud.connection())
        workspace = Workspace(tmp_path, "shop", ZoneInfo("UTC"), source, tmp_path / ".muster", {}, (), {})
        inputs = Inputs(workspace)
        found, _ = profile_snapshot(workspace, inputs, at("2026-11-20T02:00Z"), warn=warnings.append)
        unnamed, part = found.parts
        assert unnamed.name == cloud.url(f"/{place}/2026-11-20/000000000001")
        assert part.name == cloud.url(f"/{place}/2026-11-20/part-0.parquet")
        (warning,) = warnings
        assert warning.startswith(f"{cloud.url(f'/{place}/2026-11-20')}: job.log is not read: expected Parquet files")
        assert part.path.read_bytes() == content.getvalue()
        assert not inputs.named(cloud.url(f"/{place}/2026-11-20")).is_file()

    def test_killed_and_finished(self, cloud: Cloud, place: str, tmp_path: Path) -> None:
        """F3, S6: `muster run` is killed at random moments while files are on their way: a reader sees whole files
        only, and the next `run` finishes: each slot delivered once, nothing staged is left.
        """
        shop = shop_for(cloud, tmp_path, place, max_rows_per_file=1)
        whole = {FILE: b"profile_id\na\n", FILE.replace(".csv", "_2.csv"): b"profile_id\nb\n"}
        chance = random.Random(place)  # noqa: S311  # which moments, no secret
        with proxy(cloud.port) as between:
            where = {
                "url": cloud.url(f"/{place}"),
                "connection": cloud.connection(between.port),
                "max_rows_per_file": 1,
            }
            shop.crm(**where, export="full", mapping=["profile_id"])
            for _ in range(KILLS):
                between.stand_still(chance.randrange(6))  # two files and a manifest take more than that
                assert kills.kill_when(shop.root, between.stands.is_set, "run", "--at", f"{DAY}T05:00Z", afresh=True)
                between.go_on()
                seen = data(cloud, place)
                assert seen.items() <= whole.items()
        shop.crm(**(where | {"connection": cloud.connection()}), export="full", mapping=["profile_id"])
        shop.run(f"{DAY}T05:01Z")
        assert data(cloud, place) == whole
        assert [run["status"] for run in shop.runs("crm/all")] == ["succeeded"]
        assert len(files(cloud, place)) == 3
        assert not list((shop.root / ".muster/staging").glob("*"))
        shop.ok("verify", "--all")
