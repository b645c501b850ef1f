"""Changes against the delivered set: profiles that are included, exit, or are considered (X3, X10)."""

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
    TIME_SENT,
    WAS_DELIVERED,
)
from muster.activation.frames.columns import TIME, TIME_TYPE


def is_unchanged() -> pl.Expr:
    """Whether a profile is a member and was delivered, with equal qualification time and identities (X3a to X3c)."""
    return pl.col(MEMBER) & pl.col(WAS_DELIVERED) & _has_same_time() & ~_has_other_identities()


def _has_same_time() -> pl.Expr:
    """Whether the qualification time is that of the delivered set (X3b)."""
    return (pl.col(WAS_DELIVERED) & (pl.col(TIME) == pl.col(TIME_SENT))).fill_null(value=False)


def _has_other_identities() -> pl.Expr:
    """Whether identities can be compared and differ from those of the delivered set (X3c)."""
    return (pl.col(DIGEST_NOW) != pl.col(DIGEST_SENT)).fill_null(value=False)


def mark_changes(judged: pl.LazyFrame, *, at: datetime, only_changes: bool, sends_exits: bool) -> pl.LazyFrame:
    """Add included, identity_changed, exits, considered and row_time (X3, X10).

    ``only_changes``: desired profiles are included if they differ from the delivered set; otherwise all are.
    ``sends_exits``: delivered profiles that are no longer desired exit (X3d).
    """
    same_time, other_identities = _has_same_time(), _has_other_identities()
    differs = ~same_time | other_identities if only_changes else pl.lit(value=True)
    exits = pl.col(WAS_DELIVERED) & ~pl.col(DESIRED) if sends_exits else pl.lit(value=False)
    exit_time = pl.when(HAS_EXITED).then(TIME).otherwise(pl.lit(at, dtype=TIME_TYPE))
    return judged.with_columns(
        (pl.col(DESIRED) & differs).alias(INCLUDED),
        (pl.col(DESIRED) & same_time & other_identities & only_changes).alias(IDENTITY_CHANGED),
        exits.alias(EXITS),
        ((pl.col(MEMBER) & differs) | exits).alias(CONSIDERED),
        pl.when(exits).then(exit_time).otherwise(TIME).alias(ROW_TIME),
    )
