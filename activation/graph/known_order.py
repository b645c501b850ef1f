"""The order of identities found from that of the build before: only texts that are new are sorted (P3)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.sources.identity_keys import CHECK, KEY, check, dense, firsts, key, refuse_collisions
from muster.activation.sources.record_links import NUMBER_TYPE

_TEXTS = ["namespace", "id"]


@dataclass(frozen=True, eq=False)
class Ordered:
    """The distinct identities of all sources in the order of their texts."""

    texts: pl.DataFrame  # ``namespace``, ``id`` (String), sorted by both as UTF-8 bytes
    numbers: pl.Series  # NUMBER_TYPE: the row of ``texts`` of each identity that the sources hold
    before: pl.Series  # NUMBER_TYPE: the row of each of ``texts`` among those of before; null for a new identity


def ordered(
    held: pl.DataFrame,
    known: pl.DataFrame,
    seed: int,
    sort: Callable[[pl.DataFrame, int], tuple[pl.DataFrame, pl.Series]],
) -> Ordered:
    """The order of the identities that sources hold, by those that a build before held.

    ``held`` has ``namespace`` (Enum), ``id``, and the key and check that ``seed`` gives; identities may be repeated.
    ``known`` has ``namespace`` and ``id`` (String), each identity once, sorted by both. ``sort`` returns distinct
    identities, which are given in the order of their keys, sorted by their texts, and the place of each there.
    ``CollisionError`` when two identities have one key.
    """
    known = known.select(_TEXTS).rechunk()
    keyed = pl.concat([held.select(KEY, CHECK), _keyed(known, seed)], rechunk=True)
    by_key = dense(keyed[KEY])
    refuse_collisions(by_key, keyed[CHECK], firsts(by_key))
    count = int(by_key.max()) + 1  # type: ignore[arg-type]
    of_held, of_known = by_key.head(held.height), by_key.tail(known.height)
    is_held, is_known = (
        pl.repeat(False, count, dtype=pl.Boolean, eager=True).scatter(each, True) for each in (of_held, of_known)
    )
    is_new = is_held & ~is_known
    rows = is_held.gather(of_known).arg_true().cast(NUMBER_TYPE)
    stayed = known if len(rows) == known.height else known[rows]
    rows_of = _scattered(count, of_held, pl.int_range(held.height, dtype=NUMBER_TYPE, eager=True))
    added, places = sort(held["namespace", "id"][rows_of.filter(is_new)], seed)
    positions = _positions(stayed, added)
    texts, others = _merged(stayed, added, positions)
    numbers = _scattered(count, of_known.gather(rows), others).scatter(is_new.arg_true(), positions.gather(places))
    return Ordered(texts, numbers.gather(of_held), _scattered(texts.height, others, rows))


def _keyed(known: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The keys and checks of identities that are sorted by namespace."""
    pieces = [
        engine.collect(
            piece.lazy().select(key(pl.col("id"), name, seed).alias(KEY), check(pl.col("id"), name, seed).alias(CHECK)),
            piece.height,
        )
        for name, piece in _by_namespace(known)
    ]
    return pl.concat(pieces)


def _by_namespace(texts: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each namespace, of identities that are sorted by it."""
    start, names = 0, texts["namespace"]
    while start < texts.height:
        name = names[start]
        end = int(names.search_sorted(name, side="right"))
        yield name, texts.slice(start, end - start)
        start = end


def _positions(stayed: pl.DataFrame, added: pl.DataFrame) -> pl.Series:
    """The place (NUMBER_TYPE) of each of some new identities among all; both frames are sorted."""
    places = [pl.Series(dtype=NUMBER_TYPE)]
    for name, piece in _by_namespace(added):
        first, end = (int(stayed["namespace"].search_sorted(name, side=side)) for side in ("left", "right"))
        found = stayed["id"].slice(first, end - first).search_sorted(piece["id"], side="left")
        places.append((found + first).cast(NUMBER_TYPE))
    smaller = pl.concat(places)
    return smaller + pl.int_range(len(smaller), dtype=NUMBER_TYPE, eager=True)


def _merged(stayed: pl.DataFrame, added: pl.DataFrame, positions: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Both frames as one, in which the new identities have these positions; and the positions of the others."""
    count = stayed.height + added.height
    is_other = pl.repeat(True, count, dtype=pl.Boolean, eager=True).scatter(positions, False)
    others = is_other.arg_true().cast(NUMBER_TYPE)
    if added.is_empty():
        return stayed, others
    numbers = pl.int_range(count, dtype=NUMBER_TYPE, eager=True)
    order = _scattered(count, others, numbers.head(stayed.height)).scatter(positions, numbers.tail(added.height))
    return pl.concat([stayed, added], rechunk=True)[order], others


def _scattered(count: int, places: pl.Series, values: pl.Series) -> pl.Series:
    """So many values (NUMBER_TYPE), null but at these places."""
    return pl.repeat(None, count, dtype=NUMBER_TYPE, eager=True).scatter(places, values)
