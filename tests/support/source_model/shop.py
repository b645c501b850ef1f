"""A workspace over time whose profiles come from sources: builds, evaluations, exports (P9 to P12, G4, G5)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from support.model import EXITED, REALIZED, Activation, Done, Message, Row, Snapshot
from support.model.export import Case, Export, Moved, export
from support.model.memberships import qualify, settle
from support.model.words import Delivered, Memberships
from support.source_model.ids import Ids
from support.source_model.records import clean, policy_sources
from support.source_model.view import View, events_of, fragment, led_by, merged, view_at
from support.source_model.words import File, MergePolicy, Namespace, Setup


@dataclass(frozen=True)
class Audience:
    """A rule over a merged person (its events under ``#events``), or a feed, or both; of one merge policy."""

    id: str
    policy: str
    rule: Callable[[Row, Callable[[str], bool]], bool] | None = None
    refers_to: tuple[str, ...] = ()
    from_feed: bool = False


@dataclass(frozen=True)
class Said(Message):
    """A row of a feed that names a profile: ``profile`` is a profile id, or the id of an identity (P12)."""

    namespace: str = ""  # of the identity; none: a profile id


@dataclass(frozen=True)
class Consent:
    """G4: who may be sent, and the sources that count instead of all."""

    id: str
    columns: tuple[str, ...]
    lets_through: Callable[[Row], bool | None]
    consent_from: tuple[str, ...] | None = None


@dataclass
class Evaluated:
    """One audience at one instant, and the view that was used."""

    at: datetime
    memberships: Memberships
    snapshot: Snapshot
    view: View


@dataclass
class SourceShop:
    """Everything that muster remembers; ``done`` is the history of exports."""

    setup: Setup
    files: Mapping[str, Sequence[File]]
    audiences: Mapping[str, Audience]
    activations: Sequence[Activation]  # ``policies`` of theirs only carry ids of ``consents``
    consents: Mapping[str, Consent] = field(default_factory=dict)
    guards: Mapping[str, tuple[float | None, int | None]] = field(default_factory=dict)
    messages: list[Said] = field(default_factory=list)
    ids: dict[str, Ids] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    evaluations: dict[str, list[Evaluated]] = field(default_factory=dict)
    delivered: dict[str, Delivered] = field(default_factory=dict)
    built: dict[str, int] = field(default_factory=dict)
    finished: dict[str, datetime] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    moved: dict[tuple[str, datetime], Moved] = field(default_factory=dict)

    def view(self, policy: str, at: datetime) -> View:
        """P10: the view of what the sources hold; a build when it is not of this instant."""
        if policy not in self.views or self.views[policy].at != at:
            ids = self.ids.setdefault(policy, Ids(self.setup))
            self.views[policy] = view_at(self.setup, self.setup.policies[policy], self.files, at, ids)
        return self.views[policy]

    def snapshot(self, view: View) -> Snapshot:
        """The view as a snapshot: a column that any fragment has is there for everybody."""
        names = {leaf for each in view.records for leaf in fragment(each)}
        people = {
            name: {".".join(leaf): person.values.get(leaf) for leaf in names} for name, person in view.people.items()
        }
        pairs = {name: sorted(person.identities) for name, person in view.people.items()}
        return Snapshot(view.at, people, pairs, integers=False)

    def evaluate(self, at: datetime) -> None:
        """`muster evaluate`: all audiences, then the exports that follow (E5, S4)."""
        found: dict[str, Memberships] = {}
        for name in sorted(self.audiences, key=lambda each: bool(self.audiences[each].refers_to)):
            found[name] = self._evaluated(self.audiences[name], at, found)
        for name, memberships in found.items():
            view = self.view(self.audiences[name].policy, at)
            self.evaluations.setdefault(name, []).append(Evaluated(at, memberships, self.snapshot(view), view))
        self._export_due(at, [each for each in self.activations if not each.hours])

    def run(self, at: datetime, only: Sequence[str] | None = None) -> None:
        """`muster run`: every due export, or some."""
        self._export_due(at, [each for each in self.activations if only is None or each.key in only])

    def on_demand(self, key: str, at: datetime) -> None:
        """X7, P10: one extra full file of the newest evaluation, with the view of that evaluation."""
        activation = next(each for each in self.activations if each.key == key)
        newest = self._newest(activation.audience, at)
        found = None
        if newest and _mappable(activation, newest.snapshot):
            case = self._case(activation, at, newest.memberships, newest.snapshot, newest.view)
            found = export(replace(case, delivered=None), incremental=False)
        self.done.append(Done(key, "on_demand", at, found, activation))

    # Memberships

    def _newest(self, audience: str, at: datetime) -> Evaluated | None:
        found = [each for each in self.evaluations.get(audience, ()) if each.at <= at]
        return max(found, key=lambda each: each.at, default=None)

    def _evaluated(self, audience: Audience, at: datetime, found: Mapping[str, Memberships]) -> Memberships:
        view = self.view(audience.policy, at)
        before = self._newest(audience.id, at)
        prior = followed(before.memberships, self.ids[audience.policy]) if before else {}
        if audience.rule is None:
            return self._from_feed(audience, prior, view, at)
        if audience.from_feed and before:
            prior = self._overridden(audience, prior, view, before.at, at)
        snapshot, events = self.snapshot(view), self._events(view)
        qualified = []
        for profile, person in snapshot.people.items():
            row = dict(person) | {"#events": events.get(profile, []), "#at": at}  # type: ignore[dict-item]  # for rules
            if audience.rule(row, lambda name, profile=profile: found[name].get(profile, ("",))[0] == REALIZED):  # type: ignore[misc]  # the default binds
                qualified.append(profile)
        return qualify(prior, qualified, at)

    def _events(self, view: View) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for profile, event in events_of(self.setup, view):
            found.setdefault(profile, []).append(event.row)
        return found

    def _said(self, audience: Audience, view: View, since: datetime | None = None) -> Iterator[tuple[str, list[Said]]]:
        """P12: the rows of each id as named, later than an instant, and the person that it leads to."""
        by_name: dict[tuple[str, str | None], list[Said]] = {}
        for each in self.messages:
            if each.audience == audience.id and (since is None or each.time > since):
                by_name.setdefault((each.namespace, self._name(each)), []).append(each)
        for (namespace, name), messages in by_name.items():
            person = self._person(audience.policy, namespace, name, view)
            if person:
                yield person, messages

    def _overridden(
        self, audience: Audience, found: Memberships, view: View, evaluated: datetime, at: datetime
    ) -> Memberships:
        """X6, P12: rows later than the evaluation override it, person by person."""
        people: dict[str, list[tuple[str, datetime]]] = {}
        for person, messages in self._said(audience, view, evaluated):
            status = settle(messages, at, found.get(person))
            if status and any(each.time <= at for each in messages):
                people.setdefault(person, []).append(status)
        return found | {person: _together(said) for person, said in people.items()}

    def _from_feed(self, audience: Audience, prior: Memberships, view: View, at: datetime) -> Memberships:
        """P12: D4 for each id as named; a person is realized if any is, since the earliest."""
        people: dict[str, list[tuple[str, datetime]]] = {}
        for person, messages in self._said(audience, view):
            status = settle(messages, at)
            if status:
                people.setdefault(person, []).append(status)
        after = {person: _together(found) for person, found in people.items()}
        for person, status in prior.items():
            if person not in after:
                after[person] = (EXITED, at) if status[0] == REALIZED else status
        return after

    def _name(self, said: Said) -> str | None:
        if not said.namespace:
            return said.profile
        return clean(self.setup.namespaces.get(said.namespace, Namespace(said.namespace)), said.profile)

    def _person(self, policy: str, namespace: str, name: str | None, view: View) -> str | None:
        if name is None:
            return None
        if namespace:
            return led_by(self.setup, view, [(namespace, name)])
        profile = self.ids[policy].resolve(name)
        return profile if profile in view.people else None

    # Exports

    def _export_due(self, at: datetime, activations: Iterable[Activation]) -> None:
        for activation in activations:
            slot, finished = self._slot(activation, at), self.finished.get(activation.key)
            if slot is None or (finished and finished >= slot):
                continue
            found = self._export(activation, at)
            trigger = "scheduled" if activation.hours else "after_evaluation"
            self.done.append(Done(activation.key, trigger, slot, found, activation))
            if found and found.delivered:
                policy = self.audiences[activation.audience].policy
                self.finished[activation.key] = slot
                self.delivered[activation.key] = found.delivered
                self.built[activation.key] = self.ids[policy].build

    def _slot(self, activation: Activation, at: datetime) -> datetime | None:
        if activation.hours:
            return at.replace(hour=at.hour // activation.hours * activation.hours, minute=0, second=0)
        newest = self._newest(activation.audience, at)
        return newest.at if newest else None

    def _export(self, activation: Activation, at: datetime) -> Export | None:
        newest, audience = self._newest(activation.audience, at), self.audiences[activation.audience]
        if newest is None:
            return None
        view = self.view(audience.policy, at)
        snapshot = self.snapshot(view)
        if not _mappable(activation, snapshot):
            return None
        memberships = followed(newest.memberships, self.ids[audience.policy])
        if audience.rule is None:
            memberships = self._from_feed(audience, memberships, view, at)
        elif audience.from_feed:
            memberships = self._overridden(audience, memberships, view, newest.at, at)
        case = self._case(activation, at, memberships, snapshot, view)
        found = export(case, incremental=activation.incremental)
        if case.delivered is not None:
            self.moved[activation.key, at] = case.moved
        return None if self._is_guarded(case, found) else found

    def _is_guarded(self, case: Case, found: Export) -> bool:
        """X11, P11: guards compare ids as delivered with desired ids."""
        shrink, exited = self.guards.get(case.activation.key, (None, None))
        if case.delivered is None or found.delivered is None:
            return False
        before, desired = set(case.delivered.people), set(found.delivered.people)
        if shrink is not None and before and (len(before) - len(desired)) / len(before) > shrink:
            return True
        return exited is not None and len(before - desired) > exited

    def _case(
        self, activation: Activation, at: datetime, memberships: Memberships, snapshot: Snapshot, view: View
    ) -> Case:
        policy = self.audiences[activation.audience].policy
        delivered = self.delivered.get(activation.key)
        consents = [self.consents[each.id] for each in activation.policies]
        newest = self._judged(policy, snapshot, view, at, consents) if consents else snapshot
        moved = moved_since(self.ids[policy], delivered, self.built.get(activation.key, 0), view)
        judging = tuple(replace(each, lets_through=_judge(each.id)) for each in activation.policies)
        return Case(replace(activation, policies=judging), at, memberships, snapshot, delivered, newest, moved)

    def _judged(
        self, policy: str, snapshot: Snapshot, view: View, at: datetime, consents: Iterable[Consent]
    ) -> Snapshot:
        """G5: what each profile is judged by: all newest profiles that share an identity with it."""
        newest = self.view(policy, at)
        people: dict[str, Any] = {}
        for name, person in view.people.items():
            sharing = [each for each in newest.people if newest.people[each].identities & person.identities]
            if sharing:
                people[name] = {
                    consent.id: all(
                        consent.lets_through(row)
                        for each in sharing
                        for row in self._rows(policy, newest, each, consent)
                    )
                    for consent in consents
                }
        return replace(snapshot, people=people)

    def _rows(self, policy: str, view: View, profile: str, consent: Consent) -> list[dict[str, Any]]:
        """G4: the merged person, and once more for each fragment that says something."""
        counting = [
            each
            for each in view.people[profile].fragments
            if consent.consent_from is None or each.source.id in consent.consent_from
        ]
        chosen: MergePolicy = self.setup.policies[policy]
        values = merged(chosen, policy_sources(self.setup, chosen), counting)
        whole = {each: values.get((each,)) for each in consent.columns}
        rows = [whole]
        for each in counting:
            said = {leaf[0]: value for leaf, value in fragment(each).items() if leaf[0] in consent.columns}
            said = {name: value for name, value in said.items() if value is not None}
            rows += [whole | said] if said else []
        return rows


def followed(memberships: Memberships, ids: Ids) -> Memberships:
    """P11: a merged person is a member if any of the merged ids was, since the survivor's time if it was realized, else
    the earliest.
    """
    people: dict[str, list[str]] = {}
    for profile in memberships:
        people.setdefault(ids.resolve(profile), []).append(profile)
    after: Memberships = {}
    for person, names in people.items():
        realized = [each for each in names if memberships[each][0] == REALIZED]
        if realized:
            since = memberships[person][1] if person in realized else min(memberships[each][1] for each in realized)
            after[person] = (REALIZED, since)
        else:
            after[person] = memberships[person] if person in names else _together([memberships[each] for each in names])
    return after


def _together(found: Iterable[tuple[str, datetime]]) -> tuple[str, datetime]:
    """Realized if any is, since the earliest; else exited, when the last one was."""
    found = list(found)
    realized = [time for status, time in found if status == REALIZED]
    return (REALIZED, min(realized)) if realized else (EXITED, max(time for _, time in found))


def moved_since(ids: Ids, delivered: Delivered | None, built: int, view: View) -> Moved:
    """P11: what merges and splits in builds after that of a delivered set did to it."""
    if delivered is None:
        return Moved()
    names = set(delivered.people)
    merges = [
        each
        for each in ids.merges
        if each.build > built
        and each.alias in ids.aliases
        and names & {each.alias, each.survivor, ids.resolve(each.alias)}
    ]
    splits = [each for each in ids.splits if each.build > built and each.profile in names]
    survivors = {ids.resolve(each.alias) for each in merges}
    touched = survivors | {each.profile for each in splits if each.profile not in ids.aliases}
    people = {each: ids.resolve(each) for each in names if each in ids.aliases or each in touched}
    return Moved(
        people,
        frozenset(touched),
        merged=sum(each in ids.aliases for each in names),
        split=len({each.new for each in splits if each.new in view.people}),
    )


def _judge(consent: str) -> Callable[[Row], bool | None]:
    return lambda person: bool(person[consent])


def _mappable(activation: Activation, snapshot: Snapshot) -> bool:
    return all(
        snapshot.has(source) for source in (*(each.source for each in activation.mapping), *activation.deduplicate)
    )
