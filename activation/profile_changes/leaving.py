"""Exits by what a receiver knows people by: identifiers and keys that no member holds any more (M3, M5, V9, X12).

The functions take everybody who was looked at, with the decisions and what rows keep, and return a frame by
``muster:row`` with the columns that ``profile_changes.people`` has for declared requests.
"""

from collections.abc import Sequence

import polars as pl

from muster.activation.comparison.columns import RANK
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW
from muster.activation.profile_changes.columns import IDENTIFIERS, IS_DESIRED, WITHDRAWN, desired, holds
from muster.activation.profile_changes.decide import Situation
from muster.activation.profile_changes.delivered_rows import MAYBE_SENT, maybe_held
from muster.activation.profile_changes.people import also, held, is_told, leaves, now, sent, status, time, withdraws

_KEY, _KEY_NOW, _RECORD, _IS_SENT, _STAYS, _TIME = "key", "key_now", "record", "is_sent", "stays", "moment"


def identifiers_that_leave(
    everybody: pl.DataFrame, situation: Situation, *, tells_audiences: bool
) -> dict[str, pl.Series]:
    """``held(i)`` and ``leaves(i)`` of everybody, in their order (M5).

    ``tells_audiences`` is whether a receiver keeps the members of audiences apart; otherwise an identifier that a
    member of any audience holds does not leave.
    """
    found: dict[str, pl.Series] = {}
    holding = {i: _holding_identifiers(everybody, situation, i) for i in situation.places}
    united = None if tells_audiences else pl.concat(holding.values()).unique()
    for i in situation.places:
        told = everybody.lazy().filter(pl.col(is_told(i)))
        ids = _once_told(i)
        candidates = told.select(ROW, RANK, time(i), ids.alias(_KEY)).explode(_KEY).drop_nulls(_KEY)
        others = candidates.join((holding[i] if united is None else united).lazy(), on=_KEY, how="anti")
        first = others.sort(time(i), RANK, descending=[True, False], maintain_order=True).unique(
            _KEY, keep="first", maintain_order=True
        )
        listed = first.group_by(ROW).agg(pl.col(_KEY).sort().alias(leaves(i)))
        beside = everybody.lazy().select(ROW, held(i)).join(listed, on=ROW, how="left", maintain_order="left")
        columns = engine.collect(beside, everybody.height)
        found |= {held(i): columns[held(i)], leaves(i): columns[leaves(i)]}
    return found


def _once_told(place: int) -> pl.Expr:
    """The identifiers that were, or may have been, told as realized."""
    empty = pl.lit([], dtype=pl.List(pl.String))
    return pl.coalesce(pl.col(held(place)), empty).list.set_union(pl.coalesce(pl.col(maybe_held(place)), empty))


def _holding_identifiers(everybody: pl.DataFrame, situation: Situation, place: int) -> pl.DataFrame:
    """The identifiers that members of an audience hold now, or still have at the receiver."""
    frame = everybody.lazy()
    if place in situation.mapped:
        members = frame.filter(pl.col(desired(place)))
        staying = members.filter(~pl.col(is_told(place)).fill_null(value=False))
        lists = [members.select(pl.col(IDENTIFIERS).alias(_KEY)), staying.select(_once_told(place).alias(_KEY))]
    else:
        staying = frame.filter(pl.col(holds(place)) & ~pl.col(WITHDRAWN))
        lists = [staying.select(_once_told(place).alias(_KEY))]
    whole = pl.concat(lists).explode(_KEY).drop_nulls().unique()
    return engine.collect(whole, everybody.height)


def keys_that_leave(
    everybody: pl.DataFrame, situation: Situation, kept: Sequence[str], keys: Sequence[str], *, tells_audiences: bool
) -> dict[str, pl.Series]:
    """``withdraws(i)`` and ``also(i)`` of everybody, in their order (M3, X12).

    ``kept`` are the kept targets, ``keys`` those by which duplicates are told; without any, a receiver knows each
    profile by itself. ``tells_audiences`` is as of ``identifiers_that_leave``.
    """
    found: dict[str, pl.Series] = {}
    holding = {i: _holding_keys(everybody, situation, i, keys) for i in situation.places} if keys else {}
    united = None if tells_audiences or not keys else pl.concat(holding.values()).unique()
    for i in situation.places:
        records = _records_told(everybody, i, kept, keys)
        if keys:
            records = _first_without_member(records, holding[i] if united is None else united)
        else:
            stays = pl.lit(value=False) if tells_audiences else pl.col(IS_DESIRED)
            records = records.filter(~pl.col(_STAYS) & ~stays)
        listed = records.group_by(ROW).agg(
            pl.col(_IS_SENT).any().alias(withdraws(i)), pl.col(_RECORD).filter(~pl.col(_IS_SENT)).alias(also(i))
        )
        beside = everybody.lazy().select(ROW).join(listed, on=ROW, how="left", maintain_order="left")
        filled = beside.with_columns(
            pl.col(withdraws(i)).fill_null(value=False),
            pl.when(pl.col(also(i)).list.len() > 0).then(also(i)).alias(also(i)),
        )
        columns = engine.collect(filled, everybody.height)
        found |= {withdraws(i): columns[withdraws(i)], also(i): columns[also(i)]}
    return found


