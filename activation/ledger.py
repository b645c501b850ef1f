"""The ledger: one SQLite file that says what was evaluated, delivered and begun (F3, S6, X8-X10). Edge module.

Facts are appended and the rest is asked for: the last finished slot, the newest evaluation and the current baseline are queries.
A transaction of this file is the commit of everything: before it nothing happened, after it everything did.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from activation.errors import MusterError, StateError
from activation.instants import iso
from activation.records import (
    RUN_COLUMNS,
    AudienceEvaluation,
    Baseline,
    PlannedFile,
    Run,
    baseline_of,
    evaluation_of,
    from_column,
    moment,
    to_column,
    when,
)

SCHEMA_VERSION = 1
APPLICATION_ID = 0x6D737472  # "mstr"

_SCHEMA = """
CREATE TABLE inputs (digest TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE evaluations (
    audience TEXT NOT NULL, at TEXT NOT NULL, scope TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    generation INTEGER NOT NULL, realized INTEGER NOT NULL, entered INTEGER NOT NULL, exited INTEGER NOT NULL,
    rule TEXT NOT NULL, inputs TEXT NOT NULL REFERENCES inputs, finished_at TEXT NOT NULL, PRIMARY KEY (audience, at)
);
CREATE INDEX evaluations_by_time ON evaluations (at);
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, destination TEXT NOT NULL, activation TEXT NOT NULL, audience TEXT NOT NULL, trigger TEXT NOT NULL,
    export TEXT NOT NULL, first_export INTEGER, status TEXT NOT NULL, attempts INTEGER NOT NULL, scheduled_time TEXT NOT NULL,
    started_at TEXT, finished_at TEXT, evaluated_at TEXT, baseline_evaluated_at TEXT, received INTEGER, exported INTEGER,
    excluded INTEGER, excluded_by TEXT, realized INTEGER, exited INTEGER, identity_changed INTEGER, superseded_count INTEGER,
    error TEXT, url TEXT, url_digest TEXT, constant_names INTEGER, file_mode INTEGER, manifest TEXT, manifest_name TEXT,
    guards_overridden INTEGER NOT NULL DEFAULT 0, rejects TEXT, baseline TEXT
);
CREATE INDEX runs_by_activation ON runs (destination, activation, scheduled_time);
CREATE INDEX runs_by_time ON runs (scheduled_time);
CREATE INDEX runs_open ON runs (status) WHERE status IN ('running', 'delivering');
CREATE TABLE files (
    run_id TEXT NOT NULL REFERENCES runs, part INTEGER NOT NULL, temporary TEXT NOT NULL, path TEXT NOT NULL,
    rows INTEGER, size INTEGER, sha256 TEXT, PRIMARY KEY (run_id, part)
);
CREATE TABLE removals (run_id TEXT NOT NULL REFERENCES runs, path TEXT NOT NULL, PRIMARY KEY (run_id, path));
CREATE TABLE baselines (
    destination TEXT NOT NULL, activation TEXT NOT NULL, run_id TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL, profiles INTEGER NOT NULL, evaluated_at TEXT NOT NULL, delivered_at TEXT NOT NULL, url_digest TEXT NOT NULL,
    url TEXT NOT NULL, digest_made_by TEXT NOT NULL, PRIMARY KEY (destination, activation)
);
CREATE TABLE sightings (
    activation TEXT PRIMARY KEY, first_seen TEXT NOT NULL, since TEXT NOT NULL, schedule_digest TEXT NOT NULL, present INTEGER NOT NULL
);
"""

_RECOVER = "restore it from a backup, or move the state folder away to start anew: every first export then holds everybody"
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)  # SQLite's primary result codes


def create(path: Path, mode: int) -> None:
    """Make an empty ledger; it appears complete or not at all."""
    temporary = path.parent / "tmp" / path.name
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    stamps = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
    with _damage(f"{path.parent.name}/{path.name}"), closing(sqlite3.connect(temporary)) as connection:
        connection.executescript(f"PRAGMA synchronous = FULL; BEGIN; {_SCHEMA} {stamps} COMMIT;")
    temporary.chmod(mode)
    temporary.replace(path)


class Ledger:
    """An open ledger. Reads see the last commit; writes happen in ``transaction``."""

    def __init__(self, connection: sqlite3.Connection, name: str = "ledger") -> None:
        connection.row_factory = sqlite3.Row
        self._db = connection
        self._name = name

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        """Open an existing ledger; ``StateError`` when it is damaged or newer than this muster."""
        name = f"{path.parent.name}/{path.name}"
        if not path.is_file() or path.stat().st_size == 0:
            raise StateError(f"{name}: the ledger is {'empty' if path.is_file() else 'no file'}: the state is damaged; {_RECOVER}")
        with _damage(name):
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30, isolation_level=None)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            identity, version = (connection.execute(f"PRAGMA {key}").fetchone()[0] for key in ("application_id", "user_version"))
            broken: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if identity == APPLICATION_ID and version > SCHEMA_VERSION:
            raise StateError(
                f"{name}: the state was made by a newer muster (schema {version}, this one knows {SCHEMA_VERSION}); upgrade muster"
            )
        ledger = cls(connection, name)
        problem = "not made by muster" if identity != APPLICATION_ID else ledger._problem(broken, version)
        if problem:
            ledger.close()
            raise StateError(f"{name}: the ledger is damaged ({problem}); {_RECOVER}")
        return ledger

    def _problem(self, broken: str, version: int) -> str:
        """What is wrong with the file, in one line; empty when nothing is."""
        if broken != "ok":
            return broken.splitlines()[-1]
        query = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        with closing(sqlite3.connect(":memory:")) as blank:
            blank.executescript(_SCHEMA)
            expected = blank.execute(query).fetchall()
        return "" if version == SCHEMA_VERSION and [tuple(row) for row in self._all(query)] == expected else "its tables are not muster's"

    @classmethod
    def empty(cls) -> "Ledger":
        """A ledger in memory, for commands that write nothing in a workspace that has no state yet."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(_SCHEMA)
        return cls(connection)

    def copy(self) -> "Ledger":
        """A copy in memory, to try things on."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        self._db.backup(connection)
        return Ledger(connection)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        with _damage(self._name):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself takes back what met a full disk
                    self._db.execute("ROLLBACK")
                raise

    def _all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with _damage(self._name):
            return self._db.execute(query, values).fetchall()

    def _evaluation(self, row: sqlite3.Row) -> AudienceEvaluation:
        with _understood(self._name):
            return evaluation_of(row)

    def _baseline(self, row: sqlite3.Row) -> Baseline:
        with _understood(self._name):
            return baseline_of(row)

    def _moment(self, row: sqlite3.Row | None) -> datetime | None:
        with _understood(self._name):
            return moment(row["at"]) if row else None

    def _one(self, query: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def is_blank(self) -> bool:
        """Whether nothing was recorded yet."""
        row = self._one("SELECT (SELECT count(*) FROM evaluations) + (SELECT count(*) FROM runs) + (SELECT count(*) FROM sightings) AS n")
        return row is None or row["n"] == 0

    # evaluations

    def newest_evaluation(self, audience: str, at: datetime | None = None) -> AudienceEvaluation | None:
        """The audience's newest evaluation, at or before an instant."""
        query = "SELECT * FROM evaluations JOIN inputs ON digest = inputs WHERE audience = ? AND at <= ? ORDER BY at DESC LIMIT 1"
        row = self._one(query, audience, iso(at) if at else "9999")
        return self._evaluation(row) if row else None

    def evaluation(self, audience: str, at: datetime) -> AudienceEvaluation | None:
        """The audience's evaluation at exactly that instant."""
        row = self._one("SELECT * FROM evaluations JOIN inputs ON digest = inputs WHERE audience = ? AND at = ?", audience, iso(at))
        return self._evaluation(row) if row else None

    def evaluation_times(self, audience: str) -> list[datetime]:
        """All instants at which the audience was evaluated, ascending."""
        rows = self._all("SELECT at FROM evaluations WHERE audience = ? ORDER BY at", audience)
        with _understood(self._name):
            return [when(row["at"]) for row in rows]

    def newest_full_evaluation(self) -> datetime | None:
        """The newest evaluation that was not limited to some audiences (S7)."""
        row = self._one("SELECT max(at) AS at FROM evaluations WHERE scope = 'all'")
        return self._moment(row)

    def newest_evaluation_time(self) -> datetime | None:
        """The newest instant at which any audience was evaluated."""
        row = self._one("SELECT max(at) AS at FROM evaluations")
        return self._moment(row)

    def evaluations(self) -> list[AudienceEvaluation]:
        """All evaluations, newest first."""
        return [
            self._evaluation(row)
            for row in self._all("SELECT * FROM evaluations JOIN inputs ON digest = inputs ORDER BY at DESC, audience")
        ]

    def evaluation_files(self, audience: str) -> set[str]:
        """The state files of all evaluations of an audience."""
        return {row["file"] for row in self._all("SELECT file FROM evaluations WHERE audience = ?", audience)}

    def put_evaluations(self, evaluations: Iterable[AudienceEvaluation], finished: datetime) -> None:
        """Record evaluations, replacing those of the same audience and instant. In a transaction."""
        for each in evaluations:
            content = json.dumps(each.inputs, sort_keys=True)
            digest = _digest(content)
            self._db.execute("INSERT OR IGNORE INTO inputs VALUES (?, ?)", (digest, content))
            self._db.execute(
                "INSERT OR REPLACE INTO evaluations VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *(each.audience, iso(each.at), each.scope, each.stored.file, each.stored.sha256, each.stored.size, each.generation),
                    *(each.realized, each.entered, each.exited, each.rule, digest, iso(finished)),
                ),
            )

    def forget_evaluations(self, after: datetime) -> list[AudienceEvaluation]:
        """Take out all evaluations later than an instant, and say which. In a transaction."""
        gone = [each for each in self.evaluations() if each.at > after]
        self._db.execute("DELETE FROM evaluations WHERE at > ?", (iso(after),))
        return gone

    def evaluation_used(self, audience: str, at: datetime) -> Run | None:
        """A run that delivered, or is delivering, what this evaluation found."""
        row = self._one(
            "SELECT * FROM runs WHERE audience = ? AND evaluated_at = ? AND status IN ('succeeded', 'delivering') LIMIT 1",
            audience,
            iso(at),
        )
        return self._run(row) if row else None

    # runs

    def run(self, run_id: str) -> Run | None:
        """The run of that id."""
        row = self._one("SELECT * FROM runs WHERE run_id = ?", run_id)
        return self._run(row) if row else None

    def runs(self, *, limit: int | None = None, superseded: bool = True, prefix: str = "") -> list[Run]:
        """Runs, newest first; ``prefix`` narrows to ids that start so."""
        query = "SELECT * FROM runs WHERE run_id >= ? AND run_id < ? AND (status != 'superseded' OR ?)"
        query += " ORDER BY scheduled_time DESC, started_at DESC, run_id DESC LIMIT ?"
        rows = self._all(query, prefix, prefix + "\U0010ffff", superseded, -1 if limit is None else limit)
        return [self._run(row) for row in rows]

    def unfinished(self) -> list[Run]:
        """Runs that a killed command left: ``running`` ones to clean up after, ``delivering`` ones to finish (S6)."""
        query = "SELECT * FROM runs WHERE status IN ('running', 'delivering') ORDER BY scheduled_time, run_id"
        return [self._run(row) for row in self._all(query)]

    def last_finished(self, destination: str, activation: str) -> datetime | None:
        """The newest slot that succeeded or was superseded (S2)."""
        query = "SELECT max(scheduled_time) AS at FROM runs WHERE destination = ? AND activation = ?"
        row = self._one(query + " AND trigger != 'on_demand' AND status IN ('succeeded', 'superseded')", destination, activation)
        return self._moment(row)

    def failed_slot(self, destination: str, activation: str, trigger: str) -> datetime | None:
        """The newest slot that failed and is not finished (S5)."""
        query = "SELECT max(scheduled_time) AS at FROM runs WHERE destination = ? AND activation = ? AND trigger = ? AND status = 'failed'"
        row = self._one(query, destination, activation, trigger)
        failed, finished = self._moment(row), self.last_finished(destination, activation)
        return failed if failed and (not finished or failed > finished) else None

    def on_demand_count(self, destination: str, activation: str, at: datetime) -> int:
        """How many on-demand runs of that instant succeeded: the counter of the next one (F4)."""
        query = "SELECT count(*) AS n FROM runs WHERE destination = ? AND activation = ? AND trigger = 'on_demand' AND scheduled_time = ?"
        row = self._one(query + " AND status = 'succeeded'", destination, activation, iso(at))
        return int(row["n"]) if row else 0

    def previous_constant_run(self, run: Run) -> Run | None:
        """The activation's previous run at the same place under constant names, whose files this run replaces (F1).

        Slots go forward; on-demand requests need not, so those are told apart by the order in which they came, never by the clock (E1).
        """
        query = "SELECT * FROM runs WHERE destination = ? AND activation = ? AND url_digest = ? AND status = 'succeeded' AND constant_names"
        query += " AND (trigger = 'on_demand') = ? AND run_id != ?"
        query += " ORDER BY CASE trigger WHEN 'on_demand' THEN '' ELSE scheduled_time END DESC, rowid DESC LIMIT 1"
        row = self._one(query, run.destination, run.activation, run.url_digest, run.trigger == "on_demand", run.run_id)
        return self._run(row) if row else None

    def replaced_paths(self, run: Run, names: Iterable[str]) -> set[str]:
        """Files of the activation's previous run that ``names`` do not replace (F1), but for those that another one wrote since (X1)."""
        previous = self.previous_constant_run(run)
        left = {file.path for file in previous.files}.difference(names) if previous else set()
        return {path for path in left if previous and not self._taken_over(previous, path)}

    def _taken_over(self, run: Run, path: str) -> bool:
        """Whether another activation has put a file of that name at the same place after this run."""
        query = "SELECT 1 FROM files JOIN runs ON runs.run_id = files.run_id WHERE path = ? AND url_digest = ?"
        query += " AND (destination, activation) != (?, ?) AND status IN ('succeeded', 'delivering')"
        query += " AND runs.rowid > (SELECT rowid FROM runs WHERE run_id = ?) LIMIT 1"
        return self._one(query, path, run.url_digest, run.destination, run.activation, run.run_id) is not None

    def put_run(self, run: Run) -> None:
        """Record a run as it is now, with its files."""
        marks = ",".join("?" * len(RUN_COLUMNS))
        values = [to_column(name, getattr(run, name)) for name in RUN_COLUMNS]
        updates = ",".join(f"{name} = excluded.{name}" for name in RUN_COLUMNS if name != "run_id")
        self._db.execute(
            f"INSERT INTO runs ({','.join(RUN_COLUMNS)}) VALUES ({marks}) ON CONFLICT (run_id) DO UPDATE SET {updates}", values
        )
        self._db.execute("DELETE FROM files WHERE run_id = ?", (run.run_id,))
        rows = [(run.run_id, each.part, each.temporary, each.path, each.rows, each.size, each.sha256) for each in run.files]
        self._db.executemany("INSERT INTO files VALUES (?,?,?,?,?,?,?)", rows)

    def put_removals(self, run_id: str, paths: Iterable[str]) -> None:
        """Record which files of the previous run this one removes. In a transaction."""
        self._db.execute("DELETE FROM removals WHERE run_id = ?", (run_id,))
        self._db.executemany("INSERT INTO removals VALUES (?, ?)", [(run_id, path) for path in paths])

    def removals(self, run_id: str) -> list[str]:
        """The files that this run removes before its manifest."""
        return [row["path"] for row in self._all("SELECT path FROM removals WHERE run_id = ? ORDER BY path", run_id)]

    def _run(self, row: sqlite3.Row) -> Run:
        with _understood(self._name):
            run = Run(**{name: from_column(name, row[name]) for name in RUN_COLUMNS})
        files = self._all("SELECT part, temporary, path, rows, size, sha256 FROM files WHERE run_id = ? ORDER BY part", run.run_id)
        return replace(run, files=tuple(PlannedFile(**each) for each in files))

    # baselines

    def baseline(self, destination: str, activation: str) -> Baseline | None:
        """The activation's baseline, whatever place it belongs to (X9)."""
        row = self._one("SELECT * FROM baselines WHERE destination = ? AND activation = ?", destination, activation)
        return self._baseline(row) if row else None

    def baselines(self) -> list[Baseline]:
        """All baselines."""
        return [self._baseline(row) for row in self._all("SELECT * FROM baselines ORDER BY destination, activation")]

    def baselines_of(self, audience: str) -> list[Baseline]:
        """The baselines that runs of an audience left, whatever their activations send now (E5)."""
        query = "SELECT baselines.* FROM baselines JOIN runs ON runs.run_id = baselines.run_id WHERE runs.audience = ?"
        return [self._baseline(row) for row in self._all(query, audience)]

    def baseline_files(self) -> set[str]:
        """The state files of all baselines, and of those that runs under delivery will leave."""
        pending = (run.baseline["stored"]["file"] for run in self.unfinished() if run.baseline)
        return {each.stored.file for each in self.baselines()}.union(pending)

    def put_baseline(self, baseline: Baseline) -> None:
        """Move the baseline. In the transaction that commits the run as succeeded."""
        each, stored = baseline, baseline.stored
        self._db.execute(
            "INSERT OR REPLACE INTO baselines VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(each.destination, each.activation, each.run_id, stored.file, stored.sha256, stored.size, each.profiles),
                *(iso(each.evaluated_at), iso(each.delivered_at), each.url_digest, each.url, each.digest_made_by),
            ),
        )

    def delete_baseline(self, destination: str, activation: str) -> None:
        """Forget what was delivered: the next export is a first one."""
        self._db.execute("DELETE FROM baselines WHERE destination = ? AND activation = ?", (destination, activation))

    # sightings

    def sightings(self) -> list[sqlite3.Row]:
        """What earlier commands saw of the activations (S2, X9)."""
        return self._all("SELECT * FROM sightings")

    def put_sightings(self, rows: Iterable[tuple[str, datetime, datetime, str, bool]]) -> None:
        """Record sightings: activation key, first seen, since, schedule digest, present. In a transaction."""
        values = [(key, iso(first), iso(since), digest, present) for key, first, since, digest, present in rows]
        self._db.executemany("INSERT OR REPLACE INTO sightings VALUES (?,?,?,?,?)", values)


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """SQLite's word for a broken file as ``StateError``; a full disk or a locked file is no damage."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _FULL:
            raise MusterError(f"{name}: the ledger cannot be written: {error}; nothing that it does not hold counts as done") from error
        raise StateError(f"{name}: the ledger cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StateError(f"{name}: the ledger is damaged ({error}); {_RECOVER}") from error


@contextmanager
def _understood(name: str) -> Iterator[None]:
    """A value that muster would never have written, as ``StateError``."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"{name}: the ledger is damaged (it holds a value that muster does not write); {_RECOVER}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
