"""Fragments merged to profiles: a row each, with the identity map and the value that counts of each attribute (P8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.inputs.parquet import blamed
from muster.activation.state.files import SEARCHED_ROWS
from muster.activation.views.attributes import Attributes
from muster.activation.views.first_values import ROW_TYPE, Order, first_values
from muster.activation.views.newest_first import PlacedFragments

IDENTITY_MAP = "identity_map"
# Of a view beside the attributes: an identity map is the set of all identities of the graph, sorted.
IDENTITY_MAP_TYPE = pl.List(pl.Struct({"namespace": pl.String(), "id": pl.String()}))
_RECORD = "muster:record"


@dataclass(frozen=True, eq=False)
class Merge:
    """What profiles are made of."""

    ids: pl.Series  # String: all profile ids, sorted
    maps: pl.DataFrame  # ``profile`` (UInt32, the position of the id), ``namespace``, ``id``, sorted by all three
    fragments: pl.DataFrame  # of ``newest_first.FRAGMENTS``, in the order in which values count
    placed: Sequence[PlacedFragments]
    attributes: Attributes

    def frames(self, allowed: int) -> Iterator[pl.DataFrame]:
        """The profiles in the order of their ids, in one frame or several: as many as memory allows.

        ``allowed`` is how many bytes of attributes may be in memory at once, estimated. Columns: ``profile_id``,
        ``identity_map``, the attributes.
        """
        for start, end in _ranges(self.fragments["profile"], len(self.ids), _bytes_of(self.placed), allowed):
            in_range = _in_range(self.fragments, start, end)
            values = _merged_attributes(in_range, start, end - start, self.placed, self.attributes)
            ids = self.ids.slice(start, end - start)
            columns = {PROFILE_ID: ids, IDENTITY_MAP: _identity_maps(self.maps, start, end)}
            columns |= {each.name: _in_pieces(each) for each in values}  # by name: Polars makes one up for an empty one
            yield pl.DataFrame(columns)


def _bytes_of(placed: Sequence[PlacedFragments]) -> int:
    return sum(part.bytes_of(part.sizes) for each in placed for part in each.opened.parts)


def _ranges(profiles: pl.Series, count: int, size: int, allowed: int) -> Iterator[tuple[int, int]]:
    """Ranges of profiles with about as many fragments each, so few that the attributes of one fit into memory."""
    pieces = max(1, -(-size // max(1, allowed)))
    step = max(1, -(-len(profiles) // pieces))
    starts = sorted({0, *(profiles[place] for place in range(step, len(profiles), step))})
    yield from zip(starts, [*starts[1:], count], strict=True)


def _in_range(frame: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """The rows of the profiles from ``start`` to before ``end``, of a frame that is sorted by them."""
    first, last = (int(frame["profile"].search_sorted(each, side="left")) for each in (start, end))
    return frame.slice(first, last - first)


def _identity_maps(maps: pl.DataFrame, start: int, end: int) -> pl.Series:
    """The identity maps of the profiles from ``start`` to before ``end``; each has an identity."""
    pieces = [
        _in_range(maps, first, min(first + SEARCHED_ROWS, end))
        .group_by("profile", maintain_order=True)
        .agg(pl.struct("namespace", "id").alias(IDENTITY_MAP))[IDENTITY_MAP]
        for first in range(start, end, SEARCHED_ROWS)
    ]
    return pl.concat([pl.Series(IDENTITY_MAP, [], dtype=IDENTITY_MAP_TYPE), *pieces], rechunk=False)


def _in_pieces(values: pl.Series) -> pl.Series:
    """Lists in pieces that each hold their own elements: whoever writes a row group looks at all of a piece."""
    if not values.dtype.is_nested() or len(values) <= SEARCHED_ROWS:
        return values
    starts = range(0, len(values), SEARCHED_ROWS)
    rows = (pl.int_range(each, min(each + SEARCHED_ROWS, len(values)), eager=True) for each in starts)
    return pl.concat([values.gather(each) for each in rows], rechunk=False)


def _merged_attributes(
    fragments: pl.DataFrame, start: int, count: int, placed: Sequence[PlacedFragments], attributes: Attributes
) -> Iterator[pl.Series]:
    """The attributes of ``count`` profiles from the position ``start`` on, column by column."""
    read, rows = [], pl.repeat(None, fragments.height, dtype=ROW_TYPE, eager=True)
    before = 0
    for number, each in enumerate(placed):
        places = (fragments["source"] == number).arg_true()
        records = fragments["record"].gather(places)
        values, positions = read_records(each, records, attributes.of(number))
        read.append(values)
        rows = rows.scatter(places, positions + before)
        before += values.height
    order = Order(rows, fragments["profile"] - start, count)
    for name, dtype in attributes.schema.items():
        held = [pl.Series(name, [], dtype=dtype), *(each[name] for each in read if each.height)]
        column = pl.concat(held).rechunk()  # to gather ten times as fast
        yield first_values(column, order).alias(name)


def read_records(
    placed: PlacedFragments, records: pl.Series, columns: Sequence[pl.Expr]
) -> tuple[pl.DataFrame, pl.Series]:
    """Columns of some records of a source, in the order of the files, and the row (UInt32) of each of ``records``."""
    table = placed.opened.table
    if not columns or not len(records):
        return pl.DataFrame(schema=pl.Schema(), height=len(records)), pl.int_range(
            len(records), dtype=ROW_TYPE, eager=True
        )
    with blamed(lambda: placed.opened.parts):
        if len(records) == table.rows:
            return engine.collect(table.frame().select(columns)), records
        is_asked = pl.repeat(False, table.rows, dtype=pl.Boolean, eager=True).scatter(records, True)
        asked = table.frame().with_row_index(_RECORD).filter(pl.lit(is_asked).gather(pl.col(_RECORD)))
        found = engine.collect(asked.select(columns))
    rows = pl.repeat(None, table.rows, dtype=ROW_TYPE, eager=True)
    rows = rows.scatter(is_asked.arg_true(), pl.int_range(found.height, dtype=ROW_TYPE, eager=True))
    return found, rows.gather(records)
