"""Runs of messages without a receiver: whom a run would tell, and the rows that given answers leave.

    teller = Teller(shop)
    told = teller.run("2026-11-20T03:00Z", lambda entry: "refused" if entry["profile_id"] == "a" else "accepted")
    told.people, told.counts, teller.rows()

Requests are those that ``messages`` makes; an answer decides each of their entries.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from support.shop import Shop, at

from muster.activation.endpoints.protocol import Limits
from muster.activation.frames import engine
from muster.activation.messages.building import requests_of
from muster.activation.messages.requests import AUDIENCE, ENTRY_TYPES, IDENTIFIERS, IS_EXIT, PERSON
from muster.activation.model.exports import Sending
from muster.activation.model.history import MessageBaseline
from muster.activation.model.messages import MessageActivation
from muster.activation.outbox.outcomes import OUTCOME, REASON
from muster.activation.profile_changes.changes import Changes, Counts
from muster.activation.profile_changes.delivered_rows import read_rows
from muster.activation.profile_changes.gather import gather_changes
from muster.activation.session import Session
from muster.activation.settling.rows_after import RowsAfter, write_moved, write_rows
from muster.activation.state.ledger import message_baselines_table
from muster.runs import sessions
from muster.runs.opening import open_workspace

Entry = dict[str, Any]  # profile_id, audience (as the receiver knows it; None: all), is_exit, identifiers, text
Answers = Callable[[Entry], str]  # an outcome; ``refused 400`` with its reason


def accepting(_: Entry) -> str:
    """Each entry is accepted."""
    return "accepted"


@dataclass(frozen=True)
class Told:
    """What a run told, and what came of it."""

    changes: Changes
    entries: list[Entry]
    after: RowsAfter | None  # None where there was nothing to send or to settle
    warnings: tuple[str, ...]

    @property
    def counts(self) -> Counts:
        """The counts once the answers were known."""
        return self.after.counts if self.after else self.changes.counts

    @property
    def people(self) -> dict[str, dict[str, Any]]:
        """The people to send by id: trigger, and what is told of each audience that is told."""
        found = {}
        for row in self.changes.people.iter_rows(named=True):
            states = {
                each.shown: (row[f"status:{i}"], row[f"time:{i}"].strftime("%d.%H"))
                for i, each in enumerate(self.changes.told)
                if row[f"status:{i}"] is not None
            }
            found[row["profile_id"]] = {"trigger": row["trigger"], **states}
        return found

    @property
    def triggers(self) -> dict[str, str]:
        """The trigger of each profile that is sent."""
        return {name: each["trigger"] for name, each in self.people.items()}

    @property
    def rejects(self) -> dict[str | None, str]:
        """The reason of each profile that is left out."""
        frame = self.after.rejects if self.after else self.changes.excluded
        return dict(frame.select("profile_id", "reason").iter_rows())


@dataclass
class Teller:
    """Tells the profiles of an activation that sends messages, by default of the workspace's first one."""

    shop: Shop
    key: str | None = None
    number: int = 0

    def run(self, moment: str, answers: Answers = accepting, *, resync: bool = False, **decided: Any) -> Told:
        """One run at an instant, whose entries are answered as told; rows move accordingly."""

        def work(session: Session) -> Told:
            activation = self._activation(session)
            trigger = "on_demand" if resync else decided.get("trigger", "scheduled")
            slot = at(decided.get("scheduled", moment))
            sending = Sending(activation, trigger, slot, "shop", override_guards=decided.get("override_guards", False))
            return self._told(gather_changes(sending, session), sending, session, answers)

        return sessions.write(open_workspace(self.shop.root), at(moment), work, keeps_builds=True)

    def _activation(self, session: Session) -> MessageActivation:
        found = session.workspace.message_activations
        return next(each for each in found if self.key in {None, each.key})

    def plan(self, moment: str) -> Told:
        """Whom a run would tell."""

        def work(session: Session) -> Told:
            sending = Sending(self._activation(session), "scheduled", at(moment), "shop")
            return Told(gather_changes(sending, session), [], None, ())

        return sessions.read(open_workspace(self.shop.root), at(moment), work)

    def _told(self, changes: Changes, sending: Sending, session: Session, answers: Answers) -> Told:
        self.number += 1
        assert changes.counts.balanced, changes.counts
        frame, entries = _entries(changes, sending, session, answers)
        if frame.is_empty() and not changes.settles:
            return Told(changes, entries, None, changes.warnings)
        folder, before = f"baselines/{sending.key}/told-{self.number}", None
        if changes.before:
            before = (changes.before.stored, changes.before.made)
        if changes.moved:
            before = (
                write_moved(session.state, f"{folder}-moved.parquet", changes.moved(), changes.made),
                changes.made,
            )
        after = write_rows(
            session.state,
            f"{folder}.parquet",
            before=before,
            made=changes.made,
            people=changes.people.lazy(),
            entries=frame.lazy(),
            counts=changes.counts,
            excluded=changes.excluded,
        )
        assert after.counts.balanced, after.counts
        with session.ledger.transaction():
            message_baselines_table.put(session.ledger, _baseline(sending, session, after))
        return Told(changes, entries, after, changes.warnings)

    def rows(self, moment: str = "2026-12-01T00:00Z") -> dict[str, dict[str, Any]]:
        """The delivered rows by id, without what is null."""

        def work(session: Session) -> dict[str, dict[str, Any]]:
            activation = self._activation(session)
            baseline = message_baselines_table.get(session.ledger, activation.destination, activation.id)
            assert baseline is not None
            frame = engine.collect(read_rows(session.state, baseline.stored, baseline.made, baseline.made))
            return {
                row.pop("profile_id"): {name: value for name, value in row.items() if value is not None}
                for row in frame.sort("profile_id").iter_rows(named=True)
            }

        return sessions.read(open_workspace(self.shop.root), at(moment), work)


