"""What an export holds: the desired set against the delivered set (X2-X5, X10, X12, M2, M3, M5). Pure: frames in, frames out.

Profiles are numbers here, the rows of the command's roster. Frames:

memberships   __row, status, last_qualification_time: one row a profile, of one audience at one instant
delivered     __row, and what the activation's baseline keeps beside it (see ``DELIVERED``)
judged        __row, rank, and what is decided of each profile that is a member or delivered
excluded      __row, reason: the considered profiles that are not exported
rows          __row, status, last_qualification_time, __identity (M5), o0..., sent_with: the rows to write, in the order of M6
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from muster.activation.comparison.duplicates import repeated_identities, repeated_keys, sharing_identities, sharing_keys
from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, REALIZED, ROW, ROW_TYPE, STATUS, STATUS_TYPE, TIME, TIME_TYPE
from muster.activation.mapping import sent_transforms
from muster.activation.mapping.columns import IDENTITY
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import Attributes
from muster.activation.mapping.sent_transforms import WITH
from muster.activation.mapping.sent_types import as_type, holding_sent, sent_columns
from muster.activation.profiles.identities import DIGEST_TYPE
from muster.activation.profiles.roster import inverse
from muster.activation.values.text import csv_text

REASON, CHANGED = "reason", "identity_changed"
DUPLICATE, PROFILE_MISSING = "duplicate", "profile_missing"
DIGEST = "identity_digest"
IDENTITIES = "identities"  # List(String): identities last sent (M5)
# The delivered set, in the order of M6; beside these, one column for each key column (``Field.sent``),
# ``identities:<namespace>``, and
# ``sent_with``.
DELIVERED = {ROW: ROW_TYPE, TIME: TIME_TYPE, DIGEST: DIGEST_TYPE}
RANK, PRESENT = "rank", "present"  # the place in the order of M6; whether the snapshot has the profile


@dataclass(frozen=True)
class Counts:
    """What a run considered, each profile once (X10)."""

    received: int
    exported: int
    excluded: int
    realized: int
    exited: int
    identity_changed: int
    excluded_by: dict[str, int]

    @property
    def balanced(self) -> bool:
        """``received = exported + excluded``, ``exported = realized + exited``, and the reasons add up."""
        return (
            self.received == self.exported + self.excluded
            and self.exported == self.realized + self.exited
            and self.excluded == sum(self.excluded_by.values())
        )


@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison: what is written, why the rest is not, and the baseline that a success leaves."""

    rows: pl.DataFrame
    excluded: pl.DataFrame
    delivered: Callable[[], pl.DataFrame]  # ``DELIVERED``; made only when it is asked for
    counts: Counts
    held: int  # profiles in the delivered set before
    desired: int
    gone: int  # delivered profiles that are not desired any more (X11)


def compare(
    memberships: pl.DataFrame,
    delivered: pl.DataFrame | None,
    layout: Layout,
    attributes: Attributes,
    *,
    at: datetime,
    incremental: bool,
) -> Comparison:
    """Decide what an export holds. ``delivered`` is None for a first export; ``incremental`` False gives the desired set."""
    changes = incremental and delivered is not None
    layout = layout.following(delivered)
    layout = layout if delivered is None or not incremental else holding_sent(layout, delivered)
    told = changes and layout.status_mapped
    everyone = _everyone(memberships, delivered, layout, attributes, changes=changes)
    others = everyone.filter(~_is_quiet()) if changes and not layout.compared else everyone
    names = _names(layout)
    named = attributes.of(others, layout.compared).with_columns(pl.col(key).alias(name) for name, key in names.items())
    judged = named.drop(set(names.values())).with_columns(_numbers(layout)).pipe(_judge_members, layout, attributes)
    judged = engine.collect(judged.pipe(_mark_changes, at=at, told=told, changes=changes)).lazy()
    rows = engine.collect(_rows(judged, layout, attributes, at=at, told=told))
    judged = _exclude_rowless(judged, rows.lazy()) if told else judged.with_columns(pl.col(REASON).alias("outcome"))
    excluded, sizes = engine.collect_all([_excluded(judged), _sizes(judged)])
    held, desired, gone, received, exited, changed, realized = sizes.row(0)
    counts = _counts(excluded, received=received, realized=realized, exited=exited, changed=changed)
    still = everyone.height - others.height
    after = partial(_delivered_after, judged, everyone if still else None, layout, attributes)
    return Comparison(rows, excluded, after, counts, held + still, desired + still, gone)


