"""Who of several profiles with one key stays (M3, M5). Pure.

The order of M3: the newest last_qualification_time first; a tie goes to the smallest other mapped values, then the smallest id.
"""

from collections.abc import Sequence

import polars as pl

from activation import engine
from activation.frames import ID, TIME


def _in_order(frame: pl.LazyFrame, ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """M3's order; texts compare by UTF-8 bytes, null first."""
    return frame.sort(pl.col(TIME), *ties, descending=[True, *([False] * len(ties))], nulls_last=False, maintain_order=True)


def repeated_keys(frame: pl.LazyFrame, keys: Sequence[str], ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """The rows of ``frame`` that lose to another one with equal keys; a null in any key is equal to nothing."""
    keyed = frame.filter(pl.all_horizontal(pl.col(key).is_not_null() for key in keys))
    return _in_order(keyed, ties).filter(~pl.struct(keys).is_first_distinct())


def repeated_identities(frame: pl.LazyFrame, ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """The profiles (``__id``) that share an identity with one taken before them, in M3's order (M5).

    Whether a profile is taken depends on those taken before it, so the few that share an identity at all are decided one by one.
    """
    pairs = frame.select(ID, pl.col("ids").alias("identity")).explode("identity")
    sharing = pairs.filter(pl.col("identity").is_duplicated()).select(ID).unique()
    ordered = engine.collect(_in_order(frame.join(sharing, on=ID, how="semi"), ties).select(ID, "ids"))
    taken: set[str] = set()
    losers: list[str] = []
    for profile, identities in ordered.iter_rows():
        if taken.isdisjoint(identities):
            taken.update(identities)
        else:
            losers.append(profile)
    return pl.LazyFrame({ID: losers}, schema={ID: pl.String})
