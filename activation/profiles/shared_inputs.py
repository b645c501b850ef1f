"""The inputs that all merge policies of one command share, each opened once: feeds, events, numbers of profiles."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Literal

from muster.activation.errors import DataError
from muster.activation.inputs.finding import table_parts
from muster.activation.inputs.parquet import Part, total_rows
from muster.activation.inputs.paths import Inputs
from muster.activation.inputs.table import table_of
from muster.activation.model.sources import Source
from muster.activation.model.warning_log import WarningLog
from muster.activation.model.workspace import InputName, Workspace
from muster.activation.profiles.forgotten import Forgotten
from muster.activation.profiles.freshness import Freshness
from muster.activation.profiles.numbering import Numbering
from muster.activation.state.files import State
from muster.activation.state.ledger.database import Ledger

if TYPE_CHECKING:
    from muster.activation.sources.opened import OpenedSource

_WITHOUT_ROWS = {
    "events": "the event files have no rows, so nobody would have done anything; pass --allow-empty-events if that is "
    "meant",
    "memberships": "the membership files have no rows, so every member would leave; pass --allow-empty-memberships if "
    "that is meant",
}


@dataclass(eq=False)
class SharedInputs:
    """What one command opens of a workspace for all merge policies, and what the policies then opened (P10)."""

    workspace: Workspace
    inputs: Inputs
    at: datetime
    state: State
    ledger: Ledger
    warnings: WarningLog
    allow_empty: Collection[InputName]  # the inputs that may have no row (X11)
    freshness: Freshness
    keeps_builds: bool  # whether builds of profiles from sources are kept and recorded (P7, P10)
    recorded: dict[str, Sequence[Part]] | None = None  # events and memberships as an evaluation recorded them (E8)
    parts: dict[str, Sequence[Part]] = field(default_factory=dict)  # by kind of input: the files that were opened
    alone: RLock = field(default_factory=RLock)  # one thread opens at a time
    _sources: "dict[str, OpenedSource]" = field(default_factory=dict)  # by id

    @cached_property
    def forgotten(self) -> Forgotten | None:
        """The forgotten people (G8); None when nobody is."""
        return Forgotten.of(self.ledger)

    @cached_property
    def numbering(self) -> Numbering:
        """The numbers of all profiles that the state ever named, whichever policy made them."""
        return Numbering.of(self.state, self.ledger)

    @cached_property
    def event_parts(self) -> Sequence[Part]:
        """The files of ``events.path`` (D3); none without it. ``DataError`` when they have no row (X11)."""
        return self._table_parts("events")

    @cached_property
    def feed_parts(self) -> Sequence[Part]:
        """The membership files (D4); none without a source of them. ``DataError`` when they have no row (X11)."""
        return self._table_parts("memberships")

    def source(self, source: Source) -> "OpenedSource":
        """A source of profiles, opened once for all policies that read it; it is not judged by its age (P1).

        ``DataError`` when there is no snapshot, no file or no row, unless that is allowed (X11).
        """
        from muster.activation.sources.opened import open_source  # noqa: PLC0415  # profiles of a path go without

        if source.id not in self._sources:
            allowed = {"profiles", *(["events"] if source.is_events else [])}
            opened = open_source(
                self.workspace,
                source,
                self.inputs,
                self.at,
                allow_empty=not allowed.isdisjoint(self.allow_empty),
                judges=False,
                warn=self.warnings.add,
            )
            self._sources[source.id] = opened
            if source.is_events:  # of records the view is read, once it is built
                self.parts[f"sources.{source.id}"] = opened.parts
        return self._sources[source.id]

    def recorded_source(self, source: str, parts: Sequence[Part]) -> "OpenedSource":
        """A source with files as an evaluation recorded them; ``DataError`` when the config lacks it now."""
        from muster.activation.sources.opened import OpenedSource  # noqa: PLC0415  # as above

        if source not in self.workspace.sources:
            raise DataError(f"there is no source {source!r} in sources/ now, of which the evaluation read events")
        known = self.workspace.sources[source]
        table = table_of(parts, known.path)
        return OpenedSource(known, table.name, self.at, None, table, None, lambda: None)

    def refuse_changed(self) -> None:
        """``DataError`` when the files of a source of events may be of two versions by now (D2)."""
        for each in self._sources.values():
            if each.source.is_events:
                each.refuse_changed()

    def _table_parts(self, kind: Literal["events", "memberships"]) -> Sequence[Part]:
        source = self.workspace.events if kind == "events" else self.workspace.memberships
        if self.recorded is not None:
            parts = self.recorded[kind]
        else:
            parts = table_parts(self.inputs, source.path, kind, self.warnings.add) if source else []
            if source and kind not in self.allow_empty and not total_rows(parts):
                raise DataError(f"{source.path}: {_WITHOUT_ROWS[kind]} ({kind}.path in muster.yml)")
        self.parts[kind] = parts
        return parts
