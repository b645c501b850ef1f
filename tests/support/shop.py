"""A small workspace that a test fills and works with through the real entry point.

shop = Shop(tmp_path) shop.profiles("2026-11-20", [{"profile_id": "a", "email": "a@x.com"}]) shop.audience("all",
where="true") shop.destination("crm", activations=[{"audience": "all", "export": "incremental", "schedule": {"at":
"05:00"}}], mapping=["profile_id"]) shop.ok("evaluate", "--at", "2026-11-20T02:00Z") shop.rows("crm")
"""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import yaml
from support import kept_memberships

from muster.activation.instants import iso
from muster.activation.model import log
from muster.cli.main import main
from muster.cli.process import clock

TIMES = pl.Datetime("us", "UTC")
STATUS = {"source": "segment_membership.status", "target": "status"}  # columns of a mapping
SINCE = {"source": "segment_membership.last_qualification_time", "target": "since"}
FEED = {
    "audience_id": pl.String,
    "profile_id": pl.String,
    "status": pl.String,
    "last_qualification_time": TIMES,
    "valid_until": TIMES,
}


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.out)


_now = clock.now
_AFTER_THE_DAYS = datetime(2026, 12, 1, tzinfo=UTC)


def _late_clock() -> contextlib.AbstractContextManager[object]:
    """A clock that is past the days of most tests, whatever day it is: else commands would warn of them (S8).

    A clock that a test has set stays.
    """
    if clock.now is not _now:
        return contextlib.nullcontext()
    return mock.patch.object(clock, "now", lambda: max(_now(), _AFTER_THE_DAYS))  # noqa: PT008  # it goes on


