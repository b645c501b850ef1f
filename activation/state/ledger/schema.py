"""The ledger's tables, and the steps that migrate the tables of an older muster.

To change the tables: write the new form into ``SCHEMA`` (a new column last in its table, as SQLite adds it), raise
``SCHEMA_VERSION`` with a release, and add a step to ``MIGRATIONS``. A step runs inside the transaction that also sets
the version.
"""

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing

SCHEMA_VERSION = 9
APPLICATION_ID = 0x6D737472  # "mstr"

# Indexes on runs serve the questions of every command, which must not take longer as the history grows.
_RUN_INDEXES = """
CREATE INDEX runs_by_time ON runs (scheduled_time);
CREATE INDEX runs_finished ON runs (destination, activation, scheduled_time)
    WHERE trigger != 'on_demand' AND status IN ('succeeded', 'superseded');
CREATE INDEX runs_failed ON runs (destination, activation, trigger, scheduled_time) WHERE status = 'failed';
CREATE INDEX runs_of_evaluation ON runs (audience, evaluated_at) WHERE status IN ('succeeded', 'delivering');
CREATE INDEX evaluations_by_scope ON evaluations (scope, at);
"""

# Columns of runs: the decision's file, and what else the bytes of its files depend on. None in a run of before
# schema 3.
_RECALLED = ("decision TEXT", "recipe TEXT REFERENCES inputs", "snapshot TEXT REFERENCES inputs")
# Columns of files: size and checksum before encryption, of an encrypted file.
_CLEAR = ("clear_size INTEGER", "clear_sha256 TEXT")
# A column of runs: whether all files of one that is being delivered were made visible.
_VISIBLE = "visible INTEGER"
_REDELIVERIES = """
CREATE TABLE redeliveries (
    run_id TEXT NOT NULL REFERENCES runs, started_at TEXT NOT NULL, finished_at TEXT, paths TEXT
);
CREATE INDEX redeliveries_open ON redeliveries (run_id) WHERE finished_at IS NULL;
"""
_PRUNED = "CREATE TABLE pruned (audience TEXT PRIMARY KEY, until TEXT NOT NULL);"
# A column of runs: the number in the order in which runs succeeded. Never a time: the machine's clock may go back (E1).
_SUCCESS = "success INTEGER"
_SUCCESS_INDEXES = """
CREATE UNIQUE INDEX runs_by_success ON runs (success);
CREATE INDEX runs_constant ON runs (destination, activation, url_digest, trigger = 'on_demand', success)
    WHERE status = 'succeeded' AND constant_names;
"""
# Of each activation: the last slot that succeeded and was pruned.
_PRUNED_RUNS = """
CREATE TABLE pruned_runs (
    destination TEXT NOT NULL, activation TEXT NOT NULL, run_id TEXT NOT NULL, success INTEGER NOT NULL,
    PRIMARY KEY (destination, activation)
);
"""
# Audiences that an evaluation could not decide, and why (E9). An audience is failed while its newest failure is not
# before its newest evaluation.
_FAILURES = """
CREATE TABLE failures (
    audience TEXT NOT NULL, at TEXT NOT NULL, error TEXT NOT NULL, PRIMARY KEY (audience, at)
);
"""
# Columns of runs: whether a rewind took the slot back (S8); the ages of the inputs in seconds (D2), as JSON; delivered
# profiles that left without an exit, as the status was not mapped (X3d).
_TRUSTED = ("rewound INTEGER NOT NULL DEFAULT 0", "ages TEXT", "exits_not_sent INTEGER")
# The files of the numbering: each has the ids of the profiles with the numbers from ``first`` on. All have the name of
# the numbering that they belong to: after damage another one begins.
_NUMBERING = """
CREATE TABLE numbering (
    first INTEGER PRIMARY KEY, profiles INTEGER NOT NULL, name TEXT NOT NULL,
    file TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL
);
"""
# A column of runs: the policies that were applied, and the labels of the activation (G7).
_GOVERNED = "governance TEXT REFERENCES inputs"
# A column of baselines: the file that says whom of an evaluation's members the delivered set holds, as JSON.
_MASK = "mask TEXT"
# Keyed digests of the profile ids and identities that were forgotten (G8); the row of kind ``key`` has the key in hex.
_FORGOTTEN = """
CREATE TABLE forgotten (kind TEXT NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (kind, digest));
"""
# Columns of baselines: the merge policy, and its build, whose ids the delivered set has (P11); None with a path.
_BUILD = ("policy TEXT", "build INTEGER")
# Columns of runs: delivered ids that became aliases, and profiles that came out of delivered ones (P11).
_MERGED = ("merged INTEGER", "split INTEGER")
# Builds of profiles from sources: of each merge policy, counted from 1. ``inputs`` is equal while the same rows count;
# ``view``, ``graph``: the files of the merged view and of the identity graph, as JSON, None once they are pruned;
# ``stats``: sizes, shared and refused identities, merges and splits, as JSON (P10).
_BUILDS = """
CREATE TABLE builds (
    policy TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, inputs TEXT NOT NULL,
    view TEXT, graph TEXT, stats TEXT NOT NULL, PRIMARY KEY (policy, number)
);
CREATE INDEX builds_by_time ON builds (policy, at);
"""
# Columns of runs that send messages (V2, V8, V11): the audiences with alias and evaluation, entries and requests sent,
# profiles by trigger and how many of them may have been sent twice, the number of the comparison, the files of the
# outbox, and requests by answer.
_TOLD = (
    "audiences TEXT",
    "messages INTEGER",
    "requests INTEGER",
    "by_trigger TEXT",
    "resent INTEGER",
    "compared INTEGER",
    "outbox TEXT",
    "answers TEXT",
)
# Delivered rows of activations that send messages (V2): ``made`` says as JSON what the columns of the file mean. And
# the last look at each of them: of all that it depended on, a fingerprint, if it found nothing to send (V1).
_MESSAGES = """
CREATE TABLE message_baselines (
    destination TEXT NOT NULL, activation TEXT NOT NULL, run_id TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL, profiles INTEGER NOT NULL, members INTEGER NOT NULL, at TEXT NOT NULL,
    place_digest TEXT NOT NULL, place TEXT NOT NULL, made TEXT NOT NULL, policy TEXT, build INTEGER,
    PRIMARY KEY (destination, activation)
);
CREATE TABLE looks (
    destination TEXT NOT NULL, activation TEXT NOT NULL, at TEXT NOT NULL, fingerprint TEXT, until TEXT,
    PRIMARY KEY (destination, activation)
);
"""
# Runs of before schema 4 are numbered by when they began, but slots by their times, whichever was tried first.
_COUNTED = """
UPDATE runs SET success = number FROM (
    SELECT id, row_number() OVER (ORDER BY begun, scheduled_time, id) AS number FROM (
        SELECT rowid AS id, scheduled_time, max(rowid) OVER (
            PARTITION BY destination, activation, trigger = 'on_demand'
            ORDER BY CASE trigger WHEN 'on_demand' THEN rowid ELSE scheduled_time END
        ) AS begun FROM runs WHERE status = 'succeeded'
    )
) WHERE runs.rowid = id;
"""

