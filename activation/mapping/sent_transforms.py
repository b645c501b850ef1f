"""How ids and identities were written when they were last sent (X12, M5). Pure.

The state keeps them as they are in the snapshot, so that a change of a transform is no change of a person. An exit must
be written as the receiver knows it: a delivered set keeps beside each profile the transforms of its id and identity
columns (``sent_with``), a *form*: ``{"email_sha256": ["trim", "lower", "sha256"]}``, by target. It is null where they
were written as they are.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import polars as pl

from muster.activation.mapping.columns import Field

WITH = "sent_with"  # String: a form, of delivered sets, of rows that exit, and of decisions


def form_of(fields: Iterable[Field]) -> str | None:
    """The form that a mapping writes; None when ids and identities are written as they are."""
    by_target = {field.column.target: field.column.transform for field in fields if not field.is_kept_by_value}
    return json.dumps(by_target) if any(by_target.values()) else None


def found(frame: pl.DataFrame) -> list[str | None]:
    """The forms in a frame, few whatever its length."""
    return frame[WITH].unique().sort(nulls_last=True).to_list()


def as_sent(field: Field, forms: Sequence[str | None]) -> pl.Expr:
    """The text of an id or identity as it was sent, over frames with its bare values and ``sent_with`` (of these forms).

    What is not known to have been sent is written as it is now.
    """
    sent = field.expr
    for form in forms:
        steps = _steps(field, form)
        if steps is not None:
            before = replace(field, column=replace(field.column, transform=steps)).made()
            sent = (
                pl.when(pl.col(WITH).eq_missing(pl.lit(form, pl.String)))
                .then(before.expr.cast(field.dtype))
                .otherwise(sent)
            )
    return sent


def _steps(field: Field, form: str | None) -> tuple[str, ...] | None:
    """What was done to a column's values; None when the form does not tell."""
    if form is None:
        return () if field.role == "identity" else None  # an identity that was sent was so as it is
    steps = json.loads(form).get(field.column.target)
    return None if steps is None else tuple(steps)
