"""The records of the ledger: evaluations, baselines, runs and their files, as frozen data."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from muster.activation.instants import iso

Status = Literal["running", "delivering", "succeeded", "failed", "superseded"]


@dataclass(frozen=True)
class StoredFile:
    """A Parquet file of the state folder, or one audience's part of a block, as the ledger refers to it (E8).

    Of a part, ``file`` is the path of the block, ``#`` and the audience, and ``sha256`` has two digests, joined by a
    dot: one of the bytes that are the audience's own, and one of the bytes that all audiences of the block share.
    """

    file: str  # relative to the state folder
    sha256: str
    size: int  # of the whole file
    mask: "StoredFile | None" = None  # of a delivered set in a part: the file that says whom of the members it holds

    @classmethod
    def of(cls, record: dict[str, Any]) -> "StoredFile":
        """The file of a ``record``."""
        mask = record.get("mask")
        return cls(record["file"], record["sha256"], record["size"], cls.of(mask) if mask else None)

    @property
    def record(self) -> dict[str, Any]:
        """The file as JSON keeps it."""
        known = {"file": self.file, "sha256": self.sha256, "size": self.size}
        return known | ({"mask": self.mask.record} if self.mask else {})

    @property
    def whole(self) -> "StoredFile":
        """The file, or the part, without its mask."""
        return replace(self, mask=None) if self.mask else self

    @property
    def path(self) -> str:
        """The path of the file, relative to the state folder."""
        return self.file.partition("#")[0]

    @property
    def audience(self) -> str | None:
        """The audience whose part of a block this is; None of a whole file."""
        return self.file.partition("#")[2] or None


@dataclass(frozen=True)
class NumberedProfiles:
    """A file of the numbering: the ids of the profiles with the numbers from ``first`` on."""

    first: int
    profiles: int
    name: str  # of the numbering: files with numbers of another one are read by their ids
    stored: StoredFile


@dataclass(frozen=True)
class AudienceEvaluation:
    """The evaluation of one audience at one instant (E5, E8)."""

    audience: str
    at: datetime
    scope: Literal["all", "some"]
    stored: StoredFile
    generation: int
    realized: int
    entered: int
    exited: int
    rule: str  # digest of the audience's rule, measures and references
    inputs: dict[str, Any]  # {"snapshot": {...}, "events": [...], "memberships": [...], "roster": ..., "ages": {...}}

    @property
    def ages(self) -> dict[str, int]:
        """The ages of the inputs that decided the audience, in seconds, as far as they are known (D2)."""
        return dict(self.inputs.get("ages", {}))

    @property
    def ignored_rows(self) -> dict[str, int]:
        """How many rows up to the instant reached no profile, by kind of input (P12); empty with ``profiles.path``."""
        return dict(self.inputs.get("ignored", {}))

    @property
    def policy(self) -> str | None:
        """The merge policy by whose build the profiles were made (P10); None with ``profiles.path``."""
        return (self.inputs.get("build") or {}).get("policy")

    @property
    def build(self) -> int | None:
        """The number of the build of that policy; None with ``profiles.path``."""
        return (self.inputs.get("build") or {}).get("number")


def snapshots_of(evaluations: Iterable[AudienceEvaluation]) -> str:
    """The names of the snapshots that evaluations used, each once: with sources one for each merge policy."""
    return ", ".join(dict.fromkeys(each.inputs["snapshot"]["name"] for each in evaluations))


@dataclass(frozen=True)
class Build:
    """One build of the profiles of a merge policy from its sources (P7, P10)."""

    policy: str
    number: int  # of the builds of this policy, from 1
    at: datetime
    inputs: str  # equal while the same rows count by the same rules
    view: tuple[StoredFile, ...] | None  # Parquet files of the merged view; None once they are pruned
    graph: dict[str, StoredFile] | None  # files of the identity graph, by what they hold; None once they are pruned
    stats: dict[str, Any]  # sizes, shared and refused identities, merges and splits

    @property
    def changes_ids(self) -> bool:
        """Whether the ids of later builds come out of this one: not of a build before the policy's newest one (P7)."""
        return bool(self.stats.get("changes_ids", True))

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files of the build that the state still has."""
        return (*(self.view or ()), *(self.graph or {}).values())


@dataclass(frozen=True)
class FailedAudience:
    """An audience that no evaluation could decide since ``first_at``, and why the last one could not (E9)."""

    audience: str
    first_at: datetime  # of the first failed evaluation since the newest one that succeeded
    last_at: datetime  # of the last failed evaluation
    error: str

    @property
    def problem(self) -> str:
        """The sentence about it; of a streak of failures for one reason, it is the same each time."""
        return f"audience {self.audience!r} could not be evaluated since {iso(self.first_at)}: {self.error}"


@dataclass(frozen=True)
class Baseline:
    """The last delivery of an activation: the run, the place, and the file with the delivered set (X8, X9)."""

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
    policy: str | None = None  # the merge policy by whose build the ids were made (P11); None with ``profiles.path``
    build: int | None = None  # the number of that build

    @property
    def key(self) -> str:
        """``destination/activation``."""
        return f"{self.destination}/{self.activation}"


@dataclass(frozen=True)
class MessageBaseline:
    """The delivered rows of an activation that sends messages: where they are, and of which place they are (V2)."""

    destination: str
    activation: str
    run_id: str  # the run that moved them last
    stored: StoredFile
    profiles: int  # rows
    members: int  # rows that hold a mapped audience as realized
    at: datetime  # the slot of that run
    place_digest: str
    place: str  # without credentials
    made: dict[str, Any]  # what the columns of the file mean: audiences, aliases, mapping (``profile_changes``)
    policy: str | None = None  # the merge policy by whose build the ids were made (P11); None with ``profiles.path``
    build: int | None = None  # the number of that build

    @property
    def key(self) -> str:
        """``destination/activation``."""
        return f"{self.destination}/{self.activation}"

    def tells(self, audience: str) -> bool:
        """Whether the receiver was told of an audience."""
        return any(each["audience"] == audience for each in self.made.get("audiences", ()))


@dataclass(frozen=True)
class Look:
    """The last time that a command looked whether an activation has something to send (V1)."""

    destination: str
    activation: str
    at: datetime
    # Of all that the look depended on, if it found nothing to send; empty if it found nothing, and the next command has
    # to compare all the same; None if something was sent.
    fingerprint: str | None = None
    until: datetime | None = None  # the instant from which the look counts no more, whatever the fingerprint

    @property
    def key(self) -> str:
        """``destination/activation``."""
        return f"{self.destination}/{self.activation}"

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing to send, so that no run was recorded."""
        return self.fingerprint is not None


