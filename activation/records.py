"""What the ledger remembers, as frozen data, and how it lies in SQLite's columns. Pure."""

import json
import sqlite3
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from activation.instants import iso

Status = Literal["running", "delivering", "succeeded", "failed", "superseded"]


@dataclass(frozen=True)
class StoredFile:
    """A Parquet file of the state folder, as the ledger knows it."""

    file: str  # relative to the state folder
    sha256: str
    size: int


@dataclass(frozen=True)
class AudienceEvaluation:
    """One audience at one instant (E5, E8)."""

    audience: str
    at: datetime
    scope: Literal["all", "some"]
    stored: StoredFile
    generation: int
    realized: int
    entered: int
    exited: int
    rule: str  # digest of what decides: rule, measures, references
    inputs: dict[str, Any]  # {"snapshot": {...}, "events": [...], "memberships": [...]}


@dataclass(frozen=True)
class Baseline:
    """What an activation last delivered (X8, X9)."""

    destination: str
    activation: str
    run_id: str
    stored: StoredFile
    profiles: int
    evaluated_at: datetime
    delivered_at: datetime
    url_digest: str
    url: str  # redacted
    digest_made_by: str


@dataclass(frozen=True)
class PlannedFile:
    """A file of a run: staged under ``temporary``, to appear as ``path``; both relative to the destination's root."""

    part: int
    temporary: str
    path: str
    rows: int | None = None
    size: int | None = None
    sha256: str | None = None
    clear_size: int | None = None  # of an encrypted file: what was encrypted
    clear_sha256: str | None = None


@dataclass(frozen=True)
class Run:
    """One line of history (SPEC 9), and what finishing it after a crash needs."""

    run_id: str
    destination: str
    activation: str
    audience: str
    trigger: str
    export: str
    scheduled_time: datetime
    status: Status = "running"
    first_export: bool | None = None
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    evaluated_at: datetime | None = None
    baseline_evaluated_at: datetime | None = None
    received: int | None = None
    exported: int | None = None
    excluded: int | None = None
    excluded_by: dict[str, int] | None = None
    realized: int | None = None
    exited: int | None = None
    identity_changed: int | None = None
    superseded_count: int | None = None
    error: str | None = None
    url: str | None = None  # normalised, without credentials
    url_digest: str | None = None
    constant_names: bool | None = None
    file_mode: int | None = None
    manifest: str | None = None
    manifest_name: str | None = None
    guards_overridden: bool = False
    rejects: StoredFile | None = None
    baseline: dict[str, Any] | None = None  # the baseline that success leaves, as columns of ``baselines``
    decision: StoredFile | None = None  # the rows that were written
    recipe: str | None = None  # of ``inputs``: the config that made bytes of them, and the versions
    snapshot: str | None = None  # of ``inputs``: the files whose values were written
    visible: bool | None = None  # all its files were, at a folder of this machine: whoever took one since has it
    files: tuple[PlannedFile, ...] = field(default=(), compare=False)

    @property
    def key(self) -> str:
        """``destination/activation``."""
        return f"{self.destination}/{self.activation}"


_TIMES = {"scheduled_time", "started_at", "finished_at", "evaluated_at", "baseline_evaluated_at"}
_FLAGS = {"first_export", "constant_names", "guards_overridden", "visible"}
_STORED = {"rejects", "decision"}
RUN_COLUMNS = tuple(each.name for each in fields(Run) if each.name != "files")


def moment(text: str | None) -> datetime | None:
    """An instant that may be absent."""
    return datetime.fromisoformat(text) if text else None


def when(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text)


def to_column(name: str, value: Any) -> Any:
    """A field of a run as SQLite keeps it."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, StoredFile):
        return json.dumps(value.__dict__)
    if name in {"excluded_by", "baseline"} and value is not None:
        return json.dumps(value)
    return value


def from_column(name: str, value: Any) -> Any:
    """The reverse of ``to_column``."""
    if value is None:
        return None
    if name in _TIMES:
        return when(value)
    if name in _FLAGS:
        return bool(value)
    if name in {"excluded_by", "baseline"}:
        return json.loads(value)
    return StoredFile(**json.loads(value)) if name in _STORED else value


def evaluation_of(row: sqlite3.Row) -> AudienceEvaluation:
    """A row of ``evaluations`` joined with its inputs."""
    return AudienceEvaluation(
        audience=row["audience"],
        at=when(row["at"]),
        scope=row["scope"],
        stored=StoredFile(row["file"], row["sha256"], row["size"]),
        generation=row["generation"],
        realized=row["realized"],
        entered=row["entered"],
        exited=row["exited"],
        rule=row["rule"],
        inputs=json.loads(row["content"]),
    )


def baseline_of(row: sqlite3.Row) -> Baseline:
    """A row of ``baselines``."""
    return Baseline(
        destination=row["destination"],
        activation=row["activation"],
        run_id=row["run_id"],
        stored=StoredFile(row["file"], row["sha256"], row["size"]),
        profiles=row["profiles"],
        evaluated_at=when(row["evaluated_at"]),
        delivered_at=when(row["delivered_at"]),
        url_digest=row["url_digest"],
        url=row["url"],
        digest_made_by=row["digest_made_by"],
    )
