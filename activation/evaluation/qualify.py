"""Who qualifies: all rules of an evaluation decided in one pass over the profiles and one over the events (E2-E4, E7).

The outcome is wide: one row a profile, in the order of the roster, and one Boolean column an audience. A rule that
fails takes itself and the audiences that refer to it out; the others are decided all the same (X1).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from muster.activation.errors import ConfigError, ExportError, Problem, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID, ROW, ROW_TYPE
from muster.activation.frames.hashed_ids import ID_HASH, has_collision, ranges, with_id_hash
from muster.activation.inputs import events
from muster.activation.inputs.parquet import blamed, total_rows
from muster.activation.model.workspace import Audience
from muster.activation.profiles.identities import ids_in, namespaces
from muster.activation.rules.audiences import (
    AudienceRule,
    RuleError,
    audience_column,
    bind_rule,
    clashes,
    explain,
    identity_column,
)
from muster.activation.rules.measures import BoundMeasure, aggregate, as_written, bind_measure
from muster.activation.session import Session
from muster.activation.values.local_times import localise

log = logging.getLogger("muster.evaluate")

_PLACE = "__place"  # where a profile lies in the snapshot's files
_MIXED = "__mixed"  # whether its measures are of somebody else's events as well: its key is not its own
_HOLDS = "__holds:"  # prefix: whether a profile has an id in a namespace
_EVENT, _MEASURE = 40, 10  # bytes: about what grouping takes for each event, and for each measure that it may count for


@dataclass(frozen=True, eq=False)
class Bound:
    """An audience's rule and measures, fitted to the data."""

    audience: Audience
    rule: AudienceRule
    measures: tuple[BoundMeasure, ...]


@dataclass
class Decision:
    """Who qualifies, which audiences could not be decided, and what there is to warn of."""

    frame: pl.DataFrame  # by row of the roster, a Boolean ``audience_column(id)`` for each decided audience
    decided: tuple[str, ...]
    failures: dict[str, ExportError] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def members(self, audience: str) -> pl.DataFrame:
        """Who qualifies: ``__row``, ascending."""
        return pl.DataFrame({ROW: self.frame[audience_column(audience)].arg_true().cast(ROW_TYPE)})


def decide(session: Session, names: Sequence[str], known: Mapping[str, pl.LazyFrame]) -> Decision:
    """Decide the rules of ``names``, each after those that it refers to.

    ``known`` has the members (``profile_id``) of audiences that are referred to and decided elsewhere.
    """
    failures: dict[str, ExportError] = {}
    bound = _bind(session, names, known, failures)
    while True:
        try:
            with blamed(session.inputs):
                frame, warnings = _run(session, bound, known)
        except ExportError as error:
            faulty = _faulty(session, bound, known)
            if not faulty:
                raise
            log.debug("%s: a rule failed on the data", error)
            failures |= faulty
            bound = _without_dependents(bound, failures)
        else:
            return Decision(frame, tuple(bound), failures, warnings)


def _bind(
    session: Session, names: Sequence[str], known: Mapping[str, pl.LazyFrame], failures: dict[str, ExportError]
) -> dict[str, Bound]:
    """Fit each rule to the snapshot's and the events' columns, before a row is read; what does not fit goes to ``failures``."""
    if found := clashes(session.workspace, session.snapshot.schema):
        raise ConfigError(found)
    bound: dict[str, Bound] = {}
    for name in names:
        audience = session.workspace.audiences[name]
        try:
            bound[name] = _bind_one(session, audience)
        except RuleError as error:
            failures[name] = error
    return _without_dependents(bound, failures, known)


def _bind_one(session: Session, audience: Audience) -> Bound:
    at, zone = session.at, session.workspace.zone
    measures = tuple(bind_measure(measure, _event_schema(session), at, zone) for measure in audience.measures)
    types = {measure.name: (fit.column, fit.dtype) for measure, fit in zip(audience.measures, measures, strict=True)}
    return Bound(
        audience,
        bind_rule(audience, session.snapshot.schema, types, at, zone, audiences=session.workspace.audiences),
        measures,
    )


