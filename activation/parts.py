"""Parquet part files read as one table (D5): footers, widening of types, one lazy frame. Edge module: reads files.

What is widened: null to anything, integers among themselves, integers and floats, time units to the finest, zones to UTC,
categorical to text, and the same inside structs, lists and maps. Anything else is a ``DataError`` naming file, column and types.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import Literal

import polars as pl

from activation import engine, pages, stopping
from activation.errors import DataError, ExportError
from activation.frames import column, instance, struct_field

_MAGIC = b"PAR1"
_VIEW = 16  # bytes that Polars takes for a text beside its characters
TimeUnit = Literal["ms", "us", "ns"]
_UNITS: tuple[TimeUnit, ...] = ("ms", "us", "ns")
_SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)
_UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128)


@dataclass(frozen=True)
class Part:
    """One Parquet file: where it is, what it is called in messages and records, and what its footer says."""

    path: Path
    name: str
    size: int
    rows: int
    footer: str  # sha256 of the footer: what identifies the content for E8 and X7
    schema: pl.Schema
    sizes: Mapping[str, int] = field(default_factory=dict, compare=False)  # about what each column takes in memory, bytes

    @property
    def record(self) -> dict[str, str | int]:
        """What an evaluation remembers of the file (E8)."""
        return {"name": self.name, "size": self.size, "rows": self.rows, "footer": self.footer}

    def bytes_of(self, columns: Collection[str]) -> int:
        """About how much memory these columns take."""
        return sum(size for name, size in self.sizes.items() if name in columns)


def read_part(path: Path, name: str) -> Part:
    """Read a file's footer; ``DataError`` with the reason when it is no complete Parquet file."""
    try:
        size = path.stat().st_size
        footer = _footer(path, size)
        rows, sizes = pages.rows(path, footer), _sizes(footer)
        schema = pl.Schema(pl.read_parquet_schema(path))
    except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise stopping.asked() or _unreadable(name, error) from error
    return Part(path, name, size, rows, hashlib.sha256(footer).hexdigest(), schema, sizes)


def _sizes(footer: bytes) -> dict[str, int]:
    """What each column takes: its uncompressed pages, and 16 bytes a value as if it were text."""
    sizes: dict[str, int] = {}
    for chunk in pages.chunks_in(footer):
        sizes[chunk.column] = sizes.get(chunk.column, 0) + chunk.size + _VIEW * chunk.values
    return sizes


def read_through(part: Part) -> None:
    """Decode every value of a file; ``DataError`` when one cannot be read."""
    try:
        engine.read_through(scan([part]))
    except (ExportError, OSError) as error:
        raise _unreadable(part.name, error) from error


@contextmanager
def blamed(parts: Callable[[], Iterable[Part]]) -> Iterator[None]:
    """Around plans that read these files: one that fails on a damaged file is a ``DataError`` that names it (SPEC 10)."""
    try:
        yield
    except engine.ReadError:
        for part in parts():
            read_through(part)
        raise


def _unreadable(name: str, error: BaseException) -> DataError:
    """What is said of a file that is no Parquet file, or not a whole one; a library's words are a detail."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror.lower()
    else:
        reason = str(error) if type(error) is ValueError else "it is damaged"  # muster's own words, or a library's
    return DataError(f"{name}: cannot be read as Parquet: {reason}; write the file again, or move it out of the folder")


def _footer(path: Path, size: int) -> bytes:
    if size == 0:
        raise ValueError("the file is empty")
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - 8))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if head != _MAGIC:
            raise ValueError("it does not start as a Parquet file does")
        if tail[4:] != _MAGIC or length + 12 > size:
            raise ValueError("it is truncated: its end is missing")
        file.seek(size - 8 - length)
        return file.read(length)


def unify(parts: Sequence[Part]) -> pl.Schema:
    """The columns of all parts with types wide enough for each (D5); ``DataError`` names the first part that does not fit."""
    types: dict[str, pl.DataType] = {}
    origin: dict[str, str] = {}
    for part in parts:
        for name, dtype in part.schema.items():
            plain = _plain(dtype)
            wide = widen(types[name], plain) if name in types else plain
            if wide is None:
                raise DataError(f"{part.name}: column {name!r} is {describe(dtype)} here but {describe(types[name])} in {origin[name]}")
            if wide != types.get(name):
                types[name], origin[name] = wide, part.name
    return pl.Schema(types)


def scan(parts: Sequence[Part]) -> pl.LazyFrame:
    """All parts as one lazy frame with the columns of ``unify``; a column that a part lacks is null there."""
    target = unify(parts)
    frames = [
        pl.scan_parquet([part.path for part in group], glob=False, hive_partitioning=False).select(_conform(schema, target))
        for schema, group in ((schema, list(group)) for schema, group in groupby(parts, key=lambda part: part.schema))
    ]
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical")


def _conform(schema: pl.Schema, target: pl.Schema) -> list[pl.Expr]:
    return [
        convert(column(name), schema[name], dtype).alias(name) if name in schema else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in target.items()
    ]


def widen(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The type that holds both without loss of meaning (D5), or None."""
    one, other = _plain(one), _plain(other)
    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    if one.is_numeric() and other.is_numeric():
        return _widen_numbers(one, other)
    return _widen_times(one, other) or _widen_nested(one, other)


