"""One export: who is in it, why the rest is not, and its rows (X2-X5, X10, X12, M1-M3, M5, M6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from support.model.files import text
from support.model.words import (
    EXITED,
    ID,
    NAMESPACE,
    REALIZED,
    STATUS,
    TIME,
    Activation,
    Cells,
    Memberships,
    Row,
    Sent,
    Snapshot,
)


@dataclass
class Export:
    """What one export comes to."""

    rows: list[Cells] = field(default_factory=list)  # by source
    excluded: dict[str, str] = field(default_factory=dict)
    realized: int = 0
    exited: int = 0
    identity_changed: int = 0
    delivered: dict[str, Sent] = field(default_factory=dict)

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
class Case:
    """One export to be made: who is in the audience, what was delivered, what the people are like now."""

    activation: Activation
    at: datetime
    memberships: Memberships
    snapshot: Snapshot
    delivered: dict[str, Sent] | None  # None: a first export

    @property
    def realized(self) -> dict[str, datetime]:
        return {profile: time for profile, (status, time) in self.memberships.items() if status == REALIZED}

    def person(self, profile: str) -> Row:
        """The newest values of the mapped and the key columns; nulls for a profile that is gone."""
        sources = {column.source for column in self.activation.mapping} | set(self.activation.deduplicate)
        found = self.snapshot.people.get(profile, {})
        return {source: profile if source == ID else found.get(source) for source in sources}

    def held(self, profile: str) -> frozenset[str]:
        """The identities in the mapped namespace."""
        return frozenset(each for name, each in self.snapshot.identities(profile) if name == self.activation.namespace)


def export(case: Case, *, incremental: bool) -> Export:
    """X2, X3: the rows, who was left out and why, and the delivered set afterwards."""
    desired, reasons = _desired(case)
    done = Export()
    later = incremental and case.delivered is not None
    before = case.delivered or {}
    changed = {profile: _change(case, profile, time) if later else "first" for profile, time in case.realized.items()}
    exits: dict[str, datetime] = {}
    if later and case.activation.status_mapped:
        exits = {profile: _exit_time(case, profile) for profile in before if profile not in desired}
    included = {profile for profile in desired if changed[profile]}
    for profile, reason in reasons.items():
        if changed[profile] and profile not in exits:
            done.excluded[profile] = reason
    for profile in included:
        done.rows += _rows(
            case, profile, case.person(profile), case.held(profile), status=REALIZED, time=desired[profile]
        )
        done.realized += 1
        done.identity_changed += changed[profile] == "identities"
    _add_exits(case, done, exits, set(desired), included)
    if later and case.activation.status_mapped and case.activation.namespace is not None:
        for profile in included & set(before):
            done.rows += _dropped_identities(case, profile, set(desired), included)
    done.delivered = {profile: _sent(case, profile, desired[profile], sent=profile in included) for profile in desired}
    done.rows.sort(key=lambda row: (case.snapshot.order(str(row["#"])), str(row.get("#identity", "")).encode()))
    return done


def _desired(case: Case) -> tuple[dict[str, datetime], dict[str, str]]:
    """X2: the realized profiles less those excluded by X5, M2 and M3, in that order."""
    reasons: dict[str, str] = {}
    for profile in case.realized:
        if profile not in case.snapshot.people:
            reasons[profile] = "profile_missing"
        elif lacking := _lacking(case, profile):
            reasons[profile] = f"mandatory:{lacking}"
    candidates = [profile for profile in case.realized if profile not in reasons]
    candidates.sort(key=lambda profile: _rank(case, profile, case.realized[profile], case.person(profile)))
    taken: set[object] = set()
    for profile in candidates:
        keys = _keys(case, profile)
        if keys & taken:
            reasons[profile] = "duplicate"
        else:
            taken |= keys
    return {profile: time for profile, time in case.realized.items() if profile not in reasons}, reasons


def _lacking(case: Case, profile: str) -> str | None:
    """M2, M5: the first mandatory column in mapping order that this profile has no value for."""
    person = case.person(profile)
    for column in case.activation.mapping:
        if column.source.startswith(NAMESPACE):
            if not case.held(profile):
                return column.target
        elif column.mandatory and column.source not in {STATUS, TIME} and person[column.source] in {None, ""}:
            return column.target
    return None


def _keys(case: Case, profile: str) -> set[object]:
    """What a receiver stores a desired profile by, with its newest values: one key, none, or one an identity
    (M3, M5).
    """
    if case.activation.namespace is not None:
        return set(case.held(profile))
    return _key_of(case.activation, case.person(profile))


def _key_of(activation: Activation, values: Row) -> set[object]:
    key = tuple(values[source] for source in activation.deduplicate)
    return {key} if key and None not in key else set()


def _rank(case: Case, profile: str, time: datetime, values: Row) -> tuple[object, ...]:
    """M3: the newest time first, then the smallest values as CSV text in mapping order, null first, then the smallest
    profile id.
    """
    scalars = [
        column.source
        for column in case.activation.mapping
        if not column.source.startswith((NAMESPACE, "segment_membership."))
    ]
    texts = [(values[source] is not None, text(values[source]).encode()) for source in scalars]
    return (-(time - datetime(1970, 1, 1, tzinfo=UTC)), texts, case.snapshot.order(profile))


def _change(case: Case, profile: str, time: datetime) -> str:
    """X3: why a realized profile is news: ``new`` (a), ``time`` (b), ``identities`` (c), or nothing."""
    sent = (case.delivered or {}).get(profile)
    if sent is None:
        return "new"
    if sent.time != time:
        return "time"
    compared = case.snapshot.pairs is not None and sent.identities is not None and profile in case.snapshot.people
    return "identities" if compared and sent.identities != case.snapshot.identities(profile) else ""


def _exit_time(case: Case, profile: str) -> datetime:
    """X3d: the exit's time, or ``at`` if still realized."""
    status, time = case.memberships.get(profile, (None, case.at))
    return time if status == EXITED else case.at


