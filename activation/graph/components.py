"""Connected components of numbered identities (P3)."""

import polars as pl

from muster.activation.frames import engine
from muster.activation.sources.record_links import NUMBER_TYPE


def components(count: int, links: pl.DataFrame) -> pl.Series:
    """Of each of ``count`` identities the smallest number in the component (UInt32), which is the component's label.

    ``links`` has ``a`` and ``b`` (UInt32), ``a`` the smaller one.

    Labels begin as own numbers. Of each link between two labels the larger one
    takes the smallest label that is linked to it, labels are replaced by their labels until none changes, and links by
    links between labels, until none is left.
    """
    labels = pl.int_range(count, dtype=NUMBER_TYPE, eager=True)
    between = links.select("a", "b")
    while between.height:
        hooks = engine.collect(between.lazy().group_by("b").agg(pl.col("a").min()), between.height)
        labels = _jumped(labels.scatter(hooks["b"], hooks["a"]))
        one, other = (pl.lit(labels).gather(pl.col(name)) for name in ("a", "b"))
        apart = between.lazy().select(
            pl.min_horizontal(one, other).alias("a"), pl.max_horizontal(one, other).alias("b")
        )
        between = engine.collect(apart.filter(pl.col("a") != pl.col("b")).unique(), between.height)
    return labels.alias("label")


def _jumped(labels: pl.Series) -> pl.Series:
    """Labels replaced by their labels until none changes."""
    while True:
        nearer = labels.gather(labels)
        if nearer.equals(labels):
            return labels
        labels = nearer