@dataclass(frozen=True)
class PlannedFile:
    """A file of a run: staged as ``temporary``, published as ``path``; both relative to the destination's root."""

    part: int
    temporary: str
    path: str
    rows: int | None = None
    size: int | None = None
    sha256: str | None = None
    clear_size: int | None = None  # of an encrypted file: bytes before encryption
    clear_sha256: str | None = None


@dataclass(frozen=True)
class RunAudience:
    """A mapped audience of a run that sends messages, and the evaluation whose members it had (V11)."""

    id: str
    alias: str | None = None
    evaluated_at: datetime | None = None  # None of an audience that was not evaluated yet


@dataclass(frozen=True)
class Run:
    """One run in the history (SPEC 9), with all that finishing the run after a crash needs."""

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
    baseline: dict[str, Any] | None = None  # columns of ``baselines`` that success writes
    decision: StoredFile | None = None  # the rows that the run wrote
    recipe: str | None = None  # key in ``inputs``: the config that turned rows into bytes, and versions
    snapshot: str | None = None  # key in ``inputs``: the snapshot files whose values the run wrote
    rewound: bool = False  # a rewind took its slot back, which it no longer settles (S8)
    ages: dict[str, int] | None = None  # of the inputs at the instant, in seconds: profiles, events, memberships (D2)
    exits_not_sent: int | None = None  # delivered profiles that left without an exit, as the status was not mapped
    governance: str | None = None  # key in ``inputs``: the policies that were applied, and the labels (G7)
    merged: int | None = None  # delivered ids that became aliases (P11); None with ``profiles.path``
    split: int | None = None  # profiles that came out of delivered ones (P11)
    audiences: tuple[RunAudience, ...] | None = None  # of a run that sends messages (V11); else None
    messages: int | None = None  # entries that were sent (V11)
    requests: int | None = None
    by_trigger: dict[str, int] | None = None  # profiles by the first of consent, membership, identity, attributes
    resent: int | None = None  # profiles that may have been told twice, after a kill or a run without answers (V8)
    compared: int | None = None  # the number of the run's comparison, from 1: a kill may ask for a fresh one (V8)
    outbox: dict[str, Any] | None = None  # the files of the outbox with sizes and checksums; None once it is removed
    answers: dict[str, int] | None = None  # requests by how they were answered (V10)
    visible: bool | None = None  # whether all files appeared, in a folder of this machine: readers may have them
    files: tuple[PlannedFile, ...] = field(default=(), compare=False)

    @property
    def key(self) -> str:
        """The activation key, ``destination/activation``."""
        return f"{self.destination}/{self.activation}"
