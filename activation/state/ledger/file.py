"""The ledger's file: how it is made, opened, checked and migrated to the schema of this version (SPEC 10).

A check of the whole file takes the longer the more history it holds. ``ledger.checked`` beside it holds the fingerprint
of the file after the last command that ended cleanly; the whole file is checked when its fingerprint is another one.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from muster.activation.errors import MusterError, StateError
from muster.activation.state import state_paths
from muster.activation.state.ledger import schema
from muster.activation.state.ledger.schema import APPLICATION_ID, SCHEMA_VERSION

RECOVER = "restore it from a backup, or move the state folder away to start anew: each next export then holds everybody"
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)  # SQLite's primary result codes
# seconds: longer than the step in which Linux tells files the time; some file systems only know whole seconds
_TICK = 0.011


def create(path: Path, mode: int) -> None:
    """Make an empty ledger; it appears complete or not at all."""
    temporary = state_paths.temporary(path.parent, path.name)
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    with damage(name_of(path)), closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        with all_or_nothing(connection):
            schema.make(connection)
    temporary.chmod(mode)
    temporary.replace(path)


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Open an existing ledger in this version's schema; ``StateError`` when it is damaged or newer than this muster.

    The ledger of an older muster is migrated: in its file by a command that writes, else in a copy in memory.
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
    """Return the connection if its file is in order, or a connection to a migrated copy."""
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
        if not writing:
            return _migrated_copy(connection, name, version)
        _migrate(connection, name, version)
    elif version != SCHEMA_VERSION or not (checked or schema.is_known(connection)):
        raise _damaged(name, "its tables are not muster's")
    return connection


def _migrated_copy(connection: sqlite3.Connection, name: str, version: int) -> sqlite3.Connection:
    """Return a migrated copy in memory, and close the connection that it was copied from."""
    with closing(connection):
        copy = copied(connection)
    try:
        _migrate(copy, name, version)
    except BaseException:
        copy.close()
        raise
    return copy


def _migrate(connection: sqlite3.Connection, name: str, version: int) -> None:
    """Take all steps from an older version, or none; tables that were not that version's are damage."""
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
    """Return a connection to a copy in memory."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.backup(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def save(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the database as of one moment into a file; a command that writes meanwhile waits, or is waited for."""
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        connection.backup(copy)


def empty() -> sqlite3.Connection:
    """Return a connection to an empty ledger in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    schema.make(connection)
    return connection


# The mark of a ledger that was found whole


def mark_checked(path: Path, mode: int) -> None:
    """Record that a ledger, found whole and closed now, needs no check as long as its fingerprint stays.

    A file system tells time in steps, and a change within the step of the last change could not be seen: the mark is
    written one step later.
    """
    before = fingerprint(path)
    if is_checked(path) or path.stat().st_mtime_ns % 1_000_000_000 == 0:
        return
    temporary = state_paths.temporary(path.parent, state_paths.LEDGER_CHECKED)
    with suppress(OSError):  # without the mark the next command checks again
        time.sleep(_TICK)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, mode)
            file.write(before)
        if fingerprint(path) == before:
            temporary.replace(_mark(path))


def is_checked(path: Path) -> bool:
    """Return whether the file is untouched since it was marked, and has no interrupted transaction."""
    try:
        return _mark(path).read_text(encoding="ascii") == fingerprint(path) and not _is_interrupted(path)
    except (OSError, ValueError):
        return False


def forget_mark(path: Path) -> None:
    """Remove the mark, so that the next command checks the whole file."""
    _mark(path).unlink(missing_ok=True)


def _is_interrupted(path: Path) -> bool:
    journal = Path(f"{path}-journal")
    return journal.exists() and journal.stat().st_size > 0


def fingerprint(path: Path) -> str:
    """Return inode, size, mtime and ctime as text; equal texts mean that the file is untouched.

    No program can set a file's ctime.
    """
    found = path.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}\n"


def _mark(path: Path) -> Path:
    return path.with_name(state_paths.LEDGER_CHECKED)


# Errors


@contextmanager
def damage(name: str) -> Iterator[None]:
    """Turn SQLite's errors into ``StateError``; into ``MusterError`` where the disk is full or the file read-only."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _FULL:
            raise MusterError(
                f"{name}: the ledger cannot be written: {error}; what it does not record counts as not done"
            ) from error
        raise StateError(f"{name}: the ledger cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(name, str(error)) from error


@contextmanager
def refusing_foreign_values(name: str) -> Iterator[None]:
    """Turn an error over a value that muster would never have written into ``StateError``."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(name, "it holds a value that muster does not write") from error


def _damaged(name: str, problem: str) -> StateError:
    return StateError(f"{name}: the ledger is damaged ({problem}); {RECOVER}")


@contextmanager
def all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all changes made inside the block, or none of them when it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back after a full disk
            connection.execute("ROLLBACK")
        raise


def name_of(path: Path) -> str:
    """Return what messages call the ledger: its folder and its name."""
    return f"{path.parent.name}/{path.name}"
