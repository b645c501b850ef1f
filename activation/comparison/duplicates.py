"""Profiles that lose to another one with their key (M3, M5).

M3's order decides who stays: the newest last_qualification_time first, then the smallest other mapped values, then the
smallest profile id.
"""

from collections.abc import Sequence

import polars as pl

from muster.activation.comparison.columns import IDS_NOW, RANK
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW, ROW_TYPE, TIME
from muster.activation.mapping.columns import VALUE
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import exit_key
from muster.activation.values.text import csv_text


def losers(
    candidates: pl.LazyFrame, values: ProfileValues, layout: Layout, keys: Sequence[str], order: Sequence[pl.Expr]
) -> pl.LazyFrame:
    """The candidates (``__row``) that lose to another one with equal ``keys`` or a common identity (M3, M5).

    Candidates have ``__row``, last_qualification_time and ``keys`` (or ``ids_now``), and the columns that ``order``
    reads beside ``layout.ties``. The values of ties are looked up only for candidates that share a key.
    """
    candidates = candidates.select(pl.exclude(f"^{VALUE}.*$"))
    sharing = engine.collect(_sharing_identities(candidates) if layout.identity else _sharing_keys(candidates, keys))
    if sharing.is_empty():
        return pl.LazyFrame(schema={ROW: ROW_TYPE})
    tied = values.of(sharing, layout.ties)
    return _repeated_identities(tied, order) if layout.identity else _repeated_keys(tied, keys, order)


def tie_breaks(layout: Layout) -> list[pl.Expr]:
    """M3's order after the time, for members: the other mapped values as CSV text (M7), then the profile id."""
    return [*(csv_text(pl.col(field.value_column), field.dtype) for field in layout.ties), pl.col(RANK)]


def exit_tie_breaks(layout: Layout) -> list[pl.Expr]:
    """M3's order after the time, for exits: the values that exited rows carry, which are those last sent (X12)."""
    positions = ((field, layout.key_position(field)) for field in layout.ties)
    ties = (
        csv_text(pl.col(field.value_column), field.dtype)
        if position is None
        else csv_text(pl.col(exit_key(position)), layout.keys[position].dtype)
        for field, position in positions
    )
    return [*ties, pl.col(RANK)]


def in_order(frame: pl.LazyFrame, time: str, ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """A frame in M3's order: the newest ``time`` first, then ``ties``; texts compare by UTF-8 bytes, null first."""
    descending = [True, *([False] * len(ties))]
    return frame.sort(pl.col(time), *ties, descending=descending, nulls_last=False, maintain_order=True)


def _sharing_keys(frame: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows of ``frame`` whose key another row has too; a null in any key is equal to nothing."""
    keyed = frame.filter(pl.all_horizontal(pl.col(key).is_not_null() for key in keys))
    return keyed.filter(pl.col(keys[0]).is_duplicated()).filter(pl.struct(keys).is_duplicated())


def _repeated_keys(sharing: pl.LazyFrame, keys: Sequence[str], ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """The rows (``__row``) that stand behind another one with equal keys in M3's order."""
    return in_order(sharing, TIME, ties).filter(~pl.struct(keys).is_first_distinct()).select(ROW)


def _sharing_identities(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of ``frame`` with an identity (``ids_now``) that another row has too."""
    pairs = frame.select(ROW, pl.col(IDS_NOW).alias("identity")).explode("identity")
    return frame.join(pairs.filter(pl.col("identity").is_duplicated()).select(ROW).unique(), on=ROW, how="semi")


def _repeated_identities(sharing: pl.LazyFrame, ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """The profiles (``__row``) that share an identity with one taken before them, in M3's order (M5).

    Whether a profile is taken depends on those taken before it, so the few that share an identity at all are decided
    one by one.
    """
    ordered = engine.collect(in_order(sharing, TIME, ties).select(ROW, IDS_NOW))
    taken: set[str] = set()
    losing: list[int] = []
    for profile, identities in ordered.iter_rows():
        if taken.isdisjoint(identities):
            taken.update(identities)
        else:
            losing.append(profile)
    return pl.LazyFrame({ROW: losing}, schema={ROW: ROW_TYPE})
