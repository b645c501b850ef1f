"""Distinct identities of a source, and the links between them: pairs of identities of one record (P3)."""

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.sources.cleaning import MOST
from muster.activation.sources.identity_keys import CHECK, KEY, KEY_TYPE, check_range, refuse_collisions
from muster.activation.sources.keyed import RECORD, RECORD_TYPE, Keyed
from muster.activation.sources.row_order import as_number, as_time, number_in, order, record_in

# Distinct identities, in any order: ``oldest`` is the time of the oldest record that holds the identity now, null for
# no time, which is older than any; ``key`` and ``check`` are as in ``identity_keys``.
IDENTITIES = pl.Schema(
    {"namespace": pl.String(), "id": pl.String(), "oldest": TIME_TYPE, KEY: KEY_TYPE, CHECK: KEY_TYPE}
)
# Pairs of identities of one record, by their keys, ``a`` the smaller one, with the record and its time. Several records
# may state a pair; of events, which repeat their pairs, the newest one is there, of equally new ones the last.
LINKS = pl.Schema({"a": KEY_TYPE, "b": KEY_TYPE, "time": TIME_TYPE, RECORD: RECORD_TYPE})


def distinct_identities(found: Sequence[Keyed], times: pl.Series) -> pl.DataFrame:
    """The distinct identities of all columns, of ``IDENTITIES``; ``CollisionError`` when two have one key.

    ``times`` has the time (TIME_TYPE) of each row of the table.
    """
    names = pl.Enum(sorted({each.namespace for each in found}))
    numbers = times.to_frame("time").select(as_number(pl.col("time")))["time"]
    pieces = [
        each.counting.lazy().select(
            pl.lit(each.namespace, dtype=names).alias("namespace"),
            "id",
            KEY,
            CHECK,
            pl.lit(numbers).gather(pl.col(RECORD)).alias("time"),
        )
        for each in found
    ]
    firsts = pl.col("namespace", "id").first()
    by_key = pl.concat(pieces).group_by(KEY).agg(firsts, *check_range(), pl.col("time").min())
    read = engine.collect(by_key)
    refuse_collisions(read)
    return read.select(
        pl.col("namespace").cast(pl.String),
        "id",
        as_time(pl.col("time")).alias("oldest"),
        KEY,
        pl.col("least").alias(CHECK),
    )


def links(found: Sequence[Keyed], times: pl.Series, *, are_repeated: bool) -> tuple[pl.DataFrame, int]:
    """The links, of ``LINKS``, and how many records hold too many identities to link any (P2).

    With ``are_repeated`` of each pair only the newest is returned.
    """
    if len(found) <= MOST and all(each.once for each in found):
        pairs, too_many = _pairs_across(found), 0
    else:
        pairs, too_many = _pairs_in_lists(found)
    numbers = times.to_frame("time").select(as_number(pl.col("time")))["time"]
    if not are_repeated:
        time = as_time(pl.lit(numbers).gather(pl.col(RECORD))).alias("time")
        return engine.collect(pairs.select("a", "b", time, RECORD)), too_many
    place = order(pl.lit(numbers).gather(pl.col(RECORD)), pl.col(RECORD))
    newest = pairs.with_columns(place.alias("order")).group_by("a", "b").agg(pl.col("order").max())
    time, record = as_time(number_in(pl.col("order"))), record_in(pl.col("order"))
    return engine.collect(newest.select("a", "b", time.alias("time"), record.alias(RECORD))), too_many


def _pairs_across(found: Sequence[Keyed]) -> pl.LazyFrame:
    """The pairs of records that have one identity at most in each column: ``a``, ``b``, ``record``."""
    keys = pl.DataFrame([each.frame[KEY].alias(str(place)) for place, each in enumerate(found)]).lazy()
    keys = keys.with_columns(pl.int_range(pl.len(), dtype=RECORD_TYPE).alias(RECORD))
    pieces = [_pairs(keys, pl.col(str(one)), pl.col(str(other))) for one, other in combinations(range(len(found)), 2)]
    return pl.concat(pieces) if pieces else _pairs(keys, pl.col("0"), pl.col("0"))


def _pairs(frame: pl.LazyFrame, one: pl.Expr, other: pl.Expr) -> pl.LazyFrame:
    least, greatest = pl.min_horizontal(one, other).alias("a"), pl.max_horizontal(one, other).alias("b")
    return frame.filter(one != other).select(least, greatest, RECORD)


def _pairs_in_lists(found: Sequence[Keyed]) -> tuple[pl.LazyFrame, int]:
    """The pairs of records that may have several identities in a column, and how many records have too many."""
    members = engine.collect(pl.concat([each.counting.lazy().select(RECORD, KEY) for each in found]).unique())
    sizes = members.group_by(RECORD).len()
    linking = sizes.filter(pl.col("len").is_between(2, MOST))
    members = members.join(linking.select(RECORD), on=RECORD, how="semi")
    pairs = members.lazy().join(members.lazy(), on=RECORD).filter(pl.col(KEY) < pl.col(f"{KEY}_right"))
    too_many = int((sizes["len"] > MOST).sum())
    return pairs.select(pl.col(KEY).alias("a"), pl.col(f"{KEY}_right").alias("b"), RECORD), too_many
