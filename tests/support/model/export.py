"""One export: who is in it, why the rest is not, and its rows (X2-X5, X10, X12, M1-M3, M5, M6, M8)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from support.model.files import key_text, text, written
from support.model.words import (
    EXITED,
    ID,
    NAMESPACE,
    REALIZED,
    STATUS,
    TIME,
    Activation,
    Cells,
    Column,
    Delivered,
    Memberships,
    Row,
    Sent,
    Snapshot,
    Value,
)

Key = tuple[str, ...]


@dataclass
class Export:
    """What one export comes to."""

    rows: list[Cells] = field(default_factory=list)  # by target
    excluded: dict[str, str] = field(default_factory=dict)
    realized: int = 0
    exited: int = 0
    identity_changed: int = 0
    delivered: Delivered | None = None

    @property
    def counts(self) -> dict[str, object]:
        """X10, with the names of ``runs list --json``."""
        reasons = list(self.excluded.values())
        exported = self.realized + self.exited
        return {
            "received": exported + len(reasons),
            "exported": exported,
            "excluded": len(reasons),
            "excluded_by": {reason: reasons.count(reason) for reason in set(reasons)},
            "realized": self.realized,
            "exited": self.exited,
            "identity_changed": self.identity_changed,
        }


@dataclass(frozen=True)
class Moved:
    """What merges and splits since a delivered set did to it (P11)."""

    people: Mapping[str, str] = field(
        default_factory=dict
    )  # who each delivered id is now, of those they did something to
    touched: frozenset[str] = frozenset()  # who survived a merge, and who kept an id in a split
    merged: int = 0
    split: int = 0


@dataclass(frozen=True)
class Case:
    """One export to be made: who is in the audience, what was delivered, what the people are like now."""

    activation: Activation
    at: datetime
    memberships: Memberships
    snapshot: Snapshot
    delivered: Delivered | None  # None: a first export
    newest: Snapshot  # by which consent is judged (G5)
    moved: Moved = Moved()

    @property
    def realized(self) -> dict[str, datetime]:
        return {profile: time for profile, (status, time) in self.memberships.items() if status == REALIZED}

    @cached_property
    def before(self) -> Mapping[str, Sent]:
        """What delivered profiles were sent, by the targets of today (X12)."""
        if self.delivered is None:
            return {}
        return {profile: self._continued(profile, sent) for profile, sent in self.delivered.people.items()}

    def _continued(self, profile: str, sent: Sent) -> Sent:
        rows = []
        for row in sent.rows:
            found: dict[str, Value] = {}
            for column in self.activation.mapping:
                before = self.predecessor(column)
                if before is None and column.source == ID:
                    found[column.target] = self.value(column, profile)
                elif before and before.target in row:
                    found[column.target] = row[before.target]
            rows.append(found)
        unmapped = dict(sent.unmapped)
        assert self.delivered
        for source in self.activation.deduplicate:
            last = self.delivered.by.compared(source)
            if last and not last.transform and last.target in sent.rows[0]:
                unmapped[source] = sent.rows[0].get(last.target)
        return Sent(sent.time, sent.identities, tuple(rows), unmapped)

    def predecessor(self, column: Column) -> Column | None:
        """X12: the column of the last delivery that this one continues."""
        if self.delivered is None:
            return None
        last = self.delivered.by.mapping
        same = [each for each in last if each.target == column.target]
        gone = [each for each in last if each.target not in self.activation.targets and each.made_of == column.made_of]
        return next(iter([*same, *gone]), None)

    def is_remade(self, column: Column) -> bool:
        """X12: whether the column is made in another way than at the last delivery."""
        before = self.predecessor(column)
        if before is None or self.delivered is None:
            return False
        return before.made_of != column.made_of or self.delivered.by.sanitizes != self.activation.sanitizes

    @property
    def carried(self) -> set[str]:
        """X12: the targets of which exits carry what was sent, also because of settings of before."""
        found = set(self.activation.kept)
        for column in self.activation.mapping:
            before = self.predecessor(column)
            if before and self.delivered and column.source not in {STATUS, TIME}:
                kept = before.target in self.delivered.kept
                held_ids = before.source == ID and column.source != ID
                remade_id = column.source == ID and self.is_remade(column)
                found |= {column.target} if kept or held_ids or remade_id else set()
        return found

    @property
    def keys(self) -> tuple[Column | str, ...]:
        """The parts of a key; where there is none now, columns that were and are made in another way since."""
        if self.activation.keys or self.delivered is None:
            return self.activation.keys
        last = self.delivered.by
        identifying = {each.target for each in (*last.keys, *last.identities) if isinstance(each, Column)}
        found = []
        for column in self.activation.mapping:
            before = self.predecessor(column)
            if (
                before
                and before.target in identifying
                and column.source not in {STATUS, TIME}
                and self.is_remade(column)
            ):
                found.append(column)
        return tuple(found)

    def value(self, column: Column, profile: str, identity: str | None = None) -> Value:
        """What the column has today for a profile."""
        if column.source.startswith(NAMESPACE):
            raw: Value = identity
        else:
            raw = profile if column.source == ID else self.snapshot.people.get(profile, {}).get(column.source)
        return written(raw, column.transform, sanitizes=self.activation.sanitizes)

    def rows_now(self, profile: str) -> list[dict[str, Value]]:
        """What the columns of the profile have today: one row, or one an identity (M5)."""
        of_profile = [each for each in self.activation.mapping if each.source not in {STATUS, TIME}]
        if self.activation.namespace is None:
            return [{each.target: self.value(each, profile) for each in of_profile}]
        return [
            {"#identity": identity} | {each.target: self.value(each, profile, identity) for each in of_profile}
            for identity in self.held(profile)
        ]

    def held(self, profile: str) -> list[str]:
        """The identities in the mapped namespace, of those written with one key the first."""
        [key] = self.activation.keys
        assert isinstance(key, Column)
        found: dict[Value, str] = {}
        names = sorted(each for name, each in self.snapshot.identities(profile) if name == self.activation.namespace)
        for identity in names:
            if all(self.value(each, profile, identity) not in {None, ""} for each in self.activation.identities):
                found.setdefault(self.value(key, profile, identity), identity)
        return list(found.values())

    def key(self, row: Row, unmapped: Row) -> Key | None:
        """The key of a row; None where a part is null or not known."""
        parts = [unmapped.get(each) if isinstance(each, str) else row.get(each.target) for each in self.keys]
        return None if not parts or None in parts else tuple(key_text(each) for each in parts)

    def unmapped(self, profile: str) -> Row:
        """The values of deduplication sources that are not mapped."""
        person = self.snapshot.people.get(profile, {})
        return {source: person.get(source) for source in self.activation.keys if isinstance(source, str)}

    def keys_now(self, profile: str) -> set[Key]:
        return {key for row in self.rows_now(profile) if (key := self.key(row, self.unmapped(profile)))}

    def keys_sent(self, profile: str) -> set[Key]:
        sent = self.before[profile]
        return {key for row in sent.rows if (key := self.key(row, sent.unmapped))}


def export(case: Case, *, incremental: bool) -> Export:
    """X2, X3: the rows, who was left out and why, and the delivered set afterwards."""
    desired, reasons = _desired(case)
    done = Export()
    later = incremental and case.delivered is not None
    changed = {profile: _change(case, profile, time) if later else "first" for profile, time in case.realized.items()}
    exits: dict[str, datetime] = {}
    if later and case.activation.status_mapped:
        gone = [profile for profile in case.before if profile not in desired and profile not in case.moved.people]
        exits = {profile: _exit_time(case, profile) for profile in gone}
    included = {profile for profile in desired if changed[profile]}
    told = set(exits) | (set(case.moved.people.values()) if later and case.activation.status_mapped else set())
    for profile, reason in reasons.items():
        if changed[profile] and profile not in told:
            done.excluded[profile] = reason
    for profile in included:
        for row in case.rows_now(profile):
            done.rows.append({"#": profile, **row, **_membership(case, REALIZED, desired[profile])})
        done.realized += 1
        done.identity_changed += changed[profile] == "identities"
    if later and case.activation.status_mapped:
        _add_exits(case, done, exits, set(desired), included)
    people = {profile: _sent(case, profile, desired[profile], sent=profile in included) for profile in desired}
    done.delivered = Delivered(case.activation, frozenset(case.carried), people)
    done.rows.sort(key=lambda row: _place(case, row))
    return done


def _membership(case: Case, status: str, time: datetime) -> Cells:
    values = {STATUS: status, TIME: time}
    return {each.target: values[each.source] for each in case.activation.mapping if each.source in values} | {
        "#status": status
    }


def _place(case: Case, row: Cells) -> tuple[object, ...]:
    """M6: by profile, exits first, then by identity; exits in the order in which they were sent."""
    exited = row["#status"] == EXITED
    within = row.get("#n", 0) if exited else 0
    return case.snapshot.order(str(row["#"])), not exited, within, str(row.get("#identity", "")).encode()


def _desired(case: Case) -> tuple[dict[str, datetime], dict[str, str]]:
    """X2: the realized profiles less those excluded by X5, consent, M2, `unidentified` and M3, in that order."""
    reasons: dict[str, str] = {}
    for profile in case.realized:
        if profile not in case.snapshot.people or (case.activation.policies and profile not in case.newest.people):
            reasons[profile] = "profile_missing"
        elif refusing := _refusing(case, profile):
            reasons[profile] = f"consent:{refusing}"
        elif lacking := _lacking(case, profile):
            reasons[profile] = f"mandatory:{lacking}"
        elif case.activation.identifying and not _identified(case, profile):
            reasons[profile] = "unidentified"
    if not case.activation.keys:
        return {profile: time for profile, time in case.realized.items() if profile not in reasons}, reasons
    candidates = [profile for profile in case.realized if profile not in reasons]
    candidates.sort(key=lambda profile: _rank(case, profile, case.realized[profile], case.rows_now(profile)[0]))
    taken: set[Key] = set()
    for profile in candidates:
        keys = case.keys_now(profile)
        if keys & taken:
            reasons[profile] = "duplicate"
        else:
            taken |= keys
    return {profile: time for profile, time in case.realized.items() if profile not in reasons}, reasons


def _refusing(case: Case, profile: str) -> str | None:
    """G4, G5: the first policy by id that does not let this profile through, as the newest snapshot has the profile."""
    for policy in sorted(case.activation.policies, key=lambda policy: policy.id):
        if not policy.lets_through(case.newest.people[profile]):
            return policy.id
    return None


def _lacking(case: Case, profile: str) -> str | None:
    """M2, M5: the first mandatory column in mapping order that this profile has no value for."""
    for column in case.activation.mapping:
        if column.source.startswith(NAMESPACE):
            if not case.held(profile):
                return column.target
        elif column.mandatory and column.source not in {STATUS, TIME} and case.value(column, profile) in {None, ""}:
            return column.target
    return None


def _identified(case: Case, profile: str) -> bool:
    """X2: whether a column by which the preset's receiver knows people has a value; identities had one to be here, and
    the status and its time always do.
    """
    return any(
        each.source.startswith(NAMESPACE)
        or each.source in {STATUS, TIME}
        or case.value(each, profile) not in {None, ""}
        for each in case.activation.identifying
    )


def _rank(case: Case, profile: str, time: datetime, row: Row) -> tuple[object, ...]:
    """M3: the newest time first, then the smallest other values as CSV text in mapping order, null first, then the
    smallest profile id.
    """
    scalars = [
        each
        for each in case.activation.mapping
        if not each.source.startswith((NAMESPACE, "segment_membership.")) and each not in case.keys
    ]
    texts = [(row.get(each.target) is not None, text(row.get(each.target)).encode()) for each in scalars]
    return (-(time - datetime(1970, 1, 1, tzinfo=UTC)), texts, case.snapshot.order(profile))


def _change(case: Case, profile: str, time: datetime) -> str:
    """X3, X12: why a realized profile is news: ``new`` (a), ``time`` (b), ``values`` (e, X12), ``identities`` (c), or
    nothing.
    """
    sent = case.before.get(profile)
    if sent is None:
        return "new"
    if sent.time != time:
        return "time"
    identities = [each for each in case.activation.identities if case.is_remade(each)]
    remade = [each for each in case.keys if isinstance(each, Column) and case.is_remade(each)]
    asked = [each for each in case.activation.mapping if each.target in case.activation.asked]
    if any(_differs(case, profile, column) for column in (*identities, *remade, *asked)):
        return "values"
    if profile in case.moved.touched:
        return "moved"
    if "identity" not in case.activation.changes:
        return ""
    compared = case.snapshot.pairs is not None and sent.identities is not None and profile in case.snapshot.people
    return "identities" if compared and sent.identities != case.snapshot.identities(profile) else ""


def _differs(case: Case, profile: str, column: Column) -> bool:
    """Whether what was sent in a column is known, and differs from today's."""
    before = [row[column.target] for row in case.before[profile].rows if column.target in row]
    now = [row[column.target] for row in case.rows_now(profile)]
    if not before:
        return False
    if column.source.startswith(NAMESPACE):
        return {text(each) if each is not None else None for each in before} != set(now)
    person = case.value(column, profile)
    compared = key_text if column.target in case.activation.kept else text  # keys by value (D7), others as written
    return any((each is None) != (person is None) or compared(each) != compared(person) for each in before)


