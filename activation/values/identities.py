"""Identity maps: the set of (namespace, id) pairs of a profile, in each of its spellings (D1, X3c, M5).

Spellings: a list of structs with ``namespace`` and ``id``; a struct or a map of namespace to a list of ids or of
structs with ``id``. Pairs with a null or empty part do not count; order, duplicates and extra fields mean nothing.
"""

from collections.abc import Callable, Collection, Iterator
from functools import reduce
from operator import add
from typing import TypeGuard

import polars as pl
from polars_hash import NonCryptographicHashingNameSpace

from muster.activation.errors import DataError
from muster.activation.frames.columns import column as user_column
from muster.activation.frames.columns import struct_field
from muster.activation.values.dtypes import cast_of_bytes
from muster.activation.values.text import key_text

DIGEST_TYPE = pl.UInt64
DIGEST_MADE_BY = "xxh3-64/2"  # kept beside stored digests: digests made in another way are not compared
_EXPECTED = (
    "expected a list of structs with namespace and id, or a struct or map of namespace to a list of "
    "ids or of structs with id"
)


def check_type(dtype: pl.DataType, column: str, file: str) -> None:
    """``DataError`` unless an identity map can be of this type."""
    if not _is_untyped(dtype) and not _is_pairs(dtype) and not _is_by_namespace(dtype):
        raise DataError(f"{file}: the identity map {column!r} is {dtype}; {_EXPECTED}")
    if bytes_ := next((name for name, kind in _parts_of_pairs(dtype) if kind == pl.Binary), None):
        raise DataError(
            f"{file}: the identity map {column!r} has bytes for {bytes_}; expected text or numbers"
            f"{cast_of_bytes(pl.Binary(), bytes_)}"
        )


def _is_untyped(dtype: pl.DataType) -> bool:
    """Whether the type holds only nulls and empty lists, so that nobody has an identity (D5)."""
    return dtype in (pl.Null, pl.List(pl.Null))


def _is_pairs(dtype: pl.DataType) -> bool:
    return (
        isinstance(dtype, pl.List)
        and isinstance(dtype.inner, pl.Struct)
        and {"namespace", "id"} <= {field.name for field in dtype.inner.fields}
    )


def _parts_of_pairs(dtype: pl.DataType) -> Iterator[tuple[str, object]]:
    """The name and the type of each column in which namespaces or ids stand."""
    for name in ("namespace", "id") if _is_pairs(dtype) else ():
        yield name, _field(dtype, name)
    if isinstance(dtype, pl.Map):
        yield "namespace", dtype.key
    inside = [field.dtype for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    for ids in [dtype.value] if isinstance(dtype, pl.Map) else inside:
        if isinstance(ids, pl.List):
            yield "id", _field(ids, "id") if isinstance(ids.inner, pl.Struct) else ids.inner


def _is_by_namespace(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Struct):
        return all(_is_ids(field.dtype) for field in dtype.fields)
    return isinstance(dtype, pl.Map) and _is_ids(dtype.value)


def _is_ids(dtype: object) -> bool:
    if not isinstance(dtype, pl.List):
        return dtype == pl.Null
    inner = dtype.inner
    if isinstance(inner, pl.Struct):
        return "id" in {field.name for field in inner.fields}
    if not isinstance(inner, pl.DataType):
        inner = inner()
    return inner in (pl.String, pl.Null, pl.Binary) or inner.is_numeric()  # bytes are refused with a hint


def ids_in(column: str, dtype: pl.DataType | None, namespace: str) -> pl.Expr:
    """The ids of one namespace: List(String), sorted, unique, empty when there are none (E2, M5)."""
    empty = pl.lit([], dtype=pl.List(pl.String))
    found = None if dtype is None or _is_untyped(dtype) else _ids_of(column, dtype, namespace)
    return empty if found is None else pl.coalesce(_clean(found), empty)


def _ids_of(column: str, dtype: pl.DataType, namespace: str) -> pl.Expr | None:
    if isinstance(dtype, pl.Struct):
        field = next((field for field in dtype.fields if field.name == namespace), None)
        return _plain_ids(_of_struct(column, dtype, namespace), field.dtype) if field else None
    if isinstance(dtype, pl.Map):
        return _plain_ids(user_column(column).map.get(namespace), dtype.value)
    pair = pl.element().struct
    ids = _id_text(pair.field("id"), _field(dtype, "id"))
    return user_column(column).list.eval(ids.filter(pair.field("namespace").cast(pl.String) == namespace))


def _of_struct(column: str, dtype: pl.Struct, namespace: str) -> pl.Expr:
    return struct_field(user_column(column), namespace, [field.name for field in dtype.fields])


def _plain_ids(ids: pl.Expr, dtype: object) -> pl.Expr:
    """A list of ids, or of structs with ``id``, as List(String)."""
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct):
        return ids.list.eval(_id_text(pl.element().struct.field("id"), _field(dtype, "id")))
    if isinstance(dtype, pl.List) and _is_number_with_places(dtype.inner):
        return ids.list.eval(_id_text(pl.element(), dtype.inner))
    return ids.cast(pl.List(pl.String))


