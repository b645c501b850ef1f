"""A workspace that an older muster worked with goes on without a step by its user: config, history, baselines, and a
request that was interrupted.
"""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.crash_shop import ledger_of
from support.erased import holding_value
from support.old_workspace import (
    ARCHIVES,
    FEED,
    IN_THE_WAY,
    PEOPLE,
    SCHEMA_6,
    SCHEMA_7,
    SCHEMA_8,
    day,
    furnish,
    opened,
    process,
)
from support.shop import Shop

ROOT = Path(__file__).parents[2]
HEADER = "profile_id,email,status"
# What the CRM and the data lake have of each run, the older muster's first.
FILES = {
    "crm/crm_vip_20261120T050000Z.csv": ["a,a@x.com,realized", "b,b@x.com,realized", "c,c@x.com,realized"],
    "crm/crm_vip_20261121T050000Z.csv": ["b,b@x.com,exited", "e,e@x.com,realized", "f,c@x.com,realized"],
    "crm/crm_vip_20261122T050000Z.csv": [
        *("a,a@x.com,exited", "b,b@x.com,realized", "c,c2@x.com,realized", "e,e@x.com,exited"),
    ],
    "crm/crm_vip_20261123T050000Z.csv": ["g,g@x.com,realized"],
    "crm/crm_now_20261120T070000Z_on_demand.csv": ["a,a@x.com,realized", "b,b@x.com,realized", "c,c@x.com,realized"],
    "crm/crm_now_20261121T070000Z_on_demand.csv": ["a,a@x.com,realized", "e,e@x.com,realized", "f,c@x.com,realized"],
    "crm/crm_now_20261122T070000Z_on_demand.csv": ["b,b@x.com,realized", "c,c2@x.com,realized", "f,c@x.com,realized"],
    "crm/crm_now_20261123T070000Z_on_demand.csv": [
        *("b,b@x.com,realized", "c,c2@x.com,realized", "f,c@x.com,realized", "g,g@x.com,realized"),
    ],
    "crm/all the VIPs.json": [
        *("b,b@x.com,realized", "c,c2@x.com,realized", "f,c@x.com,realized", "g,g@x.com,realized"),
    ],
    "lake/lake_listed_20261120T060000Z.parquet": ["a,realized", "b,realized"],
    "lake/lake_listed_20261122T060000Z.parquet": ["a,exited", "b,exited", "c,realized", "d,realized"],
    "lake/lake_listed_20261123T060000Z.parquet": [],
}
# activation, slot, status, attempts, realized, exited, excluded
OLD_RUNS = [
    ("crm/vip", "2026-11-20T05:00:00Z", "succeeded", 1, 3, 0, 1),
    ("crm/everybody", "2026-11-20T05:00:00Z", "succeeded", 1, 3, 0, 1),
    ("lake/listed", "2026-11-20T06:00:00Z", "succeeded", 1, 2, 0, 0),
    ("crm/now", "2026-11-20T07:00:00Z", "succeeded", 1, 3, 0, 1),
    ("crm/vip", "2026-11-21T05:00:00Z", "succeeded", 1, 2, 1, 1),
    ("crm/everybody", "2026-11-21T05:00:00Z", "succeeded", 1, 3, 0, 1),
    ("lake/listed", "2026-11-21T06:00:00Z", "failed", 1, 1, 1, 0),
    ("crm/now", "2026-11-21T07:00:00Z", "delivering", 1, 3, 0, 1),
]
NEW_RUNS = [
    *OLD_RUNS[:6],
    ("lake/listed", "2026-11-21T06:00:00Z", "superseded", 1, 1, 1, 0),  # the next day's run brings what it lacked
    ("crm/now", "2026-11-21T07:00:00Z", "succeeded", 1, 3, 0, 1),  # finished on the 22nd
    ("crm/vip", "2026-11-22T05:00:00Z", "succeeded", 1, 2, 2, 0),
    ("crm/everybody", "2026-11-22T05:00:00Z", "succeeded", 1, 3, 0, 1),
    ("lake/listed", "2026-11-22T06:00:00Z", "succeeded", 1, 2, 2, 0),
    ("crm/now", "2026-11-22T07:00:00Z", "succeeded", 1, 3, 0, 1),
    ("crm/vip", "2026-11-23T05:00:00Z", "succeeded", 1, 1, 0, 1),
    ("crm/everybody", "2026-11-23T05:00:00Z", "succeeded", 1, 4, 0, 1),
    ("lake/listed", "2026-11-23T06:00:00Z", "succeeded", 1, 0, 0, 0),
    ("crm/now", "2026-11-23T07:00:00Z", "succeeded", 1, 4, 0, 1),
]
# The tables that a schema brought, and columns of older tables.
NEW_IN: dict[int, tuple[list[str], dict[str, list[str]]]] = {
    8: (["builds"], {"baselines": ["policy", "build"], "runs": ["merged", "split"]}),
    9: (
        ["message_baselines", "looks"],
        {
            "runs": [
                *("audiences", "messages", "requests", "by_trigger", "resent", "compared", "outbox", "answers"),
            ],
        },
    ),
}


