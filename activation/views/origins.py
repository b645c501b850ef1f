"""From where the values of one profile are: its fragments, and for each leaf the source that gave the value (P8).

Only the records of one person are read, whatever the size of the sources.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import struct_field
from muster.activation.inputs.parquet import blamed
from muster.activation.model.sources import Namespace
from muster.activation.sources.cleaning import namespace_of, normalized
from muster.activation.sources.identity_columns import identity_columns
from muster.activation.sources.opened import OpenedSource
from muster.activation.values.dtypes import instance
from muster.activation.views.attributes import attributes
from muster.activation.views.view import FRAGMENTS, View

_ID = "id"


@dataclass(frozen=True)
class Fragment:
    """A fragment of a profile (P1)."""

    source: str  # a source's id
    namespace: str
    id: str  # the primary identity
    time: datetime | None  # of the record


@dataclass(frozen=True)
class Origins:
    """The fragments of one profile, in the order in which their values count, and the source of each leaf."""

    fragments: tuple[Fragment, ...]
    sources: Mapping[str, str]  # by leaf, as a dotted path: the id of the source; none of a leaf without a value


def origins(view: View, profile_id: str, namespaces: Mapping[str, Namespace]) -> Origins:
    """The origins of a profile of a view of what the sources hold at the instant of the command.

    Of a map the source counts that gave the first one; later ones may have added keys. ``RefusedError`` when the
    identity graph of the view was pruned.
    """
    given = attributes(view.sources)
    paths = list(leaves(given.schema))
    has_value = [value.is_not_null().alias(path) for path, value in paths]
    held = view.graph_file(FRAGMENTS).filter(pl.col("profile") == view.position_of(profile_id))
    fragments: list[Fragment] = []
    found: dict[str, str] = {}
    for place, record, time in engine.collect(held.select("source", "record", "time")).rows():
        opened = view.sources[place]
        with blamed(lambda: opened.parts):  # noqa: B023  # called within the block
            row = opened.table.frame().slice(record, 1)
            id_, flags = engine.collect_all([_primary(opened, row, namespaces), row.select(given.of(place))])
        fragments.append(Fragment(opened.source.id, opened.source.primary.namespace or "", id_.item(), time))
        known = flags.select(has_value).row(0) if has_value else ()
        for (path, _), is_there in zip(paths, known, strict=True):
            if is_there:
                found.setdefault(path, opened.source.id)
    return Origins(tuple(fragments), found)


def leaves(schema: Mapping[str, pl.DataType]) -> Iterator[tuple[str, pl.Expr]]:
    """The leaves of columns, each as a dotted path and an expression: fields of structs, and columns that are none."""
    for name, dtype in schema.items():
        yield from _leaves(name, pl.col(name), dtype)


def _leaves(path: str, value: pl.Expr, dtype: pl.DataType) -> Iterator[tuple[str, pl.Expr]]:
    if not (isinstance(dtype, pl.Struct) and dtype.fields):
        yield path, value
        return
    names = [field.name for field in dtype.fields]
    for field in dtype.fields:
        yield from _leaves(f"{path}.{field.name}", struct_field(value, field.name, names), instance(field.dtype))


def _primary(opened: OpenedSource, row: pl.LazyFrame, namespaces: Mapping[str, Namespace]) -> pl.LazyFrame:
    """The primary identity of a record, cleaned."""
    column = next(each for each in identity_columns(opened.table, opened.source) if each.primary)
    rules = namespace_of(namespaces, column.namespace or "")
    return row.select(column.raw).select(column.texts).select(normalized(pl.col(_ID), rules).alias(_ID))
