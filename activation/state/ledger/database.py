"""The open ledger: one SQLite connection, its transactions, and what happens when damage is met (SPEC 10).

``Ledger`` asks nothing by itself. What the tables say is asked by the functions of the modules beside this one, which
take the ledger as their first argument: ``runs_table``, ``evaluations_table``, ``failures_table``,
``baselines_table``, ``sightings_table``, ``inputs_table``, ``redeliveries_table``; and across tables
``constant_names``, ``named_files`` and ``deletion``.

Facts are appended and the rest is asked for: the last finished slot, the newest evaluation and the current baseline are
queries. A transaction of this file is the commit of everything: before it nothing happened, after it everything did.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Self

from muster.activation.errors import StateError
from muster.activation.state.ledger import file
from muster.activation.state.ledger.file import all_or_nothing, damage


class Ledger:
    """An open ledger. Reads see the last commit; writes happen in ``transaction``."""

    def __init__(self, connection: sqlite3.Connection, name: str = "ledger") -> None:
        connection.row_factory = sqlite3.Row
        self._connection = connection
        self._name = name
        self.intact = True  # no damage was met
        self._alone = RLock()  # one thread at a time: a read does not fall into another one's transaction

    @classmethod
    def open(cls, path: Path, *, writing: bool = False) -> Self:
        """Open an existing ledger; ``StateError`` when it is damaged or newer than this muster."""
        return cls(file.connect(path, writing=writing), file.name_of(path))

    @classmethod
    def empty(cls) -> Self:
        """Open an empty ledger in memory, for commands that write nothing in a workspace that has no state yet."""
        return cls(file.empty())

    def copy(self) -> Self:
        """Open a copy of this ledger in memory, to try changes on."""
        with self._watched():
            return type(self)(file.copied(self._connection))

    def save(self, path: Path) -> None:
        """Copy the ledger, as of this moment, into the empty file at ``path``."""
        with self._watched():
            file.save(self._connection, path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes made inside the block, or none of them when the block raises."""
        with self._alone, self._watched(), all_or_nothing(self._connection):
            yield

    def ask(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows that a query gives; every read of the ledger passes here."""
        with self._alone, self._watched():
            return self._connection.execute(query, values).fetchall()

    def ask_one(self, query: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row that a query gives, None when it gives none."""
        rows = self.ask(query, *values)
        return rows[0] if rows else None

    def change(self, statement: str, *values: Any) -> None:
        """Execute one statement that writes. In a transaction."""
        self._connection.execute(statement, values)

    def change_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute one statement that writes, once for each row of values. In a transaction."""
        self._connection.executemany(statement, rows)

    def refusing_foreign_values(self) -> AbstractContextManager[None]:
        """Raise ``StateError`` when the block meets a value that muster would never have written."""
        return file.refusing_foreign_values(self._name)

    def free_bytes(self) -> tuple[int, int]:
        """Return how many bytes of the ledger's file hold nothing, and how many the file has."""
        free, pages, size = (self.ask(f"PRAGMA {name}")[0][0] for name in ("freelist_count", "page_count", "page_size"))
        return free * size, pages * size

    def shrink(self) -> None:
        """Give the file's free pages back to the disk: all or none, by way of a copy. Not in a transaction."""
        with self._alone, self._watched():
            self._connection.execute("VACUUM")

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            with damage(self._name):
                yield
        except StateError:
            self.intact = False
            raise