@pytest.fixture(params=[*ARCHIVES, SCHEMA_7, SCHEMA_8], ids=lambda archive: archive.name)
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    """The workspace as the older muster left it after two days."""
    return opened(tmp_path, request.param)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The workspace in which today's muster worked from the first day on. Not to be changed."""
    shop = furnish(tmp_path_factory.mktemp("new") / "old")
    for number in ("20", "21", "22", "23"):
        day(shop, number, muster_of(shop))
    return shop


def muster_of(shop: Shop) -> Callable[..., int]:
    """What runs a command of this checkout: in this process, or in one that is killed."""

    def muster(*arguments: str, killed: bool = False) -> int:
        return (
            process(ROOT, "muster.cli.main", shop)(*arguments, killed=True) if killed else shop.muster(*arguments).code
        )

    return muster


def runs(shop: Shop) -> list[tuple[Any, ...]]:
    """What `runs list` tells, by slot."""
    return sorted(
        (
            (
                f"{run['destination']}/{run['activation']}",
                *(run[each] for each in ("scheduled_time", "status", "attempts", "realized", "exited", "excluded")),
            )
            for run in shop.runs()
        ),
        key=_slot,
    )


def _slot(run: tuple[Any, ...]) -> tuple[str, str]:
    return run[1], run[0]


def lines(shop: Shop, name: str) -> list[str]:
    """The rows of a delivered file of any format, as texts."""
    path = shop.root / "out" / name
    if name.endswith(".json"):
        rows = [tuple(json.loads(line).values()) for line in path.read_text().splitlines()]
    elif name.endswith(".parquet"):
        rows = pl.read_parquet(path).rows()
    else:
        header, *written = path.read_text().splitlines()
        assert header == HEADER
        return written
    return [",".join(row) for row in rows]


def test_the_history_is_read_as_it_was_written(old: Shop) -> None:
    """S5: every run of before is listed as it ended, its files are found intact, the state is in order, and looking
    changes nothing.
    """
    before = old.tree()
    assert runs(old) == sorted(OLD_RUNS, key=_slot)
    assert [(step["action"]) for step in old.ok("plan", "--at", "2026-11-21T08:00Z", "--json").json][:1] == ["finish"]
    assert "in order" in old.ok("state", "check").out
    old.ok("verify", "--all")
    assert old.tree() == before


def test_the_next_days_go_on_from_what_was_delivered(old: Shop, new: Shop) -> None:
    """S4, S6, X1, X3, X7, X8: the interrupted request is finished with the bytes that were planned; whoever came or
    left since what was delivered is sent, and nobody else; after two more days all is as where today's muster worked
    from the first day on.
    """
    planned = [file["sha256"] for run in old.runs("crm/now")[-1:] for file in run["files"]]
    for number in ("22", "23"):
        day(old, number, muster_of(old))
    assert {name: lines(old, name) for name in old.files()} == FILES
    assert runs(old) == sorted(NEW_RUNS, key=_slot)
    assert [file["sha256"] for run in old.runs("crm/now")[1:2] for file in run["files"]] == planned
    assert "in order" in old.ok("state", "check").out
    old.ok("verify", "--all")
    for key in ("crm/vip", "crm/everybody", "lake/listed"):
        old.ok("reconcile", key)

    assert {name: lines(new, name) for name in new.files()} == FILES
    assert ledger_of(new).keys() == ledger_of(old).keys()
    assert _rows(new) == _rows(old)
    assert _names(new) == _names(old)


def _names(shop: Shop) -> list[str]:
    """The files of the state; checksums in names say how profiles were numbered, which the old one began later.

    Its first days had a file of memberships for each audience, which stay.
    """
    names = (re.sub("[0-9a-f]{64}", "*", name) for name in shop.tree(".muster"))
    return sorted(name for name in names if not re.search("memberships/(vip/)?2026112[01]", name))


