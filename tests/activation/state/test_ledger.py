"""The ledger's file and its queries: brought up to date, checked when it must be, and as quick after years as on the
first day.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import AT, RUN, new_shop, refused, used_shop
from support.shop import Shop

from muster.activation.errors import StateError
from muster.activation.instants import iso
from muster.activation.model.history import PlannedFile, Run
from muster.activation.state.folder import is_blank
from muster.activation.state.ledger import (
    baselines_table,
    constant_names,
    evaluations_table,
    file,
    redeliveries_table,
    runs_table,
    schema,
)
from muster.activation.state.ledger.database import Ledger

LEDGER, MARK = ".muster/ledger.sqlite", ".muster/ledger.checked"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

# As muster 0.1.0 made it: never to be changed.
FIRST_SCHEMA = """
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
"""  # noqa: E501  # never to be changed

# What the versions after it changed: never to be changed either.
SECOND_INDEXES = """
DROP INDEX runs_by_time;
CREATE INDEX runs_by_time ON runs (scheduled_time, started_at, run_id);
CREATE INDEX runs_finished ON runs (destination, activation, scheduled_time)
    WHERE trigger != 'on_demand' AND status IN ('succeeded', 'superseded');
CREATE INDEX runs_failed ON runs (destination, activation, trigger, scheduled_time) WHERE status = 'failed';
CREATE INDEX runs_of_evaluation ON runs (audience, evaluated_at) WHERE status IN ('succeeded', 'delivering');
CREATE INDEX runs_constant ON runs (
    destination, activation, url_digest, trigger = 'on_demand', CASE trigger WHEN 'on_demand' THEN '' ELSE scheduled_time END
) WHERE status = 'succeeded' AND constant_names;
CREATE INDEX evaluations_by_scope ON evaluations (scope, at);
"""  # noqa: E501
THIRD_COLUMNS = """
ALTER TABLE runs ADD COLUMN decision TEXT;
ALTER TABLE runs ADD COLUMN recipe TEXT REFERENCES inputs;
ALTER TABLE runs ADD COLUMN snapshot TEXT REFERENCES inputs;
CREATE TABLE redeliveries (run_id TEXT NOT NULL REFERENCES runs, started_at TEXT NOT NULL, finished_at TEXT, paths TEXT);
CREATE INDEX redeliveries_open ON redeliveries (run_id) WHERE finished_at IS NULL;
CREATE TABLE pruned (audience TEXT PRIMARY KEY, until TEXT NOT NULL);
"""  # noqa: E501
FOURTH_COLUMNS = """
ALTER TABLE files ADD COLUMN clear_size INTEGER;
ALTER TABLE files ADD COLUMN clear_sha256 TEXT;
ALTER TABLE runs ADD COLUMN visible INTEGER;
ALTER TABLE runs ADD COLUMN success INTEGER;
DROP INDEX runs_by_time;
CREATE INDEX runs_by_time ON runs (scheduled_time);
DROP INDEX runs_constant;
CREATE UNIQUE INDEX runs_by_success ON runs (success);
CREATE INDEX runs_constant ON runs (destination, activation, url_digest, trigger = 'on_demand', success)
    WHERE status = 'succeeded' AND constant_names;
CREATE TABLE pruned_runs (
    destination TEXT NOT NULL, activation TEXT NOT NULL, run_id TEXT NOT NULL, success INTEGER NOT NULL,
    PRIMARY KEY (destination, activation)
);
"""
SCHEMAS = {
    1: FIRST_SCHEMA,
    2: FIRST_SCHEMA + SECOND_INDEXES,
    3: FIRST_SCHEMA + SECOND_INDEXES + THIRD_COLUMNS,
    4: FIRST_SCHEMA + SECOND_INDEXES + THIRD_COLUMNS + FOURTH_COLUMNS,
}
old_versions = pytest.mark.parametrize("old", SCHEMAS)


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has evaluated and delivered; tests work on copies."""
    return used_shop(tmp_path_factory.mktemp("morning") / "shop").root


