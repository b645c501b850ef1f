"""Deletion of history, and the tables ``pruned`` and ``pruned_runs`` that remember up to when it was deleted."""

import json
from collections.abc import Collection
from datetime import datetime

from muster.activation.instants import iso
from muster.activation.state import state_paths
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import when

_IDS = "(SELECT value FROM json_each(?))"
_PAIRS = "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
_USED_INPUTS = """
SELECT inputs FROM evaluations
UNION SELECT recipe FROM runs WHERE recipe IS NOT NULL UNION SELECT snapshot FROM runs WHERE snapshot IS NOT NULL
UNION SELECT governance FROM runs WHERE governance IS NOT NULL
"""
_REMEMBER_EVALUATIONS = """
INSERT INTO pruned SELECT json_extract(value, '$[0]') AS audience, max(json_extract(value, '$[1]')) FROM json_each(?)
GROUP BY 1 ON CONFLICT (audience) DO UPDATE SET until = max(until, excluded.until)
"""
_REMEMBER_RUNS = f"""
INSERT INTO pruned_runs SELECT destination, activation, run_id, max(success) FROM runs
WHERE run_id IN {_IDS} AND status = 'succeeded' AND trigger != 'on_demand' GROUP BY destination, activation
ON CONFLICT (destination, activation) DO UPDATE SET run_id = excluded.run_id, success = excluded.success
WHERE excluded.success > success
"""
_PRUNED_EVALUATIONS = """
SELECT audience, until, min(at) AS oldest FROM pruned JOIN evaluations USING (audience) WHERE at > until
GROUP BY audience
"""
_PRUNED_RUN = """
SELECT run_id FROM pruned_runs WHERE destination = ?1 AND activation = ?2
AND (?3 IS NULL OR success > (SELECT success FROM runs WHERE run_id = ?3))
"""


def forget(ledger: Ledger, evaluations: Collection[tuple[str, str]], runs: Collection[str]) -> None:
    """Delete evaluations (audience, instant) and runs with all that belongs to them, and remember up to when.

    In a transaction. A kept run whose decision is the file of a deleted evaluation has no decision any more.
    """
    pairs, ids = json.dumps(list(evaluations)), json.dumps(list(runs))
    for row in ledger.ask(f"SELECT file FROM evaluations WHERE (audience, at) IN {_PAIRS}", pairs):
        forget_file_of_runs(ledger, row["file"])
    ledger.change(f"DELETE FROM evaluations WHERE (audience, at) IN {_PAIRS}", pairs)
    ledger.change(_REMEMBER_EVALUATIONS, pairs)
    ledger.change(_REMEMBER_RUNS, ids)
    for table in ("files", "removals", "redeliveries", "runs"):
        ledger.change(f"DELETE FROM {table} WHERE run_id IN {_IDS}", ids)
    ledger.change(f"DELETE FROM inputs WHERE digest NOT IN ({_USED_INPUTS})")


def forget_evaluation(ledger: Ledger, audience: str, at: datetime) -> None:
    """Delete one evaluation as if it had never been made. In a transaction.

    Runs whose decision is the evaluation's file have no decision any more.
    """
    for row in ledger.ask("SELECT file FROM evaluations WHERE audience = ? AND at = ?", audience, iso(at)):
        forget_file_of_runs(ledger, row["file"])
    ledger.change("DELETE FROM evaluations WHERE audience = ? AND at = ?", audience, iso(at))


def forget_file_of_runs(ledger: Ledger, file: str) -> None:
    """Let no run refer to a state file any more, neither as its rejects nor as its decision. In a transaction."""
    for column in state_paths.COLUMN_OF_RUNS_FOLDER.values():
        ledger.change(f"UPDATE runs SET {column} = NULL WHERE json_extract({column}, '$.file') = ?", file)


def pruned_evaluations(ledger: Ledger) -> list[tuple[str, datetime, datetime]]:
    """Return of each audience of which evaluations were pruned: the newest of those, and the oldest one after that."""
    rows = ledger.ask(_PRUNED_EVALUATIONS)
    return [(row["audience"], when(row["until"]), when(row["oldest"])) for row in rows]


def pruned_until(ledger: Ledger, audience: str) -> datetime | None:
    """Return the newest instant of an audience's evaluations that were pruned; None when none was."""
    row = ledger.ask_one("SELECT until FROM pruned WHERE audience = ?", audience)
    return when(row["until"]) if row else None


def last_pruned_run(ledger: Ledger, destination: str, activation: str, after: str | None = None) -> str | None:
    """Return the last run of an activation that succeeded for a slot and was pruned, if it came after ``after``."""
    row = ledger.ask_one(_PRUNED_RUN, destination, activation, after)
    return row["run_id"] if row else None
