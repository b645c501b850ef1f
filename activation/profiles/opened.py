"""The inputs that one command has opened, each once: snapshots, rosters, event files, membership files (D1-D4).

A command opens the newest inputs at its instant; a re-evaluation opens those that an evaluation recorded (E8).
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import polars as pl

from muster.activation.errors import DataError, RefusedError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.inputs import events, feeds
from muster.activation.inputs.events import Events
from muster.activation.inputs.finding import table_parts
from muster.activation.inputs.parquet import Part, blamed, refuse_rewritten, total_rows
from muster.activation.inputs.paths import Inputs
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.sources import DEFAULT_POLICY
from muster.activation.model.warning_log import WarningLog
from muster.activation.model.workspace import InputName, Workspace
from muster.activation.profiles import namespaces
from muster.activation.profiles.forgotten import Forgotten, without_forgotten
from muster.activation.profiles.freshness import Freshness
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import Snapshot, profile_snapshot, refuse_empty, snapshot_of
from muster.activation.state.files import State
from muster.activation.state.ledger import evaluations_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.views.lineage import Lineage

_WITHOUT_ROWS = {
    "events": "the event files have no rows, so nobody would have done anything; pass --allow-empty-events if that is "
    "meant",
    "memberships": "the membership files have no rows, so every member would leave; pass --allow-empty-memberships if "
    "that is meant",
}


@dataclass(frozen=True, eq=False)
class RecordedInputs:
    """The inputs that an evaluation recorded, to be used in place of the newest ones."""

    snapshot: Snapshot
    event_parts: list[Part]
    feed_parts: list[Part]
    roster: str  # the name of the roster that the evaluation kept


class Opened:
    """The inputs that one command has opened. Copies of files in buckets live until ``close``."""

    def __init__(
        self,
        workspace: Workspace,
        inputs: Inputs,
        at: datetime,
        state: State,
        ledger: Ledger,
        *,
        warnings: WarningLog,
        allow_empty: Collection[InputName] = (),
        recorded: RecordedInputs | None = None,
        policy: str = DEFAULT_POLICY,
    ) -> None:
        self.inputs = inputs
        self.policy = policy  # the merge policy by which profiles are made, with sources
        self.warnings = warnings
        self.allow_empty = allow_empty  # the inputs that may have no row (X11)
        self.freshness = Freshness(workspace, at, judges=recorded is None)
        self._workspace, self._at, self._state, self._ledger = workspace, at, state, ledger
        self._recorded = recorded
        self._parts: dict[str, Sequence[Part]] = {}  # by kind of input: the files that were opened
        self._refuse_mixed: Callable[[], None] = lambda: None  # once the snapshot is opened: its check
        self._evaluated: dict[str, Snapshot] = {}  # by the records of its files
        self._held: dict[tuple[str, str], bool] = {}  # by the records of a snapshot's files, and a namespace
        self._rosters: dict[str, Roster] = {}  # by the records of the snapshot's files
        if recorded and (kept := Roster.kept(recorded.snapshot, state, recorded.roster, self.numbering)):
            self._rosters[_identity(recorded.snapshot)] = kept

    def close(self) -> None:
        """Remove the copies of files in buckets."""
        self.inputs.close()

    @property
    def lineage(self) -> Lineage | None:
        """What became of profile ids, as of the newest build of the policy (P11); None with ``profiles.path``."""
        return None

    @property
    def snapshot(self) -> Snapshot:
        """The newest profile snapshot at or before the instant, its ids checked (D1, D2, X5); else ``DataError``.

        A stale one is refused; ``newest_snapshot`` is not judged.
        """
        snapshot = self.newest_snapshot
        if not self._recorded:
            self.freshness.check_snapshot(snapshot)
        return snapshot

    @cached_property
    def newest_snapshot(self) -> Snapshot:
        """``snapshot``, however old it is."""
        if self._recorded:
            snapshot = self._recorded.snapshot
        else:
            snapshot, self._refuse_mixed = profile_snapshot(
                self._workspace,
                self.inputs,
                self._at,
                allow_empty="profiles" in self.allow_empty,
                warn=self.warnings.add,
            )
        with blamed(lambda: snapshot.parts):
            snapshot = self._without_forgotten(snapshot)
            self.roster_of(snapshot)
        self._parts["snapshot"] = snapshot.parts
        return snapshot

    @cached_property
    def forgotten(self) -> Forgotten | None:
        """The forgotten people (G8); None when nobody is."""
        return Forgotten.of(self._ledger)

    def _without_forgotten(self, snapshot: Snapshot, others: pl.Series | None = None) -> Snapshot:
        """A snapshot that hides forgotten people, and further ids."""
        return without_forgotten(snapshot, self.forgotten, others) if self.forgotten else snapshot

    @cached_property
    def numbering(self) -> Numbering:
        """The numbers of all profiles that the state ever named."""
        return Numbering.of(self._state, self._ledger)

    @property
    def roster(self) -> Roster:
        """The rows of the profiles of ``snapshot``."""
        return self.roster_of(self.newest_snapshot)

    def roster_of(self, snapshot: Snapshot) -> Roster:
        """The rows of a snapshot's profiles: as an evaluation kept them, or else given now."""
        identity = _identity(snapshot)
        if identity not in self._rosters:
            names = evaluations_table.rosters(self._ledger)
            kept = (Roster.kept(snapshot, self._state, name, self.numbering) for name in names)
            found = next((roster for roster in kept if roster), None)
            self._rosters[identity] = found or Roster.of(snapshot, self.numbering)
        return self._rosters[identity]

    def evaluated_snapshot(self, evaluation: AudienceEvaluation) -> Snapshot:
        """The snapshot that an evaluation used; ``RefusedError`` when a file of it changed or is missing (X7)."""
        files = evaluation.inputs["snapshot"]["files"]
        identity = json.dumps(files)
        if identity not in self._evaluated:
            remedy = f"audience {evaluation.audience!r} was evaluated with it; run `muster evaluate` and export again"
            snapshot = snapshot_of(self._workspace, [unchanged_part(self.inputs, each, remedy) for each in files])
            refuse_empty(snapshot, allowed="profiles" in self.allow_empty)
            if self.forgotten:  # by the newest snapshot too: identities may have gone since
                with blamed(lambda: snapshot.parts):
                    snapshot = self._without_forgotten(snapshot, self.newest_snapshot.without)
            self._evaluated[identity] = snapshot
        return self._evaluated[identity]

    def holds_namespace(self, snapshot: Snapshot, namespace: str) -> bool:
        """Whether any profile of a snapshot has an id in an identity namespace (M4); asked once of each."""
        key = (_identity(snapshot), namespace)
        if key not in self._held:
            self._held[key] = namespaces.is_held(snapshot, namespace)
        return self._held[key]

    @property
    def event_parts(self) -> list[Part]:
        """The event files (D3); none without a source. ``DataError`` when they are stale (D2) or have no row (X11)."""
        parts = self._event_parts
        with blamed(lambda: parts):
            self.freshness.check_table("events", parts)
        return parts

    @cached_property
    def _event_parts(self) -> list[Part]:
        return self._table_parts("events")

    @property
    def events(self) -> Events | None:
        """The events (D3); None without a source. ``DataError`` when they cannot be used, are stale, or have no row."""
        _ = self.event_parts  # judged at each use
        return self._events

    @cached_property
    def _events(self) -> Events | None:
        source = self._workspace.events
        return events.read(self.event_parts, source) if source else None

    @cached_property
    def feed_parts(self) -> list[Part]:
        """The membership files (D4); none without a source of them. ``DataError`` when they have no row (X11)."""
        return self._table_parts("memberships")

    def _table_parts(self, kind: Literal["events", "memberships"]) -> list[Part]:
        source = self._workspace.events if kind == "events" else self._workspace.memberships
        if self._recorded:
            parts = self._recorded.event_parts if kind == "events" else self._recorded.feed_parts
        else:
            parts = table_parts(self.inputs, source.path, kind, self.warnings.add) if source else []
            if source and kind not in self.allow_empty and not total_rows(parts):
                raise DataError(f"{source.path}: {_WITHOUT_ROWS[kind]} ({kind}.path in muster.yml)")
        self._parts[kind] = parts
        return parts

    @cached_property
    def feed(self) -> pl.LazyFrame:
        """``whole_feed`` without forgotten people (G8)."""
        if self.forgotten is None:
            return self.whole_feed
        ids = engine.collect(self.whole_feed.select(pl.col(PROFILE_ID).unique()))[PROFILE_ID]
        unknown = ids.filter(self.numbering.known_numbers_of(ids).is_null())
        hidden = [unknown.filter(self.forgotten.has(unknown)), self.newest_snapshot.without]
        found = pl.concat([each.alias(PROFILE_ID) for each in hidden if each is not None])
        return self.whole_feed.filter(~pl.col(PROFILE_ID).is_in(found.implode())) if len(found) else self.whole_feed

    @cached_property
    def whole_feed(self) -> pl.LazyFrame:
        """The membership feed, checked (D4, D2), with the columns of ``feeds.FEED``; ``DataError`` otherwise."""
        with blamed(lambda: self.feed_parts):
            self.freshness.check_table("memberships", self.feed_parts)
            return feeds.read(self.feed_parts, self.warnings.add)

    def refuse_changed(self) -> None:
        """``DataError`` when what was read so far may be of two versions of a file, or of the snapshot (D2)."""
        self._refuse_mixed()
        refuse_rewritten(self.opened_parts())

    @cached_property
    def _fed(self) -> dict[str, datetime]:
        """The ids of the audiences that the feed has a row of, each with the time of the earliest."""
        with blamed(lambda: self.feed_parts):
            return feeds.audiences_in(self.feed)

    def feed_warning(self, audience: str) -> str:
        """A warning that the feed has no row of an audience, with near ids; else nothing (X11).

        Rows later than the instant do not exist (D4): that is warned of where the audience has members, who all exit.
        """
        source, first = self._workspace.memberships, self._fed.get(audience)
        if source is None or (first is not None and first <= self._at):
            return ""
        if first is not None:
            newest = evaluations_table.newest(self._ledger, audience, self._at)
            has_rule = self._workspace.audiences[audience].where is not None  # which decides until the feed begins (X6)
            if has_rule or newest is None or not newest.realized:
                return ""
            return (
                f"{source.path}: no row for the audience {audience!r} is of {iso(self._at)} or before, only later ones"
            )
        return f"{source.path}: no row is for the audience {audience!r}{did_you_mean(audience, self._fed)}"

    def opened_parts(self) -> list[Part]:
        """The files that were opened so far: when a plan fails on a damaged file, the file is one of these."""
        snapshots = [self._parts.get("snapshot", ()), *(snapshot.parts for snapshot in self._evaluated.values())]
        tables = [self._parts.get(kind, ()) for kind in ("events", "memberships")]
        return [part for parts in (*snapshots, *tables) for part in parts]


