"""The delivered rows before a run: those of the place, read by today's audiences and mapping (V2, V4, X9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.mapping.kept import UNMAPPED
from muster.activation.mapping.last_mapping import LastMapping
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.mapping_record import columns_of, mapping_record
from muster.activation.model.history import MessageBaseline
from muster.activation.model.messages import MappedAudience, MessageActivation
from muster.activation.profile_changes.delivered_rows import (
    AUDIENCES,
    BACKFILLED,
    FINGERPRINT,
    IS_MAPPED,
    KEPT,
    NAMESPACES,
    NUMBERING,
    SLIM,
    Made,
    columns_today,
    maybe_status,
    maybe_time,
    schema,
)
from muster.activation.profile_changes.digests import fingerprint
from muster.activation.profile_changes.people import ToldAudience, kept_names, name_of, status, time
from muster.activation.profiles.positions import inverse
from muster.activation.profiles.roster import Roster
from muster.activation.session import Session
from muster.activation.state.ledger import message_baselines_table

_FEW = 20  # one row in so many: fewer are looked up by id


def current_rows(activation: MessageActivation, session: Session) -> MessageBaseline | None:
    """The activation's delivered rows, unless they are of another place than the config names now (X9, V2).

    While a variable of the destination is missing, they stand: nobody says that the place has changed.
    """
    baseline = message_baselines_table.get(session.ledger, activation.destination, activation.id)
    digest = session.workspace.message_destinations[activation.destination].place_digest
    return baseline if baseline and digest in {None, baseline.place_digest} else None


@dataclass(frozen=True, eq=False)
class RowsBefore:
    """The delivered rows before a run, by the told audiences of ``made``; nobody's where there is no ``baseline``."""

    session: Session
    roster: Roster
    baseline: MessageBaseline | None
    made: dict[str, Any]  # of the rows after the run
    told: tuple[ToldAudience, ...]
    former: Mapping[str, str] = field(default_factory=dict)  # by kept target: that of before, which it continues
    slim: pl.DataFrame | None = None  # muster:row, and the columns that decide whom a run tells; None for nobody

    @property
    def mapped(self) -> tuple[int, ...]:
        """The places of mapped audiences."""
        return tuple(place for place, each in enumerate(self.told) if each.is_mapped)

    @property
    def taken_out(self) -> tuple[int, ...]:
        """The places of audiences that were taken out, and that some row holds as realized."""
        return tuple(place for place, each in enumerate(self.told) if not each.is_mapped)

    @property
    def backfills(self) -> frozenset[int]:
        """The places of mapped audiences whose members were not all sent yet (V4)."""
        return frozenset(place for place in self.mapped if not self.made[AUDIENCES][place][BACKFILLED])

    def details(self, rows: pl.Series, names: Sequence[str]) -> pl.DataFrame:
        """Further columns of the rows of these profiles (muster:row), in their order; null without a row."""
        types = schema(self.made)
        if self.baseline is None or not names:
            return pl.DataFrame([pl.Series(name, [None], types[name]).new_from_index(0, len(rows)) for name in names])
        state, stored = self.session.state, self.baseline.stored
        frame = state.read(stored)
        today = self._today(engine.schema_of(frame).names())
        wanted = [today[name] for name in names]
        if len(rows) * _FEW < self.baseline.profiles:
            ids = self.roster.ids_of(rows)
            found = engine.collect(frame.filter(pl.col(PROFILE_ID).is_in(ids.implode())).select(PROFILE_ID, *wanted))
            found = found.with_columns(self.roster.rows_of(found[PROFILE_ID]).alias(ROW))
        else:
            found = self.roster.read(state, stored, *wanted)
        places = inverse(found[ROW], self.roster.length).gather(rows)
        return found.select(pl.col(name).gather(places) for name in names)

    def _today(self, present: Sequence[str]) -> dict[str, pl.Expr]:
        if self.baseline is None:
            raise ValueError("nobody was delivered")
        return columns_today(present, self.baseline.made, self.made, self.former)

    def frame(self) -> pl.LazyFrame:
        """All columns of all rows; nobody's where there is no baseline."""
        if self.baseline is None:
            return pl.LazyFrame(schema=schema(self.made))
        frame = self.session.state.read(self.baseline.stored)
        return frame.select(self._today(engine.schema_of(frame).names()).values())