SCHEMA = f"""
CREATE TABLE inputs (digest TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE evaluations (
    audience TEXT NOT NULL, at TEXT NOT NULL, scope TEXT NOT NULL,
    file TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    generation INTEGER NOT NULL, realized INTEGER NOT NULL, entered INTEGER NOT NULL, exited INTEGER NOT NULL,
    rule TEXT NOT NULL, inputs TEXT NOT NULL REFERENCES inputs, finished_at TEXT NOT NULL, PRIMARY KEY (audience, at)
);
CREATE INDEX evaluations_by_time ON evaluations (at);
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, destination TEXT NOT NULL, activation TEXT NOT NULL,
    audience TEXT NOT NULL, trigger TEXT NOT NULL, export TEXT NOT NULL, first_export INTEGER, status TEXT NOT NULL,
    attempts INTEGER NOT NULL, scheduled_time TEXT NOT NULL,
    started_at TEXT, finished_at TEXT, evaluated_at TEXT, baseline_evaluated_at TEXT,
    received INTEGER, exported INTEGER, excluded INTEGER, excluded_by TEXT, realized INTEGER, exited INTEGER,
    identity_changed INTEGER, superseded_count INTEGER,
    error TEXT, url TEXT, url_digest TEXT, constant_names INTEGER, file_mode INTEGER, manifest TEXT, manifest_name TEXT,
    guards_overridden INTEGER NOT NULL DEFAULT 0, rejects TEXT, baseline TEXT,
    {", ".join(_RECALLED)}, {_VISIBLE}, {_SUCCESS}, {", ".join(_TRUSTED)},
    {_GOVERNED}, {", ".join(_MERGED)}, {", ".join(_TOLD)}
);
CREATE INDEX runs_by_activation ON runs (destination, activation, scheduled_time);
CREATE INDEX runs_open ON runs (status) WHERE status IN ('running', 'delivering');
CREATE TABLE files (
    run_id TEXT NOT NULL REFERENCES runs, part INTEGER NOT NULL, temporary TEXT NOT NULL, path TEXT NOT NULL,
    rows INTEGER, size INTEGER, sha256 TEXT, {", ".join(_CLEAR)}, PRIMARY KEY (run_id, part)
);
CREATE TABLE removals (run_id TEXT NOT NULL REFERENCES runs, path TEXT NOT NULL, PRIMARY KEY (run_id, path));
CREATE TABLE baselines (
    destination TEXT NOT NULL, activation TEXT NOT NULL, run_id TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL, profiles INTEGER NOT NULL, evaluated_at TEXT NOT NULL, delivered_at TEXT NOT NULL,
    url_digest TEXT NOT NULL, url TEXT NOT NULL, digest_made_by TEXT NOT NULL, {_MASK},
    {", ".join(_BUILD)},
    PRIMARY KEY (destination, activation)
);
CREATE TABLE sightings (
    activation TEXT PRIMARY KEY, first_seen TEXT NOT NULL, since TEXT NOT NULL, schedule_digest TEXT NOT NULL,
    present INTEGER NOT NULL
);
{_PRUNED}
{_RUN_INDEXES}
{_SUCCESS_INDEXES}
{_PRUNED_RUNS}
{_REDELIVERIES}
{_FAILURES}
{_NUMBERING}
{_FORGOTTEN}
{_BUILDS}
{_MESSAGES}
"""


