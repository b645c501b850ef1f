"""What every way to do the night is given: where the data is, the day, yesterday's state, and where to write."""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.audiences import NAMES

DAYS = ("2026-11-19", "2026-11-20")


@dataclass(frozen=True)
class Task:
    """One night: evaluate at 02:00 of ``day``, compare with the state of the day before, write 80 files to ``out``."""

    data: Path
    day: str
    before: Path | None  # yesterday's state; None on the first day
    after: Path  # the state to leave for tomorrow
    out: Path
    synced: bool = False  # whether every file is to be hashed, and synced to the disk

    @property
    def at(self) -> datetime:
        """The instant of evaluation."""
        return datetime.fromisoformat(f"{self.day}T02:00:00").replace(tzinfo=UTC)

    @property
    def profiles(self) -> str:
        """The day's snapshot, as a glob."""
        return str(self.data / "profiles" / self.day / "*.parquet")

    @property
    def events(self) -> str:
        """The event log, as a glob."""
        return str(self.data / "events" / "*.parquet")

    def full(self, audience: str) -> Path:
        """The path of an audience's full file."""
        return self.out / "full" / f"{audience}.csv"

    def changes(self, audience: str) -> Path:
        """The path of an audience's incremental file."""
        return self.out / "changes" / f"{audience}.csv"


def from_command_line() -> Task:
    """Read ``DATA DAY STATE OUT [--synced]`` from the command line.

    The state of the day before is in STATE if there is one; ``full`` and ``changes`` are made in OUT.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("day")
    parser.add_argument("state", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--synced", action="store_true", help="hash every file and sync it to the disk (DuckDB)")
    given = parser.parse_args()
    given.state.mkdir(parents=True, exist_ok=True)
    earlier = sorted(path for path in given.state.glob("*.parquet") if path.stem < given.day)
    before, after = earlier[-1] if earlier else None, given.state / f"{given.day}.parquet"
    task = Task(given.data, given.day, before, after, given.out, given.synced)
    for path in (task.full(NAMES[0]), task.changes(NAMES[0])):
        path.parent.mkdir(parents=True, exist_ok=True)
    return task