def _field(pairs: object, name: str) -> object:
    """The type of a field of a list's structs."""
    fields = pairs.inner.fields if isinstance(pairs, pl.List) and isinstance(pairs.inner, pl.Struct) else []
    return next(field.dtype for field in fields if field.name == name)


def _id_text(ids: pl.Expr, dtype: object) -> pl.Expr:
    """Ids as String; decimals and floats as numbers are as keys: 7.00 is ``7`` (D7)."""
    return key_text(ids, dtype) if _is_number_with_places(dtype) else ids.cast(pl.String)


def _is_number_with_places(dtype: object) -> TypeGuard[pl.DataType]:
    return isinstance(dtype, pl.DataType) and (dtype.is_decimal() or dtype.is_float())


def _clean(ids: pl.Expr) -> pl.Expr:
    return (
        ids.list.eval(pl.element().filter(pl.element().is_not_null() & (pl.element() != ""))).list.unique().list.sort()
    )


def held_ids(frame: pl.LazyFrame, column: str, dtype: pl.DataType | None, namespace: str) -> pl.LazyFrame:
    """The ids of one namespace over all profiles: ``id`` (String), one a row, repeated ones too."""
    if dtype is None or not _is_pairs(dtype):
        return frame.select(ids_in(column, dtype, namespace).explode().alias("id")).drop_nulls()
    pair = pl.col("pair").struct  # without a list for each profile, which takes four times as long
    pairs = frame.select(user_column(column).explode().alias("pair"))
    ids = _id_text(pair.field("id"), _field(dtype, "id"))
    parts = pairs.select(pair.field("namespace").cast(pl.String).alias("namespace"), ids.alias("id"))
    return parts.filter((pl.col("namespace") == namespace) & (pl.col("id") != "")).select("id")


def pairs(column: str, dtype: pl.DataType | None) -> pl.Expr:
    """Each pair of a profile as text: the namespace, a zero byte, the id. List(String), empty when there is none (G8).

    Pairs are in the order of the column, and may be repeated.
    """
    empty = pl.lit([], dtype=pl.List(pl.String))
    if dtype is None or _is_untyped(dtype):
        return empty
    return pl.coalesce(_texts(column, dtype).list.drop_nulls(), empty)


def structs(column: str, dtype: pl.DataType | None, names: Collection[str] | None = None) -> pl.Expr:
    """The pairs of a profile as List(Struct(namespace, id)), sorted by both, each once; those of ``names`` if given."""
    texts = pairs(column, dtype).list.unique().list.sort()  # a zero byte is less than all else
    parts = pl.element().str.splitn("\0", 2).struct.rename_fields(["namespace", "id"])
    if names is None:
        return texts.list.eval(parts)
    named = [pl.element().str.starts_with(f"{name}\0") for name in names]
    return texts.list.eval(pl.element().filter(pl.any_horizontal(*named, pl.lit(value=False)))).list.eval(parts)


def first_pair(column: str, dtype: pl.DataType | None) -> pl.Expr:
    """The text of a profile's first pair (String), as of ``pairs``; empty text for one that does not count (G8).

    Of the spelling with the most pairs, a list of structs, no list of texts is made.
    """
    if dtype is None or not _is_pairs(dtype):
        return pairs(column, dtype).list.first()
    entry = user_column(column).list.first().struct
    text = _pair_text(entry.field("namespace").cast(pl.String), _id_text(entry.field("id"), _field(dtype, "id")))
    return pl.when(user_column(column).list.len() > 0).then(text.fill_null(""))


def _texts(column: str, dtype: pl.DataType) -> pl.Expr:
    """The texts of the pairs (List(String)), null for a pair that does not count."""
    return _of_pairs(column, dtype, _pair_text, pl.String())


