"""Mapped columns whose type is another one than at the last delivery (D7)."""

import re
from collections.abc import Iterator

from muster.activation.mapping.columns import Field
from muster.activation.mapping.last_mapping import LastMapping
from muster.activation.mapping.layout import Layout
from muster.activation.model.workspace import Format
from muster.activation.values.dtypes import describe

_PRECISION = re.compile(r"\bprecision=\d+, ")  # of decimals; some writers fit it to the values of each day

_NULL = re.compile(r"\bNull\b")


def types_of(layout: Layout, last: LastMapping | None) -> list[str | None]:
    """The types of the mapped columns in words, in mapping order, as a run records them.

    A column without a value in the snapshot has no type: its type of the last delivery stays, None if that had none.
    """
    before = _types_before(layout, last) if last else [None] * len(layout.fields)
    return [_type(field, layout) or then for field, then in zip(layout.fields, before, strict=True)]


def changed_types(layout: Layout, last: LastMapping, format_: Format) -> Iterator[tuple[str, str, str]]:
    """The target of each mapped column whose type differs from that of the last delivery, and both types in words."""
    for field, then in zip(layout.fields, _types_before(layout, last), strict=True):
        now = _type(field, layout)
        if now and then and _as_written(now, format_) != _as_written(then, format_):
            yield field.column.target, then, now


def _types_before(layout: Layout, last: LastMapping) -> list[str | None]:
    """The type that each mapped column had at the last delivery; None where it is not known."""
    types = dict(zip((column.name for column in last.columns), last.types, strict=False))
    names = {field.column.name for field in layout.fields}
    found = (last.predecessor(field.column, names) for field in layout.fields)
    return [types.get(before.name) if before else None for before in found]


def _type(field: Field, layout: Layout) -> str | None:
    """A field's type in words; None where the type says nothing, as there is no value, or none inside."""
    words = describe(field.dtype)
    return None if _NULL.search(words) or not _has_values(field, layout) else words


def _has_values(field: Field, layout: Layout) -> bool:
    """Whether a file of the snapshot may have a value in a column that the field is made of."""
    table, source = layout.snapshot.table, field.column.source
    return source not in table.schema or table.may_have_values(source)


def _as_written(words: str, format_: Format) -> str:
    """A type, without the precision of decimals where it does not show: in CSV and JSON."""
    return words if format_ == "parquet" else _PRECISION.sub("", words)
