"""The identity map of a message: identities by namespace, sorted (V5)."""

from collections.abc import Collection

import polars as pl

from muster.activation.frames import engine
from muster.activation.profile_changes.people import IDS, IDS_SENT, IS_WITHDRAWAL
from muster.activation.values.message_json import message_json

IDENTITY_MAP = "identityMap"
_ROW, _NAMESPACE, _ID = "row", "namespace", "id"


def identity_maps(people: pl.DataFrame, namespaces: Collection[str] | None) -> pl.Series:
    """``identityMap`` of each person (String): an object of namespace to a list of objects with ``id``.

    Namespaces and ids are sorted by their UTF-8 bytes; null for a person without an identity. A withdrawal has the
    identities last sent. ``namespaces`` are the only ones that are told; None: all.
    """
    told = pl.when(IS_WITHDRAWAL).then(IDS_SENT).otherwise(IDS)
    each = people.lazy().select(told.alias(IDS)).with_row_index(_ROW).explode(IDS).drop_nulls().unnest(IDS)
    if namespaces is not None:
        each = each.filter(pl.col(_NAMESPACE).is_in(list(namespaces)))
    ordered = each.unique().sort(_ROW, _NAMESPACE, _ID)
    goes_on = pl.col(_ROW) == pl.col(_ROW).shift()
    is_same = goes_on & (pl.col(_NAMESPACE) == pl.col(_NAMESPACE).shift())
    opening = pl.concat_str(message_json(pl.col(_NAMESPACE), pl.String()), pl.lit(":["))
    before = (
        pl.when(is_same)
        .then(pl.lit(","))
        .when(goes_on)
        .then(pl.concat_str(pl.lit("],"), opening))
        .otherwise(pl.concat_str(pl.lit("{"), opening))
    )
    text = pl.concat_str(before, pl.lit('{"id":'), message_json(pl.col(_ID), pl.String()), pl.lit("}"))
    maps = ordered.select(_ROW, text.alias(IDENTITY_MAP)).group_by(_ROW, maintain_order=True)
    whole = maps.agg(pl.concat_str(pl.col(IDENTITY_MAP).str.join(""), pl.lit("]}")))
    rows = pl.LazyFrame({_ROW: pl.int_range(people.height, dtype=pl.UInt32, eager=True)})
    return engine.collect_inside(rows.join(whole, on=_ROW, how="left", maintain_order="left"))[IDENTITY_MAP]
