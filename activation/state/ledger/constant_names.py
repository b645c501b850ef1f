"""Which run holds a constant file name, and what a new run under constant names removes (F1, X1).

Runs are compared by the order in which they succeeded, which the ledger counts: never by the clock (E1), nor by when
they began, for a request that failed may be repeated after others. A run that is being delivered comes after all that
succeeded.
"""

import json
from collections.abc import Collection, Iterable

from muster.activation.model.history import Run
from muster.activation.state.ledger.database import Ledger

_CLAIMS = """
WITH rewound AS (SELECT path FROM files JOIN runs USING (run_id) WHERE rewound), claimed AS (
    SELECT url || '/' || files.path AS target, runs.run_id AS run_id, success, runs.rowid AS begun
    FROM runs JOIN files ON files.run_id = runs.run_id
    WHERE (constant_names OR files.path IN (SELECT path FROM rewound)) AND status IN ('succeeded', 'delivering')
    UNION ALL SELECT url || '/' || removals.path, runs.run_id, success, runs.rowid
    FROM runs JOIN removals ON removals.run_id = runs.run_id WHERE status IN ('succeeded', 'delivering')
) SELECT target, run_id FROM claimed ORDER BY success IS NULL, success, begun
"""
_OTHERS = """
SELECT run_id FROM runs WHERE destination = ?2 AND activation = ?3 AND url_digest = ?4 AND (trigger = 'on_demand') = ?5
AND status = 'succeeded' AND constant_names AND run_id != ?1
"""
_PREVIOUS = f"{_OTHERS} ORDER BY success DESC LIMIT 1"
# The run of another activation whose baseline was moved to this one: ``baseline move`` after a change of name.
_HANDED_OVER = """
SELECT runs.run_id, runs.destination || '/' || runs.activation AS key
FROM baselines JOIN runs ON runs.run_id = baselines.run_id
WHERE baselines.destination = ?2 AND baselines.activation = ?3 AND runs.url_digest = ?4 AND NOT ?5
AND (runs.destination, runs.activation) != (?2, ?3) AND status = 'succeeded' AND constant_names AND runs.run_id != ?1
"""
_SUCCESSOR = f"{_OTHERS} AND success > (SELECT success FROM runs WHERE run_id = ?1) ORDER BY success DESC LIMIT 1"
_LATER = """
WITH later AS (
    SELECT * FROM runs WHERE success > (SELECT success FROM runs WHERE run_id = ?1)
    UNION ALL SELECT * FROM runs WHERE status IN ('running', 'delivering') AND status = 'delivering' AND run_id != ?1
)
"""
# ?1 run, ?2 destination, ?3 activation, ?4 url, ?5 path
_TAKEN_OVER = f"""
{_LATER} SELECT 1 FROM later CROSS JOIN files ON files.run_id = later.run_id
WHERE (destination, activation) != (?2, ?3) AND url_digest = ?4 AND path = ?5 LIMIT 1
"""
# ?1 run, ?2 destination, ?3 activation, ?4 url, ?5 on demand, ?6 constant names, ?7 paths
_REPLACED = f"""
{_LATER} SELECT run_id FROM (
    SELECT run_id, success FROM later
    WHERE destination = ?2 AND activation = ?3 AND url_digest = ?4 AND (trigger = 'on_demand') = ?5
    AND constant_names AND ?6
    UNION ALL SELECT later.run_id, success FROM later CROSS JOIN files ON files.run_id = later.run_id
    WHERE url_digest = ?4 AND path IN (SELECT value FROM json_each(?7))
    UNION ALL SELECT later.run_id, success FROM later CROSS JOIN removals ON removals.run_id = later.run_id
    WHERE url_digest = ?4 AND path IN (SELECT value FROM json_each(?7)) AND constant_names AND ?6
) ORDER BY success IS NULL DESC, success DESC LIMIT 1
"""


def holders(ledger: Ledger) -> dict[str, str]:
    """Return for each file (url and path) under a name that several runs can write the last that wrote or removed it.

    Those are constant names (F1), and names of runs that were rewound (S8).
    """
    return {row["target"]: row["run_id"] for row in ledger.ask(_CLAIMS)}


def replaced_paths(ledger: Ledger, run: Run, names: Iterable[str], present: Collection[str] = ()) -> set[str]:
    """Return the files of the activation's previous run that ``run``, which writes ``names``, must remove (F1).

    The last run of an activation that was renamed, so that its baseline was moved here, is a previous run, too, unless
    the activation of the old name is ``present`` (``destination/activation``). Files that another activation wrote
    since are not among them (X1).
    """
    asked = _activation_and_url(run)
    previous = [row["run_id"] for row in ledger.ask(_PREVIOUS, *asked)]
    previous += [row["run_id"] for row in ledger.ask(_HANDED_OVER, *asked) if row["key"] not in present]
    written = set(names)
    return {path for each in previous for path in _own_paths(ledger, each, run) if path not in written}


def _own_paths(ledger: Ledger, previous: str, run: Run) -> list[str]:
    """Return the files of a previous run that no other activation wrote since."""
    rows = ledger.ask("SELECT path FROM files WHERE run_id = ?", previous)
    return [row["path"] for row in rows if not _is_taken_over(ledger, previous, run, row["path"])]


def rewound_paths(ledger: Ledger, run: Run, rewound: Iterable[Run]) -> set[str]:
    """Return what ``rewound`` runs left that ``run`` must remove, as it replaces files of theirs (S8, F4).

    That is their manifests, which would name files with other bytes, and their other parts.
    """
    paths: set[str] = set()
    for each in rewound:
        paths |= {file.path for file in each.files if not _is_taken_over(ledger, each.run_id, each, file.path)}
        paths |= {each.manifest_name} if each.manifest_name else set()
    return paths.difference(file.path for file in run.files)


def _is_taken_over(ledger: Ledger, previous: str, run: Run, path: str) -> bool:
    """Return whether another activation wrote a file of that path to the run's url after the previous run."""
    return ledger.ask_one(_TAKEN_OVER, previous, run.destination, run.activation, run.url_digest, path) is not None


def successor(ledger: Ledger, run: Run) -> str | None:
    """Return the activation's last run under constant names at the run's url, if it succeeded after the run.

    No file of the earlier run is left then, whether or not the ledger still has the runs between (F1).
    """
    row = ledger.ask_one(_SUCCESSOR, *_activation_and_url(run))
    return row["run_id"] if row else None


def replaced_by(ledger: Ledger, run: Run) -> str | None:
    """Return the last run that replaced or removed files of this one, or is about to (F1)."""
    paths = json.dumps([file.path for file in run.files])
    row = ledger.ask_one(_REPLACED, *_activation_and_url(run), bool(run.constant_names), paths)
    return row["run_id"] if row else None


def _activation_and_url(run: Run) -> tuple[str, str, str, str | None, bool]:
    """Return the values ?1 to ?5 of the queries: run, destination, activation, url digest, on demand."""
    return run.run_id, run.destination, run.activation, run.url_digest, run.trigger == "on_demand"
