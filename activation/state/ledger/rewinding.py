"""Records of the ledger whose times are later than an instant, and how they become that instant (S8)."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Run, StoredFile
from muster.activation.state.ledger import evaluations_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import to_column

# ?1 audience, ?2 the evaluation's former instant, ?3 the instant, ?4 to ?6 file, checksum and size, ?7 generation
_MOVE = """
UPDATE evaluations SET at = ?3, file = ?4, sha256 = ?5, size = ?6, generation = ?7, finished_at = min(finished_at, ?3)
WHERE audience = ?1 AND at = ?2
"""
_SETTLING = """
SELECT DISTINCT destination, activation, trigger, export, audiences FROM runs
WHERE (audience = ?1 OR EXISTS (
    SELECT 1 FROM json_each(audiences) AS told WHERE json_extract(told.value, '$[0]') = ?1
)) AND scheduled_time = ?2 AND trigger = 'after_evaluation' AND status IN ('succeeded', 'superseded') AND NOT rewound
"""
# Slots up to an instant that were superseded by a run of a slot later than it: no run is between them.
_SUPERSEDED_BY_LATER = """
UPDATE runs SET rewound = 1
WHERE status = 'superseded' AND trigger = 'scheduled' AND NOT rewound AND scheduled_time <= ?1
AND EXISTS (
    SELECT 1 FROM runs AS newer WHERE newer.destination = runs.destination AND newer.activation = runs.activation
    AND newer.trigger = runs.trigger AND newer.scheduled_time > ?1
) AND NOT EXISTS (
    SELECT 1 FROM runs AS newer WHERE newer.destination = runs.destination AND newer.activation = runs.activation
    AND newer.trigger = runs.trigger AND newer.scheduled_time > runs.scheduled_time AND newer.scheduled_time <= ?1
)
"""
# A failure stays while the audience has no evaluation after it: else the audience would be failed again (E9).
_HEALED = """
DELETE FROM failures WHERE at >= ?1 AND EXISTS (
    SELECT 1 FROM evaluations WHERE audience = failures.audience AND evaluations.at > max(?1, failures.at)
)
"""
_OLDER_FAILURES = """
DELETE FROM failures WHERE at >= ?1 AND EXISTS (
    SELECT 1 FROM failures AS newer WHERE newer.audience = failures.audience AND newer.at > failures.at
)
"""


def evaluations_from(ledger: Ledger, instant: datetime) -> dict[str, list[AudienceEvaluation]]:
    """Return the evaluations at or after an instant, newest first, of each audience with one later than it."""
    found: dict[str, list[AudienceEvaluation]] = {}
    for each in evaluations_table.list_all(ledger):
        if each.at >= instant:
            found.setdefault(each.audience, []).append(each)
    return {audience: group for audience, group in found.items() if group[0].at > instant}


def move_evaluation(
    ledger: Ledger, each: AudienceEvaluation, to: datetime, stored: StoredFile, generation: int
) -> None:
    """Let an evaluation be one of an earlier instant, with memberships in another file. In a transaction."""
    ledger.change(_MOVE, each.audience, iso(each.at), iso(to), stored.file, stored.sha256, stored.size, generation)


def delete_evaluation(ledger: Ledger, each: AudienceEvaluation) -> None:
    """Delete an evaluation. In a transaction."""
    ledger.change("DELETE FROM evaluations WHERE audience = ? AND at = ?", each.audience, iso(each.at))


def settling(ledger: Ledger, evaluation: AudienceEvaluation) -> list[Row]:
    """Return the runs that settled the slot of an evaluation (S4): destination, activation, trigger, export, audiences.

    ``audiences`` is null of runs that exported files (V11).
    """
    return ledger.ask(_SETTLING, evaluation.audience, iso(evaluation.at))


def mark_runs(ledger: Ledger, instant: datetime) -> int:
    """Mark the runs of slots later than an instant as rewound, and return how many. In a transaction.

    So are slots up to the instant that such a run superseded: it settles no slot.
    """
    ledger.change("UPDATE runs SET rewound = 1 WHERE scheduled_time > ? AND NOT rewound", iso(instant))
    marked = int(ledger.ask("SELECT changes() AS n")[0]["n"])
    if marked:
        ledger.change(_SUPERSEDED_BY_LATER, iso(instant))
    return marked


def point_to(ledger: Ledger, run: Run, decision: StoredFile) -> None:
    """Record the file that has the rows of a run now. In a transaction."""
    ledger.change("UPDATE runs SET decision = ? WHERE run_id = ?", to_column("decision", decision), run.run_id)


def rewind_failures(ledger: Ledger, instant: datetime) -> int:
    """Let failures later than an instant be of it, and return how many; before evaluations move. In a transaction.

    Of several of an audience the newest stays; those that a later evaluation mended go.
    """
    text = iso(instant)
    ledger.change(_HEALED, text)
    later = ledger.ask("SELECT audience FROM failures WHERE at > ? GROUP BY audience", text)
    if later:
        ledger.change(_OLDER_FAILURES, text)
        ledger.change("UPDATE failures SET at = ?1 WHERE at > ?1", text)
    return len(later)


def rewind_sighting(ledger: Ledger, activation: str, instant: datetime) -> None:
    """Let the times of a sighting that are later than an instant be that instant. In a transaction."""
    ledger.change(
        "UPDATE sightings SET first_seen = min(first_seen, ?1), since = min(since, ?1) WHERE activation = ?2",
        iso(instant),
        activation,
    )


def rewind_pruned(ledger: Ledger, instant: datetime) -> None:
    """Let evaluations that were pruned be ones of before an instant: the newest of all is of it. In a transaction."""
    ledger.change("UPDATE pruned SET until = ?2 WHERE until >= ?1", iso(instant), iso(instant - timedelta(seconds=1)))


def runs_with_decisions_in(ledger: Ledger, files: Iterable[str]) -> list[str]:
    """Return the ids of the runs whose decision is one of these files."""
    query = (
        "SELECT run_id FROM runs WHERE decision IS NOT NULL "
        "AND json_extract(decision, '$.file') IN (SELECT value FROM json_each(?))"
    )
    return [row["run_id"] for row in ledger.ask(query, json.dumps(list(files)))]
