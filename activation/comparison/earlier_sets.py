"""Delivered sets of an older muster, read by the recorded mapping of their last run (X12).

Their columns were named by sources:

sent:<source>            values last sent of a key that was mapped untransformed, in the type of then
sent_as:<target>:<hash>  values last sent of a key made by transforms or an expression, and a hash of how
key:<source>             values of a deduplication source that was not written untransformed
identities:<namespace>   List(String): identities last sent, untransformed
sent_with                String: the record of the transforms with which ids were sent (``mapping.earlier_transforms``)

``by_target`` names them as today's are. M8 was applied as the rows were written, and is applied here.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256

import polars as pl

from muster.activation.frames.columns import ID
from muster.activation.mapping.columns import Field
from muster.activation.mapping.earlier_transforms import SENT_WITH, as_sent, lists_as_sent, records_in
from muster.activation.mapping.kept import CARRIED, IDENTITIES, UNMAPPED
from muster.activation.mapping.last_mapping import LastMapping, compared_column
from muster.activation.model.workspace import IDENTITY_PREFIX, Column
from muster.activation.values.scalars import is_text
from muster.activation.values.text import csv_text, without_formulas

_SENT, _SENT_AS, _IDENTITIES = "sent:", "sent_as:", "identities:"


def by_target(frame: pl.DataFrame, ids: Callable[[], pl.Series], last: LastMapping) -> pl.DataFrame:
    """A delivered set with today's names of columns; ``ids`` gives its profile ids (String).

    What was sent in a column that ``last`` does not have is not known.
    """
    older = [name for name in frame.columns if _is_older(name)]
    if not older:
        return frame
    records = records_in(frame)
    with_ids = frame.with_columns(ids().alias(ID))
    found = {name: value for column in last.columns for name, value in _values(column, with_ids, records, last)}
    mapped = {f"{UNMAPPED}{each}" for each in last.deduplicate if compared_column(last.columns, each)}
    return with_ids.with_columns(**found).drop(ID, *older, *mapped.intersection(frame.columns))


def earlier_identities(namespace: str | None) -> str:
    """The older name of the column with the identities of a namespace."""
    return f"{_IDENTITIES}{namespace}"


def _is_older(name: str) -> bool:
    return name == SENT_WITH or name.startswith((_SENT, _SENT_AS, _IDENTITIES))


def _values(
    column: Column, frame: pl.DataFrame, records: list[str | None], last: LastMapping
) -> Iterator[tuple[str, pl.Expr]]:
    """The name of a column's values as they were sent, and an expression for them; nothing where none were kept."""
    namespace = column.source.removeprefix(IDENTITY_PREFIX)
    if namespace != column.source and f"{_IDENTITIES}{namespace}" in frame.columns:
        yield f"{IDENTITIES}{column.name}", _identities(column, f"{_IDENTITIES}{namespace}", records, last)
    elif last.is_id(column) and (records or column.transform):
        ids = Field(column, "profile_id", pl.col(ID), pl.String(), sanitizes=last.sanitizes)
        plain = Field(column.untransformed, "profile_id", pl.col(ID), pl.String(), sanitizes=last.sanitizes)
        sent = as_sent(ids.with_steps_applied(), [each for each in records if each is not None])
        recorded = pl.col(SENT_WITH).is_not_null() if records else pl.lit(value=False)
        yield f"{CARRIED}{column.name}", pl.when(recorded).then(sent).otherwise(plain.with_steps_applied().expr)
    elif name := _name_of(column, frame, last):
        dtype = frame.schema[name]
        harmless = last.sanitizes and is_text(dtype)
        value = without_formulas(csv_text(pl.col(name), dtype)) if harmless else pl.col(name)
        yield f"{CARRIED}{column.name}", value


def _identities(column: Column, name: str, records: list[str | None], last: LastMapping) -> pl.Expr:
    """The identities of the column ``name`` as they were written, each by the transforms of its profile's record."""
    element = Field(column, "identity", pl.element(), pl.String(), sanitizes=last.sanitizes)
    return lists_as_sent(element.with_steps_applied(), pl.col(name), records)


def _name_of(column: Column, frame: pl.DataFrame, last: LastMapping) -> str | None:
    """The older name of the values last sent in a column; None where none were kept.

    Of a computed column it has a hash of source, expression, join and transforms; without a recorded mapping the target
    alone decides.
    """
    if column.is_plain:
        plain = f"{_SENT}{column.source}"
        return plain if plain in frame.columns else None
    target, made = f"{_SENT_AS}{column.target}:", sha256(column.fingerprint.encode()).hexdigest()[:12]
    computed = [name for name in frame.columns if name.rpartition(":")[0] + ":" == target]
    same = [name for name in computed if name == f"{target}{made}" or not last.is_recorded]
    return next(iter(same), None)
