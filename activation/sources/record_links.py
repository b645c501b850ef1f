"""The distinct identities of a source, and the links between them: pairs of identities of one record (P3)."""

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.sources.cleaning import MOST
from muster.activation.sources.identity_keys import CHECK, KEY, KEY_TYPE, dense, firsts, refuse_collisions
from muster.activation.sources.keyed import RECORD, RECORD_TYPE, Keyed
from muster.activation.sources.row_order import as_number, as_time, number_in, order, record_in

NUMBER_TYPE = pl.UInt32()

# The distinct identities of a source; a row is an identity's number in that source. ``oldest`` is the time of the
# oldest record that holds the identity now, null for no time, which is older than any; ``key`` and ``check`` are as in
# ``identity_keys``. The categories of ``namespace`` are the names that are there, sorted.
IDENTITIES = pl.Schema(
    {"namespace": pl.Enum([]), "id": pl.String(), "oldest": TIME_TYPE, KEY: KEY_TYPE, CHECK: KEY_TYPE}
)
# Pairs of identities of one record, by numbers, ``a`` the smaller one, with the record and its time. Several records
# may state a pair; of events, which repeat their pairs, the newest one is there, of equally new ones the last.
LINKS = pl.Schema({"a": NUMBER_TYPE, "b": NUMBER_TYPE, "time": TIME_TYPE, RECORD: RECORD_TYPE})


def distinct_identities(found: Sequence[Keyed], times: pl.Series) -> tuple[pl.DataFrame, list[pl.Series]]:
    """The distinct identities of all columns (IDENTITIES), and for each column the numbers of its rows.

    ``times`` has the time (TIME_TYPE) of each row of the table. Numbers (NUMBER_TYPE) are null where no identity
    counts. ``CollisionError`` when two identities have one key.
    """
    keys, checks, ids = (pl.concat([each.frame[name] for each in found], rechunk=True) for name in (KEY, CHECK, "id"))
    numbers = dense(keys)
    first = firsts(numbers)
    refuse_collisions(numbers, checks, first)
    names = pl.Enum(sorted({each.namespace for each in found}))
    namespaces = pl.concat([pl.repeat(each.namespace, each.frame.height, dtype=names, eager=True) for each in found])
    identities = pl.DataFrame(
        [
            namespaces.gather(first).alias("namespace"),
            ids.gather(first).alias("id"),
            _oldest(found, times, numbers, len(first)),
            keys.gather(first).alias(KEY),
            checks.gather(first).alias(CHECK),
        ]
    )
    starts = [0]
    for each in found:
        starts.append(starts[-1] + each.frame.height)
    return identities, [numbers.slice(start, each.frame.height) for start, each in zip(starts, found, strict=False)]


def _oldest(found: Sequence[Keyed], times: pl.Series, numbers: pl.Series, count: int) -> pl.Series:
    """The time of the oldest record that holds each of ``count`` identities, ``oldest`` (TIME_TYPE)."""
    if count == 0 or times.n_unique() == 1:
        return times.head(1).new_from_index(0, count).alias("oldest")
    of_rows = [times if each.once else times.gather(each.frame[RECORD]) for each in found]
    return oldest_of(pl.concat(of_rows), numbers, count)


def oldest_of(times: pl.Series, numbers: pl.Series, count: int) -> pl.Series:
    """The oldest of the times (TIME_TYPE) of each of ``count`` numbers: ``oldest`` (TIME_TYPE)."""
    held = pl.LazyFrame([numbers.alias("number"), times.alias("time")]).drop_nulls("number")
    oldest = held.group_by("number").agg(as_number(pl.col("time")).min().alias("time"))
    read = engine.collect(oldest, len(numbers))
    ordered = pl.zeros(count, dtype=pl.Int64, eager=True).scatter(read["number"], read["time"])
    return ordered.to_frame("oldest").select(as_time(pl.col("oldest")).alias("oldest"))["oldest"]


