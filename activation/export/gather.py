"""The inputs of one export, opened and compared: memberships, delivered set, mapping, profile values (X2-X9)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from muster.activation.comparison.columns import IN_NEWEST, consents
from muster.activation.comparison.compare import Comparison, People, compare
from muster.activation.comparison.regrouped import has_regrouped, regrouped
from muster.activation.destinations.opening import refuse_unset
from muster.activation.errors import ExportError
from muster.activation.evaluation.current import failed_audiences, members_now, refuse_unevaluated
from muster.activation.export.baseline import (
    count_identified,
    current_baseline,
    delivered_columns,
    exits_not_sent,
    last_mapping,
    read_delivered,
    run_of,
)
from muster.activation.instants import iso
from muster.activation.mapping.held_namespaces import check_namespace
from muster.activation.mapping.last_mapping import LastMapping
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.model.exports import Export
from muster.activation.model.history import AudienceEvaluation, Baseline, FailedAudience
from muster.activation.model.workspace import Activation
from muster.activation.profiles.members import Members
from muster.activation.profiles.roster import Roster
from muster.activation.rules.expressions import Moment
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table


@dataclass(frozen=True)
class Gathered:
    """The opened inputs of one export."""

    evaluation: AudienceEvaluation
    people: Callable[[], People]  # reads whom to compare
    baseline: Baseline | None
    layout: Layout
    attributes: ProfileValues
    is_compared: bool = False  # whether the delivered set is compared: something depends on it
    last: LastMapping | None = None  # the mapping of the last delivery, where the ledger has it
    exits_not_sent: int = 0  # leavers that the receiver was never told of before (X3d)
    follows_aliases: bool = False  # whether ids were merged since the evaluation, so that others are members (P11)


@dataclass(frozen=True)
class Prepared:
    """The content of an export, decided before anything is recorded or written."""

    gathered: Gathered
    comparison: Comparison


def prepare(export: Export, session: Session) -> Prepared:
    """Gather and compare: reads only, so it may run beside another export's writing.

    ``ExportError`` while a variable that the activation's exports need is missing (SPEC 2), ``PolicyError`` when a
    policy forbids the export (G3).
    """
    refuse_unset(export.activation.unset)
    session.judge.of(export.activation).refuse_violated()
    gathered = gather(export, session.of_audience(export.activation.audience))
    comparison = compare(
        gathered.people,
        gathered.layout,
        gathered.attributes,
        at=session.at,
        incremental=export.mode == "incremental",
    )
    return Prepared(gathered, comparison)


def gather(export: Export, session: Session) -> Gathered:
    """Open the inputs of an export: memberships (X2, X6), delivered set (X9), profile values (X5, X7).

    ``session`` is that for the profiles of the activation's audience.
    An export on demand uses the snapshot of the evaluation and no delivered set; others use the newest snapshot.
    ``ExportError`` when there is no evaluation, the audience is failed since (E9), or nobody holds the mapped namespace
    (M4). ``RefusedError`` when the evaluated snapshot changed.
    """
    activation = export.activation
    evaluation, failed = _evaluation(export, session)
    if failed:
        used = f"this export sends its evaluation of {iso(evaluation.at)}"
        session.warnings.add(f"{activation.key}: {failed.problem}; {used}")
    moment = Moment(evaluation.at, session.workspace.zone)
    if export.trigger == "on_demand":
        snapshot = session.opened.evaluated_snapshot(evaluation)
        attributes = session.attributes_of(snapshot)
        bound = session.layout_of(activation, snapshot, moment)
        check_namespace(bound, activation.key, session.opened)
        return Gathered(
            evaluation, partial(_people_then, activation, session, evaluation, attributes), None, bound, attributes
        )
    snapshot = session.opened.snapshot
    attributes = session.attributes_of(snapshot)
    baseline = current_baseline(activation, session)
    bound = session.layout_of(activation, snapshot, moment)
    if not (baseline and export.override_guards):
        check_namespace(bound, activation.key, session.opened, partial(count_identified, activation, session, bound))
    is_compared = baseline is not None and _needs_delivered_set(export, session, baseline)
    before = run_of(baseline, session) if baseline else None
    last = last_mapping(before, session)
    people = partial(
        _people, export, session, evaluation, baseline, last, is_compared=is_compared, is_failed=bool(failed)
    )
    follows = session.absorbed_since(evaluation) is not None
    return Gathered(evaluation, people, baseline, bound, attributes, is_compared, last, exits_not_sent(before), follows)


def _people(
    export: Export,
    session: Session,
    evaluation: AudienceEvaluation,
    baseline: Baseline | None,
    last: LastMapping | None,
    *,
    is_compared: bool,
    is_failed: bool,
) -> People:
    """Read those whom an export compares."""
    delivered = read_delivered(baseline, session, last) if baseline and is_compared else None
    continues = delivered_columns(baseline, session, last) if baseline and not is_compared else None
    memberships = members_now(evaluation, session, is_failed=is_failed)
    marks, regroups = _consenting(export.activation, session), None
    if baseline and delivered and session.lineage:
        holds = delivered.people.times.is_not_null()
        regroups = regrouped(session.lineage, baseline.policy, baseline.build, holds, session.opened.roster)
    return People(memberships, delivered, continues, marks, regroups)


def _people_then(
    activation: Activation, session: Session, evaluation: AudienceEvaluation, attributes: ProfileValues
) -> People:
    """Read those whom an export on demand sends, by the ids that the evaluation knew.

    Consent is judged by the newest snapshot, not the evaluated one.
    """
    marks = _consenting(activation, session, attributes.roster)
    if marks and attributes.roster is not session.opened.roster:
        marks[IN_NEWEST] = session.consent.in_newest(attributes.roster)
    members = Members.read(attributes.roster, session.state, evaluation.stored)
    return People(members, marks=marks)


def _consenting(activation: Activation, session: Session, roster: Roster | None = None) -> dict[str, pl.Series]:
    """The marks of the consent policies that apply to an activation (G4), for the profiles of a roster (G5)."""
    found = session.consent.let_through(activation, roster)
    return {consents(policy): through for policy, through in found.items()}


def _evaluation(export: Export, session: Session) -> tuple[AudienceEvaluation, FailedAudience | None]:
    """The evaluation that an export follows, or else the newest at or before the instant (X2), and why it is old (E9).

    ``ExportError`` when there is none, or when the activation holds exports of a failed audience; those on demand go
    on.
    """
    audience = export.activation.audience
    failed = failed_audiences(session).get(audience)
    if failed and export.trigger != "on_demand" and export.activation.on_failed_evaluation == "hold":
        raise ExportError(f"held: {failed.problem}")
    if export.trigger == "after_evaluation":
        evaluation = evaluations_table.get(session.ledger, audience, export.scheduled)
    else:
        evaluation = evaluations_table.newest(session.ledger, audience, session.at)
    return refuse_unevaluated(evaluation, audience, session.at), failed


def _needs_delivered_set(export: Export, session: Session, baseline: Baseline) -> bool:
    """Whether anything depends on the delivered set.

    Changes do, guards, digests of identities that it alone has, and how many of it were merged or split (P11).
    """
    guarded = export.activation.guards.has_limit
    counted = has_regrouped(session.lineage, baseline.policy, baseline.build)
    return export.mode == "incremental" or guarded or not session.opened.roster.has_digests or counted