@pytest.fixture
def shop(tmp_path: Path, morning: Path) -> Shop:
    """A copy of it."""
    shutil.copytree(morning, tmp_path / "shop")
    return new_shop(tmp_path / "shop")


# Ledgers of an older muster


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables}


def version(path: Path) -> int:
    """The version of a ledger's schema."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def aged(path: Path, old: int) -> dict[str, list[tuple[object, ...]]]:
    """Make of a ledger what muster wrote when its schema was of that version; its content."""
    rows = content(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(
            f"{SCHEMAS[old]} PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = {old};"
        )
        for table in ("inputs", "evaluations", "runs", "files", "removals", "baselines", "sightings"):
            width = len(db.execute(f"SELECT * FROM {table}").description)
            db.executemany(
                f"INSERT INTO {table} VALUES ({','.join('?' * width)})", [row[:width] for row in rows[table]]
            )
    return content(path)


def _without_ages(run: dict[str, Any]) -> dict[str, Any]:
    """A run as older ledgers have it: how old its inputs were is not known."""
    return run | {"ages": None}


@old_versions
def test_an_older_ledger_is_brought_up_to_date(shop: Shop, old: int) -> None:
    """Readers see it as it is and change nothing; the first command that writes makes it of the present version, with
    all that it holds.
    """
    path = shop.root / LEDGER
    listed = [_without_ages(run) for run in shop.runs()]
    before = aged(path, old)
    assert shop.runs() == listed
    assert (version(path), content(path)) == (old, before)
    shop.ok("run", "--at", AT, "--wait", "0")
    assert version(path) == schema.SCHEMA_VERSION
    assert shop.runs()[-len(listed) :] == listed or [run for run in shop.runs() if run in listed] == listed
    with closing(sqlite3.connect(path)) as db:
        assert schema.is_known(db)


@old_versions
def test_it_is_brought_up_to_date_as_a_whole_or_not_at_all(
    shop: Shop, old: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that fails leaves the file as it was."""
    path = shop.root / LEDGER
    aged(path, old)
    before = path.read_bytes()
    newest = schema.SCHEMA_VERSION - 1
    step = schema.MIGRATIONS[newest]

    def stop(connection: sqlite3.Connection) -> None:
        step(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, newest: stop})
    with pytest.raises(KeyboardInterrupt):
        Ledger.open(path, writing=True)
    assert path.read_bytes() == before


def test_every_version_leads_to_this_one() -> None:
    """There is a step from each version before this one."""
    assert list(schema.MIGRATIONS) == list(range(1, schema.SCHEMA_VERSION))


@old_versions
def test_older_tables_that_were_changed_are_damage(shop: Shop, old: int) -> None:
    """SPEC 10: an older ledger that lacks something is refused by readers and writers, and stays as it is."""
    path = shop.root / LEDGER
    aged(path, old)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("ALTER TABLE baselines DROP COLUMN url")
    before = path.read_bytes()
    for command in (RUN, ("runs", "list")):
        assert "the ledger is damaged (its tables are not muster's)" in refused(shop, *command)
    assert path.read_bytes() == before


