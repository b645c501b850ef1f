"""Keys of identities: numbers of 64 bits that group and join in a fraction of the time of the texts.

Two identities may have one key by chance, or because somebody made ids for it. Each has a second, independent number
therefore, the *check*: a key stands for one identity if its checks are equal. Keys are made with a *seed*; where one
stands for two identities, callers make all keys anew with the next seed. Keys are stable across versions of Polars.
"""

import polars as pl
from polars_hash import NonCryptographicHashingNameSpace

KEY, CHECK = "key", "check"  # UInt64
KEY_TYPE = pl.UInt64()
_CHECK_SEED = 1 << 32  # checks are made with the seed and this


class CollisionError(Exception):
    """A key stands for two identities: make all keys anew with another seed."""


def key(ids: pl.Expr, namespace: str, seed: int) -> pl.Expr:
    """The keys of ids (String) of one namespace; null where an id is null."""
    return _hash(ids, seed) ^ _constant(namespace, seed)


def check(ids: pl.Expr, namespace: str, seed: int) -> pl.Expr:
    """The checks of ids (String) of one namespace; null where an id is null."""
    return key(ids, namespace, seed + _CHECK_SEED)


def dense(keys: pl.Series) -> pl.Series:
    """Numbers from 0 (UInt32) in the order of keys, equal for equal keys; null for null."""
    return (keys.rank("dense") - 1).cast(pl.UInt32)


def firsts(numbers: pl.Series) -> pl.Series:
    """For each number of ``dense`` a row that has it (UInt32)."""
    held = numbers.is_not_null().arg_true().cast(pl.UInt32)
    counting = numbers.drop_nulls()
    count = 0 if held.is_empty() else int(counting.cast(pl.Int64).max()) + 1  # type: ignore[arg-type]
    return pl.zeros(count, dtype=pl.UInt32, eager=True).scatter(counting, held)


def refuse_collisions(numbers: pl.Series, checks: pl.Series, first: pl.Series) -> None:
    """``CollisionError`` when rows with one key have two checks, by their ``dense`` numbers and ``firsts``."""
    if not (checks.gather(first).gather(numbers) == checks).all():  # null where there is no number
        raise CollisionError


def rekeyed(identities: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Distinct identities (``namespace``, ``id``) with the keys and checks that a seed gives.

    ``CollisionError`` when two have one key.
    """
    keys, checks = pl.lit(None, dtype=KEY_TYPE), pl.lit(None, dtype=KEY_TYPE)
    for name in identities["namespace"].unique():
        is_of = pl.col("namespace") == name
        keys = pl.when(is_of).then(key(pl.col("id"), name, seed)).otherwise(keys)
        checks = pl.when(is_of).then(check(pl.col("id"), name, seed)).otherwise(checks)
    found = identities.with_columns(keys.alias(KEY), checks.alias(CHECK))
    if found[KEY].n_unique() != found.height:
        raise CollisionError
    return found


def _constant(namespace: str, seed: int) -> pl.Expr:
    return pl.lit(pl.select(_hash(pl.lit(namespace), seed)).item(), dtype=KEY_TYPE)


def _hash(text: pl.Expr, seed: int) -> pl.Expr:
    return NonCryptographicHashingNameSpace(text).xxh3_64(seed=seed)
