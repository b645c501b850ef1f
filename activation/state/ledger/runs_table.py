"""The tables ``runs``, ``files`` and ``removals``: every run, its files, and which older files it removes (S6, F1)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from sqlite3 import Row
from typing import Any

from muster.activation.instants import iso
from muster.activation.model.history import PlannedFile, Run
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import RUN_COLUMNS, from_column, moment, to_column

_SLOTS = """
WITH asked AS (
    SELECT json_extract(value, '$[0]') AS destination, json_extract(value, '$[1]') AS activation,
    json_extract(value, '$[2]') AS trigger
    FROM json_each(?)
) SELECT destination, activation, (
    SELECT max(scheduled_time) FROM runs
    WHERE runs.destination = asked.destination AND runs.activation = asked.activation
    AND runs.trigger != 'on_demand' AND runs.status IN ('succeeded', 'superseded') AND NOT runs.rewound
) AS finished, (
    SELECT max(scheduled_time) FROM runs
    WHERE runs.destination = asked.destination AND runs.activation = asked.activation
    AND runs.trigger = asked.trigger AND runs.status = 'failed' AND NOT runs.rewound
) AS failed FROM asked
"""
_ON_DEMAND = """
SELECT count(*) AS n FROM runs WHERE destination = ? AND activation = ? AND trigger = 'on_demand'
AND scheduled_time = ? AND status = 'succeeded'
"""
_SUCCEEDED = """
SELECT * FROM runs WHERE destination = ? AND activation = ? AND status = 'succeeded' ORDER BY success DESC LIMIT ?
"""
_USING_EVALUATION = """
SELECT * FROM runs WHERE audience = ?1 AND evaluated_at = ?2 AND status IN ('succeeded', 'delivering') AND NOT rewound
UNION ALL SELECT runs.* FROM baselines JOIN runs USING (run_id)
WHERE runs.audience = ?1 AND baselines.evaluated_at = ?2 LIMIT 1
"""
_REWOUND_OVER = """
SELECT * FROM runs WHERE rewound AND status = 'succeeded' AND url_digest = ?1 AND NOT constant_names AND run_id IN (
    SELECT run_id FROM files WHERE path IN (SELECT value FROM json_each(?2))
) ORDER BY success
"""
_NUMBERED = """
UPDATE runs SET success = 1 + max(
    coalesce((SELECT max(success) FROM runs), 0), coalesce((SELECT max(success) FROM pruned_runs), 0)
) WHERE run_id = ? AND success IS NULL
"""
_FILE_COLUMNS = ("part", "temporary", "path", "rows", "size", "sha256", "clear_size", "clear_sha256")
_FILES = f"""
SELECT run_id, {", ".join(_FILE_COLUMNS)} FROM files WHERE run_id IN (SELECT value FROM json_each(?))
ORDER BY run_id, part
"""


def get(ledger: Ledger, run_id: str) -> Run | None:
    """Return the run of an id."""
    return _first(_runs(ledger, "SELECT * FROM runs WHERE run_id = ?", run_id))


def find(ledger: Ledger, *, limit: int | None = None, superseded: bool = True, prefix: str = "") -> list[Run]:
    """Return runs, newest slot first, those of one slot by the order in which they began.

    ``prefix`` narrows to ids that start with it; ``superseded=False`` leaves out superseded runs.
    """
    wanted = ["run_id >= ? AND run_id < ?"] if prefix else []
    wanted += [] if superseded else ["status != 'superseded'"]
    query = f"SELECT * FROM runs WHERE {' AND '.join(wanted) or 'true'}"
    query += " ORDER BY scheduled_time DESC, rowid DESC LIMIT ?"
    bounds = (prefix, prefix + "\U0010ffff") if prefix else ()
    return _runs(ledger, query, *bounds, -1 if limit is None else limit)


def unfinished(ledger: Ledger) -> list[Run]:
    """Return runs of killed commands: ``running`` ones to clean up after, ``delivering`` ones to finish (S6)."""
    query = "SELECT * FROM runs WHERE status IN ('running', 'delivering') ORDER BY scheduled_time, run_id"
    return _runs(ledger, query)


def succeeded(ledger: Ledger, destination: str, activation: str, *, limit: int | None = None) -> list[Run]:
    """Return the succeeded runs of an activation, the last that succeeded first."""
    return _runs(ledger, _SUCCEEDED, destination, activation, -1 if limit is None else limit)


def first_using_evaluation(ledger: Ledger, audience: str, at: datetime) -> Run | None:
    """Return a run that delivered, or is delivering, what the audience's evaluation at an instant found (E6).

    A run that was rewound counts as long as the delivered set is its own (S8).
    """
    return _first(_runs(ledger, _USING_EVALUATION, audience, iso(at)))


def finished_and_failed_slots(
    ledger: Ledger, activations: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str], tuple[datetime | None, datetime | None]]:
    """Return the newest finished and newest failed slot of each (destination, activation, trigger).

    A slot is finished when it succeeded or was superseded (S2); a failed slot counts if it is later than that (S5).
    Runs that were rewound settle no slot (S8).
    """
    found = {}
    for row in ledger.ask(_SLOTS, json.dumps(list(activations))):
        with ledger.refusing_foreign_values():
            finished, failed = moment(row["finished"]), moment(row["failed"])
        is_later = failed and (not finished or failed > finished)
        found[row["destination"], row["activation"]] = finished, failed if is_later else None
    return found


def count_on_demand(ledger: Ledger, destination: str, activation: str, at: datetime) -> int:
    """Count the activation's on-demand runs of an instant that succeeded: the counter of the next one (F4)."""
    row = ledger.ask_one(_ON_DEMAND, destination, activation, iso(at))
    return int(row["n"]) if row else 0