def _exit_time(case: Case, profile: str) -> datetime:
    """X3d: the exit's time, or ``at`` if still realized."""
    status, time = case.memberships.get(profile, (None, case.at))
    return time if status == EXITED else case.at


def _sent(case: Case, profile: str, time: datetime, *, sent: bool) -> Sent:
    """X2, X3c, X12: what delivered keeps of a desired profile after this export."""
    before = case.before.get(profile)
    identities = (
        case.snapshot.identities(profile)
        if case.snapshot.pairs is not None
        else (before.identities if before else None)
    )
    kept = case.carried | (case.activation.asked if "attributes" in case.activation.changes else set())
    if before and not sent:
        rows: Iterable[Row] = before.rows
        unmapped = before.unmapped
    else:
        rows, unmapped = case.rows_now(profile), case.unmapped(profile)
    ids = {each.target for each in case.activation.mapping if each.source == ID and not each.transform}
    known = tuple({name: value for name, value in row.items() if name in kept | ids} for row in rows)
    sources = {each for each in case.activation.keys if isinstance(each, str)}
    return Sent(time, identities, known, {name: value for name, value in unmapped.items() if name in sources})


def _exit_rows(
    case: Case, profile: str, time: datetime, *, person: str | None = None, gone: bool = False
) -> Iterator[tuple[Cells, Key | None]]:
    """X12: the rows last sent: what was sent in the columns that carry it, the newest values elsewhere; none of who is
    gone. ``person`` is who the profile is now, if another one (P11).
    """
    who = person or profile
    sent, carried = case.before[profile], case.carried
    told = []
    for number, row in enumerate(sent.rows):
        cells: Cells = {"#": who, "#n": number, **_membership(case, EXITED, time)}
        for column in case.activation.mapping:
            if column.source in {STATUS, TIME}:
                continue
            newest = column.target not in carried and (column.source == ID or not gone)
            cells[column.target] = case.value(column, who) if newest else row.get(column.target)
        if _values(cells | {"#n": 0}) not in told:  # rows that differed in columns that are gone are one
            yield cells, case.key(row, sent.unmapped)
        told.append(_values(cells | {"#n": 0}))


