"""A shop on the morning after its first day, and what a refused command must be like (SPEC 10).

Bad input is tried in a workspace that has no state yet and in one that has evaluated and delivered: neither may change,
but for the ledger's notes of an evaluation that failed (E9), and of activations that the command was the first to see
(S2).
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from support.shop import Result, Shop

AT = "2026-11-21T06:00Z"
TODAY = "2026-11-21"  # the day whose snapshot is bad
VALIDATE, EVALUATE, RUN, PLAN = ((name, "--at", AT) for name in ("validate", "evaluate", "run", "plan"))
EXPORT = ("export", "crm/adhoc", "--at", AT)
PREVIEW = ("preview", "crm/adhoc", "--at", AT)
WORKING = (VALIDATE, EVALUATE, RUN, PLAN)  # the commands that look at the newest snapshot
LISTING = (("runs", "list"), ("audiences", "list"), ("evaluations", "list"), ("baseline", "show"), ("schedule", "list"))
EVERY = (
    *WORKING,
    EXPORT,
    PREVIEW,
    *LISTING,
    ("schedule", "crontab"),
    ("audiences", "show", "all"),
    ("evaluations", "forget", "--after", AT),
)

DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
FOLLOWING = {"audience": "us", "export": "full", "schedule": "after_evaluation"}
ADHOC = {"audience": "us", "id": "adhoc", "schedule": "on_demand"}
NOTES = ("failures", "sightings")  # tables
PEOPLE = [
    {"profile_id": name, "email": f"{name}@x.com", "country": "US" if number % 2 else "DE", "year": 1980 + number}
    for number, name in enumerate("abcdef")
]


def one(profile_id: str = "a", /, **values: Any) -> dict[str, Any]:
    """A person like those of the first day."""
    return {**PEOPLE[0], "profile_id": profile_id, **values}


def new_shop(root: Path) -> Shop:
    """A workspace with two audiences and two destinations, and without a state."""
    shop = Shop(root, evaluation={"schedule": {"at": "02:00"}})
    shop.profiles("2026-11-20", PEOPLE)
    shop.audience("all", where="true")
    shop.audience("us", where="country = 'US'")
    shop.destination("crm", mapping=["profile_id", "email"], activations=[DAILY, FOLLOWING, ADHOC])
    shop.destination("files", mapping=["profile_id"], activations=[{**DAILY, "export": "full"}])
    return shop


def used_shop(root: Path) -> Shop:
    """The same, after an evaluation and one delivery of every kind."""
    shop = new_shop(root)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T06:00Z")
    shop.ok("export", "crm/adhoc", "--at", "2026-11-20T07:00Z")
    return shop


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The files that differ, but for the lock, for notes of what was found in order, of failed evaluations (E9), and
    of what was seen (S2).
    """
    apart = {".muster/lock", ".muster/ledger.checked", ".muster/config.checked"}
    before, after = (_without_notes(tree) for tree in (before, after))
    return [name for name in sorted({*before, *after} - apart) if before.get(name) != after.get(name)]


def _without_notes(tree: dict[str, bytes]) -> dict[str, bytes]:
    """A tree whose ledger, if it is one, is what it records beside such notes; nothing if that is nothing."""
    name = ".muster/ledger.sqlite"
    if not tree.get(name, b"").startswith(b"SQLite format 3"):
        return tree
    with closing(sqlite3.connect(":memory:")) as ledger:
        ledger.deserialize(tree[name])
        try:
            facts = [
                line for line in ledger.iterdump() if line.startswith("INSERT") and line.split('"')[1] not in NOTES
            ]
        except sqlite3.DatabaseError:  # a damaged one stays as it is
            return tree
    rest = {other: content for other, content in tree.items() if other != name}
    return rest | {name: "\n".join(facts).encode()} if facts else rest


def failures(shop: Shop) -> list[str]:
    """The audiences that the ledger notes as failed, by name (E9)."""
    ledger = shop.root / ".muster/ledger.sqlite"
    if not ledger.exists():
        return []
    with closing(sqlite3.connect(ledger)) as connection:
        return [name for (name,) in connection.execute("SELECT DISTINCT audience FROM failures ORDER BY audience")]


def message(result: Result, code: int) -> str:
    """The one message of a refused command: on stderr, said to a person, and nothing else."""
    assert result.code == code, f"exit {result.code}\n{result.out}\n{result.err}"
    assert result.out == ""
    lines = result.err.splitlines()
    assert lines, "a refusal says why"
    assert all(line.startswith("error: ") for line in lines), result.err
    return told(result)


def told(result: Result) -> str:
    """What stderr says; never a fault of muster's own, never a traceback."""
    for word in ("Traceback", "fault of muster", "panicked", "Errno", "os error", "polars", "pyarrow"):
        assert word not in result.err, result.err
    return result.err.strip()


def refused(shop: Shop, *arguments: str, code: int = 2) -> str:
    """Run a command that must be refused as a whole: one message, and neither state nor destination changes; the
    message. Of a failed evaluation the ledger keeps a note (E9).
    """
    before, had_state = shop.tree(), (shop.root / ".muster").exists()
    said = message(shop.muster(*arguments), code)
    assert changed(before, shop.tree()) == []
    if "evaluate" not in arguments and "run" not in arguments:
        assert (shop.root / ".muster").exists() == had_state, "a refused command leaves no state folder behind"
    return said


def refused_by_each(shop: Shop, commands: Sequence[tuple[str, ...]]) -> str:
    """Run commands that must all be refused with the same message; the message."""
    said = {command: refused(shop, *command) for command in commands}
    assert len(set(said.values())) == 1, said
    return said[commands[0]]
