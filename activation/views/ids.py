"""Profile ids that stay: which graph keeps which id of the build before, which ids merge, and which are new (P7).

Splits are decided first: each id of before goes to one graph at most. Then graphs that were given several ids merge
them. What is left without an id is new. Nothing here depends on the numbers of graphs and identities, or on their
order.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.model.sources import Namespace
from muster.activation.views.new_ids import new_ids
from muster.activation.views.order import identity_key, priorities, ranks, sorted_by_id

# The identities of a build: a row each, of which ``graph`` is the graph that the identity leads to (P9).
IDENTITIES = pl.Schema({"namespace": pl.String(), "id": pl.String(), "oldest": TIME_TYPE, "graph": pl.UInt32()})
# The profile ids of a build, sorted: ``namespace`` and ``id`` are the identity that the id was made of, ``since`` the
# build from which on the id is held without a break.
PROFILES = pl.Schema({"profile_id": pl.String(), "namespace": pl.String(), "id": pl.String(), "since": pl.UInt32()})
# Where identities led, sorted by namespace and id as UTF-8 bytes: ``profile`` is a row of ``PROFILES``.
LED = pl.Schema({"namespace": pl.String(), "id": pl.String(), "profile": pl.UInt32()})


@dataclass(frozen=True, eq=False)
class KeptIds:
    """The ids as a build left them to the next one."""

    profiles: pl.DataFrame  # of ``PROFILES``
    identities: pl.DataFrame  # of ``LED``

    @classmethod
    def none(cls) -> "KeptIds":
        """The ids before the first build."""
        return cls(PROFILES.to_frame(), LED.to_frame())


@dataclass(frozen=True, eq=False)
class Ids:
    """The ids of a build, and what became of those of the build before."""

    profiles: pl.DataFrame  # of ``PROFILES``, and ``graph`` (UInt32)
    merged: pl.DataFrame  # ``alias``, ``profile_id`` (String), sorted: an id of before, and the one that survived it
    split: pl.DataFrame  # ``profile_id``, ``new_id`` (String), sorted: an id of before, and a new one of a part of it

    def positions(self, graphs: pl.Series) -> pl.Series:
        """The row of ``profiles`` (UInt32) of each of these graphs (UInt32); null for null."""
        size = self.profiles.select(pl.col("graph").max().fill_null(0) + 1).item()
        rows = pl.repeat(None, size, dtype=pl.UInt32, eager=True)
        count = pl.int_range(self.profiles.height, dtype=pl.UInt32, eager=True)
        return rows.scatter(self.profiles["graph"], count).gather(graphs)


def decide(
    identities: pl.DataFrame,
    namespaces: Mapping[str, Namespace],
    kept: KeptIds,
    build: int,
    id_key: str = "",
    *,
    rows_before: pl.Series | None = None,
) -> Ids:
    """The ids of the graphs of a build (P7).

    ``identities`` has the columns ``IDENTITIES``; each graph with a fragment has an identity that leads to it, others
    have none. ``build`` is the number of the build; with ``id_key``, ids are made with that key.
    ``rows_before``, where known, has the row of each identity in ``kept.identities`` (UInt32), null for a new one.
    """
    leading = identities.select(*IDENTITIES)
    if leading["graph"].null_count():
        is_leading = leading["graph"].is_not_null()
        leading = leading.filter(is_leading)
        rows_before = rows_before if rows_before is None else rows_before.filter(is_leading)
    leading = leading.rechunk()  # to gather ten times as fast
    held = _held(leading, kept, rows_before)
    parts = _parts(held)
    survivors, merged = _after_merges(_after_splits(leading, held, parts, namespaces, kept), kept)
    new = new_ids(_without_id(leading, survivors), ranks(namespaces), survivors["profile_id"], id_key)
    new = new.with_columns(pl.lit(build, pl.UInt32).alias("since"))
    profiles = sorted_by_id(pl.concat([survivors, new.select(survivors.columns)]))
    return Ids(profiles, merged, _split(parts, new, kept))


def _held(leading: pl.DataFrame, kept: KeptIds, before: pl.Series | None) -> pl.DataFrame:
    """The identities that led to a profile and lead to a graph: ``row`` of ``leading``, ``profile``, ``graph``."""
    if before is None:
        rows = _found(leading, kept.identities)
    else:
        row = before.is_not_null().arg_true().cast(pl.UInt32)
        rows = pl.DataFrame([row.alias("row"), before.drop_nulls().alias("other")])
    profiles = kept.identities["profile"].gather(rows["other"])
    return pl.DataFrame([rows["row"], profiles, leading["graph"].gather(rows["row"])])


def _found(leading: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The rows of equal identities in two frames with ``namespace`` and ``id``: ``row``, ``other`` (UInt32).

    Keys are joined, which takes a fifth of the time of texts. Then texts are compared: two identities can have one key.
    """
    if not (leading.height and others.height):
        return pl.DataFrame(schema={"row": pl.UInt32, "other": pl.UInt32})
    one, other = (each.select(identity_key().alias("key")).lazy() for each in (leading, others))
    joined = one.with_row_index("row").join(other.with_row_index("other"), on="key")
    rows = engine.collect(joined.select("row", "other")).rechunk()
    for name in ("namespace", "id"):
        is_equal = leading[name].gather(rows["row"]) == others[name].gather(rows["other"])
        rows = rows if is_equal.all() else rows.filter(is_equal)
    return rows


