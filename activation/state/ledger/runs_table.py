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
_FAILURES = """
SELECT run_id, error FROM runs WHERE status = 'failed' AND error IS NOT NULL
UNION ALL SELECT run_id, error FROM runs WHERE status = 'delivering' AND error IS NOT NULL
"""
_FAILING_SINCE = """
SELECT min(scheduled_time) AS slot FROM runs WHERE destination = ?1 AND activation = ?2 AND trigger != 'on_demand'
AND NOT rewound AND (status = 'failed' OR (status = 'superseded' AND error IS NOT NULL))
AND scheduled_time > coalesce((
    SELECT max(scheduled_time) FROM runs WHERE destination = ?1 AND activation = ?2 AND trigger != 'on_demand'
    AND NOT rewound AND status = 'succeeded'
), '')
"""
_SUCCEEDED = """
SELECT * FROM runs WHERE destination = ? AND activation = ? AND status = 'succeeded' ORDER BY success DESC LIMIT ?
"""
# Runs that send messages have no audience, but ``audiences``, and the oldest of their evaluations under
# ``evaluated_at``. Failed ones count if they sent something: what was accepted moved the delivered rows (V2).
_USING_EVALUATION = """
SELECT * FROM runs WHERE audience = ?1 AND evaluated_at = ?2 AND status IN ('succeeded', 'delivering') AND NOT rewound
UNION ALL SELECT runs.* FROM baselines JOIN runs USING (run_id)
WHERE runs.audience = ?1 AND baselines.evaluated_at = ?2
UNION ALL SELECT * FROM runs WHERE audience = '' AND evaluated_at <= ?2 AND status IN ('succeeded', 'delivering')
AND NOT rewound AND {told}
UNION ALL SELECT runs.* FROM message_baselines JOIN runs USING (destination, activation)
WHERE status = 'failed' AND messages > 0 AND NOT rewound AND {told}
UNION ALL SELECT runs.* FROM message_baselines JOIN runs USING (run_id) WHERE {told} LIMIT 1
""".format(
    told="EXISTS (SELECT 1 FROM json_each(audiences) AS told "
    "WHERE json_extract(told.value, '$[0]') = ?1 AND json_extract(told.value, '$[2]') = ?2)"
)
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
_PUT = f"""
INSERT INTO runs ({",".join(RUN_COLUMNS)}) VALUES ({",".join("?" * len(RUN_COLUMNS))}) ON CONFLICT (run_id)
DO UPDATE SET {",".join(f"{name} = excluded.{name}" for name in RUN_COLUMNS if name != "run_id")}
"""
_PUT_FILE = f"INSERT INTO files (run_id, {', '.join(_FILE_COLUMNS)}) VALUES (?{',?' * len(_FILE_COLUMNS)})"
_FILES = f"""
SELECT run_id, {", ".join(_FILE_COLUMNS)} FROM files WHERE run_id IN (SELECT value FROM json_each(?))
ORDER BY run_id, part
"""


def get(ledger: Ledger, run_id: str) -> Run | None:
    """Return the run of an id."""
    return _first(_runs(ledger, "SELECT * FROM runs WHERE run_id = ?", run_id))


def find(
    ledger: Ledger,
    *,
    limit: int | None = None,
    superseded: bool = True,
    rewound: bool = True,
    prefix: str = "",
    activation: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
) -> list[Run]:
    """Return runs, newest slot first, those of one slot by the order in which they began.

    ``prefix`` narrows to ids that start with it, ``activation`` to a key such as ``crm/newsletter``, ``since`` to slots
    from then on; ``superseded=False`` leaves out superseded runs, ``rewound=False`` those that a rewind took back.
    """
    destination, _, name = (activation or "").partition("/")
    conditions: dict[str, tuple[Any, ...]] = {}
    if prefix:
        conditions["run_id >= ? AND run_id < ?"] = (prefix, prefix + "\U0010ffff")
    if activation is not None:
        conditions["destination = ? AND activation = ?"] = (destination, name)
    if status is not None:
        conditions["status = ?"] = (status,)
    if since is not None:
        conditions["scheduled_time >= ?"] = (iso(since),)
    if not superseded:
        conditions["status != 'superseded'"] = ()
    if not rewound:
        conditions["NOT rewound"] = ()
    query = f"SELECT * FROM runs WHERE {' AND '.join(conditions) or 'true'}"
    query += " ORDER BY scheduled_time DESC, rowid DESC LIMIT ?"
    values = [value for found in conditions.values() for value in found]
    return _runs(ledger, query, *values, -1 if limit is None else limit)


def failing_since(ledger: Ledger, destination: str, activation: str) -> datetime | None:
    """Return the first of the activation's slots that failed since its last slot that succeeded; None without any.

    A failed slot that a newer one has superseded counts; on-demand runs do not.
    """
    row = ledger.ask_one(_FAILING_SINCE, destination, activation)
    with ledger.refusing_foreign_values():
        return moment(row["slot"]) if row else None


def activations(ledger: Ledger) -> list[str]:
    """Return the keys of all activations that have a run, sorted."""
    rows = ledger.ask("SELECT DISTINCT destination, activation FROM runs ORDER BY destination, activation")
    return [f"{row['destination']}/{row['activation']}" for row in rows]


def unfinished(ledger: Ledger) -> list[Run]:
    """Return runs of killed commands, in the order in which they began (S6).

    Those are ``running`` ones to clean up after, and ``delivering`` ones to finish.
    """
    query = "SELECT * FROM runs WHERE status IN ('running', 'delivering') ORDER BY rowid"
    return _runs(ledger, query)


def failures(ledger: Ledger) -> dict[str, str]:
    """Return the error of each run that failed, or whose delivery failed and goes on, by run id."""
    return {row["run_id"]: row["error"] for row in ledger.ask(_FAILURES)}


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
    found, rows = {}, ledger.ask(_SLOTS, json.dumps(list(activations)))
    with ledger.refusing_foreign_values():
        for destination, activation, *slots in rows:
            finished, failed = map(moment, slots)
            is_later = failed and (not finished or failed > finished)
            found[destination, activation] = finished, failed if is_later else None
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
    ledger.change(_PUT, *(to_column(name, getattr(run, name)) for name in RUN_COLUMNS))
    if run.status == "succeeded":
        ledger.change(_NUMBERED, run.run_id)
    ledger.change("DELETE FROM files WHERE run_id = ?", run.run_id)
    files = [(run.run_id, *(getattr(each, name) for name in _FILE_COLUMNS)) for each in run.files]
    ledger.change_many(_PUT_FILE, files)


def put_visible(ledger: Ledger, run_ids: Iterable[str]) -> None:
    """Record that all files of these runs are visible at their destinations. In a transaction."""
    ledger.change_many("UPDATE runs SET visible = 1 WHERE run_id = ?", [(run_id,) for run_id in run_ids])


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
