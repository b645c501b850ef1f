"""Which files of the state the ledger refers to, and how it comes to refer to others."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from muster.activation.model.history import StoredFile
from muster.activation.state import state_paths
from muster.activation.state.ledger import builds_table, evaluations_table, numbering_table, runs_table
from muster.activation.state.ledger.database import Ledger

_OF_EVALUATIONS = "SELECT file, sha256, size FROM evaluations"
_OF_BASELINES = "SELECT file, sha256, size FROM baselines"
_OF_ROWS = "SELECT file, sha256, size FROM message_baselines"
_MASKS = "SELECT mask FROM baselines WHERE mask IS NOT NULL"
_OF_RUNS = (
    "SELECT json_extract({0}, '$.file') AS file, json_extract({0}, '$.sha256') AS sha256, "
    "json_extract({0}, '$.size') AS size FROM runs WHERE {0} IS NOT NULL"
)

_PARTS = f"""
SELECT DISTINCT file, sha256, size FROM (
    {_OF_EVALUATIONS} UNION ALL {_OF_BASELINES} UNION ALL {_OF_RUNS.format("decision")}
) WHERE instr(file, '#')
"""
_MOVED = """
WITH moved AS (
    SELECT json_extract(value, '$[0]') AS before, json_extract(value, '$[1]') AS file,
    json_extract(value, '$[2]') AS sha256, json_extract(value, '$[3]') AS size
    FROM json_each(?)
)
"""
_STORED = "json_object('file', moved.file, 'sha256', moved.sha256, 'size', moved.size)"
_KEYS = "'$.stored.file', moved.file, '$.stored.sha256', moved.sha256, '$.stored.size', moved.size"  # the mask stays
_COLUMNS = "file = moved.file, sha256 = moved.sha256, size = moved.size"
_TABLE = ".parquet"
_PENDING = "json_extract(baseline, '$.stored.file')"
_MOVES = (
    f"UPDATE evaluations SET {_COLUMNS} FROM moved WHERE evaluations.file = moved.before",
    f"UPDATE baselines SET {_COLUMNS} FROM moved WHERE baselines.file = moved.before",
    f"UPDATE runs SET decision = {_STORED} FROM moved WHERE json_extract(decision, '$.file') = moved.before",
    f"UPDATE runs SET baseline = json_set(baseline, {_KEYS}) FROM moved WHERE {_PENDING} = moved.before",
)


def named(ledger: Ledger) -> dict[str, StoredFile]:
    """Return every file of the state that the ledger refers to, and every part of a block, by what the ledger calls it.

    Of rosters only the checksum is known; their size is -1.
    """
    of_runs = [_OF_RUNS.format(column) for column in state_paths.COLUMN_OF_RUNS_FOLDER.values()]
    queries = [_OF_EVALUATIONS, _OF_BASELINES, _OF_ROWS, *of_runs]
    found = [StoredFile(row["file"], row["sha256"], row["size"]) for query in queries for row in ledger.ask(query)]
    found += [StoredFile.of(run.baseline["stored"]) for run in runs_table.unfinished(ledger) if run.baseline]
    found += [StoredFile.of(json.loads(row["mask"])) for row in ledger.ask(_MASKS)]
    found += [each.mask for each in found if each.mask]
    found += [StoredFile(state_paths.roster_file(name), name, -1) for name in evaluations_table.rosters(ledger)]
    found += [each.stored for each in numbering_table.list_all(ledger)]
    found += builds_table.files(ledger)
    return {each.file: each.whole for each in found}


def of_outboxes(ledger: Ledger) -> list[StoredFile]:
    """Return the Parquet files in the outboxes of runs that are being sent: all of these but texts and logs (V8)."""
    records = [record for run in runs_table.unfinished(ledger) if run.outbox for record in _records(run.outbox)]
    is_table = (each["file"].startswith(f"{state_paths.OUTBOX}/") and each["file"].endswith(_TABLE) for each in records)
    found = [StoredFile.of(each) for each, is_one in zip(records, is_table, strict=True) if is_one]
    return list({each.file: each for each in found}.values())


def _records(content: Any) -> Iterator[dict[str, Any]]:
    """The records of files at any depth of a JSON value."""
    if isinstance(content, dict) and content.keys() >= {"file", "sha256", "size"}:
        yield content
    elif isinstance(content, dict):
        for each in content.values():
            yield from _records(each)
    elif isinstance(content, list):
        for each in content:
            yield from _records(each)


def paths(ledger: Ledger) -> set[str]:
    """Return the path in the state folder of every file that the ledger refers to, or to a part of."""
    return {each.path for each in named(ledger).values()}


def parts(ledger: Ledger) -> list[StoredFile]:
    """Return every part of a block that the ledger refers to, some several times."""
    found = [StoredFile(row["file"], row["sha256"], row["size"]) for row in ledger.ask(_PARTS)]
    pending = (StoredFile.of(run.baseline["stored"]).whole for run in runs_table.unfinished(ledger) if run.baseline)
    return found + [each for each in pending if each.audience is not None]


def blocks(ledger: Ledger) -> set[str]:
    """Return the path in the state folder of every block of which the ledger refers to a part."""
    return {each.path for each in parts(ledger)}


def move(ledger: Ledger, moves: Mapping[str, StoredFile]) -> None:
    """Let the ledger refer to other files or parts in the place of those that ``moves`` names. In a transaction."""
    values = json.dumps([[before, after.file, after.sha256, after.size] for before, after in moves.items()])
    for statement in _MOVES:
        ledger.change(f"{_MOVED} {statement}", values)