def execute(connection: sqlite3.Connection, script: str) -> None:
    """Execute several statements inside the open transaction, which ``executescript`` would end."""
    for statement in filter(str.strip, script.split(";")):
        connection.execute(statement)


def _second(connection: sqlite3.Connection) -> None:
    """Migrate version 1 to 2: indexes on runs, so that questions do not slow down as the history grows."""
    execute(connection, f"DROP INDEX runs_by_time; {_RUN_INDEXES}")


def _third(connection: sqlite3.Connection) -> None:
    """Migrate version 2 to 3: decision, recipe and snapshot of runs, redeliveries, and pruned evaluations."""
    execute(
        connection,
        "; ".join(f"ALTER TABLE runs ADD COLUMN {column}" for column in _RECALLED) + f"; {_REDELIVERIES} {_PRUNED}",
    )


def _fourth(connection: sqlite3.Connection) -> None:
    """Migrate version 3 to 4: encrypted files, visible files, the order in which runs succeeded, and pruned runs."""
    execute(connection, "; ".join(f"ALTER TABLE files ADD COLUMN {column}" for column in _CLEAR))
    execute(connection, f"ALTER TABLE runs ADD COLUMN {_VISIBLE}; ALTER TABLE runs ADD COLUMN {_SUCCESS}; {_COUNTED}")
    execute(connection, "DROP INDEX runs_by_time; CREATE INDEX runs_by_time ON runs (scheduled_time)")
    execute(connection, f"DROP INDEX IF EXISTS runs_constant; {_SUCCESS_INDEXES} {_PRUNED_RUNS}")


def _fifth(connection: sqlite3.Connection) -> None:
    """Migrate version 4 to 5: failed evaluations, rewound runs, ages of inputs, and exits that were not sent."""
    execute(connection, "; ".join(f"ALTER TABLE runs ADD COLUMN {column}" for column in _TRUSTED) + f"; {_FAILURES}")


def _sixth(connection: sqlite3.Connection) -> None:
    """Migrate version 5 to 6: the numbering of profiles."""
    execute(connection, _NUMBERING)


def _seventh(connection: sqlite3.Connection) -> None:
    """Migrate version 6 to 7: what governance a run applied, masks of delivered sets, and who was forgotten."""
    execute(connection, f"ALTER TABLE runs ADD COLUMN {_GOVERNED}; ALTER TABLE baselines ADD COLUMN {_MASK}")
    execute(connection, _FORGOTTEN)


def _eighth(connection: sqlite3.Connection) -> None:
    """Migrate version 7 to 8: builds of profiles from sources, and what merges and splits did to deliveries."""
    execute(connection, "; ".join(f"ALTER TABLE baselines ADD COLUMN {column}" for column in _BUILD))
    execute(connection, "; ".join(f"ALTER TABLE runs ADD COLUMN {column}" for column in _MERGED) + f"; {_BUILDS}")


def _ninth(connection: sqlite3.Connection) -> None:
    """Migrate version 8 to 9: runs that send messages, delivered rows, and looks at what there is to send."""
    execute(connection, "; ".join(f"ALTER TABLE runs ADD COLUMN {column}" for column in _TOLD) + f"; {_MESSAGES}")


# From each older version the step to the next one.
MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    1: _second,
    2: _third,
    3: _fourth,
    4: _fifth,
    5: _sixth,
    6: _seventh,
    7: _eighth,
    8: _ninth,
}


def make(connection: sqlite3.Connection) -> None:
    """Make the tables of a new ledger, and mark the file as muster's with the schema's version. In a transaction."""
    execute(connection, f"{SCHEMA}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}")


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables of an older version, with their rows, to this version. In a transaction."""
    for step in range(version, SCHEMA_VERSION):
        MIGRATIONS[step](connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def is_known(connection: sqlite3.Connection) -> bool:
    """Return whether the tables and indexes are those of this version."""
    with closing(sqlite3.connect(":memory:")) as blank:
        blank.executescript(SCHEMA)
        return _described(connection) == _described(blank)


def _described(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return tables and indexes as declared, without spaces: a column that was added later stands on another line."""
    found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    return [(kind, name, re.sub(r"\s+", "", sql or "")) for kind, name, sql in found]