def _widen_numbers(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if one.is_decimal() or other.is_decimal():
        return None
    if one.is_float() or other.is_float():
        return pl.Float64()
    bits = [int("".join(filter(str.isdigit, str(dtype)))) for dtype in (one, other)]
    signed = [dtype.is_signed_integer() for dtype in (one, other)]
    if signed[0] == signed[1]:
        family = _SIGNED if signed[0] else _UNSIGNED
        return next(dtype() for dtype in family if str(dtype).endswith(str(max(bits))))
    needed = max(2 * width if not is_signed else width for width, is_signed in zip(bits, signed, strict=True))
    return next((dtype() for dtype in _SIGNED if int(str(dtype)[3:]) >= needed), None)


def _widen_times(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if isinstance(one, pl.Duration) and isinstance(other, pl.Duration):
        return pl.Duration(_finest(one.time_unit, other.time_unit))
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime) and (one.time_zone is None) == (other.time_zone is None):
        return pl.Datetime(_finest(one.time_unit, other.time_unit), one.time_zone if one.time_zone == other.time_zone else "UTC")
    return None


def _finest(one: TimeUnit, other: TimeUnit) -> TimeUnit:
    return max(one, other, key=_UNITS.index)


def _widen_nested(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        inner = widen(instance(one.inner), instance(other.inner))
        return pl.List(inner) if inner is not None else None
    if isinstance(one, pl.Map) and isinstance(other, pl.Map):
        key, value = widen(instance(one.key), instance(other.key)), widen(instance(one.value), instance(other.value))
        return pl.Map(key, value) if key is not None and value is not None else None
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        fields = {field.name: instance(field.dtype) for field in one.fields}
        for field in other.fields:
            wide = widen(fields[field.name], instance(field.dtype)) if field.name in fields else instance(field.dtype)
            if wide is None:
                return None
            fields[field.name] = wide
        return pl.Struct(fields)
    return None


def _plain(dtype: pl.DataType) -> pl.DataType:
    """The type with categoricals as text, also inside."""
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(_plain(instance(dtype.inner)))
    if isinstance(dtype, pl.Map):
        return pl.Map(_plain(instance(dtype.key)), _plain(instance(dtype.value)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _plain(instance(field.dtype)) for field in dtype.fields})
    return instance(dtype)


def convert(expr: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """``expr`` of type ``dtype`` as the wider ``target``; struct fields are matched by name, missing ones are null."""
    if dtype == target:
        return expr
    if isinstance(dtype, pl.List) and isinstance(target, pl.List):
        return expr.list.eval(convert(pl.element(), instance(dtype.inner), instance(target.inner)))
    if isinstance(dtype, pl.Map) and isinstance(target, pl.Map):
        entries = pl.List(pl.Struct({"key": instance(dtype.key), "value": instance(dtype.value)}))
        wide = pl.List(pl.Struct({"key": instance(target.key), "value": instance(target.value)}))
        return convert(expr.map.entries().cast(entries), entries, wide).cast(target)
    if isinstance(dtype, pl.Struct) and isinstance(target, pl.Struct):
        return _convert_struct(expr, dtype, target)
    if isinstance(dtype, pl.Datetime) and isinstance(target, pl.Datetime) and target.time_zone != dtype.time_zone and target.time_zone:
        return expr.dt.convert_time_zone(target.time_zone).cast(target)
    return expr.cast(target)


def _convert_struct(expr: pl.Expr, dtype: pl.Struct, target: pl.Struct) -> pl.Expr:
    known = {field.name: instance(field.dtype) for field in dtype.fields}
    fields = [
        (
            convert(struct_field(expr, field.name, known), known[field.name], instance(field.dtype))
            if field.name in known
            else pl.lit(None, dtype=instance(field.dtype))
        ).alias(field.name)
        for field in target.fields
    ]
    return pl.when(expr.is_not_null()).then(pl.struct(fields))


def describe(dtype: pl.DataType) -> str:
    """A type in the user's words: ``text (String)``."""
    words = (
        ("text", isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))),
        ("a whole number", dtype.is_integer()),
        ("a number", dtype.is_numeric()),
        ("a boolean", isinstance(dtype, pl.Boolean)),
        ("bytes", isinstance(dtype, pl.Binary)),
        ("a list", isinstance(dtype, (pl.List, pl.Array))),
        ("a struct", isinstance(dtype, pl.Struct)),
        ("a map", isinstance(dtype, pl.Map)),
        ("a time of day", isinstance(dtype, pl.Time)),
        ("a duration", isinstance(dtype, pl.Duration)),
        ("null in every row", isinstance(dtype, pl.Null)),
        ("a date", isinstance(dtype, pl.Date)),
        ("a timestamp with a zone", isinstance(dtype, pl.Datetime) and dtype.time_zone is not None),
        ("a timestamp without a zone", isinstance(dtype, pl.Datetime)),
    )
    word = next((word for word, fits in words if fits), None)
    return f"{word} ({dtype})" if word else str(dtype)


def total_rows(parts: Iterable[Part]) -> int:
    """Rows of all parts together, from their footers."""
    return reduce(lambda rows, part: rows + part.rows, parts, 0)