def _event_schema(session: Session) -> pl.Schema:
    source = session.workspace.events
    return events.read(session.event_parts, source)[1] if source else pl.Schema()


def _without_dependents(
    bound: Mapping[str, Bound], failures: dict[str, ExportError], known: Mapping[str, pl.LazyFrame] | None = None
) -> dict[str, Bound]:
    """The audiences that do not refer to a failed one, however far; the others fail with that reason (X1)."""
    kept: dict[str, Bound] = {}
    for name, each in bound.items():  # in order of reference: what a rule refers to comes before it
        lost = sorted(
            other
            for other in each.rule.audiences
            if other in failures or (known is not None and other not in {*bound, *known})
        )
        if name in failures:
            continue
        if lost:
            failures[name] = RuleError(
                each.audience.location,
                each.audience.where or "",
                f"refers to {lost[0]!r}, which could not be evaluated",
            )
        else:
            kept[name] = each
    return kept


def _run(
    session: Session, bound: Mapping[str, Bound], known: Mapping[str, pl.LazyFrame], by: str = ID_HASH
) -> tuple[pl.DataFrame, list[str]]:
    """One pass: the wide frame, and the namespaces that nobody holds. Where memory is short, a pass for each range of keys."""
    asked = sorted({namespace for each in bound.values() for namespace in each.rule.namespaces})
    holds = [(pl.col(identity_column(name)).list.len() > 0).alias(f"{_HOLDS}{name}") for name in asked]
    wanted = [_PLACE, ID_HASH, _MIXED, *(audience_column(name) for name in bound), *holds]
    gathered = (_gathered(session, bound.values(), known, within, by) for within in _ranges(session, bound.values()))
    pieces = [engine.collect(frame.pipe(_decided, bound.values()).select(wanted)) for frame in gathered]
    if any(piece[_MIXED].any() for piece in pieces):
        log.info("two profiles have one key: events are grouped by the text of ids")
        return _run(session, bound, known, by=ID)
    wide = pl.concat(pieces)
    if not wide[_PLACE].is_sorted():  # usually it is, and sorting takes every audience's column along
        wide = wide.sort(_PLACE)
    wide = session.roster.in_order(wide.drop(_PLACE, _MIXED))
    missing = [name for name in asked if not wide[f"{_HOLDS}{name}"].any()]
    return wide.select(audience_column(name) for name in bound), _warnings(session, missing) if missing else []


