"""One comparison of an activation: who is a member, why the rest is not, and what each profile is to be told (V3)."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from support.message_model.bodies import profile_texts
from support.message_model.words import NOTHING, Group, Message, Place, Row, Setup, State, Told
from support.model.files import written
from support.model.words import EXITED, ID, NAMESPACE, REALIZED, Column, Identity, Memberships, Snapshot, Value

Times = tuple[datetime, ...]


@dataclass(frozen=True)
class Case:
    """Members by audience at an instant, the newest snapshot, who is forgotten, and the rows as they can be."""

    setup: Setup
    at: datetime
    memberships: Mapping[str, Memberships]  # of every audience of the merge policy
    snapshot: Snapshot
    is_forgotten: Callable[[str], bool]
    rows: Mapping[str, tuple[Row, ...]]
    resync: bool = False
    remapped: bool = False  # the mapping changed, and is resent
    others: tuple[str, ...] = field(default=())  # audiences that are not mapped

    # Who is a member

    def realized(self, audience: str) -> dict[str, datetime]:
        found = self.memberships.get(audience, {})
        return {profile: time for profile, (status, time) in found.items() if status == REALIZED}

    def reason(self, profile: str) -> str | None:
        """X2: why a realized profile is left out, duplicates aside."""
        if profile not in self.snapshot.people:
            return "profile_missing"
        if self.is_forgotten(profile):
            return "forgotten"
        if refusing := self._refusing(profile):
            return f"consent:{refusing}"
        if self.setup.keyed and not self.identifiers(profile):
            return f"mandatory:{self._key.target}"
        lacking = [each for each in self.setup.mandatory if self.value(each, profile) in {None, ""}]
        return f"mandatory:{lacking[0].target}" if lacking else None

    def _refusing(self, profile: str) -> str | None:
        person = self.snapshot.people[profile]
        found = [each.id for each in sorted(self.setup.policies, key=lambda each: each.id)]
        by_id = {each.id: each for each in self.setup.policies}
        return next((name for name in found if not by_id[name].lets_through(person)), None)

    @cached_property
    def desired(self) -> Mapping[Place, dict[str, datetime]]:
        """X2 and M5, audience by audience."""
        return {place: self._desired(place[0]) for place in self.setup.places}

    def _desired(self, audience: str) -> dict[str, datetime]:
        able = {profile: time for profile, time in self.realized(audience).items() if self.reason(profile) is None}
        if not self.setup.keyed:
            return able
        taken: set[str] = set()
        found = {}
        for profile in sorted(sorted(able, key=str.encode), key=lambda each: able[each], reverse=True):
            if not taken & self.identifiers(profile):
                taken |= self.identifiers(profile)
                found[profile] = able[profile]
        return found

    def excluded(self) -> dict[str, str]:
        """X10: realized profiles that are desired in no mapped audience, with the reason."""
        found = {}
        for profile in set().union(*(self.realized(audience) for audience, _ in self.setup.places)):
            if not any(profile in each for each in self.desired.values()):
                found[profile] = self.reason(profile) or "duplicate"
        return found

    # What a profile is like

    @cached_property
    def _key(self) -> Column:
        return next(column for column in self.setup.mapping if column.source.startswith(NAMESPACE))

    def identifiers(self, profile: str) -> frozenset[str]:
        """M5: the identities in the mapped namespace, as they are written."""
        pairs = self.snapshot.identities(profile)
        texts = (written(each, self._key.transform, sanitizes=False) for name, each in pairs if name == self.namespace)
        return frozenset(str(each) for each in texts if each)

    @property
    def namespace(self) -> str:
        return self._key.source.removeprefix(NAMESPACE)

    def ids(self, profile: str) -> frozenset[Identity] | None:
        """V3: the identities that trigger."""
        if self.snapshot.pairs is None:
            return None
        pairs = self.snapshot.identities(profile)
        return frozenset(pair for pair in pairs if not self.setup.keyed or pair[0] == self.namespace)

    def value(self, column: Column, profile: str) -> Value:
        raw = profile if column.source == ID else self.snapshot.people.get(profile, {}).get(column.source)
        return written(raw, column.transform, sanitizes=False)

    def values(self, profile: str) -> dict[str, Value]:
        plain = (column for column in self.setup.mapping if not column.source.startswith(NAMESPACE))
        return {column.target: self.value(column, profile) for column in plain}

    # What it is to be told

    def possible(self, profile: str) -> list[tuple[Row, Message | None]]:
        """Each row that the profile can have, with what is told then; None is nothing. A row may stand for both."""
        found: list[tuple[Row, Message | None]] = []
        for row in self.rows.get(profile, (NOTHING,)):
            message = self._message(profile, row)
            if message is None or not self._is_dead(row, message):
                found.append((row, message))
            if message and self.remapped and message.trigger == {"attributes"}:
                found.append((row, None))  # whose values are null before and now has nothing new; this is left open
            if message and row.told and row.told.without_ids and message.trigger == {"identity"}:
                found.append((row, None))  # "the column was absent then": how long ago then is, is left open (X3c)
            # An uncertain profile is always sent again, but taken-out audiences never; who was refused is offered
            # again, also where a resync alone had a reason.
            resent = self.remapped and self.setup.resends  # whether `triggers` can keep that back is left open
            # Consent cannot be judged of who is gone (G5): whether it exits taken-out audiences is left open.
            unjudged = bool(self.setup.policies) and profile not in self.snapshot.people
            if (
                message is None
                and (row.maybe or row.tries or resent or unjudged)
                and (unasked := self._message(profile, row, asked=True))
            ):
                found.append((row, unasked))
            if self.setup.keyed and message and row.tries >= self.setup.dead_after and not message.exits:
                found += [(row, None), (row, message)]  # whether an entry or the profile is given up is left open
            elif message is not None and self._is_dead(row, message):
                found += [(row, None), *([(row, message)] if self.resync else [])]
        return found

    def _is_dead(self, row: Row, message: Message) -> bool:
        """V10: given up until it changes; exits never are."""
        return row.tries >= self.setup.dead_after and row.refused == message.told and not message.exits

    def _message(self, profile: str, row: Row, *, asked: bool = False) -> Message | None:
        gone = profile not in self.snapshot.people
        withdrawn = not gone and (self.is_forgotten(profile) or self._refusing(profile) is not None)
        gone_forgotten = gone and self.is_forgotten(profile)
        if gone or withdrawn:
            told = row.holds & set(self.setup.places) or withdrawn or gone_forgotten or asked
            unjudged = gone and (self.is_forgotten(profile) or bool(self.setup.policies))
            consent = {"consent"} if withdrawn or unjudged else set()
            trigger = frozenset(consent | ({"membership"} if gone else set()))
            return self._withdrawal(profile, row, trigger) if row.holds and told else None
        return self._change(profile, row, asked=asked)

    def _exit_times(self, profile: str, place: Place, *, withdrawn: bool) -> Times:
        """X3d: the time of the exit, or the instant for a profile that is realized still."""
        status, time = self.memberships.get(place[0], {}).get(profile, (REALIZED, self.at))
        if status == REALIZED:
            return (self.at,)
        return (time, self.at) if withdrawn or place not in self.setup.places else (time,)

    def _withdrawal(self, profile: str, row: Row, trigger: frozenset[str]) -> Message:
        """V3: exits of every audience that the row holds as realized, with what was last sent and nothing else."""
        places = [*self.setup.places, *sorted(row.holds - set(self.setup.places))]
        exits = {place: self._exit_times(profile, place, withdrawn=True) for place in places if place in row.holds}
        before = row.told or row.maybe[-1]
        states = {**before.states, **{place: (EXITED, times[0]) for place, times in exits.items()}}
        told = replace(before, states=states, held=dict.fromkeys(before.held, frozenset()))
        values = {
            column.target: profile if column.source == ID else before.values.get(column.target)
            for column in self.setup.mapping
            if column.source == ID or column.mandatory
        }
        if self.setup.keyed:
            groups = {(place, EXITED): self._exiting(profile, place, row.held(place)) for place in exits}
            return Message(trigger, told, exits=True, leaves=True, groups=_needed(groups), optional=_needless(groups))
        told_ids = [each.ids for each in row.all_told]
        union = frozenset().union(*(each or frozenset() for each in told_ids))
        all_ids = {each or frozenset() for each in told_ids} | {union}
        if any(each.without_ids for each in row.all_told):
            all_ids.add(frozenset())  # "last sent" may mean the last message, or the last that had any
        shown = [[(place, EXITED, times) for place, times in exits.items()]]
        if len(exits) > 1:  # in which order taken-out audiences come is open
            shown = [list(each) for each in itertools.permutations(shown[0])]
        texts = profile_texts(self.setup, [values], shown, [], all_ids)
        return Message(trigger, told, exits=True, leaves=True, texts=texts)

    def _change(self, profile: str, row: Row, *, asked: bool) -> Message | None:
        now = {place: found[profile] for place, found in self.desired.items() if profile in found}
        exits = {
            place: self._exit_times(profile, place, withdrawn=False)
            for place in self.setup.places
            if place in row.holds and place not in now
        }
        trigger = self._trigger(profile, row, now, has_exits=bool(exits), asked=asked)
        if trigger is None:
            return None
        before = row.told or Told()
        states: dict[Place, State] = {
            **before.states,
            **{place: (EXITED, times[0]) for place, times in exits.items()},
            **{place: (REALIZED, time) for place, time in now.items()},
        }
        ids = self.ids(profile)
        kept = before.ids if ids is None else ids
        held = {**before.held, **dict.fromkeys(exits, frozenset[str]())}
        if self.setup.keyed:
            held |= {place: self.identifiers(profile) for place in now}
        own_ids = {**before.ids_of, **dict.fromkeys(now, kept)}
        told = Told(states, kept, self.values(profile), held, own_ids, without_ids=ids is None)
        if self.setup.keyed:
            return self._keyed(profile, row, now=now, exits=exits, trigger=trigger, told=told)
        shown = [
            (place, EXITED, exits[place]) if place in exits else (place, REALIZED, (now[place],))
            for place in self.setup.places
            if place in exits or place in now
        ]
        others = [(each, self.realized(each)[profile]) for each in self.others if profile in self.realized(each)]
        texts = profile_texts(
            self.setup,
            self._values_told(profile, row, is_exit=not now),
            [shown],
            others if self.setup.shows_unmapped else [],
            {ids or frozenset()},
        )
        return Message(trigger, told, bool(exits), not now, texts)

    def _values_told(self, profile: str, row: Row, *, is_exit: bool) -> list[dict[str, Value]]:
        """Where a message has exits alone, mandatory columns may have what was last sent (X12), or the newest (V3)."""
        newest = self.values(profile)
        if not is_exit or not row.told:
            return [newest]
        last = {each.target: row.told.values.get(each.target) for each in self.setup.mandatory}
        return [newest, newest | last]

    def _trigger(
        self, profile: str, row: Row, now: Mapping[Place, datetime], *, has_exits: bool, asked: bool
    ) -> frozenset[str] | None:
        """V3: why the profile is told of, of consent, membership, identity and attributes the first (V11)."""
        before = row.told.states if row.told else {}
        is_member = bool(now) or has_exits
        if has_exits or any(before.get(place) != (REALIZED, time) for place, time in now.items()):
            found = "membership"
        elif is_member and row.told and self._is_other(profile, row.told) and "identity" in self.setup.triggers:
            found = "identity"
        elif is_member and row.told and "attributes" in self.setup.triggers and row.told.values != self.values(profile):
            found = "attributes"
        elif is_member and (row.maybe or self.resync or asked):
            return frozenset({"membership", "identity", "attributes", "resync"})
        else:
            return None
        return frozenset({"membership", "identity", "attributes"} if row.maybe else {found})

    def _is_other(self, profile: str, told: Told) -> bool:
        ids = self.ids(profile)
        if ids is None:
            return False
        if any(each is not None and each != ids for each in (told.ids, *self._place_ids(told))):
            return True
        if any(self.identifiers(profile) - told.held.get(place, frozenset()) for place in self._members(profile)):
            return True
        return any(
            self._exiting(profile, place, self._left(profile, told, place))[0] for place in self._members(profile)
        )

    def _members(self, profile: str) -> list[Place]:
        return [place for place, found in self.desired.items() if self.setup.keyed and profile in found]

    def _left(self, profile: str, told: Told, place: Place) -> frozenset[str]:
        """Identifiers that the receiver has still, of a member who has them no more."""
        return told.held.get(place, frozenset()) - self.identifiers(profile)

    def _place_ids(self, told: Told) -> Iterable[frozenset[Identity] | None]:
        return (told.ids_of.get(place) for place in self.setup.places) if self.setup.keyed else ()

    # Where requests are keyed

    def _keyed(
        self,
        profile: str,
        row: Row,
        *,
        now: Mapping[Place, datetime],
        exits: Mapping[Place, Times],
        trigger: frozenset[str],
        told: Told,
    ) -> Message:
        groups: dict[Group, tuple[frozenset[str], frozenset[str]]] = {}
        optional: dict[Group, tuple[frozenset[str], frozenset[str]]] = {}
        keys = self.identifiers(profile)
        for place, time in now.items():
            is_due = self._is_due(profile, row, place, time)
            lacking = keys - (row.told.held.get(place, frozenset()) if row.told else frozenset())
            (groups if is_due or lacking else optional)[place, REALIZED] = (keys if is_due else lacking, keys)
            must_leave = is_due or "identity" in self.setup.triggers
            leaving = self._exiting(profile, place, row.held(place) - keys)
            (groups if must_leave else optional)[place, EXITED] = leaving
        for place in exits:
            groups[place, EXITED] = self._exiting(profile, place, row.held(place))
        optional |= _needless(groups)
        return Message(trigger, told, bool(exits), not now, groups=_needed(groups), optional=optional)

    def _is_due(self, profile: str, row: Row, place: Place, time: datetime) -> bool:
        """V3, V6: whether a request about this audience has to tell of the profile."""
        before = row.told or Told()
        ids = self.ids(profile)
        last = before.ids_of.get(place)
        return (
            before.states.get(place) != (REALIZED, time)
            or ("identity" in self.setup.triggers and None not in {ids, last} and ids != last)
            or ("attributes" in self.setup.triggers and before.values != self.values(profile))
            or self.resync
            or any(self._last(each, place) != self._last(before, place) for each in row.maybe)
        )

    @staticmethod
    def _last(told: Told, place: Place) -> tuple[object, ...]:
        return told.states.get(place), told.ids_of.get(place), told.values

    def _exiting(self, profile: str, place: Place, keys: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
        """V9, M5: the identifiers of an exit that go out: not those that another member of the audience holds."""
        members = self.desired.get(place) or {
            each: self.at for each, rows in self.rows.items() if any(place in row.holds for row in rows)
        }
        others = set(members) - {profile}
        known = others if place in self.desired else ()
        held = frozenset().union(*(self.identifiers(each) for each in known))
        sent = frozenset().union(*(row.held(place) for each in others for row in self.rows.get(each, ())))
        if place in self.desired and "identity" in self.setup.triggers:
            sent = frozenset()  # who has another address than was sent is sent anew
        return keys - held - sent, keys - held


def _needed(
    groups: Mapping[Group, tuple[frozenset[str], frozenset[str]]],
) -> dict[Group, tuple[frozenset[str], frozenset[str]]]:
    return {group: each for group, each in groups.items() if each[0]}


def _needless(
    groups: Mapping[Group, tuple[frozenset[str], frozenset[str]]],
) -> dict[Group, tuple[frozenset[str], frozenset[str]]]:
    return {group: each for group, each in groups.items() if not each[0] and each[1]}
