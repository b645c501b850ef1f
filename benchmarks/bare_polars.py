"""Single tasks in a bare Polars process: the floor with which single exports are compared.

``sink csv|parquet DATA OUT``   all profiles of the second day, the columns of an export, straight from scan to file
``keys FILE FILE``              nothing but the profile ids of two membership files
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.audiences import COLUMNS, EVERYBODY, STATUS, TIME
from benchmarks.night_task import DAYS


def sink(file_format: str, data: str, out: str) -> None:
    """Write all profiles of the second day to one file."""
    at = datetime.fromisoformat(f"{DAYS[1]}T02:00:00").replace(tzinfo=UTC)
    rows = (
        pl.scan_parquet(Path(data, "profiles", DAYS[1], "*.parquet"))
        .filter(pl.sql_expr(EVERYBODY))
        .select(*COLUMNS, pl.lit("realized").alias(STATUS), pl.lit(at).alias(TIME))
    )
    Path(out).mkdir(parents=True, exist_ok=True)
    if file_format == "csv":
        rows.sink_csv(Path(out, "members.csv"), datetime_format="%Y-%m-%dT%H:%M:%SZ")
    else:
        rows.sink_parquet(Path(out, "members.parquet"))


def keys(*files: str) -> None:
    """Read the profile ids of each file into memory."""
    pl.collect_all([pl.scan_parquet(file).select("profile_id") for file in files])


if __name__ == "__main__":
    tasks: dict[str, Callable[..., None]] = {"sink": sink, "keys": keys}
    tasks[sys.argv[1]](*sys.argv[2:])