def _everyone(
    memberships: pl.DataFrame, delivered: pl.DataFrame | None, layout: Layout, attributes: Attributes, *, changes: bool
) -> pl.DataFrame:
    """Members and delivered profiles side by side, with what the snapshot says of each: one row a profile.

    Identities are looked at only where ``changes`` are asked for.
    """
    members = memberships.select(ROW, STATUS, TIME)
    if delivered is None:
        known = members.lazy().filter(pl.col(STATUS) == REALIZED)
        known = known.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in _never(layout).items())
    else:
        known = _side_by_side(members, engine.collect(_before(delivered, layout)), attributes.roster.length).lazy()
    found = engine.collect(
        known.with_columns(
            (pl.col(STATUS) == REALIZED).fill_null(value=False).alias("member"),
            (pl.col(STATUS) == EXITED).fill_null(value=False).alias("left"),
            pl.col("d_time").is_not_null().alias("held"),
        )
        .drop(STATUS)
        .filter(pl.col("member") | pl.col("held"))
    )
    roster, numbers = attributes.roster, found[ROW]
    described = found.with_columns(roster.rank_of(numbers).alias(RANK), roster.is_present(numbers).alias(PRESENT))
    return described.with_columns(
        roster.digests_of(numbers).alias("digest") if changes else pl.lit(None, DIGEST_TYPE).alias("digest")
    )


def _side_by_side(members: pl.DataFrame, before: pl.DataFrame, length: int) -> pl.DataFrame:
    """All of both, one row a profile: a full join by number, for which a table of ``length`` places takes less than hashing."""
    place = inverse(before[ROW], length).gather(members[ROW])
    beside = before.drop(ROW).select(pl.all().gather(place))
    lone = before.filter(inverse(members[ROW], length).gather(before[ROW]).is_null())
    return pl.concat([members.hstack(beside), lone], how="diagonal")


def _is_quiet() -> pl.Expr:
    """Whether there is nothing to tell of a profile and nothing else to decide, as of most on most days."""
    return pl.col("member") & pl.col("held") & pl.col(PRESENT) & _same_time() & ~_differs()


def _same_time() -> pl.Expr:
    return (pl.col("held") & (pl.col(TIME) == pl.col("d_time"))).fill_null(value=False)


def _differs() -> pl.Expr:
    """Whether identities were compared and are others (X3c)."""
    return (pl.col("digest") != pl.col("d_digest")).fill_null(value=False)


def _names(layout: Layout) -> dict[str, str]:
    """How compared values are called here, ``k0...`` and ``ids``, and their columns; several keys may have the same values."""
    return {f"k{i}": field.key for i, field in enumerate(layout.keys)} | ({"ids": layout.ids.key} if layout.ids else {})


def _numbers(layout: Layout) -> list[pl.Expr]:
    """Keys that are floating-point numbers: what is no number is null, as in the file (M2, M3, M7)."""
    floats = [pl.col(f"k{i}") for i, field in enumerate(layout.keys) if field.dtype.is_float()]
    return [pl.when(key.is_finite()).then(key) for key in floats]


def _never(layout: Layout) -> dict[str, pl.DataType]:
    """The columns of ``_before`` for profiles that were not delivered."""
    fixed = {"d_time": TIME_TYPE, "d_digest": DIGEST_TYPE()} | (
        {"d_ids": pl.List(pl.String())} if layout.identity else {}
    )
    fixed |= {"d_with": pl.String()} if layout.tells_forms else {}
    return (
        fixed
        | {f"d{i}": field.dtype for i, field in enumerate(layout.keys)}
        | {f"s{i}": pl.Boolean() for i in range(len(layout.keys))}
    )


def _before(delivered: pl.DataFrame, layout: Layout) -> pl.LazyFrame:
    """The delivered set with the key values of this layout: ``d0...`` last sent, of the column's present type."""
    keys = layout.keys
    schema = delivered.schema
    sent = sent_columns(layout, delivered.columns)
    ids = f"{IDENTITIES}:{layout.namespace}"
    return delivered.lazy().select(
        ROW,
        pl.col(TIME).alias("d_time"),
        pl.col(DIGEST).alias("d_digest"),
        *(
            [(pl.col(ids) if ids in schema else pl.lit(None, dtype=pl.List(pl.String))).alias("d_ids")]
            if layout.identity
            else []
        ),
        *(
            [(pl.col(WITH) if WITH in schema else pl.lit(None, dtype=pl.String)).alias("d_with")]
            if layout.tells_forms
            else []
        ),
        *(
            as_type(name, schema, field.dtype).alias(f"d{i}")
            for i, (name, field) in enumerate(zip(sent, keys, strict=True))
        ),
        *(pl.lit(name is not None).alias(f"s{i}") for i, name in enumerate(sent)),
    )


