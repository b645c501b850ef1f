"""Profiles whose values have a say: mandatory ones, keys of duplicates, identifiers of one namespace (M2, M3, M5, X12).

Everybody is looked at then, as exports of files do where the delivered set keeps values.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from muster.activation.comparison.columns import DESIRED, MEMBER, REASON, now
from muster.activation.comparison.compare import with_values_now
from muster.activation.comparison.reasons import Reason, judge, needed_values
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW, TIME
from muster.activation.mapping.columns import VALUE
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.profile_changes import people
from muster.activation.profile_changes.columns import (
    HELD_DIFFERS,
    IDENTIFIERS,
    KEPT_DIFFERS,
    desired,
    member,
    reason,
    since,
)
from muster.activation.profile_changes.people import held, name_of, sent
from muster.activation.values.message_json import message_json


def looked_at(
    everyone: pl.DataFrame,
    layout: Layout,
    reasons: tuple[Reason, ...],
    values: ProfileValues,
    mapped: Sequence[int],
) -> pl.DataFrame:
    """Everyone (``Sides.pick``) with ``reason(i)``, ``desired(i)``, ``now(target)`` and ``identifiers``.

    ``identifiers`` (List(String)) are the ids of the mapped namespace as they are written; null without one.
    """
    whole = engine.collect(with_values_now(everyone, layout, needed_values(reasons), values), everyone.height)
    found = [_judged(whole, reasons, values, place) for place in mapped]
    named = engine.collect_all(found, everyone.height)
    kept = {i: each for i, each in enumerate(layout.kept) if each.field.role != "identity"}
    texts = [
        message_json(pl.col(now(i)), each.field.dtype).alias(people.now(name_of(each))) for i, each in kept.items()
    ]
    key = next((i for i, each in enumerate(layout.kept) if each.field is layout.identity), None)
    written = pl.lit(None, people.HELD_DTYPE) if key is None else pl.col(now(key)).list.drop_nulls()
    columns = engine.collect(whole.lazy().with_columns(*texts, written.alias(IDENTIFIERS)), everyone.height)
    columns = columns.drop(name for name in columns.columns if name.startswith(VALUE))
    for each in named:
        columns = columns.join(each, on=ROW, how="left", maintain_order="left")
    return columns


def _judged(whole: pl.DataFrame, reasons: tuple[Reason, ...], values: ProfileValues, place: int) -> pl.LazyFrame:
    """muster:row, ``reason(i)`` and ``desired(i)`` of one audience."""
    asked = whole.lazy().with_columns(pl.col(member(place)).alias(MEMBER), pl.col(since(place)).alias(TIME))
    named = (pl.col(REASON).alias(reason(place)), pl.col(DESIRED).alias(desired(place)))
    return judge(asked, reasons, values).select(ROW, *named)


def with_differences(looked: pl.DataFrame, mapped: Iterable[int], kept: Iterable[str]) -> pl.DataFrame:
    """Add whether identifiers, or kept values, are not those that were told; ``looked`` has what rows keep."""
    told = pl.col(IDENTIFIERS)
    others = (
        pl.col(desired(i)) & (pl.col(held(i)).list.set_symmetric_difference(told).list.len() > 0).fill_null(value=False)
        for i in mapped
        if held(i) in looked.columns
    )
    values = (
        (pl.col(sent(name)) != pl.col(people.now(name))).fill_null(value=True) & pl.col(sent(name)).is_not_null()
        for name in kept
        if not name.startswith("key:")
    )
    nobody = pl.lit(value=False)
    return looked.with_columns(
        pl.any_horizontal(*others, nobody).alias(HELD_DIFFERS), pl.any_horizontal(*values, nobody).alias(KEPT_DIFFERS)
    )