def _sent(case: Case, profile: str, time: datetime, *, sent: bool) -> Sent:
    """X2, X3c, X12: what delivered keeps of a desired profile after this export."""
    before = (case.delivered or {}).get(profile)
    identities = (
        case.snapshot.identities(profile)
        if case.snapshot.pairs is not None
        else (before.identities if before else None)
    )
    if before and not sent:
        return Sent(time, identities, before.values, before.held)
    return Sent(time, identities, case.person(profile), case.held(profile))


def _rows(case: Case, profile: str, values: Row, held: Iterable[str], *, status: str, time: datetime) -> list[Cells]:
    row: Cells = {"#": profile, **values, STATUS: status, TIME: time}
    namespace = case.activation.namespace
    if namespace is None:
        return [row]
    return [{**row, "#identity": identity, NAMESPACE + namespace: identity} for identity in held]


def _exit_values(case: Case, profile: str) -> Row:
    """X12: what was last sent in mandatory and key columns, the newest values elsewhere."""
    before = (case.delivered or {})[profile]
    return {
        source: before.values[source] if source in case.activation.kept else value
        for source, value in case.person(profile).items()
    }


def _add_exits(case: Case, done: Export, exits: Mapping[str, datetime], desired: set[str], included: set[str]) -> None:
    """X3d, M3, M5: one exit a key; none for a key that a desired profile holds."""
    taken = _held_by(case, desired, included)
    values = {profile: _exit_values(case, profile) for profile in exits}
    for profile in sorted(exits, key=lambda each: _rank(case, each, exits[each], values[each])):
        if case.activation.namespace is not None:
            left = (case.delivered or {})[profile].held - taken
            keys: set[object] = set(left)
            blocked = not left
        else:
            left, keys = frozenset(), _key_of(case.activation, values[profile])
            blocked = bool(keys & taken)
        if blocked:
            done.excluded[profile] = "duplicate"
            continue
        taken |= keys
        done.rows += _rows(case, profile, values[profile], left, status=EXITED, time=exits[profile])
        done.exited += 1


def _held_by(case: Case, desired: set[str], included: set[str]) -> set[object]:
    """The keys under which the receiver stores those who stay."""
    held: set[object] = set()
    for profile in desired:
        held |= _keys(case, profile)
        before = (case.delivered or {}).get(profile)
        if before and profile not in included:
            held |= (
                set(before.held) if case.activation.namespace is not None else _key_of(case.activation, before.values)
            )
    return held


def _dropped_identities(case: Case, profile: str, desired: set[str], included: set[str]) -> list[Cells]:
    """M5: an identity last sent that a still desired profile no longer has, unless somebody desired holds it."""
    before = (case.delivered or {})[profile]
    dropped = before.held - _held_by(case, desired, included)
    return _rows(case, profile, _exit_values(case, profile), dropped, status=EXITED, time=case.at)
