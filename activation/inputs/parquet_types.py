"""What Parquet says of the type of a column's values, and which types cannot be read (D6).

An element is one of the footer's schema, as ``thrift.struct`` gives it; numbers are those of parquet.thrift.
"""

from collections.abc import Sequence
from typing import NamedTuple

from muster.activation.inputs.thrift import Struct

TYPE, CONVERTED, LOGICAL = 1, 6, 10  # SchemaElement
_LENGTH, _PRECISION = 2, 8  # SchemaElement
_INT96, FIXED = 3, 7  # Type
_NEWEST_TYPE = 7
_ENUM, _DECIMAL, _DATE, _JSON, _INTERVAL = 4, 5, 6, 19, 21  # ConvertedType
_NEWEST_CONVERTED = 21
_LIKE_ENUM, _LIKE_DECIMAL, _LIKE_DATE, _LIKE_TIME, _LIKE_TIMESTAMP, _LIKE_INTERVAL = 4, 5, 6, 7, 8, 9  # LogicalType
_UNKNOWN, _LIKE_JSON, _UUID, _FLOAT16, _VARIANT, _GEOMETRY, _GEOGRAPHY = 11, 12, 14, 15, 16, 17, 18
_UNIT, _LIKE_PRECISION = 2, 2  # of TimeType and TimestampType; of DecimalType
_UNITS = {1, 2, 3}
_UUID_BYTES = 16
_MOST_DIGITS, _DECIMAL_BYTES = 38, 16
_MAPS, _LIKE_MAP, _LISTS, _LIKE_LIST = {1, 2}, 2, {3}, 3

TEXT, UUID, INT96, NULL, DATE = "text", "uuid", "int96", "null", "date"  # kinds

_INTERVAL_REASON = "it is an interval, which cannot be read; write it as text, or as a number of seconds or days"
_REASONS = {
    _LIKE_INTERVAL: _INTERVAL_REASON,
    _VARIANT: "it is a variant, which cannot be read; write it as text (JSON), or as a column of one type",
    _GEOMETRY: "it is a geometry, which cannot be read; write it as text (ST_AsText), or as bytes",
    _GEOGRAPHY: "it is a geography, which cannot be read; write it as text (ST_AsText), or as bytes",
}


_NAMES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")  # Type


class LeafType(NamedTuple):
    """The type of the values of a leaf: how Parquet stores them, and what is to be made of what Polars reads."""

    physical: int
    length: int  # bytes of a value of fixed length
    kind: str  # TEXT, UUID, INT96, NULL or DATE; empty for a type that Polars reads as what it says
    reason: str  # why the values cannot be read, in words; empty where they can

    @property
    def name(self) -> str:
        """Parquet's name of the physical type."""
        return _NAMES[self.physical] if 0 <= self.physical < len(_NAMES) else f"type {self.physical}"


def leaf_type(element: Struct) -> LeafType:
    """The type of a leaf; raises ``KeyError`` or ``TypeError`` for nonsense."""
    physical, length = int(element[TYPE]), int(element.get(_LENGTH, 0))
    return LeafType(physical, length, _kind(element, physical, length), _reason(element, physical))


def group_reason(element: Struct) -> str:
    """Why a group of inner fields cannot be read; empty where it can."""
    logical = _logical(element)
    return _REASONS.get(logical, "") if logical is not None else ""


def is_map(element: Struct) -> bool:
    """Whether a group is annotated as a map."""
    return _logical(element) == _LIKE_MAP or element.get(CONVERTED) in _MAPS


def is_repeating(element: Struct) -> bool:
    """Whether a group is annotated as a list or map."""
    return is_map(element) or _logical(element) == _LIKE_LIST or element.get(CONVERTED) in _LISTS


def _logical(element: Struct) -> int | None:
    """The number of the logical type; None without one."""
    union = element.get(LOGICAL)
    return next(iter(union)) if union else None


def _kind(element: Struct, physical: int, length: int) -> str:
    logical, converted = _logical(element), element.get(CONVERTED)
    if physical == _INT96:
        return INT96
    if logical == _UUID and physical == FIXED and length == _UUID_BYTES:
        return UUID
    if logical == _UNKNOWN:
        return NULL
    if logical in {_LIKE_JSON, _LIKE_ENUM} or (logical is None and converted in {_JSON, _ENUM}):
        return TEXT
    return DATE if logical == _LIKE_DATE or (logical is None and converted == _DATE) else ""


