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
    found = pl.concat([FRAGMENTS.to_frame(), *frames])
    first = _preferred(policy, placed)
    keys = ["profile", *(["preferred"] if first is not None else []), "time", "source"]
    if first is not None:
        found = found.with_columns(first.gather(found["source"]).alias("preferred"))
    descending = [name == "time" for name in keys]
    found = found.sort(keys, descending=descending, nulls_last=True)
    is_tied = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ("profile", "source", "time")
    )
    same = found.select(is_tied.fill_null(value=False).alias("same"))["same"]
    same = same & (found["profile"] == found["profile"].shift(1)).fill_null(value=False)
    found = found.select(FRAGMENTS.names())
    return _by_identity(found, same, placed, namespaces) if same.any() else found


def _fragments(placed: PlacedFragments, source: int) -> pl.DataFrame:
    of_source = placed.fragments.select("record", "time")
    return of_source.with_columns(
        placed.profiles.alias("profile"), pl.lit(source, dtype=FRAGMENTS["source"]).alias("source")
    ).select(FRAGMENTS.names())


def _preferred(policy: MergePolicy, placed: Sequence[PlacedFragments]) -> pl.Series | None:
    """The place (UInt16) of each source in ``precedence``; None where the newest value counts."""
    if policy.precedence is None:
        return None
    places = [policy.precedence.index(each.opened.source.id) for each in placed]
    return pl.Series(places, dtype=pl.UInt16)


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
