"""How old the inputs of a command are, and whether they are younger than ``max_age`` allows (D2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from muster.activation.errors import DataError
from muster.activation.frames.columns import TIME
from muster.activation.inputs.newest_times import newest_in_footers, newest_with_rows
from muster.activation.inputs.parquet import Part, total_rows
from muster.activation.instants import iso, spelled
from muster.activation.model.workspace import Workspace
from muster.activation.profiles.snapshots import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from muster.activation.sources.opened import OpenedSource

Kind = str  # profiles, events, memberships; of a source of profiles ``sources.`` and the id
_SOURCE = "sources."
_ROW = {"events": "event", "memberships": "membership row"}


@dataclass(frozen=True)
class InputAge:
    """The age of an input at an instant."""

    kind: Kind
    name: str  # of the snapshot, or the path of the events or feeds
    newest: datetime  # the snapshot's date, or the newest time in the events or feeds that is not after the instant
    age: timedelta
    max_age: timedelta | None

    @property
    def seconds(self) -> int:
        """The age in whole seconds."""
        return int(self.age.total_seconds())

    @property
    def is_stale(self) -> bool:
        """Whether the input is older than allowed; one of exactly that age is not."""
        return self.max_age is not None and self.age > self.max_age


class Freshness:
    """The ages of the inputs that a command has opened; unless ``judges`` is switched off, stale ones are refused.

    An undated snapshot has no age, so that a ``max_age`` for it is refused in either case.
    """

    def __init__(self, workspace: Workspace, at: datetime, *, judges: bool) -> None:
        self.judges = judges
        self._workspace, self._at = workspace, at
        self._ages: dict[Kind, InputAge | DataError | None] = {}  # by kind; None: not known; an error: nothing is fresh
        self._stale: dict[Kind, DataError] = {}  # by kind: why a source is refused, where it is

    @property
    def ages(self) -> tuple[InputAge, ...]:
        """The ages that are known so far: of profiles or their sources by id, events, memberships."""
        return tuple(each for each in map(self._ages.get, self._kinds) if isinstance(each, InputAge))

    @property
    def _kinds(self) -> list[Kind]:
        """The kinds of inputs in the order in which they are told."""
        return ["profiles", *sorted(kind for kind in self._ages if kind.startswith(_SOURCE)), "events", "memberships"]

    @property
    def stale(self) -> tuple[str, ...]:
        """What is stale, in words: the messages with which evaluations or exports refuse it."""
        refused = [each for each in map(self._ages.get, self._kinds) if isinstance(each, DataError)]
        stale = (self._stale.get(age.kind) or _refusal(age, self._at) for age in self.ages if age.is_stale)
        return tuple(str(each) for each in (*stale, *refused))

    def seconds(self, *kinds: str) -> dict[str, int]:
        """The known ages of these kinds of inputs, in seconds, as runs and evaluations record them."""
        return {each.kind: each.seconds for each in self.ages if each.kind in kinds}

    def check_snapshot(self, snapshot: Snapshot) -> None:
        """Note the age of a snapshot; ``DataError`` when it is stale, or undated where ``max_age`` is set."""
        max_age = self._workspace.profiles.max_age
        if snapshot.instant is None:
            if max_age is not None:
                raise DataError(
                    f"{snapshot.name}: an undated profile snapshot has no age, which profiles.max_age in muster.yml "
                    "limits; write snapshots under dates such as 2026-11-20, or take max_age out"
                )
            return
        self._ages["profiles"] = InputAge(
            "profiles", snapshot.name, snapshot.instant, self._at - snapshot.instant, max_age
        )
        self._judge(self._ages["profiles"])

    def note_source(self, opened: "OpenedSource") -> Kind:
        """Note the age of a source of profiles, if it has one; the result is the kind of the source."""
        kind = f"{_SOURCE}{opened.source.id}"
        if opened.newest is not None:
            age = self._at - opened.newest
            self._ages[kind] = InputAge(kind, opened.name, opened.newest, age, opened.source.max_age)
        return kind

    def check_source(self, opened: "OpenedSource", refuse_stale: "Callable[[OpenedSource], None]") -> None:
        """Note the age of a source of profiles, if it has one; ``DataError`` of ``refuse_stale`` when it is stale.

        A source without any age is refused where ``max_age`` is set, whether ages are judged or not.
        """
        kind = self.note_source(opened)
        try:
            refuse_stale(opened)
        except DataError as error:
            if self.judges or opened.newest is None:
                raise
            self._stale[kind] = error

    def check_table(self, kind: Literal["events", "memberships"], parts: Sequence[Part]) -> None:
        """Note the age of events or feeds; ``DataError`` when they are stale.

        Without ``max_age`` the age is noted where the files' footers say it; with it, rows are read where they do not.
        """
        if kind not in self._ages:
            self._ages[kind] = self._table_age(kind, parts)
        self._judge(self._ages[kind])

    def _table_age(self, kind: Literal["events", "memberships"], parts: Sequence[Part]) -> InputAge | DataError | None:
        source = self._workspace.events if kind == "events" else self._workspace.memberships
        column = self._workspace.events.timestamp if kind == "events" and self._workspace.events else TIME
        if source is None or not any(column in part.schema for part in parts):
            return None  # whoever reads the files says what is missing
        if not total_rows(parts):
            return None  # allowed to be empty (X11)
        found = newest_in_footers(parts, column, self._at)
        if found.unread and source.max_age is None:
            return None
        newest = newest_with_rows(found, column, self._at)
        if newest is not None:
            return InputAge(kind, source.path, newest, self._at - newest, source.max_age)
        if source.max_age is None:
            return None
        return DataError(
            f"{source.path}: no {_ROW[kind]} has a time at or before {iso(self._at)}, and {kind}.max_age in muster.yml "
            f"allows {spelled(source.max_age)}; see why none arrive, or raise max_age"
        )

    def _judge(self, age: InputAge | DataError | None) -> None:
        if not self.judges or age is None:
            return
        if isinstance(age, DataError):
            raise age
        if age.is_stale:
            raise _refusal(age, self._at)


def _refusal(age: InputAge, at: datetime) -> DataError:
    """The error about a stale input."""
    allowed = f"{age.kind}.max_age in muster.yml allows {spelled(age.max_age or timedelta())}"
    if age.kind == "profiles":
        return DataError(
            f"{age.name}: the newest profile snapshot at or before {iso(at)} is {spelled(age.age)} old, and {allowed}; "
            "write a newer snapshot, or raise max_age"
        )
    return DataError(
        f"{age.name}: the newest {_ROW[age.kind]} at or before {iso(at)} is of {iso(age.newest)}, "
        f"{spelled(age.age)} old, and {allowed}; see why no newer ones arrive, or raise max_age"
    )
