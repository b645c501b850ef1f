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
from muster.activation.mapping.kept import UNMAPPED
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.profile_changes.columns import (
    HELD_DIFFERS,
    IDENTIFIERS,
    KEPT_DIFFERS,
    desired,
    member,
    reason,
    since,
)
from muster.activation.profile_changes.people import HELD_DTYPE, held, name_of, sent
from muster.activation.profile_changes.people import now as told_now
from muster.activation.values.message_json import message_json

_ID = "id"


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
    texts = [message_json(pl.col(now(i)), each.field.dtype).alias(told_now(name_of(each))) for i, each in kept.items()]
    key = next((i for i, each in enumerate(layout.kept) if each.field is layout.identity), None)
    written = pl.lit(None, HELD_DTYPE) if key is None else pl.col(now(key)).list.drop_nulls()
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


def with_differences(looked: pl.DataFrame, mapped: Sequence[int], kept: Iterable[str]) -> pl.DataFrame:
    """Add whether identifiers, or kept values, are not those that were told; ``looked`` has what rows keep.

    An identifier that another member has now is no difference: it needs no exit.
    """
    others = [_other_identifiers(looked, place) for place in mapped if held(place) in looked.columns]
    values = (
        (pl.col(sent(name)) != pl.col(told_now(name))).fill_null(value=True) & pl.col(sent(name)).is_not_null()
        for name in kept
        if not name.startswith(UNMAPPED)
    )
    differs = pl.any_horizontal(*values, pl.lit(value=False)).alias(KEPT_DIFFERS)
    others = others or [pl.Series("nobody", [False]).new_from_index(0, looked.height)]
    named = pl.DataFrame(others).select(pl.any_horizontal(pl.all()).alias(HELD_DIFFERS))
    return pl.concat([looked.drop(HELD_DIFFERS).with_columns(differs), named], how="horizontal")


def _other_identifiers(looked: pl.DataFrame, place: int) -> pl.Series:
    """Whether a member of an audience has identifiers that were not told, or was told some that nobody has now."""
    told, before = pl.col(IDENTIFIERS), pl.col(held(place))
    known = looked.lazy().filter(pl.col(desired(place)) & before.is_not_null())
    lost = known.select(ROW, before.list.set_difference(told).alias(_ID)).explode(_ID).drop_nulls(_ID)
    members = looked.lazy().filter(pl.col(desired(place))).select(told.alias(_ID)).explode(_ID)
    nobody_has = lost.join(members, on=_ID, how="anti").select(pl.col(ROW).unique())
    is_new = known.filter(told.list.set_difference(before).list.len() > 0).select(ROW)
    rows = engine.collect(pl.concat([nobody_has, is_new]), looked.height)[ROW]
    return looked[ROW].is_in(rows.implode()).alias(held(place))
