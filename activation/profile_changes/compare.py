"""Whom a run of messages tells what, from members and delivered rows side by side (V3, V4, V11)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from operator import add

import polars as pl

from muster.activation.comparison.columns import RANK, REASON
from muster.activation.comparison.reasons import DUPLICATE, Reason
from muster.activation.comparison.regrouped import Regrouped
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW, ROW_TYPE
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.profile_changes import people as about
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
    PROFILE_NUMBER,
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
    MAYBE_IDS,
    MAYBE_SENT,
    REFUSAL,
    REFUSED_OFFER,
    TRIES,
    maybe_held,
    maybe_status,
)
from muster.activation.profile_changes.digests import hashed
from muster.activation.profile_changes.keyed import looked_at, with_differences
from muster.activation.profile_changes.leaving import identifiers_that_leave, keys_that_leave
from muster.activation.profile_changes.people import (
    IDS,
    IDS_DIGEST,
    IDS_SENT,
    IS_COUNTED,
    IS_WITHDRAWAL,
    OFFER,
    PENDING_SINCE,
    RESYNC,
    TRIGGER,
    TRIGGERS,
    VALUES_DIGEST,
    WAS_REFUSED,
    ToldAudience,
    also,
    held,
    is_new,
    is_told,
    leaves,
    now,
    sent,
    status,
    time,
    withdraws,
)
from muster.activation.profile_changes.sides import Sides, masked
from muster.activation.profiles import following
from muster.activation.profiles.roster import Roster
from muster.activation.values.hashes import xxh3
from muster.activation.values.identities import DIGEST_TYPE

_PART = 1 << 17  # profiles that are decided at once where no value has a say
_OF_ROWS = (TRIES, REFUSED_OFFER, PENDING_SINCE)
_OF_DECIDED = (ROW, TRIGGER, HAS_ROW, IS_DESIRED, IS_REGROUPED, MAPPING, KEPT_DIFFERS)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What is compared, and how the receiver knows people."""

    sides: Sides
    situation: Situation
    told: Sequence[ToldAudience]
    layout: Layout
    values: ProfileValues
    reasons: tuple[Reason, ...]
    details: Callable[[pl.Series, Sequence[str]], pl.DataFrame]  # columns of rows for each muster:row; null without one
    ids: Field | None  # the identities that messages have; None for none
    values_digest: Field
    is_declared: bool  # payload: request
    tells_audiences: bool  # whether the receiver keeps the members of audiences apart
    has_key: bool  # whether the receiver is told of a merge (P11)
    config: int  # the digest of the request's config (V10)
    gives_up_after: int | None  # runs
    has_max_age: bool
    regroups: Regrouped | None = None

    @property
    def roster(self) -> Roster:
        """The rows of the profiles."""
        return self.values.roster

    @property
    def kept(self) -> tuple[str, ...]:
        """The kept targets."""
        return about.kept_names(self.layout)

    @property
    def keys(self) -> tuple[str, ...]:
        """The kept targets by which duplicates are told (M3)."""
        return tuple(about.name_of(self.layout.kept[i]) for i in self.layout.deduplicate)


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
    people = _people(pl.concat(each.people for each in parts), inputs)
    gives_up = _is_given_up(inputs)
    given_up, people = people.filter(gives_up), people.filter(~gives_up)
    excluded = _excluded(pl.concat(each.left_out for each in parts), given_up, people, inputs)
    return Compared(
        people.select(_columns(inputs)),
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
    everyone = sides.pick(masked([sides.columns[name] for name in wanted if name in sides.columns]))
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


# The people to send


def _people(told: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The profiles that are told, with all that a message may say of them."""
    rows, roster = told[ROW], inputs.roster
    numbers = roster.numbers.gather(rows)
    kept_numbers = pl.when(pl.col(PROFILE_NUMBER) < roster.numbering.kept).then(PROFILE_NUMBER)
    before = inputs.details(rows, [IDS, MAYBE_IDS, REFUSAL]).rename({IDS: "ids_before"})
    has_digests = VALUES_NOW in inputs.sides.columns
    fields = [*([inputs.ids] if inputs.ids else []), *([] if has_digests else [inputs.values_digest])]
    values = _values(told, fields, inputs)
    found = pl.concat([told.with_columns(numbers.alias(PROFILE_NUMBER)), before, values], how="horizontal")
    digest = VALUES_NOW if has_digests else inputs.values_digest.value_column
    goes_on = ~pl.col(IS_WITHDRAWAL)
    ids = pl.col(inputs.ids.value_column) if inputs.ids else pl.lit(None, about.IDS_TYPE)
    pending = pl.coalesce(PENDING_SINCE, pl.lit(inputs.situation.at, about.TIME_DTYPE)) if inputs.has_max_age else None
    named = found.with_columns(
        roster.ids_of(rows).alias(PROFILE_ID),
        kept_numbers.alias(PROFILE_NUMBER),
        _is_counted(told, inputs).alias(IS_COUNTED),
        (pl.col(TRIES).fill_null(0) > 0).alias(WAS_REFUSED),
        ids.alias(IDS),
        _united("ids_before", MAYBE_IDS).alias(IDS_SENT),
        pl.when(goes_on).then(digest).alias(VALUES_DIGEST),
        pl.when(goes_on).then(IDS_NOW).alias(IDS_DIGEST),
        pl.lit(None, about.TIME_DTYPE).alias(PENDING_SINCE) if pending is None else pending.alias(PENDING_SINCE),
        *(pl.when(goes_on).then(now(name)).alias(now(name)) for name in inputs.kept),
        _has_entry(inputs).alias(HAS_ENTRY),
    )
    return named.with_columns(_offer(inputs).alias(OFFER))


def _values(told: pl.DataFrame, fields: Sequence[Field], inputs: Inputs) -> pl.DataFrame:
    """The values of these fields of each profile; null for one that is told what was last sent alone."""
    rows = told.filter(~pl.col(IS_WITHDRAWAL)).select(ROW)
    nobody = pl.DataFrame(schema={ROW: ROW_TYPE()} | {each.value_column: each.dtype for each in fields})
    parts = inputs.values.in_parts(rows, fields, _PART) if fields else ()
    found: pl.DataFrame = pl.concat([nobody, *parts])
    if found[ROW].equals(told[ROW]):
        return found.drop(ROW)
    return told.select(ROW).join(found, on=ROW, how="left", maintain_order="left").drop(ROW)


def _united(one: str, other: str) -> pl.Expr:
    """The identities of two lists, sorted; null if both are."""
    both = pl.col(one).list.concat(pl.col(other)).list.unique().list.sort()
    return pl.when(pl.col(other).is_null()).then(one).when(pl.col(one).is_null()).then(other).otherwise(both)


def _has_entry(inputs: Inputs) -> pl.Expr:
    """Whether a profile has an entry of its own in a request: else it is a duplicate of a member (M3, M5)."""
    if not inputs.is_declared:
        return pl.lit(value=True)
    places = inputs.situation.places
    found = [pl.col(status(i)).fill_null(value=False) & pl.col(is_told(i)) for i in places]
    if inputs.layout.identity:
        found += [pl.col(leaves(i)).list.len().fill_null(0) > 0 for i in places]
    else:
        found += [pl.col(withdraws(i)) | pl.col(also(i)).is_not_null() for i in places]
    return pl.any_horizontal(*found, pl.lit(value=False))


def _offer(inputs: Inputs) -> pl.Expr:
    """The digest of all that a profile would be told, and of the requests' config (V10)."""
    mapped = inputs.situation.mapped
    parts = {name: pl.col(name) for name in (VALUES_DIGEST, IDS_DIGEST)}
    parts |= {status(i): pl.col(status(i)).cast(DIGEST_TYPE) + 1 for i in mapped}
    parts |= {time(i): pl.col(time(i)).to_physical().cast(DIGEST_TYPE) for i in mapped}
    parts |= {now(name): xxh3(pl.col(now(name))) for name in inputs.kept}
    factors = (pl.lit(hashed(name) | 1, DIGEST_TYPE) for name in parts)
    found = (part.fill_null(0) * factor for part, factor in zip(parts.values(), factors, strict=True))
    return reduce(add, found, pl.lit(inputs.config, DIGEST_TYPE))


def _is_given_up(inputs: Inputs) -> pl.Expr:
    """Whether a receiver refused a profile too often, and nothing has changed since; exits are never given up (V10)."""
    if inputs.gives_up_after is None:
        return pl.lit(value=False)
    was_offered = (pl.col(REFUSED_OFFER) == pl.col(OFFER)).fill_null(value=False)
    often = pl.col(TRIES).fill_null(0) >= inputs.gives_up_after
    return often & was_offered & ~pl.col(LEAVES) & ~pl.col(IS_WITHDRAWAL) & ~pl.col(IS_UNCERTAIN)


def _is_counted(told: pl.DataFrame, inputs: Inputs) -> pl.Series:
    """Whether each profile counts: of the ids of a merged person one does (P11, X10)."""
    everybody = pl.Series(IS_COUNTED, [True]).new_from_index(0, told.height)
    if inputs.regroups is None or inputs.regroups.absorbed.is_empty():
        return everybody
    absorbed, survivors = (
        inputs.roster.rows.gather(inputs.regroups.absorbed[name]) for name in ("absorbed", "survivor")
    )
    pairs = pl.DataFrame([absorbed.alias(ROW), survivors.alias("survivor")])
    beside = told.select(ROW).join(pairs, on=ROW, how="left", maintain_order="left")
    is_alias = pl.col("survivor").is_not_null()
    stands_in = pl.col("survivor").is_first_distinct() & ~pl.col("survivor").is_in(told[ROW].implode())
    return beside.select((~is_alias | stands_in).alias(IS_COUNTED))[IS_COUNTED]


def _columns(inputs: Inputs) -> list[str]:
    """The columns of ``profile_changes.people``, in their order."""
    places = inputs.situation.places
    names = [ROW, PROFILE_ID, PROFILE_NUMBER, TRIGGER, IS_WITHDRAWAL, WAS_REFUSED, IS_COUNTED, PENDING_SINCE]
    names += [name(i) for i in places for name in (status, time, is_told, is_new)]
    names += [IDS, IDS_SENT, *(name for each in inputs.kept for name in (sent(each), now(each)))]
    names += [VALUES_DIGEST, IDS_DIGEST, OFFER]
    if not inputs.is_declared:
        return names
    own = (held, leaves) if inputs.layout.identity else (withdraws, also)
    return names + [name(i) for i in places for name in own]


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
