"""The table ``evaluations``: one row for each audience and instant at which it was evaluated (E5, E8)."""

import json
from collections.abc import Iterable
from datetime import datetime
from sqlite3 import Row

from muster.activation.errors import RefusedError
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation
from muster.activation.state.ledger import inputs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import evaluation_of, moment, when

_WITH_INPUTS = "SELECT * FROM evaluations JOIN inputs ON digest = inputs"
# The newest evaluation of each audience, and those from which baselines and deliveries under way were made.
_ROSTERS = """
SELECT json_extract(content, '$.roster') AS roster FROM evaluations JOIN inputs ON digest = inputs
WHERE (audience, at) IN (
    SELECT audience, max(at) FROM evaluations GROUP BY audience
    UNION SELECT runs.audience, baselines.evaluated_at FROM baselines JOIN runs ON runs.run_id = baselines.run_id
    UNION SELECT audience, evaluated_at FROM runs WHERE status = 'delivering'
) ORDER BY at DESC, audience
"""
# The files of an audience's evaluations, and those of its runs' decisions: often of an evaluation that was pruned.
_FILES = """
SELECT file FROM evaluations WHERE audience = ?1 UNION SELECT json_extract(decision, '$.file') FROM runs
WHERE audience = ?1 AND status IN ('succeeded', 'delivering') AND decision IS NOT NULL
"""
_SIZES = """
SELECT value AS audience, (
    SELECT realized FROM evaluations WHERE evaluations.audience = value ORDER BY at DESC LIMIT 1
) AS realized FROM json_each(?)
"""


def newest(ledger: Ledger, audience: str, at: datetime | None = None) -> AudienceEvaluation | None:
    """Return the audience's newest evaluation, at or before ``at`` if given; ``RefusedError`` when it was pruned."""
    row = ledger.ask_one(
        f"{_WITH_INPUTS} LEFT JOIN pruned USING (audience) WHERE audience = ? AND at <= ? ORDER BY at DESC LIMIT 1",
        audience,
        iso(at) if at else "9999",
    )
    # Pruning keeps an old evaluation that a delivered set needs; newer ones before ``at`` may have been pruned.
    if row and row["until"] and row["at"] <= row["until"]:
        raise RefusedError(
            f"audience {audience!r}: evaluations up to {row['until']} were pruned; {row['at']} is not the newest before"
        )
    return _evaluations(ledger, [row])[0] if row else None


def get(ledger: Ledger, audience: str, at: datetime) -> AudienceEvaluation | None:
    """Return the audience's evaluation at exactly the instant ``at``."""
    found = _evaluations(ledger, ledger.ask(f"{_WITH_INPUTS} WHERE audience = ? AND at = ?", audience, iso(at)))
    return found[0] if found else None


def list_all(ledger: Ledger) -> list[AudienceEvaluation]:
    """Return all evaluations, newest first, those of one instant by audience."""
    return _evaluations(ledger, ledger.ask(f"{_WITH_INPUTS} ORDER BY at DESC, audience"))


def sizes(ledger: Ledger, audiences: Iterable[str]) -> dict[str, int]:
    """Return how many profiles the newest evaluation of each audience found realized; 0 without one."""
    return {row["audience"]: row["realized"] or 0 for row in ledger.ask(_SIZES, json.dumps(list(audiences)))}


def times(ledger: Ledger, audience: str, since: datetime) -> list[datetime]:
    """Return the instants at which the audience was evaluated, from ``since`` on, ascending."""
    rows = ledger.ask("SELECT at FROM evaluations WHERE audience = ? AND at >= ? ORDER BY at", audience, iso(since))
    with ledger.refusing_foreign_values():
        return [when(row["at"]) for row in rows]


def newest_time(ledger: Ledger, at: datetime | None = None) -> datetime | None:
    """Return the newest instant, at or before ``at`` if given, at which any audience was evaluated."""
    return _time(ledger, "SELECT max(at) AS at FROM evaluations WHERE at <= ?", iso(at) if at else "9999")


def list_at(ledger: Ledger, at: datetime) -> list[AudienceEvaluation]:
    """Return the evaluations of exactly one instant, by audience."""
    return _evaluations(ledger, ledger.ask(f"{_WITH_INPUTS} WHERE at = ? ORDER BY audience", iso(at)))


def newest_time_of_all(ledger: Ledger) -> datetime | None:
    """Return the instant of the newest evaluation that was not limited to some audiences (S7)."""
    return _time(ledger, "SELECT max(at) AS at FROM evaluations WHERE scope = 'all'")


def files(ledger: Ledger, audience: str) -> set[str]:
    """Return the state files of the audience's evaluations and of what its runs decided."""
    return {row["file"] for row in ledger.ask(_FILES, audience)}


def rosters(ledger: Ledger) -> list[str]:
    """Return the rosters from which something goes on, newest first.

    Those are the rosters of the newest evaluations, of baselines, and of runs that are being delivered.
    """
    return list(dict.fromkeys(row["roster"] for row in ledger.ask(_ROSTERS) if row["roster"]))


def put(ledger: Ledger, evaluations: Iterable[AudienceEvaluation], finished: datetime) -> None:
    """Record evaluations, replacing those of the same audience and instant. In a transaction."""
    for each in evaluations:
        stored = each.stored
        ledger.change(
            "INSERT OR REPLACE INTO evaluations VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            *(each.audience, iso(each.at), each.scope, stored.file, stored.sha256, stored.size, each.generation),
            *(each.realized, each.entered, each.exited, each.rule),
            *(inputs_table.put(ledger, each.inputs), iso(finished)),
        )


def delete_after(ledger: Ledger, instant: datetime) -> list[AudienceEvaluation]:
    """Delete all evaluations later than an instant, and return them. In a transaction."""
    later = [each for each in list_all(ledger) if each.at > instant]
    ledger.change("DELETE FROM evaluations WHERE at > ?", iso(instant))
    return later


def _evaluations(ledger: Ledger, rows: Iterable[Row]) -> list[AudienceEvaluation]:
    with ledger.refusing_foreign_values():
        return [evaluation_of(row) for row in rows]


def _time(ledger: Ledger, query: str, *values: str) -> datetime | None:
    row = ledger.ask_one(query, *values)
    with ledger.refusing_foreign_values():
        return moment(row["at"]) if row else None
