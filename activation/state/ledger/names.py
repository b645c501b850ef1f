"""What the ledger says of constant names: which run put its files there last, and what a new one removes (F1, X1). Edge module.

Runs are told apart by the order in which they succeeded, which the ledger counts: never by the clock (E1), nor by when
they were begun, for a request that failed may be repeated after others. A run that is being delivered comes after all
that succeeded.
"""

import json
from collections.abc import Iterable

from muster.activation.model.history import Run
from muster.activation.state.ledger.database import OpenLedger

_CLAIMS = """
WITH claimed AS (
    SELECT url || '/' || files.path AS place, runs.run_id AS run_id, success, runs.rowid AS begun
    FROM runs JOIN files ON files.run_id = runs.run_id WHERE constant_names AND status IN ('succeeded', 'delivering')
    UNION ALL SELECT url || '/' || removals.path, runs.run_id, success, runs.rowid
    FROM runs JOIN removals ON removals.run_id = runs.run_id WHERE constant_names AND status IN ('succeeded', 'delivering')
) SELECT place, run_id FROM claimed ORDER BY success IS NULL, success, begun
"""
_OTHERS = """
SELECT run_id FROM runs WHERE destination = ?2 AND activation = ?3 AND url_digest = ?4 AND (trigger = 'on_demand') = ?5
AND status = 'succeeded' AND constant_names AND run_id != ?1
"""
_PREVIOUS = f"{_OTHERS} ORDER BY success DESC LIMIT 1"
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
    WHERE destination = ?2 AND activation = ?3 AND url_digest = ?4 AND (trigger = 'on_demand') = ?5 AND constant_names AND ?6
    UNION ALL SELECT later.run_id, success FROM later CROSS JOIN files ON files.run_id = later.run_id
    WHERE url_digest = ?4 AND path IN (SELECT value FROM json_each(?7))
) ORDER BY success IS NULL DESC, success DESC LIMIT 1
"""


class Names(OpenLedger):
    """The part of the ledger that is asked who holds a name."""

    def holders(self) -> dict[str, str]:
        """Of each place (url and path) that runs under constant names wrote to, or removed a file from: the last such run (F1)."""
        return {row["place"]: row["run_id"] for row in self._all(_CLAIMS)}

    def replaced_paths(self, run: Run, names: Iterable[str]) -> set[str]:
        """Files of the activation's previous run that ``names`` do not replace (F1), but for those that another one wrote since (X1)."""
        previous = self._one(_PREVIOUS, *_place(run))
        if previous is None:
            return set()
        files = self._all("SELECT path FROM files WHERE run_id = ?", previous["run_id"])
        left = {row["path"] for row in files}.difference(names)
        return {path for path in left if not self._taken_over(previous["run_id"], run, path)}

    def _taken_over(self, previous: str, run: Run, path: str) -> bool:
        """Whether another activation has put a file of that name at the same place after the previous run."""
        return self._one(_TAKEN_OVER, previous, run.destination, run.activation, run.url_digest, path) is not None

    def successor(self, run: Run) -> str | None:
        """The activation's last run under constant names at the place of a succeeded one, if another came after that.

        Nothing that the earlier one put there is left then, whether or not the ledger still has the runs between (F1).
        """
        row = self._one(_SUCCESSOR, *_place(run))
        return row["run_id"] if row else None

    def replaced_by(self, run: Run) -> str | None:
        """The last run that has put files in the place of this one's (F1), or removed them, or is about to."""
        paths = json.dumps([file.path for file in run.files])
        row = self._one(_REPLACED, *_place(run), bool(run.constant_names), paths)
        return row["run_id"] if row else None


def _place(run: Run) -> tuple[str, str, str, str | None, bool]:
    """What the questions about other runs of the activation at the same place begin with."""
    return run.run_id, run.destination, run.activation, run.url_digest, run.trigger == "on_demand"
