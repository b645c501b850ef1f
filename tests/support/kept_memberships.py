"""The memberships that a state keeps, read by the ledger and Polars alone, as another tool reads them (E8)."""

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl

COLUMNS = ["audience_id", "profile_id", "status", "last_qualification_time"]


def newest(state: Path, audience: str) -> pl.DataFrame:
    """The memberships that the newest evaluation of an audience left: ``COLUMNS``, sorted by ``profile_id``."""
    with closing(sqlite3.connect(f"file:{state / 'ledger.sqlite'}?mode=ro", uri=True)) as ledger:
        query = "SELECT file FROM evaluations WHERE audience = ? ORDER BY at DESC LIMIT 1"
        (file,) = ledger.execute(query, [audience]).fetchone()
    return read(state, file)


def read(state: Path, file: str) -> pl.DataFrame:
    """The memberships in a file of the state, or in an audience's part of a block (``FILE#AUDIENCE``)."""
    path, _, audience = file.partition("#")
    found = pl.read_parquet(state / path)
    if not audience:
        return found.select(COLUMNS).sort("profile_id")
    realized = pl.col(f"realized:{audience}")
    return (
        found.filter(realized.is_not_null())
        .select(
            pl.lit(audience).alias("audience_id"),
            "profile_id",
            pl.when(realized).then(pl.lit("realized")).otherwise(pl.lit("exited")).alias("status"),
            pl.col(f"last_qualification_time:{audience}").alias("last_qualification_time"),
        )
        .sort("profile_id")
    )
