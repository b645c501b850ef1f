"""Whom a run of messages tells what, from members and delivered rows side by side (V3, V4, V11)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import polars as pl

from muster.activation.comparison.columns import RANK, REASON
from muster.activation.comparison.reasons import DUPLICATE
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.profile_changes.changes import Counts, Removal
from muster.activation.profile_changes.columns import (
    HAS_ENTRY,
    HAS_ROW,
    HELD_DIFFERS,
    IDS_NOW,
    IS_DESIRED,
    IS_REGROUPED,
    IS_UNCERTAIN,
    KEPT_DIFFERS,
    LEAVES,
    LEFT_OUT,
    VALUES_NOW,
    WAS_SENT,
    desired,
    holds,
    member,
)
from muster.activation.profile_changes.decide import (
    Situation,
    what_is_told,
    with_decisions,
    with_reasons,
    with_withdrawn,
)
from muster.activation.profile_changes.delivered_rows import (
    MAPPING,
    MAYBE_SENT,
    REFUSAL,
    REFUSED_OFFER,
    TRIES,
    maybe_held,
    maybe_status,
)
from muster.activation.profile_changes.full_people import columns_of_people, full_people, is_given_up
from muster.activation.profile_changes.given import Inputs
from muster.activation.profile_changes.keyed import looked_at, with_differences
from muster.activation.profile_changes.leaving import identifiers_that_leave, keys_that_leave
from muster.activation.profile_changes.people import (
    IS_COUNTED,
    IS_WITHDRAWAL,
    PENDING_SINCE,
    RESYNC,
    TRIGGER,
    TRIGGERS,
    held,
    is_new,
    is_told,
    now,
    sent,
    status,
    time,
)
from muster.activation.profile_changes.sides import masked
from muster.activation.profiles import following
from muster.activation.values.identities import DIGEST_TYPE

_PART = 1 << 17  # profiles that are decided at once where no value has a say
_OF_ROWS = (TRIES, REFUSED_OFFER, PENDING_SINCE)
_OF_DECIDED = (ROW, TRIGGER, HAS_ROW, IS_DESIRED, IS_REGROUPED, MAPPING, KEPT_DIFFERS)


@dataclass(frozen=True, eq=False)
class Compared:
    """The outcome: people to send, who is left out, and everybody who was looked at, with the decisions."""

    people: pl.DataFrame
    excluded: pl.DataFrame  # profile_id, reason, tries
    counts: Counts
    removals: tuple[Removal, ...]
    decided: pl.DataFrame
    remade: int  # profiles of another mapping that a receiver holds, and that stay (V4)
    sent_anew: int  # those of them that are sent, as a key, an identity or a mandatory value is made otherwise
    has_duplicates: bool
    waits_anew: bool


def compare(inputs: Inputs) -> Compared:
    """Decide whom a run tells what."""
    pieces, sizes = _everybody_decided(inputs) if inputs.layout.kept else _some_decided(inputs)
    parts = [_Part.of(each, inputs) for each in pieces]
    people = full_people(pl.concat(each.people for each in parts), inputs)
    gives_up = is_given_up(inputs)
    given_up, people = people.filter(gives_up), people.filter(~gives_up)
    excluded = _excluded(pl.concat(each.left_out for each in parts), given_up, people, inputs)
    return Compared(
        people.select(columns_of_people(inputs)),
        excluded,
        _counts(people, excluded),
        _removals(sizes, inputs),
        pl.concat(each.decided for each in parts),
        sizes["remade"],
        sizes["sent_anew"],
        has_duplicates=not bool(people[HAS_ENTRY].all()),
        waits_anew=bool((people[PENDING_SINCE] == inputs.situation.at).any()),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """What was decided of some profiles, without the columns that nobody needs any more."""

    people: pl.DataFrame  # who is told
    left_out: pl.DataFrame  # members who are not told
    decided: pl.DataFrame  # all of them

    @classmethod
    def of(cls, decided: pl.DataFrame, inputs: Inputs) -> "_Part":
        """Say what each profile is told; where values have a say, of everybody at once."""
        situation, sends = inputs.situation, pl.col(TRIGGER).is_not_null()
        decided = _without_silent_merges(decided, inputs)
        told = decided.with_columns(what_is_told(situation))
        told = told.with_columns((pl.col(is_told(i)) & sends).alias(is_told(i)) for i in situation.places)
        leaving = _leaving(told, inputs) if inputs.is_declared else {}
        told = told.with_columns(leaving.values())
        names = [ROW, TRIGGER, IS_WITHDRAWAL, IS_DESIRED, LEAVES, IS_UNCERTAIN, *_OF_ROWS, IDS_NOW, VALUES_NOW]
        names += [name(i) for i in situation.places for name in (status, time, is_told, is_new)]
        names += [*(name for each in inputs.kept for name in (sent(each), now(each))), *leaving]
        return cls(
            told.filter(sends).select(names),
            decided.filter(pl.col(LEFT_OUT).is_not_null()).select(ROW, LEFT_OUT, TRIES),
            decided.select(_OF_DECIDED),
        )


# Who is looked at


def _sizes(situation: Situation) -> list[pl.Expr]:
    """What guards count of each mapped audience, and the delivered profiles of another mapping."""
    found = []
    for i in situation.mapped:
        left = pl.col(holds(i)) & ~pl.col(desired(i))
        found += [pl.col(holds(i)).sum().alias(f"delivered:{i}"), pl.col(desired(i)).sum().alias(f"desired:{i}")]
        found.append(left.sum().alias(f"leaving:{i}"))
    is_other = (pl.col(MAPPING) != pl.lit(situation.fingerprint, DIGEST_TYPE)).fill_null(value=False)
    stays = is_other & pl.col(WAS_SENT) & pl.col(IS_DESIRED)
    anew = pl.col(HELD_DIFFERS).fill_null(value=False) | pl.col(KEPT_DIFFERS).fill_null(value=False)
    return [*found, stays.sum().alias("remade"), (stays & anew).sum().alias("sent_anew")]


def _some_decided(inputs: Inputs) -> tuple[Iterable[pl.DataFrame], dict[str, int]]:
    """The profiles of which a run has anything to say, found by number, as no value has a say (X2)."""
    sides, situation = inputs.sides, inputs.situation

    def decide(frame: pl.LazyFrame) -> pl.LazyFrame:
        found = with_reasons(frame, inputs.reasons, inputs.values, situation.mapped)
        return found.pipe(with_withdrawn, inputs.reasons).pipe(with_decisions, situation)

    frame = decide(sides.frame())
    wanted = pl.col(TRIGGER).is_not_null() | pl.col(LEFT_OUT).is_not_null()
    mask, sizes = engine.collect_all(
        [frame.select(wanted.alias("wanted")), frame.select(_sizes(situation))], sides.length
    )
    parts = sides.picked(mask["wanted"].fill_null(value=False), _PART)
    found = (engine.collect(decide(each), _PART) for each in parts)
    nobody = engine.collect(decide(sides.frame().clear().with_columns(pl.lit(None, pl.UInt64).alias(RANK))), 0)
    return chain([nobody], found), sizes.row(0, named=True)


def _everybody_decided(inputs: Inputs) -> tuple[Iterable[pl.DataFrame], dict[str, int]]:
    """Everybody who is a member, or was delivered: values have a say."""
    sides, situation = inputs.sides, inputs.situation
    wanted = [member(i) for i in situation.mapped]
    wanted += [name(i) for i in situation.places for name in (status, maybe_status)]
    everyone = sides.pick(masked((sides.columns[name] for name in wanted if name in sides.columns), sides.length))
    looked = looked_at(everyone, inputs.layout, inputs.reasons, inputs.values, situation.mapped)
    names = [sent(name) for name in inputs.kept] + ([MAYBE_SENT] if inputs.kept else [])
    if inputs.layout.identity:
        names += [name(i) for i in situation.places for name in (held, maybe_held)]
    looked = pl.concat([looked, inputs.details(looked[ROW], names)], how="horizontal")
    looked = with_differences(looked, situation.mapped, inputs.kept)
    frame = looked.lazy().pipe(with_withdrawn, inputs.reasons).pipe(with_decisions, situation)
    decided = engine.collect(frame, looked.height)
    return [decided], decided.select(_sizes(situation)).row(0, named=True)


def _without_silent_merges(decided: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Without a key by which a receiver knows people, ids that became aliases are told nothing (P11)."""
    if inputs.has_key or inputs.regroups is None:
        return decided
    absorbed = inputs.roster.rows.gather(inputs.regroups.absorbed[following.ABSORBED])
    is_alias = pl.col(ROW).is_in(absorbed.implode())
    return decided.with_columns(pl.when(~is_alias).then(TRIGGER).alias(TRIGGER))


