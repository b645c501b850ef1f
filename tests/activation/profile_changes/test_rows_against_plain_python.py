"""The rows that random answers leave, against the rules told one by one (V2, V10)."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from muster.activation.frames import engine
from muster.activation.profile_changes.changes import Counts
from muster.activation.profile_changes.delivered_rows import schema
from muster.activation.settling.rows_after import write_rows
from muster.activation.state.files import State
from muster.activation.system.disk import make_folder

PLACES, FINGERPRINT = 2, 17
MADE: dict[str, Any] = {
    "audiences": [
        {"audience": each, "alias": None, "name": each, "is_mapped": True, "backfilled": False} for each in ("a", "b")
    ],
    "mapping": [],
    "deduplicate": [],
    "id_column": "profile_id",
    "fingerprint": str(FINGERPRINT),
    "kept": [],
    "namespaces": None,
    "numbering": "",
}
Row = dict[str, Any]
DAYS = [datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=number) for number in range(4)]


def before(chance: random.Random) -> Row:
    """A row as earlier answers can have left it."""
    row: Row = {}
    for i in range(PLACES):
        if chance.random() < 0.6:
            row |= {f"status:{i}": chance.random() < 0.8, f"time:{i}": DAYS[0]}
        if chance.random() < 0.3:
            may_hold = chance.random() < 0.5 or not row.get(f"status:{i}")
            row |= {f"maybe_status:{i}": may_hold, f"maybe_time:{i}": DAYS[1]}
    if any(row.get(f"status:{i}") is not None for i in range(PLACES)):
        row |= {"values_digest": 1, "mapping": 3, "ids_digest": 2}
    if chance.random() < 0.3:
        row |= {"tries": 1, "refusal": "refused:400", "refused_offer": 5, "owed": "identity"}
    return row


def asked(name: str, row: Row, chance: random.Random) -> Row:
    """A profile that is told something, of a row."""
    person: Row = {
        "profile_id": name,
        "profile_number": None,
        "trigger": "attributes",
        "is_withdrawal": False,
        "is_counted": True,
        "is_forgotten": False,
        "pending_since": None,
        "ids": None,
        "values_digest": 7,
        "ids_digest": 8,
        "offer": 9,
    }
    for i in range(PLACES):
        holds = row.get(f"status:{i}") or row.get(f"maybe_status:{i}") or False
        status = chance.choice([True, False] if holds else [True, None])
        person |= {f"status:{i}": status, f"time:{i}": None if status is None else DAYS[2]}
        person |= {f"is_told:{i}": status is not None}
    return person


def after(row: Row, person: Row, outcomes: dict[int | None, tuple[bool, str]]) -> Row:
    """The rules, one by one. ``outcomes`` by place, or under None: whether it is an exit, and the outcome."""
    found, told = dict(row), {outcome for _, outcome in outcomes.values()}
    for i in range(PLACES):
        status, (_, outcome) = person[f"status:{i}"], outcomes.get(i) or outcomes.get(None) or (False, "none")
        if status is None or outcome in {"none", "refused", "unsent"}:
            continue
        kind = "" if outcome == "accepted" else "maybe_"
        found |= {f"{kind}status:{i}": status, f"{kind}time:{i}": person[f"time:{i}"]}
        if kind and row.get(f"maybe_status:{i}") and not row.get(f"status:{i}"):
            found[f"maybe_status:{i}"] = True  # it may have been told as realized, whatever became of the exit
        if outcome == "accepted":
            found |= {f"maybe_status:{i}": None, f"maybe_time:{i}": None}
    all_accepted = told == {"accepted"}
    is_new = any(not is_exit and outcome in {"accepted", "uncertain"} for is_exit, outcome in outcomes.values())
    if all_accepted or (is_new and row.get("values_digest") is None):
        found |= {"values_digest": 7, "mapping": FINGERPRINT}
    if all_accepted or is_new:
        found |= {"ids_digest": 8} if all_accepted or row.get("ids") is None else {}
    if all_accepted:
        found |= dict.fromkeys(("tries", "refusal", "refused_offer", "owed"))
    if "refused" in told:
        found |= {"tries": row.get("tries", 0) + 1, "refusal": "refused:422", "refused_offer": 9}
    if told & {"refused", "uncertain"}:
        found |= {"owed": "attributes"}
    holds = (found.get(f"status:{i}") or found.get(f"maybe_status:{i}") is not None for i in range(PLACES))
    keeps = any(holds) or found.get("tries") or found.get("owed")
    return {name: value for name, value in found.items() if value is not None} if keeps else {}


@pytest.mark.parametrize("about_all", [True, False])
def test_rows_are_what_the_rules_say(about_all: bool, tmp_path: Path) -> None:
    """V2: audience by audience by accepted entries; what may have been sent stands beside what was. V10: a refused
    profile keeps its old row, and how often it was refused; rows in which nothing is held or owed go.
    """
    chance, rows, people, entries, expected = random.Random(7), [], [], [], {}  # noqa: S311
    for number in range(400):
        name = f"p{number}"
        row = before(chance) if chance.random() < 0.8 else {}
        person = asked(name, row, chance)
        told = [i for i in range(PLACES) if person[f"status:{i}"] is not None]
        if row:
            rows.append({"profile_id": name, **row})
        if not told or chance.random() < 0.2:
            expected[name] = row
            continue
        exits = all(person[f"status:{i}"] is False for i in told)
        about = {None: exits} if about_all else {i: person[f"status:{i}"] is False for i in told}
        outcomes = {
            i: (is_exit, chance.choice(["accepted", "accepted", "refused", "uncertain", "unsent"]))
            for i, is_exit in about.items()
        }
        for i, (is_exit, outcome) in outcomes.items():
            reason = "422" if outcome == "refused" else None
            entries.append(
                {"person": len(people), "audience": i, "is_exit": is_exit, "outcome": outcome, "reason": reason}
            )
        people.append(person)
        expected[name] = after(row, person, outcomes)
    assert written(tmp_path, rows, people, entries) == {name: row for name, row in expected.items() if row}


def written(folder: Path, rows: list[Row], people: list[Row], entries: list[Row]) -> dict[str, Row]:
    """The rows that ``write_rows`` leaves, by id, without what is null."""
    make_folder(folder / "tmp", 0o600)
    state, types = State(folder, 0o600), schema(MADE)
    stored = state.write(pl.DataFrame(rows, schema=types), "before.parquet")
    flags = {
        name: pl.Boolean()
        for name in ("is_withdrawal", "is_counted", "is_forgotten", *(f"is_told:{i}" for i in range(PLACES)))
    }
    of_people = {name: types.get(name) or flags.get(name) or pl.UInt64() for name in people[0] if name != "trigger"}
    told = pl.DataFrame(people, schema={**of_people, "trigger": pl.String()})
    kinds = {
        "person": pl.UInt32,
        "audience": pl.UInt16,
        "is_exit": pl.Boolean,
        "outcome": pl.String,
        "reason": pl.String,
    }
    sent = pl.DataFrame(entries, schema=kinds).with_columns(request=pl.lit(0, pl.UInt32))
    nobody = pl.DataFrame(schema={"profile_id": pl.String, "reason": pl.String, "tries": pl.UInt16})
    counts = Counts(received=len(people), exported=len(people))
    found = write_rows(
        state,
        "after.parquet",
        before=(stored, MADE),
        made=MADE,
        people=told.lazy(),
        entries=sent.lazy(),
        counts=counts,
        excluded=nobody,
    )
    assert found.counts.balanced
    assert found.counts.exported + found.rejects.height == len(people)
    frame = engine.collect(state.read(found.stored))
    return {
        row["profile_id"]: {name: value for name, value in row.items() if value is not None and name != "profile_id"}
        for row in frame.iter_rows(named=True)
    }
