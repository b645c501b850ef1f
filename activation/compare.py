"""What an export holds: the desired set against the delivered set (X2-X5, X10, X12, M2, M3, M5). Pure: frames in, frames out.

Frames:

memberships   profile_id, status, last_qualification_time: one row a profile, of one audience at one instant
delivered     what the activation's baseline keeps (see ``DELIVERED``)
decisions     __id, status, last_qualification_time, reason (null: exported), identity_changed: each considered profile once
rows          __id, status, last_qualification_time, __identity (M5), o0...: the rows to write, in the order of M6
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from activation import engine
from activation.deduplicate import repeated_identities, repeated_keys
from activation.frames import EXITED, ID, PROFILE_ID, REALIZED, STATUS, TIME, TIME_TYPE
from activation.identities import DIGEST_TYPE
from activation.rows import IDENTITY, Layout
from activation.values import csv_text

REASON, CHANGED = "reason", "identity_changed"
DUPLICATE, PROFILE_MISSING = "duplicate", "profile_missing"
DIGEST = "identity_digest"
IDENTITIES = "identities"  # List(String): identities last sent (M5)
SENT = "sent:"  # prefix of a column with the last sent values of a source (X12)
# The delivered set, sorted by profile_id; beside these, one column ``sent:<source>`` for each key column.
DELIVERED = {PROFILE_ID: pl.String, TIME: TIME_TYPE, DIGEST: DIGEST_TYPE}


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

    decisions: pl.DataFrame
    rows: pl.DataFrame
    delivered: pl.DataFrame
    counts: Counts
    held: int  # profiles in the delivered set before
    desired: int
    gone: int  # delivered profiles that are not desired any more (X11)


def compare(memberships: pl.LazyFrame, delivered: pl.LazyFrame | None, layout: Layout, *, at: datetime, incremental: bool) -> Comparison:
    """Decide what an export holds. ``delivered`` is None for a first export; ``incremental`` False gives the desired set."""
    changes = incremental and delivered is not None
    everyone = engine.collect(_everyone(memberships, delivered, layout))
    judged = everyone.lazy().pipe(_judge_members, layout).pipe(_mark_changes, at=at, told=changes and layout.status_mapped, changes=changes)
    judged = engine.collect(judged).lazy()
    rows = engine.collect(_rows(judged, layout, at=at, told=changes and layout.status_mapped))
    judged = _exclude_rowless(judged, rows.lazy())
    decisions, after, sizes = engine.collect_all([_decisions(judged), _delivered_after(judged, layout), _sizes(judged)])
    held, desired, gone = sizes.row(0)
    return Comparison(decisions, rows, after, count(decisions), held, desired, gone)


def _everyone(memberships: pl.LazyFrame, delivered: pl.LazyFrame | None, layout: Layout) -> pl.LazyFrame:
    """Members and delivered profiles side by side, with what the snapshot says of each: one row a profile."""
    members = memberships.select(pl.col(PROFILE_ID).alias(ID), STATUS, TIME)
    before = _before(delivered, layout)
    known = members.join(before, on=ID, how="full", coalesce=True).with_columns(
        (pl.col(STATUS) == REALIZED).fill_null(value=False).alias("member"),
        pl.col("d_time").is_not_null().alias("held"),
    )
    considered = known.filter(pl.col("member") | pl.col("held"))
    described = considered.join(layout.narrow(), on=ID, how="left").join(layout.snapshot.digests, on=ID, how="left")
    return described.with_columns(pl.col("present").fill_null(value=False))


def _before(delivered: pl.LazyFrame | None, layout: Layout) -> pl.LazyFrame:
    """The delivered set with the key values of this layout: ``d0...`` last sent, of the column's present type."""
    keys = layout.keys
    if delivered is None:
        empty: dict[str, type[pl.DataType] | pl.DataType] = {
            ID: pl.String,
            "d_time": TIME_TYPE,
            "d_digest": DIGEST_TYPE,
            "d_ids": pl.List(pl.String),
        }
        return pl.LazyFrame(
            schema=empty | {f"d{i}": field.dtype for i, field in enumerate(keys)} | {f"s{i}": pl.Boolean for i in range(len(keys))}
        )
    schema = engine.schema_of(delivered)
    sent = [f"{SENT}{field.column.source}" for field in keys]
    ids = f"{IDENTITIES}:{layout.namespace}"
    return delivered.select(
        pl.col(PROFILE_ID).alias(ID),
        pl.col(TIME).alias("d_time"),
        pl.col(DIGEST).alias("d_digest"),
        (pl.col(ids) if ids in schema else pl.lit(None, dtype=pl.List(pl.String))).alias("d_ids"),
        *(_as_type(name, schema, field.dtype).alias(f"d{i}") for i, (name, field) in enumerate(zip(sent, keys, strict=True))),
        *(pl.lit(name in schema).alias(f"s{i}") for i, name in enumerate(sent)),
    )


