"""What one command works with: the workspace, its state, the instant, and the inputs it opens, each once. Edge module."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from muster.activation.destinations.folder import Target
from muster.activation.destinations.opening import Targets
from muster.activation.encryption.sealing import Encryption, opened
from muster.activation.errors import DataError, RefusedError
from muster.activation.frames.columns import STATUS, STATUS_TYPE, TIME
from muster.activation.inputs import feeds
from muster.activation.inputs.parquet import Part, blamed
from muster.activation.inputs.paths import Inputs, table_parts
from muster.activation.mapping.profile_values import Attributes
from muster.activation.model.history import AudienceEvaluation, Run
from muster.activation.model.workspace import Activation, Pgp, Workspace
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import Snapshot, profile_snapshot, refuse_empty, snapshot_of
from muster.activation.state.files import State
from muster.activation.state.ledger import evaluations_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.memory import Budget


@dataclass
class Session:
    """The context of one command. ``clock`` is for the record only: no rule reads it (E1)."""

    workspace: Workspace
    state: State
    ledger: Ledger
    at: datetime
    clock: Callable[[], datetime]
    allow_empty: bool = False
    _opened: dict[str, Snapshot] = field(default_factory=dict)
    _rosters: dict[str, Roster] = field(default_factory=dict)
    _attributes: dict[int, Attributes] = field(default_factory=dict)
    _encryptions: dict[Pgp, Encryption] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The workspace's folder."""
        return self.workspace.root

    @cached_property
    def places(self) -> Inputs:
        """Where the inputs lie."""
        return Inputs(self.workspace)

    @cached_property
    def targets(self) -> Targets:
        """The places of the destinations."""
        return Targets(self.workspace, self.state.folder)

    def target(self, run: Run) -> Target:
        """Where a run's files go: its own place, whatever the config says now (S6)."""
        return self.targets.open(run.url or "", run.destination, run.file_mode or self.workspace.file_mode)

    def close(self) -> None:
        """End what was connected to."""
        if "targets" in self.__dict__:
            self.targets.close()
        if "places" in self.__dict__:
            self.places.close()

    @cached_property
    def snapshot(self) -> Snapshot:
        """The newest profile snapshot at or before the instant, its ids checked (D1, D2, X5)."""
        snapshot = profile_snapshot(self.workspace, self.places, self.at, allow_empty=self.allow_empty)
        with blamed(lambda: snapshot.parts):
            self.roster_of(snapshot)
        return snapshot

    def encryption(self, activation: Activation) -> Encryption | None:
        """What encrypts the activation's files; ``MistakeError`` when a key cannot be used at the instant."""
        pgp = activation.encryption
        if pgp and pgp not in self._encryptions:
            self._encryptions[pgp] = opened(pgp, self.root, self.state.folder / "tmp", self.at)
        return self._encryptions[pgp] if pgp else None

    @property
    def roster(self) -> Roster:
        """The numbers of that snapshot's profiles."""
        return self.roster_of(self.snapshot)

    def roster_of(self, snapshot: Snapshot) -> Roster:
        """The numbers of a snapshot's profiles: as an evaluation kept them, or given now."""
        key = json.dumps(snapshot.records)
        if key not in self._rosters:
            kept = (Roster.kept(snapshot, self.state, name) for name in evaluations_table.rosters(self.ledger))
            self._rosters[key] = next((roster for roster in kept if roster), None) or Roster.of(snapshot)
        return self._rosters[key]

    def use_roster(self, snapshot: Snapshot, roster: Roster) -> None:
        """Number a snapshot's profiles as this roster does."""
        self._rosters[json.dumps(snapshot.records)] = roster

    def attributes_of(self, snapshot: Snapshot) -> Attributes:
        """The values of a snapshot's profiles."""
        roster = self.roster_of(snapshot)
        return self._attributes.setdefault(id(roster), Attributes(roster, self.budget))

    @cached_property
    def budget(self) -> Budget:
        """What may be kept in memory for later files."""
        return Budget(self.workspace.memory_limit)

    def memberships(self, evaluation: AudienceEvaluation, roster: Roster) -> pl.DataFrame:
        """What an evaluation left: __row, status, last_qualification_time."""
        return roster.read(self.state, evaluation.stored, pl.col(STATUS).cast(STATUS_TYPE), pl.col(TIME))

    @cached_property
    def event_parts(self) -> list[Part]:
        """The event files (D3)."""
        return table_parts(self.places, self.workspace.events.path, "events") if self.workspace.events else []

    @cached_property
    def feed_parts(self) -> list[Part]:
        """The membership files (D4)."""
        return (
            table_parts(self.places, self.workspace.memberships.path, "memberships")
            if self.workspace.memberships
            else []
        )

    @cached_property
    def feed(self) -> pl.LazyFrame:
        """The membership feed, checked (D4)."""
        with blamed(lambda: self.feed_parts):
            return feeds.read(self.feed_parts)

    def inputs(self) -> list[Part]:
        """The files that were opened so far: whichever of them a plan failed on."""
        opened = [self.__dict__["snapshot"]] if "snapshot" in self.__dict__ else []
        tables = [part for name in ("event_parts", "feed_parts") for part in self.__dict__.get(name, ())]
        return [*(part for snapshot in (*opened, *self._opened.values()) for part in snapshot.parts), *tables]

    def evaluated_snapshot(self, evaluation: AudienceEvaluation) -> Snapshot:
        """The snapshot that an evaluation used; ``RefusedError`` when its files changed or are gone (X7)."""
        files = evaluation.inputs["snapshot"]["files"]
        key = json.dumps(files)
        if key not in self._opened:
            remedy = f"audience {evaluation.audience!r} was evaluated with it; run `muster evaluate` and export again"
            snapshot = snapshot_of(self.workspace, [unchanged(self.places, record, remedy) for record in files])
            refuse_empty(snapshot, allowed=self.allow_empty)
            self._opened[key] = snapshot
        return self._opened[key]


def unchanged(inputs: Inputs, record: dict[str, str | int], remedy: str) -> Part:
    """A file of a snapshot as it was recorded; ``RefusedError`` when it changed or is gone."""
    name = str(record["name"])
    try:
        file = inputs.named(name)
        if not file.exists():
            raise RefusedError(f"{name}: the snapshot file is gone: {remedy}")
        part = inputs.read_one(file)
    except DataError as error:
        raise RefusedError(f"{error}; {remedy}") from error
    if part.record != record:
        raise RefusedError(f"{name}: the snapshot file changed: {remedy}")
    return part