def is_rewound(ledger: Ledger, run_id: str) -> bool:
    """Return whether a run of this id was rewound: the repeated slot takes another id (S8)."""
    return ledger.ask_one("SELECT 1 FROM runs WHERE run_id = ? AND rewound", run_id) is not None


def rewound_over(ledger: Ledger, run: Run) -> list[Run]:
    """Return the rewound runs at a run's url with a file of the same name: the run may replace it (F1, S8)."""
    paths = json.dumps([file.path for file in run.files])
    return _runs(ledger, _REWOUND_OVER, run.url_digest, paths)


def put(ledger: Ledger, run: Run) -> None:
    """Record a run as it is now, with its files. In a transaction.

    A run that succeeds takes the next number of success, which it keeps.
    """
    marks = ",".join("?" * len(RUN_COLUMNS))
    updates = ",".join(f"{name} = excluded.{name}" for name in RUN_COLUMNS if name != "run_id")
    ledger.change(
        f"INSERT INTO runs ({','.join(RUN_COLUMNS)}) VALUES ({marks}) ON CONFLICT (run_id) DO UPDATE SET {updates}",
        *(to_column(name, getattr(run, name)) for name in RUN_COLUMNS),
    )
    if run.status == "succeeded":
        ledger.change(_NUMBERED, run.run_id)
    ledger.change("DELETE FROM files WHERE run_id = ?", run.run_id)
    ledger.change_many(
        f"INSERT INTO files (run_id, {', '.join(_FILE_COLUMNS)}) VALUES (?{',?' * len(_FILE_COLUMNS)})",
        [(run.run_id, *(getattr(each, name) for name in _FILE_COLUMNS)) for each in run.files],
    )


def put_removals(ledger: Ledger, run_id: str, paths: Iterable[str]) -> None:
    """Record which files of the previous run this one removes. In a transaction."""
    ledger.change("DELETE FROM removals WHERE run_id = ?", run_id)
    ledger.change_many("INSERT INTO removals VALUES (?, ?)", [(run_id, path) for path in paths])


def removals(ledger: Ledger, run_id: str) -> list[str]:
    """Return the files of the previous run that a run removes before it writes its manifest, sorted."""
    return [row["path"] for row in ledger.ask("SELECT path FROM removals WHERE run_id = ? ORDER BY path", run_id)]


def _first(runs: Sequence[Run]) -> Run | None:
    return runs[0] if runs else None


def _runs(ledger: Ledger, query: str, *values: Any) -> list[Run]:
    """Return the runs that a query on ``runs`` gives; the files of all of them are read at once."""
    rows = ledger.ask(query, *values)
    files = _files(ledger, rows) if rows else {}
    with ledger.refusing_foreign_values():
        runs = [Run(**{name: from_column(name, row[name]) for name in RUN_COLUMNS}) for row in rows]
    return [replace(run, files=tuple(files[run.run_id])) for run in runs]


def _files(ledger: Ledger, rows: Iterable[Row]) -> dict[str, list[PlannedFile]]:
    files: dict[str, list[PlannedFile]] = {row["run_id"]: [] for row in rows}
    for row in ledger.ask(_FILES, json.dumps(list(files))):
        files[row["run_id"]].append(PlannedFile(**{name: row[name] for name in _FILE_COLUMNS}))
    return files