def _leaving(told: pl.DataFrame, inputs: Inputs) -> Mapping[str, pl.Series]:
    """What declared requests tell as exits."""
    situation, apart = inputs.situation, inputs.tells_audiences
    if inputs.layout.identity:
        return identifiers_that_leave(told, situation, tells_audiences=apart)
    return keys_that_leave(told, situation, inputs.kept, inputs.keys, tells_audiences=apart)


# Counts


def _excluded(left_out: pl.DataFrame, given_up: pl.DataFrame, people: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Those who are considered and have no message: profile_id, reason, tries; by id."""
    roster = inputs.roster
    tries = pl.col(TRIES).fill_null(0).alias(TRIES)
    left_out = left_out.select(ROW, pl.col(LEFT_OUT).alias(REASON), tries)
    refused = given_up.filter(IS_COUNTED).select(ROW, pl.col(REFUSAL).alias(REASON), tries)
    duplicates = people.filter(pl.col(IS_COUNTED) & ~pl.col(HAS_ENTRY))
    duplicates = duplicates.select(ROW, pl.lit(DUPLICATE).alias(REASON), tries)
    found = pl.concat([left_out, refused, duplicates])
    return found.select(roster.stored_ids_of(found[ROW]).alias(PROFILE_ID), REASON, TRIES).sort(PROFILE_ID, REASON)


def _counts(people: pl.DataFrame, excluded: pl.DataFrame) -> Counts:
    """The counts of a run in which each message is accepted."""
    sending = people.filter(pl.col(IS_COUNTED) & pl.col(HAS_ENTRY))
    triggers = dict(sending.group_by(TRIGGER).len().iter_rows())
    exited = int((~sending[IS_DESIRED]).sum())
    return Counts(
        received=sending.height + excluded.height,
        exported=sending.height,
        excluded=excluded.height,
        realized=sending.height - exited,
        exited=exited,
        excluded_by=dict(excluded.group_by(REASON).len().sort(REASON).iter_rows()),
        by_trigger={name: triggers[name] for name in (*TRIGGERS, RESYNC) if name in triggers},
    )


def _removals(sizes: Mapping[str, int], inputs: Inputs) -> tuple[Removal, ...]:
    return tuple(
        Removal(inputs.told[i], sizes[f"delivered:{i}"], sizes[f"desired:{i}"], sizes[f"leaving:{i}"])
        for i in inputs.situation.mapped
        if sizes[f"delivered:{i}"]
    )