# The check of the whole file


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The whole checks that are made."""
    made: list[str] = []
    connect = sqlite3.connect

    def watched(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]  # passed on as they are
        connection.set_trace_callback(lambda statement: made.append(statement) if "quick_check" in statement else None)
        return connection

    monkeypatch.setattr(sqlite3, "connect", watched)
    return made


def test_what_muster_left_is_not_checked_again(shop: Shop, checks: list[str]) -> None:
    """A ledger that is as a command left it, at its end, is not read as a whole."""
    shop.ok(*RUN)
    checks.clear()
    shop.ok("runs", "list")
    shop.ok(*RUN)
    assert checks == []
    assert (shop.root / MARK).stat().st_mode & 0o777 == 0o600


def touched(path: Path) -> None:
    """The same bytes written again, with the times of before."""
    before = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def restored(path: Path) -> None:
    """Another file of the same bytes and times."""
    shutil.copy2(path, path.with_suffix(".saved"))
    path.with_suffix(".saved").replace(path)


TOUCHED: dict[str, Callable[[Path], object]] = {
    "written": touched,
    "restored": restored,
    "mark gone": lambda path: path.with_name("ledger.checked").unlink(),
    "mark empty": lambda path: path.with_name("ledger.checked").write_bytes(b""),
    "mark garbage": lambda path: path.with_name("ledger.checked").write_bytes(b"\xff\xfe"),
    "mark a folder": lambda path: (path.with_name("ledger.checked").unlink(), path.with_name("ledger.checked").mkdir()),
}


@pytest.mark.parametrize("way", TOUCHED)
def test_what_others_touchedis_checked(shop: Shop, checks: list[str], way: str) -> None:
    """Readers check each time and write nothing; a command that writes checks once, and leaves it known again."""
    shop.ok(*RUN)
    TOUCHED[way](shop.root / LEDGER)
    checks.clear()
    before = shop.tree(".muster")
    shop.ok("runs", "list")
    shop.ok("runs", "list")
    assert len(checks) == 2
    assert shop.tree(".muster") == before
    shop.ok(*RUN)
    assert len(checks) == 3
    shop.ok("runs", "list")
    assert len(checks) == (4 if way == "mark a folder" else 3)


def test_a_transaction_to_take_back_is_a_reason_to_check(shop: Shop, checks: list[str]) -> None:
    """What a killed command left beside the ledger is dealt with, and all of it looked at."""
    shop.ok(*RUN)
    journal = shop.root / f"{LEDGER}-journal"
    journal.write_bytes(b"x" * 600)
    checks.clear()
    shop.ok("runs", "list")
    assert len(checks) == 1
    assert not journal.exists()


def test_a_command_that_does_not_come_to_its_end_leaves_no_mark(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was interrupted is checked by whoever comes next."""
    shop.ok(*RUN)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("muster.activation.state.folder.mark_checked", killed)
    assert shop.muster("baseline", "reset", "crm/all").code == 130
    monkeypatch.undo()
    assert not file.is_checked(shop.root / LEDGER)


def test_a_mark_that_cannot_be_written_stops_nothing(shop: Shop) -> None:
    """It saves time and nothing else."""
    (shop.root / MARK).unlink(missing_ok=True)
    (shop.root / MARK).mkdir()
    shop.ok("baseline", "reset", "crm/all")
    shop.ok("runs", "list")