def _add_exits(case: Case, done: Export, exits: Mapping[str, datetime], desired: set[str], included: set[str]) -> None:
    """X3d, M3, M5: one exit a key; none for a key that a desired profile holds."""
    taken = set().union(*(case.keys_now(profile) for profile in desired)) if case.keys else set()
    for profile in (desired - included) & set(case.before) if case.keys else ():
        taken |= case.keys_sent(profile)
    rows = [(each, key, exits[profile]) for profile in exits for each, key in _exit_rows(case, profile, exits[profile])]
    if _withdraws(case):
        for profile in (included & set(case.before)) - case.moved.touched:
            rows += [(each, key, case.at) for each, key in _exit_rows(case, profile, case.at) if key]
    rows += [(each, key, case.at) for each, key in _moved_rows(case, desired)]
    rows.sort(key=lambda row: _rank(case, str(row[0]["#"]), row[2], _values(row[0])))
    written_ids = set()
    for cells, key, _ in rows:
        if key is None or key not in taken:
            taken |= {key} if key else set()
            done.rows.append(cells)
            written_ids.add(cells["#"])
    people = {profile: [profile] for profile in exits}
    people |= {person: ids for person, ids in _moved_people(case).items() if person not in desired}
    for person, ids in people.items():  # each counted once (P11)
        if written_ids & {person, *ids}:
            done.exited += 1
        else:
            done.excluded[person if person in ids else min(ids)] = "duplicate"