def links(
    found: Sequence[Keyed], numbers: Sequence[pl.Series], times: pl.Series, *, are_repeated: bool
) -> tuple[pl.DataFrame, int]:
    """The links (LINKS), and how many records hold too many identities to link any (P2).

    ``numbers`` are of ``distinct_identities``. With ``are_repeated`` of each pair only the newest is returned.
    """
    if len(found) <= MOST and all(each.once for each in found):
        pairs, too_many = _pairs_across(numbers), 0
    else:
        pairs, too_many = _pairs_in_lists(found, numbers)
    dated = pairs.with_columns(_at(times, pl.col(RECORD)).alias("time")).select([*LINKS])
    return engine.collect(newest_links(dated) if are_repeated else dated, len(times)), too_many


def newest_links(links: pl.LazyFrame) -> pl.LazyFrame:
    """Links (LINKS), of each pair the newest, of equally new ones the last."""
    packed = packed_pair(pl.col("a"), pl.col("b")).alias("pair")
    dated = links.select(packed, order(as_number(pl.col("time")), pl.col(RECORD)).alias("order"))
    newest = dated.group_by("pair").agg(pl.col("order").max())
    time, record = as_time(number_in(pl.col("order"))), record_in(pl.col("order"))
    both = (each.alias(name) for name, each in zip(("a", "b"), unpacked_pair(pl.col("pair")), strict=True))
    return newest.select(*both, time.alias("time"), record.alias(RECORD))


def _at(values: pl.Series, places: pl.Expr) -> pl.Expr:
    return pl.lit(values).gather(places)


def packed_pair(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Two numbers (UInt32) as one (UInt64), which groups and sorts faster."""
    return one.cast(pl.UInt64) * (1 << 32) + other.cast(pl.UInt64)


def unpacked_pair(pair: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The two numbers (UInt32) of a ``packed_pair``."""
    return (pair // (1 << 32)).cast(NUMBER_TYPE), (pair % (1 << 32)).cast(NUMBER_TYPE)


def _pairs_across(numbers: Sequence[pl.Series]) -> pl.LazyFrame:
    """The pairs of records that have one identity at most in each column: ``a``, ``b``, ``record``."""
    frame = pl.DataFrame([each.alias(str(place)) for place, each in enumerate(numbers)]).lazy()
    frame = frame.with_columns(pl.int_range(pl.len(), dtype=RECORD_TYPE).alias(RECORD))
    both = [(pl.col(str(one)), pl.col(str(other))) for one, other in combinations(range(len(numbers)), 2)]
    pieces = [
        frame.filter(one != other).select(
            pl.min_horizontal(one, other).alias("a"), pl.max_horizontal(one, other).alias("b"), RECORD
        )
        for one, other in both
    ]
    return pl.concat([pl.LazyFrame(schema={"a": NUMBER_TYPE, "b": NUMBER_TYPE, RECORD: RECORD_TYPE}), *pieces])


def _pairs_in_lists(found: Sequence[Keyed], numbers: Sequence[pl.Series]) -> tuple[pl.LazyFrame, int]:
    """The pairs of records that may have several identities in a column, and how many records have too many."""
    rows = sum(each.frame.height for each in found)
    held = [
        pl.LazyFrame([each.frame[RECORD], of_each.alias("a")]).drop_nulls()
        for each, of_each in zip(found, numbers, strict=True)
    ]
    members = engine.collect(pl.concat(held).unique(), rows)
    sizes = engine.collect(members.lazy().group_by(RECORD).len(), rows)
    linking = sizes.lazy().filter(pl.col("len").is_between(2, MOST)).select(RECORD)
    both = members.lazy().join(linking, on=RECORD, how="semi")
    pairs = both.join(both.rename({"a": "b"}), on=RECORD).filter(pl.col("a") < pl.col("b"))
    return pairs.select("a", "b", RECORD), int((sizes["len"] > MOST).sum())
