"""What the commands that look after the state ask of the ledger: which files it names, and what may be forgotten. Edge module."""

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from muster.activation.instants import iso
from muster.activation.model.history import StoredFile
from muster.activation.state.ledger.ledger import Ledger
from muster.activation.state.ledger.rows import when

# Files of runs: the folder, and the column of ``runs`` that names the file. A further kind is one line.
OF_RUNS = {"rejects": "rejects", "decisions": "decision"}
NAMED_FOLDERS = ("memberships", "baselines", "rosters", *OF_RUNS)  # all in which files lie that the ledger names

_INPUTS = """
SELECT inputs FROM evaluations
UNION SELECT recipe FROM runs WHERE recipe IS NOT NULL UNION SELECT snapshot FROM runs WHERE snapshot IS NOT NULL
"""
_EVALUATED = "SELECT file, sha256, size FROM evaluations"
_DELIVERED = "SELECT file, sha256, size FROM baselines"
_LAST_PRUNED = """
INSERT INTO pruned_runs SELECT destination, activation, run_id, max(success) FROM runs
WHERE run_id IN (SELECT value FROM json_each(?)) AND status = 'succeeded' AND trigger != 'on_demand' GROUP BY destination, activation
ON CONFLICT (destination, activation) DO UPDATE SET run_id = excluded.run_id, success = excluded.success WHERE excluded.success > success
"""
_OF_A_RUN = (
    "SELECT json_extract({0}, '$.file') AS file, json_extract({0}, '$.sha256') AS sha256, "
    "json_extract({0}, '$.size') AS size FROM runs"
)


def named(ledger: Ledger) -> dict[str, StoredFile]:
    """Every file of the state that the ledger names, by its name; of rosters the checksum alone is known, and the size is -1."""
    queries = [
        _EVALUATED,
        _DELIVERED,
        *(f"{_OF_A_RUN.format(column)} WHERE {column} IS NOT NULL" for column in OF_RUNS.values()),
    ]
    found = [StoredFile(row["file"], row["sha256"], row["size"]) for query in queries for row in ledger.ask(query)]
    found += [StoredFile(**run.baseline["stored"]) for run in ledger.unfinished() if run.baseline]
    found += [StoredFile(f"rosters/{name}.parquet", name, -1) for name in ledger.rosters()]
    return {each.file: each for each in found}


def unnamed(folder: Path, ledger: Ledger) -> list[str]:
    """The files, relative to the state's folder, that the ledger does not name."""
    known = named(ledger)
    return [file for file in _files(folder) if file not in known]


def _files(folder: Path) -> Iterator[str]:
    for name in NAMED_FOLDERS:
        yield from sorted(
            path.relative_to(folder).as_posix()
            for path in (folder / name).rglob("*")
            if path.is_file() or path.is_symlink()
        )


def forget(ledger: Ledger, evaluations: Collection[tuple[str, str]], runs: Collection[str]) -> None:
    """Take out evaluations (audience, instant) and runs with all that belongs to them, and remember up to when. In a transaction.

    A run that stays, and decided what a forgotten evaluation found, has no decision any more.
    """
    gone = json.dumps(list(evaluations))
    pair = "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
    for row in ledger.ask(f"SELECT file FROM evaluations WHERE (audience, at) IN {pair}", gone):
        lose(ledger, row["file"])
    ledger.change(f"DELETE FROM evaluations WHERE (audience, at) IN {pair}", gone)
    ledger.change(
        "INSERT INTO pruned SELECT json_extract(value, '$[0]') AS audience, max(json_extract(value, '$[1]')) "
        "FROM json_each(?)"
        " GROUP BY 1 ON CONFLICT (audience) DO UPDATE SET until = max(until, excluded.until)",
        gone,
    )
    ledger.change(_LAST_PRUNED, json.dumps(list(runs)))
    for table in ("files", "removals", "redeliveries", "runs"):
        ledger.change(f"DELETE FROM {table} WHERE run_id IN (SELECT value FROM json_each(?))", json.dumps(list(runs)))
    ledger.change(f"DELETE FROM inputs WHERE digest NOT IN ({_INPUTS})")


def pruned(ledger: Ledger) -> list[tuple[str, datetime, datetime]]:
    """Of each audience of which evaluations were pruned: the newest of those, and the oldest from which nothing is missing."""
    query = (
        "SELECT audience, until, min(at) AS oldest FROM pruned JOIN evaluations USING (audience) WHERE at "
        "> until GROUP BY audience"
    )
    return [(row["audience"], when(row["until"]), when(row["oldest"])) for row in ledger.ask(query)]


def last_pruned_run(ledger: Ledger, destination: str, activation: str, after: str | None = None) -> str | None:
    """The last run of an activation that succeeded for a slot and was pruned, if any, and if it came after a run that stays."""
    query = "SELECT run_id FROM pruned_runs WHERE destination = ?1 AND activation = ?2"
    query += " AND (?3 IS NULL OR success > (SELECT success FROM runs WHERE run_id = ?3))"
    rows = ledger.ask(query, destination, activation, after)
    return rows[0]["run_id"] if rows else None


def free_bytes(ledger: Ledger) -> tuple[int, int]:
    """The bytes of the ledger's file that hold nothing, and all of them."""
    free, pages, size = (ledger.ask(f"PRAGMA {name}")[0][0] for name in ("freelist_count", "page_count", "page_size"))
    return free * size, pages * size


def replace_file(ledger: Ledger, before: StoredFile, after: StoredFile) -> None:
    """Name a file that was made again, wherever the ledger names the one before. In a transaction."""
    for table in ("evaluations", "baselines"):
        ledger.change(f"UPDATE {table} SET sha256 = ?, size = ? WHERE file = ?", after.sha256, after.size, before.file)
    changed = "decision = json_set(decision, '$.sha256', ?, '$.size', ?)"
    ledger.change(
        f"UPDATE runs SET {changed} WHERE json_extract(decision, '$.file') = ?", after.sha256, after.size, before.file
    )


def forget_evaluation(ledger: Ledger, audience: str, at: datetime) -> None:
    """Take out one evaluation, as if it had not been; runs that decided the same have no decision any more. In a transaction."""
    for row in ledger.ask("SELECT file FROM evaluations WHERE audience = ? AND at = ?", audience, iso(at)):
        lose(ledger, row["file"])
    ledger.change("DELETE FROM evaluations WHERE audience = ? AND at = ?", audience, iso(at))


def lose(ledger: Ledger, file: str) -> None:
    """Name a file in no run any more. In a transaction."""
    for column in OF_RUNS.values():
        ledger.change(f"UPDATE runs SET {column} = NULL WHERE json_extract({column}, '$.file') = ?", file)