def test_damage_inside_a_ledger_that_needs_no_check_is_damage(shop: Shop) -> None:
    """SPEC 10: what the disk itself has spoilt is met when it is read: exit 2, never a first run."""
    shop.ok(*RUN)
    path = shop.root / LEDGER
    spoilt = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
        roots = [page for (page,) in db.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0")]
    for page in roots:
        spoilt[(page - 1) * size : (page - 1) * size + 16] = b"\xff" * 16
    path.write_bytes(spoilt)
    found = path.stat()  # the mark of a file that nobody seems to have touched
    (shop.root / MARK).write_text(f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}\n")
    assert file.is_checked(path)
    for command in (RUN, ("runs", "list"), ("plan", "--at", AT), ("baseline", "show")):
        assert "the ledger is damaged (database disk image is malformed)" in refused(shop, *command)


def test_a_ledger_in_which_damage_was_met_is_not_marked(shop: Shop) -> None:
    """Its next command looks at all of it."""
    with closing(Ledger.open(shop.root / LEDGER)) as ledger:
        ledger.change("CREATE TEMP TABLE runs (x)")  # hides the real one
        with pytest.raises(StateError):
            runs_table.unfinished(ledger)
        assert not ledger.intact


def test_runs_of_an_older_ledger_are_counted(tmp_path: Path) -> None:
    """F1, E1: those that succeeded before they were counted did so as they were begun, slots by their times; the next
    one comes after.
    """
    path = tmp_path / "ledger.sqlite"
    made = [
        ("c", "scheduled", 2),
        ("a", "scheduled", 1),
        ("z", "on_demand", 9),
        ("b", "on_demand", 3),
        ("d", "scheduled", 4),
    ]
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(f"{SCHEMAS[3]} PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = 3;")
        for name, trigger, hour in made:
            row = (
                name,
                "crm",
                "all",
                "all",
                trigger,
                "full",
                "failed" if name == "d" else "succeeded",
                1,
                iso(NOON + timedelta(hours=hour)),
            )
            columns = "run_id, destination, activation, audience, trigger, export, status, attempts, scheduled_time"
            db.execute(f"INSERT INTO runs ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", row)
    with closing(Ledger.open(path, writing=True)) as ledger:
        with ledger.transaction():
            runs_table.put(ledger, run(5))
            runs_table.put(ledger, run(6, status="delivering"))
        assert [each.run_id for each in runs_table.succeeded(ledger, "crm", "all")] == [
            run(5).run_id,
            "b",
            "z",
            "c",
            "a",
        ]


# Queries


QUESTIONS: dict[str, Callable[[Ledger], object]] = {
    "runs": lambda ledger: runs_table.find(ledger, limit=50, superseded=False),
    "all runs": lambda ledger: runs_table.find(ledger, limit=50),
    "histories": lambda ledger: runs_table.finished_and_failed_slots(
        ledger, [("crm", "all", "scheduled"), ("crm", "us", "after_evaluation")]
    ),
    "on_demand_count": lambda ledger: runs_table.count_on_demand(ledger, "crm", "all", NOON),
    "evaluation_used": lambda ledger: runs_table.first_using_evaluation(ledger, "all", NOON),
    "replaced_paths": lambda ledger: constant_names.replaced_paths(ledger, run(3), ["other"]),
    "baselines_of": lambda ledger: baselines_table.of_audience(ledger, "all"),
    "baseline_files": baselines_table.files,
    "unfinished": runs_table.unfinished,
    "run": lambda ledger: runs_table.get(ledger, "x"),
    "newest_evaluation": lambda ledger: evaluations_table.newest(ledger, "all", NOON),
    "newest_full_evaluation": evaluations_table.newest_time_of_all,
    "newest_evaluation_time": evaluations_table.newest_time,
    "evaluation_times": lambda ledger: evaluations_table.times(ledger, "all", NOON),
    "is_blank": is_blank,
    "replaced_by": lambda ledger: constant_names.replaced_by(ledger, run(3)),
    "successor": lambda ledger: constant_names.successor(ledger, run(3)),
    "open_redeliveries": redeliveries_table.unfinished,
}


def run(number: int, **fields: object) -> Run:
    """The run of an hour under a constant name."""
    at = NOON + timedelta(hours=number)
    known = {
        "url": "out/crm",
        "url_digest": "d",
        "constant_names": True,
        "status": "succeeded",
        "evaluated_at": NOON,
        "started_at": at,
    }
    known["files"] = (PlannedFile(part=1, temporary=".t", path="all.csv"),)
    identity = ("crm", "all", "all", "scheduled", "full", at)
    return Run(f"{iso(at)}-{number:05}", *identity, **(known | fields))  # type: ignore[arg-type]  # fields of a run


@pytest.fixture(scope="module")
def history() -> Iterator[Ledger]:
    """A few runs of each kind."""
    with closing(Ledger.empty()) as ledger:
        with ledger.transaction():
            for number, status in enumerate(
                ["succeeded", "failed", "superseded", "succeeded", "succeeded", "superseded"] * 5
            ):
                runs_table.put(ledger, run(number, status=status))
        yield ledger


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_goes_through_the_whole_history(
    history: Ledger, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each query finds its rows by index and sorts nothing but what is unfinished, however long the history."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    ask = Ledger.ask  # where all questions pass

    def noted(ledger: Ledger, query: str, *values: object) -> list[sqlite3.Row]:
        asked.append((query, values))
        return ask(ledger, query, *values)

    monkeypatch.setattr(Ledger, "ask", noted)
    QUESTIONS[question](history)
    assert asked
    for query, values in asked:
        steps = [row["detail"] for row in ask(history, f"EXPLAIN QUERY PLAN {query}", *values)]
        allowed = (
            "SCAN baselines",
            "SCAN json_each",
            "SCAN asked",
            "SCAN sightings",
            "SCAN runs USING INDEX runs_by_time",
        )
        allowed += ("SCAN redeliveries USING INDEX redeliveries_open",)
        scans = [step for step in steps if step.startswith("SCAN") and not step.startswith(allowed)]
        assert scans == [] or "LIMIT 1" in query or "max(at)" in query, (query, steps)
        assert not [step for step in steps if "TEMP B-TREE" in step] or "'running'" in query, (query, steps)


TRIGGERS, STATUSES = ("scheduled", "after_evaluation", "on_demand"), ("succeeded", "superseded", "failed")


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(TRIGGERS), st.sampled_from(STATUSES)), max_size=12))
def test_a_history_is_what_the_runs_say(made: list[tuple[int, str, str]]) -> None:
    """S2, S5: the newest slot that succeeded or was superseded, and the newest after it that failed; requests on demand
    do not count.
    """
    with closing(Ledger.empty()) as ledger:
        with ledger.transaction():
            for number, (hour, trigger, status) in enumerate(made):
                runs_table.put(
                    ledger,
                    Run(f"{number}", "crm", "all", "all", trigger, "full", NOON + timedelta(hours=hour), status=status),
                )  # type: ignore[arg-type]  # a status
        for asked in ("scheduled", "after_evaluation"):
            finished = max(
                (hour for hour, trigger, status in made if trigger != "on_demand" and status != "failed"), default=None
            )
            failed = max(
                (hour for hour, trigger, status in made if trigger == asked and status == "failed"), default=None
            )
            if failed is not None and finished is not None and failed <= finished:
                failed = None
            expected = tuple(None if hour is None else NOON + timedelta(hours=hour) for hour in (finished, failed))
            found = runs_table.finished_and_failed_slots(ledger, [("crm", "all", asked), ("crm", "other", asked)])
            assert found == {("crm", "all"): expected, ("crm", "other"): (None, None)}


