"""Keys, and what was sent, compared as they are written (M3, M5, X3e, X12).

A key is made of the columns of ``Layout.identifying``: one text or two, null where a part is null, and null is equal to
no key. What was sent is by rows: a profile has one, or one for each identity.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_

import polars as pl

from muster.activation.comparison.columns import (
    DESIRED,
    INCLUDED,
    WAS_DELIVERED,
    is_known,
    key,
    now,
    sent,
    sent_key,
)
from muster.activation.mapping.kept import Kept
from muster.activation.mapping.layout import Layout
from muster.activation.values.text import csv_text, key_text

ROW_OF_PROFILE = "row_of_profile"  # UInt32: the place of a row among those that a profile was last sent with

SentTypes = Sequence[pl.DataType]  # of ``sent(i)``; of lists the type of the elements


def rows_as_sent(frame: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """One row for each row last sent of a profile: ``sent(i)`` are single values, null where unknown.

    A profile of which nothing is known has one row.
    """
    lists = [i for i, each in enumerate(layout.kept) if each.holds_lists]
    if not lists:
        return frame.with_columns(pl.lit(0, pl.UInt32).alias(ROW_OF_PROFILE))
    height = pl.max_horizontal(pl.lit(1, pl.UInt32), *(pl.col(sent(i)).list.len() for i in lists))
    numbered = frame.with_columns(pl.int_ranges(0, height, dtype=pl.UInt32).alias(ROW_OF_PROFILE))
    elements = (pl.col(sent(i)).list.get(pl.col(ROW_OF_PROFILE), null_on_oob=True).alias(sent(i)) for i in lists)
    return numbered.explode(ROW_OF_PROFILE).with_columns(elements)


def keys_now(frame: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """One row for each key that profiles have today: ``frame`` with ``key(n)``."""
    keyed = frame.with_columns(_now_text(layout.kept[i], i).alias(key(n)) for n, i in enumerate(layout.identifying))
    return keyed.explode(key(0)) if layout.identity else keyed


def keys_sent(rows: pl.LazyFrame, layout: Layout, types: SentTypes) -> pl.LazyFrame:
    """The rows of ``rows_as_sent`` with ``key(n)``."""
    texts = (sent_text(layout.kept[i], i, types[i]).alias(key(n)) for n, i in enumerate(layout.identifying))
    return rows.with_columns(texts)


def sent_text(kept: Kept, position: int, sent_type: pl.DataType) -> pl.Expr:
    """The text by which what was sent in a column of ``kept`` is compared as a part of a key (D7); no list."""
    return pl.col(sent_key(position)) if kept.has_key_texts else key_text(pl.col(sent(position)), sent_type)


def keys_of_members(judged: pl.LazyFrame, layout: Layout, types: SentTypes) -> pl.LazyFrame:
    """The keys under which a receiver has those who stay: today's of the desired, and those last sent if not included.

    Columns: ``key(n)``, each key once.
    """
    desired, names = judged.filter(DESIRED), key_names(layout)
    staying = rows_as_sent(desired.filter(~pl.col(INCLUDED)), layout).pipe(keys_sent, layout, types)
    return pl.concat([keys_now(desired, layout).select(names), staying.select(names)]).unique()


def key_names(layout: Layout) -> list[str]:
    """The names of the columns of a key."""
    return [key(n) for n in range(len(layout.identifying))]


def _now_text(kept: Kept, position: int) -> pl.Expr:
    """Today's value as a part of a key; for an identity the list of the profile's."""
    value = pl.col(now(position))
    return value if kept.field.role == "identity" else key_text(value, kept.field.dtype)


def differs(layout: Layout, types: SentTypes, positions: Iterable[int]) -> pl.Expr:
    """Whether what a delivered profile was sent is known and differs from today's in one of these columns of ``kept``.

    Keys are compared as ``key_text``, other values by what is written.
    """
    each = [
        pl.col(WAS_DELIVERED) & pl.col(is_known(i)).fill_null(value=False) & _differs(layout.kept[i], i, types[i])
        for i in positions
    ]
    return reduce(or_, each, pl.lit(value=False))


def _differs(kept: Kept, position: int, sent_type: pl.DataType) -> pl.Expr:
    field, before, today = kept.field, pl.col(sent(position)), pl.col(now(position))
    if field.role == "identity":
        return (before.list.set_symmetric_difference(today).list.len() > 0).fill_null(value=True)
    if kept.is_key and kept.has_key_texts:
        return sent_text(kept, position, sent_type).ne_missing(key_text(today, field.dtype))
    text = key_text if kept.is_key else csv_text
    if kept.holds_lists:
        one = before.list.first()  # the rows of one profile had one value, unless they were one an identity
        return (before.list.n_unique() != 1) | text(one, sent_type).ne_missing(text(today, field.dtype))
    if sent_type == field.dtype and not sent_type.is_nested():
        return before.ne_missing(today)
    return text(before, sent_type).ne_missing(text(today, field.dtype))
