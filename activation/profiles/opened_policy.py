"""The inputs of one merge policy: profiles made of sources, with the events and feeds that lead to them (P7 to P12)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from muster.activation.errors import MusterError
from muster.activation.inputs import feeds
from muster.activation.inputs.events import Events
from muster.activation.inputs.joint_columns import joint_columns
from muster.activation.inputs.parquet import Part, blamed
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.sources import DEFAULT_POLICY, Source, event_sources, record_sources
from muster.activation.model.workspace import Audience
from muster.activation.profiles.leads import Leads
from muster.activation.profiles.named_feed import NamedFeed, named_feed
from muster.activation.profiles.opened import Opened
from muster.activation.profiles.policy_events import SourceEvents, events_of_path, events_of_source, policy_events
from muster.activation.profiles.shared_inputs import SharedInputs
from muster.activation.profiles.snapshots import Snapshot, refuse_empty, snapshot_of
from muster.activation.sources.opened import OpenedSource, refuse_stale
from muster.activation.values.known_columns import Columns
from muster.activation.views.build import kept_view, view_at
from muster.activation.views.lineage import Lineage
from muster.activation.views.view import View


class OpenedPolicy(Opened):
    """What one command has opened for one merge policy; ``of`` leads to that of another one.

    An error of the sources, or of the view, is raised each time that profiles are asked for: it stops what needs the
    profiles of this policy, and nothing else (P1, P10).
    """

    feed_keys = feeds.BY_NAME

    def __init__(
        self,
        shared: SharedInputs,
        policy: str = DEFAULT_POLICY,
        recorded: AudienceEvaluation | None = None,
        siblings: "dict[str, OpenedPolicy] | None" = None,
    ) -> None:
        super().__init__(shared, policy)
        self._evaluation = recorded  # whose inputs are used in place of the newest ones
        self._others = {} if siblings is None else siblings
        self._others[policy] = self
        self._view: View | None = None
        self._refused: MusterError | None = None  # why there is no view

    def of(self, policy: str) -> "OpenedPolicy":
        """The inputs of this command for another merge policy."""
        with self._shared.alone:
            return self._others.get(policy) or OpenedPolicy(self._shared, policy, siblings=self._others)

    @property
    def _siblings(self) -> Sequence[Opened]:
        return tuple(self._others.values())

    def close(self) -> None:
        """Remove views that are not kept, and copies of files in buckets."""
        for each in self._others.values():
            each.close_view()
        super().close()

    def close_view(self) -> None:
        """Remove the view of this policy, if it is not kept."""
        if self._view is not None:
            self._view.close()

    # Sources

    @property
    def _record_sources(self) -> Sequence[Source]:
        policies, sources = self._workspace.merge_policies, self._workspace.sources
        return record_sources(policies[self.policy], sources)

    @property
    def _event_sources(self) -> Sequence[Source]:
        policies, sources = self._workspace.merge_policies, self._workspace.sources
        return event_sources(policies[self.policy], sources)

    def _judged(self, source: Source) -> OpenedSource:
        """A source whose age is noted; ``DataError`` when it is stale, or has no age that ``max_age`` could judge."""
        opened = self._shared.source(source)
        self.freshness.check_source(opened, refuse_stale)
        return opened

    @property
    def profile_kinds(self) -> Sequence[str]:
        """The policy's sources, as ``freshness`` calls kinds of inputs: all of them decide who is a profile."""
        return tuple(f"sources.{each.id}" for each in (*self._record_sources, *self._event_sources))

    # Profiles

    @property
    def view(self) -> View:
        """The merged view of what the sources hold at the instant, or that an evaluation recorded (P10).

        ``DataError`` when a source cannot be used; ``RefusedError`` for a recorded view that was pruned.
        """
        with self._shared.alone:
            if self._refused:
                raise self._refused
            if self._view is None:
                try:
                    self._view = self._kept_view(self._evaluation) if self._evaluation else self._newest_view()
                except MusterError as error:
                    self._refused = error
                    raise
            return self._view

    def _newest_view(self) -> View:
        sources = [self._shared.source(each) for each in (*self._record_sources, *self._event_sources)]
        return view_at(
            self._workspace,
            self.policy,
            sources,
            self._at,
            self._state,
            self._ledger,
            keeps=self._shared.keeps_builds,
            is_blocked=self.forgotten.are_identities if self.forgotten else None,
            blocked_key=self.forgotten.identities_key if self.forgotten else "",
        )

    def _kept_view(self, evaluation: AudienceEvaluation) -> View:
        build = evaluation.inputs["build"]
        return kept_view(build["policy"], build["number"], self._state, self._ledger)

    @property
    def snapshot(self) -> Snapshot:
        """The merged profiles (P8), as a snapshot (D1); ``DataError`` also when a source of records is stale (D2)."""
        if self._evaluation is None:
            for each in self._record_sources:
                self._judged(each)
            for each in self._event_sources:  # judged where events are read
                self.freshness.note_source(self._shared.source(each))
        return self.newest_snapshot

    @property
    def newest_snapshot(self) -> Snapshot:
        """``snapshot``, however old the sources are."""
        with self._shared.alone:
            return self._numbered

    def _newest(self) -> Snapshot:
        snapshot = self._snapshot_of(self.view)
        if self._evaluation:
            self._take_kept(snapshot, self._evaluation.inputs["roster"])
        return snapshot

    def _snapshot_of(self, view: View) -> Snapshot:
        """A view as a snapshot; ``DataError`` when it has no profile, unless that is allowed (P10, X11)."""
        found = snapshot_of(self._workspace, [self.inputs.read_one(path) for path in view.paths], view.name)
        refuse_empty(found, allowed="profiles" in self.allow_empty)
        unusable = {**found.table.unusable, **view.unusable}
        return replace(found, table=replace(found.table, unusable=unusable))

    @property
    def lineage(self) -> Lineage:
        """What became of profile ids, as of the build of the view (P11)."""
        return self.view.lineage

    @property
    def snapshot_name(self) -> str:
        """What records and headings call ``newest_snapshot``: the merge policy and the number of the build."""
        return f"{self.policy} (build {self.build})"

    @property
    def view_stats(self) -> Mapping[str, Any]:
        """The sizes of the identity graph, as the build of the view has them (P10)."""
        return self.view.stats

    @property
    def build(self) -> int:
        """The number of the build whose profiles ``snapshot`` has (P10)."""
        return self.view.number

    def evaluated_snapshot(self, evaluation: AudienceEvaluation) -> Snapshot:
        """The view that an evaluation used; ``RefusedError`` when it was pruned (X7)."""
        if "build" not in evaluation.inputs:  # of a time when profiles had a path
            return super().evaluated_snapshot(evaluation)
        identity = json.dumps(evaluation.inputs["build"])
        with self._shared.alone:
            if identity not in self._evaluated:
                self._evaluated[identity] = self._snapshot_of(self._kept_view(evaluation))
            return self._evaluated[identity]

    def _without_forgotten(self, snapshot: Snapshot, others: pl.Series | None = None) -> Snapshot:  # noqa: ARG002
        """A view as it is: identities of forgotten people count for nobody in it, and ids hide nobody (G8, P7)."""
        return snapshot

    # Events

    @property
    def event_parts(self) -> Sequence[Part]:
        """The event files of the policy (P9); ``DataError`` when a source of events is stale (D2) or empty (X11)."""
        sources = self._opened_events
        if self._evaluation is None:
            for each in self._event_sources:
                self._judged(each)
        return (*(part for each in sources for part in each.parts), *self._events_of_path)

    @property
    def _events_of_path(self) -> Sequence[Part]:
        if self._evaluation:
            read = sum(files for _, files in self._evaluation.inputs.get("event_sources", []))
            return self._shared.event_parts[read:]
        return super().event_parts

    @cached_property
    def _opened_events(self) -> Sequence[OpenedSource]:
        """The sources of events; as an evaluation recorded them, where one did."""
        if self._evaluation is None:
            return [self._shared.source(each) for each in self._event_sources]
        parts, found = list(self._shared.event_parts), []
        for source, files in self._evaluation.inputs.get("event_sources", []):
            found.append(self._shared.recorded_source(source, parts[:files]))
            parts = parts[files:]
        return found

    @cached_property
    def _events(self) -> Events | None:
        path = self._workspace.events
        if not self._opened_events and path is None:
            return None
        with self._shared.alone, blamed(lambda: self.event_parts):
            found: list[SourceEvents] = [events_of_source(each) for each in self._opened_events if each.parts]
            if path:
                found.append(events_of_path(self._events_of_path, path))
            return policy_events(found, self.leads, self._at)

    @property
    def event_columns(self) -> Columns | None:
        """The columns of all event files, those of sources that the policy does not read among them."""
        sources = (each for each in self._workspace.sources.values() if each.is_events)
        found = [events_of_source(opened) for each in sources if (opened := self.source(each)).parts]
        if path := self._workspace.events:
            found.append(events_of_path(self._shared.event_parts, path))
        return joint_columns([each.named for each in found]) if found else None

    @cached_property
    def leads(self) -> Leads:
        """Where identities and profile ids lead in the view."""
        return Leads(self.view, self._workspace.namespaces, self.roster)

    # Feeds

    @property
    def feed(self) -> pl.LazyFrame:
        """``whole_feed``: forgotten people are no profiles, so that no row leads to them (G8)."""
        return self.whole_feed

    @property
    def whole_feed(self) -> pl.LazyFrame:
        """The rows of the membership feed that reach a profile, checked (D4, D2), with ``feeds.NAMED`` (P12)."""
        return self._named_feed.reaching

    @cached_property
    def _named_feed(self) -> NamedFeed:
        with self._shared.alone, blamed(lambda: self.feed_parts):
            self.freshness.check_table("memberships", self.feed_parts)
            return named_feed(self.feed_parts, self.leads, self._at, self.warnings.add)

    @cached_property
    def _fed(self) -> dict[str, datetime]:
        with blamed(lambda: self.feed_parts):
            return feeds.audiences_in(self._named_feed.rows)

    # Records

    def record_of(self, audience: Audience) -> dict[str, Any]:
        """What an evaluation of an audience records of these inputs beside their files (E8).

        ``build``: the policy and number of the view. ``event_sources``: of the event files in order, how many are of
        which source, the rest being of ``events.path``. ``ignored``: by kind of input, how many rows up to the instant
        reach no profile (P12).
        """
        record: dict[str, Any] = {"build": {"policy": self.policy, "number": self.build}}
        ignored: dict[str, int] = {}
        if audience.measures and self.events:
            record["event_sources"] = [[each.source.id, len(each.parts)] for each in self._opened_events]
            ignored["events"] = self.events.ignored
        if audience.from_feed:
            ignored["memberships"] = self._named_feed.ignored.get(audience.id, 0)
        return record | ({"ignored": ignored} if ignored else {})
