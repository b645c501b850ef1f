"""What muster made of sources, compared with what the model says: views, memberships, files, receivers (P7 to P12)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl
from support import kept_memberships, model
from support.against_model import compare
from support.model import EXITED, ID, REALIZED, STATUS
from support.model.files import key_text, text
from support.shop import Shop
from support.source_model.shop import SourceShop
from support.source_model.view import View

Key = tuple[str, ...]
Members = dict[str, set[Key]]  # of each activation, by the key that its receiver knows people by


def compare_views(shop: Shop, expected: SourceShop) -> None:
    """P3 to P8: ids, identity maps and merged values of the newest view of each policy that was read."""
    for policy, view in expected.views.items():
        found = newest_view(shop, policy)
        assert found["profile_id"].is_unique().all(), policy
        rows = {row.pop(ID): row for row in found.iter_rows(named=True)}
        assert {name: _pairs(row) for name, row in rows.items()} == {
            name: sorted(person.identities, key=_as_bytes) for name, person in view.people.items()
        }, f"identity maps of {policy}"
        _compare_values(policy, rows, view)


def newest_view(shop: Shop, policy: str) -> pl.DataFrame:
    """P10: the newest view in the state, as any Parquet tool reads it."""
    folder = max((shop.root / f".muster/profiles/{policy}").iterdir())
    return pl.read_parquet(folder / "*.parquet")


def _pairs(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(each["namespace"], each["id"]) for each in row["identity_map"]]


def _as_bytes(identity: tuple[str, str]) -> tuple[bytes, bytes]:
    return identity[0].encode(), identity[1].encode()


def _compare_values(policy: str, rows: Mapping[str, Mapping[str, Any]], view: View) -> None:
    for name, person in view.people.items():
        for leaf, value in person.values.items():
            found: Any = rows[name]
            for step in leaf:
                found = None if found is None else found[step]
            if isinstance(value, tuple):
                found, value = dict(found), dict(value)  # noqa: PLW2901  # a map
            assert found == value, f"{'.'.join(leaf)} of {sorted(person.identities)} in {policy}"


def compare_memberships(shop: Shop, expected: SourceShop) -> None:
    """E5, P11, P12: who is in each audience, and since when; who left, and when."""
    for audience, evaluations in expected.evaluations.items():
        rows = kept_memberships.newest(shop.root / ".muster", audience).iter_rows(named=True)
        found = {row[ID]: (row["status"], row["last_qualification_time"]) for row in rows}
        assert found == evaluations[-1].memberships, audience


def compare_files(shop: Shop, expected: SourceShop) -> None:
    """P11, X2 to X12: every file, count and reject; who was merged and split."""
    compare(shop, expected)  # type: ignore[arg-type]  # it looks at what was done
    for run in shop.runs():
        key, at = f"{run['destination']}/{run['activation']}", datetime.fromisoformat(run["scheduled_time"])
        moved = next((each for (name, moment), each in expected.moved.items() if name == key and moment == at), None)
        if moved and run["status"] == "succeeded" and run["trigger"] == "after_evaluation":
            assert (run["merged"], run["split"]) == (moved.merged, moved.split), f"{key} at {at}"


class Receivers:
    """Whoever reads the files: each adds the realized and removes the exited, by key, and knows nothing else."""

    def __init__(self) -> None:
        self.members: Members = {}
        self.seen: set[str] = set()

    def compare(self, shop: Shop, expected: SourceShop) -> None:
        """P11: a receiver that replays the files of an activation holds exactly the desired, by key."""
        activations = {each.key: each for each in expected.activations}
        for run in shop.runs():
            by = activations[f"{run['destination']}/{run['activation']}"]
            if run["run_id"] in self.seen or run["status"] != "succeeded" or run["trigger"] == "on_demand":
                continue
            self.seen.add(run["run_id"])
            self._take(by, [row for file in run["files"] for row in shop._csv(shop.root / file["path"])])  # noqa: SLF001  # a test's own reader
        for key, delivered in expected.delivered.items():
            by = activations[key]
            columns = key_columns(by)
            if columns and by.incremental and by.status_mapped and _tells_old_keys(by):
                rows = [row for sent in delivered.people.values() for row in sent.rows]
                held = [tuple(key_text(row.get(each)) for each in columns) for row in rows if _is_whole(row, columns)]
                assert self.members[key] == set(held), f"the receiver of {key}"

    def _take(self, by: model.Activation, rows: list[dict[str, str]]) -> None:
        columns, held = key_columns(by), self.members.setdefault(by.key, set())
        if not columns or not by.status_mapped:
            return
        status = next(each.target for each in by.mapping if each.source == STATUS)
        told = {
            wanted: {
                tuple(row[each] for each in columns) for row in rows if row[status] == wanted and _has(row, columns)
            }
            for wanted in (REALIZED, EXITED)
        }
        assert not told[REALIZED] & told[EXITED], f"{by.key}: told to come and to go by one file"
        assert told[EXITED] <= held, f"{by.key}: told to remove somebody who was never sent"
        self.members[by.key] = (held - told[EXITED]) | told[REALIZED]


def _tells_old_keys(by: model.Activation) -> bool:
    """X3c, X3e: a key of columns or identities that changes is taken back only where `changes` asks for it."""
    asked = {"keys", "identity"} if by.namespace else {"keys"}
    return not by.keys or bool(asked & set(by.changes))


def _is_whole(row: model.Row, columns: tuple[str, ...]) -> bool:
    return all(row.get(each) is not None and text(row[each]) for each in columns)


def _has(row: Mapping[str, str], columns: tuple[str, ...]) -> bool:
    return all(row[each] for each in columns)


def key_columns(by: model.Activation) -> tuple[str, ...]:
    """P11: the columns that are the key: M5's identity, else the deduplication columns, else a mapped profile id."""
    keys = tuple(each.target for each in by.keys if isinstance(each, model.Column))
    return keys or tuple(each.target for each in by.mapping if each.source == ID)[:1]
