"""The night as a careful DuckDB user writes it: ``python -m benchmarks.night_duckdb DATA DAY STATE OUT [--synced]``.

State is one Parquet file: a row a profile, a digest of its identities, and for each audience since when it is a member.
All audiences are delivered by one script that ends well or not at all, so members of yesterday and what was delivered
yesterday are the same thing.

One pass over the events, one over the profiles, one join with yesterday, one sort; after that every file is a filter on
a sorted table in memory. Values that are in many files become text once.

With ``--synced`` each file is also hashed and synced to the disk, as muster does: ``OUT/SHA256SUMS`` has the hashes.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import duckdb

from benchmarks import audiences, night_task
from benchmarks.audiences import COLUMNS, MEASURES, NAMES, STATUS, TIME

_DIGEST = (
    "md5_number(array_to_string(list_sort(list_transform(identity_map, lambda each: each.namespace || "
    "chr(31) || each.id)), chr(30)))"
)
_AS_TEXT = {
    "signup_at": "signup_at::TIMESTAMP::VARCHAR AS signup_at",
    "lifetime_value": "lifetime_value::VARCHAR AS lifetime_value",
}


def night(task: night_task.Task) -> None:
    """Evaluate, compare, write files and state; hash and sync them if the task says so."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    now = f"TIMESTAMP '{task.at:%Y-%m-%d %H:%M:%S}'"
    database.execute(_measures(task, now))
    database.execute(_today(task, now))
    database.execute(_yesterday(task))
    database.execute(_night(now))
    for name in NAMES:
        database.execute(f"COPY ({_full(name)}) TO '{task.full(name)}' (HEADER)")
        database.execute(f"COPY ({_changes(name, now)}) TO '{task.changes(name)}' (HEADER)")
    kept = f"SELECT profile_id, digest, {_listed(_quoted(name) for name in NAMES)} FROM night WHERE present"
    database.execute(f"COPY ({kept}) TO '{task.after}' (FORMAT parquet, COMPRESSION zstd)")
    if task.synced:
        files = [*(each for name in NAMES for each in (task.full(name), task.changes(name))), task.after]
        _record(task.out / "SHA256SUMS", files)


def _record(sums: Path, files: Iterable[Path]) -> None:
    """Hash each file and sync it, write the hashes to ``sums`` as ``sha256sum`` does, and sync that too."""
    lines = [f"{_synced(path)}  {path}\n" for path in files]
    sums.write_text("".join(lines))
    _synced(sums)


def _synced(path: Path) -> str:
    """Sync a file to the disk; returns the SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def _measures(task: night_task.Task, now: str) -> str:
    """SQL of the measures: one pass over the events of the last 90 days."""
    found = _listed(f"{_measure(now, *measure)} AS {name}" for name, measure in MEASURES.items())
    days = max(days for *_, days in MEASURES.values())
    return f"""CREATE TEMP TABLE measures AS SELECT profile_id, {found} FROM read_parquet('{task.events}')
        WHERE timestamp <= {now} AND timestamp >= {now} - INTERVAL '{days} days' GROUP BY profile_id"""


def _measure(now: str, function: str, column: str | None, where: str | None, days: int) -> str:
    counts = f"timestamp >= {now} - INTERVAL '{days} days'" + (f" AND {where}" if where else "")
    return f"{function}({column or '*'}) FILTER ({counts})"


def _today(task: night_task.Task, now: str) -> str:
    """SQL of one pass over the profiles: attributes, digest, and whether each audience's rule holds."""
    rules = _listed(f"coalesce({audiences.rule(name, now, _quoted)}, false) AS {_quoted(name)}" for name in NAMES)
    filled = _listed(f"coalesce({name}, 0) AS {name}" if MEASURES[name][0] != "max" else name for name in MEASURES)
    return f"""CREATE TEMP TABLE today AS SELECT {_listed(COLUMNS)}, {_DIGEST} AS digest, {rules}
        FROM (SELECT p.*, {filled} FROM read_parquet('{task.profiles}') p LEFT JOIN measures USING (profile_id))"""


def _yesterday(task: night_task.Task) -> str:
    if task.before:
        return f"CREATE TEMP VIEW yesterday AS FROM read_parquet('{task.before}')"
    nobody = _listed(f"NULL::TIMESTAMP AS {_quoted(name)}" for name in NAMES)
    return f"CREATE TEMP VIEW yesterday AS SELECT profile_id, digest, {nobody} FROM today LIMIT 0"


def _night(now: str) -> str:
    """SQL of today joined with yesterday: by audience, the time of joining, and whether the change is exported."""
    attributes = _listed(_AS_TEXT.get(column, column) for column in COLUMNS)
    since = _listed(f"CASE WHEN t.{q} THEN coalesce(y.{q}, {now}) END AS {q}" for q in map(_quoted, NAMES))
    changed = _listed(
        f"coalesce(t.{q}, false) <> (y.{q} IS NOT NULL) OR (t.{q} AND identified) AS {_changed(name)}"
        for name in NAMES
        for q in [_quoted(name)]
    )
    return f"""CREATE TEMP TABLE night AS SELECT {attributes}, t.digest, t.digest IS NOT NULL AS present,
        coalesce(t.digest <> y.digest, false) AS identified, {since}, {changed}
        FROM today t FULL JOIN yesterday y USING (profile_id) ORDER BY profile_id"""


def _full(name: str) -> str:
    return (
        f"SELECT {_listed(COLUMNS)}, 'realized' AS {STATUS}, {_quoted(name)} AS {TIME} FROM night WHERE "
        f"{_quoted(name)} IS NOT NULL"
    )


def _changes(name: str, now: str) -> str:
    """SQL of the changes: new members, members with other identities, and people who left (X3)."""
    since = _quoted(name)
    status = f"CASE WHEN {since} IS NULL THEN 'exited' ELSE 'realized' END AS {STATUS}"
    return f"SELECT {_listed(COLUMNS)}, {status}, coalesce({since}, {now}) AS {TIME} FROM night WHERE {_changed(name)}"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _changed(name: str) -> str:
    return f'"{name} changed"'


def _listed(expressions: Iterable[str]) -> str:
    return ", ".join(expressions)


if __name__ == "__main__":
    night(night_task.from_command_line())
