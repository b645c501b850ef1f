"""Hashes of profile ids: numbers that group and join in half the time of the text.

Two ids can have one hash, though that is very unlikely. So each id has a second, independent *check hash*: the events
that were grouped under a profile's id hash are all the profile's if the least and the greatest of their check hashes
are the profile's. Where they are not, callers group by the id itself.
"""

import polars as pl

from muster.activation.frames.columns import ID, INTERNAL

ID_HASH = f"{INTERNAL}id_hash"  # UInt64
CHECK_HASH = f"{INTERNAL}check_hash"  # UInt32
LEAST, GREATEST = f"{INTERNAL}least_check", f"{INTERNAL}greatest_check"  # UInt32, of a group
_HASHES, _CHECK_HASHES = 1 << 64, 1 << 32


def with_id_hash(frame: pl.LazyFrame) -> pl.LazyFrame:
    """A frame with ``muster:id`` (String), and beside it ``muster:id_hash`` and ``muster:check_hash``."""
    check_hash = (pl.col(ID).hash(2) % _CHECK_HASHES).cast(pl.UInt32)
    return frame.with_columns(_hash(pl.col(ID)).alias(ID_HASH), check_hash.alias(CHECK_HASH))


def hashes_of(ids: pl.Series) -> pl.Series:
    """The id hash (UInt64) of each id (String)."""
    return pl.DataFrame({ID: ids}).select(_hash(pl.col(ID)).alias(ID_HASH))[ID_HASH]


def _hash(ids: pl.Expr) -> pl.Expr:
    return ids.hash(1)


def check_range() -> list[pl.Expr]:
    """The aggregates of a group by ``ID_HASH`` that ``has_collision`` needs: ``LEAST`` and ``GREATEST``."""
    return [pl.col(CHECK_HASH).min().alias(LEAST), pl.col(CHECK_HASH).max().alias(GREATEST)]


def has_collision() -> pl.Expr:
    """Whether a profile was joined with a group that holds events of another id; False if with no group."""
    own = pl.col(CHECK_HASH)
    return ((pl.col(LEAST) != own) | (pl.col(GREATEST) != own)).fill_null(value=False)


def ranges(parts: int) -> list[pl.Expr]:
    """Conditions on ``muster:id_hash`` that divide the profiles into ``parts`` groups of nearly equal size."""
    bounds = [_HASHES * part // parts for part in range(parts)]
    starts = [pl.col(ID_HASH) >= pl.lit(bound, dtype=pl.UInt64) for bound in bounds]
    ends = [pl.col(ID_HASH) < pl.lit(bound, dtype=pl.UInt64) for bound in bounds[1:]]
    return [start & end for start, end in zip(starts, [*ends, pl.lit(value=True)], strict=True)]
