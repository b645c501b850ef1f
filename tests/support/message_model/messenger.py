"""An activation that sends messages, over days: evaluations, rows, a changed mapping, the forgotten (V2 to V4, V10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from support.message_model.case import Case
from support.message_model.words import EMPTY, Entry, Group, Message, Place, Row, Setup, Told
from support.model.memberships import from_feed, overridden
from support.model.shop import Shop
from support.model.words import EXITED, REALIZED, Column, Identity, Memberships, Snapshot

ACCEPTED, REFUSED, UNCERTAIN, UNSENT = "accepted", "refused", "uncertain", "unsent"


@dataclass
class Messenger:
    """What muster remembers of one activation; ``shop`` decides who is in which audience."""

    shop: Shop
    setup: Setup
    rows: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    first_seen: dict[str, datetime] = field(
        default_factory=dict
    )  # when each profile's change that waits was first seen
    mapping: tuple[Column, ...] | None = None  # with which the newest run compared
    ids: set[str] = field(default_factory=set)  # forgotten (G8)
    identities: set[Identity] = field(default_factory=set)  # likewise

    def forget(self, profile: str, snapshot: Snapshot) -> None:
        """G8: the profile, and whoever has no identities but forgotten ones."""
        self.ids.add(profile)
        self.identities |= snapshot.identities(profile)

    def is_forgotten(self, profile: str, snapshot: Snapshot) -> bool:
        pairs = snapshot.identities(profile)
        return profile in self.ids or (bool(pairs) and pairs <= self.identities)

    def memberships(self, audience: str, at: datetime) -> Memberships:
        """X2, X6."""
        newest = self.shop.newest(audience, at)
        if newest is None:
            return {}
        rules = self.shop.audiences[audience]
        said = [message for message in self.shop.messages if message.audience == audience]
        if rules.from_feed and rules.rule is None:
            return from_feed(newest.memberships, said, at)
        return overridden(newest.memberships, said, newest.at, at) if rules.from_feed else newest.memberships

    def case(self, at: datetime, *, resync: bool = False) -> Case:
        """What a run at an instant compares; a changed mapping counts as sent from the first one on (V4)."""
        snapshot = self.shop.snapshot(at)
        remapped = self.mapping is not None and self.mapping != self.setup.mapping
        if remapped and not self.setup.resends:
            self._count_as_sent(snapshot, at)
        self.mapping = self.setup.mapping
        mapped = {audience for audience, _ in self.setup.places}
        return Case(
            self.setup,
            at,
            {audience: self.memberships(audience, at) for audience in self.shop.audiences},
            snapshot,
            lambda profile: self.is_forgotten(profile, snapshot),
            self.rows,
            resync,
            remapped,
            tuple(each for each in self.shop.audiences if each not in mapped),
        )

    def may_wait(self, profile: str, case: Case) -> bool:
        """V7: whether a change is too young to go without others; exits never wait, nor does a resync."""
        seen = self.first_seen.get(profile, case.at)
        return not case.resync and case.at - seen < timedelta(hours=case.setup.patience)

    def note_waiting(self, profile: str, at: datetime, *, is_due: bool, is_told: bool) -> None:
        """A change that was told, or was undone, is forgotten."""
        if is_due and not is_told:
            self.first_seen.setdefault(profile, at)
        else:
            self.first_seen.pop(profile, None)

    def _count_as_sent(self, snapshot: Snapshot, at: datetime) -> None:
        case = Case(self.setup, at, {}, snapshot, lambda _: False, self.rows)
        for profile, rows in self.rows.items():
            if profile in snapshot.people:
                values = case.values(profile)
                self.rows[profile] = tuple(
                    replace(row, told=replace(row.told, values=values)) if row.told else row for row in rows
                )

    def retry(self) -> None:
        """V11: dead letters are due again."""
        for profile, rows in self.rows.items():
            self.rows[profile] = tuple(replace(row, tries=0, refused=None) for row in rows)

    # What became of messages

    def settle(self, profile: str, found: Sequence[tuple[Row, Message | None]], outcomes: frozenset[str]) -> None:
        """Move the row of a profile: it is one of these, and its message came to one of these outcomes."""
        after: list[Row] = []
        for row, message in found:
            for outcome in sorted(outcomes):
                after += [row] if message is None else _after(row, message.told, outcome)
        self.keep(profile, after)

    def settle_entries(
        self, profile: str, found: Sequence[tuple[Row, Message | None]], outcomes: Mapping[Entry, frozenset[str]]
    ) -> None:
        """The same where requests are keyed: each entry came to one of its outcomes."""
        after: list[Row] = []
        for row, message in found:
            after += [row] if message is None else after_entries(row, message, outcomes)
        self.keep(profile, after)

    def keep(self, profile: str, rows: Sequence[Row]) -> None:
        """Keep what a row can be, each once."""
        unique: list[Row] = []
        for row in rows:
            if row not in unique:
                unique.append(row)
        if all(row == Row() for row in unique):
            self.rows.pop(profile, None)
        else:
            self.rows[profile] = tuple(unique)


def _after(row: Row, told: Told, outcome: str) -> Sequence[Row]:
    if outcome == ACCEPTED:
        return [row.accepted(told)]
    if outcome == UNCERTAIN:
        return [row.uncertain(told)]
    return row.refused_with(told) if outcome == REFUSED else [row]


def after_entries(row: Row, message: Message, outcomes: Mapping[Entry, frozenset[str]]) -> list[Row]:
    """Audience by audience, identifier by identifier (V2): the rows that it can be after these entries."""
    found = [row]
    for (group, key), possible in sorted(outcomes.items(), key=lambda item: (item[0][0][1] == REALIZED, item[0])):
        moved = [_after_entry(old, message, group, key, outcome) for old in found for outcome in sorted(possible)]
        found = [each for number, each in enumerate(moved) if each not in moved[:number]]
    refused = any(outcomes[entry] == {REFUSED} for entry in outcomes)
    perhaps = any(REFUSED in outcomes[entry] for entry in outcomes)
    again = [replace(each, tries=row.tries + 1, refused=message.told) for each in found] if perhaps else []
    return again if refused else [*found, *again]


def _after_entry(row: Row, message: Message, group: Group, key: str, outcome: str) -> Row:
    place, status = group
    before, new = row.told or EMPTY, message.told
    leaving = (message.groups | message.optional).get((place, EXITED), (frozenset(), frozenset()))[1]
    held = before.held.get(place, frozenset())
    if status == REALIZED:
        held = (held & (new.held.get(place, frozenset()) | leaving)) | {key}
        told = replace(
            before,
            states={**before.states, place: new.states[place]},
            held={**before.held, place: held},
            ids_of={**before.ids_of, place: new.ids_of.get(place)},
            ids=new.ids,
            values=new.values,
        )
    else:
        is_last = new.states.get(place, ("",))[0] == EXITED and not (row.held(place) & leaving) - {key}
        told = replace(before, held={**before.held, place: frozenset() if is_last else held - {key}})
        told = replace(told, states={**told.states, place: new.states[place]}) if is_last else told
    if outcome == ACCEPTED:
        maybe = tuple(_settled(each, told, place, key) for each in row.maybe)
        return replace(row, told=told, maybe=tuple(each for each in maybe if _differs(each, told)))
    return row.uncertain(told) if outcome == UNCERTAIN else row


def _settled(maybe: Told, told: Told, place: Place, key: str) -> Told:
    """What may have been told, but for what an accepted entry said of an identifier since."""
    state = told.states.get(place)
    states = {**maybe.states, **({place: state} if state else {})}
    held = maybe.held.get(place, frozenset()) - {key}
    return replace(
        maybe,
        states=states,
        held={**maybe.held, place: held | told.held.get(place, frozenset())},
        ids_of={**maybe.ids_of, place: told.ids_of.get(place)},
        values=told.values,
    )


def _differs(maybe: Told, told: Told) -> bool:
    """Whether something that may have been told is not what was told."""
    return any(
        told.states.get(place) != state or maybe.held.get(place, frozenset()) - told.held.get(place, frozenset())
        for place, state in maybe.states.items()
    )
