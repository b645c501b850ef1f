"""What the ledger remembers, as frozen data, and how it lies in SQLite's columns. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

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

    @property
    def key(self) -> str:
        """``destination/activation``."""
        return f"{self.destination}/{self.activation}"


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
