"""Whom a run of messages tells, and why: the triggers, as conditions over one row a profile (V3, V4, V11)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.comparison.columns import DESIRED, FORGOTTEN, MEMBER, PRESENT, REASON
from muster.activation.comparison.reasons import FORGOTTEN_REASON, NO_CONSENT, PROFILE_MISSING, Reason, judge
from muster.activation.frames.columns import TIME, TIME_TYPE
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.profile_changes.columns import (
    HELD_DIFFERS,
    IDS_NOW,
    IS_DESIRED,
    IS_OWED,
    IS_REGROUPED,
    IS_UNCERTAIN,
    KEPT_DIFFERS,
    LEAVES,
    LEFT_OUT,
    VALUES_NOW,
    WAS_SENT,
    WITHDRAWN,
    changed,
    desired,
    exits,
    has_left,
    holds,
    joins,
    member,
    reason,
    since,
)
from muster.activation.profile_changes.delivered_rows import MAPPING, OWED, TRIES, maybe_status
from muster.activation.profile_changes.people import (
    IDS_DIGEST,
    IS_WITHDRAWAL,
    RESYNC,
    TRIGGER,
    TRIGGERS,
    VALUES_DIGEST,
    is_new,
    is_told,
    status,
    time,
)
from muster.activation.values.identities import DIGEST_TYPE

_NO = pl.lit(value=False)


@dataclass(frozen=True)
class Situation:
    """What the decision depends on beside each profile."""

    at: datetime
    mapped: Sequence[int]  # the places of mapped audiences
    taken_out: Sequence[int]
    backfills: frozenset[int]  # places of mapped audiences whose members were not all sent yet (V4)
    triggers: frozenset[str]  # those that are on
    fingerprint: int  # of the mapping
    resends_mapping: bool = False
    is_resync: bool = False
    marks: tuple[str, ...] = ()

    @property
    def places(self) -> Sequence[int]:
        """All places."""
        return (*self.mapped, *self.taken_out)


def with_reasons(
    frame: pl.LazyFrame, reasons: tuple[Reason, ...], values: ProfileValues, places: Iterable[int]
) -> pl.LazyFrame:
    """Add ``reason(i)`` and ``desired(i)`` of mapped audiences, for reasons that need no values (X2)."""
    for place in places:
        asked = frame.with_columns(pl.col(member(place)).alias(MEMBER), pl.col(since(place)).alias(TIME))
        named = {REASON: reason(place), DESIRED: desired(place)}
        frame = judge(asked, reasons, values).rename(named).drop(MEMBER, TIME)
    return frame


def with_withdrawn(frame: pl.LazyFrame, reasons: tuple[Reason, ...]) -> pl.LazyFrame:
    """Add ``withdrawn``: a member to whom one of these reasons applies is told nothing but exits (V3, G4, G8)."""
    of_all = {PROFILE_MISSING, FORGOTTEN_REASON}
    withdrawing = (each for each in reasons if each.name in of_all or each.name.startswith(NO_CONSENT))
    applies = (each.applies for each in withdrawing if isinstance(each.applies, pl.Expr))
    return frame.with_columns(pl.any_horizontal(*applies, _NO).fill_null(value=True).alias(WITHDRAWN))


def with_decisions(frame: pl.LazyFrame, situation: Situation) -> pl.LazyFrame:
    """Add who is told: ``trigger``, null for a profile that is not; ``left_out``, the reason why a member is not.

    ``frame`` has ``reason(i)``, ``desired(i)`` and ``withdrawn``, and maybe ``held_differs`` and ``kept_differs``.
    """
    mapped, taken_out = situation.mapped, situation.taken_out
    held = ((_true(status(i)) | _true(maybe_status(i))).alias(holds(i)) for i in situation.places)
    news = (
        (pl.col(desired(i)) & (~_true(status(i)) | pl.col(since(i)).ne_missing(pl.col(time(i))))).alias(joins(i))
        for i in mapped
    )
    found = frame.with_columns(*held, *news, _any(desired(i) for i in mapped).alias(IS_DESIRED))
    leaving = ((pl.col(holds(i)) & ~pl.col(desired(i))).alias(exits(i)) for i in mapped)
    withdrawn = ((pl.col(holds(i)) & pl.col(WITHDRAWN)).alias(exits(i)) for i in taken_out)
    found = found.with_columns(*leaving, *withdrawn, _any(holds(i) for i in situation.places).alias(WAS_SENT))
    unsettled = [
        pl.col(maybe_status(i)).is_not_null() & (pl.lit(i in mapped) | pl.col(WITHDRAWN)) for i in situation.places
    ]
    found = found.with_columns(
        _any(exits(i) for i in situation.places).alias(LEAVES), pl.any_horizontal(*unsettled, _NO).alias(IS_UNCERTAIN)
    )
    found = found.with_columns(each.alias(name) for name, each in _changes(situation).items())
    found = found.with_columns((_is_owed(situation) & (pl.col(IS_DESIRED) | pl.col(LEAVES))).alias(IS_OWED))
    found = found.with_columns(_trigger(situation).alias(TRIGGER))
    return found.with_columns(_left_out(situation).alias(LEFT_OUT))


def _changes(situation: Situation) -> dict[str, pl.Expr]:
    """What changed of each profile, by trigger (V3)."""
    on = situation.triggers
    is_gone = ~_true(PRESENT) & ~_forgotten(situation)
    withdraws = pl.col(WITHDRAWN) & pl.col(WAS_SENT)
    members = _any([*(joins(i) for i in situation.mapped), *(exits(i) for i in situation.mapped)])
    made_so = pl.col(MAPPING) == pl.lit(situation.fingerprint, DIGEST_TYPE)
    made_otherwise = (pl.col(MAPPING) != pl.lit(situation.fingerprint, DIGEST_TYPE)).fill_null(value=False)
    others = pl.col(WAS_SENT) & (pl.col(IDS_NOW) != pl.col(IDS_DIGEST)) & pl.lit("identity" in on)
    held = _true(HELD_DIFFERS) & (pl.lit("identity" in on) | made_otherwise)
    values = made_so & (pl.col(VALUES_NOW) != pl.col(VALUES_DIGEST)) & pl.lit("attributes" in on)
    remade = made_otherwise & (_true(KEPT_DIFFERS) | pl.lit(situation.resends_mapping))
    found = {
        "consent": withdraws & ~is_gone,
        "membership": members & pl.lit("membership" in on) | _any(joins(i) for i in sorted(situation.backfills)),
        "identity": pl.col(IS_DESIRED) & (others | _true(IS_REGROUPED) | held),
        "attributes": pl.col(IS_DESIRED) & pl.col(WAS_SENT) & (values | remade),
    }
    return {changed(name): each.fill_null(value=False) for name, each in found.items()}


def _trigger(situation: Situation) -> pl.Expr:
    """The first trigger that applies (V11)."""
    first = (pl.when(changed(name)).then(pl.lit(name)) for name in TRIGGERS)
    unsettled = pl.col(IS_UNCERTAIN) & (pl.col(IS_DESIRED) | pl.col(LEAVES))
    owed = pl.when(pl.col(IS_OWED) | unsettled).then(pl.coalesce(OWED, pl.lit("membership")))
    return pl.coalesce(*first, owed, pl.when(pl.col(IS_DESIRED) & situation.is_resync).then(pl.lit(RESYNC)))


def _is_owed(situation: Situation) -> pl.Expr:
    """Whether a message is still to be sent, though nothing may have changed since (V2, V10, P11)."""
    # The row says what has changed, if membership is a trigger, and not one of several identifiers was refused (M5).
    was_refused = pl.col(TRIES).fill_null(0) > 0
    joined = (pl.col(OWED) == "membership") & pl.lit("membership" not in situation.triggers)
    return pl.col(OWED).is_not_null() & ~pl.col(IS_UNCERTAIN) & (~was_refused | joined | _true(HELD_DIFFERS))


def _left_out(situation: Situation) -> pl.Expr:
    """The reason for which a member whom nobody was told of is told nothing; null for others (X10)."""
    asked = situation.mapped if "membership" in situation.triggers else situation.backfills
    found = (pl.when(~pl.col(holds(i)) & pl.col(member(i))).then(reason(i)) for i in sorted(asked))
    return pl.when(pl.col(TRIGGER).is_null()).then(pl.coalesce(*found, pl.lit(None, pl.String)))


def what_is_told(situation: Situation) -> list[pl.Expr]:
    """``is_withdrawal``, and ``status``, ``time``, ``is_told`` and ``is_new`` by audience, of who is told (V3).

    An exit has the time at which the profile left the audience, else the instant.
    """
    at = pl.lit(situation.at, TIME_TYPE)
    again = pl.col(changed("identity")) | pl.col(changed("attributes")) | pl.col(IS_OWED) | situation.is_resync
    found = [pl.col(WITHDRAWN).alias(IS_WITHDRAWAL)]
    for i in situation.places:
        is_desired = pl.col(desired(i)) if i in situation.mapped else _NO
        has_time = pl.col(has_left(i)) if i in situation.mapped else _NO
        news = pl.col(joins(i)) | (is_desired & again) if i in situation.mapped else _NO
        unsettled = pl.col(maybe_status(i)).is_not_null() & is_desired
        left = pl.when(has_time).then(since(i)).otherwise(at)
        found += [
            pl.when(is_desired).then(pl.lit(value=True)).when(exits(i)).then(pl.lit(value=False)).alias(status(i)),
            pl.when(is_desired).then(since(i)).when(exits(i)).then(left).alias(time(i)),
            (pl.col(exits(i)) | news | unsettled).alias(is_told(i)),
            (pl.col(exits(i)) | (_true(joins(i)) if i in situation.mapped else _NO)).alias(is_new(i)),
        ]
    return found


def _any(names: Iterable[str]) -> pl.Expr:
    return pl.any_horizontal(*(_true(name) for name in names), _NO)


def _true(name: str) -> pl.Expr:
    return pl.col(name).fill_null(value=False)


def _forgotten(situation: Situation) -> pl.Expr:
    return _true(FORGOTTEN) if FORGOTTEN in situation.marks else _NO