def rows_before(
    activation: MessageActivation, session: Session, layout: Layout, namespaces: Sequence[str] | None
) -> RowsBefore:
    """Read the delivered rows; ``StateError`` when their file is damaged.

    ``namespaces`` are those of the identities that messages have.
    """
    baseline, roster = current_rows(activation, session), session.opened.roster
    made = _made(activation, layout, baseline, namespaces, roster)
    told = tuple(_told(each) for each in made[AUDIENCES])
    found = RowsBefore(session, roster, baseline, made, told, _former(layout, baseline))
    if baseline is None:
        return found
    places = range(len(told))
    names = [*SLIM, *(kind(i) for i in places for kind in (status, time, maybe_status, maybe_time))]
    present = engine.schema_of(session.state.read(baseline.stored)).names()
    today = found._today(present)  # noqa: SLF001  # of the same module
    slim = roster.read(session.state, baseline.stored, *(today[name] for name in names))
    return _without_idle_places(found, slim)


def _without_idle_places(rows: RowsBefore, slim: pl.DataFrame) -> RowsBefore:
    """The rows without audiences that were taken out, and that no row holds as realized any more."""
    held = [i for i in rows.taken_out if any(bool(slim[kind(i)].any()) for kind in (status, maybe_status))]
    kept = [*rows.mapped, *held]
    kinds = (status, time, maybe_status, maybe_time)
    columns = [pl.col(kind(i)).alias(kind(place)) for place, i in enumerate(kept) for kind in kinds]
    made = rows.made | {AUDIENCES: [rows.made[AUDIENCES][i] for i in kept]}
    told = tuple(rows.told[i] for i in kept)
    return RowsBefore(
        rows.session, rows.roster, rows.baseline, made, told, rows.former, slim.select(ROW, *SLIM, *columns)
    )


def _made(
    activation: MessageActivation,
    layout: Layout,
    baseline: MessageBaseline | None,
    namespaces: Sequence[str] | None,
    roster: Roster,
) -> dict[str, Any]:
    """What the columns of the rows mean after a run (``MessageBaseline.made``)."""
    before = {(each["audience"], each["alias"]): each for each in baseline.made[AUDIENCES]} if baseline else {}
    mapped = [_audience(each, before) for each in activation.audiences]
    names = {(each["audience"], each["alias"]) for each in mapped}
    return {
        AUDIENCES: [*mapped, *(each | {IS_MAPPED: False} for name, each in before.items() if name not in names)],
        "mapping": mapping_record(activation.mapping),
        "deduplicate": list(activation.deduplicate),
        "id_column": layout.snapshot.source.id,
        FINGERPRINT: str(fingerprint(activation)),
        KEPT: list(kept_names(layout)),
        NAMESPACES: None if namespaces is None else sorted(namespaces),
        NUMBERING: roster.numbering.name,
    }


def _audience(each: MappedAudience, before: Mapping[tuple[str, str | None], Made]) -> dict[str, Any]:
    known = before.get((each.id, each.alias), {})
    backfilled = known.get(BACKFILLED, False)
    return {"audience": each.id, "alias": each.alias, "name": each.name, IS_MAPPED: True, BACKFILLED: backfilled}


def _told(each: Made) -> ToldAudience:
    return ToldAudience(each["audience"], each["alias"], each["name"], each[IS_MAPPED])


def _former(layout: Layout, baseline: MessageBaseline | None) -> dict[str, str]:
    """The kept target of the last run that each kept target of today continues (X12)."""
    if baseline is None:
        return {}
    made = baseline.made
    last = LastMapping(
        columns_of(made["mapping"]), tuple(made["deduplicate"]), sanitizes=False, id_column=made["id_column"]
    )
    targets = {each.column.name for each in layout.fields}
    found: dict[str, str] = {}
    for kept in layout.kept:
        name = name_of(kept)
        if kept.field.role == "identity" or kept.position is None:
            then = name if name.startswith(UNMAPPED) else None
        else:
            before = last.predecessor(kept.field.column, targets)
            then = before.name if before else None
        if then is not None and then in made[KEPT]:
            found[name] = then
    return found
