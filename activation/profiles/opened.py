"""The inputs that one command has opened, each once: snapshots, rosters, event files, membership files (D1-D4).

A command opens the newest inputs at its instant; a re-evaluation opens those that an evaluation recorded (E8).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from muster.activation.errors import DataError, RefusedError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.inputs import events, feeds
from muster.activation.inputs.events import Events
from muster.activation.inputs.parquet import Part, blamed, refuse_rewritten
from muster.activation.inputs.paths import Inputs
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.sources import DEFAULT_POLICY, Source
from muster.activation.model.workspace import Audience
from muster.activation.profiles import namespaces
from muster.activation.profiles.forgotten import Forgotten, without_forgotten
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.shared_inputs import SharedInputs
from muster.activation.profiles.snapshots import Snapshot, profile_snapshot, refuse_empty, snapshot_of
from muster.activation.state.ledger import evaluations_table
from muster.activation.values.known_columns import Columns
from muster.activation.views.lineage import Lineage

if TYPE_CHECKING:
    from muster.activation.sources.opened import OpenedSource
    from muster.activation.views.view import View


@dataclass(frozen=True, eq=False)
class RecordedInputs:
    """The inputs that an evaluation recorded, to be used in place of the newest ones."""

    snapshot: Snapshot
    roster: str  # the name of the roster that the evaluation kept


class Opened:
    """The inputs that one command has opened. Copies of files in buckets live until ``close``."""

    feed_keys: Sequence[str] = feeds.BY_PROFILE  # the columns of the feed whose memberships count each (P12)

    def __init__(
        self, shared: SharedInputs, policy: str = DEFAULT_POLICY, recorded: RecordedInputs | None = None
    ) -> None:
        self.policy = policy  # the merge policy by which profiles are made, with sources
        self.inputs, self.warnings, self.freshness = shared.inputs, shared.warnings, shared.freshness
        self.allow_empty = shared.allow_empty  # the inputs that may have no row (X11)
        self._shared, self._recorded = shared, recorded
        self._workspace, self._at = shared.workspace, shared.at
        self._state, self._ledger = shared.state, shared.ledger
        self._snapshot_parts: Sequence[Part] = ()  # once the snapshot is opened
        self.refuse_mixed: Callable[[], None] = lambda: None  # once the snapshot is opened: its check
        self._evaluated: dict[str, Snapshot] = {}  # by the records of its files
        self._held: dict[tuple[str, str], bool] = {}  # by the records of a snapshot's files, and a namespace
        self._rosters: dict[str, Roster] = {}  # by the records of the snapshot's files
        if recorded:
            self._take_kept(recorded.snapshot, recorded.roster)

    def _take_kept(self, snapshot: Snapshot, name: str) -> None:
        """Number the profiles of a recorded snapshot as the roster of this name has them, if it is kept."""
        if kept := Roster.kept(snapshot, self._state, name, self.numbering):
            self._rosters[_identity(snapshot)] = kept

    def close(self) -> None:
        """Remove the copies of files in buckets."""
        self.inputs.close()

    def of(self, policy: str) -> "Opened":  # noqa: ARG002  # profiles of a path are of no policy
        """The inputs of this command for another merge policy; itself where profiles have a path."""
        return self

    @property
    def lineage(self) -> Lineage | None:
        """What became of profile ids, as of the newest build of the policy (P11); None with ``profiles.path``."""
        return None

    @property
    def build(self) -> int | None:
        """The number of the build whose profiles ``snapshot`` has (P10); None with ``profiles.path``."""
        return None

    @property
    def view(self) -> "View":
        """The merged view of the policy (P8, P10); ``ValueError`` with ``profiles.path``."""
        raise ValueError(self.policy)

    @property
    def view_stats(self) -> Mapping[str, Any]:
        """The sizes of the identity graph, as the build of the view has them (P10); empty with ``profiles.path``."""
        return {}

    def source(self, source: Source) -> "OpenedSource":
        """A source of profiles, whether the merge policy reads it or not; it is not judged by its age.

        ``DataError`` when it cannot be used.
        """
        return self._shared.source(source)

    @property
    def snapshot_name(self) -> str:
        """What records and headings call ``newest_snapshot``."""
        return self.newest_snapshot.name

    @property
    def profile_kinds(self) -> Sequence[str]:
        """The kinds of inputs that decide who is a profile, as ``freshness`` calls them."""
        return ("profiles",)

    def record_of(self, audience: Audience) -> dict[str, Any]:  # noqa: ARG002  # the files say it all
        """What an evaluation of an audience records of these inputs beside their files (E8)."""
        return {}

    @property
    def snapshot(self) -> Snapshot:
        """The newest profile snapshot at or before the instant, its ids checked (D1, D2, X5); else ``DataError``.

        A stale one is refused; ``newest_snapshot`` is not judged.
        """
        snapshot = self.newest_snapshot
        if not self._recorded:
            self.freshness.check_snapshot(snapshot)
        return snapshot

    @property
    def newest_snapshot(self) -> Snapshot:
        """``snapshot``, however old it is."""
        return self._numbered

    @cached_property
    def _numbered(self) -> Snapshot:
        """The newest snapshot without forgotten people, once its profiles are numbered."""
        snapshot = self._recorded.snapshot if self._recorded else self._newest()
        with blamed(lambda: snapshot.parts):
            snapshot = self._without_forgotten(snapshot)
            self.roster_of(snapshot)
        self._snapshot_parts = snapshot.parts
        return snapshot

    def _newest(self) -> Snapshot:
        """The newest snapshot as it is found."""
        allowed = "profiles" in self.allow_empty
        snapshot, self.refuse_mixed = profile_snapshot(
            self._workspace, self.inputs, self._at, allow_empty=allowed, warn=self.warnings.add
        )
        return snapshot

    @property
    def forgotten(self) -> Forgotten | None:
        """The forgotten people (G8); None when nobody is."""
        return self._shared.forgotten

    def _without_forgotten(self, snapshot: Snapshot, others: pl.Series | None = None) -> Snapshot:
        """A snapshot that hides forgotten people, and further ids."""
        return without_forgotten(snapshot, self.forgotten, others) if self.forgotten else snapshot

    @property
    def numbering(self) -> Numbering:
        """The numbers of all profiles that the state ever named."""
        return self._shared.numbering

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
    def event_parts(self) -> Sequence[Part]:
        """The event files (D3); none without a source. ``DataError`` when they are stale (D2) or have no row (X11)."""
        parts = self._shared.event_parts
        with blamed(lambda: parts):
            self.freshness.check_table("events", parts)
        return parts

    @property
    def events(self) -> Events | None:
        """The events (D3); None without a source. ``DataError`` when they cannot be used, are stale, or have no row."""
        _ = self.event_parts  # judged at each use
        return self._events

    @cached_property
    def _events(self) -> Events | None:
        source = self._workspace.events
        return events.read(self.event_parts, source) if source else None

    @property
    def event_columns(self) -> Columns | None:
        """The columns of all event files; None without a source. Errors are as of ``events``."""
        return self.events.columns if self.events else None

    @property
    def feed_parts(self) -> Sequence[Part]:
        """The membership files (D4); none without a source of them. ``DataError`` when they have no row (X11)."""
        return self._shared.feed_parts

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
        for each in self._siblings:
            each.refuse_mixed()
        self._shared.refuse_changed()
        refuse_rewritten(self.opened_parts())

    @property
    def _siblings(self) -> Sequence["Opened"]:
        """The inputs of all merge policies that the command has opened so far, these among them."""
        return (self,)

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
        snapshots = [parts for each in self._siblings for parts in each.opened_snapshots()]
        return [part for parts in (*snapshots, *self._shared.parts.values()) for part in parts]

    def opened_snapshots(self) -> list[Sequence[Part]]:
        """The files of the profiles that were opened so far, for this policy alone."""
        return [self._snapshot_parts, *(snapshot.parts for snapshot in self._evaluated.values())]


def _identity(snapshot: Snapshot) -> str:
    """Text that is equal for two snapshots of the same files that hide the same people."""
    return json.dumps([snapshot.records, snapshot.without_key])


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
