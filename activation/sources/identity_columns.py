"""The columns of a source that hold identities, read as they are written (P1, D1, D6)."""

from dataclasses import dataclass

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames import engine
from muster.activation.frames.columns import INTERNAL
from muster.activation.inputs.parquet import blamed
from muster.activation.inputs.table import Table
from muster.activation.inputs.table_columns import (
    fractions_error,
    has_fraction,
    id_text,
    is_id_type,
    like_named,
    required_type,
)
from muster.activation.model.sources import Source, SourceIdentity
from muster.activation.values.column_paths import resolve
from muster.activation.values.dtypes import cast_of_bytes, cast_of_floats, describe, instance
from muster.activation.values.identities import check_type, pairs

RAW = f"{INTERNAL}raw"  # the values of an identity column
_IDS = "text or whole numbers"


@dataclass(frozen=True, eq=False)
class IdentityColumn:
    """One column of a table that holds identities."""

    namespace: str | None  # None: an identity map, whose texts are of a namespace, a zero byte and an id each
    primary: bool
    is_list: bool  # whether a record may have several
    raw: pl.Expr  # the values as RAW, over the frame of the table
    texts: pl.Expr  # as ``id``, over RAW: String, or List(String)

    def listed(self, frame: pl.LazyFrame, record: str) -> pl.LazyFrame:
        """The identities of a list, one a row: ``id`` (String) as written, beside ``record``, a column of the frame."""
        read = frame.select(record, self.raw).select(record, self.texts)
        return read.filter(pl.col("id").list.len() > 0).explode("id").filter(pl.col("id").is_not_null())


def identity_columns(table: Table, source: Source) -> list[IdentityColumn]:
    """The identity columns of a source, in the order of the config; none where a table has no rows.

    ``DataError`` when a column is in no file, when the primary one is missing in a file with rows, and for types that
    hold no ids: these are text, whole numbers, lists of them where the identity is not primary, and identity maps.
    """
    return [_column(table, source, each) for each in source.identities] if table.rows else []


def _column(table: Table, source: Source, identity: SourceIdentity) -> IdentityColumn:
    values, dtype = _resolved(table, source, identity)
    name = values.meta.root_names()[0]
    if identity.namespace is None:
        holder = next(part for part in table.parts if name in part.schema)
        check_type(dtype, identity.column, holder.name)
        texts = pairs(RAW, dtype)
        return IdentityColumn(None, False, True, values.alias(RAW), texts.alias("id"))
    if identity.primary:
        required_type(table, name, what="column of primary identities")
    is_list = isinstance(dtype, (pl.List, pl.Array))
    inner = instance(dtype.inner) if isinstance(dtype, (pl.List, pl.Array)) else dtype
    if not (inner == pl.Null or is_id_type(inner)) or (is_list and identity.primary):
        raise _type_error(table, source, identity, dtype)
    _refuse_fractions(table, identity, values, dtype)
    raw = pl.col(RAW).arr.to_list() if isinstance(dtype, pl.Array) else pl.col(RAW)
    texts = raw.list.eval(id_text(pl.element(), inner)) if is_list else id_text(raw, inner)
    return IdentityColumn(identity.namespace, identity.primary, is_list, values.alias(RAW), texts.alias("id"))


def _resolved(table: Table, source: Source, identity: SourceIdentity) -> tuple[pl.Expr, pl.DataType]:
    """The values of an identity column, and their type; ``DataError`` where there is no such column or field."""
    where = f" (identities in {source.location.file})"
    try:
        found = resolve(identity.column, table.columns)
    except ValueError as error:
        raise DataError(f"{table.told(error)}{where}") from error
    if found is None:
        hint = like_named(identity.column, table.columns.names, "")
        raise DataError(f"{table.name}: there is no identity column {identity.column!r}{where}{hint}")
    return found


def _type_error(table: Table, source: Source, identity: SourceIdentity, dtype: pl.DataType) -> DataError:
    expected = f"{_IDS}: a record has one primary identity" if identity.primary else f"{_IDS}, or a list of these"
    hints = f"{cast_of_bytes(dtype, identity.column)}{cast_of_floats(dtype, identity.column)}"
    return DataError(
        f"{table.name}: the identity column {identity.column!r} is {describe(dtype)}; expected {expected}{hints} "
        f"(identities in {source.location.file})"
    )


def _refuse_fractions(table: Table, identity: SourceIdentity, values: pl.Expr, dtype: pl.DataType) -> None:
    """``DataError`` when decimals are no whole numbers (D6); only decimals with places are read."""
    is_list = isinstance(dtype, (pl.List, pl.Array))
    inner = instance(dtype.inner) if isinstance(dtype, (pl.List, pl.Array)) else dtype
    fraction = has_fraction(pl.col(RAW), inner)
    if fraction is None:
        return
    read = table.frame().select(values.alias(RAW))
    with blamed(lambda: table.parts):
        count = engine.collect((read.explode(RAW) if is_list else read).select(fraction.sum())).item()
    if count:
        raise fractions_error(table.name, identity.column, count)
