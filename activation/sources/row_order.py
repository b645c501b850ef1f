"""Times of records as numbers, and the newest record of several (P1, P3)."""

import polars as pl

from muster.activation.frames.columns import TIME_TYPE

NO_TIME = -(1 << 63)  # as a number: older than any
_ROWS = 1 << 32
_ORDER = pl.Int128()


def as_number(time: pl.Expr) -> pl.Expr:
    """Times (TIME_TYPE) as Int64, which sort no time before any."""
    return time.dt.epoch("us").fill_null(NO_TIME)


def as_time(number: pl.Expr) -> pl.Expr:
    """Numbers of ``as_number`` as TIME_TYPE."""
    return pl.when(number != NO_TIME).then(number.cast(TIME_TYPE))


def order(number: pl.Expr, record: pl.Expr) -> pl.Expr:
    """The place of a record (UInt32) among others by the number of its time, then by its row, as Int128.

    The greatest of some is the newest record, of equally new ones the last; one number is grouped faster than two.
    """
    return number.cast(_ORDER) * _ROWS + record.cast(_ORDER)


def number_in(order: pl.Expr) -> pl.Expr:
    """The number of the time in an ``order``."""
    return (order // _ROWS).cast(pl.Int64)


def record_in(order: pl.Expr) -> pl.Expr:
    """The record (UInt32) in an ``order``."""
    return (order % _ROWS).cast(pl.UInt32)
