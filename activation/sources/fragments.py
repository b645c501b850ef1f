"""The fragments of one source, without the identities and links of its records (P1)."""

from collections.abc import Mapping
from itertools import count

import polars as pl

from muster.activation.inputs.parquet import blamed
from muster.activation.model.sources import Namespace
from muster.activation.sources.counted_rows import FRAGMENTS, counted_rows
from muster.activation.sources.identity_columns import identity_columns
from muster.activation.sources.identity_keys import CollisionError
from muster.activation.sources.keyed import Blocked, Keying
from muster.activation.sources.opened import OpenedSource


def read_fragments(
    opened: OpenedSource, namespaces: Mapping[str, Namespace], *, is_blocked: Blocked | None = None
) -> pl.DataFrame:
    """The fragments of a source of records at the instant of ``opened``, of ``FRAGMENTS``.

    They are those of ``read_records``, in the same order; ``DataError`` as there.
    """
    with blamed(lambda: opened.parts):
        primary = next((each for each in identity_columns(opened.table, opened.source) if each.primary), None)
        if primary is None:  # there is no row
            return pl.DataFrame(schema=FRAGMENTS)
        for seed in count():
            try:
                return counted_rows(opened, primary, Keying(namespaces, is_blocked, seed)).fragments()
            except CollisionError:
                continue
    raise AssertionError
