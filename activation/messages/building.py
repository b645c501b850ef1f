"""The requests that tell of changed profiles: in the order of sending, some thousand people at a time (V5 to V9)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.endpoints.protocol import Limits
from muster.activation.frames import engine
from muster.activation.messages.entries import EntryMaker, value_fields
from muster.activation.messages.identity_maps import IDENTITY_MAP, identity_maps
from muster.activation.messages.packing import Packed, Packer, limits_of
from muster.activation.messages.people_in_parts import PART, Tellable, people_in_parts
from muster.activation.messages.profile_objects import profile_object
from muster.activation.messages.rendered import Renderer
from muster.activation.messages.requests import (
    ENTRY_TYPES,
    PERSON,
    PHASE,
    REQUEST,
    REQUEST_ID,
    REQUEST_TYPES,
    URL,
    WAITING_TYPES,
    Batch,
    part,
    request_id,
    text,
)
from muster.activation.messages.shapes import OBJECT, shapes_of
from muster.activation.messages.unmapped import Unmapped
from muster.activation.model.messages import MessageActivation
from muster.activation.profile_changes import people as columns
from muster.activation.profile_changes.people import (
    IS_WITHDRAWAL,
    PENDING_SINCE,
    TIME_DTYPE,
    TRIGGER,
    WAS_REFUSED,
    is_new,
    kept_names,
    status,
)


@dataclass(frozen=True)
class _Pass:
    """One way through the people: whose entries go out, and in which phase."""

    phase: int
    exits: bool | None  # exits alone, the others alone, or all
    refused: bool  # those who were refused earlier, who go last (V10)


def requests_of(
    changes: Tellable,
    activation: MessageActivation,
    limits: Limits,
    run: tuple[str, int],
    at: datetime,
    *,
    waits: bool = True,
    size: int = PART,
) -> Iterator[Batch]:
    """The requests of a run, with all their entries, and the entries that wait for others.

    ``run`` is the id of the run and the number of the comparison in it, ``limits`` are those of the service. ``at`` is
    the instant of the run. ``waits``: requests that are not full may wait for others, by ``max_age`` (V7); nobody waits
    in a ``resync``. So many people as ``size`` says are in memory at a time. ``ExportError`` when the snapshot was
    replaced meanwhile, or a value has no text.
    """
    if changes.people.is_empty():
        return
    building = _Building(changes, activation, limits, run, at, waits=waits, size=size)
    yield from building.batches()


class _Building:
    """The making of the requests of one run."""

    def __init__(
        self,
        changes: Tellable,
        activation: MessageActivation,
        limits: Limits,
        run: tuple[str, int],
        at: datetime,
        *,
        waits: bool,
        size: int,
    ) -> None:
        self._activation, self._run, self._at, self._size, self._waits = activation, run, at, size, waits
        self._told, self._layout, self._values = changes.told, changes.layout, changes.values
        self._people = _completed(changes.people, len(self._told))
        self._shapes = shapes_of(activation, self._layout.fields, run[0])
        self._limits = limits_of(activation.aggregation, limits, is_http=not self._shapes.is_stream)
        kept = kept_names(self._layout)
        self._entries = EntryMaker(self._shapes, self._layout, len(self._told), at)
        self._renderer = Renderer(self._shapes, self._layout, self._told, kept)
        self._fields = value_fields(self._shapes, self._layout)
        self._object: pl.Expr | None = None
        if not self._shapes.is_declared:
            others = changes.unmapped if activation.unmapped_audiences else ()
            self._unmapped = Unmapped(others, changes.members, self._values.roster)
            self._object = profile_object(self._layout, self._told, others, kept, names=activation.names)
        self._next = 0

    def batches(self) -> Iterator[Batch]:
        """The requests, pass by pass."""
        for each in self._passes():
            people = self._people.filter(pl.col(WAS_REFUSED) == each.refused)
            if each.exits is not None:
                people = people.filter(_may_have(people.columns, len(self._told), exits=each.exits))
            if not people.is_empty():
                yield from self._pass(each, people)

    def _passes(self) -> Iterator[_Pass]:
        """Exits before all else where they are apart (M6), and in a phase of their own with identifiers (V9)."""
        if not self._shapes.is_per_kind:
            yield from (_Pass(0, None, refused) for refused in (False, True))
        elif self._shapes.has_phases:
            for exits in (True, False):
                yield from (_Pass(int(not exits), exits, refused) for refused in (False, True))
        else:
            for refused in (False, True):
                yield from (_Pass(0, exits, refused) for exits in (True, False))

    def _pass(self, each: _Pass, people: pl.DataFrame) -> Iterator[Batch]:
        shapes, aggregation = self._shapes, self._activation.aggregation
        packer = Packer(
            aggregation, self._limits, shapes.lists, self._run, self._at, waits=self._waits, is_stream=shapes.is_stream
        )
        for found in people_in_parts(people, self._values, self._fields, self._size):
            entries = self._entries.of(found, exits=each.exits)
            if not entries.is_empty():
                yield from self._batch(packer.pack(self._renderer.of(entries, found, self._objects(found))), each.phase)
        rest = packer.rest()
        if rest is not None:
            yield from self._batch(rest, each.phase)

    def _objects(self, people: pl.DataFrame) -> pl.Series | None:
        """The objects of ``payload: profile``."""
        if self._object is None:
            return None
        maps = identity_maps(people, self._activation.identities).alias(IDENTITY_MAP)
        whole = self._unmapped.beside(people, ~people[IS_WITHDRAWAL]).with_columns(maps)
        return engine.collect_inside(whole.lazy().select(self._object.alias(OBJECT)))[OBJECT]

    def _batch(self, packed: Packed, phase: int) -> Iterator[Batch]:
        """The packed requests, numbered on."""
        if packed.entries.is_empty() and packed.waiting.is_empty():
            return
        lists = self._shapes.lists
        parts = [] if self._shapes.is_stream else [part(k) for k in range(lists + 1)]
        texts = [text(k) for k in range(lists)]
        entries = packed.entries.with_columns((pl.col(REQUEST) + self._next).cast(pl.UInt32))
        first = entries.unique(REQUEST, keep="first", maintain_order=True)
        requests = first.with_columns(
            pl.lit(phase, pl.UInt8).alias(PHASE),
            *(pl.col(name).fill_null("") for name in (URL, *parts) if name in first.columns),
        )
        self._next += requests.height
        own = _typed(requests, REQUEST_TYPES | dict.fromkeys(parts, pl.String()))
        told = _typed(entries, ENTRY_TYPES | dict.fromkeys(texts, pl.String()))
        waiting = _typed(packed.waiting, WAITING_TYPES) if packed.waiting.height else None
        has_commas = not self._shapes.is_stream
        size = _bytes(own.select(REQUEST, *parts), told.select(REQUEST, *texts), self._run, has_commas=has_commas)
        yield Batch(own, told, waiting, size)


def _bytes(batch: pl.DataFrame, entries: pl.DataFrame, run: tuple[str, int], *, has_commas: bool) -> int:
    """The bytes of all bodies, with the ids of the requests and the commas between texts."""
    total = _length(batch, run) + _length(entries, run)
    for column in entries.get_columns() if has_commas else ():
        if column.dtype == pl.String:
            there = entries.filter(column.is_not_null())[REQUEST]
            total += len(there) - there.n_unique()
    return total


def _completed(people: pl.DataFrame, audiences: int) -> pl.DataFrame:
    """The people with their positions, and with columns that only some kinds of runs have."""
    found = people.with_row_index(PERSON).with_columns(pl.col(PERSON).cast(pl.UInt32))
    made = {is_new(place): pl.col(TRIGGER) == "membership" for place in range(audiences)}
    made[PENDING_SINCE] = pl.lit(None, TIME_DTYPE)
    return found.with_columns(expr.alias(name) for name, expr in made.items() if name not in people.columns)


def _may_have(names: Sequence[str], audiences: int, *, exits: bool) -> pl.Expr:
    """Whether a person may have entries that are exits, or such that are none."""
    found = [pl.col(status(place)) == (not exits) for place in range(audiences)]
    for place in range(audiences) if exits else ():
        lists = [each for each in (columns.leaves(place), columns.also(place)) if each in names]
        flags = [columns.withdraws(place)] if columns.withdraws(place) in names else []
        found += [pl.col(name).list.len() > 0 for name in lists] + [pl.col(name) for name in flags]
    return pl.any_horizontal(found).fill_null(value=False)


def _typed(frame: pl.DataFrame, types: dict[str, pl.DataType]) -> pl.DataFrame:
    """The columns of these names and types; null where the frame has none."""
    known = {name: pl.col(name) if name in frame.columns else pl.lit(None) for name in types}
    return frame.select(known[name].cast(dtype).alias(name) for name, dtype in types.items())


def _length(frame: pl.DataFrame, run: tuple[str, int]) -> int:
    """The bytes of all texts of a frame, in which ids stand at the place of their request."""
    total = 0
    for column in frame.drop(REQUEST).get_columns():
        total += int(column.str.len_bytes().sum() or 0)
        counted = frame.select(REQUEST, count=column.str.count_matches(REQUEST_ID, literal=True))
        ids = counted.filter(pl.col("count") > 0)
        total += sum(count * (len(request_id(*run, request)) - 1) for request, count in ids.iter_rows())
    return total