def _ranges(session: Session, bound: Iterable[Bound]) -> list[pl.Expr]:
    """Conditions that part the profiles so that one part's events fit the memory budget; mostly one that is always true."""
    measures = {measure.column for each in bound for measure in each.measures}
    needed = total_rows(session.event_parts) * (_EVENT + _MEASURE * len(measures)) if measures else 0
    parts = -(-needed // session.budget.working)
    return ranges(parts) if parts > 1 else [pl.lit(value=True)]


def _gathered(
    session: Session, bound: Iterable[Bound], known: Mapping[str, pl.LazyFrame], within: pl.Expr, by: str
) -> pl.LazyFrame:
    """Everything that the rules read, side by side: profile columns as local times, identities, measures, decided audiences."""
    snapshot, zone, each_bound = session.snapshot, session.workspace.zone, list(bound)
    rules = [each.rule for each in each_bound]
    columns = sorted({column for rule in rules for column in rule.columns})
    asked = sorted({namespace for rule in rules for namespace in rule.namespaces})
    identities = (
        ids_in(snapshot.source.identity_map, snapshot.identity_type, name).alias(identity_column(name))
        for name in asked
    )
    frame = snapshot.frame().select(ID, *columns, *identities).with_row_index(_PLACE)
    frame = frame.pipe(with_id_hash).filter(within).pipe(localise, columns, zone)
    measures = [measure for each in each_bound for measure in each.measures]
    if measures:
        frame = frame.join(_measured(session, measures, within, by), on=by, how="left")
        frame = frame.with_columns({measure.column: measure.filled for measure in measures}.values())
    frame = frame.with_columns((has_collision() if measures and by == ID_HASH else pl.lit(value=False)).alias(_MIXED))
    elsewhere = sorted({name for rule in rules for name in rule.audiences} - {each.audience.id for each in each_bound})
    for name in elsewhere:
        members = known[name].select(pl.col(PROFILE_ID).alias(ID), pl.lit(value=True).alias(audience_column(name)))
        frame = frame.join(members, on=ID, how="left").with_columns(
            pl.col(audience_column(name)).fill_null(value=False)
        )
    return frame


def _measured(session: Session, measures: Iterable[BoundMeasure], within: pl.Expr, by: str) -> pl.LazyFrame:
    """One row a profile that has events, and is ``within``: ``by``, ``__id_hash`` or ``__id``, and each measure's column."""
    if session.workspace.events is None:
        raise ConfigError([Problem("muster.yml", 0, "events", "is required: measures read events")])
    happened, _ = events.read(session.event_parts, session.workspace.events)
    return aggregate(happened.pipe(with_id_hash).filter(within), measures, session.at, session.workspace.zone, by)


def _decided(frame: pl.LazyFrame, bound: Iterable[Bound]) -> pl.LazyFrame:
    """One Boolean column an audience; audiences that refer to others come in later layers."""
    waiting = list(bound)
    while waiting:
        open_names = {each.audience.id for each in waiting}
        layer = [each for each in waiting if not each.rule.audiences & open_names]
        frame = frame.with_columns(each.rule.expr.alias(audience_column(each.audience.id)) for each in layer)
        waiting = [each for each in waiting if each not in layer]
    return frame


def _faulty(session: Session, bound: Mapping[str, Bound], known: Mapping[str, pl.LazyFrame]) -> dict[str, ExportError]:
    """The audiences whose own rule or measures fail on the data, each tried with nothing but what it refers to."""
    failures: dict[str, ExportError] = {}
    for name, each in bound.items():
        if each.rule.audiences & failures.keys():
            continue
        try:
            _run(session, _closure(name, bound), known)
        except ExportError as error:
            failures[name] = _explained(session, each, error)
    return failures


def _explained(session: Session, each: Bound, error: ExportError) -> RuleError:
    """The failure of an audience, in the place of the measure that causes it, or else of its rule."""
    for measure, fit in zip(each.audience.measures, each.measures, strict=True):
        try:
            engine.collect(_measured(session, [fit], pl.lit(value=True), ID))
        except ExportError as own:
            return explain(own, measure.location, as_written(measure))
    return explain(error, each.audience.location, each.audience.where or "")


def _closure(name: str, bound: Mapping[str, Bound]) -> dict[str, Bound]:
    """An audience and all that it refers to, in their order."""
    wanted, waiting = set[str](), [name]
    while waiting:
        each = waiting.pop()
        if each in bound and each not in wanted:
            wanted.add(each)
            waiting += bound[each].rule.audiences
    return {each: bound[each] for each in bound if each in wanted}


def _warnings(session: Session, missing: Sequence[str]) -> list[str]:
    """A namespace that nobody holds is probably misspelt (E2)."""
    snapshot = session.snapshot
    if snapshot.identity_type is None:
        return [
            f"identity_map.{name}: the snapshot {snapshot.name} has no identity map {snapshot.source.identity_map!r}"
            for name in missing
        ]
    held = snapshot.frame().select(
        namespaces(snapshot.source.identity_map, snapshot.identity_type).explode().unique().alias("name")
    )
    known = engine.collect(held)["name"].drop_nulls().to_list()
    return [
        f"identity_map.{name}: no profile of {snapshot.name} has an id in this namespace{did_you_mean(name, known)}"
        for name in missing
    ]