def _rows(shop: Shop) -> dict[str, Any]:
    """The ledger's rows; the reason why a run failed is a sentence, which each muster words in its own way, the files
    of decisions and delivered sets have the columns of each muster, and the old one knew neither how old inputs were
    nor the types of columns (D7). Profiles are numbered from the first evaluation of today's muster on, and with their
    numbers the bytes of the state's files differ.
    """
    words, files = r"'error': (?:'[^']*'|\"[^\"]*\")", r"'(?:decision|baseline)': '[^']*'"
    ages, digests = r"'ages': (?:None|'[^']*')|\"ages\": \{[^}]*\}, ", r"'(?:digest|inputs|recipe)': '[^']*'"
    types = r'"types": \[[^\]]*\], |, "types": \[[^\]]*\]'
    unlike = re.compile(f"{words}|{files}|{digests}|{ages}|{types}|" + r'"roster": "[^"]*"|"numbers": [0-9]+, ')
    found = {table: sorted({unlike.sub("", row) for row in rows}) for table, rows in ledger_of(shop).items()}
    numbers = re.compile("'(?:name|sha256)': '[^']*'|'file': 'memberships/[^']*'|'size': [0-9]+|[0-9a-f]{64}[.]parquet")
    for table in ("evaluations", "baselines"):
        found[table] = sorted({numbers.sub("", row) for row in found[table]})
    return {table: rows for table, rows in found.items() if table != "numbering"}


@pytest.mark.parametrize("archive", [*ARCHIVES, SCHEMA_6, SCHEMA_7, SCHEMA_8], ids=lambda archive: archive.name)
def test_a_person_of_before_is_forgotten(tmp_path: Path, archive: Path) -> None:
    """G8: who is in the state of an older muster, in its memberships, delivered sets, rosters, rows and rejects, is
    erased from all of them; receivers get the exits, and everybody else goes on as ever.
    """
    old = opened(tmp_path, archive)
    assert "is not finished" in old.muster("profiles", "forget", "a").err
    old.muster("run", "--at", "2026-11-21T08:00Z")
    told = old.ok("profiles", "forget", "a", "--json").json
    assert {each["activation"]: each["told_by"] for each in told["receivers"]} == {
        "crm/vip": "exit",
        "crm/everybody": "full",
        "lake/listed": "exit",
    }
    assert "left over" not in old.ok("state", "check").out
    for number in ("22", "23"):
        old.feed(FEED[number], name=f"2026-11-{number}")
        people = [*PEOPLE[number], ("a", "a@x.com", True)]
        rows = [{"profile_id": name, "email": email, "vip": vip} for name, email, vip in sorted(people)]
        old.profiles(f"2026-11-{number}", rows)
        (old.root / IN_THE_WAY).unlink(missing_ok=True)
        old.run(f"2026-11-{number}T06:00Z")
        old.ok("export", "crm/now", "--at", f"2026-11-{number}T07:00Z")
    later = {name: rows for name, rows in FILES.items() if re.search("2026112[23]", name)}
    assert {name: lines(old, name) for name in later} == later
    assert holding_value(old, "a") + holding_value(old, "a@x.com") == []
    assert "left over" not in old.ok("state", "check").out


@pytest.mark.parametrize(("archive", "schema"), [(SCHEMA_7, 7), (SCHEMA_8, 8)], ids=["schema 7", "schema 8"])
def test_an_older_state_becomes_one_of_this_version(tmp_path: Path, archive: Path, schema: int) -> None:
    """SPEC 10: the first command that writes migrates the ledger; all rows stay, new tables are empty and new columns
    null, and until then commands that read leave the ledger as it is.
    """
    old = opened(tmp_path, archive)
    before = _tables(old)
    old.ok("status")
    assert _tables(old) == before
    old.ok("baseline", "reset", "crm/everybody")
    version, tables = _tables(old)
    assert (before[0], version) == (schema, 9)
    new = [each for number, each in NEW_IN.items() if number > schema]
    assert {name: tables.pop(name) for names, _ in new for name in names} == {
        name: [] for names, _ in new for name in names
    }
    kept = {name: [row for row in rows if not _is_reset(name, row)] for name, rows in before[1].items()}
    for _, columns in new:
        for name, added in columns.items():
            kept[name] = [row | dict.fromkeys(added) for row in kept[name]]
    assert tables == kept


def _is_reset(table: str, row: dict[str, Any]) -> bool:
    """Whether ``baseline reset crm/everybody`` deletes the row."""
    return table == "baselines" and row["activation"] == "everybody"


def _tables(shop: Shop) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The schema's version, and all rows of each table."""
    with closing(sqlite3.connect(shop.root / ".muster/ledger.sqlite")) as ledger:
        ledger.row_factory = sqlite3.Row
        names = [row["name"] for row in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        [version] = ledger.execute("PRAGMA user_version").fetchone()
        return version, {name: [dict(row) for row in ledger.execute(f"SELECT * FROM {name}")] for name in names}