def _judge_members(everyone: pl.LazyFrame, layout: Layout, attributes: Attributes) -> pl.LazyFrame:
    """Why a realized member is not desired: X5, then M2, then M3, in that order."""
    reasons = [
        (~pl.col(PRESENT), PROFILE_MISSING),
        *((missing, f"mandatory:{target}") for target, missing in _mandatory(layout)),
    ]
    first = pl.coalesce(pl.when(applies).then(pl.lit(reason)) for applies, reason in reasons)
    judged = everyone.with_columns(pl.when("member").then(first).alias(REASON))
    if layout.identity or layout.deduplicate:
        judged = _without_duplicates(judged, layout, attributes)
    return judged.with_columns((pl.col("member") & pl.col(REASON).is_null()).alias("desired"))


def _without_duplicates(judged: pl.LazyFrame, layout: Layout, attributes: Attributes) -> pl.LazyFrame:
    """Members that lose to another one with their key have a reason too (M3, M5)."""
    candidates = judged.filter(pl.col("member") & pl.col(REASON).is_null())
    losers = _losers(candidates, layout, attributes, [f"k{i}" for i in layout.deduplicate], _ties(layout))
    marked = judged.join(losers.select(ROW, pl.lit(value=True).alias("loses")), on=ROW, how="left")
    return marked.with_columns(pl.when("loses").then(pl.lit(DUPLICATE)).otherwise(REASON).alias(REASON)).drop("loses")


def _losers(
    candidates: pl.LazyFrame, layout: Layout, attributes: Attributes, keys: list[str], order: list[pl.Expr]
) -> pl.LazyFrame:
    """``__row`` of the candidates that lose to another one; what breaks ties is looked up only for those that share a key."""
    sharing = engine.collect(sharing_identities(candidates) if layout.identity else sharing_keys(candidates, keys))
    if sharing.is_empty():
        return pl.LazyFrame(schema={ROW: ROW_TYPE})
    tied = attributes.of(sharing, layout.ties)
    return repeated_identities(tied, order) if layout.identity else repeated_keys(tied, keys, order)


def _ties(layout: Layout) -> list[pl.Expr]:
    """M3's tie-breaks after the time: the other mapped values as CSV text, then the profile id."""
    return [*(csv_text(pl.col(field.key), field.dtype) for field in layout.ties), pl.col(RANK)]


def _mandatory(layout: Layout) -> Iterator[tuple[str, pl.Expr]]:
    """Each mandatory column's target and the test for a missing value: null or an empty string (M2)."""
    for field in layout.fields:
        if field.role == "identity":
            yield field.column.target, pl.col("ids").list.len() == 0
        elif field.column.mandatory and (place := layout.place_of(field)) is not None:
            value = pl.col(f"k{place}")
            yield field.column.target, value.is_null() | (value == "") if field.dtype == pl.String else value.is_null()


def _mark_changes(judged: pl.LazyFrame, *, at: datetime, told: bool, changes: bool) -> pl.LazyFrame:
    """Who is considered and who is included (X3, X10): columns same_time, changed, included, exits, considered, time.

    ``changes``: only what differs from the delivered set; ``told``: leavers go out too (status mapped, X3d).
    """
    same_time, differs = _same_time(), _differs()
    news = ~same_time | differs if changes else pl.lit(value=True)
    exits = pl.col("held") & ~pl.col("desired") if told else pl.lit(value=False)
    exit_time = pl.when("left").then(TIME).otherwise(pl.lit(at, dtype=TIME_TYPE))
    return judged.with_columns(
        (pl.col("desired") & news).alias("included"),
        (pl.col("desired") & same_time & differs & changes).alias(CHANGED),
        exits.alias("exits"),
        ((pl.col("member") & news) | exits).alias("considered"),
        pl.when(exits).then(exit_time).otherwise(TIME).alias("time"),
    )


def _rows(judged: pl.LazyFrame, layout: Layout, attributes: Attributes, *, at: datetime, told: bool) -> pl.LazyFrame:
    """The rows to write, sorted as M6 asks; exits that a desired profile's key forbids are left out (M3, M5)."""
    realized = judged.filter("included").select(
        *(ROW, RANK, pl.lit(REALIZED, STATUS_TYPE).alias(STATUS), pl.col("time").alias(TIME)),
        *(*_identity(layout, "ids"), *_sent(layout), *_form(layout, pl.lit(None, pl.String))),
    )
    parts = [realized.explode(IDENTITY) if layout.identity else realized]
    if told:
        parts.append(
            _identity_exits(judged, layout, attributes, at=at)
            if layout.identity
            else _exits(judged, layout, attributes)
        )
    order = [RANK, *([IDENTITY] if layout.identity else [])]
    return pl.concat(parts).sort(order, maintain_order=True).drop(RANK)


