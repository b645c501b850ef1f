"""The inputs of a run of messages, opened and compared: members, delivered rows, profile values, consent (V2 to V4)."""

import polars as pl

from muster.activation.destinations.opening import refuse_unset
from muster.activation.errors import MistakeError
from muster.activation.evaluation.current import newest_members
from muster.activation.mapping.columns import Field
from muster.activation.mapping.held_namespaces import check_namespace
from muster.activation.mapping.layout import Layout, layout_of_messages
from muster.activation.model.exports import Sending
from muster.activation.model.messages import MessageActivation
from muster.activation.profile_changes.audiences import MappedAudiences
from muster.activation.profile_changes.changes import Changes, MappingChange
from muster.activation.profile_changes.compare import Compared, compare
from muster.activation.profile_changes.delivered_rows import FINGERPRINT
from muster.activation.profile_changes.digests import values_field, version_field
from muster.activation.profile_changes.given import Inputs
from muster.activation.profile_changes.inputs import inputs_of, told_namespaces
from muster.activation.profile_changes.moved import moved
from muster.activation.profile_changes.people import PENDING_SINCE, status
from muster.activation.profile_changes.rows_before import RowsBefore, rows_before
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table
from muster.activation.wording import counted


def gather_changes(sending: Sending, session: Session) -> Changes:
    """Decide whom a run of messages tells what: reads only.

    Members are of the newest evaluations at or before the instant; those of a run after an evaluation, at or before
    the slot. A resync sends every member beside those who are due (V11). ``ExportError`` while a variable that the
    activation needs is missing, or when the inputs cannot be used; ``PolicyError`` when a policy forbids the activation
    (G3), ``MistakeError`` for a mapping that does not fit the snapshot, or a namespace that nobody holds (M4;
    overridden guards let that through), ``StateError`` for damaged rows.
    """
    activation = sending.activation
    refuse_unset(activation.unset)
    session.judge.of(activation).refuse_violated()
    session = session.of_audience(activation.audience_ids[0])
    audiences = MappedAudiences.of(sending, session)
    layout, version = _bound(activation, audiences, session)
    rows = rows_before(activation, session, layout, told_namespaces(activation))
    if not (rows.baseline and sending.override_guards):
        check_namespace(layout, activation.key, session.opened, lambda: _identified(rows))
    inputs = inputs_of(sending, session, audiences, layout, rows, digest=values_field(layout, version))
    return _changes(sending, session, audiences, inputs, rows=rows, found=compare(inputs))


def _bound(activation: MessageActivation, audiences: MappedAudiences, session: Session) -> tuple[Layout, Field | None]:
    """The mapping, and the column that moves with every write, bound to the newest snapshot (X5, V3)."""
    snapshot, moment, problems = session.opened.snapshot, audiences.moment(session), list[str]()
    layout = layout_of_messages(activation, snapshot, moment)
    version = version_field(activation, snapshot, moment, problems)
    if problems:
        raise MistakeError("\n".join(problems))
    return layout, version


def _identified(rows: RowsBefore) -> int:
    """How many profiles were sent with an identity: those that a receiver holds in an audience."""
    if rows.slim is None:
        return 0
    return rows.slim.filter(pl.any_horizontal(pl.col(status(i)) for i in range(len(rows.told)))).height


def _changes(
    sending: Sending,
    session: Session,
    audiences: MappedAudiences,
    inputs: Inputs,
    *,
    rows: RowsBefore,
    found: Compared,
) -> Changes:
    change = _mapping_change(sending.activation, rows, found)
    merged = (inputs.regroups.merged, inputs.regroups.split) if inputs.regroups else (0, 0)
    from_sources = session.workspace.profiles.from_sources
    return Changes(
        people=found.people,
        told=rows.told,
        layout=inputs.layout,
        values=inputs.values,
        evaluations=audiences.evaluations,
        unmapped=_told_beside(sending.activation, session),
        members=lambda name: newest_members(name, session),
        before=rows.baseline,
        made=rows.made,
        moved=moved(rows, found, inputs),
        counts=found.counts,
        excluded=found.excluded,
        removals=found.removals,
        mapping_change=change,
        failed=audiences.problems,
        warnings=(*audiences.warnings, *_of_mapping(sending.activation.key, change)),
        waiting=found.people[PENDING_SINCE].count(),
        has_duplicates=found.has_duplicates,
        waits_anew=found.waits_anew,
        merged=merged[0] if from_sources else None,
        split=merged[1] if from_sources else None,
    )


def _told_beside(activation: MessageActivation, session: Session) -> tuple[str, ...]:
    """The unmapped audiences that messages tell, and that were evaluated (V5)."""
    told = session.judge.told_audiences(activation)
    return tuple(name for name in told if evaluations_table.newest(session.ledger, name, session.at))


def _mapping_change(activation: MessageActivation, rows: RowsBefore, found: Compared) -> MappingChange | None:
    if rows.baseline is None or rows.baseline.made[FINGERPRINT] == rows.made[FINGERPRINT]:
        return None
    resends = activation.resends_mapping
    return MappingChange(found.remade - found.sent_anew, found.sent_anew, is_resent=resends)


def _of_mapping(key: str, change: MappingChange | None) -> tuple[str, ...]:
    """The warning about a mapping that changed (V4)."""
    if change is None or change.is_resent or not (change.counts_as_sent or change.sent_anew):
        return ()
    anew = f"; {change.sent_anew:,} sent anew, as a key or a mandatory value is made otherwise"
    said = f"the values of {counted(change.counts_as_sent, 'delivered profile')} count as sent"
    told = f"{said}{anew if change.sent_anew else ''}"
    return (f"{key}: the mapping changed: {told}; `muster resync {key}` sends every member",)
