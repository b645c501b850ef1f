"""The checks of `validate` in a session: rules and mappings on the data, destinations, keys (SPEC 9, 10, X1)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from muster.activation.errors import ConfigError, ExportError, InputError
from muster.activation.evaluation.evaluate import decide_members, feed_warnings
from muster.activation.export.baseline import count_identified, current_baseline, last_mapping, run_of
from muster.activation.export.type_warnings import type_warnings
from muster.activation.governance import unknown_labels
from muster.activation.governance.applying import consent_policies
from muster.activation.governance.judged import problems
from muster.activation.governance.reads import EVENTS_PREFIX
from muster.activation.inputs.parquet import blamed
from muster.activation.instants import iso
from muster.activation.mapping.held_namespaces import check_namespace
from muster.activation.mapping.layout import Layout, layout
from muster.activation.mapping.sampled_values import SampledValues
from muster.activation.model.messages import MessageActivation
from muster.activation.model.redaction import redact, redact_error
from muster.activation.model.workspace import STATUS_SOURCE, Activation, AnyActivation, Column, Workspace
from muster.activation.profiles import namespaces
from muster.activation.profiles.freshness import InputAge
from muster.activation.rules.expressions import Moment
from muster.activation.rules.order import with_references
from muster.activation.session import Session
from muster.activation.stores import urls
from muster.activation.values.known_columns import Columns
from muster.activation.wording import first_names
from muster.runs import hints
from muster.runs.message_checks import (
    check_receiver,
    checked_columns,
    unguarded_messages,
    unheld_namespaces,
    untold_statuses,
)
from muster.runs.sessions import LedgerView
from muster.runs.source_notes import source_notes
from muster.runs.untold import untold_notes

_EXPIRES_SOON = timedelta(days=30)


@dataclass(frozen=True)
class Validation:
    """The problems and notes of a validation. ``snapshot`` is empty when the profile snapshot cannot be read.

    With profiles from sources, ``profiles`` is the sum of the merge policies in use.
    """

    audiences: int
    activations: int
    snapshot: str
    profiles: int
    problems: tuple[Exception, ...]
    notes: tuple[str, ...]
    disabled: int = (
        0  # activations that are not among ``activations``, and whose mapping and destination were not checked
    )
    ages: tuple[InputAge, ...] = ()  # of the inputs that were read (D2)
    by_policy: Mapping[str, int] = field(default_factory=dict)  # profiles of merge policies; empty without sources

    @property
    def is_valid(self) -> bool:
        """Whether there is no problem; notes do not count."""
        return not self.problems


@dataclass
class _Findings:
    """Problems and notes under collection."""

    snapshots: list[str] = field(default_factory=list)
    profiles: int = 0
    problems: list[Exception] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sample: SampledValues = field(default_factory=SampledValues)
    # What the sample shows of each mapping, by merge policy too, and the activations that share the mapping
    sampled: dict[tuple[str, tuple[Column, ...]], tuple[tuple[str, ...], list[str]]] = field(default_factory=dict)
    read: dict[str, Session] = field(default_factory=dict)  # by merge policy: those whose profiles can be read
    all_read: bool = True  # whether there is no other merge policy in use
    sources: dict[str, Columns] = field(default_factory=dict)  # by id: those that can be opened

    def add(self, problem: Exception) -> None:
        """Take a problem, unless it is known: what several merge policies read is told once."""
        if str(problem) not in map(str, self.problems):
            self.problems.append(problem)

    @property
    def sampled_notes(self) -> list[str]:
        """What samples show of the mappings, each with the activations that it concerns."""
        return [_prefixed(keys, text) for texts, keys in self.sampled.values() for text in texts]


def validate_session(session: Session, *, offline: bool = False) -> Validation:
    """Check the rules on the data, the mappings on the snapshot, the destinations; writes nothing (X1).

    An input that cannot be read is a problem, and everything that does not need it is checked all the same. With
    ``offline`` no destination is asked, and a missing variable that only exports need is a note instead of a problem.
    """
    config, found = session.workspace, _Findings()
    session.opened.freshness.judges = False  # what is stale is noted: evaluations and exports refuse it (D2)
    if config.profiles.from_sources:
        _check_sources(session, found)
    else:
        _check_profiles(session, tuple(config.audiences), found)
    if offline:
        found.notes += map(str, config.unset)
    elif config.unset:
        found.problems.append(ConfigError(config.unset))
    found.problems += _activation_problems(session, found, offline=offline)
    found.problems += _governance_problems(session, found)
    if not found.problems:
        found.notes += hints.remarks(LedgerView(config, session.ledger, session.at))
        found.notes += hints.two_ways_of_counting(config)
    found.notes += hints.unready_hooks(config)
    found.notes += session.opened.freshness.stale
    found.notes += found.sampled_notes
    found.notes += _unguarded([each for each in config.activations if each.enabled])
    found.notes += unguarded_messages(config.message_activations)
    found.notes += untold_statuses(config.message_activations)
    found.notes += _unheard(config)
    found.notes += source_notes(config, lambda: _held_namespaces(found))
    found.notes += untold_notes(session)
    for problem in found.problems:
        redact_error(problem, config.variables)
    return Validation(
        len(config.audiences),
        sum(each.enabled for each in config.all_activations),
        ", ".join(found.snapshots),
        found.profiles,
        tuple(found.problems),
        tuple(redact(text, config.variables) for text in found.notes),
        sum(not each.enabled for each in config.all_activations),
        session.opened.freshness.ages,
        {name: own.opened.snapshot.rows for name, own in found.read.items()} if config.profiles.from_sources else {},
    )


def _check_sources(session: Session, found: _Findings) -> None:
    """Check every source, and for each merge policy its view and the rules of its audiences (P)."""
    from muster.runs.source_checks import policies_to_check, read_sources, rename_notes, view_notes

    with blamed(session.opened.opened_parts):
        opened = read_sources(session, found.add)
    found.sources = {name: each.table.columns for name, each in opened.items()}
    found.notes += (note for each in opened.values() for note in rename_notes(each))
    by_policy = {own.policy: names for own, names in session.by_policy(session.workspace.audiences)}
    for policy in policies_to_check(session.workspace):
        _check_profiles(session.of(policy), by_policy.get(policy, []), found)
    for own in found.read.values():
        found.notes += view_notes(own)


def _check_profiles(session: Session, audiences: Sequence[str], found: _Findings) -> None:
    """Check the profiles of a session, the rules of these audiences on them, and the consent policies."""
    with _collected(found):
        snapshot = session.opened.snapshot
        found.snapshots.append(session.opened.snapshot_name)
        found.profiles += snapshot.rows
        found.read[session.policy] = session
    decidable = _decidable(session, audiences, found)
    if session.policy not in found.read:
        found.all_read = False
        return
    with _collected(found):
        decision = decide_members(session, decidable)
        found.problems += decision.failures.values()
        found.notes += [*decision.warnings, *feed_warnings(session, decidable)]
    with _collected(found), blamed(session.opened.opened_parts):
        for mistake in session.consent.mistakes():
            found.add(mistake)


@contextmanager
def _collected(found: _Findings) -> Iterator[None]:
    """Collect an ``InputError`` that the block raises as a problem."""
    try:
        yield
    except InputError as error:
        found.add(error)


def _decidable(session: Session, names: Sequence[str], found: _Findings) -> list[str]:
    """The audiences among ``names`` whose events and feed can be read, and those of all that they refer to."""
    audiences = {name: session.workspace.audiences[name] for name in names}
    unreadable: set[str] = set()
    for needing, read in (
        ({name for name, each in audiences.items() if each.measures}, lambda: session.opened.events),
        ({name for name, each in audiences.items() if each.from_feed}, lambda: session.opened.feed),
    ):
        try:
            _ = read() if needing else None
        except InputError as error:
            found.add(error)
            unreadable |= needing
    known = session.workspace.audiences
    return [name for name in audiences if not unreadable.intersection(with_references([name], known))]


def _held_namespaces(found: _Findings) -> frozenset[str] | None:
    """The identity namespaces of the profiles of all merge policies; None while none can be read."""
    held = (namespaces.held(each.opened.newest_snapshot) for each in found.read.values())
    return frozenset(name for names in held for name in names) if found.read else None


def _governance_problems(session: Session, found: _Findings) -> list[ConfigError]:
    """Labels of what no input has, and every violation of an enabled activation, with their lines (G1, G3)."""
    config = session.workspace
    judged = [session.judge.of(each) for each in config.all_activations if each.enabled]
    wrong = [problem for judgement in judged for problem in problems(judgement)]
    if config.labels or any(each.labels for each in config.sources.values()):
        snapshots = [each.opened.newest_snapshot for each in found.read.values()] if found.all_read else []
        known = unknown_labels.Known(snapshots, _event_columns(session, found), found.sources)
        wrong += unknown_labels.problems(config, known)
    return [ConfigError(wrong)] if wrong else []


def _event_columns(session: Session, found: _Findings) -> Columns | None:
    """The columns of the event files; None without a source of them, and while they cannot be read."""
    if not any(each.what.startswith(EVENTS_PREFIX) for each in session.workspace.labels):
        return None
    try:
        return session.opened.event_columns
    except InputError as error:
        found.add(error)
        return None


def _activation_problems(session: Session, found: _Findings, *, offline: bool) -> list[Exception]:
    """The problems of activations; one that several inherit from their destination is reported once."""
    keys_by_problem: dict[tuple[type[ExportError], str], list[str]] = {}
    online = () if offline else (_check_destination,)
    checks: list[tuple[str, Callable[[], None]]] = []
    for activation in filter(lambda each: each.enabled, session.workspace.activations):
        every = (_check_mapping, _check_place, *online, _check_encryption)
        checks += ((activation.key, partial(check, activation, session, found)) for check in every)
    checks += _checks_of_messages(session, found, offline=offline)
    for key, check_one in checks:
        try:
            check_one()
        except ExportError as error:
            keys_by_problem.setdefault((type(error), str(error)), []).append(key)
    return [kind(_prefixed(keys, message)) for (kind, message), keys in keys_by_problem.items()]


def _checks_of_messages(
    session: Session, found: _Findings, *, offline: bool
) -> Iterator[tuple[str, Callable[[], None]]]:
    """The checks of activations that send messages: their columns, and the receiver of each destination once."""
    reached = set[str]()
    for activation in (each for each in session.workspace.message_activations if each.enabled):
        yield activation.key, partial(_check_columns, activation, session, found)
        if not offline and activation.destination not in reached:
            reached.add(activation.destination)
            yield activation.key, partial(check_receiver, activation, session)


def _check_columns(activation: MessageActivation, session: Session, found: _Findings) -> None:
    session = session.of_audience(activation.audience_ids[0])
    if session.policy in found.read:
        bound = checked_columns(activation, session)
        _sample(activation, bound, session, found)
        found.notes += unheld_namespaces(activation, session)


def _sample(activation: AnyActivation, bound: Layout, session: Session, found: _Findings) -> None:
    """Look at a sample of the mapped values, once for all activations with the mapping."""
    key = session.policy, activation.mapping
    if key not in found.sampled:
        found.sampled[key] = tuple(found.sample.warnings(bound)), []
    found.sampled[key][1].append(activation.key)


def _check_mapping(activation: Activation, session: Session, found: _Findings) -> None:
    session = session.of_audience(activation.audience)
    if session.policy in found.read:
        bound = layout(activation, session.opened.snapshot, Moment(session.at, session.workspace.zone))
        _sample(activation, bound, session, found)
        check_namespace(bound, activation.key, session.opened, lambda: count_identified(activation, session, bound))
        baseline = current_baseline(activation, session)
        last = last_mapping(run_of(baseline, session), session) if baseline else None
        found.notes += type_warnings(activation, bound, baseline, last)


def _check_place(activation: Activation, session: Session, _found: _Findings) -> None:
    session.destinations.check_place(activation.destination)


def _check_destination(activation: Activation, session: Session, _found: _Findings) -> None:
    config = session.workspace
    if activation.url is None or config.destinations[activation.destination].unset:
        return  # reported once, for all activations
    session.destinations.target_at(
        urls.normalise(activation.url, config.root), activation.destination, config.file_mode
    ).reach()


def _check_encryption(activation: Activation, session: Session, found: _Findings) -> None:
    pgp = activation.encryption
    if not activation.unset:  # else reported once, and keys may be missing
        session.destinations.encryption(activation)
    for key in (*pgp.public_keys, *([pgp.sign_with] if pgp.sign_with else [])) if pgp else ():
        note = (
            f"{key.location.file}:{key.location.line}: {key.path} expires at {iso(key.expires)}" if key.expires else ""
        )
        if key.expires and key.expires - session.at < _EXPIRES_SOON and note not in found.notes:
            found.notes.append(note)


def _unguarded(activations: Sequence[Activation]) -> list[str]:
    """A note that names the incremental activations with the status mapped and no guard, if there are any (X11)."""
    exposed = [
        each.key
        for each in activations
        if each.export == "incremental" and each.status_mapped and not each.guards.has_limit
    ]
    if not exposed:
        return []
    remedy = "write guards, such as {max_shrink: 30%}, in muster.yml for every activation, in a destination or in each"
    return [f"{', '.join(exposed)}: no guard stops a fault upstream from becoming a mass removal; {remedy}"]


def _unheard(config: Workspace) -> Iterator[str]:
    """A note for each consent policy whose receivers are not told of withdrawals, as the status is not mapped (G5)."""
    keys: dict[str, list[str]] = {}
    for each in config.activations:
        if each.enabled and each.export == "incremental" and not each.status_mapped:
            for policy in consent_policies(each, config):
                keys.setdefault(policy.id, []).append(each.key)
    for policy_id, named in keys.items():
        yield (
            f"{first_names(named, 3)}: whom policy {policy_id!r} leaves out is in no file, but who was sent before is "
            f"not withdrawn from the receiver: map {STATUS_SOURCE}"
        )


def _prefixed(keys: Sequence[str], message: str) -> str:
    """A message with the activations that it concerns before each line but indented ones."""
    named = first_names(keys, 3)
    return "\n".join(line if line.startswith("  ") else f"{named}: {line}" for line in message.splitlines())
