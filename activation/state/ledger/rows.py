"""From rows of the ledger to the nouns of ``model.history``, and from those nouns to values for rows."""

import json
import sqlite3
from dataclasses import fields
from datetime import datetime
from typing import Any

from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Baseline, Run, RunAudience, StoredFile

_TIMES = {"scheduled_time", "started_at", "finished_at", "evaluated_at", "baseline_evaluated_at"}
_FLAGS = {"first_export", "constant_names", "guards_overridden", "visible", "rewound"}
_STORED = {"rejects", "decision"}
_JSON = {"excluded_by", "baseline", "ages", "by_trigger", "outbox", "answers"}
RUN_COLUMNS = tuple(each.name for each in fields(Run) if each.name != "files")


def moment(text: str | None) -> datetime | None:
    """Return the instant that a text says, None for none."""
    return datetime.fromisoformat(text) if text else None


def when(text: str) -> datetime:
    """Return the instant that a text says."""
    return datetime.fromisoformat(text)


def to_column(name: str, value: Any) -> Any:
    """Return the value that SQLite keeps for a field of a run."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, StoredFile):
        return json.dumps(value.record)
    if name == "audiences":
        return json.dumps([(each.id, each.alias, each.evaluated_at and iso(each.evaluated_at)) for each in value])
    return json.dumps(value) if name in _JSON else value


def from_column(name: str, value: Any) -> Any:
    """Return the field of a run that SQLite keeps as a value."""
    if value is None:
        return None
    if name in _TIMES:
        return when(value)
    if name in _FLAGS:
        return bool(value)
    if name in _JSON:
        return json.loads(value)
    if name == "audiences":
        return tuple(RunAudience(audience, alias, moment(at)) for audience, alias, at in json.loads(value))
    return StoredFile.of(json.loads(value)) if name in _STORED else value


def evaluation_of(row: sqlite3.Row) -> AudienceEvaluation:
    """Return the evaluation of a row of ``evaluations`` joined with ``inputs``."""
    return AudienceEvaluation(
        audience=row["audience"],
        at=when(row["at"]),
        scope=row["scope"],
        stored=StoredFile(row["file"], row["sha256"], row["size"]),
        generation=row["generation"],
        realized=row["realized"],
        entered=row["entered"],
        exited=row["exited"],
        rule=row["rule"],
        inputs=json.loads(row["content"]),
    )


def _mask(text: str | None) -> StoredFile | None:
    return StoredFile.of(json.loads(text)) if text else None


def baseline_of(row: sqlite3.Row) -> Baseline:
    """Return the baseline of a row of ``baselines``."""
    return Baseline(
        destination=row["destination"],
        activation=row["activation"],
        run_id=row["run_id"],
        stored=StoredFile(row["file"], row["sha256"], row["size"], _mask(row["mask"])),
        profiles=row["profiles"],
        evaluated_at=when(row["evaluated_at"]),
        delivered_at=when(row["delivered_at"]),
        url_digest=row["url_digest"],
        url=row["url"],
        digest_made_by=row["digest_made_by"],
        policy=row["policy"],
        build=row["build"],
    )
