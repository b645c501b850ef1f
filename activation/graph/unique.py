"""Components that hold two values of a unique namespace are taken apart: their links are laid again, in order (P5)."""

from collections.abc import Iterator, Mapping

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.model.sources import Namespace
from muster.activation.sources.cleaning import namespace_of
from muster.activation.sources.record_links import NUMBER_TYPE

# Refused links by the numbers of their identities, ``a`` the smaller one: the time of the newest record that states the
# link, and the unique namespace of which it would bring a second value (of several the first by name).
REFUSED = pl.Schema({"a": NUMBER_TYPE, "b": NUMBER_TYPE, "time": TIME_TYPE, "namespace": pl.String()})


def taken_apart(
    identities: pl.DataFrame, links: pl.DataFrame, labels: pl.Series, namespaces: Mapping[str, Namespace]
) -> tuple[pl.Series, pl.DataFrame]:
    """Labels after P5, and the refused links, of ``REFUSED``, sorted by numbers.

    Components that break no rule keep their labels. The links of the others are laid again: newest first, no time
    last; of one time those with the smaller sum of priorities first; then in the order of the texts of both
    identities, the smaller identity first. A link counts once, with the time of the newest record that states it.
    """
    broken = _broken(identities, labels, namespaces)
    if broken.is_empty():
        return labels, pl.DataFrame(schema=REFUSED)
    members = pl.DataFrame({"identity": labels.is_in(broken.implode()).arg_true().cast(NUMBER_TYPE)})
    members = members.with_columns(identities["namespace"].gather(members["identity"]))
    held = members.filter(is_unique(members["namespace"], namespaces))
    taken = _TakenApart(members["identity"].to_list(), dict(held.iter_rows()))
    refused = list(taken.refused(_in_order(identities, links, labels, broken, namespaces)))
    labels = labels.scatter(members["identity"], pl.Series(taken.roots(), dtype=NUMBER_TYPE))
    return labels, pl.DataFrame(refused, schema=REFUSED, orient="row").sort("a", "b")


def is_unique(names: pl.Series, namespaces: Mapping[str, Namespace]) -> pl.Series:
    """Whether each namespace (String) is unique: a graph holds one value of it (Boolean)."""
    return names.is_in(sorted(name for name in names.unique() if namespace_of(namespaces, name).unique))


def _broken(identities: pl.DataFrame, labels: pl.Series, namespaces: Mapping[str, Namespace]) -> pl.Series:
    """The labels of the components that hold two values of a unique namespace."""
    found = [pl.Series(dtype=NUMBER_TYPE)]
    for name in identities["namespace"].unique():
        if namespace_of(namespaces, name).unique:
            of_name = labels.filter(identities["namespace"] == name).sort()
            found.append(of_name.filter(of_name == of_name.shift(1)))
    return pl.concat(found).unique().sort()


def _in_order(
    identities: pl.DataFrame,
    links: pl.DataFrame,
    labels: pl.Series,
    broken: pl.Series,
    namespaces: Mapping[str, Namespace],
) -> pl.DataFrame:
    """The links of broken components, each once, in the order in which they are laid again: ``a``, ``b``, ``time``."""
    inside = links.lazy().filter(pl.lit(labels).gather(pl.col("a")).is_in(broken.implode())).select("a", "b", "time")
    newest = engine.collect(inside.group_by("a", "b").agg(pl.col("time").max()), links.height)
    priorities = {name: namespace_of(namespaces, name).priority for name in identities["namespace"].unique()}
    one, other = (
        identities["namespace"].gather(newest[name]).replace_strict(priorities, return_dtype=pl.Int64)
        for name in ("a", "b")
    )
    placed = newest.with_columns((one + other).alias("priorities"))
    return placed.sort("time", "priorities", "a", "b", descending=[True, False, False, False], nulls_last=True).drop(
        "priorities"
    )


class _TakenApart:
    """The parts of broken components while their links are laid: the smallest identity of a part stands for it."""

    def __init__(self, identities: list[int], unique: dict[int, str]) -> None:
        self._parent = {each: each for each in identities}
        self._values = {each: {name: each} for each, name in unique.items()}  # by part: its value of each namespace

    def refused(self, links: pl.DataFrame) -> Iterator[tuple[int, int, object, str]]:
        """Lay links, and yield those that would bring a second value, with its namespace."""
        for one, other, time in links.iter_rows():
            first, second = sorted((self._root(one), self._root(other)))
            if first == second:
                continue
            here, there = self._values.get(first, {}), self._values.get(second, {})
            if clash := here.keys() & there.keys():
                yield one, other, time, min(clash)
                continue
            self._parent[second] = first
            if there:
                self._values[first] = here | there

    def roots(self) -> list[int]:
        """The part of each identity, in the order in which they were given."""
        return [self._root(each) for each in self._parent]

    def _root(self, identity: int) -> int:
        parent = self._parent
        while (above := parent[identity]) != identity:
            parent[identity] = identity = parent[above]
        return identity
