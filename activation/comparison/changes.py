"""Changes against the delivered set: profiles that are included, exit, or are considered (X3, X10, X12)."""

from collections.abc import Collection, Iterator
from datetime import datetime

import polars as pl

from muster.activation.comparison.columns import (
    CONSIDERED,
    DESIRED,
    DIGEST_NOW,
    DIGEST_SENT,
    EXITS,
    HAS_EXITED,
    IDENTITY_CHANGED,
    INCLUDED,
    MEMBER,
    REGROUPED,
    ROW_TIME,
    SENT_ANEW,
    TIME_SENT,
    VALUES_CHANGED,
    WAS_DELIVERED,
)
from muster.activation.comparison.keys import SentTypes, differs
from muster.activation.frames.columns import TIME, TIME_TYPE
from muster.activation.mapping.layout import Layout


def is_unchanged() -> pl.Expr:
    """Whether a profile is a member and was delivered, with equal qualification time and identities (X3a to X3c)."""
    return pl.col(MEMBER) & pl.col(WAS_DELIVERED) & _has_same_time() & ~_has_other_identities()


def _has_same_time() -> pl.Expr:
    """Whether the qualification time is that of the delivered set (X3b)."""
    return (pl.col(WAS_DELIVERED) & (pl.col(TIME) == pl.col(TIME_SENT))).fill_null(value=False)


def _has_other_identities() -> pl.Expr:
    """Whether identities can be compared and differ from those of the delivered set (X3c)."""
    return (pl.col(DIGEST_NOW) != pl.col(DIGEST_SENT)).fill_null(value=False)


def is_regrouped(marks: Collection[str]) -> pl.Expr:
    """Whether a profile is of a merge or a split that a delivered id took part in (P11); ``marks`` are those known."""
    return pl.col(REGROUPED).fill_null(value=False) if REGROUPED in marks else pl.lit(value=False)


def is_by_values_alone(marks: Collection[str]) -> pl.Expr:
    """Whether an included profile was delivered, and nothing but its values has changed (X3e)."""
    others = pl.col(SENT_ANEW) | _has_other_identities() | is_regrouped(marks)
    return pl.col(VALUES_CHANGED) & _has_same_time() & ~others


def mark_changes(
    judged: pl.LazyFrame,
    layout: Layout,
    types: SentTypes,
    marks: Collection[str],
    *,
    at: datetime,
    only_changes: bool,
    sends_exits: bool,
) -> pl.LazyFrame:
    """Add the columns of decisions after ``desired``, ``considered`` and ``row_time`` (X3, X10, X12, P11).

    ``only_changes``: desired profiles are included if they differ from the delivered set; otherwise all are.
    ``sends_exits``: delivered profiles that are no longer desired exit (X3d).
    """
    told = is_regrouped(marks)
    anew = differs(layout, types, _remade(layout)) if only_changes else pl.lit(value=False)
    asked = differs(layout, types, _asked_for(layout)) if only_changes else pl.lit(value=False)
    same_time, other_identities = _has_same_time(), _has_other_identities()
    by_value = pl.col(SENT_ANEW) | pl.col(VALUES_CHANGED) | told
    news = ~same_time | other_identities | by_value if only_changes else pl.lit(value=True)
    exits = pl.col(WAS_DELIVERED) & ~pl.col(DESIRED) if sends_exits else pl.lit(value=False)
    has_own_time = pl.col(HAS_EXITED) & ~carries_no_news(layout, marks)
    exit_time = pl.when(has_own_time).then(TIME).otherwise(pl.lit(at, dtype=TIME_TYPE))
    return judged.with_columns(anew.alias(SENT_ANEW), asked.alias(VALUES_CHANGED)).with_columns(
        (pl.col(DESIRED) & news).alias(INCLUDED),
        (pl.col(DESIRED) & same_time & other_identities & ~by_value & only_changes).alias(IDENTITY_CHANGED),
        exits.alias(EXITS),
        ((pl.col(MEMBER) & news) | exits).alias(CONSIDERED),
        pl.when(exits).then(exit_time).otherwise(TIME).alias(ROW_TIME),
    )


def _remade(layout: Layout) -> Iterator[int]:
    """The key columns that are made in another way than at the last delivery (X12): positions in ``Layout.kept``."""
    keys = set(layout.identifying)
    for position, each in enumerate(layout.kept):
        if each.is_made_otherwise and (position in keys or each.field.role == "identity"):
            yield position


def _asked_for(layout: Layout) -> Iterator[int]:
    """The columns whose values `changes` compares (X3e): positions in ``Layout.kept``."""
    for position, each in enumerate(layout.kept):
        is_key = each.is_key and "keys" in layout.changes
        if each.position is not None and (is_key or "attributes" in layout.changes):
            yield position


def withdraws_old_keys(layout: Layout, marks: Collection[str]) -> pl.Expr | None:
    """Whether a key last sent that nobody desired holds exits when its profile is sent again (M5, X3e, X12, P11).

    None where no key does.
    """
    asks = bool({"keys", "attributes"} & set(layout.changes))
    remade = any(layout.kept[i].is_made_otherwise for i in layout.identifying)
    if all(layout.kept[i].position is None for i in layout.identifying):
        return None
    if asks or remade or layout.identity is not None:
        return pl.lit(value=True)
    return is_regrouped(marks) if REGROUPED in marks and has_key(layout) else None


def has_key(layout: Layout) -> bool:
    """Whether the rows of an activation have a key by which a receiver is told of a merge (P11)."""
    return bool(layout.identity or layout.deduplicate) or any(each.role == "profile_id" for each in layout.fields)


def carries_no_news(layout: Layout, marks: Collection[str]) -> pl.Expr:
    """Whether an exit is of a merge or a split: it has what was last sent, null elsewhere, and the instant (P11)."""
    return is_regrouped(marks) & has_key(layout)
