"""The counts of a run of messages once the answers are known, and who was left out (V10, V11)."""

from dataclasses import dataclass

import polars as pl

from muster.activation.comparison.columns import REASON
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.outbox.outcomes import ACCEPTED, OUTCOME
from muster.activation.outbox.outcomes import REASON as ANSWERED_REASON
from muster.activation.profile_changes.changes import Changes, Counts
from muster.activation.profile_changes.delivered_rows import TRIES
from muster.activation.profile_changes.people import IS_COUNTED, IS_FORGOTTEN, RESYNC, TRIGGER, TRIGGERS, held
from muster.activation.settling import answered as of

WAITING, NOT_SENT = "waiting", "unsent"  # reasons for which profiles are excluded in one run (V7, V10)
REFUSED = "refused:"  # before the status or the reason of a refusal, in counts and rejects (V10)


@dataclass(frozen=True, eq=False)
class Counted:
    """The counts of a run, and the excluded profiles: profile_id, reason, tries (UInt16), by id."""

    counts: Counts
    rejects: pl.DataFrame


def counted_as_planned(changes: Changes, entries: pl.LazyFrame) -> Counted:
    """The counts of a run in which a receiver accepts all of these entries."""
    accepted = entries.with_columns(pl.lit(ACCEPTED).alias(OUTCOME), pl.lit(None, pl.String).alias(ANSWERED_REASON))
    told = changes.people
    answers = of.answered(told, accepted, len(changes.told), by_identifier=held(0) in told.columns)
    tries = pl.Series(TRIES, [0], pl.UInt16()).new_from_index(0, told.height)
    return counted_by_answers(told, answers, tries, changes.counts, changes.excluded)


def counted_by_answers(
    told: pl.DataFrame, answers: pl.DataFrame, tries: pl.Series, counts: Counts, excluded: pl.DataFrame
) -> Counted:
    """The counts of a run once the answers to each of its people are known; ``tries`` are those of before.

    ``counts`` and ``excluded`` are those of ``Changes``. Whom a receiver refused, who waits, and who was not sent, is
    excluded.
    """
    statuses = [pl.col(name).fill_null(value=False) for name in told.columns if name.startswith("status:")]
    is_member = pl.any_horizontal(*statuses, pl.lit(value=False)).alias("is_member")
    beside = pl.concat(
        [told.select(PROFILE_ID, TRIGGER, IS_COUNTED, IS_FORGOTTEN, is_member), answers, tries.to_frame()],
        how="horizontal",
    )
    is_refused, was_tried = pl.col(of.IS_REFUSED), pl.col(TRIES).fill_null(0)
    why = (
        pl.when(is_refused)
        .then(pl.lit(REFUSED) + pl.col(REASON).fill_null(""))
        .when(pl.col(of.WAITS))
        .then(pl.lit(WAITING))
        .when(of.IS_UNSENT)
        .then(pl.lit(NOT_SENT))
    )
    sending = beside.lazy().filter(pl.col(IS_COUNTED) & (pl.col(of.HAS_ENTRIES) | pl.col(of.WAITS)))
    found = engine.collect(
        sending.select(
            pl.when(~pl.col(IS_FORGOTTEN)).then(PROFILE_ID).alias(PROFILE_ID),
            TRIGGER,
            "is_member",
            why.alias("why"),
            pl.when(is_refused).then(was_tried + 1).otherwise(was_tried).cast(pl.UInt16).alias(TRIES),
        ),
        told.height,
    )
    left = found.filter(pl.col("why").is_not_null()).select(PROFILE_ID, pl.col("why").alias(REASON), TRIES)
    rejects = pl.concat([excluded, left]).sort(PROFILE_ID, REASON)
    return Counted(_counts(found.filter(pl.col("why").is_null()), rejects, counts), rejects)


def _counts(sent: pl.DataFrame, rejects: pl.DataFrame, before: Counts) -> Counts:
    triggers = dict(sent.group_by(TRIGGER).len().iter_rows())
    realized = int(sent["is_member"].sum())
    return Counts(
        received=before.received,
        exported=sent.height,
        excluded=rejects.height,
        realized=realized,
        exited=sent.height - realized,
        excluded_by=dict(rejects.group_by(REASON).len().sort(REASON).iter_rows()),
        by_trigger={name: triggers[name] for name in (*TRIGGERS, RESYNC) if name in triggers},
    )
