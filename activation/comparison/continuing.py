"""What delivered profiles were sent, continued by the columns of today's mapping (X12).

Each column that is kept takes over what was sent under its target, or under a target that is gone. Columns that were
keys at an earlier run are kept on for as long as they are mapped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.frames.columns import ID
from muster.activation.mapping.columns import Field
from muster.activation.mapping.kept import CARRIED, COMPARED, COMPARED_BY, IDENTITIES, UNMAPPED, Kept
from muster.activation.mapping.last_mapping import LastMapping, compared_column
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.sent_types import as_type, spells
from muster.activation.model.workspace import Column
from muster.activation.values.text import csv_text, key_text, without_formulas


@dataclass(frozen=True)
class Continued:
    """A kept column, and what delivered profiles were sent in it."""

    kept: Kept
    values: pl.Series  # of today's type, or text; lists of text where ``kept.holds_lists``
    known: pl.Series  # Boolean
    key_texts: pl.Series | None = None  # String, where ``kept.has_key_texts``


@dataclass(frozen=True)
class _Sent:
    """The stored values that a column continues."""

    name: str  # with its prefix, as ``Kept.stored_name``; empty for profile ids, which need no storing
    values: pl.Series
    known: pl.Series
    key_texts: pl.Series | None = None  # where the type of the values does not say by which text they are compared (D7)

    @property
    def is_carried(self) -> bool:
        """Whether exits carried the values."""
        return not self.name or self.name.startswith((CARRIED, IDENTITIES))


def continued(
    layout: Layout, frame: pl.DataFrame, ids: Callable[[], pl.Series], last: LastMapping
) -> Iterator[Continued]:
    """The columns that a delivered set keeps from now on, in the order of ``Layout.kept``.

    ``frame`` is the delivered set (``earlier_sets.by_target``), ``ids`` gives its profile ids (String), ``last`` is the
    mapping with which it was sent.
    """
    targets = {field.column.name for field in layout.fields}
    asked, rows = {each.position: each for each in layout.kept}, _rows_sent(frame)
    for position, field in enumerate(layout.fields):
        if field.role in {"status", "time"}:
            continue
        before = last.predecessor(field.column, targets)
        kept, remade = asked.get(position), before is not None and last.is_made_otherwise(before, field)
        if kept is None and field.role == "profile_id" and not remade and not _is_stored(before, frame):
            continue  # whatever was sent in it is the id
        sent = _sent_in(before, frame, ids, last)
        if before is None and field.role == "profile_id":
            sent = _Sent("", _ids_as_written(field, ids()), _true(frame.height))  # an id is no value of a day
        if kept or _is_kept_on(field, before, sent, remade=remade):
            kept = kept or Kept(field, position, is_carried=field.role == "profile_id")
            yield _continue(
                replace(
                    kept,
                    is_carried=kept.is_carried or (sent is not None and sent.is_carried),
                    holds_lists=kept.holds_lists or (sent is not None and sent.name.startswith(IDENTITIES)),
                    is_made_otherwise=remade,
                    was_identifying=before is not None and last.is_key(before),
                ),
                sent,
                rows,
            )
    for each in layout.kept:
        if each.position is None:
            yield _continue(each, _sent_by_source(each.field.column.source, frame, last), rows)


def _is_kept_on(field: Field, before: Column | None, sent: _Sent | None, *, remade: bool) -> bool:
    """Whether a column is kept that today's settings do not ask for: it was a key, or its target held profile ids."""
    if field.role == "profile_id":
        return remade or (sent is not None and bool(sent.name))
    return sent is not None and sent.is_carried and before is not None


def _is_stored(before: Column | None, frame: pl.DataFrame) -> bool:
    """Whether the delivered set has a column with what was sent in a column of the last mapping."""
    prefixes = (IDENTITIES, CARRIED, COMPARED)
    return before is not None and any(f"{each}{before.name}" in frame.columns for each in prefixes)


def _sent_in(
    before: Column | None, frame: pl.DataFrame, ids: Callable[[], pl.Series], last: LastMapping
) -> _Sent | None:
    """What was sent in a column of the last mapping; None where nothing is known."""
    if before is None:
        return None
    for prefix in (IDENTITIES, CARRIED, COMPARED):
        if f"{prefix}{before.name}" in frame.columns:
            return _stored(f"{prefix}{before.name}", before.name, frame)
    if last.is_id(before) and before.is_plain:
        written = without_formulas(pl.col(ID)) if last.sanitizes else pl.col(ID)
        values = ids().alias(ID).to_frame().select(written.alias(ID))[ID]
        return _Sent("", values, _true(frame.height))
    return None


