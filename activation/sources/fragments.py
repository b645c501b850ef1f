"""The fragments of one source, without the identities and links of its records (P1)."""

from collections.abc import Mapping
from itertools import count

import polars as pl

from muster.activation.inputs.parquet import blamed
from muster.activation.model.sources import Namespace
from muster.activation.sources.counted_rows import FRAGMENTS, counted_rows
from muster.activation.sources.counts import SourceCounts
from muster.activation.sources.identity_columns import identity_columns
from muster.activation.sources.identity_keys import CollisionError
from muster.activation.sources.keyed import Blocked, Keying
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.record_links import IDENTITIES, LINKS
from muster.activation.sources.records import Records


def read_fragments(
    opened: OpenedSource, namespaces: Mapping[str, Namespace], *, is_blocked: Blocked | None = None
) -> Records:
    """The records of a source as ``read_records`` has them, but for identities, links and counts, which are empty.

    ``DataError`` as there.
    """
    with blamed(lambda: opened.parts):
        primary = next((each for each in identity_columns(opened.table, opened.source) if each.primary), None)
        if primary is None:  # there is no row
            return _records(opened, 0, pl.DataFrame(schema=FRAGMENTS))
        for seed in count():
            try:
                found = counted_rows(opened, primary, Keying(namespaces, is_blocked, seed))
            except CollisionError:
                continue
            return _records(opened, seed, found.fragments())
    raise AssertionError


def _records(opened: OpenedSource, seed: int, fragments: pl.DataFrame) -> Records:
    nobody, unlinked = pl.DataFrame(schema=IDENTITIES), pl.DataFrame(schema=LINKS)
    return Records(opened, seed, nobody, fragments, unlinked, SourceCounts())