def _as_type(name: str, schema: pl.Schema, dtype: pl.DataType) -> pl.Expr:
    if name not in schema:
        return pl.lit(None, dtype=dtype)
    return pl.col(name) if schema[name] == dtype else pl.col(name).cast(dtype, strict=False)


def _judge_members(everyone: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """Why a realized member is not desired: X5, then M2, then M3, in that order."""
    reasons = [(~pl.col("present"), PROFILE_MISSING), *((missing, f"mandatory:{target}") for target, missing in _mandatory(layout))]
    first = pl.coalesce(pl.when(applies).then(pl.lit(reason)) for applies, reason in reasons)
    judged = everyone.with_columns(pl.when("member").then(first).alias(REASON))
    candidates = judged.filter(pl.col("member") & pl.col(REASON).is_null())
    order = [*(pl.col(f"t{i}") for i in range(len(layout.ties))), *layout.id_order()]
    if layout.identity:
        losers = repeated_identities(candidates.select(ID, TIME, "ids", r"^t\d+$"), order)
    elif layout.deduplicate:
        losers = repeated_keys(candidates, [f"k{i}" for i in layout.deduplicate], order).select(ID)
    else:
        losers = pl.LazyFrame(schema={ID: pl.String})
    duplicates = judged.join(losers.with_columns(pl.lit(value=True).alias("loses")), on=ID, how="left")
    judged = duplicates.with_columns(pl.when("loses").then(pl.lit(DUPLICATE)).otherwise(REASON).alias(REASON)).drop("loses")
    return judged.with_columns((pl.col("member") & pl.col(REASON).is_null()).alias("desired"))


def _mandatory(layout: Layout) -> Iterator[tuple[str, pl.Expr]]:
    """Each mandatory column's target and the test for a missing value: null or an empty string (M2)."""
    position = {field.column.source: i for i, field in enumerate(layout.keys)}
    for field in layout.fields:
        if field.role == "identity":
            yield field.column.target, pl.col("ids").list.len() == 0
        elif field.column.mandatory and field.column.source in position:
            value = pl.col(f"k{position[field.column.source]}")
            yield field.column.target, value.is_null() | (value == "") if field.dtype == pl.String else value.is_null()


def _mark_changes(judged: pl.LazyFrame, *, at: datetime, told: bool, changes: bool) -> pl.LazyFrame:
    """Who is considered and who is included (X3, X10): columns same_time, changed, included, exits, considered, time.

    ``changes``: only what differs from the delivered set; ``told``: leavers go out too (status mapped, X3d).
    """
    same_time = (pl.col("held") & (pl.col(TIME) == pl.col("d_time"))).fill_null(value=False)
    differs = (pl.col("digest") != pl.col("d_digest")).fill_null(value=False)
    news = ~same_time | differs if changes else pl.lit(value=True)
    exits = pl.col("held") & ~pl.col("desired") if told else pl.lit(value=False)
    exit_time = pl.when(pl.col(STATUS) == EXITED).then(TIME).otherwise(pl.lit(at, dtype=TIME_TYPE))
    return judged.with_columns(
        (pl.col("desired") & news).alias("included"),
        (pl.col("desired") & same_time & differs & changes).alias(CHANGED),
        exits.alias("exits"),
        ((pl.col("member") & news) | exits).alias("considered"),
        pl.when(exits).then(exit_time).otherwise(TIME).alias("time"),
    )


def _rows(judged: pl.LazyFrame, layout: Layout, *, at: datetime, told: bool) -> pl.LazyFrame:
    """The rows to write, sorted as M6 asks; exits that a desired profile's key forbids are left out (M3, M5)."""
    realized = judged.filter("included").select(
        ID, pl.lit(REALIZED).alias(STATUS), pl.col("time").alias(TIME), *_identity(layout, "ids"), *_sent(layout)
    )
    parts = [realized.explode(IDENTITY) if layout.identity else realized]
    if told:
        parts.append(_identity_exits(judged, layout, at=at) if layout.identity else _exits(judged, layout))
    order = [*layout.id_order(), *([pl.col(IDENTITY)] if layout.identity else [])]
    return pl.concat(parts).sort(order, maintain_order=True)


def _identity(layout: Layout, column: str) -> list[pl.Expr]:
    return [pl.col(column).alias(IDENTITY)] if layout.identity else []


def _sent(layout: Layout) -> list[pl.Expr]:
    """The key values an exit carries: those last sent, or the newest where none were kept (X12)."""
    return [pl.when(f"s{i}").then(f"d{i}").otherwise(f"k{i}").alias(f"o{i}") for i in range(len(layout.keys))]


def _exits(judged: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """One row for each leaver but those whose key a desired profile holds, and one of several with equal keys (M3)."""
    leavers = judged.filter("exits").with_columns(_sent(layout))
    if layout.deduplicate:
        keys = [f"o{i}" for i in layout.deduplicate]
        leavers = leavers.join(_desired_keys(judged, layout), on=keys, how="anti", nulls_equal=False)
        losers = repeated_keys(leavers.with_columns(pl.col("time").alias(TIME)), keys, _exit_order(layout))
        leavers = leavers.join(losers.select(ID), on=ID, how="anti")
    return leavers.select(ID, pl.lit(EXITED).alias(STATUS), pl.col("time").alias(TIME), r"^o\d+$")


def _exit_order(layout: Layout) -> list[pl.Expr]:
    """M3's tie-breaks for exits: the values that their rows carry, which are those last sent where they are kept (X12)."""
    kept = {field.column.source: i for i, field in enumerate(layout.keys)}
    ties = (
        csv_text(pl.col(f"o{kept[field.column.source]}"), field.dtype) if field.column.source in kept else pl.col(f"t{i}")
        for i, field in enumerate(layout.ties)
    )
    return [*ties, *layout.id_order()]


def _desired_keys(judged: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """Keys that must stay at the receiver: those desired profiles hold now, and those last sent for ones not sent this time."""
    desired = judged.filter("desired")
    held = desired.select(pl.col(f"k{i}").alias(f"o{i}") for i in layout.deduplicate)
    kept = desired.filter(~pl.col("included")).with_columns(_sent(layout)).select(f"o{i}" for i in layout.deduplicate)
    return pl.concat([held, kept]).unique()


def _identity_exits(judged: pl.LazyFrame, layout: Layout, *, at: datetime) -> pl.LazyFrame:
    """One row for each identity last sent that no desired profile holds: of leavers, and of included profiles that lost it (M5)."""
    sent = pl.coalesce("d_ids", "ids", pl.lit([], dtype=pl.List(pl.String)))
    leavers = judged.filter("exits").with_columns(sent.alias(IDENTITY))
    losing = judged.filter(pl.col("included") & pl.col("held")).with_columns(
        pl.coalesce("d_ids", pl.lit([], dtype=pl.List(pl.String))).alias(IDENTITY), pl.lit(at, dtype=TIME_TYPE).alias("time")
    )
    desired = judged.filter("desired")
    kept = desired.filter(~pl.col("included")).select(pl.col("d_ids").alias(IDENTITY))
    held = pl.concat([desired.select(pl.col("ids").alias(IDENTITY)), kept]).explode(IDENTITY).drop_nulls().unique()
    rows = pl.concat([leavers, losing]).explode(IDENTITY).filter(pl.col(IDENTITY).is_not_null()).join(held, on=IDENTITY, how="anti")
    order = _exit_order(layout)
    first = rows.with_columns(_sent(layout)).sort(pl.col("time"), *order, descending=[True, *([False] * len(order))], maintain_order=True)
    unique = first.unique(IDENTITY, keep="first", maintain_order=True)
    return unique.select(ID, pl.lit(EXITED).alias(STATUS), pl.col("time").alias(TIME), IDENTITY, r"^o\d+$")


def _exclude_rowless(judged: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Leavers without a row are excluded as duplicates: their key belongs to somebody else."""
    written = rows.filter(pl.col(STATUS) == EXITED).select(ID, pl.lit(value=True).alias("written")).unique()
    lost = pl.col("exits") & pl.col("written").is_null()
    told = pl.col("exits") & pl.col("written").is_not_null()
    outcome = pl.when(lost).then(pl.lit(DUPLICATE)).when(told).then(None).otherwise(REASON)
    return judged.join(written, on=ID, how="left").with_columns(outcome.alias("outcome"))


def _decisions(judged: pl.LazyFrame) -> pl.LazyFrame:
    status = pl.when("exits").then(pl.lit(EXITED)).otherwise(pl.lit(REALIZED))
    decided = judged.filter("considered").select(
        ID, status.alias(STATUS), pl.col("time").alias(TIME), pl.col("outcome").alias(REASON), CHANGED
    )
    return decided.sort(ID)


def _delivered_after(judged: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """The baseline that a success leaves: exactly the desired set, with the values last sent for each profile (X8, X12)."""
    fresh = pl.col("included") | ~pl.col("held")
    sent = [
        pl.when(fresh | ~pl.col(f"s{i}").fill_null(value=False)).then(f"k{i}").otherwise(f"d{i}").alias(f"{SENT}{field.column.source}")
        for i, field in enumerate(layout.keys)
    ]
    ids = pl.when(fresh | pl.col("d_ids").is_null()).then("ids").otherwise("d_ids") if layout.identity else None
    return (
        judged.filter("desired")
        .select(
            pl.col(ID).alias(PROFILE_ID),
            TIME,
            pl.coalesce("digest", "d_digest").alias(DIGEST),
            *sent,
            *([ids.alias(f"{IDENTITIES}:{layout.namespace}")] if ids is not None else []),
        )
        .sort(PROFILE_ID)
    )


def _sizes(judged: pl.LazyFrame) -> pl.LazyFrame:
    return judged.select(pl.col("held").sum(), pl.col("desired").sum(), (pl.col("held") & ~pl.col("desired")).sum().alias("gone"))


def count(decisions: pl.DataFrame) -> Counts:
    """The numbers of X10, from the decisions."""
    excluded = decisions.filter(pl.col(REASON).is_not_null())
    kept = decisions.filter(pl.col(REASON).is_null())
    by_reason = dict(excluded.group_by(REASON).len().sort(REASON).iter_rows())
    return Counts(
        received=decisions.height,
        exported=kept.height,
        excluded=excluded.height,
        realized=kept.filter(pl.col(STATUS) == REALIZED).height,
        exited=kept.filter(pl.col(STATUS) == EXITED).height,
        identity_changed=int(kept[CHANGED].sum()),
        excluded_by=by_reason,
    )
