"""Values as the JSON that messages have: the forms of M7, and in objects no key without a value (V5, V6)."""

import json

import polars as pl

from muster.activation.frames.columns import struct_field
from muster.activation.values.dtypes import Type, instance, unwrapped
from muster.activation.values.json_text import json_text
from muster.activation.values.scalars import scalar_text

_NULL = "null"


def message_json(expr: pl.Expr, dtype: Type) -> pl.Expr:
    """The value as compact JSON: String; null where the value is null, NaN or infinite.

    Null leaves out its key in structs and maps at every depth, and stays ``null`` in lists (V6). ``ExportError`` for a
    type without text.
    """
    expr, dtype = unwrapped(expr, dtype)
    if isinstance(dtype, pl.Null):
        return pl.lit(None, pl.String)
    if isinstance(dtype, pl.Boolean) or dtype.is_integer():
        return expr.cast(pl.String)
    if not _has_keys(dtype):
        text = json_text(expr, dtype)
        return pl.when(text != _NULL).then(text)
    if isinstance(dtype, pl.Struct):
        return pl.when(expr.is_not_null()).then(_struct(expr, dtype))
    if isinstance(dtype, pl.Map):
        return _wrapped("{", expr.map.entries().list.eval(_entry(dtype)).list.drop_nulls(), "}")
    inner = instance(dtype.inner)  # type: ignore[attr-defined]  # a list or an array
    listed = expr.arr.to_list() if isinstance(dtype, pl.Array) else expr
    return _wrapped("[", listed.list.eval(message_json(pl.element(), inner).fill_null(_NULL)), "]")


def _has_keys(dtype: Type) -> bool:
    """Whether values of the type are, or have inside, objects whose keys can be left out."""
    dtype = unwrapped(pl.element(), dtype)[1]
    if isinstance(dtype, pl.List | pl.Array):
        return _has_keys(dtype.inner)
    return isinstance(dtype, pl.Struct | pl.Map)


def _struct(expr: pl.Expr, dtype: pl.Struct) -> pl.Expr:
    names = [field.name for field in dtype.fields]
    members = [
        pl.concat_str(key_of(name), message_json(struct_field(expr, name, names), field.dtype))
        for name, field in zip(names, dtype.fields, strict=True)
    ]
    if not members:
        return pl.lit("{}")
    return pl.concat_str(pl.lit("{"), pl.concat_str(*members, separator=",", ignore_nulls=True), pl.lit("}"))


def _entry(dtype: pl.Map) -> pl.Expr:
    """A map's entry as a member of an object; null where its value is."""
    key, key_type = unwrapped(pl.element().struct.field("key"), dtype.key)
    text = json_text(key, key_type) if key_type.is_nested() else scalar_text(key, key_type)
    value = message_json(pl.element().struct.field("value"), dtype.value)
    return pl.concat_str(json_text(text.fill_null(_NULL), pl.String()), pl.lit(":"), value)


def _wrapped(opening: str, texts: pl.Expr, closing: str) -> pl.Expr:
    return pl.concat_str(pl.lit(opening), texts.list.join(","), pl.lit(closing))


def key_of(name: str) -> pl.Expr:
    """A key of an object, with its colon."""
    return pl.lit(json.dumps(name, ensure_ascii=False) + ":")
