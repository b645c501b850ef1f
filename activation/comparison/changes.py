"""Changes against the delivered set: profiles that are included, exit, or are considered (X3, X10, X12)."""

from collections.abc import Iterator
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


def is_by_values_alone() -> pl.Expr:
    """Whether an included profile was delivered, and nothing but its values has changed (X3e)."""
    return pl.col(VALUES_CHANGED) & ~pl.col(SENT_ANEW) & _has_same_time() & ~_has_other_identities()


def mark_changes(
    judged: pl.LazyFrame, layout: Layout, types: SentTypes, *, at: datetime, only_changes: bool, sends_exits: bool
) -> pl.LazyFrame:
    """Add the columns of decisions after ``desired``, ``considered`` and ``row_time`` (X3, X10, X12).

    ``only_changes``: desired profiles are included if they differ from the delivered set; otherwise all are.
    ``sends_exits``: delivered profiles that are no longer desired exit (X3d).
    """
    anew = differs(layout, types, _remade(layout)) if only_changes else pl.lit(value=False)
    asked = differs(layout, types, _asked_for(layout)) if only_changes else pl.lit(value=False)
    same_time, other_identities = _has_same_time(), _has_other_identities()
    by_value = pl.col(SENT_ANEW) | pl.col(VALUES_CHANGED)
    news = ~same_time | other_identities | by_value if only_changes else pl.lit(value=True)
    exits = pl.col(WAS_DELIVERED) & ~pl.col(DESIRED) if sends_exits else pl.lit(value=False)
    exit_time = pl.when(HAS_EXITED).then(TIME).otherwise(pl.lit(at, dtype=TIME_TYPE))
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


def withdraws_old_keys(layout: Layout) -> bool:
    """Whether a key last sent that nobody desired holds exits when its profile is sent again (M5, X3e, X12)."""
    asks = bool({"keys", "attributes"} & set(layout.changes))
    remade = any(layout.kept[i].is_made_otherwise for i in layout.identifying)
    is_in_files = any(layout.kept[i].position is not None for i in layout.identifying)
    return is_in_files and (asks or remade or layout.identity is not None)