def _reason(element: Struct, physical: int) -> str:
    logical, converted = _logical(element), element.get(CONVERTED)
    if not 0 <= physical <= _NEWEST_TYPE:
        return f"its physical type ({physical}) is unknown; write it as text"
    if logical is None and converted == _INTERVAL:
        return _INTERVAL_REASON
    if logical in _REASONS:
        return _REASONS[logical]
    if logical is not None and not 1 <= logical <= _GEOGRAPHY:
        return f"its logical type ({logical}) is unknown; write it as text, a number or a timestamp"
    if logical is None and converted is not None and not 0 <= converted <= _NEWEST_CONVERTED:
        return f"its converted type ({converted}) is unknown; write it as text, a number or a timestamp"
    if logical in {_LIKE_TIME, _LIKE_TIMESTAMP} and _unit(element[LOGICAL][logical]) not in _UNITS:
        name = "timestamp" if logical == _LIKE_TIMESTAMP else "time"
        return f"it is a {name} in a unit that is unknown; write it in microseconds"
    return _decimal_reason(element, physical, logical, converted)


def _unit(timestamp: Struct) -> int | None:
    return next(iter(timestamp.get(_UNIT) or ()), None)


def _decimal_reason(element: Struct, physical: int, logical: int | None, converted: int | None) -> str:
    """The reason against a decimal of more digits or bytes than fit 128 bits."""
    if logical == _LIKE_DECIMAL:
        digits = element[LOGICAL][logical].get(_LIKE_PRECISION)
    elif logical is None and converted == _DECIMAL:
        digits = element.get(_PRECISION)
    else:
        return ""
    if digits is None:
        return "it is a decimal without a precision, which cannot be read; write it as text, or as DECIMAL(38, ...)"
    if digits > _MOST_DIGITS:
        size, most = f"{digits} digits", _MOST_DIGITS
    elif physical == FIXED and element.get(_LENGTH, 0) > _DECIMAL_BYTES:
        size, most = f"{element[_LENGTH]} bytes", _DECIMAL_BYTES
    else:
        return ""
    return f"it is a decimal of {size}, and at most {most} can be read; write it as text, or as DECIMAL(38, ...)"


# Pages: how values are compressed and encoded

_LZO, _NEWEST_CODEC, _NEWEST_ENCODING = 3, 7, 9
_OF_FIXED = {7: "DELTA_BYTE_ARRAY", 9: "BYTE_STREAM_SPLIT"}  # of bytes of fixed length Polars decodes neither
_HALF_BYTES, _SPLIT = 2, 9  # ... but for BYTE_STREAM_SPLIT of a Float16


def needs_arrow(leaf: LeafType, encodings: Sequence[int]) -> bool:
    """Whether PyArrow decodes pages with these encodings, and Polars does not."""
    return leaf.physical == FIXED and any(
        encoding in _OF_FIXED and (leaf.length, encoding) != (_HALF_BYTES, _SPLIT) for encoding in encodings
    )


def pages_reason(leaf: LeafType, codec: int, encodings: Sequence[int], *, is_flat: bool) -> str:
    """Why pages with this compression and these encodings cannot be read; empty where they can.

    PyArrow decodes what Polars does not in columns that are flat.
    """
    if codec == _LZO:
        return "it is compressed with LZO, which cannot be read; compress it with Snappy, Zstandard or gzip"
    if not 0 <= codec <= _NEWEST_CODEC:
        return f"its compression ({codec}) is unknown; compress it with Snappy, Zstandard or gzip"
    for encoding in encodings:
        if not 0 <= encoding <= _NEWEST_ENCODING:
            return f"its encoding ({encoding}) is unknown; write it with plain or dictionary encoding"
        if not is_flat and needs_arrow(leaf, [encoding]):
            return (
                f"it holds bytes of fixed length in the encoding {_OF_FIXED[encoding]}, which cannot be read inside "
                "lists, structs and maps; write it with plain or dictionary encoding"
            )
    return ""
