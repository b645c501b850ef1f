"""A small snapshot, and people to send of it, for tests of messages: what ``requests_of`` makes messages of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.endpoints.protocol import Limits
from muster.activation.inputs.parquet import read_part
from muster.activation.mapping.layout import Layout, layout_of_messages
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.messages.building import requests_of
from muster.activation.messages.requests import PART_PREFIX, REQUEST, REQUEST_ID, TEXT_PREFIX, Batch, request_id
from muster.activation.model.messages import MappedAudience, MessageActivation
from muster.activation.model.workspace import Column, ProfilesSource, Schedule, Workspace
from muster.activation.profile_changes import people as columns
from muster.activation.profile_changes.people import ToldAudience
from muster.activation.profiles.members import Members
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import snapshot_of
from muster.activation.rules.expressions import Moment
from muster.activation.state.files import State
from muster.activation.system.memory import Budget

AT = datetime(2026, 11, 21, 17, tzinfo=UTC)
SINCE = datetime(2026, 11, 20, 2, tzinfo=UTC)
RUN = ("run-1", 1)
Ids = list[tuple[str, str]]


@dataclass(frozen=True)
class Person:
    """What is to be told of one profile: statuses by the place of audiences, and what was sent."""

    id: str
    status: Mapping[int, bool] = field(default_factory=dict)
    times: Mapping[int, datetime] = field(default_factory=dict)
    told: Sequence[int] | None = None  # None: all with a status
    new: Sequence[int] | None = None  # None: all that are told
    ids: Ids | None = field(default_factory=list)
    ids_sent: Ids | None = None
    withdrawn: bool = False
    refused: bool = False
    since: datetime | None = None
    sent: Mapping[str, str] = field(default_factory=dict)  # JSON by target
    leaves: Mapping[int, list[str]] = field(default_factory=dict)
    withdraws: Sequence[int] = ()
    also: Mapping[int, list[dict[str, str | None]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Told:
    """What messages are made of."""

    people: pl.DataFrame
    told: tuple[ToldAudience, ...]
    layout: Layout
    values: ProfileValues
    unmapped: tuple[str, ...] = ()
    members: Callable[[str], Members] = field(default=lambda _: Members(pl.Series(), pl.Series()))


def activation(mapping: Sequence[Column] = (), *audiences: MappedAudience, **changed: Any) -> MessageActivation:
    """An activation of messages to an HTTP API."""
    given = {
        "id": "all",
        "destination": "crm",
        "destination_name": "CRM",
        "schedule": Schedule("each_run", ZoneInfo("UTC")),
        "kind": "http",
        "url": "https://crm.example.com/profiles",
        "audiences": audiences,
        "mapping": tuple(mapping),
    }
    return MessageActivation(**given | changed)


def told(
    folder: Path,
    profiles: pl.DataFrame,
    of: MessageActivation,
    people: Sequence[Person],
    audiences: Sequence[ToldAudience] | None = None,
    *,
    unmapped: Mapping[str, Mapping[str, datetime]] | None = None,
) -> Told:
    """What messages are made of, for people of a snapshot of profiles."""
    path = folder / "day.parquet"
    profiles.write_parquet(path)
    workspace = mock.Mock(spec=Workspace, root=folder, profiles=ProfilesSource("x", "profile_id", "identity_map"))
    snapshot = snapshot_of(workspace, [read_part(path, path.name)])
    state = State(folder, 0o600)
    roster = Roster.of(snapshot, Numbering(state, []))
    numbers = roster.numbering.numbers_of(pl.Series([each.id for each in people], dtype=pl.String))
    layout = layout_of_messages(of, snapshot, Moment(AT, ZoneInfo("UTC")))
    mapped = audiences or [ToldAudience(each.id, each.alias, each.name, is_mapped=True) for each in of.audiences]
    frame = people_frame(people, roster.rows.gather(numbers), len(mapped), columns.kept_names(layout))

    def members(audience: str) -> Members:
        known = (unmapped or {})[audience]
        rows = pl.DataFrame({"profile_id": list(known), "last_qualification_time": list(known.values())})
        own = roster.numbering.numbers_of(rows["profile_id"])
        length = roster.numbering.length
        realized = pl.Series([None], dtype=pl.Boolean).new_from_index(0, length).scatter(own, values=True)
        nobody = pl.Series([None], dtype=columns.TIME_DTYPE).new_from_index(0, length)
        return Members(realized, nobody.scatter(own, rows["last_qualification_time"].cast(columns.TIME_DTYPE)))

    values = ProfileValues(roster, Budget(None), folder)
    return Told(frame, tuple(mapped), layout, values, tuple(sorted(unmapped or {})), members)


def people_frame(people: Sequence[Person], rows: pl.Series, audiences: int, kept: Sequence[str]) -> pl.DataFrame:
    """The columns of the people to send."""

    def pairs(ids: Ids | None) -> list[dict[str, str]] | None:
        return None if ids is None else [{"namespace": namespace, "id": each} for namespace, each in ids]

    found: dict[str, pl.Series] = {
        "muster:row": rows.cast(pl.UInt32),
        "profile_id": pl.Series([each.id for each in people], dtype=pl.String),
        columns.TRIGGER: pl.Series(["membership" for _ in people], dtype=pl.String),
        columns.IS_WITHDRAWAL: pl.Series([each.withdrawn for each in people], dtype=pl.Boolean),
        columns.WAS_REFUSED: pl.Series([each.refused for each in people], dtype=pl.Boolean),
        columns.PENDING_SINCE: pl.Series([each.since for each in people], dtype=columns.TIME_DTYPE),
        columns.IDS: pl.Series(
            [None if each.withdrawn else pairs(each.ids) for each in people], dtype=columns.IDS_TYPE
        ),
        columns.IDS_SENT: pl.Series([pairs(each.ids_sent) for each in people], dtype=columns.IDS_TYPE),
    }
    for name in kept:
        found[columns.sent(name)] = pl.Series([each.sent.get(name) for each in people], dtype=pl.String)
    for place in range(audiences):
        default = [each.status.keys() if each.told is None else each.told for each in people]
        new = [told if each.new is None else each.new for each, told in zip(people, default, strict=True)]
        times = [each.times.get(place, SINCE) if place in each.status else None for each in people]
        found |= {
            columns.status(place): pl.Series([each.status.get(place) for each in people], dtype=pl.Boolean),
            columns.time(place): pl.Series(times, dtype=columns.TIME_DTYPE),
            columns.is_told(place): pl.Series([place in each for each in default], dtype=pl.Boolean),
            columns.is_new(place): pl.Series([place in each for each in new], dtype=pl.Boolean),
            columns.leaves(place): pl.Series([each.leaves.get(place) for each in people], dtype=columns.HELD_DTYPE),
            columns.withdraws(place): pl.Series([place in each.withdraws for each in people], dtype=pl.Boolean),
            columns.also(place): pl.Series(
                [each.also.get(place) for each in people],
                dtype=pl.List(pl.Struct(dict.fromkeys(kept, pl.String()) or {"": pl.String()})),
            ),
        }
    return pl.DataFrame(found)


@dataclass(frozen=True)
class Sent:
    """One request as a receiver would get it."""

    phase: int
    method: str
    url: str
    body: str
    people: list[str]
    refused_as: str | None = None


def batches(changes: Told, of: MessageActivation, limits: Limits | None = None, **options: Any) -> list[Batch]:
    """The batches of a run."""
    return list(requests_of(changes, of, limits or Limits(), RUN, AT, **options))


def sent(changes: Told, of: MessageActivation, limits: Limits | None = None, **options: Any) -> list[Sent]:
    """The requests of a run in their order."""
    found = []
    for batch in batches(changes, of, limits, **options):
        parts = [name for name in batch.requests.columns if name.startswith(PART_PREFIX)]
        texts = [name for name in batch.entries.columns if name.startswith(TEXT_PREFIX)]
        total = 0
        for request in batch.requests.iter_rows(named=True):
            entries = batch.entries.filter(pl.col(REQUEST) == request[REQUEST])
            assert entries.height
            constants = [request[name] for name in parts] or ["", ""]
            body = body_of(constants, [entries[name].to_list() for name in texts], request_id(*RUN, request[REQUEST]))
            total += len(body.encode())
            ids = changes.people["profile_id"].gather(entries["person"]).to_list()
            found.append(Sent(request["phase"], request["method"], request["url"], body, ids, request["refused_as"]))
        if parts:
            assert total == batch.bytes
    return found


def body_of(parts: Sequence[str], texts: Sequence[Sequence[str | None]], request_id: str) -> str:
    """The body of one request: ``parts`` with the lists of ``texts`` between them, and the request's id filled in.

    There is one part more than lists. The text at a place of a list is that of one entry, in the order of entries.
    """
    lists = [",".join(text for text in each if text is not None) for each in texts]
    pieces = [parts[0], *(piece for pair in zip(lists, parts[1:], strict=True) for piece in pair)]
    return "".join(pieces).replace(REQUEST_ID, request_id)
