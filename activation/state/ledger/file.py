"""The ledger's file: made, opened, checked and brought up to date (SPEC 10). Edge module.

A check of the whole file takes the longer the more history it holds. It is made when something else than a command of
muster that came to its end has touched the file since the last one: ``ledger.checked`` beside it says in which form
that left it.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from muster.activation.errors import MusterError, StateError
from muster.activation.state.ledger import schema
from muster.activation.state.ledger.schema import APPLICATION_ID, SCHEMA_VERSION

RECOVER = (
    "restore it from a backup, or move the state folder away to start anew: every first export then holds everybody"
)
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)  # SQLite's primary result codes
# seconds: longer than the step in which Linux tells files the time; some file systems only know whole seconds
_TICK = 0.011


def create(path: Path, mode: int) -> None:
    """Make an empty ledger; it appears complete or not at all."""
    temporary = path.parent / "tmp" / path.name
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    with damage(name_of(path)), closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        with all_or_nothing(connection):
            schema.make(connection)
    temporary.chmod(mode)
    temporary.replace(path)


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """An existing ledger, up to date; ``StateError`` when it is damaged or newer than this muster.

    One of an older muster is brought up to date in its file by a command that writes, else in a copy in memory.
    """
    name = name_of(path)
    if not path.is_file() or path.stat().st_size == 0:
        raise StateError(
            f"{name}: the ledger is {'empty' if path.is_file() else 'no file'}: the state is damaged; {RECOVER}"
        )
    checked = is_checked(path)
    with damage(name):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30, isolation_level=None, check_same_thread=False
        )
    try:
        with damage(name):
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            return _usable(connection, name, checked=checked, writing=writing)
    except BaseException:
        connection.close()
        raise


def _usable(connection: sqlite3.Connection, name: str, *, checked: bool, writing: bool) -> sqlite3.Connection:
    """The connection if its file is in order, or one to a copy that is."""
    identity, version = (
        connection.execute(f"PRAGMA {key}").fetchone()[0] for key in ("application_id", "user_version")
    )
    found = "ok" if checked else str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if identity == APPLICATION_ID and version > SCHEMA_VERSION:
        raise StateError(
            f"{name}: the state was made by a newer muster (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); upgrade muster"
        )
    if identity != APPLICATION_ID:
        raise _damaged(name, "not made by muster")
    if found != "ok":
        raise _damaged(name, found.splitlines()[-1])
    if version in schema.MIGRATIONS:
        connection = connection if writing else copied(connection)
        _bring_up_to_date(connection, name, version)
    elif version != SCHEMA_VERSION or not (checked or schema.is_known(connection)):
        raise _damaged(name, "its tables are not muster's")
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, name: str, version: int) -> None:
    """All steps from an older version, or none: tables that were not that version's are damage."""
    with all_or_nothing(connection):
        try:
            schema.migrate(connection, version)
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_ERROR:
                raise
            raise _damaged(name, "its tables are not muster's") from error
        if not schema.is_known(connection):
            raise _damaged(name, "its tables are not muster's")


def copied(connection: sqlite3.Connection) -> sqlite3.Connection:
    """A copy in memory."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.backup(copy)
    return copy


def save(connection: sqlite3.Connection, path: Path) -> None:
    """A copy in a file, of one moment: others wait, or are waited for."""
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        connection.backup(copy)


def empty() -> sqlite3.Connection:
    """A ledger in memory with nothing in it."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    schema.make(connection)
    return connection


# The mark of a ledger that is known to be whole


def mark_checked(path: Path, mode: int) -> None:
    """Say of a ledger that was found whole, and is closed, that it needs no check as long as it stays as it is.

    A file system tells time in steps, and what changes the file within the step of its last change could not be seen:
    the mark appears a step later.
    """
    form = fingerprint(path)
    if is_checked(path) or path.stat().st_mtime_ns % 1_000_000_000 == 0:
        return
    temporary, mark = path.parent / "tmp" / "ledger.checked", _mark(path)
    with suppress(OSError):  # without it the next command checks again
        time.sleep(_TICK)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, mode)
            file.write(form)
        if fingerprint(path) == form:
            temporary.replace(mark)


def is_checked(path: Path) -> bool:
    """Whether the file is as it was left; one with a transaction to take back is not."""
    try:
        return _mark(path).read_text(encoding="ascii") == fingerprint(path) and not _is_interrupted(path)
    except (OSError, ValueError):
        return False


def forget_mark(path: Path) -> None:
    """Have the next command look at the whole file again."""
    _mark(path).unlink(missing_ok=True)


def _is_interrupted(path: Path) -> bool:
    journal = Path(f"{path}-journal")
    return journal.exists() and journal.stat().st_size > 0


def fingerprint(path: Path) -> str:
    """What changes with every change of the file, and when another takes its place; the last of the times cannot be set by anybody."""
    found = path.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}\n"


def _mark(path: Path) -> Path:
    return path.with_name("ledger.checked")


# Errors


@contextmanager
def damage(name: str) -> Iterator[None]:
    """SQLite's word for a broken file as ``StateError``; a full disk or a locked file is no damage."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _FULL:
            raise MusterError(
                f"{name}: the ledger cannot be written: {error}; nothing that it does not hold counts as done"
            ) from error
        raise StateError(f"{name}: the ledger cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(name, str(error)) from error


@contextmanager
def refusing_foreign_values(name: str) -> Iterator[None]:
    """A value that muster would never have written, as ``StateError``."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(name, "it holds a value that muster does not write") from error


def _damaged(name: str, problem: str) -> StateError:
    return StateError(f"{name}: the ledger is damaged ({problem}); {RECOVER}")


@contextmanager
def all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself takes back what met a full disk
            connection.execute("ROLLBACK")
        raise


def name_of(path: Path) -> str:
    """The ledger in messages."""
    return f"{path.parent.name}/{path.name}"
