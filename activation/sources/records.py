"""The records of one source that count at an instant: fragments, identities, links, and what is left out (P1 to P3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import polars as pl

from muster.activation.inputs.parquet import blamed
from muster.activation.model.sources import Namespace
from muster.activation.sources.batches import Batch, in_batches, merged
from muster.activation.sources.counted_rows import FRAGMENTS, counted_rows
from muster.activation.sources.counts import SourceCounts
from muster.activation.sources.identity_columns import IdentityColumn, identity_columns
from muster.activation.sources.identity_keys import CollisionError, rekeyed
from muster.activation.sources.keyed import Blocked, Keying
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.record_links import IDENTITIES, LINKS, NUMBER_TYPE, distinct_identities, links


@dataclass(frozen=True, eq=False)
class Records:
    """The records of one source that count at an instant."""

    opened: OpenedSource
    seed: int  # of the keys
    identities: pl.DataFrame  # of IDENTITIES
    fragments: pl.DataFrame  # of FRAGMENTS; none of events
    links: pl.DataFrame  # of LINKS
    counts: SourceCounts

    fragment_identities: pl.Series  # the number (UInt32) of each fragment's primary identity

    def with_seed(self, seed: int) -> "Records":
        """These records with the keys that another seed gives; ``CollisionError`` when two identities have one key."""
        return self if seed == self.seed else replace(self, seed=seed, identities=rekeyed(self.identities, seed))


def read_records(
    opened: OpenedSource, namespaces: Mapping[str, Namespace], *, is_blocked: Blocked | None = None, seed: int = 0
) -> Records:
    """The records of a source that count at the instant of ``opened`` (P1, P2).

    Records without a primary identity are left out; events make no fragment, and link whatever identities they have. An
    event without a time links as if it were older than any (P3). ``is_blocked`` says of distinct identities which are
    of forgotten people: these count as blocked (G8). ``seed`` is of the keys. ``DataError`` for columns that are
    missing or of another type, for repeated primary identities in a snapshot, and for null times in changes.
    """
    with blamed(lambda: opened.parts):
        columns = identity_columns(opened.table, opened.source)
        for each in count(seed):
            try:
                return _records(opened, columns, Keying(namespaces, is_blocked, each))
            except CollisionError:
                continue
    raise AssertionError


def _records(opened: OpenedSource, columns: Sequence[IdentityColumn], keying: Keying) -> Records:
    """All of a source; ``CollisionError`` when two identities have one key."""
    if not columns:  # there is no row
        nobody, none, unlinked = (pl.DataFrame(schema=each) for each in (IDENTITIES, FRAGMENTS, LINKS))
        return Records(opened, keying.seed, nobody, none, unlinked, SourceCounts(), pl.Series(dtype=NUMBER_TYPE))
    if opened.source.is_events:
        found = merged([(first, _read(each, columns, keying)[0]) for first, each in in_batches(opened)])
        fragments, primaries = pl.DataFrame(schema=FRAGMENTS), pl.Series(dtype=NUMBER_TYPE)
    else:
        found, fragments, primaries = _read(opened, columns, keying)
    return Records(opened, keying.seed, found.identities, fragments, found.links, found.counts, primaries)


def _read(
    opened: OpenedSource, columns: Sequence[IdentityColumn], keying: Keying
) -> tuple[Batch, pl.DataFrame, pl.Series]:
    """What a source has, its fragments (FRAGMENTS; none of events), and the numbers of their primary identities."""
    rows = counted_rows(opened, next(each for each in columns if each.primary), keying)
    others, dropped = keying.read(opened.table, [each for each in columns if not each.primary], rows.kept)
    found = [rows.primary, *others]
    identities, numbers = distinct_identities(found, rows.times)
    pairs, too_many = links(found, numbers, rows.times, are_repeated=opened.source.is_events)
    fragments = pl.DataFrame(schema=FRAGMENTS) if opened.source.is_events else rows.fragments()
    dropped.update(rows.dropped)
    counts = SourceCounts(rows.exist, fragments.height, identities.height, rows.left_out, too_many, dict(dropped))
    return Batch(identities, pairs, counts), fragments, numbers[0].drop_nulls()