def _records_told(everybody: pl.DataFrame, place: int, kept: Sequence[str], keys: Sequence[str]) -> pl.LazyFrame:
    """What was, or may have been, sent to a receiver of an audience's profiles that are told now: a row a record.

    Of a profile that stays under the same key there is none.
    """
    told = everybody.lazy().filter(pl.col(is_told(place)) & pl.col(holds(place)))
    own = _key([pl.col(now(name)) for name in keys]).alias(_KEY_NOW)
    about = told.with_columns(own, pl.col(status(place)).alias(_STAYS), pl.col(time(place)).alias(_TIME))
    names = [ROW, RANK, IS_DESIRED, _STAYS, _TIME, _KEY_NOW]
    record = pl.struct(pl.col(sent(name)).alias(name) for name in kept) if kept else pl.lit(None, pl.String)
    records = [about.select(*names, record.alias(_RECORD), pl.lit(value=True).alias(_IS_SENT))]
    if kept:
        others = about.select(*names, pl.col(MAYBE_SENT).alias(_RECORD)).explode(_RECORD).drop_nulls(_RECORD)
        records.append(others.with_columns(pl.lit(value=False).alias(_IS_SENT)))
    key = _key([pl.col(_RECORD).struct.field(name) for name in keys]).alias(_KEY)
    whole = pl.concat(records).with_columns(key)
    return whole.filter(~pl.col(_STAYS) | (pl.col(_KEY) != pl.col(_KEY_NOW)).fill_null(value=False))


def _first_without_member(records: pl.LazyFrame, holding: pl.DataFrame) -> pl.LazyFrame:
    """The records whose key no member holds; of equal keys the first, in M3's order. A null key is equal to none."""
    others = records.join(holding.lazy(), on=_KEY, how="anti", nulls_equal=False)
    ordered = others.sort(_TIME, RANK, ~pl.col(_IS_SENT), descending=[True, False, False], maintain_order=True)
    return ordered.filter(pl.col(_KEY).is_null() | pl.col(_KEY).is_first_distinct())


def _holding_keys(everybody: pl.DataFrame, situation: Situation, place: int, keys: Sequence[str]) -> pl.DataFrame:
    """The keys that members of an audience have now, or under which a receiver still has them."""
    frame, own = everybody.lazy(), _key([pl.col(now(name)) for name in keys]).alias(_KEY)
    last = _key([pl.col(sent(name)) for name in keys]).alias(_KEY)
    if place in situation.mapped:
        members = frame.filter(pl.col(desired(place)))
        staying = members.filter(~pl.col(is_told(place)).fill_null(value=False) & pl.col(holds(place)))
        lists = [members.select(own), staying.select(last)]
    else:
        lists = [frame.filter(pl.col(holds(place)) & ~pl.col(WITHDRAWN)).select(last)]
    return engine.collect(pl.concat(lists).drop_nulls().unique(), everybody.height)


def _key(parts: Sequence[pl.Expr]) -> pl.Expr:
    """The text of a key from the JSON of its parts; null where a part is null, and without parts (M3, D7)."""
    if not parts:
        return pl.lit(None, pl.String)
    return pl.concat_str([_key_text(each) for each in parts], separator="\0", ignore_nulls=False)


def _key_text(json: pl.Expr) -> pl.Expr:
    """The text by which a value is compared as a part of a key, from its JSON: 7, 7.0 and the text 7 are equal (D7)."""
    number = json.str.replace(r"(\.[0-9]*?)0+\z", "${1}").str.replace(r"\.\z", "")
    return pl.when(json.str.starts_with('"')).then(json.str.json_path_match("$")).otherwise(number)
