"""Who of several profiles with one key stays (M3, M5). Pure.

The order of M3: the newest last_qualification_time first; a tie goes to the smallest other mapped values, then the
smallest id.
"""

from collections.abc import Sequence

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import ROW, ROW_TYPE, TIME


def _in_order(frame: pl.LazyFrame, ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """M3's order; texts compare by UTF-8 bytes, null first."""
    return frame.sort(
        pl.col(TIME), *ties, descending=[True, *([False] * len(ties))], nulls_last=False, maintain_order=True
    )


def sharing_keys(frame: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows of ``frame`` whose key another one has too; a null in any key is equal to nothing."""
    keyed = frame.filter(pl.all_horizontal(pl.col(key).is_not_null() for key in keys))
    return keyed.filter(pl.col(keys[0]).is_duplicated()).filter(pl.struct(keys).is_duplicated())


def repeated_keys(sharing: pl.LazyFrame, keys: Sequence[str], ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """The rows (``__row``) that lose to another one with equal keys."""
    return _in_order(sharing, ties).filter(~pl.struct(keys).is_first_distinct()).select(ROW)


def sharing_identities(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of ``frame`` (``ids``: List(String)) with an identity that another one has too."""
    pairs = frame.select(ROW, pl.col("ids").alias("identity")).explode("identity")
    return frame.join(pairs.filter(pl.col("identity").is_duplicated()).select(ROW).unique(), on=ROW, how="semi")


def repeated_identities(sharing: pl.LazyFrame, ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """The profiles (``__row``) that share an identity with one taken before them, in M3's order (M5).

    Whether a profile is taken depends on those taken before it, so the few that share an identity at all are decided
    one by one.
    """
    ordered = engine.collect(_in_order(sharing, ties).select(ROW, "ids"))
    taken: set[str] = set()
    losers: list[int] = []
    for profile, identities in ordered.iter_rows():
        if taken.isdisjoint(identities):
            taken.update(identities)
        else:
            losers.append(profile)
    return pl.LazyFrame({ROW: losers}, schema={ROW: ROW_TYPE})
