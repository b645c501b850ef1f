"""The history that `muster prune` removes by ``retention:``, and the history that it always keeps.

Kept whatever its age, so that every later command does what it would have done:

evaluations
    - the two newest of each audience: the next one goes on from one of them, and has the exited memberships;
    - the newest of each audience at or before the instant;
    - that of each baseline and of each open run, of messages those of all mapped audiences;
    - those that an after-evaluation export is still owed (S4);
    - the two newest of all audiences (S7).
runs
    - open ones, and one whose redelivery was killed, which left temporary files (F3);
    - that of each baseline;
    - the newest finished slot of each activation (S2), and failed ones after it (S5);
    - one that used a kept evaluation (E6);
    - under constant names the newest of each url, and the newest of each activation that wrote one of its files (F1).
builds of profiles from sources (P10)
    - the newest of each merge policy;
    - the view of each build that a kept evaluation used (X7);
    - the identity graph and ids of each build that `evaluations forget` may make the newest again (P7).

Evaluations later than the instant, and runs for later slots, stay too. First the ledger forgets, in one transaction,
then the files to which it does not refer any more are removed, and blocks of which it refers to some audiences are
written anew with those: a kill between leaves files, which the next command that writes removes or writes anew.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, islice
from sqlite3 import Row

from muster.activation.errors import MusterError
from muster.activation.instants import iso
from muster.activation.model.log import logger
from muster.activation.model.workspace import Keep, Retention
from muster.activation.state import block_upkeep, leftovers, state_paths
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import build_history, deletion, failures_table
from muster.activation.state.ledger.database import Ledger

log = logger("muster.prune")

# From each audience to the evaluations of which an after-evaluation export is still to be made.
Owed = Mapping[str, Collection[datetime]]
Pair = tuple[str, str]  # audience, instant
_WORTH_SHRINKING = 1 << 20  # bytes that must be free in the ledger's file before it is made smaller
_FREE_SHARE = 0.25  # ... and the share of the file that must be free
_USERS = """
SELECT run_id, audience, evaluated_at FROM runs WHERE rowid IN (
    SELECT max(rowid) FROM runs WHERE status IN ('succeeded', 'delivering') AND NOT rewound AND audiences IS NULL
    GROUP BY audience, evaluated_at
)
UNION SELECT run_id, audience, evaluated_at FROM (
    SELECT runs.run_id AS run_id, json_extract(told.value, '$[0]') AS audience,
    json_extract(told.value, '$[2]') AS evaluated_at, max(runs.rowid) FROM runs, json_each(runs.audiences) AS told
    WHERE runs.audiences IS NOT NULL AND status IN ('succeeded', 'delivering') AND NOT rewound GROUP BY 2, 3
)
"""
# From each run that sent messages to the evaluations of its audiences.
_TOLD = """
SELECT json_extract(told.value, '$[0]') AS audience, json_extract(told.value, '$[2]') AS at
FROM runs, json_each(runs.audiences) AS told WHERE runs.audiences IS NOT NULL
AND json_extract(told.value, '$[2]') IS NOT NULL
"""
_FINISHED = "trigger != 'on_demand' AND status IN ('succeeded', 'superseded') AND NOT rewound"
_SETTLED = f"""
SELECT run_id FROM (
    SELECT run_id, row_number() OVER (
        PARTITION BY destination, activation ORDER BY scheduled_time DESC, rowid DESC
    ) AS n FROM runs WHERE {_FINISHED}
) WHERE n = 1
UNION ALL SELECT run_id FROM runs AS failed
WHERE status = 'failed' AND trigger != 'on_demand' AND NOT rewound AND NOT EXISTS (
    SELECT 1 FROM runs WHERE destination = failed.destination AND activation = failed.activation AND {_FINISHED}
    AND scheduled_time >= failed.scheduled_time
)
UNION ALL SELECT run_id FROM runs WHERE status IN ('running', 'delivering')
UNION ALL SELECT run_id FROM baselines UNION ALL SELECT run_id FROM message_baselines
UNION ALL SELECT run_id FROM redeliveries WHERE finished_at IS NULL
"""
_CONSTANT = """
WITH constant AS (
    SELECT run_id, url_digest, row_number() OVER (
        PARTITION BY destination, activation, url_digest, trigger = 'on_demand'
        ORDER BY success DESC
    ) AS n FROM runs WHERE status = 'succeeded' AND constant_names
), newest AS (SELECT run_id, url_digest FROM constant WHERE n = 1)
SELECT run_id FROM newest
UNION SELECT run_id FROM runs WHERE success IN (
    SELECT max(runs.success) FROM runs JOIN files USING (run_id)
    WHERE runs.status = 'succeeded'
    AND (runs.url_digest, files.path) IN (
        SELECT newest.url_digest, named.path FROM newest JOIN files AS named USING (run_id)
    )
    GROUP BY runs.destination, runs.activation, runs.url_digest, files.path
)
"""
_NEEDED_EVALUATIONS = f"""
SELECT runs.audience AS audience, baselines.evaluated_at AS at FROM baselines JOIN runs USING (run_id)
UNION SELECT audience, evaluated_at FROM runs WHERE status IN ('running', 'delivering') AND evaluated_at IS NOT NULL
UNION SELECT audience, at FROM evaluations WHERE file IN (SELECT file FROM baselines)
UNION {_TOLD} AND (status IN ('running', 'delivering') OR run_id IN (SELECT run_id FROM message_baselines))
UNION SELECT audience, at FROM evaluations WHERE at IN (
    SELECT DISTINCT at FROM evaluations WHERE scope = 'all' ORDER BY at DESC LIMIT 2
)
"""


@dataclass(frozen=True)
class Pruned:
    """The history that was, or would be, removed and kept."""

    evaluations: int
    evaluations_kept: int
    runs: int
    runs_kept: int
    builds: int = 0  # that lost their view or identity graph
    builds_kept: int = 0  # whole, or as they were
    files: dict[str, tuple[int, int]] = field(default_factory=dict)  # folder to number and bytes
    ledger_bytes: int = 0  # by which the ledger's file became smaller


def prune(state: StateFolder, ledger: Ledger, retention: Retention, at: datetime, owed: Owed) -> Pruned:
    """Remove the history that ``retention`` does not keep at an instant. With the lock held."""
    leftovers.announce_pruning(state.folder, state.file_mode)
    result = _forget(ledger, retention, at, owed)
    files = _sizes(state, ledger)
    leftovers.sweep(state.folder, ledger, state.file_mode)
    return replace(result, files=files, ledger_bytes=_shrink(ledger))


def preview(state: StateFolder, ledger: Ledger, retention: Retention, at: datetime, owed: Owed) -> Pruned:
    """Return what ``prune`` would remove, without changing the state: a copy of the ledger forgets."""
    scratch = ledger.copy()
    try:
        result = _forget(scratch, retention, at, owed)
        return replace(result, files=_sizes(state, scratch))
    finally:
        scratch.close()


def _forget(ledger: Ledger, retention: Retention, at: datetime, owed: Owed) -> Pruned:
    evaluations = ledger.ask("SELECT audience, at FROM evaluations ORDER BY audience, at DESC")
    stay = _evaluations_to_keep(ledger, evaluations, retention.evaluations, at, owed)
    old_evaluations = [pair for row in evaluations if (pair := (row["audience"], row["at"])) not in stay]
    runs = ledger.ask("SELECT * FROM runs ORDER BY destination, activation, scheduled_time DESC, rowid DESC")
    needed = _runs_to_keep(ledger, runs, retention.runs, at, stay)
    old_runs = [row["run_id"] for row in runs if row["run_id"] not in needed]
    with ledger.transaction():
        if old_evaluations or old_runs:
            deletion.forget(ledger, old_evaluations, old_runs)
            failures_table.delete_settled(ledger)
        builds, builds_kept = build_history.prune(ledger) if retention.evaluations else (0, 0)
    return Pruned(
        len(old_evaluations),
        len(evaluations) - len(old_evaluations),
        len(old_runs),
        len(runs) - len(old_runs),
        builds,
        builds_kept,
    )


def _evaluations_to_keep(ledger: Ledger, rows: Iterable[Row], keep: Keep | None, at: datetime, owed: Owed) -> set[Pair]:
    """Return the evaluations to keep of ``rows``: all evaluations, by audience, newest first."""
    stay = {(row["audience"], row["at"]) for row in ledger.ask(_NEEDED_EVALUATIONS)}
    stay |= {(audience, iso(moment)) for audience, moments in owed.items() for moment in moments}
    for audience, group in groupby(rows, key=lambda row: row["audience"]):
        times = [row["at"] for row in group]
        since = _since(times, keep, at)
        now = islice((moment for moment in times if moment <= iso(at)), 1)
        stay |= {(audience, moment) for moment in (*times[:2], *now, *(each for each in times if each >= since))}
    return stay


def _since(times: Sequence[str], keep: Keep | None, at: datetime) -> str:
    """Return the instant from which on everything is kept, by age or count; ``times`` are instants, newest first."""
    if keep is None or (keep.age is None and keep.count is None):
        return ""
    counted = times[: keep.count or 0][-1:]
    return min([iso(at if keep.age is None else at - keep.age), *counted])


def _runs_to_keep(
    ledger: Ledger, rows: Iterable[Row], keep: Keep | None, at: datetime, evaluations: Collection[Pair]
) -> set[str]:
    """Return the ids of the runs to keep of ``rows``: all runs, by activation, newest first.

    Superseded and rewound runs do not count toward the number to keep; they stay with the others.
    """
    stay = {row["run_id"] for query in (_SETTLED, _CONSTANT) for row in ledger.ask(query)}
    stay |= {row["run_id"] for row in ledger.ask(_USERS) if (row["audience"], row["evaluated_at"]) in evaluations}
    for _, group in groupby(rows, key=lambda row: (row["destination"], row["activation"])):
        runs = list(group)
        since = _since(
            [row["scheduled_time"] for row in runs if row["status"] != "superseded" and not row["rewound"]], keep, at
        )
        stay |= {row["run_id"] for row in runs if row["scheduled_time"] >= since}
    return stay


def _sizes(state: StateFolder, ledger: Ledger) -> dict[str, tuple[int, int]]:
    """Return number and bytes of what the ledger does not refer to, by folder of the state.

    Those are files, and bytes of blocks that are to be written anew.
    """
    sizes: dict[str, tuple[int, int]] = {}
    if freed := block_upkeep.unnamed_bytes(state.folder, ledger):
        sizes[state_paths.MEMBERSHIPS] = 0, freed
    for file in leftovers.unnamed_files(state.folder, ledger):
        kind = state_paths.kind_of(file)
        number, size = sizes.get(kind, (0, 0))
        with suppress(FileNotFoundError):  # a command at work removed it since it was listed
            sizes[kind] = number + 1, size + (state.folder / file).lstat().st_size
    return sizes


def _shrink(ledger: Ledger) -> int:
    """Give the ledger's free pages back where that pays, and return by how many bytes its file became smaller."""
    free, size = ledger.free_bytes()
    if free < _WORTH_SHRINKING or free < size * _FREE_SHARE:
        return 0
    try:
        ledger.shrink()
    except MusterError as error:  # a full disk: the ledger is as it was
        log.warning("%s", error)
        return 0
    return size - ledger.free_bytes()[1]
