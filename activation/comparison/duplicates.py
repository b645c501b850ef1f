"""Profiles and exits that lose to another one with their key (M3, M5).

M3's order decides who stays: the newest last_qualification_time first, then the smallest other mapped values, then the
smallest profile id.
"""

from collections.abc import Sequence

import polars as pl

from muster.activation.comparison.columns import RANK, ROW_TIME, key, now
from muster.activation.comparison.keys import key_names, keys_now
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, ROW, ROW_TYPE, TIME
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import AS_SENT, exit_value
from muster.activation.values.text import csv_text


def losers(candidates: pl.LazyFrame, values: ProfileValues, layout: Layout) -> pl.LazyFrame:
    """The candidates (``muster:row``) that lose to another one with an equal key, or with a common identity (M3, M5).

    Candidates are members, with the columns of ``comparison.columns``. The values of ties are looked up only for those
    that share a key.
    """
    keyed = candidates.select(ROW, RANK, TIME, *(now(i) for i in layout.identifying)).pipe(keys_now, layout)
    sharing = engine.collect(_sharing(keyed.select(ROW, RANK, TIME, *key_names(layout)), key_names(layout)))
    if sharing.is_empty():
        return pl.LazyFrame(schema={ROW: ROW_TYPE})
    order = [*(csv_text(pl.col(field.value_column), field.dtype) for field in layout.ties), pl.col(RANK)]
    ordered = _in_order(values.of(sharing, layout.ties), TIME, order)
    if layout.identity:
        return _repeated_identities(ordered)
    return ordered.filter(~pl.struct(key_names(layout)).is_first_distinct()).select(ROW)


def first_exits(exits: pl.LazyFrame, values: ProfileValues, layout: Layout) -> pl.LazyFrame:
    """The exited rows less those that lose to another one with an equal key (M3).

    Exits have ``key(n)``, ``row_time``, and the values that they carry (``exit_value``), by which ties are broken.
    """
    names = key_names(layout)
    numbered = engine.collect(exits.with_row_index("n"))
    sharing = engine.collect(_sharing(numbered.lazy(), names))
    if sharing.is_empty():
        return numbered.lazy().drop("n")
    tied = values.of(sharing.with_columns(values.roster.ids_of(sharing[ROW]).alias(ID)), layout.ties)
    ordered = _in_order(tied, ROW_TIME, [*_exit_ties(layout, sharing.columns), pl.col(RANK)])
    losing = ordered.filter(~pl.struct(names).is_first_distinct()).select("n")
    return numbered.lazy().join(losing, on="n", how="anti", maintain_order="left").drop("n")


def _exit_ties(layout: Layout, columns: Sequence[str]) -> list[pl.Expr]:
    """The other mapped values of exits as their rows have them: what was sent, the id, or the newest value."""
    names = {id(field): exit_value(position) for position, field in enumerate(layout.fields)}

    def value(field: Field) -> pl.Expr:
        if names[id(field)] in columns:
            return pl.col(names[id(field)])
        if field.role == "profile_id":
            return field.expr
        newest = pl.col(field.value_column)
        return pl.when(~pl.col(AS_SENT)).then(newest) if AS_SENT in columns else newest

    return [csv_text(value(field), field.dtype) for field in layout.ties]


def _in_order(frame: pl.LazyFrame, time: str, ties: Sequence[pl.Expr]) -> pl.LazyFrame:
    """A frame in M3's order: the newest ``time`` first, then ``ties``; texts compare by UTF-8 bytes, null first."""
    descending = [True, *([False] * len(ties))]
    return frame.sort(pl.col(time), *ties, descending=descending, nulls_last=False, maintain_order=True)


def _sharing(frame: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows of ``frame`` whose key another row has too; a null in any part is equal to nothing."""
    keyed = frame.filter(pl.all_horizontal(pl.col(each).is_not_null() for each in keys))
    return keyed.filter(pl.col(keys[0]).is_duplicated()).filter(pl.struct(keys).is_duplicated())


def _repeated_identities(ordered: pl.LazyFrame) -> pl.LazyFrame:
    """The profiles (``muster:row``) that share an identity with one taken before them, in M3's order (M5).

    Whether a profile is taken depends on those taken before it, so the few that share an identity at all are decided
    one by one.
    """
    shared = engine.collect(ordered.group_by(ROW, maintain_order=True).agg(pl.col(key(0))))
    taken: set[str] = set()
    losing: list[int] = []
    for profile, identities in shared.iter_rows():
        if taken.isdisjoint(identities):
            taken.update(identities)
        else:
            losing.append(profile)
    return pl.LazyFrame({ROW: losing}, schema={ROW: ROW_TYPE})
