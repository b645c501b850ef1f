"""A workspace over time: evaluations, slots, baselines (E5, E7, X6-X8, S2, S4, S5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from support.model.export import Case, Export, export
from support.model.memberships import from_feed, overridden, qualify
from support.model.words import REALIZED, Activation, Audience, Delivered, Memberships, Message, Snapshot


@dataclass
class Evaluated:
    """One audience at one instant, and the snapshot that was used."""

    at: datetime
    memberships: Memberships
    snapshot: Snapshot


@dataclass(frozen=True)
class Done:
    """One export that was tried; ``export`` is None when it failed."""

    key: str
    trigger: str
    slot: datetime
    export: Export | None
    by: Activation


@dataclass
class Shop:
    """Everything that muster remembers, and its three ways to export; ``done`` is the history of them."""

    audiences: Mapping[str, Audience]
    activations: Sequence[Activation]
    snapshots: Sequence[Snapshot]
    messages: list[Message] = field(default_factory=list)
    evaluations: dict[str, list[Evaluated]] = field(default_factory=dict)
    delivered: dict[str, Delivered] = field(default_factory=dict)
    finished: dict[str, datetime] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)

    def snapshot(self, at: datetime) -> Snapshot:
        """D2: the newest one dated at or before the instant."""
        return max((each for each in self.snapshots if each.at <= at), key=lambda each: each.at)

    def newest(self, audience: str, at: datetime) -> Evaluated | None:
        """X2: the newest evaluation at or before the instant."""
        return max(
            (each for each in self.evaluations.get(audience, ()) if each.at <= at),
            key=lambda each: each.at,
            default=None,
        )

    def evaluate(self, at: datetime, names: Iterable[str] = ()) -> None:
        """`muster evaluate`: the audiences (or some, and those they refer to), then the exports that follow (E5, E7,
        S4).
        """
        found: dict[str, Memberships] = {}
        for name in self._with_references(names or self.audiences):
            found[name] = self._evaluated(self.audiences[name], at, found)
        for name, memberships in found.items():
            self.evaluations.setdefault(name, []).append(Evaluated(at, memberships, self.snapshot(at)))
        self._export_due(at, [each for each in self.activations if not each.hours])

    def run(self, at: datetime) -> None:
        """`muster run` without an evaluation schedule: every due export."""
        self._export_due(at, self.activations)

    def on_demand(self, key: str, at: datetime) -> None:
        """X7: one extra full file of the newest evaluation, with that evaluation's snapshot; nothing is remembered."""
        activation = next(each for each in self.activations if each.key == key)
        newest = self.newest(activation.audience, at)
        found = None
        if newest and _mappable(activation, newest.snapshot):
            case = Case(activation, at, newest.memberships, newest.snapshot, None, self.snapshot(at))
            found = export(case, incremental=False)
        self.done.append(Done(key, "on_demand", at, found, activation))

    def _with_references(self, names: Iterable[str]) -> list[str]:
        """Each audience after those that it refers to."""
        order: list[str] = []
        for name in names:
            order += [
                each for each in (*self._with_references(self.audiences[name].refers_to), name) if each not in order
            ]
        return order

    def _evaluated(self, audience: Audience, at: datetime, found: Mapping[str, Memberships]) -> Memberships:
        before = self.newest(audience.id, at)
        prior = before.memberships if before else {}
        messages = self._messages(audience.id)
        if audience.rule is None:
            return from_feed(prior, messages, at)
        if audience.from_feed and before:
            prior = overridden(prior, messages, before.at, at)
        qualified = []
        for profile, person in self.snapshot(at).people.items():
            if audience.rule(person, lambda name, profile=profile: found[name].get(profile, ("",))[0] == REALIZED):  # type: ignore[misc]  # the default binds
                qualified.append(profile)
        return qualify(prior, qualified, at)

    def _messages(self, audience: str) -> list[Message]:
        return [message for message in self.messages if message.audience == audience]

    def _export_due(self, at: datetime, activations: Iterable[Activation]) -> None:
        for activation in activations:
            slot, finished = self._slot(activation, at), self.finished.get(activation.key)
            if slot is None or (finished and finished >= slot):
                continue
            found = self._export(activation, at)
            trigger = "scheduled" if activation.hours else "after_evaluation"
            self.done.append(Done(activation.key, trigger, slot, found, activation))
            if found and found.delivered:
                self.finished[activation.key] = slot
                self.delivered[activation.key] = found.delivered

    def _slot(self, activation: Activation, at: datetime) -> datetime | None:
        """S1, S2, S4: the newest slot, in UTC; an evaluation is a slot of the activations that follow it."""
        if activation.hours:
            return at.replace(hour=at.hour // activation.hours * activation.hours, minute=0, second=0)
        newest = self.newest(activation.audience, at)
        return newest.at if newest else None

    def _export(self, activation: Activation, at: datetime) -> Export | None:
        """X2, X5, X6; None when the audience was not evaluated, or a source is not in the snapshot (M4)."""
        newest, snapshot = self.newest(activation.audience, at), self.snapshot(at)
        if newest is None or not _mappable(activation, snapshot):
            return None
        memberships, audience = newest.memberships, self.audiences[activation.audience]
        if audience.from_feed and audience.rule is None:
            memberships = from_feed(memberships, self._messages(audience.id), at)
        elif audience.from_feed:
            memberships = overridden(memberships, self._messages(audience.id), newest.at, at)
        case = Case(activation, at, memberships, snapshot, self.delivered.get(activation.key), snapshot)
        return export(case, incremental=activation.incremental)


def _mappable(activation: Activation, snapshot: Snapshot) -> bool:
    return all(
        snapshot.has(source) for source in (*(each.source for each in activation.mapping), *activation.deduplicate)
    )
