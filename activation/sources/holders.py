"""Which sources hold somebody: the records and events with one of some identities, as they are cleaned (P2, G8)."""

from collections.abc import Mapping

import polars as pl

from muster.activation.inputs.parquet import blamed
from muster.activation.model.sources import Namespace
from muster.activation.sources.identity_columns import identity_columns
from muster.activation.sources.keyed import RECORD, Keying
from muster.activation.sources.opened import OpenedSource


def records_with(opened: OpenedSource, namespaces: Mapping[str, Namespace], identities: pl.DataFrame) -> int:
    """How many rows of a source's files hold one of the identities: ``namespace`` and ``id`` (String), cleaned.

    Rows of changes count that were replaced since. ``DataError`` for columns that are missing or of another type.
    """
    with blamed(lambda: opened.parts):
        columns = identity_columns(opened.table, opened.source)
        every = pl.repeat(value=True, n=opened.table.rows, dtype=pl.Boolean, eager=True)
        read, _ = Keying(namespaces, None, 0).read(opened.table, columns, every) if columns else ([], None)
    found = [pl.Series(RECORD, [], dtype=pl.UInt32)]
    for each in read:
        ids = identities.filter(pl.col("namespace") == each.namespace)["id"]
        found.append(each.frame.filter(pl.col("id").is_in(ids.implode()))[RECORD])
    return pl.concat(found).n_unique()
