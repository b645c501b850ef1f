"""The people to send, with all that a message may say of them, and the offer by which dead letters are known (V10)."""

from collections.abc import Sequence
from functools import reduce
from operator import add

import polars as pl

from muster.activation.frames.columns import PROFILE_ID, ROW, ROW_TYPE
from muster.activation.mapping.columns import Field
from muster.activation.profile_changes import people as about
from muster.activation.profile_changes.columns import (
    HAS_ENTRY,
    IDS_NOW,
    IS_UNCERTAIN,
    LEAVES,
    PROFILE_NUMBER,
    VALUES_NOW,
)
from muster.activation.profile_changes.delivered_rows import (
    MAYBE_IDS,
    REFUSAL,
    REFUSED_OFFER,
    TRIES,
)
from muster.activation.profile_changes.digests import hashed
from muster.activation.profile_changes.given import Inputs
from muster.activation.profile_changes.people import (
    IDS,
    IDS_DIGEST,
    IDS_SENT,
    IS_COUNTED,
    IS_FORGOTTEN,
    IS_WITHDRAWAL,
    OFFER,
    PENDING_SINCE,
    TRIGGER,
    VALUES_DIGEST,
    WAS_REFUSED,
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
from muster.activation.values.hashes import xxh3
from muster.activation.values.identities import DIGEST_TYPE

_PART = 1 << 17  # profiles whose values are read at once


def full_people(told: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
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
        roster.stored_ids_of(rows).is_null().alias(IS_FORGOTTEN),
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


def is_given_up(inputs: Inputs) -> pl.Expr:
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


def columns_of_people(inputs: Inputs) -> list[str]:
    """The columns of ``profile_changes.people``, in their order."""
    places = inputs.situation.places
    names = [
        ROW,
        PROFILE_ID,
        PROFILE_NUMBER,
        TRIGGER,
        IS_WITHDRAWAL,
        WAS_REFUSED,
        IS_COUNTED,
        IS_FORGOTTEN,
        PENDING_SINCE,
    ]
    names += [name(i) for i in places for name in (status, time, is_told, is_new)]
    names += [IDS, IDS_SENT, *(name for each in inputs.kept for name in (sent(each), now(each)))]
    names += [VALUES_DIGEST, IDS_DIGEST, OFFER]
    if not inputs.is_declared:
        return names
    own = (held, leaves) if inputs.layout.identity else (withdraws, also)
    return names + [name(i) for i in places for name in own]
