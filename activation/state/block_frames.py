"""Blocks of memberships as frames: the columns of a block, and one audience of it (E8)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from muster.activation.frames import engine
from muster.activation.frames.columns import (
    AUDIENCE_ID,
    EXITED,
    PROFILE_ID,
    PROFILE_NUMBER,
    REALIZED,
    STATUS,
    TIME,
    TIME_TYPE,
)
from muster.activation.state.block_layout import columns_of, realized_column, time_column

ROW_GROUP = 131_072  # rows


def schema_of(audiences: Iterable[str]) -> pl.Schema:
    """The columns and dtypes of a block."""
    columns = (column for audience in audiences for column in zip(columns_of(audience), _TYPES, strict=True))
    return pl.Schema({PROFILE_ID: pl.String(), **dict(columns)})


def by_number(block: pl.LazyFrame, audience: str) -> pl.LazyFrame:
    """One audience of a block, a row for each number: ``realized`` (Boolean) and ``last_qualification_time``."""
    return block.select(_realized(audience), _time(audience))


def times_by_number(block: pl.LazyFrame, audience: str) -> pl.LazyFrame:
    """The second column of ``by_number`` alone."""
    return block.select(_time(audience))


def memberships(block: pl.LazyFrame, audience: str) -> pl.LazyFrame:
    """One audience of a block as ``MEMBERSHIPS``: a row for each profile that is or was a member, by its number.

    The number stands beside, as ``profile_number`` (UInt32).
    """
    found = block.select(PROFILE_ID, _realized(audience), _time(audience)).with_row_index(PROFILE_NUMBER)
    status = pl.when(REALIZED).then(pl.lit(REALIZED)).otherwise(pl.lit(EXITED))
    return found.filter(pl.col(REALIZED).is_not_null(), pl.col(PROFILE_ID).is_not_null()).select(
        pl.lit(audience).alias(AUDIENCE_ID), PROFILE_ID, status.alias(STATUS), TIME, PROFILE_NUMBER
    )


def masked(found: pl.LazyFrame, delivered: pl.Series) -> pl.LazyFrame:
    """A frame of ``memberships`` without the members for whose number ``delivered`` (Boolean) is false."""
    others = (~delivered).arg_true().cast(pl.UInt32).alias(PROFILE_NUMBER)
    left_out = pl.LazyFrame([others]).with_columns(pl.lit(REALIZED).alias(STATUS))
    return found.join(left_out, on=[PROFILE_NUMBER, STATUS], how="anti", maintain_order="left")


def masked_by_number(found: pl.DataFrame, delivered: pl.Series) -> pl.DataFrame:
    """A frame of ``by_number`` where members for whose number ``delivered`` (Boolean) is false are not realized."""
    beside = found.with_columns(delivered.head(found.height).alias("delivered"))
    return beside.select(pl.when(pl.col(REALIZED).is_not_null()).then(pl.col(REALIZED) & pl.col("delivered")), TIME)


def sink(
    pieces: pl.LazyFrame | Iterable[pl.DataFrame], audiences: Iterable[str], metadata: Mapping[str, str]
) -> Callable[[Path], None]:
    """What writes a block to a path, piece after piece: memory holds few row groups, whatever the number of rows."""
    schema = schema_of(audiences)
    block = pieces if isinstance(pieces, pl.LazyFrame) else _in_pieces(pieces, schema)

    return lambda path: write_parquet(block.select(schema.names()), path, metadata)


def write_parquet(block: pl.LazyFrame, target: Path | BytesIO, metadata: Mapping[str, str]) -> None:
    """Write the columns of a block as Parquet, in row groups of ``ROW_GROUP`` rows."""
    engine.collect(
        block.sink_parquet(
            target,
            compression="zstd",
            compression_level=1,
            statistics=False,
            row_group_size=ROW_GROUP,
            metadata=dict(metadata),
            lazy=True,
        )
    )


def _in_pieces(pieces: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    """Frames, one after the other, as a plan that makes each when it is to be written."""

    def made(_columns: object, _predicate: object, _rows: object, _size: object) -> Iterator[pl.DataFrame]:
        yield from (piece.select(schema.names()) for piece in pieces)

    return register_io_source(made, schema=schema)


_TYPES = (pl.Boolean(), TIME_TYPE)


def _realized(audience: str) -> pl.Expr:
    return pl.col(realized_column(audience)).alias(REALIZED)


def _time(audience: str) -> pl.Expr:
    return pl.col(time_column(audience)).alias(TIME)