def _identity(snapshot: Snapshot) -> str:
    """Text that is equal for two snapshots of the same files that hide the same people."""
    return json.dumps([snapshot.records, snapshot.without_key])


def newest_inputs(
    workspace: Workspace,
    at: datetime,
    state: State,
    ledger: Ledger,
    warnings: WarningLog,
    *,
    allow_empty: Collection[InputName] = (),
) -> Opened:
    """The newest inputs at an instant, none of them opened yet."""
    return Opened(workspace, Inputs(workspace), at, state, ledger, warnings=warnings, allow_empty=allow_empty)


def recorded_inputs(workspace: Workspace, evaluation: AudienceEvaluation, state: State, ledger: Ledger) -> Opened:
    """The inputs that an evaluation recorded (E8), their footers read; ``DataError`` for a file that cannot be read."""
    inputs, record = Inputs(workspace), evaluation.inputs
    events, memberships, profiles = (
        [inputs.recorded(each) for each in records]
        for records in (record["events"], record["memberships"], record["snapshot"]["files"])
    )
    snapshot = snapshot_of(workspace, profiles)
    recorded = RecordedInputs(snapshot, events, memberships, record["roster"])
    at, warnings = evaluation.at, WarningLog(workspace.variables)
    allowed: set[InputName] = {"profiles"}  # recorded events and memberships are never refused
    return Opened(workspace, inputs, at, state, ledger, warnings=warnings, allow_empty=allowed, recorded=recorded)


def unchanged_part(inputs: Inputs, record: dict[str, Any], remedy: str) -> Part:
    """A file of a snapshot as it was recorded; ``RefusedError`` with ``remedy`` when the file changed or is missing."""
    name = str(record["name"])
    try:
        if not inputs.named(name).exists():
            raise RefusedError(f"{name}: the snapshot file is missing: {remedy}")
        part = inputs.recorded(record)
    except DataError as error:
        raise RefusedError(f"{error}; {remedy}") from error
    if part.record != record:
        raise RefusedError(f"{name}: the snapshot file changed: {remedy}")
    return part