def _moved_people(case: Case) -> dict[str, list[str]]:
    """P11: the delivered ids of each person whom merges and splits did something to."""
    found: dict[str, list[str]] = {}
    for profile in case.before:
        if profile in case.moved.people:
            found.setdefault(case.moved.people[profile], []).append(profile)
    return found


def _moved_rows(case: Case, desired: set[str]) -> Iterator[tuple[Cells, Key | None]]:
    """P11: each key last sent under any of the merged ids, or under an id that was split."""
    has_key = bool(case.keys) or any(each.source == ID for each in case.activation.mapping)
    for person, ids in _moved_people(case).items():
        if not has_key:  # a merge sends no exit; who leaves does, as anybody
            told = person if person in ids else min(ids)
            yield from () if person in desired else _exit_rows(case, told, _exit_time(case, person), person=person)
            continue
        for profile in (each for each in ids if each not in desired or case.keys):
            rows = _exit_rows(case, profile, case.at, gone=True)
            yield from (row for row in rows if row[1] or profile not in desired)


def _values(cells: Cells) -> Row:
    return {name: value for name, value in cells.items() if not isinstance(value, datetime)}


def _withdraws(case: Case) -> bool:
    """M5, X3e, X12: whether old keys of profiles that are sent again exit."""
    asks = bool({"keys", "attributes"} & set(case.activation.changes))
    remade = any(isinstance(each, Column) and case.is_remade(each) for each in case.keys)
    is_in_files = any(isinstance(each, Column) for each in case.keys)
    return is_in_files and (asks or remade or case.activation.namespace is not None)
