"""The order of identities: by priority, then namespace and id as UTF-8 bytes (P7)."""

from collections.abc import Mapping

import polars as pl
from polars_hash import NonCryptographicHashingNameSpace

from muster.activation.model.sources import Namespace

_LAST = Namespace("")  # a namespace that is not declared has the priority of one that is declared without


def text() -> pl.Expr:
    """The text of an identity: the columns ``namespace`` and ``id``, with a zero byte between them."""
    return pl.col("namespace") + pl.lit("\0") + pl.col("id")


def identity_key() -> pl.Expr:
    """A number (UInt64) for the columns ``namespace`` and ``id``, to join by; two identities may have one.

    The two are hashed apart: to make one text of them takes longer than to hash both.
    """
    namespace, id_ = (NonCryptographicHashingNameSpace(pl.col(name)) for name in ("namespace", "id"))
    return namespace.xxh3_64(seed=1) ^ id_.xxh3_64()


def priorities(namespaces: Mapping[str, Namespace]) -> pl.Expr:
    """The priority (UInt16) of the column ``namespace``; 1 is highest."""
    known = {name: each.priority for name, each in namespaces.items()}
    return pl.col("namespace").replace_strict(known, default=_LAST.priority, return_dtype=pl.UInt16)


def ranks(namespaces: Mapping[str, Namespace]) -> pl.Expr:
    """The place (UInt16) of the column ``namespace`` in the order of namespaces: by priority, then by name.

    Python orders names as their UTF-8 bytes.
    """
    ordered = sorted(namespaces, key=lambda name: (namespaces[name].priority, name))
    places = {name: place for place, name in enumerate(ordered)}
    return pl.col("namespace").replace_strict(places, default=len(places), return_dtype=pl.UInt16)


def smallest_rows(groups: pl.Series, places: pl.Series, ids: pl.Series) -> pl.Series:
    """The row (UInt32) of the smallest identity of each group (UInt32), by group.

    ``places`` are those of the namespaces (``ranks``). Texts are compared only where a group has several identities of
    the namespace that comes first.
    """
    packed = groups.cast(pl.UInt64) * (1 << 16) + places.cast(pl.UInt64)
    order = packed.arg_sort()
    rows = pl.DataFrame({"row": order, "packed": packed.gather(order), "group": groups.gather(order)})
    is_first = (pl.col("group") != pl.col("group").shift(1)).fill_null(value=True)
    rows = rows.with_columns(is_first.alias("is_first"))
    wanted = pl.when("is_first").then("packed").forward_fill()
    candidates = rows.filter(pl.col("packed") == wanted)
    is_tied = ~(pl.col("is_first") & pl.col("is_first").shift(-1).fill_null(value=True))
    alone, tied = candidates.filter(~is_tied), candidates.filter(is_tied)
    if tied.height:
        tied = tied.with_columns(ids.gather(tied["row"]).alias("id")).sort("group", "id")
        tied = tied.unique("group", keep="first", maintain_order=True)
    found = pl.concat([alone.select("group", "row"), tied.select("group", "row")])
    return found.sort("group")["row"].cast(pl.UInt32)


def sorted_by_id(profiles: pl.DataFrame) -> pl.DataFrame:
    """Rows by ``profile_id``: hex digits, of which the first sixteen are compared as a number, ten times as fast."""
    order = profiles["profile_id"].str.head(16).str.to_integer(base=16, dtype=pl.UInt64).arg_sort()
    found = profiles[order]
    ids = found["profile_id"]
    return found if (ids >= ids.shift(1)).all() else found.sort("profile_id")
