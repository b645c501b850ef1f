"""Members and delivered profiles side by side: the frame that reasons and changes are decided on (X2)."""

import polars as pl

from muster.activation.comparison.columns import (
    DIGEST_NOW,
    HAS_EXITED,
    MEMBER,
    PRESENT,
    RANK,
    TIME_SENT,
    WAS_DELIVERED,
)
from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, REALIZED, ROW, STATUS, TIME
from muster.activation.profiles.identities import DIGEST_TYPE
from muster.activation.profiles.positions import inverse
from muster.activation.profiles.roster import Roster


def side_by_side(
    memberships: pl.DataFrame,
    delivered: pl.DataFrame,
    roster: Roster,
    *,
    compares_identities: bool,
) -> pl.DataFrame:
    """One row for each realized or delivered profile: its membership, its delivered values, its place in the roster.

    ``delivered`` is ``SentBefore.frame``. Columns: muster:row, last_qualification_time, member, has_exited,
    was_delivered, present, rank, digest_now, and those of ``delivered``, null for profiles that were not delivered.
    """
    members = memberships.select(ROW, STATUS, TIME)
    if delivered.is_empty():
        blank = (pl.lit(None, dtype).alias(name) for name, dtype in delivered.schema.items() if name != ROW)
        known = members.lazy().filter(pl.col(STATUS) == REALIZED).with_columns(blank)
    else:
        known = _joined(members, delivered, roster.length).lazy()
    found = engine.collect(
        known.with_columns(
            (pl.col(STATUS) == REALIZED).fill_null(value=False).alias(MEMBER),
            (pl.col(STATUS) == EXITED).fill_null(value=False).alias(HAS_EXITED),
            pl.col(TIME_SENT).is_not_null().alias(WAS_DELIVERED),
        )
        .drop(STATUS)
        .filter(pl.col(MEMBER) | pl.col(WAS_DELIVERED))
    )
    rows = found[ROW]
    ranked = found.with_columns(roster.rank_of(rows).alias(RANK), roster.is_present(rows).alias(PRESENT))
    digests = roster.digests_of(rows) if compares_identities else pl.lit(None, DIGEST_TYPE)
    return ranked.with_columns(digests.alias(DIGEST_NOW))


def _joined(members: pl.DataFrame, delivered: pl.DataFrame, length: int) -> pl.DataFrame:
    """A full join by ``muster:row``, numbers below ``length``: a table of positions is faster than hashing."""
    positions = inverse(delivered[ROW], length).gather(members[ROW])
    beside = delivered.drop(ROW).select(pl.all().gather(positions))
    alone = delivered.filter(inverse(members[ROW], length).gather(delivered[ROW]).is_null())
    return pl.concat([members.hstack(beside), alone], how="diagonal")