def test_runs_of_one_slot_are_listed_as_they_were_begun() -> None:
    """9: newest first, whatever second a run was begun in and whatever its id is; carried out again, it stays where it
    is.
    """
    with closing(Ledger.empty()) as ledger:
        made = [replace(run(0), run_id=name) for name in "bcad"]
        with ledger.transaction():
            for each in [*made, replace(made[1], started_at=NOON + timedelta(hours=1))]:
                runs_table.put(ledger, each)
        assert [each.run_id for each in runs_table.find(ledger)] == list("dacb")


def test_runs_are_counted_as_they_succeed() -> None:
    """F1, E1: they succeed in an order that is neither that of their beginnings nor the clock's; said again, a run
    keeps its place.
    """
    with closing(Ledger.empty()) as ledger:
        first, second = run(0, finished_at=NOON + timedelta(days=1)), run(1, finished_at=NOON)
        with ledger.transaction():
            for each in (replace(second, status="failed"), replace(second, status="delivering"), first, second, first):
                runs_table.put(ledger, each)
        assert [each.run_id for each in runs_table.succeeded(ledger, "crm", "all")] == [second.run_id, first.run_id]
        assert constant_names.holders(ledger) == {"out/crm/all.csv": second.run_id}
        assert (constant_names.replaced_by(ledger, first), constant_names.replaced_by(ledger, second)) == (
            second.run_id,
            None,
        )


def test_runs_come_with_their_own_files() -> None:
    """The files of a listing are read together and belong to their runs, part by part."""
    with closing(Ledger.empty()) as ledger:
        made = [
            run(number, files=tuple(PlannedFile(part, f".{part}", f"{number}_{part}") for part in range(1, number)))
            for number in range(5)
        ]
        with ledger.transaction():
            for each in made:
                runs_table.put(ledger, each)
        assert [(each.run_id, each.files) for each in runs_table.find(ledger)] == [
            (each.run_id, each.files) for each in reversed(made)
        ]
        assert [each.run_id for each in runs_table.find(ledger, prefix=made[3].run_id[:-2])] == [made[3].run_id]
