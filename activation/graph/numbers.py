"""Identities as numbers: those of all sources in the order of their texts, and the links between them (P3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.graph.known_order import Ordered, ordered
from muster.activation.sources.identity_keys import (
    CHECK,
    KEY,
    CollisionError,
    dense,
    firsts,
    key,
    refuse_collisions,
)
from muster.activation.sources.record_links import NUMBER_TYPE
from muster.activation.sources.records import Records
from muster.activation.sources.row_order import as_number, as_time

# The distinct identities of all sources, sorted by namespace and id as UTF-8 bytes: a row is an identity's number.
# ``oldest`` is the time of the oldest record that holds the identity now, null for no time, which is older than any.
IDENTITIES = pl.Schema({"namespace": pl.String(), "id": pl.String(), "oldest": TIME_TYPE})
# Links by numbers, ``a`` the smaller one. Several records, also of several sources, may state one link: ``source`` is
# the position of the Records, ``record`` the row of their table.
EDGES = pl.Schema({"a": NUMBER_TYPE, "b": NUMBER_TYPE, "time": TIME_TYPE, "source": pl.UInt16(), "record": pl.UInt32()})
_NEVER = (1 << 63) - 1  # as a number of a time: newer than any


@dataclass(frozen=True, eq=False)
class Numbered:
    """The identities of all sources as numbers."""

    identities: pl.DataFrame  # of IDENTITIES
    links: pl.DataFrame  # of EDGES
    fragments: tuple[pl.Series, ...]  # of each Records: the number of the primary identity of each fragment
    before: pl.Series | None = None  # UInt32: the row of each identity among those of before; null for a new one


def numbered(records: Sequence[Records], known: pl.DataFrame | None = None) -> Numbered:
    """The identities and links of all sources.

    ``known`` are identities of before, sorted by ``namespace`` and ``id`` (String): they give the order sooner.
    """
    for seed in count(max((each.seed for each in records), default=0)):
        try:
            found, of_each = _identities([each.with_seed(seed) for each in records], seed, known)
        except CollisionError:
            continue
        pairs = list(zip(records, of_each, strict=True))
        edges = [_edges(each, numbers, place) for place, (each, numbers) in enumerate(pairs)]
        stated = sum(each.links.height for each in records)
        links = engine.collect(pl.concat([pl.LazyFrame(schema=EDGES), *edges]), stated)
        fragments = tuple(numbers.gather(each.fragment_identities) for each, numbers in pairs)
        return Numbered(found.texts, links, fragments, None if known is None else found.before)
    raise AssertionError


def _identities(records: Sequence[Records], seed: int, known: pl.DataFrame | None) -> tuple[Ordered, list[pl.Series]]:
    """The identities of all sources (``texts`` are IDENTITIES), and the number of each row of the sources' own ones.

    ``CollisionError`` when two identities have one key.
    """
    if not any(each.identities.height for each in records):
        none = pl.Series(dtype=NUMBER_TYPE)
        return Ordered(pl.DataFrame(schema=IDENTITIES), none, none), [none for _ in records]
    names = pl.Enum(sorted({name for each in records for name in _names(each.identities)}))
    held = pl.concat([each.identities.with_columns(pl.col("namespace").cast(names)) for each in records])
    found = _sorted(held, seed) if known is None or known.is_empty() else ordered(held, known, seed, _in_order)
    of_each, start = list[pl.Series](), 0
    for each in records:
        of_each.append(found.numbers.slice(start, each.identities.height))
        start += each.identities.height
    oldest = _oldest(records, of_each, found.texts.height)
    return replace(found, texts=found.texts.with_columns(oldest)), of_each


def _sorted(held: pl.DataFrame, seed: int) -> Ordered:
    """The order of identities of which none is known; they may be repeated."""
    by_key = dense(held[KEY])
    first = firsts(by_key)
    refuse_collisions(by_key, held[CHECK], first)
    texts, places = _in_order(held["namespace", "id"][first], seed)
    return Ordered(texts, places.gather(by_key), pl.repeat(None, texts.height, dtype=NUMBER_TYPE, eager=True))


def _oldest(records: Sequence[Records], numbers: Sequence[pl.Series], count: int) -> pl.Series:
    """The oldest time (TIME_TYPE) of each of ``count`` identities; a source has each of its identities once."""
    oldest = pl.repeat(_NEVER, count, dtype=pl.Int64, eager=True)
    for each, places in zip(records, numbers, strict=True):
        times = each.identities.select(as_number(pl.col("oldest")).alias("time"))["time"]
        earlier = oldest.gather(places)
        oldest = oldest.scatter(places, pl.select(pl.min_horizontal(earlier, times)).to_series())
    return oldest.to_frame("oldest").select(as_time(pl.col("oldest")).alias("oldest"))["oldest"]


def _in_order(distinct: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.Series]:
    """Distinct identities, which are in the order of their keys, by namespace and id; the place of each there (UInt32).

    Texts alone are sorted and their keys made again, in a third of the time that sorting rows takes.
    """
    pieces, keys = [], []
    for name in _names(distinct):
        ids = pl.LazyFrame([distinct["id"].filter(distinct["namespace"] == name).sort()])
        named = ids.with_columns(pl.lit(name).alias("namespace"), key(pl.col("id"), name, seed).alias(KEY))
        piece = engine.collect(named, distinct.height)
        pieces.append(piece.select("namespace", "id"))
        keys.append(piece[KEY])
    ordered = pl.concat([pl.DataFrame(schema={"namespace": pl.String, "id": pl.String}), *pieces])
    return ordered, pl.concat([pl.Series(dtype=pl.UInt64), *keys]).arg_sort().cast(NUMBER_TYPE)


def _names(identities: pl.DataFrame) -> list[str]:
    """The categories of ``namespace``."""
    dtype = identities.schema["namespace"]
    return list(dtype.categories) if isinstance(dtype, pl.Enum) else []


def _edges(records: Records, numbers: pl.Series, source: int) -> pl.LazyFrame:
    """The links of one source, of EDGES; ``numbers`` are of the source's own identities."""
    one, other = (pl.lit(numbers).gather(pl.col(name)) for name in ("a", "b"))
    return records.links.lazy().select(
        pl.min_horizontal(one, other).alias("a"),
        pl.max_horizontal(one, other).alias("b"),
        "time",
        pl.lit(source, dtype=EDGES["source"]).alias("source"),
        "record",
    )