def _identity(layout: Layout, column: str) -> list[pl.Expr]:
    return [pl.col(column).alias(IDENTITY)] if layout.identity else []


def _sent(layout: Layout) -> list[pl.Expr]:
    """The key values an exit carries: those last sent, or the newest where none were kept (X12)."""
    return [pl.when(f"s{i}").then(f"d{i}").otherwise(f"k{i}").alias(f"o{i}") for i in range(len(layout.keys))]


def _form(layout: Layout, form: pl.Expr) -> list[pl.Expr]:
    """How ids and identities of a row were written when they were last sent."""
    return [form.alias(WITH)] if layout.tells_forms else []


def _exits(judged: pl.LazyFrame, layout: Layout, attributes: Attributes) -> pl.LazyFrame:
    """One row for each leaver but those whose key a desired profile holds, and one of several with equal keys (M3)."""
    leavers = judged.filter("exits").with_columns(_sent(layout)).with_columns(pl.col("time").alias(TIME))
    if layout.deduplicate:
        for places in filter(None, (layout.deduplicate, layout.written_keys)):
            keys = [f"o{i}" for i in places]
            leavers = leavers.join(_desired_keys(judged, layout, places), on=keys, how="anti", nulls_equal=False)
        keys = [f"o{i}" for i in layout.deduplicate]
        leavers = leavers.join(
            _losers(leavers, layout, attributes, keys, _exit_order(layout)).select(ROW), on=ROW, how="anti"
        )
    return leavers.select(
        ROW, RANK, pl.lit(EXITED, STATUS_TYPE).alias(STATUS), TIME, r"^o\d+$", *_form(layout, pl.col("d_with"))
    )


def _exit_order(layout: Layout) -> list[pl.Expr]:
    """M3's tie-breaks for exits: the values that their rows carry, which are those last sent where they are kept (X12)."""
    kept = ((field, layout.place_of(field)) for field in layout.ties)
    ties = (
        csv_text(pl.col(field.key), field.dtype)
        if place is None
        else csv_text(pl.col(f"o{place}"), layout.keys[place].dtype)
        for field, place in kept
    )
    return [*ties, pl.col(RANK)]


def _desired_keys(judged: pl.LazyFrame, layout: Layout, places: Sequence[int]) -> pl.LazyFrame:
    """Keys that must stay at the receiver: those desired profiles hold now, and those last sent for ones not sent this time."""
    desired = judged.filter("desired")
    held = desired.select(pl.col(f"k{i}").alias(f"o{i}") for i in places)
    kept = desired.filter(~pl.col("included")).with_columns(_sent(layout)).select(f"o{i}" for i in places)
    return pl.concat([held, kept]).unique()


def _identity_exits(judged: pl.LazyFrame, layout: Layout, attributes: Attributes, *, at: datetime) -> pl.LazyFrame:
    """One row for each identity last sent that no desired profile holds: of leavers, and of included profiles that lost it (M5)."""
    sent = pl.coalesce("d_ids", "ids", pl.lit([], dtype=pl.List(pl.String)))
    leavers = judged.filter("exits").with_columns(sent.alias(IDENTITY))
    losing = judged.filter(pl.col("included") & pl.col("held")).with_columns(
        pl.coalesce("d_ids", pl.lit([], dtype=pl.List(pl.String))).alias(IDENTITY),
        pl.lit(at, dtype=TIME_TYPE).alias("time"),
    )
    rows = pl.concat([leavers, losing]).with_columns(_form(layout, pl.col("d_with"))).explode(IDENTITY)
    rows = rows.filter(pl.col(IDENTITY).is_not_null()).pipe(_unless_held, judged.filter("desired"), layout)
    order = _exit_order(layout)
    rows = attributes.of(engine.collect(rows.with_columns(_sent(layout))), layout.ties)
    first = rows.sort(pl.col("time"), *order, descending=[True, *([False] * len(order))], maintain_order=True)
    unique = first.unique(IDENTITY, keep="first", maintain_order=True)
    status, time = pl.lit(EXITED, STATUS_TYPE).alias(STATUS), pl.col("time").alias(TIME)
    return unique.select(ROW, RANK, status, time, IDENTITY, r"^o\d+$", *_form(layout, pl.col(WITH)))


