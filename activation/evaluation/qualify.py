"""Who qualifies: all rules of an evaluation decided in one pass over the profiles (E2-E4, E7).

``measured`` computes the measures of the events that rules read, each once.

The result is a wide frame: one row a profile, in the order of the roster, and one Boolean column an audience. A rule
that fails fails its audience and those that refer to it, damaged events fail the audiences that measure them; the
others are decided all the same (X1, E9).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from muster.activation.errors import ConfigError, DataError, ExportError, MusterError, did_you_mean
from muster.activation.evaluation import measured
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, INTERNAL, PROFILE_ID, ROW, ROW_TYPE, column
from muster.activation.frames.hashed_ids import ID_HASH, with_id_hash
from muster.activation.inputs.parquet import Part, read_through
from muster.activation.model.log import logger
from muster.activation.model.workspace import Audience
from muster.activation.profiles.namespaces import held
from muster.activation.rules.audiences import (
    AudienceRule,
    RuleError,
    audience_column,
    bind_rule,
    clashes,
    explain,
    identity_column,
)
from muster.activation.rules.measures import BoundMeasure, as_written, bind_measure
from muster.activation.session import Session
from muster.activation.values.identities import ids_in
from muster.activation.values.known_columns import Columns
from muster.activation.values.local_times import localise

log = logger("muster.evaluate")

_POSITION = f"{INTERNAL}position"  # of a profile's row in the snapshot's files
_HOLDS = f"{INTERNAL}holds:"  # prefix: whether a profile has an id in a namespace


@dataclass(frozen=True, eq=False)
class BoundAudience:
    """An audience with its rule and measures bound to the columns of the snapshot and the events."""

    audience: Audience
    rule: AudienceRule
    measures: tuple[BoundMeasure, ...]


@dataclass(frozen=True, eq=False)
class Decision:
    """The qualified profiles of each audience, why the other audiences failed, and warnings about the rules."""

    frame: pl.DataFrame  # by row of the roster, a Boolean ``audience_column(id)`` for each decided audience
    decided: tuple[str, ...]
    failures: Mapping[str, MusterError] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def members(self, audience: str) -> pl.DataFrame:
        """The profiles that qualify for an audience: ``muster:row`` (UInt32), ascending."""
        return pl.DataFrame({ROW: self.frame[audience_column(audience)].arg_true().cast(ROW_TYPE)})


def decide(
    session: Session,
    names: Sequence[str],
    known: Mapping[str, pl.LazyFrame],
    failed: Mapping[str, MusterError] | None = None,
) -> Decision:
    """Decide the rules of ``names``, each after those that it refers to.

    ``known`` has the members (``profile_id``) of audiences that are referred to and decided elsewhere, ``failed`` the
    audiences that cannot be decided whatever their rules are. ``ConfigError`` when the name of an audience clashes with
    a column; ``DataError`` when the profile snapshot is damaged.
    """
    failures = dict(failed or {})
    bound = _bind(session, [name for name in names if name not in failures], known, failures)
    while True:
        try:
            frame, warnings = _run_rules(session, bound, known)
        except (ExportError, OSError) as error:
            log.debug("%s: a rule failed on the data", error)
            failures |= _failures_by(error, session, bound, known)
            bound = _without_dependents(bound, failures)
        else:
            return Decision(frame, tuple(bound), failures, warnings)


def _failures_by(
    error: ExportError | OSError,
    session: Session,
    bound: Mapping[str, BoundAudience],
    known: Mapping[str, pl.LazyFrame],
) -> dict[str, MusterError]:
    """The audiences that an error on the data fails: users of damaged events, or else of a failing rule, or else all.

    ``DataError`` when the error comes from a damaged file of the snapshot, ``OSError`` when it comes from no input.
    """
    if isinstance(error, (engine.ReadError, OSError)):
        _refuse_damage(session.opened.snapshot.parts)
        measuring = [name for name, each in bound.items() if each.measures]
        try:
            _refuse_damage(session.opened.event_parts if measuring else ())
        except DataError as damage:
            return dict.fromkeys(measuring, damage)
    if isinstance(error, OSError):
        raise error
    return _own_failures(session, bound, known) or dict.fromkeys(bound, error)


def _refuse_damage(parts: Iterable[Part]) -> None:
    """``DataError`` that names the first of these files with a value that cannot be read."""
    for part in parts:
        read_through(part)


def _bind(
    session: Session, names: Sequence[str], known: Mapping[str, pl.LazyFrame], failures: dict[str, MusterError]
) -> dict[str, BoundAudience]:
    """Bind rules to the columns of snapshot and events, before a row is read; those that fail go to ``failures``."""
    if found := clashes(session.workspace, session.opened.snapshot.columns):
        raise ConfigError(found)
    bound: dict[str, BoundAudience] = {}
    for name in names:
        audience = session.workspace.audiences[name]
        try:
            bound[name] = _bind_one(session, audience)
        except RuleError as error:
            failures[name] = error
    return _without_dependents(bound, failures, known)


def _bind_one(session: Session, audience: Audience) -> BoundAudience:
    at, zone, snapshot = session.at, session.workspace.zone, session.opened.snapshot
    measures = tuple(bind_measure(measure, _event_columns(session), at, zone) for measure in audience.measures)
    types = {
        measure.name: (bound.column, bound.dtype) for measure, bound in zip(audience.measures, measures, strict=True)
    }
    return BoundAudience(
        audience,
        bind_rule(
            audience,
            snapshot.columns,
            types,
            at,
            zone,
            audiences=session.workspace.audiences,
            against_identities=snapshot.reason_against_identities,
        ),
        measures,
    )


def _event_columns(session: Session) -> Columns:
    return session.opened.events.columns if session.opened.events else Columns({})


def _without_dependents(
    bound: Mapping[str, BoundAudience],
    failures: dict[str, MusterError],
    known: Mapping[str, pl.LazyFrame] | None = None,
) -> dict[str, BoundAudience]:
    """The audiences that refer to no failed audience, directly or through others; the rest go to ``failures`` (X1)."""
    kept: dict[str, BoundAudience] = {}
    for name, each in bound.items():  # in order of reference: what a rule refers to comes before it
        undecided = sorted(
            other
            for other in each.rule.audiences
            if other in failures or (known is not None and other not in {*bound, *known})
        )
        if name in failures:
            continue
        if undecided:
            reason = f"refers to {undecided[0]!r}, which could not be evaluated"
            failures[name] = RuleError(each.audience.location, each.audience.where or "", reason)
        else:
            kept[name] = each
    return kept


def _run_rules(
    session: Session, bound: Mapping[str, BoundAudience], known: Mapping[str, pl.LazyFrame]
) -> tuple[pl.DataFrame, list[str]]:
    """The wide frame, and warnings."""
    namespaces_read = sorted({namespace for each in bound.values() for namespace in each.rule.namespaces})
    holds = [(pl.col(identity_column(name)).list.len() > 0).alias(f"{_HOLDS}{name}") for name in namespaces_read]
    wanted = [_POSITION, ID_HASH, *(audience_column(name) for name in bound), *holds]
    inputs = _rule_inputs(session, bound.values(), known)
    wide = engine.collect(inputs.pipe(_decided, bound.values()).select(wanted))
    if not wide[_POSITION].is_sorted():  # usually it is, and sorting takes every audience's column along
        wide = wide.sort(_POSITION)
    wide = session.opened.roster.in_order(wide.drop(_POSITION))
    missing = [name for name in namespaces_read if not wide[f"{_HOLDS}{name}"].any()]
    return wide.select(audience_column(name) for name in bound), _warnings(session, missing) if missing else []


def _rule_inputs(session: Session, bound: Collection[BoundAudience], known: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """All columns that rules read: profile columns (times local), identities, measures, audiences decided elsewhere.

    Beside them are ``muster:position`` and ``muster:id_hash``.
    """
    snapshot, zone = session.opened.snapshot, session.workspace.zone
    rules = [each.rule for each in bound]
    columns = sorted({column for rule in rules for column in rule.columns})
    namespaces_read = sorted({namespace for rule in rules for namespace in rule.namespaces})
    identities = (
        ids_in(snapshot.source.identity_map, snapshot.identity_type, name).alias(identity_column(name))
        for name in namespaces_read
    )
    frame = snapshot.frame().select(ID, *map(column, columns), *identities).with_row_index(_POSITION)
    frame = frame.pipe(with_id_hash).pipe(localise, columns, zone)
    frame = _with_measures(frame, session, [measure for each in bound for measure in each.measures])
    elsewhere = sorted({name for rule in rules for name in rule.audiences} - {each.audience.id for each in bound})
    for name in elsewhere:
        members = known[name].select(pl.col(PROFILE_ID).alias(ID), pl.lit(value=True).alias(audience_column(name)))
        frame = frame.join(members, on=ID, how="left").with_columns(
            pl.col(audience_column(name)).fill_null(value=False)
        )
    return frame


def _with_measures(frame: pl.LazyFrame, session: Session, measures: Sequence[BoundMeasure]) -> pl.LazyFrame:
    """A frame of the snapshot's profiles, in the order of the files, with a column for each distinct measure.

    Measures lie beside the profiles that they are of: the id hash becomes null where the profile is another one.
    """
    found = measured.of_people(session, measures)
    if found is None:
        return frame
    own = pl.when(pl.col(ID_HASH) == pl.col(measured.OF)).then(ID_HASH)
    return pl.concat([frame, found.lazy()], how="horizontal").with_columns(
        own.alias(ID_HASH), *{measure.column: measure.filled for measure in measures}.values()
    )


def _decided(frame: pl.LazyFrame, bound: Iterable[BoundAudience]) -> pl.LazyFrame:
    """Add one Boolean column an audience; audiences that refer to others come in later layers."""
    waiting = {each.audience.id: each for each in bound}
    while waiting:
        layer = {name: each for name, each in waiting.items() if not each.rule.audiences & waiting.keys()}
        frame = frame.with_columns(each.rule.expr.alias(audience_column(name)) for name, each in layer.items())
        waiting = {name: each for name, each in waiting.items() if name not in layer}
    return frame


def _own_failures(
    session: Session, bound: Mapping[str, BoundAudience], known: Mapping[str, pl.LazyFrame]
) -> dict[str, MusterError]:
    """The audiences whose own rule or measures fail on the data; each is tried with its references alone."""
    failures: dict[str, MusterError] = {}
    for name, each in bound.items():
        if each.rule.audiences & failures.keys():
            continue
        try:
            _run_rules(session, _closure(name, bound), known)
        except ExportError as error:
            failures[name] = _located(session, each, error)
    return failures


def _located(session: Session, each: BoundAudience, error: ExportError) -> RuleError:
    """The failure of an audience, located at the measure that causes it, or else at the rule."""
    for measure, bound in zip(each.audience.measures, each.measures, strict=True):
        try:
            measured.computed(session, [bound])
        except ExportError as own:
            return explain(own, measure.location, as_written(measure))
    return explain(error, each.audience.location, each.audience.where or "")


def _closure(name: str, bound: Mapping[str, BoundAudience]) -> dict[str, BoundAudience]:
    """An audience and all audiences that it refers to, directly or through others, in the order of ``bound``."""
    wanted, waiting = set[str](), [name]
    while waiting:
        each = waiting.pop()
        if each in bound and each not in wanted:
            wanted.add(each)
            waiting += bound[each].rule.audiences
    return {each: bound[each] for each in bound if each in wanted}


def _warnings(session: Session, missing: Sequence[str]) -> list[str]:
    """Warnings about namespaces in which no profile has an id: they are probably misspelt (E2)."""
    snapshot = session.opened.snapshot
    if snapshot.identity_type is None:
        absent = f"has no identity map {snapshot.source.identity_map!r}{snapshot.identity_map_hint}"
        return [f"identity_map.{name}: the snapshot {snapshot.name} {absent}" for name in missing]
    known = held(snapshot)
    return [
        f"identity_map.{name}: no profile of {snapshot.name} has an id in this namespace{did_you_mean(name, known)}"
        for name in missing
    ]
