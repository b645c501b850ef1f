"""Ids and identities that an older muster kept untransformed, beside a record of how they were written (X12, M5).

Older delivered sets and decisions have the record in a column ``sent_with``: JSON by target, such as
``{"email_sha256": ["trim", "lower", "sha256"]}``, null where ids and identities were written untransformed.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from muster.activation.mapping.columns import Field

SENT_WITH = "sent_with"


def records_in(frame: pl.DataFrame) -> list[str | None]:
    """The distinct records in the ``sent_with`` column of a frame, null last; empty where the column is absent."""
    return frame[SENT_WITH].unique().sort(nulls_last=True).to_list() if SENT_WITH in frame.columns else []


def as_sent(field: Field, records: Sequence[str | None]) -> pl.Expr:
    """The text of an id or identity as it was last sent.

    Reads the untransformed values and ``sent_with``, whose values are among ``records``. Values without a record of
    their column are written with the field's own transforms.
    """
    sent = field.expr
    for record, earlier in _earlier(field, records):
        sent = pl.when(_is(record)).then(earlier.expr.cast(field.dtype)).otherwise(sent)
    return sent


def lists_as_sent(field: Field, lists: pl.Expr, records: Sequence[str | None]) -> pl.Expr:
    """``as_sent`` of each identity in lists; ``field`` has elements as its values."""
    sent = lists.list.eval(field.expr)
    for record, earlier in _earlier(field, records):
        sent = pl.when(_is(record)).then(lists.list.eval(earlier.expr)).otherwise(sent)
    return sent


def _is(record: str | None) -> pl.Expr:
    return pl.col(SENT_WITH).eq_missing(pl.lit(record, pl.String))


def _earlier(field: Field, records: Sequence[str | None]) -> Iterator[tuple[str | None, Field]]:
    """The records that name transforms for a column, with the column as it was made by them."""
    for record in records:
        steps = _steps(field, record)
        if steps is not None:
            yield record, replace(field, column=replace(field.column, transform=steps)).with_steps_applied()


def _steps(field: Field, record: str | None) -> tuple[str, ...] | None:
    """The transforms that a record names for a column; None where it names none."""
    if record is None:
        return () if field.role == "identity" else None  # an identity without a record was sent untransformed
    steps = json.loads(record).get(field.column.target)
    return None if steps is None else tuple(steps)
