"""The table ``builds``: the builds of profiles from sources, of each merge policy (P7, P10)."""

import json
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.model.history import Build, StoredFile
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import when

_COLUMNS = "policy, number, at, inputs, view, graph, stats"


def list_all(ledger: Ledger, policy: str | None = None) -> list[Build]:
    """Return the builds of a policy, or of all, by policy and number."""
    where, values = ("WHERE policy = ?", (policy,)) if policy is not None else ("", ())
    query = f"SELECT {_COLUMNS} FROM builds {where} ORDER BY policy, number"
    return _builds(ledger, ledger.ask(query, *values))


def newest(ledger: Ledger, policy: str) -> Build | None:
    """Return the build of a policy that the ids of the next one come out of: the newest that changed ids (P7)."""
    return next((each for each in reversed(list_all(ledger, policy)) if each.changes_ids), None)


def next_number(ledger: Ledger, policy: str) -> int:
    """Return the number of the next build of a policy."""
    row = ledger.ask_one("SELECT max(number) AS number FROM builds WHERE policy = ?", policy)
    return 1 + ((row["number"] if row else None) or 0)


def newest_numbers(ledger: Ledger) -> dict[str, int]:
    """Return the number of the newest build of each policy."""
    rows = ledger.ask("SELECT policy, max(number) AS number FROM builds GROUP BY policy ORDER BY policy")
    return {row["policy"]: row["number"] for row in rows}


def get(ledger: Ledger, policy: str, number: int) -> Build | None:
    """Return one build of a policy."""
    query = f"SELECT {_COLUMNS} FROM builds WHERE policy = ? AND number = ?"
    return next(iter(_builds(ledger, ledger.ask(query, policy, number))), None)


def files(ledger: Ledger) -> list[StoredFile]:
    """Return the files of the views and identity graphs of all builds."""
    return [file for each in list_all(ledger) for file in each.files]


def put(ledger: Ledger, build: Build) -> None:
    """Record a build, in the place of one with the number of it. In a transaction."""
    ledger.change(
        f"INSERT OR REPLACE INTO builds ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(build.policy, build.number, iso(build.at), build.inputs),
        None if build.view is None else json.dumps([each.record for each in build.view]),
        None if build.graph is None else json.dumps({name: each.record for name, each in build.graph.items()}),
        json.dumps(build.stats),
    )


def delete(ledger: Ledger, policy: str, number: int) -> None:
    """Delete one build of a policy. In a transaction."""
    ledger.change("DELETE FROM builds WHERE policy = ? AND number = ?", policy, number)


def _builds(ledger: Ledger, rows: list[Row]) -> list[Build]:
    with ledger.refusing_foreign_values():
        return [_build(row) for row in rows]


def _build(row: Row) -> Build:
    view, graph = (None if row[name] is None else json.loads(row[name]) for name in ("view", "graph"))
    return Build(
        policy=row["policy"],
        number=row["number"],
        at=when(row["at"]),
        inputs=row["inputs"],
        view=None if view is None else tuple(map(StoredFile.of, view)),
        graph=None if graph is None else {name: StoredFile.of(each) for name, each in graph.items()},
        stats=json.loads(row["stats"]),
    )
