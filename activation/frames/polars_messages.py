"""The messages of Polars' errors: the parts that may be repeated, and the conversions that failed (X1).

Polars' messages may quote profile data, so only sentences that are known to hold none are repeated.
"""

import re
from dataclasses import dataclass

import polars as pl

DAMAGED = "parquet: "  # how Polars begins a message about a file that it cannot decode
UNSUPPORTED = "parquet: Not yet supported"  # ... that may be whole
NOT_UTF8 = "parquet: File out of specification: String data contained invalid UTF-8"
DIVISION_BY_ZERO = "division by zero"
_CONVERSION = r"conversion from `([^`]*)` to `([^`]*)` failed in column '(.*?)' for (\d+) out of \d+ values"
_REPEATED = re.compile(
    rf"{_CONVERSION}|{DAMAGED}[^'\"`\[{{]*|{DIVISION_BY_ZERO}|invalid utf8|regex error|get index is out of bounds"
)
_ABOUT_COLUMNS = (  # errors that Polars raises before it reads a row, so no value can be in them
    *(pl.exceptions.ColumnNotFoundError, pl.exceptions.DuplicateError, pl.exceptions.SchemaError),
    *(pl.exceptions.SchemaFieldNotFoundError, pl.exceptions.StructFieldNotFoundError),
)


@dataclass(frozen=True)
class FailedConversion:
    """Values that Polars could not convert: the short names of both types, the column, and how many failed first."""

    source: str
    target: str
    column: str
    count: int


def failed_conversion(message: str) -> FailedConversion | None:
    """The failed conversion that an error message describes, if it describes one."""
    found = re.search(_CONVERSION, message)
    return FailedConversion(found[1], found[2], found[3], int(found[4])) if found else None


def without_values(error: BaseException) -> str:
    """The part of a Polars error that quotes no profile data: a message about columns, or else a known sentence."""
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, _ABOUT_COLUMNS) and first:
        return first
    known = _REPEATED.match(first)
    return known[0].strip() if known else "the computation failed on a value"
