"""Values as compact JSON text (M7).

Polars encodes JSON natively and fast, but prints temporal values in other forms than M7, refuses binary, and quotes
decimals. So values are first converted to types that Polars encodes as M7 requires (``_encodable``); only values with
decimals inside are composed of texts (``_composed``).
"""

import json
from collections.abc import Iterable

import polars as pl

from muster.activation.frames.columns import struct_field
from muster.activation.values.dtypes import Type, unwrapped
from muster.activation.values.scalars import number, scalar_text

Part = tuple[str, pl.Expr, Type]  # a key of an object, its value, the value's type

# Types that the native encoder writes as M7 requires: floats shortest, NaN and infinities null, non-ASCII kept.
_NATIVE = pl.String | pl.Categorical | pl.Enum | pl.Boolean | pl.Null | pl.Float32 | pl.Float64
_ENTRIES = pl.Struct({"key": pl.String, "value": pl.String})


def json_text(expr: pl.Expr, dtype: Type) -> pl.Expr:
    """The value as JSON text (M7): String, never null (null is ``null``), struct fields in the type's order."""
    expr, dtype = unwrapped(expr, dtype)
    if _has_decimal(dtype):
        return _composed(expr, dtype)
    encoded = pl.struct(_encodable(expr, dtype).alias("")).struct.json_encode()
    return encoded.str.strip_prefix('{"":').str.strip_suffix("}")


def json_object(parts: Iterable[Part]) -> pl.Expr:
    """One JSON object of named values, in the order given: String, never null. Keys may be any text."""
    parts = list(parts)
    if not any(_has_decimal(unwrapped(expr, dtype)[1]) for _, expr, dtype in parts):
        return pl.struct(_encodable(expr, dtype).alias(key) for key, expr, dtype in parts).struct.json_encode()
    members = (pl.concat_str(pl.lit(_json_key(key) + ":"), json_text(expr, dtype)) for key, expr, dtype in parts)
    return _wrapped("{", pl.concat_str(*members, separator=","), "}")


def _json_key(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def _wrapped(opening: str, text: pl.Expr, closing: str) -> pl.Expr:
    return pl.concat_str(pl.lit(opening), text, pl.lit(closing))


def _children(dtype: pl.DataType) -> list[pl.DataType]:
    """The types of the values directly inside a nested type, extension types unwrapped."""
    if isinstance(dtype, pl.List | pl.Array):
        inner: list[Type] = [dtype.inner]
    elif isinstance(dtype, pl.Struct):
        inner = [field.dtype for field in dtype.fields]
    else:
        inner = [dtype.key, dtype.value] if isinstance(dtype, pl.Map) else []
    return [unwrapped(pl.element(), child)[1] for child in inner]


def _has_decimal(dtype: pl.DataType) -> bool:
    below = _children(dtype)[1:] if isinstance(dtype, pl.Map) else _children(dtype)  # keys are always text
    return isinstance(dtype, pl.Decimal) or any(_has_decimal(child) for child in below)


def _is_native(dtype: Type) -> bool:
    """Whether the native encoder writes this type as M7 requires; extension types are not native."""
    if isinstance(dtype, pl.Map):
        return isinstance(dtype.key, pl.String) and _is_native(dtype.value)
    if isinstance(dtype, pl.List | pl.Array):
        return _is_native(dtype.inner)
    if isinstance(dtype, pl.Struct):
        return all(_is_native(field.dtype) for field in dtype.fields)
    return isinstance(dtype, _NATIVE) or dtype.is_integer()


def _encodable(expr: pl.Expr, dtype: Type) -> pl.Expr:
    """The value in types that the native encoder writes as M7 requires. ``dtype`` must hold no decimal."""
    expr, dtype = unwrapped(expr, dtype)
    if _is_native(dtype):
        return expr
    if isinstance(dtype, pl.List | pl.Array):
        return _elements(expr, dtype).list.eval(_encodable(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.when(expr.is_not_null()).then(
            pl.struct(_encodable(part, child).alias(key) for key, part, child in _parts(expr, dtype))
        )
    if isinstance(dtype, pl.Map):
        value = _encodable(_entry("value"), dtype.value)
        return (
            expr.map.entries().list.eval(pl.struct(_key_text(dtype).alias("key"), value.alias("value"))).list.to_map()
        )
    return number(expr, dtype) if dtype.is_float() else scalar_text(expr, dtype)


def _composed(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The JSON text of a value with decimals inside, composed level by level."""
    if isinstance(dtype, pl.List | pl.Array):
        joined = _elements(expr, dtype).list.eval(json_text(pl.element(), dtype.inner)).list.join(",")
        text = _wrapped("[", joined, "]")
    elif isinstance(dtype, pl.Map):
        entry = pl.concat_str(
            json_text(_key_text(dtype), pl.String()), pl.lit(":"), json_text(_entry("value"), dtype.value)
        )
        text = _wrapped("{", expr.map.entries().list.eval(entry).list.join(","), "}")
    elif isinstance(dtype, pl.Struct):
        text = pl.when(expr.is_not_null()).then(json_object(_parts(expr, dtype)))
    else:
        text = scalar_text(expr, dtype)
    return text.fill_null("null")


def _elements(expr: pl.Expr, dtype: pl.List | pl.Array) -> pl.Expr:
    return expr.arr.to_list() if isinstance(dtype, pl.Array) else expr


def _parts(expr: pl.Expr, dtype: pl.Struct) -> list[Part]:
    names = [field.name for field in dtype.fields]
    return [(field.name, struct_field(expr, field.name, names), field.dtype) for field in dtype.fields]


def _entry(part: str) -> pl.Expr:
    """The ``key`` or the ``value`` of a map's entry; use it inside ``list.eval``."""
    return pl.element().struct.field(part)


def _key_text(dtype: pl.Map) -> pl.Expr:
    """A map's key as text (M7's CSV text); a key without text, such as NaN, is ``null``."""
    key, key_type = unwrapped(_entry("key"), dtype.key)
    text = json_text(key, key_type) if key_type.is_nested() else scalar_text(key, key_type)
    return text.fill_null("null")
