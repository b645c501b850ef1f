"""What a run of messages compares: members, delivered rows, consent and digests by profile number (V2, V3, G4, P11)."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from muster.activation.comparison.columns import PRESENT, consents
from muster.activation.comparison.reasons import reasons_of
from muster.activation.comparison.regrouped import Regrouped, regrouped
from muster.activation.comparison.sides import with_forgotten
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.mapping_record import mapping_record
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.model.activation import IDENTITY_PREFIX
from muster.activation.model.exports import Sending
from muster.activation.model.messages import MessageActivation
from muster.activation.model.request_tree import usage
from muster.activation.profile_changes.audiences import MappedAudiences
from muster.activation.profile_changes.columns import IDS_NOW, IS_REGROUPED, VALUES_NOW, member
from muster.activation.profile_changes.decide import Situation
from muster.activation.profile_changes.delivered_rows import FINGERPRINT, NAMESPACES, maybe_status
from muster.activation.profile_changes.digests import hashed, ids_digest_field, ids_field
from muster.activation.profile_changes.given import Inputs
from muster.activation.profile_changes.people import IDS_DIGEST, status
from muster.activation.profile_changes.rows_before import RowsBefore
from muster.activation.profile_changes.sides import Sides, lengthened, masked, of_members, of_rows
from muster.activation.profiles.positions import by_number
from muster.activation.session import Session

_TELL_AUDIENCES = frozenset({"audience.id", "audience.alias", "audience.name"})  # names in declared requests


def told_namespaces(activation: MessageActivation) -> tuple[str, ...] | None:
    """The identity namespaces that trigger, and that messages have (V3); None: all of them."""
    if activation.identities is not None:
        return activation.identities
    if activation.payload == "profile":
        return None
    column = activation.identity_column
    return (column.source.removeprefix(IDENTITY_PREFIX),) if column else ()


def inputs_of(
    sending: Sending,
    session: Session,
    audiences: MappedAudiences,
    layout: Layout,
    rows: RowsBefore,
    *,
    digest: Field,
) -> Inputs:
    """What a run compares; errors are those of inputs that cannot be read, and of consent policies that do not fit."""
    activation, roster = sending.activation, session.opened.roster
    values, namespaces = session.attributes_of(session.opened.snapshot), told_namespaces(activation)
    regroups = _regrouped(rows, session)
    columns = _columns(session, audiences, rows, regroups)
    marks = _marks(activation, session)
    columns = lengthened(columns | marks, roster)
    sides = Sides(columns, roster, len(rows.told), tuple(name for name in marks if name != PRESENT))
    sides = _with_digests(sides, activation, values, digest, namespaces)
    used = usage(activation.url or "", activation.request, activation.method)
    is_declared = activation.payload == "request"
    apart = bool(used.names & _TELL_AUDIENCES) or "audience" in activation.aggregation.key
    return Inputs(
        sides=sides,
        situation=_situation(sending, session, rows, sides.marks),
        told=rows.told,
        layout=layout,
        values=values,
        reasons=reasons_of(layout, sides.marks),
        details=rows.details,
        ids=None if namespaces == () else ids_field(session.opened.snapshot, namespaces),
        values_digest=digest,
        is_declared=is_declared,
        tells_audiences=apart or not is_declared,
        has_key=_has_key(layout) or "profile_id" in used.names,
        config=_config(activation),
        gives_up_after=activation.dead_letter_after,
        has_max_age=bool(activation.aggregation.max_age) and activation.aggregation.kind == "configurable",
        regroups=regroups,
    )


def _situation(sending: Sending, session: Session, rows: RowsBefore, marks: tuple[str, ...]) -> Situation:
    activation = sending.activation
    return Situation(
        at=session.at,
        mapped=rows.mapped,
        taken_out=rows.taken_out,
        backfills=rows.backfills,
        triggers=frozenset(activation.triggers),
        fingerprint=int(rows.made[FINGERPRINT]),
        resends_mapping=activation.resends_mapping,
        is_resync=sending.is_resync,
        marks=marks,
    )


def _has_key(layout: Layout) -> bool:
    """Whether messages have a key by which a receiver is told of a merge (P11)."""
    return bool(layout.identity or layout.deduplicate) or any(each.role == "profile_id" for each in layout.fields)


def _config(activation: MessageActivation) -> int:
    """The digest of what requests are made of: dead letters are offered again when it changes (V10)."""
    made_of = [activation.url, activation.method, activation.headers, activation.request]
    plain = [dict(each) if isinstance(each, Mapping) else each for each in made_of]
    return hashed([plain, mapping_record(activation.mapping)])


# Columns by number


def _columns(
    session: Session,
    audiences: MappedAudiences,
    rows: RowsBefore,
    regroups: Regrouped | None,
) -> dict[str, pl.Series]:
    """Members, what rows have, and who was merged or split (P11)."""
    roster, found = session.opened.roster, dict[str, pl.Series]()
    for place in rows.mapped:
        members = audiences.members(rows, place, session)
        found |= of_members(members, place, roster) if members else {}
    if rows.slim is not None:
        slim = rows.slim
        if rows.baseline and rows.baseline.made[NAMESPACES] != rows.made[NAMESPACES]:
            slim = slim.drop(IDS_DIGEST)  # of other namespaces: nothing can be compared with it
        found |= of_rows(slim, roster)
    return found | ({IS_REGROUPED: regroups.mark.alias(IS_REGROUPED)} if regroups else {})


def _regrouped(rows: RowsBefore, session: Session) -> Regrouped | None:
    """What merges and splits since the last run did to people whom a receiver holds (P11)."""
    if rows.slim is None or rows.baseline is None or session.lineage is None:
        return None
    held = [rows.slim[kind(i)] for i in range(len(rows.told)) for kind in (status, maybe_status)]
    numbers = session.opened.roster.numbers.gather(rows.slim[ROW])
    delivered = by_number(masked(held, rows.slim.height), numbers, session.opened.numbering.length)
    return regrouped(session.lineage, rows.baseline.policy, rows.baseline.build, delivered, session.opened.roster)


def _marks(activation: MessageActivation, session: Session) -> dict[str, pl.Series]:
    """Who is in the snapshot, whom each consent policy lets through, and who is forgotten (X5, G4, G8)."""
    roster = session.opened.roster
    let_through = {consents(policy): mask for policy, mask in session.consent.let_through(activation).items()}
    return with_forgotten({PRESENT: roster.present_numbers, **let_through}, roster, roster.numbering.length)


def _with_digests(
    sides: Sides,
    activation: MessageActivation,
    values: ProfileValues,
    values_digest: Field,
    namespaces: tuple[str, ...] | None,
) -> Sides:
    """The sides with the digests of today's values and identities, of members and delivered profiles (V3).

    Digests of values are read only if they trigger; those of all identities are at hand.
    """
    found, roster = dict[str, pl.Series](), values.roster
    fields = {VALUES_NOW: values_digest} if "attributes" in activation.triggers else {}
    if namespaces is None and roster.has_digests:
        found[IDS_NOW] = roster.digests()
    elif namespaces:
        fields[IDS_NOW] = ids_digest_field(roster.snapshot, namespaces)
    names = [member(i) for i in range(sides.places)]
    names += [kind(i) for i in range(sides.places) for kind in (status, maybe_status)]
    concerned = [sides.columns[name] for name in names if name in sides.columns]
    if fields and concerned:
        numbers = (masked(concerned, sides.length) & roster.present_numbers).arg_true()
        rows = pl.DataFrame([sides.columns[ROW].gather(numbers)]).sort(ROW)
        read = engine.collect(values.of(rows, [*fields.values()]), rows.height)
        there = roster.numbers.gather(rows[ROW])
        found |= {name: by_number(read[each.value_column], there, sides.length) for name, each in fields.items()}
    return replace(sides, columns=lengthened({**sides.columns, **found}, roster))
