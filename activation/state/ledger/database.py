"""The ledger's file, open: questions, transactions, and what is done when damage is met (SPEC 10). Edge module."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Self

from muster.activation.errors import StateError
from muster.activation.state.ledger import file
from muster.activation.state.ledger.file import all_or_nothing, damage


class OpenLedger:
    """An open ledger. Reads see the last commit; writes happen in ``transaction``."""

    def __init__(self, connection: sqlite3.Connection, name: str = "ledger") -> None:
        connection.row_factory = sqlite3.Row
        self._db = connection
        self._name = name
        self.intact = True  # no damage was met
        self._alone = RLock()  # one thread at a time: a read does not fall into another one's transaction

    @classmethod
    def open(cls, path: Path, *, writing: bool = False) -> Self:
        """Open an existing ledger; ``StateError`` when it is damaged or newer than this muster."""
        return cls(file.connect(path, writing=writing), file.name_of(path))

    @classmethod
    def empty(cls) -> Self:
        """A ledger in memory, for commands that write nothing in a workspace that has no state yet."""
        return cls(file.empty())

    def copy(self) -> Self:
        """A copy in memory, to try things on."""
        with self._watched():
            return type(self)(file.copied(self._db))

    def save(self, path: Path) -> None:
        """Copy the ledger, as it is at this moment, into an empty file."""
        with self._watched():
            file.save(self._db, path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        with self._alone, self._watched(), all_or_nothing(self._db):
            yield

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            with damage(self._name):
                yield
        except StateError:
            self.intact = False
            raise

    def _all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._alone, self._watched():
            return self._db.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def ask(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """The rows that a question of upkeep gives (``ledger_upkeep``)."""
        return self._all(query, *values)

    def change(self, statement: str, *values: Any) -> None:
        """A statement of upkeep. In a transaction."""
        self._db.execute(statement, values)

    def shrink(self) -> None:
        """Give the file's free pages back to the disk: all of it or nothing, by way of a copy. Not in a transaction."""
        with self._alone, self._watched():
            self._db.execute("VACUUM")
