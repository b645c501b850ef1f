"""The ledger: one SQLite file that says what was evaluated, delivered and begun (F3, S6, X8-X10). Edge module.

Facts are appended and the rest is asked for: the last finished slot, the newest evaluation and the current baseline are
queries. A transaction of this file is the commit of everything: before it nothing happened, after it everything did.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from muster.activation.errors import RefusedError
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Baseline, PlannedFile, Run
from muster.activation.state.ledger.file import understood
from muster.activation.state.ledger.recall import Recall
from muster.activation.state.ledger.rows import (
    RUN_COLUMNS,
    baseline_of,
    evaluation_of,
    from_column,
    moment,
    to_column,
    when,
)

_ROSTERS = """
SELECT json_extract(content, '$.roster') AS roster FROM evaluations JOIN inputs ON digest = inputs
WHERE (audience, at) IN (
    SELECT audience, max(at) FROM evaluations GROUP BY audience
    UNION SELECT runs.audience, baselines.evaluated_at FROM baselines JOIN runs ON runs.run_id = baselines.run_id
    UNION SELECT audience, evaluated_at FROM runs WHERE status = 'delivering'
) ORDER BY at DESC, audience
"""
_HISTORIES = """
WITH asked AS (
    SELECT json_extract(value, '$[0]') AS destination, json_extract(value, '$[1]') AS activation, json_extract(value, '$[2]') AS trigger
    FROM json_each(?)
) SELECT destination, activation, (
    SELECT max(scheduled_time) FROM runs WHERE runs.destination = asked.destination AND runs.activation = asked.activation
    AND runs.trigger != 'on_demand' AND runs.status IN ('succeeded', 'superseded')
) AS finished, (
    SELECT max(scheduled_time) FROM runs WHERE runs.destination = asked.destination AND runs.activation = asked.activation
    AND runs.trigger = asked.trigger AND runs.status = 'failed'
) AS failed FROM asked
"""
_NUMBERED = """
UPDATE runs SET success = 1 + max(
    coalesce((SELECT max(success) FROM runs), 0), coalesce((SELECT max(success) FROM pruned_runs), 0)
) WHERE run_id = ? AND success IS NULL
"""
_FILE_COLUMNS = ("part", "temporary", "path", "rows", "size", "sha256", "clear_size", "clear_sha256")
_FILES = f"""
SELECT run_id, {", ".join(_FILE_COLUMNS)} FROM files WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, part
"""


class Ledger(Recall):
    """All that the ledger knows."""

    def _evaluation(self, row: sqlite3.Row) -> AudienceEvaluation:
        with understood(self._name):
            return evaluation_of(row)

    def _baseline(self, row: sqlite3.Row) -> Baseline:
        with understood(self._name):
            return baseline_of(row)

    def _moment(self, row: sqlite3.Row | None) -> datetime | None:
        with understood(self._name):
            return moment(row["at"]) if row else None

    def is_blank(self) -> bool:
        """Whether nothing was recorded yet."""
        return not any(self._one(f"SELECT 1 FROM {table} LIMIT 1") for table in ("evaluations", "runs", "sightings"))

    # evaluations

    def newest_evaluation(self, audience: str, at: datetime | None = None) -> AudienceEvaluation | None:
        """The audience's newest evaluation, at or before an instant; ``RefusedError`` when that one was pruned."""
        query = "SELECT * FROM evaluations JOIN inputs ON digest = inputs LEFT JOIN pruned USING (audience)"
        row = self._one(
            query + " WHERE audience = ? AND at <= ? ORDER BY at DESC LIMIT 1", audience, iso(at) if at else "9999"
        )
        if (
            row and row["until"] and row["at"] <= row["until"]
        ):  # one that a delivered set needs, older than what was pruned
            raise RefusedError(
                f"audience {audience!r}: evaluations up to {row['until']} were pruned; {row['at']} is not the "
                f"newest before"
            )
        return self._evaluation(row) if row else None

    def evaluation(self, audience: str, at: datetime) -> AudienceEvaluation | None:
        """The audience's evaluation at exactly that instant."""
        row = self._one(
            "SELECT * FROM evaluations JOIN inputs ON digest = inputs WHERE audience = ? AND at = ?", audience, iso(at)
        )
        return self._evaluation(row) if row else None

    def evaluation_times(self, audience: str, since: datetime) -> list[datetime]:
        """The instants at which the audience was evaluated, from ``since`` on, ascending."""
        rows = self._all("SELECT at FROM evaluations WHERE audience = ? AND at >= ? ORDER BY at", audience, iso(since))
        with understood(self._name):
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
        """The state files of all evaluations of an audience, and what its runs decided: often the file of an evaluation that was pruned."""
        query = (
            "SELECT file FROM evaluations WHERE audience = ?1 UNION SELECT json_extract(decision, '$.file') FROM runs"
        )
        query += " WHERE audience = ?1 AND status IN ('succeeded', 'delivering') AND decision IS NOT NULL"
        return {row["file"] for row in self._all(query, audience)}

    def rosters(self) -> list[str]:
        """The kept rosters that something goes on from, newest first: newest evaluations, and those of baselines, now and soon."""
        rows = self._all(_ROSTERS)
        return list(dict.fromkeys(row["roster"] for row in rows if row["roster"]))

    def put_evaluations(self, evaluations: Iterable[AudienceEvaluation], finished: datetime) -> None:
        """Record evaluations, replacing those of the same audience and instant. In a transaction."""
        for each in evaluations:
            digest = self.put_input(each.inputs)
            self._db.execute(
                "INSERT OR REPLACE INTO evaluations VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *(
                        each.audience,
                        iso(each.at),
                        each.scope,
                        each.stored.file,
                        each.stored.sha256,
                        each.stored.size,
                        each.generation,
                    ),
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
            (
                "SELECT * FROM runs WHERE audience = ? AND evaluated_at = ? AND status IN ('succeeded', "
                "'delivering') LIMIT 1"
            ),
            audience,
            iso(at),
        )
        return self._run(row)

    # runs

    def run(self, run_id: str) -> Run | None:
        """The run of that id."""
        return self._run(self._one("SELECT * FROM runs WHERE run_id = ?", run_id))

    def runs(self, *, limit: int | None = None, superseded: bool = True, prefix: str = "") -> list[Run]:
        """Runs, newest slot first, those of one slot by the order in which they were begun; ``prefix`` narrows to ids that start so."""
        wanted = ["run_id >= ? AND run_id < ?"] if prefix else []
        wanted += [] if superseded else ["status != 'superseded'"]
        query = f"SELECT * FROM runs WHERE {' AND '.join(wanted) or 'true'}"
        query += " ORDER BY scheduled_time DESC, rowid DESC LIMIT ?"
        return self._runs(query, *((prefix, prefix + "\U0010ffff") if prefix else ()), -1 if limit is None else limit)

    def unfinished(self) -> list[Run]:
        """Runs that a killed command left: ``running`` ones to clean up after, ``delivering`` ones to finish (S6)."""
        return self._runs(
            "SELECT * FROM runs WHERE status IN ('running', 'delivering') ORDER BY scheduled_time, run_id"
        )

    def histories(
        self, asked: Iterable[tuple[str, str, str]]
    ) -> dict[tuple[str, str], tuple[datetime | None, datetime | None]]:
        """Of each (destination, activation, trigger): the newest slot that is settled (S2), and the newest that failed after it (S5)."""
        found = {}
        for row in self._all(_HISTORIES, json.dumps(list(asked))):
            with understood(self._name):
                finished, failed = moment(row["finished"]), moment(row["failed"])
            found[row["destination"], row["activation"]] = (
                finished,
                failed if failed and (not finished or failed > finished) else None,
            )
        return found

    def on_demand_count(self, destination: str, activation: str, at: datetime) -> int:
        """How many on-demand runs of that instant succeeded: the counter of the next one (F4)."""
        query = (
            "SELECT count(*) AS n FROM runs WHERE destination = ? AND activation = ? AND trigger = "
            "'on_demand' AND scheduled_time = ?"
        )
        row = self._one(query + " AND status = 'succeeded'", destination, activation, iso(at))
        return int(row["n"]) if row else 0

    def succeeded(self, destination: str, activation: str, *, limit: int | None = None) -> list[Run]:
        """The succeeded runs of an activation, the last that succeeded first."""
        query = (
            "SELECT * FROM runs WHERE destination = ? AND activation = ? AND status = 'succeeded' ORDER "
            "BY success DESC LIMIT ?"
        )
        return self._runs(query, destination, activation, -1 if limit is None else limit)

    def put_run(self, run: Run) -> None:
        """Record a run as it is now, with its files. The one that succeeds takes the next number, which it keeps."""
        marks = ",".join("?" * len(RUN_COLUMNS))
        values = [to_column(name, getattr(run, name)) for name in RUN_COLUMNS]
        updates = ",".join(f"{name} = excluded.{name}" for name in RUN_COLUMNS if name != "run_id")
        self._db.execute(
            f"INSERT INTO runs ({','.join(RUN_COLUMNS)}) VALUES ({marks}) ON CONFLICT (run_id) DO UPDATE SET {updates}",
            values,
        )
        if run.status == "succeeded":
            self._db.execute(_NUMBERED, (run.run_id,))
        self._db.execute("DELETE FROM files WHERE run_id = ?", (run.run_id,))
        rows = [(run.run_id, *(getattr(each, name) for name in _FILE_COLUMNS)) for each in run.files]
        self._db.executemany(
            f"INSERT INTO files (run_id, {', '.join(_FILE_COLUMNS)}) VALUES (?{',?' * len(_FILE_COLUMNS)})", rows
        )

    def put_removals(self, run_id: str, paths: Iterable[str]) -> None:
        """Record which files of the previous run this one removes. In a transaction."""
        self._db.execute("DELETE FROM removals WHERE run_id = ?", (run_id,))
        self._db.executemany("INSERT INTO removals VALUES (?, ?)", [(run_id, path) for path in paths])

    def removals(self, run_id: str) -> list[str]:
        """The files that this run removes before its manifest."""
        return [row["path"] for row in self._all("SELECT path FROM removals WHERE run_id = ? ORDER BY path", run_id)]

    def _run(self, row: sqlite3.Row | None) -> Run | None:
        return self._with_files([row])[0] if row else None

    def _runs(self, query: str, *values: Any) -> list[Run]:
        return self._with_files(self._all(query, *values))

    def _with_files(self, rows: Sequence[sqlite3.Row]) -> list[Run]:
        """Runs from rows of ``runs``; the files of all of them are read at once."""
        files: dict[str, list[PlannedFile]] = {row["run_id"]: [] for row in rows}
        for row in self._all(_FILES, json.dumps(list(files))):
            files[row["run_id"]].append(PlannedFile(**{name: row[name] for name in _FILE_COLUMNS}))
        with understood(self._name):
            runs = [Run(**{name: from_column(name, row[name]) for name in RUN_COLUMNS}) for row in rows]
        return [replace(run, files=tuple(files[run.run_id])) for run in runs]

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
        return {row["file"] for row in self._all("SELECT file FROM baselines")}.union(pending)

    def put_baseline(self, baseline: Baseline) -> None:
        """Move the baseline. In the transaction that commits the run as succeeded."""
        each, stored = baseline, baseline.stored
        self._db.execute(
            "INSERT OR REPLACE INTO baselines VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(
                    each.destination,
                    each.activation,
                    each.run_id,
                    stored.file,
                    stored.sha256,
                    stored.size,
                    each.profiles,
                ),
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