def _sent_by_source(source: str, frame: pl.DataFrame, last: LastMapping) -> _Sent | None:
    """The values with which profiles were last sent of a deduplication source that is not mapped today."""
    name = f"{UNMAPPED}{source}"
    if name in frame.columns:
        return _stored(name, name, frame)
    before = compared_column(last.columns, source)
    if before is None or not before.is_plain:
        return None
    names = (f"{prefix}{before.name}" for prefix in (CARRIED, IDENTITIES, COMPARED))
    stored = next((each for each in names if each in frame.columns), None)
    sent = _stored(stored, before.name, frame) if stored else None
    return replace(sent, values=sent.values.list.first()) if sent and sent.name.startswith(IDENTITIES) else sent


def _stored(name: str, subject: str, frame: pl.DataFrame) -> _Sent:
    values, unknown = frame[name], f"unknown:{subject}"
    known = ~frame[unknown] if unknown in frame.columns else _true(frame.height)
    key_texts = frame.get_column(f"{COMPARED_BY}{subject}", default=None)
    return _Sent(name, values, known & values.is_not_null() if name.startswith(IDENTITIES) else known, key_texts)


def _ids_as_written(field: Field, ids: pl.Series) -> pl.Series:
    return ids.alias(ID).to_frame().select(field.expr.alias("written"))["written"]


def _rows_sent(frame: pl.DataFrame) -> pl.Series:
    """How many rows each delivered profile was last sent with: one, or one for each identity (M5)."""
    one = pl.Series("rows", [1], dtype=pl.UInt32).new_from_index(0, frame.height)
    lists = [pl.col(name).list.len() for name in frame.columns if name.startswith(IDENTITIES)]
    return frame.select(pl.max_horizontal(one, *lists).alias("rows"))["rows"] if lists else one


def _true(length: int) -> pl.Series:
    return pl.Series([True]).new_from_index(0, length)


def _continue(kept: Kept, sent: _Sent | None, rows: pl.Series) -> Continued:
    """The column with what was sent in it, in today's type if that spells it, else as text.

    ``rows`` is how many rows each profile was last sent with.
    """
    dtype, length = kept.field.dtype, len(rows)
    if sent is None:
        unknown = pl.Series([None], dtype=pl.List(pl.String) if kept.holds_lists else dtype)
        return Continued(kept, unknown.new_from_index(0, length), pl.Series([False]).new_from_index(0, length))
    values, as_text, key_texts = sent.values, False, None
    if kept.holds_lists:
        values = values if isinstance(values.dtype, pl.List) else _in_lists(values, sent.known, rows)
        as_text = dtype != pl.String()
    elif kept.position is None:
        values = (
            values
            if values.dtype == dtype
            else _as(values, lambda value: key_text(value, sent.values.dtype).cast(pl.String))
        )
    else:
        key_texts = _key_texts(sent, dtype)
        as_text = not spells(dtype, values)
        text = pl.String() if as_text else dtype
        values = _as(values, lambda value: as_type(value, sent.values.dtype, text))
    kept = replace(kept, as_text=as_text and kept.is_carried, has_key_texts=key_texts is not None)
    return Continued(kept, values, sent.known, key_texts)


def _key_texts(sent: _Sent, dtype: pl.DataType) -> pl.Series | None:
    """The text by which each value is compared as a key, for values of which the type is gone (D7).

    None where ``key_text`` of the values tells it. Sent numbers with decimal places, and those of today beside values
    sent in another type, are compared as numbers, whatever text has to be kept of them.
    """
    values = sent.values
    if sent.key_texts is not None:
        return sent.key_texts
    if values.dtype == dtype or not any(each.is_float() or each.is_decimal() for each in (values.dtype, dtype)):
        return None
    return _as(values, lambda value: key_text(value, values.dtype).cast(pl.String))


def _in_lists(values: pl.Series, known: pl.Series, rows: pl.Series) -> pl.Series:
    """Each value as a list of its text, once for each row of its profile; null where it is not known."""
    text = csv_text(pl.col("value"), values.dtype).cast(pl.String).repeat_by("rows")
    frame = pl.DataFrame({"value": values, "known": known, "rows": rows})
    return frame.select(pl.when("known").then(text).alias("value"))["value"]


def _as(values: pl.Series, make: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    return values.alias("value").to_frame().select(make(pl.col("value")).alias("value"))["value"]