def _baseline(sending: Sending, session: Session, after: RowsAfter) -> MessageBaseline:
    activation = sending.activation
    destination = session.workspace.message_destinations[activation.destination]
    lineage = session.opened.lineage
    return MessageBaseline(
        activation.destination,
        activation.id,
        sending.run_id,
        after.stored,
        after.profiles,
        after.members,
        sending.scheduled,
        destination.place_digest or "",
        destination.place,
        dict(after.made),
        lineage.policy if lineage else None,
        session.opened.build,
    )


def _entries(
    changes: Changes, sending: Sending, session: Session, answers: Answers
) -> tuple[pl.DataFrame, list[Entry]]:
    """All entries of a run with their outcomes, as frame and for the test."""
    limits, run = Limits(), (sending.run_id, 1)
    batches = [*requests_of(changes, sending.activation, limits, run, session.at)]
    frames = [each.entries for each in batches]
    frame = pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema=ENTRY_TYPES)
    told, ids = changes.told, changes.people["profile_id"]
    entries: list[Entry] = []
    for row in frame.iter_rows(named=True):
        place = row[AUDIENCE]
        entries.append(
            {
                "profile_id": ids[row[PERSON]],
                "audience": None if place is None else told[place].shown,
                "is_exit": row[IS_EXIT],
                "identifiers": row[IDENTIFIERS],
                "text": row.get("text:0"),
            }
        )
    outcomes = [answers(each).partition(" ") for each in entries]
    reasons = [reason or None if outcome == "refused" else None for outcome, _, reason in outcomes]
    known = frame.with_columns(
        pl.Series(OUTCOME, [each[0] for each in outcomes], pl.String), pl.Series(REASON, reasons, pl.String)
    )
    waiting = [each.waiting for each in batches if each.waiting is not None and not each.waiting.is_empty()]
    for each in waiting:
        known = pl.concat([known, each.with_columns(pl.lit("waiting").alias(OUTCOME))], how="diagonal")
    return known, entries


def by_profile(entries: list[Entry]) -> Mapping[str, list[Entry]]:
    """Entries by the profile that they tell."""
    found: dict[str, list[Entry]] = {}
    for each in entries:
        found.setdefault(each["profile_id"], []).append(each)
    return found


__all__ = ["Teller", "Told", "accepting", "by_profile", "replace"]
