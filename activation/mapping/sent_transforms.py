"""The transforms with which ids and identities were last written, so that an exit repeats what was sent (X12, M5).

The state keeps ids and identities untransformed, so that a changed transform is no changed person. Beside each profile
a delivered set keeps a *record* of the transforms of its id and identity columns (``sent_with``): JSON by target, such
as ``{"email_sha256": ["trim", "lower", "sha256"]}``. The record is null where ids and identities were written
untransformed.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import polars as pl

from muster.activation.mapping.columns import Field
from muster.activation.mapping.row_columns import SENT_WITH


def record_of(fields: Iterable[Field]) -> str | None:
    """The record of a mapping's transforms; None where ids and identities are written untransformed."""
    by_target = {field.column.target: field.column.transform for field in fields if not field.keeps_sent_values}
    return json.dumps(by_target) if any(by_target.values()) else None


def records_in(frame: pl.DataFrame) -> list[str | None]:
    """The distinct records in the ``sent_with`` column of a frame, null last; empty where the column is absent."""
    return frame[SENT_WITH].unique().sort(nulls_last=True).to_list() if SENT_WITH in frame.columns else []


def as_sent(field: Field, records: Sequence[str | None]) -> pl.Expr:
    """The text of an id or identity as it was last sent.

    Reads the untransformed values and ``sent_with``, whose values are among ``records``. Values without a record of
    their column are written with the transforms of today.
    """
    sent = field.expr
    for record in records:
        steps = _steps(field, record)
        if steps is not None:
            earlier = replace(field, column=replace(field.column, transform=steps)).with_steps_applied()
            matches = pl.col(SENT_WITH).eq_missing(pl.lit(record, pl.String))
            sent = pl.when(matches).then(earlier.expr.cast(field.dtype)).otherwise(sent)
    return sent


def _steps(field: Field, record: str | None) -> tuple[str, ...] | None:
    """The transforms that a record names for a column; None where it names none."""
    if record is None:
        return () if field.role == "identity" else None  # an identity without a record was sent untransformed
    steps = json.loads(record).get(field.column.target)
    return None if steps is None else tuple(steps)
