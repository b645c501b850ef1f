"""Events in batches of rows, of which only distinct identities and links stay in memory (P3)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.frames import engine
from muster.activation.inputs.table import Table
from muster.activation.sources.counts import SourceCounts
from muster.activation.sources.identity_keys import CHECK, KEY, dense, firsts, refuse_collisions
from muster.activation.sources.keyed import RECORD
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.record_links import LINKS, newest_links, oldest_of

ROWS = 1 << 23  # of a batch: some 2 GB in memory while it is read


@dataclass(frozen=True, eq=False)
class Batch:
    """What was read of some rows of a table: as of a source that has these rows alone."""

    identities: pl.DataFrame  # of IDENTITIES
    links: pl.DataFrame  # of LINKS
    counts: SourceCounts


@dataclass(frozen=True, eq=False)
class _Rows(Table):
    """Some rows of a table."""

    first: int = 0
    length: int = 0

    @property
    def rows(self) -> int:
        return self.length

    def frame(self) -> pl.LazyFrame:
        return super().frame().slice(self.first, self.length)


def in_batches(opened: OpenedSource) -> Iterator[tuple[int, OpenedSource]]:
    """A source as several that have some of the rows each, with the row where each begins."""
    table = opened.table
    for first in range(0, table.rows, ROWS):
        rows = _Rows(table.parts, table.schema, table.unusable, table.held_by, first, min(ROWS, table.rows - first))
        yield first, replace(opened, table=rows)


def merged(batches: Sequence[tuple[int, Batch]]) -> Batch:
    """What was read of all batches, which are given with the rows where they begin.

    ``CollisionError`` when two identities have one key.
    """
    if len(batches) == 1:
        return batches[0][1]
    names = pl.Enum(sorted({name for _, each in batches for name in each.identities["namespace"].unique()}))
    held = pl.concat([each.identities.with_columns(pl.col("namespace").cast(names)) for _, each in batches])
    numbers = dense(held[KEY])
    first = firsts(numbers)
    refuse_collisions(numbers, held[CHECK], first)
    identities = held[first].with_columns(oldest_of(held["oldest"], numbers, len(first)))
    links, start = [pl.LazyFrame(schema=LINKS)], 0
    for row, each in batches:
        mapped = numbers.slice(start, each.identities.height)
        ends = (pl.lit(mapped).gather(pl.col(name)) for name in ("a", "b"))
        one, other = ends
        links.append(
            each.links.lazy().select(
                pl.min_horizontal(one, other).alias("a"),
                pl.max_horizontal(one, other).alias("b"),
                "time",
                (pl.col(RECORD) + row).cast(LINKS[RECORD]),
            )
        )
        start += each.identities.height
    stated = sum(each.links.height for _, each in batches)
    counts = _sum([each.counts for _, each in batches], len(first))
    return Batch(identities, engine.collect(newest_links(pl.concat(links)), stated), counts)


def _sum(counts: Sequence[SourceCounts], identities: int) -> SourceCounts:
    """The counts of all batches."""
    left_out, dropped = Counter[str](), Counter[str]()
    for each in counts:
        left_out.update(each.left_out)
        dropped.update(each.dropped)
    records, too_many = sum(each.records for each in counts), sum(each.too_many for each in counts)
    return SourceCounts(records, 0, identities, dict(left_out), too_many, dict(dropped))
