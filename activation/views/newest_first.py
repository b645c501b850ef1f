"""The order in which the fragments of a profile are asked for a value (P8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.frames.columns import TIME_TYPE
from muster.activation.model.sources import MergePolicy, Namespace
from muster.activation.sources.opened import OpenedSource
from muster.activation.views.order import ranks

# The fragments of a build: ``profile`` is the position of the profile among all, by id; ``source`` the position of the
# source among those of the policy, ``record`` the row of the source's table. Sorted by profile, and in a profile by the
# order in which values count: the first that is not null is the profile's.
FRAGMENTS = pl.Schema({"profile": pl.UInt32(), "source": pl.UInt16(), "record": pl.UInt32(), "time": TIME_TYPE})
_NUMBER = pl.Int128()


@dataclass(frozen=True, eq=False)
class PlacedFragments:
    """The fragments of one source, each with its profile."""

    opened: OpenedSource
    fragments: pl.DataFrame  # of ``sources.counted_rows.FRAGMENTS``
    profiles: pl.Series  # UInt32: the position of the profile of each row of ``fragments``


def in_order(
    placed: Sequence[PlacedFragments], policy: MergePolicy, namespaces: Mapping[str, Namespace]
) -> pl.DataFrame:
    """The fragments of all sources, of ``FRAGMENTS``, in the order of P8.

    ``newest``: by time, none being older than any; ties by the order of sources, then by the primary identity.
    ``precedence``: by the source's place in the list, then as ``newest``. Texts are compared only where all else ties.
    """
    frames = [_fragments(each, number) for number, each in enumerate(placed)]
    found = pl.concat([FRAGMENTS.to_frame(), *frames]).rechunk()
    place = found.select(_place(policy, placed).alias("place"))["place"]
    order = place.arg_sort()
    found, place = found[order], place.gather(order)
    same = (place == place.shift(1)).fill_null(value=False)
    return _by_identity(found, same, placed, namespaces) if same.any() else found


def _place(policy: MergePolicy, placed: Sequence[PlacedFragments]) -> pl.Expr:
    """The place of a fragment among all as one number, which is sorted in a tenth of the time of several."""
    source = pl.col("source").cast(_NUMBER)
    age = pl.lit((1 << 63) - 1, dtype=_NUMBER) - pl.col("time").dt.epoch("us").cast(_NUMBER)
    age = age.fill_null(pl.lit((1 << 64) - 1, dtype=_NUMBER))
    profile = pl.col("profile").cast(_NUMBER)
    if policy.precedence is None:
        return (profile * (1 << 40) * (1 << 24) + age) * (1 << 16) + source
    places = [policy.precedence.index(each.opened.source.id) for each in placed]
    preferred = pl.lit(pl.Series(places, dtype=_NUMBER)).gather(pl.col("source"))
    return (profile * (1 << 16) + preferred) * (1 << 40) * (1 << 24) + age


def _fragments(placed: PlacedFragments, source: int) -> pl.DataFrame:
    of_source = placed.fragments.select("record", "time")
    return of_source.with_columns(
        placed.profiles.alias("profile"), pl.lit(source, dtype=FRAGMENTS["source"]).alias("source")
    ).select(FRAGMENTS.names())


def _by_identity(
    found: pl.DataFrame,
    same: pl.Series,
    placed: Sequence[PlacedFragments],
    namespaces: Mapping[str, Namespace],
) -> pl.DataFrame:
    """Fragments with those of one profile, source and time by their primary identities.

    ``same`` says of each row whether it ties with the row before it. Tied rows stay in the places that they have
    together.
    """
    tied = same | same.shift(-1, fill_value=False)
    places = tied.arg_true()
    rows = found.filter(tied).with_columns((~same.filter(tied)).cum_sum().alias("group"))
    identities = [
        each.fragments.select(pl.lit(number, dtype=FRAGMENTS["source"]).alias("source"), "record", "namespace", "id")
        for number, each in enumerate(placed)
    ]
    named = rows.join(pl.concat(identities), on=["source", "record"], how="left")
    ordered = named.sort("group", ranks(namespaces), "namespace", "id").select(FRAGMENTS.names())
    return found.with_columns(found[name].scatter(places, ordered[name]) for name in FRAGMENTS)
