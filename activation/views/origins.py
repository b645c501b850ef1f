"""From where the values of one profile are: its fragments, and for each leaf the source that gave the value (P8).

Only the records of one person are read, whatever the size of the sources.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import struct_field
from muster.activation.inputs.parquet import blamed
from muster.activation.model.sources import MergePolicy, Namespace
from muster.activation.sources.cleaning import namespace_of, normalized
from muster.activation.sources.identity_columns import identity_columns
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.row_times import deleted_rows, row_times
from muster.activation.views.attributes import Attributes, attributes

_RECORD, _TIME, _GONE = "record", "time", "gone"


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


def origins(
    sources: Sequence[OpenedSource],
    policy: MergePolicy,
    namespaces: Mapping[str, Namespace],
    identities: pl.DataFrame,
) -> Origins:
    """The origins of the profile to which ``identities`` lead: ``namespace`` and ``id`` (String).

    ``sources`` are those of the policy's records, in the order in which ties count. Of a map the source counts that
    gave the first one; later ones may have added keys.
    """
    given = attributes(sources)
    rows = [row for place, each in enumerate(sources) for row in _rows(place, each, given, namespaces, identities)]
    rows.sort(key=lambda row: row.fragment.id.encode())
    rows.sort(key=lambda row: row.place)
    rows.sort(key=lambda row: (row.fragment.time is not None, row.fragment.time), reverse=True)
    if policy.precedence is not None:
        places = policy.precedence
        rows.sort(key=lambda row: places.index(row.fragment.source))
    found: dict[str, str] = {}
    for row in rows:
        for leaf in row.leaves:
            found.setdefault(leaf, row.fragment.source)
    return Origins(tuple(row.fragment for row in rows), found)


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
        inner = field.dtype if isinstance(field.dtype, pl.DataType) else field.dtype()
        yield from _leaves(f"{path}.{field.name}", struct_field(value, field.name, names), inner)


@dataclass(frozen=True)
class _Row:
    """The record of a fragment: the place of the source, and the leaves that have a value in it."""

    place: int
    fragment: Fragment
    leaves: tuple[str, ...]


def _rows(
    place: int,
    opened: OpenedSource,
    given: Attributes,
    namespaces: Mapping[str, Namespace],
    identities: pl.DataFrame,
) -> Iterator[_Row]:
    """The records of a source that make fragments of the profile."""
    with blamed(lambda: opened.parts):
        records = _records(opened, namespaces, identities)
        if records.is_empty():
            return
        chosen = pl.col(_RECORD).is_in(records[_RECORD].implode())
        of_source = pl.struct(given.of(place)).alias("values")
        held = opened.table.frame().with_row_index(_RECORD).filter(chosen).select(_RECORD, of_source)
        values = engine.collect(held).unnest("values")
    found = records.join(values, on=_RECORD, how="left", maintain_order="left")
    paths = list(leaves(given.schema))
    has_value = found.select(value.is_not_null().alias(path) for path, value in paths)
    namespace = opened.source.primary.namespace or ""
    for (id_, time), flags in zip(found.select("id", _TIME).rows(), has_value.rows(), strict=True):
        known = tuple(path for (path, _), flag in zip(paths, flags, strict=True) if flag)
        yield _Row(place, Fragment(opened.source.id, namespace, id_, time), known)


def _records(opened: OpenedSource, namespaces: Mapping[str, Namespace], identities: pl.DataFrame) -> pl.DataFrame:
    """The records of a source that count for these primary identities: ``record``, ``id``, ``time``."""
    source, table = opened.source, opened.table
    column = next((each for each in identity_columns(table, source) if each.primary), None)
    ids = identities.filter(pl.col("namespace") == source.primary.namespace)["id"]
    if column is None or ids.is_empty():
        return pl.DataFrame(schema={_RECORD: pl.UInt32, "id": pl.String, _TIME: pl.Datetime("us", "UTC")})
    rules = namespace_of(namespaces, column.namespace or "")
    times, gone = row_times(opened).alias(_TIME), deleted_rows(table, source).alias(_GONE)
    read = table.frame().with_row_index(_RECORD).select(_RECORD, times, gone, column.raw)
    named = read.select(_RECORD, _TIME, _GONE, column.texts).with_columns(normalized(pl.col("id"), rules).alias("id"))
    found = engine.collect(named.filter(pl.col("id").is_in(ids.implode())))
    if source.mode == "changes":
        found = found.filter(pl.col(_TIME) <= opened.at).sort(_TIME, _RECORD)
        found = found.unique("id", keep="last", maintain_order=True)
    return found.filter(~pl.col(_GONE)).select(_RECORD, "id", _TIME)
