"""Polars types of columns: the families in which values compare, and the words for types in messages (SPEC 10).

All words for types stand in ``FAMILY_WORDS``. ``describe`` is for columns of files, ``describe_in_rule`` for parts of a
rule, ``describe_short_name`` for types that Polars names in its errors.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

import polars as pl
from polars.datatypes import DataTypeClass

Type: TypeAlias = pl.DataType | DataTypeClass

FAMILY_WORDS = {
    "null": "null",
    "boolean": "a boolean",
    "integer": "a whole number",
    "number": "a number",
    "text": "text",
    "date": "a date",
    "timestamp": "a timestamp",
    "time": "a time of day",
    "duration": "a duration",
    "list": "a list",
    "struct": "a struct",
    "map": "a map",
    "binary": "bytes",
    "other": "of another kind",
}
_FAMILIES: tuple[tuple[str, tuple[type[pl.DataType], ...]], ...] = (
    ("null", (pl.Null,)),
    ("boolean", (pl.Boolean,)),
    ("text", (pl.String, pl.Categorical, pl.Enum)),
    ("date", (pl.Date,)),
    ("timestamp", (pl.Datetime,)),
    ("time", (pl.Time,)),
    ("duration", (pl.Duration,)),
    ("list", (pl.List, pl.Array)),
    ("struct", (pl.Struct,)),
    ("map", (pl.Map,)),
    ("binary", (pl.Binary,)),
)
_SHORT_NAMES = {  # the letters with which Polars' errors begin a type's name -> the family
    "null": "null",
    "bool": "boolean",
    "i": "integer",
    "u": "integer",
    "f": "number",
    "decimal": "number",
    "str": "text",
    "cat": "text",
    "enum": "text",
    "date": "date",
    "datetime": "timestamp",
    "time": "time",
    "duration": "duration",
    "list": "list",
    "array": "list",
    "struct": "struct",
    "map": "map",
    "binary": "binary",
}
_LONGEST = 60  # characters of a type's name in a message about a rule


def family(dtype: pl.DataType) -> str:
    """The key of ``FAMILY_WORDS`` whose types compare and compute alike; whole numbers count as ``number``."""
    if dtype.is_numeric():
        return "number"
    return next((name for name, classes in _FAMILIES if isinstance(dtype, classes)), "other")


def describe(dtype: pl.DataType) -> str:
    """A file column's type in words, with its full name: ``text (String)``."""
    return f"{_words(dtype)}{_of_files(dtype)} ({dtype})"


def describe_in_rule(dtype: pl.DataType) -> str:
    """The type of a part of a rule in words: ``a whole number (Int64)``.

    Long names are cut to the base type; timestamps have no zone in rules, and null needs no name.
    """
    if isinstance(dtype, pl.Null):
        return _words(dtype)
    is_short = len(str(dtype)) <= _LONGEST and not isinstance(dtype, pl.Datetime)
    return f"{_words(dtype)} ({dtype if is_short else dtype.base_type()})"


def describe_short_name(name: str) -> str:
    """A type by its name in an error of Polars, in words: ``a whole number (i32)``."""
    letters = re.match("[a-z]*", name)
    known = _SHORT_NAMES.get(letters[0]) if letters else None
    return f"{FAMILY_WORDS[known]} ({name})" if known else name


def cast_of_bytes(dtype: pl.DataType, name: str) -> str:
    """For a column of bytes, a hint at the cast with which its writer makes it text; else nothing."""
    if dtype != pl.Binary:
        return ""
    return f"; if it holds text, write it as text: CAST({name} AS VARCHAR) in the query that makes the file"


def cast_of_floats(dtype: pl.DataType, name: str) -> str:
    """For a column of floats, as pandas makes of whole numbers with gaps, a hint at its writer's cast; else nothing."""
    if not dtype.is_float():
        return ""
    return f"; if its numbers are whole, write them so: CAST({name} AS BIGINT) in the query that makes the file"


def _words(dtype: pl.DataType) -> str:
    return FAMILY_WORDS["integer" if dtype.is_integer() else family(dtype)]


def _of_files(dtype: pl.DataType) -> str:
    """The words that matter of a file's column only: all its rows, and the zone of its timestamps."""
    if isinstance(dtype, pl.Datetime):
        return " without a zone" if dtype.time_zone is None else " with a zone"
    return " in every row" if isinstance(dtype, pl.Null) else ""


def instance(dtype: object) -> pl.DataType:
    """The type of a field or an element, which Polars gives as an instance or as a class, as an instance."""
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[return-value]  # Polars allows a type or an instance of it


def with_leaves(dtype: pl.DataType, change: Callable[[pl.DataType], pl.DataType]) -> pl.DataType:
    """The type with each type that holds no other one changed, at any depth of lists, arrays, maps and structs."""
    if isinstance(dtype, pl.List):
        return pl.List(with_leaves(instance(dtype.inner), change))
    if isinstance(dtype, pl.Array):
        return pl.Array(with_leaves(instance(dtype.inner), change), dtype.size)
    if isinstance(dtype, pl.Map):
        return pl.Map(with_leaves(instance(dtype.key), change), with_leaves(instance(dtype.value), change))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: with_leaves(instance(field.dtype), change) for field in dtype.fields})
    return change(dtype)


def unwrapped(expr: pl.Expr, dtype: Type) -> tuple[pl.Expr, pl.DataType]:
    """The stored values behind an extension type, and their type; other values unchanged."""
    dtype = dtype if isinstance(dtype, pl.DataType) else dtype()
    if isinstance(dtype, pl.BaseExtension):
        return unwrapped(expr.ext.storage(), dtype.ext_storage())
    return expr, dtype