def invoke(*arguments: str) -> Result:
    """Run the `muster` entry point in this process."""
    out, err = io.StringIO(), io.StringIO()
    log._known.clear()  # noqa: SLF001  # secrets of another test's workspace: this process is not over
    with (
        _late_clock(),
        mock.patch.object(sys, "argv", ["muster", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Result(code, out.getvalue(), err.getvalue())


def process(*arguments: str, cwd: Path | None = None, **environment: str) -> Result:
    """Run `muster` as a process of its own."""
    command = [sys.executable, "-m", "muster.cli", *arguments]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": root, **environment},
        timeout=300,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def quick_folder() -> Iterator[Path]:
    """A temporary folder, in memory where the machine offers it: every export syncs, which takes most of the time on a
    disk.
    """
    memory = "/dev/shm"  # noqa: S108  # only a place for a folder of our own
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def at(text: str) -> datetime:
    """An instant: ``2026-11-20T02:00Z``."""
    return datetime.fromisoformat(text)


def person(profile_id: str | int, email: str | None = None, **more: Any) -> dict[str, Any]:
    """A row of a profile snapshot: a customer with an e-mail who is a `vip`, unless told otherwise."""
    return {"profile_id": profile_id, "email": email or f"{profile_id}@x.com", "vip": True} | more


def identities(**ids: Sequence[str]) -> list[dict[str, str]]:
    """An identity map as a list of structs: ``identities(Phone=["1", "2"])``."""
    return [{"namespace": namespace, "id": each} for namespace, held in ids.items() for each in held]


class Shop:
    """A workspace folder under construction and in use."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.settings: dict[str, Any] = {"workspace": "shop", "profiles": {"path": "data/profiles"}} | settings
        self.write("muster.yml", self.settings)

    @classmethod
    def at(cls, root: Path) -> "Shop":
        """The workspace that is in a folder already."""
        shop = cls.__new__(cls)
        shop.root, shop.settings = root, yaml.safe_load((root / "muster.yml").read_text())
        return shop

    def write(self, name: str, content: Mapping[str, Any] | str) -> Path:
        """Write a YAML file of the workspace, from text as it is or from data."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            content if isinstance(content, str) else yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
        )
        return path

    def set(self, **settings: Any) -> None:
        """Change keys of muster.yml."""
        self.settings |= settings
        self.write("muster.yml", self.settings)

    def audience(self, name: str, /, **content: Any) -> None:
        """Write an audience; ``where`` is the usual key."""
        self.write(f"audiences/{name}.yml", {"name": name} | content)

    def destination(self, name: str, /, **content: Any) -> None:
        """Write a destination; CSV into ``out/<name>`` unless told otherwise, or of a kind that takes messages."""
        files = {"url": f"out/{name}", "format": "csv"} if "kind" not in content else {}
        self.write(f"destinations/{name}.yml", {"name": name} | files | content)

    def crm(self, *, audience: str = "all", export: str = "incremental", schedule: Any = None, **content: Any) -> None:
        """A destination that sends one audience each day at 05:00: ids, e-mails and status, incrementally, unless told
        otherwise.
        """
        activation = {"audience": audience, "export": export, "schedule": schedule or {"at": "05:00"}}
        self.destination("crm", **({"mapping": ["profile_id", "email", STATUS], "activations": [activation]} | content))

    def day(
        self,
        day: str,
        rows: Sequence[Mapping[str, Any]] | pl.DataFrame | None = None,
        key: str = "crm/all",
        **types: Any,
    ) -> list[str]:
        """One day: its snapshot, if rows are given, the evaluation at 02:00, `muster run` at 05:00; what ``key`` sent
        then.
        """
        if rows is not None:
            self.profiles(day, rows, **types)
        self.evaluate(f"{day}T02:00Z")
        self.run(f"{day}T05:00Z")
        return self.sent(key)

    def profiles(
        self, day: str, rows: Sequence[Mapping[str, Any]] | pl.DataFrame, part: str = "part-0", **types: Any
    ) -> None:
        """Write one part of a dated snapshot."""
        self.parquet(f"data/profiles/{day}/{part}.parquet", rows, **types)

    def events(self, rows: Sequence[Mapping[str, Any]] | pl.DataFrame, name: str = "events", **types: Any) -> None:
        """Write an event file and make the workspace read it."""
        self.parquet(f"data/events/{name}.parquet", rows, **types)
        self.set(events={"path": "data/events"})

    def feed(self, rows: Sequence[tuple[Any, ...]], name: str = "feed") -> None:
        """Write a membership file of (audience, profile, status, time[, valid_until]) and make the workspace
        read it.
        """
        full = [(*row, *([None] * (5 - len(row)))) for row in rows]
        timed = [
            (row[0], row[1], row[2], *(at(each) if isinstance(each, str) else each for each in row[3:])) for row in full
        ]
        self.parquet(f"data/memberships/{name}.parquet", pl.DataFrame(timed, schema=FEED, orient="row"))
        self.set(memberships={"path": "data/memberships"})

    def parquet(self, name: str, rows: Sequence[Mapping[str, Any]] | pl.DataFrame, **types: Any) -> Path:
        """Write a Parquet file of the workspace."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = (
            rows
            if isinstance(rows, pl.DataFrame)
            else pl.DataFrame(list(rows), schema_overrides=types, infer_schema_length=None)
        )
        frame.write_parquet(path)
        return path

    def muster(self, *arguments: str) -> Result:
        """Run a command in this workspace."""
        return invoke("-C", str(self.root), *arguments)

    def ok(self, *arguments: str) -> Result:
        """Run a command that must succeed."""
        result = self.muster(*arguments)
        assert result.code == 0, f"exit {result.code}\n{result.out}\n{result.err}"
        return result

    def evaluate(self, moment: str, *arguments: str) -> Result:
        """`muster evaluate --at moment`, which must succeed."""
        return self.ok("evaluate", "--at", moment, *arguments)

    def run(self, moment: str, *arguments: str) -> Result:
        """`muster run --at moment`, which must succeed."""
        return self.ok("run", "--at", moment, *arguments)

    def runs(self, key: str | None = None) -> list[dict[str, Any]]:
        """`runs list --json`, oldest first, of one ``destination/activation`` or of all."""
        runs = reversed(self.ok("runs", "list", "--json").json)
        return [run for run in runs if key in (None, f"{run['destination']}/{run['activation']}")]

    def files(self, destination: str = "") -> list[str]:
        """The data files delivered to a destination (or to all), as paths below ``out``, sorted."""
        found = (self.root / "out" / destination).rglob("*")
        names = [path.relative_to(self.root / "out").as_posix() for path in found if path.is_file()]
        return sorted(name for name in names if not Path(name).name.startswith("manifest-"))

    def rows(self, file: str) -> list[dict[str, str]]:
        """The rows of a delivered CSV file, named by its path below ``out``."""
        with (self.root / "out" / file).open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    def delivered(self, key: str) -> list[list[dict[str, str]]]:
        """The rows of every CSV file of an activation's succeeded scheduled and after-evaluation runs, oldest first, a
        list a run.
        """
        runs = [run for run in self.runs(key) if run["status"] == "succeeded" and run["trigger"] != "on_demand"]
        return [[row for file in run["files"] for row in self._csv(self.root / file["path"])] for run in runs]

    def sent(self, key: str, run: int = -1) -> list[str]:
        """The rows of one such run, the newest unless told otherwise, as texts: ``a,a@x.com,realized``."""
        runs = [each for each in self.runs(key) if each["status"] == "succeeded" and each["trigger"] != "on_demand"]
        return [",".join(row.values()) for file in runs[run]["files"] for row in self._csv(self.root / file["path"])]

    def memberships(self, audience: str = "all") -> dict[str, str]:
        """What the newest evaluation of an audience found: ``{"a": "realized 2026-11-20T02:00:00Z"}``."""
        found = kept_memberships.newest(self.root / ".muster", audience).iter_rows(named=True)
        return {row["profile_id"]: f"{row['status']} {iso(row['last_qualification_time'])}" for row in found}

    def lines(self, file: str) -> list[str]:
        """The rows of a delivered CSV file, named by its path below ``out``, as texts."""
        return [",".join(row.values()) for row in self.rows(file)]

    @staticmethod
    def _csv(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    def tree(self, *folders: str) -> dict[str, bytes]:
        """Every file and its bytes, of the whole workspace or of some folders: to see that nothing changed."""
        places = [self.root / folder for folder in folders] if folders else [self.root]
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for place in places
            for path in sorted(place.rglob("*"))
            if path.is_file()
        }


def evaluated_shop(root: Path) -> Shop:
    """A workspace with one person, one audience and one destination, evaluated once."""
    shop = Shop(root)
    shop.profiles("2026-11-20", [{"profile_id": "a", "email": "a@x.com"}])
    shop.audience("all", where="true")
    shop.crm()
    shop.ok("evaluate", "--at", "2026-11-20T02:00Z")
    return shop
