"""What delivered profiles were sent, continued by the columns of today's mapping (X12).

Each column that is kept takes over what was sent under its target, or under a target that is gone. Columns that were
keys at an earlier run are kept on for as long as they are mapped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.frames.columns import ID
from muster.activation.mapping.columns import Field
from muster.activation.mapping.kept import CARRIED, COMPARED, IDENTITIES, UNMAPPED, Kept
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


@dataclass(frozen=True)
class _Sent:
    """The stored values that a column continues."""

    name: str  # with its prefix, as ``Kept.stored_name``; empty for profile ids, which need no storing
    values: pl.Series
    known: pl.Series

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
    targets = {field.column.target for field in layout.fields}
    asked = {each.position: each for each in layout.kept}
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
                frame.height,
            )
    for each in layout.kept:
        if each.position is None:
            yield _continue(each, _sent_by_source(each.field.column.source, frame, last), frame.height)


def _is_kept_on(field: Field, before: Column | None, sent: _Sent | None, *, remade: bool) -> bool:
    """Whether a column is kept that today's settings do not ask for: it was a key, or its target held profile ids."""
    if field.role == "profile_id":
        return remade or (sent is not None and bool(sent.name))
    return sent is not None and sent.is_carried and before is not None


def _is_stored(before: Column | None, frame: pl.DataFrame) -> bool:
    """Whether the delivered set has a column with what was sent in a column of the last mapping."""
    prefixes = (IDENTITIES, CARRIED, COMPARED)
    return before is not None and any(f"{each}{before.target}" in frame.columns for each in prefixes)


def _sent_in(
    before: Column | None, frame: pl.DataFrame, ids: Callable[[], pl.Series], last: LastMapping
) -> _Sent | None:
    """What was sent in a column of the last mapping; None where nothing is known."""
    if before is None:
        return None
    for prefix in (IDENTITIES, CARRIED, COMPARED):
        if f"{prefix}{before.target}" in frame.columns:
            return _stored(f"{prefix}{before.target}", before.target, frame)
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
    if before is None or not before.is_plain or f"{CARRIED}{before.target}" not in frame.columns:
        return None
    return _stored(f"{CARRIED}{before.target}", before.target, frame)


def _stored(name: str, subject: str, frame: pl.DataFrame) -> _Sent:
    values, unknown = frame[name], f"unknown:{subject}"
    known = ~frame[unknown] if unknown in frame.columns else _true(frame.height)
    return _Sent(name, values, known & values.is_not_null() if name.startswith(IDENTITIES) else known)


def _ids_as_written(field: Field, ids: pl.Series) -> pl.Series:
    return ids.alias(ID).to_frame().select(field.expr.alias("written"))["written"]


def _true(length: int) -> pl.Series:
    return pl.Series([True]).new_from_index(0, length)


def _continue(kept: Kept, sent: _Sent | None, length: int) -> Continued:
    """The column with what was sent in it, in today's type if that spells it, else as text."""
    dtype = kept.field.dtype
    if sent is None:
        unknown = pl.Series([None], dtype=pl.List(pl.String) if kept.holds_lists else dtype)
        return Continued(kept, unknown.new_from_index(0, length), pl.Series([False]).new_from_index(0, length))
    values, as_text = sent.values, False
    if kept.holds_lists:
        values = values if isinstance(values.dtype, pl.List) else _in_lists(values, sent.known)
        as_text = dtype != pl.String()
    elif spells(dtype, values):
        values = _as(values, lambda value: as_type(value, values.dtype, dtype))
    else:
        text, as_text = key_text if kept.position is None else csv_text, True
        values = _as(values, lambda value: text(value, values.dtype).cast(pl.String))
    return Continued(replace(kept, as_text=as_text and kept.is_carried), values, sent.known)


def _in_lists(values: pl.Series, known: pl.Series) -> pl.Series:
    """Each value as a list of its text; null where it is not known."""
    text = pl.concat_list(csv_text(pl.col("value"), values.dtype).cast(pl.String))
    frame = pl.DataFrame({"value": values, "known": known})
    return frame.select(pl.when("known").then(text).alias("value"))["value"]


def _as(values: pl.Series, make: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    return values.alias("value").to_frame().select(make(pl.col("value")).alias("value"))["value"]
