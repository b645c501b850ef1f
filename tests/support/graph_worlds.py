"""Small worlds of sources with many clashes: random rows, their Parquet files, and what the packages find in them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from support.graph_model import Files, Graphs, Identity, Link, OneGraph, age_key, cleaned

from muster.activation.graph.build import Graph
from muster.activation.inputs.paths import Inputs
from muster.activation.model.locations import SourceLocation
from muster.activation.model.sources import Namespace, Source, SourceIdentity
from muster.activation.model.workspace import ProfilesSource, Workspace
from muster.activation.sources.opened import OpenedSource, open_source
from muster.activation.sources.records import Records

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
DATE = datetime(2026, 11, 20, tzinfo=UTC)
NAMESPACES = {
    "CRMID": Namespace("CRMID", "person", 1, unique=True),
    "Card": Namespace("Card", "other", 4, unique=True),
    "Email": Namespace("Email", "email", 2, normalize=("trim", "lower"), blocked=("x",), blocked_like=("till%",)),
    "Device": Namespace("Device", "device", 4),
    "Cookie": Namespace("Cookie", "cookie", 5, pattern="c.*"),
}
SCHEMA = {
    "id": pl.String,
    "card": pl.Int64,
    "email": pl.String,
    "devices": pl.List(pl.String),
    "cookie": pl.String,
    "map": pl.List(pl.Struct({"namespace": pl.String, "id": pl.String})),
    "time": pl.Datetime("us", "UTC"),
    "gone": pl.Boolean,
}
IDENTITIES = (
    SourceIdentity("id", "CRMID", primary=True),
    SourceIdentity("card", "Card"),
    SourceIdentity("email", "Email"),
    SourceIdentity("devices", "Device"),
    SourceIdentity("cookie", "Cookie"),
    SourceIdentity("map"),
)


def source(name: str, primary: str = "CRMID", **keys: Any) -> Source:
    """A source with all columns of ``SCHEMA``."""
    identities = (replace(IDENTITIES[0], namespace=primary), *IDENTITIES[1:])
    location = SourceLocation(f"sources/{name}.yml", 1)
    return Source(name, name, f"data/{name}", identities, location=location, **keys)


SOURCES = (
    source("crm", updated_at="time"),
    source("shop", "Email"),
    source("loyalty", "Card", mode="changes", updated_at="time", deleted="gone"),
    source("web", "Cookie", kind="events", timestamp="time"),
)


def workspace(root: Path, sources: Sequence[Source] = SOURCES) -> Workspace:
    """A workspace with these sources."""
    return Workspace(
        root,
        "test",
        ZoneInfo("UTC"),
        ProfilesSource("", from_sources=True),
        root / ".muster",
        {},
        (),
        {},
        sources={each.id: each for each in sources},
        namespaces=NAMESPACES,
    )


def write(root: Path, files: Files) -> None:
    """Write the files of a source: those of a snapshot below its date."""
    folder = root / files.source.path
    if files.date is not None:
        folder /= f"{files.date:%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.rows.items():
        schema = {column: dtype for column, dtype in SCHEMA.items() if all(column in row for row in rows)}
        pl.DataFrame(list(rows), schema=schema).write_parquet(folder / name)


@contextmanager
def opened(root: Path, world: Sequence[Files], at: datetime = AT) -> Iterator[list[OpenedSource]]:
    """The sources as muster opens them."""
    place = workspace(root, [each.source for each in world])
    inputs = Inputs(place)
    try:
        yield [open_source(place, each.source, inputs, at, allow_empty=True, warn=lambda _: None) for each in world]
    finally:
        inputs.close()


# Random worlds

_PRIMARIES = (
    ("1", "2", "3", "4", " 1", "none", ""),
    ("a@x", "A@X ", "b@x", "c@x", "till1", "x", "d@x"),
    ("1", "2", "3"),
    ("c1", "c2", "c3", "other", "c4"),
)


def _maybe(chance: Random, *values: Any) -> Any:
    return chance.choice([None, None, *values])


def _pair(chance: Random) -> dict[str, str]:
    name = chance.choice(["CRMID", "Card", "Email", "Other", "Cookie"])
    return {"namespace": name, "id": chance.choice(["1", "2", "a@x", "c1", "", "many"])}


def _row(chance: Random, primary: str | None, time: datetime | None) -> dict[str, Any]:
    pairs = [_pair(chance) for _ in range(chance.randrange(3))]
    if chance.random() < 0.03:  # more than link
        pairs = [{"namespace": "Other", "id": str(number)} for number in range(chance.randint(18, 22))]
    return {
        "id": primary,
        "card": _maybe(chance, 0, 1, 2),
        "email": _maybe(chance, "a@x", "A@X ", "b@x", "c@x", "till1", "x"),
        "devices": _maybe(chance, [], ["d1"], ["d2", None], ["d3", "d1"], ["0", "d2", "d2"]),
        "cookie": _maybe(chance, "c1", "c2", "c3", "other"),
        "map": _maybe(chance, pairs),
        "time": time,
        "gone": _maybe(chance, False, True),
    }


def _files(chance: Random, each: Source, primaries: Sequence[str], most: int) -> Files:
    """The files of one source; a snapshot has each primary identity once, after cleaning."""
    is_snapshot, rule = each.mode == "snapshot" and not each.is_events, NAMESPACES[each.primary.namespace or ""]
    rows, seen = [], set[tuple[str, str]]()
    for _ in range(chance.randint(0, most)):
        primary = chance.choice([*primaries, *primaries, None])
        time = AT + timedelta(hours=chance.randint(-3, 2))
        time_of_row = time if each.mode == "changes" or chance.random() < 0.7 else None
        found = ("", "empty") if primary is None else cleaned(rule, primary)
        if not is_snapshot or found[1] or found not in seen:
            rows.append(_row(chance, primary, time_of_row))
            seen.add(found)
    cut = chance.randint(0, len(rows))
    return Files(each, {"a.parquet": rows[:cut], "b.parquet": rows[cut:]}, DATE if is_snapshot else None)


def world(chance: Random, most: int) -> tuple[Files, ...]:
    """The files of all of ``SOURCES``, each with so many rows at most."""
    return tuple(_files(chance, each, ids, most) for each, ids in zip(SOURCES, _PRIMARIES, strict=True))


# What the packages find, in the words of the model


def as_told(graph: Graph, records: Sequence[Records]) -> Graphs:
    """A graph as the model has it."""
    pairs: list[Identity] = list(graph.identities.select("namespace", "id").iter_rows())
    maps, fragments = dict[int, set[Identity]](), dict[int, set[tuple[str, Identity]]]()
    for number, identity in graph.maps.iter_rows():
        maps.setdefault(number, set()).add(pairs[identity])
    for each, numbers in zip(records, graph.fragment_graphs, strict=True):
        for number, *identity in zip(numbers, each.fragments["namespace"], each.fragments["id"], strict=True):
            fragments.setdefault(number, set()).add((each.opened.source.id, tuple(identity)))
    graphs: dict[int, OneGraph] = {
        number: (frozenset(maps[number]), frozenset(fragments[number])) for number in fragments
    }
    leads = {
        pair: graphs[number]
        for pair, number in zip(pairs, graph.identities["graph"], strict=True)
        if number is not None
    }
    refused = {(pairs[a], pairs[b]): (time, name) for a, b, time, name in graph.refused.iter_rows()}
    shared = {pairs[number]: neighbours for number, neighbours in graph.shared.iter_rows()}
    return Graphs(set(graphs.values()), leads, refused, shared, {pairs[number] for number in graph.cut["identity"]})


def as_links(records: Records) -> dict[Link, datetime | None]:
    """The links of a source as the model has them."""
    pairs: list[Identity] = list(records.identities.select("namespace", "id").iter_rows())
    found = dict[Link, datetime | None]()
    for one, other, time in records.links.select("a", "b", "time").iter_rows():
        first, second = sorted((pairs[one], pairs[other]))
        before = found.get((first, second))
        found[first, second] = time if age_key(time) >= age_key(before) else before
    return found
