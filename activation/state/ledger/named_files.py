"""Which files of the state the ledger refers to."""

from muster.activation.model.history import StoredFile
from muster.activation.state import state_paths
from muster.activation.state.ledger import evaluations_table, numbering_table, runs_table
from muster.activation.state.ledger.database import Ledger

_OF_EVALUATIONS = "SELECT file, sha256, size FROM evaluations"
_OF_BASELINES = "SELECT file, sha256, size FROM baselines"
_OF_RUNS = (
    "SELECT json_extract({0}, '$.file') AS file, json_extract({0}, '$.sha256') AS sha256, "
    "json_extract({0}, '$.size') AS size FROM runs WHERE {0} IS NOT NULL"
)

_BLOCKS = """
SELECT DISTINCT substr(file, 1, instr(file, '#') - 1) AS path FROM (
    SELECT file FROM evaluations UNION ALL SELECT file FROM baselines
    UNION ALL SELECT json_extract(decision, '$.file') FROM runs WHERE decision IS NOT NULL
) WHERE instr(file, '#')
"""


def named(ledger: Ledger) -> dict[str, StoredFile]:
    """Return every file of the state that the ledger refers to, and every part of a block, by what the ledger calls it.

    Of rosters only the checksum is known; their size is -1.
    """
    of_runs = [_OF_RUNS.format(column) for column in state_paths.COLUMN_OF_RUNS_FOLDER.values()]
    queries = [_OF_EVALUATIONS, _OF_BASELINES, *of_runs]
    found = [StoredFile(row["file"], row["sha256"], row["size"]) for query in queries for row in ledger.ask(query)]
    found += [StoredFile(**run.baseline["stored"]) for run in runs_table.unfinished(ledger) if run.baseline]
    found += [StoredFile(state_paths.roster_file(name), name, -1) for name in evaluations_table.rosters(ledger)]
    found += [each.stored for each in numbering_table.list_all(ledger)]
    return {each.file: each for each in found}


def paths(ledger: Ledger) -> set[str]:
    """Return the path in the state folder of every file that the ledger refers to, or to a part of."""
    return {each.path for each in named(ledger).values()}


def blocks(ledger: Ledger) -> set[str]:
    """Return the path in the state folder of every block of which the ledger refers to a part."""
    pending = (run.baseline["stored"]["file"] for run in runs_table.unfinished(ledger) if run.baseline)
    found = {row["path"] for row in ledger.ask(_BLOCKS)}
    return found | {path for path, mark, _ in (file.partition("#") for file in pending) if mark}


def replace(ledger: Ledger, before: StoredFile, after: StoredFile) -> None:
    """Record checksum and size of a file that was made again, wherever the ledger refers to it. In a transaction."""
    for table in ("evaluations", "baselines"):
        ledger.change(f"UPDATE {table} SET sha256 = ?, size = ? WHERE file = ?", after.sha256, after.size, before.file)
    ledger.change(
        "UPDATE runs SET decision = json_set(decision, '$.sha256', ?, '$.size', ?) "
        "WHERE json_extract(decision, '$.file') = ?",
        after.sha256,
        after.size,
        before.file,
    )