def _parts(held: pl.DataFrame) -> pl.DataFrame:
    """Which graphs have identities of which profile of before: ``profile``, ``graph``, each pair once, sorted."""
    pairs = (held["profile"].cast(pl.UInt64) * (1 << 32) + held["graph"]).sort().alias("pair")
    pairs = pairs.filter((pairs != pairs.shift(1)).fill_null(value=True))
    return pl.DataFrame(
        [(pairs // (1 << 32)).cast(pl.UInt32).alias("profile"), (pairs % (1 << 32)).cast(pl.UInt32).alias("graph")]
    )


def _after_splits(
    leading: pl.DataFrame,
    held: pl.DataFrame,
    parts: pl.DataFrame,
    namespaces: Mapping[str, Namespace],
    kept: KeptIds,
) -> pl.DataFrame:
    """The graph that keeps each id of before: ``profile``, ``graph``; ids of people who are gone have no row.

    Of several parts, that with the identity which the id was made of, else with the best identity held before.
    """
    is_split = pl.col("profile").is_duplicated()
    whole, split = parts.filter(~is_split), parts.filter(is_split)
    if not split.height:
        return whole
    made_of = kept.profiles.with_row_index("profile").join(split, on="profile", how="semi")
    rows = _found(leading, made_of)
    origins = pl.DataFrame([made_of["profile"].gather(rows["other"]), leading["graph"].gather(rows["row"])])
    by_origin = split.join(origins, on=["profile", "graph"], how="semi")
    rest = held.join(split, on="profile", how="semi").join(by_origin, on="profile", how="anti")
    rest = rest.with_columns(leading[name].gather(rest["row"]) for name in ("namespace", "id", "oldest"))
    rest = rest.with_columns(priorities(namespaces).alias("priority"))
    best = rest.sort("profile", "priority", "oldest", "namespace", "id", nulls_last=False)
    by_rank = best.unique("profile", keep="first", maintain_order=True).select("profile", "graph")
    return pl.concat([whole, by_origin, by_rank])


def _after_merges(given: pl.DataFrame, kept: KeptIds) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The surviving ids (``PROFILES`` and ``graph``), and ``Ids.merged``: of several, the one held longest survives."""
    found = given.with_columns(kept.profiles[name].gather(given["profile"]).alias(name) for name in PROFILES).drop(
        "profile"
    )
    is_alone = ~pl.col("graph").is_duplicated()
    alone, together = found.filter(is_alone), found.filter(~is_alone).sort("graph", "since", "profile_id")
    first = together.unique("graph", keep="first", maintain_order=True)
    pairs = together.join(first.select("graph", pl.col("profile_id").alias("survivor")), on="graph")
    merged = pairs.filter(pl.col("profile_id") != pl.col("survivor"))
    merged = merged.select(pl.col("profile_id").alias("alias"), pl.col("survivor").alias("profile_id")).sort("alias")
    return pl.concat([alone, first]).select(*PROFILES, "graph"), merged


def _without_id(leading: pl.DataFrame, survivors: pl.DataFrame) -> pl.DataFrame:
    """The identities of graphs that no id of before was given to."""
    if not survivors.height:
        return leading
    count = int(leading["graph"].max()) + 1  # type: ignore[arg-type]
    has_id = pl.repeat(False, count, dtype=pl.Boolean, eager=True).scatter(survivors["graph"], True)
    return leading.filter(~has_id.gather(leading["graph"]))


def _split(parts: pl.DataFrame, new: pl.DataFrame, kept: KeptIds) -> pl.DataFrame:
    """``Ids.split``: the new ids of graphs that are a part of a graph of before."""
    found = parts.join(new.select("graph", pl.col("profile_id").alias("new_id")), on="graph")
    before = kept.profiles["profile_id"].gather(found["profile"])
    return found.select(before, "new_id").sort("profile_id", "new_id")
