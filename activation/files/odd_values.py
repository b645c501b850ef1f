"""Values that a file can hold and that many readers cannot: a NUL in text, and in JSON numbers beyond 2^53 (M7).

They are counted for warnings. A NUL is looked for where one was seen in the bytes that were written, numbers where the
type of a column can hold such.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import struct_field
from muster.activation.model.workspace import Format
from muster.activation.values.dtypes import Type, unwrapped
from muster.activation.values.json_text import json_text
from muster.activation.values.scalars import is_text
from muster.activation.values.text import csv_text
from muster.activation.wording import counted

_SAFE = 2**53  # up to here a 64-bit float, and so a number of JavaScript, holds every whole number
_ESCAPED_NUL = r"(?:^|[^\\])(?:\\\\)*\\u0000"


class OddValues:
    """The counts of a run by column, collected while its files are written."""

    def __init__(self) -> None:
        self._with_nul: Counter[str] = Counter()
        self._beyond: Counter[str] = Counter()

    def add_beyond(self, counts: pl.DataFrame) -> None:
        """Add the counts of ``beyond_counts``, one row."""
        self._beyond.update(counts.row(0, named=True))

    def add_with_nul(self, frame: pl.LazyFrame, file_format: Format) -> None:
        """Count the values of an output frame that have a NUL."""
        schema, has_nul = engine.schema_of(frame), _in_json if file_format == "json" else _in_csv
        made = [flag.sum().alias(name) for name, flag in _flags(schema, has_nul)]
        if made:
            self._with_nul.update(engine.collect(frame.select(made)).row(0, named=True))

    def told(self) -> Iterator[str]:
        """A sentence for each column with such values."""
        for column, number in (+self._with_nul).items():
            values = counted(number, "value has", "values have")
            yield f"column {column!r}: {values} a NUL character (U+0000), which PostgreSQL and others refuse"
        for column, number in (+self._beyond).items():
            values = counted(number, "value is", "values are")
            yield (
                f"column {column!r}: {values} beyond 2^53, where JavaScript and other readers of JSON round numbers; "
                f"an `expression` with CAST(... AS VARCHAR) sends text"
            )


def beyond_counts(schema: pl.Schema, file_format: Format) -> list[pl.Expr]:
    """How many values of each JSON column are beyond 2^53, for a ``select`` on an output frame.

    Empty where no column can have such values.
    """
    return [flag.sum().alias(name) for name, flag in _flags(schema, _beyond)] if file_format == "json" else []


def _flags(schema: pl.Schema, make: Callable[[pl.Expr, Type], pl.Expr | None]) -> Iterator[tuple[str, pl.Expr]]:
    """The columns whose type can have such values, each with its flag."""
    for position, (name, dtype) in enumerate(schema.items()):
        flag = make(pl.nth(position), dtype)
        if flag is not None:
            yield name, flag


def _beyond(expr: pl.Expr, dtype: Type) -> pl.Expr | None:
    """Whether a value is, or has inside, a whole number or decimal beyond 2^53; None where its type has none."""
    expr, dtype = unwrapped(expr, dtype)
    if isinstance(dtype, pl.UInt64 | pl.UInt128):
        return expr > _SAFE
    if isinstance(dtype, pl.Int64 | pl.Int128 | pl.Decimal):
        return (expr > _SAFE) | (expr < -_SAFE)
    if isinstance(dtype, pl.List | pl.Array):
        inner = _beyond(pl.element(), dtype.inner)
        listed = expr.arr.to_list() if isinstance(dtype, pl.Array) else expr
        return None if inner is None else listed.list.eval(inner).list.any()
    if isinstance(dtype, pl.Map):
        inner = _beyond(pl.element().struct.field("value"), dtype.value)
        return None if inner is None else expr.map.entries().list.eval(inner).list.any()
    if isinstance(dtype, pl.Struct):
        names = [field.name for field in dtype.fields]
        inside = (_beyond(struct_field(expr, field.name, names), field.dtype) for field in dtype.fields)
        found = [each for each in inside if each is not None]
        return pl.any_horizontal(found) if found else None
    return None


def _in_csv(expr: pl.Expr, dtype: Type) -> pl.Expr | None:
    """Whether a text has a NUL; in nested values CSV has it escaped."""
    expr, dtype = unwrapped(expr, dtype)
    return csv_text(expr, dtype).str.contains("\0", literal=True) if is_text(dtype) else None


def _in_json(expr: pl.Expr, dtype: Type) -> pl.Expr | None:
    """Whether a text has a NUL, or one inside a nested value."""
    expr, dtype = unwrapped(expr, dtype)
    return json_text(expr, dtype).str.contains(_ESCAPED_NUL) if dtype.is_nested() else _in_csv(expr, dtype)