def _unless_held(rows: pl.LazyFrame, desired: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """The identities last sent that no desired profile holds, neither as they are nor as they are written."""
    now = desired.select(pl.col("ids").alias(IDENTITY), *_form(layout, pl.lit(layout.form, pl.String)))
    kept = desired.filter(~pl.col("included")).select(pl.col("d_ids").alias(IDENTITY), *_form(layout, pl.col("d_with")))
    held = pl.concat([now, kept]).explode(IDENTITY).drop_nulls(IDENTITY).unique()
    left = rows.join(held.select(IDENTITY).unique(), on=IDENTITY, how="anti")
    if not layout.identity or not layout.tells_forms:
        return left
    written = sent_transforms.as_sent(layout.identity, layout.forms).alias("written")
    return left.with_columns(written).join(held.select(written).unique(), on="written", how="anti").drop("written")


def _exclude_rowless(judged: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Leavers without a row are excluded as duplicates: their key belongs to somebody else."""
    written = rows.filter(pl.col(STATUS) == EXITED).select(ROW, pl.lit(value=True).alias("written")).unique()
    lost = pl.col("exits") & pl.col("written").is_null()
    told = pl.col("exits") & pl.col("written").is_not_null()
    outcome = pl.when(lost).then(pl.lit(DUPLICATE)).when(told).then(None).otherwise(REASON)
    return judged.join(written, on=ROW, how="left").with_columns(outcome.alias("outcome"))


def _delivered_after(
    judged: pl.LazyFrame, everyone: pl.DataFrame | None, layout: Layout, attributes: Attributes
) -> pl.DataFrame:
    """The baseline that a success leaves: exactly the desired set, with the values last sent for each profile (X8, X12).

    ``everyone`` is given where the quiet ones were not judged.
    """
    kept = judged.filter("desired").select(_after(layout))
    if everyone is not None:
        quiet = everyone.lazy().filter(_is_quiet()).with_columns(pl.lit(value=False).alias("included"))
        kept = pl.concat([kept, quiet.select(_after(layout))])
    found = engine.collect(kept.sort(RANK).drop(RANK))
    return found.with_columns(attributes.roster.digests_of(found[ROW]).alias("now")).select(
        pl.coalesce("now", DIGEST).alias(DIGEST) if name == DIGEST else name for name in found.columns
    )


def _excluded(judged: pl.LazyFrame) -> pl.LazyFrame:
    left_out = judged.filter(pl.col("considered") & pl.col("outcome").is_not_null())
    return left_out.sort(RANK).select(ROW, pl.col("outcome").alias(REASON))


def _after(layout: Layout) -> list[pl.Expr | str]:
    """What the baseline keeps of a desired profile after a success: the values last sent (X8, X12)."""
    fresh = pl.col("included") | ~pl.col("held")
    sent = [
        pl.when(fresh | ~pl.col(f"s{i}").fill_null(value=False)).then(f"k{i}").otherwise(f"d{i}").alias(field.sent)
        for i, field in enumerate(layout.keys)
    ]
    ids = (
        pl.when(fresh | pl.col("d_ids").is_null())
        .then("ids")
        .otherwise("d_ids")
        .alias(f"{IDENTITIES}:{layout.namespace}")
    )
    form = (
        pl.when(fresh).then(pl.lit(layout.form, pl.String)).otherwise("d_with") if layout.tells_forms else pl.lit(None)
    )
    return [
        ROW,
        RANK,
        TIME,
        pl.col("d_digest").alias(DIGEST),
        *sent,
        *([ids] if layout.identity else []),
        *_form(layout, form),
    ]


def _sizes(judged: pl.LazyFrame) -> pl.LazyFrame:
    exported = pl.col("considered") & pl.col("outcome").is_null()
    return judged.select(
        pl.col("held").sum(),
        pl.col("desired").sum(),
        (pl.col("held") & ~pl.col("desired")).sum().alias("gone"),
        pl.col("considered").sum(),
        (exported & pl.col("exits")).sum().alias("exited"),
        (exported & pl.col(CHANGED)).sum().alias("changed"),
        (exported & ~pl.col("exits")).sum().alias("realized"),
    )


def _counts(excluded: pl.DataFrame, *, received: int, realized: int, exited: int, changed: int) -> Counts:
    """The numbers of X10."""
    by_reason = dict(excluded.group_by(REASON).len().sort(REASON).iter_rows())
    return Counts(
        received=received,
        exported=received - excluded.height,
        excluded=excluded.height,
        realized=realized,
        exited=exited,
        identity_changed=changed,
        excluded_by=by_reason,
    )