def _of_pairs(
    column: str, dtype: pl.DataType, of_pair: Callable[[pl.Expr, pl.Expr], pl.Expr], inner: pl.DataType
) -> pl.Expr:
    """What ``of_pair`` makes of the namespace and the id of each pair: a list of values of the type ``inner``."""
    empty = pl.lit([], dtype=pl.List(inner))
    if isinstance(dtype, pl.Struct):
        fields = [
            (field.name, _plain_ids(_of_struct(column, dtype, field.name), field.dtype)) for field in dtype.fields
        ]
        found = [ids.list.eval(of_pair(pl.lit(name), pl.element())) for name, ids in fields]
        return pl.concat_list([pl.coalesce(each, empty) for each in found] or [empty])
    entry = pl.element().struct
    if isinstance(dtype, pl.Map):
        ids = _plain_ids(entry.field("value"), dtype.value)
        keys = entry.field("key").cast(pl.String).repeat_by(ids.list.len())
        return user_column(column).map.entries().list.eval(of_pair(keys.explode(), ids.explode()))
    return user_column(column).list.eval(
        of_pair(entry.field("namespace").cast(pl.String), _id_text(entry.field("id"), _field(dtype, "id")))
    )


def _pair_text(namespace: pl.Expr, value: pl.Expr) -> pl.Expr:
    """The text of one pair; null for a pair with a null or empty part."""
    return pl.when(_counts(namespace, value)).then(namespace + pl.lit("\0") + value)


def namespaces(column: str, dtype: pl.DataType | None) -> pl.Expr:
    """The namespaces in which a profile holds an id: List(String); for hints beside a warning (E2)."""
    if dtype is None or _is_untyped(dtype):
        return pl.lit([], dtype=pl.List(pl.String))
    if isinstance(dtype, pl.Struct):
        names = [
            pl.when(ids_in(column, dtype, field.name).list.len() > 0).then(pl.lit(field.name)) for field in dtype.fields
        ]
        return pl.concat_list(names).list.drop_nulls() if names else pl.lit([], dtype=pl.List(pl.String))
    if isinstance(dtype, pl.Map):
        return user_column(column).map.keys().cast(pl.List(pl.String))
    return user_column(column).list.eval(pl.element().struct.field("namespace").cast(pl.String))


def digest(column: str, dtype: pl.DataType | None) -> pl.Expr:
    """A digest of the set of pairs (UInt64), stable across versions of Polars; null when the column is absent (X3c).

    The digest is the sum of the hashes of distinct pairs, so that order and repetition do not count; 0 for no pair.
    """
    if dtype is None:
        return pl.lit(None, dtype=DIGEST_TYPE)
    return _hashes(column, dtype).list.unique().list.sum().fill_null(0)  # the sum passes over null


def digest_in(column: str, dtype: pl.DataType | None, names: Collection[str]) -> pl.Expr:
    """A digest of the pairs of some namespaces (UInt64), made as ``digest``; null when the column is absent."""
    if dtype is None:
        return pl.lit(None, dtype=DIGEST_TYPE)
    found = (
        ids_in(column, dtype, name).list.eval(_pair(pl.lit(name), pl.element())).list.sum().fill_null(0)
        for name in sorted(set(names))
    )
    return reduce(add, found, pl.lit(0, dtype=DIGEST_TYPE))


def _hashes(column: str, dtype: pl.DataType) -> pl.Expr:
    """The hashes of the pairs (List(UInt64)), null for a pair that does not count."""
    if _is_untyped(dtype):
        return user_column(column).cast(pl.List(DIGEST_TYPE))
    return _of_pairs(column, dtype, _pair, DIGEST_TYPE())


def _pair(namespace: pl.Expr, value: pl.Expr) -> pl.Expr:
    """The hash of one pair; null for a pair with a null or empty part.

    The hash is a product, so that two namespaces that swap their ids make another sum. One factor is odd, so that the
    product loses no bits of the other.
    """
    return pl.when(_counts(namespace, value)).then(_hash(value) * (_hash(namespace) | 1))


def _counts(namespace: pl.Expr, value: pl.Expr) -> pl.Expr:
    """Whether a pair counts: neither part is empty."""
    return (namespace.str.len_bytes() > 0) & (value.str.len_bytes() > 0)


def _hash(text: pl.Expr) -> pl.Expr:
    return NonCryptographicHashingNameSpace(text).xxh3_64()
