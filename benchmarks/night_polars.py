"""The night as a plain Polars script, without keeping state: ``python -m benchmarks.night_polars DATA DAY STATE OUT``.

It reads the day's snapshot, the events and what it must know of yesterday (a Parquet file: a row a profile, a digest of
its identities, for each audience since when it is a member) and writes the same 80 files as muster. It keeps nothing
for tomorrow, knows no manifests and no checksums: what muster takes longer is the price of those. On the first day it
writes that file instead, for the next.

Everything is read once and sorted once; values that are in many files become text once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks import audiences, night_task
from benchmarks.audiences import COLUMNS, MEASURES, NAMES, STATUS, TIME

_ID = "profile_id"


def main(task: night_task.Task) -> None:
    """Do the night; on the first day only write the state for the second."""
    if task.before is None:
        first = today(task).filter(pl.any_horizontal(NAMES)).sort(_ID)
        first.select(_ID, "digest", *(pl.when(name).then(pl.lit(task.at)).alias(name) for name in NAMES)).sink_parquet(
            task.after
        )
    else:
        write(task, compared(task, task.before))


def today(task: night_task.Task) -> pl.LazyFrame:
    """The day's profiles: attributes as text, a digest of their identities, and whether each audience's rule holds."""
    now = f"TIMESTAMP '{task.at:%Y-%m-%d %H:%M:%S}'"
    naive = _naive("signup_at")
    zeros = [pl.col(name).fill_null(0) for name, (function, *_) in MEASURES.items() if function != "max"]
    rules = (
        pl.scan_parquet(task.profiles).with_columns(naive).join(measures(task), on=_ID, how="left").with_columns(zeros)
    )
    steps: list[Iterable[str]] = [audiences.ATTRIBUTES, audiences.EVENTS, *([name] for name in audiences.REFERENCES)]
    for names in steps:
        holds = (
            pl.sql_expr(audiences.rule(name, now, lambda other: f'"{other}"')).fill_null(value=False).alias(name)
            for name in names
        )
        rules = rules.with_columns(holds)
    texts = [naive.dt.strftime("%Y-%m-%dT%H:%M:%SZ"), pl.col("lifetime_value").cast(pl.String)]
    identities = pl.col("identity_map").list.eval(pl.element().hash()).list.sum().alias("digest")
    return rules.select(*COLUMNS, identities, *NAMES).with_columns(texts)


def measures(task: night_task.Task) -> pl.LazyFrame:
    """The measures: one pass over the events of the last 90 days, filtered before they are grouped."""
    longest = max(days for *_, days in MEASURES.values())
    recent = pl.scan_parquet(task.events).filter(
        pl.col("timestamp").is_between(task.at - timedelta(days=longest), task.at)
    )
    columns = (_counted(*measure, at=task.at).alias(name) for name, measure in MEASURES.items())
    totals = (
        pl.col(name).max() if function == "max" else pl.col(name).sum() for name, (function, *_) in MEASURES.items()
    )
    return recent.select(_ID, *columns).group_by(_ID).agg(totals)


def _counted(function: str, column: str | None, where: str | None, days: int, *, at: datetime) -> pl.Expr:
    """The contribution of an event to a measure: whether the event counts, or its value if it does."""
    counts = pl.col("timestamp") >= at - timedelta(days=days)
    counts = counts & pl.sql_expr(where) if where else counts
    return (
        counts
        if function == "count" or column is None
        else pl.when(counts).then(_naive(column) if function == "max" else column)
    )


def _naive(column: str) -> pl.Expr:
    return pl.col(column).dt.replace_time_zone(None)


def compared(task: night_task.Task, before: Path) -> pl.DataFrame:
    """Today joined with yesterday, sorted: by audience a time (null: no member), and whether the change is exported."""
    yesterday = pl.scan_parquet(before).rename({"digest": "old digest"} | {name: f"old {name}" for name in NAMES})
    both = today(task).join(yesterday, on=_ID, how="full", coalesce=True)
    other = (pl.col("digest") != pl.col("old digest")).fill_null(value=False)
    now = pl.lit(task.at)
    columns: list[pl.Expr] = []
    for name in NAMES:
        member, was = pl.col(name).fill_null(value=False), pl.col(f"old {name}").is_not_null()
        columns += [
            pl.when(member).then(pl.coalesce(f"old {name}", now)).alias(name),
            ((member != was) | (member & other)).alias(f"changed {name}"),
        ]
    return both.select(*COLUMNS, *columns).sort(_ID).collect()


def write(task: night_task.Task, night: pl.DataFrame) -> None:
    """Write the 80 files."""
    frame, at = night.lazy(), pl.lit(task.at)
    for name in NAMES:
        status = pl.when(pl.col(name).is_null()).then(pl.lit("exited")).otherwise(pl.lit("realized"))
        everybody = frame.filter(pl.col(name).is_not_null()).select(
            *COLUMNS, pl.lit("realized").alias(STATUS), pl.col(name).alias(TIME)
        )
        changed = frame.filter(f"changed {name}").select(
            *COLUMNS, status.alias(STATUS), pl.coalesce(name, at).alias(TIME)
        )
        for path, rows in ((task.full(name), everybody), (task.changes(name), changed)):
            rows.sink_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main(night_task.from_command_line())
