"""Ways to damage a ledger, with what muster must say of each (SPEC 10)."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from support.refusals import (
    AT,
    EVALUATE,
    EXPORT,
    RUN,
)

LEDGER = ".muster/ledger.sqlite"

WRITING = (
    EVALUATE,
    RUN,
    EXPORT,
    ("baseline", "reset", "crm/all"),
    ("baseline", "move", "crm/all", "crm/us"),
    ("evaluations", "forget", "--after", AT),
)
Spoil = Callable[[Path], object]

RECOVER = "restore it from a backup, or move the state folder away to start anew: each next export then holds everybody"


def flip(*places: int) -> Spoil:
    """Some bytes of a file inverted."""

    def spoil(path: Path) -> None:
        content = bytearray(path.read_bytes())
        for place in places:
            content[place] ^= 0xFF
        path.write_bytes(bytes(content))

    return spoil


def execute(*statements: str) -> Spoil:
    """SQL that muster would never run."""

    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return spoil


def replaced(path: Path) -> None:
    """Another program's database."""
    path.unlink()
    execute("CREATE TABLE t (a)")(path)


DAMAGE: dict[str, tuple[Spoil, str]] = {
    "zero bytes": (lambda path: path.write_bytes(b""), f"the ledger is empty: the state is damaged; {RECOVER}"),
    "half": (
        lambda path: os.truncate(path, path.stat().st_size // 2),
        f"the ledger is damaged (database disk image is malformed); {RECOVER}",
    ),
    "a header": (lambda path: os.truncate(path, 100), "the ledger is damaged"),
    "ten bytes": (lambda path: os.truncate(path, 10), "the ledger is damaged"),
    "garbage": (
        lambda path: path.write_bytes(bytes(range(256)) * 200),
        f"the ledger is damaged (file is not a database); {RECOVER}",
    ),
    "text": (lambda path: path.write_text("nothing\n" * 5000), "the ledger is damaged (file is not a database)"),
    "magic": (flip(0), "the ledger is damaged (file is not a database)"),
    "page size": (flip(16, 17), "the ledger is damaged"),
    "application id": (flip(68), f"the ledger is damaged (not made by muster); {RECOVER}"),
    "schema": (flip(*range(110, 150)), "the ledger is damaged"),
    "a page": (flip(*range(4096, 4110)), "the ledger is damaged"),
    "another database": (replaced, "the ledger is damaged (not made by muster)"),
    "a table gone": (
        execute("DROP TABLE baselines"),
        f"the ledger is damaged (its tables are not muster's); {RECOVER}",
    ),
    "a column gone": (
        execute("ALTER TABLE baselines DROP COLUMN url"),
        "the ledger is damaged (its tables are not muster's)",
    ),
    "older version": (execute("PRAGMA user_version = 1"), "the ledger is damaged (its tables are not muster's)"),
    "no version": (execute("PRAGMA user_version = 0"), "the ledger is damaged (its tables are not muster's)"),
    "newer": (
        execute("PRAGMA user_version = 99"),
        "the state was made by a newer muster (schema 99, this one knows 9); upgrade muster",
    ),
    "newer tables": (
        execute("CREATE TABLE consents (a)", "PRAGMA user_version = 10"),
        "the state was made by a newer muster (schema 10, this one knows 9); upgrade muster",
    ),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), f"the ledger is no file: the state is damaged; {RECOVER}"),
}
