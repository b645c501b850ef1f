"""A workspace at rest, looked at by somebody who knows only what SPEC promises a reader: no code of muster's is used
here.

Files are parsed by other libraries than those that wrote them, the ledger is read as plain SQLite, checksums are taken
anew.
"""

import csv
import gzip
import hashlib
import io
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KEPT = {"ledger.sqlite", "ledger.checked", "config.checked", "lock"}  # beside the folders of the state
Row = dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """What one manifest tells of, and the rows of its files; None once a later run has put others under their names."""

    manifest: dict[str, Any]
    rows: list[Row] | None

    @property
    def key(self) -> str:
        """``destination/activation``."""
        return f"{self.manifest['destination']}/{self.manifest['activation']}"

    @property
    def slot(self) -> str:
        """The scheduled time."""
        return str(self.manifest["scheduledTime"])


def audit(root: Path, *places: Path) -> list[Delivery]:
    """Check all that holds of a workspace at rest (F1, F3, F4, S6, X8); what was delivered to ``places``,
    oldest first.
    """
    check_state(root / ".muster")
    found = [delivery for place in places for delivery in deliveries(place)]
    _check_history(root / ".muster", found)
    return sorted(found, key=lambda each: (each.slot, each.key))


# Destinations


def deliveries(place: Path) -> Iterator[Delivery]:
    """F3, F4: every file at a destination is whole and named by exactly one manifest that is in force; nothing hidden
    lies there.
    """
    manifests = [json.loads(path.read_bytes()) for path in sorted(place.glob("manifest-*.json"))]
    files = {path for path in place.rglob("*") if path.is_file() and not path.name.startswith("manifest-")}
    assert not [path for path in place.rglob(".*") if path.is_file()], "a temporary file was left"
    force = _in_force(manifests)
    named = Counter(_paths(place, each)[number] for each in manifests for number in force[each["flowRunId"]])
    assert named.keys() == files, f"{place}: files without a manifest, or manifests without their files"
    assert set(named.values()) <= {1}, f"{place}: a file is named by two manifests"
    for manifest in manifests:
        rows = [
            row
            for path in (_paths(place, manifest)[number] for number in force[manifest["flowRunId"]])
            for row in _whole(path, manifest)
        ]
        complete = len(force[manifest["flowRunId"]]) == len(manifest["exportResults"])
        assert not complete or len(rows) == manifest["counts"]["exported"], (
            f"{manifest['flowRunId']}: rows are missing or doubled"
        )
        yield Delivery(manifest, rows if complete else None)


def _in_force(manifests: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Which of its files each manifest speaks for: under a constant name the newest run of the activation does, for all
    of them.
    """
    newest: dict[tuple[str, str], str] = {}
    for each in sorted(manifests, key=lambda manifest: manifest["scheduledTime"]):
        for result in each["exportResults"]:
            newest[result["sinkPath"], result["name"]] = each["flowRunId"]
    found = {}
    for each in manifests:
        results = [(result["sinkPath"], result["name"]) for result in each["exportResults"]]
        found[each["flowRunId"]] = [number for number, name in enumerate(results) if newest[name] == each["flowRunId"]]
    return _without_replaced(manifests, found)


def _without_replaced(manifests: list[dict[str, Any]], force: dict[str, list[int]]) -> dict[str, list[int]]:
    """F1: parts that a later export under the same constant name has no successor for were removed by it."""
    for each in manifests:
        names = {(result["sinkPath"], result["name"]) for result in each["exportResults"]}
        for later in manifests:
            same = (later["activation"], later["trigger"] == "on_demand") == (
                each["activation"],
                each["trigger"] == "on_demand",
            )
            meets = names & {(result["sinkPath"], result["name"]) for result in later["exportResults"]}
            if same and meets and later["scheduledTime"] > each["scheduledTime"]:
                force[each["flowRunId"]] = []
    return force


def _paths(place: Path, manifest: dict[str, Any]) -> list[Path]:
    return [place / result["sinkPath"].lstrip("/") / result["name"] for result in manifest["exportResults"]]


def _whole(path: Path, manifest: dict[str, Any]) -> list[Row]:
    """The rows of a file that is what its manifest says."""
    [result] = [
        each
        for each in manifest["exportResults"]
        if path.as_posix().endswith(f"{each['sinkPath'].rstrip('/')}/{each['name']}")
    ]
    content = path.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (result["size"], result["sha256"]), (
        f"{path} is not what was promised"
    )
    rows = rows_of(path)
    assert len(rows) == result["rows"], f"{path}: {len(rows)} rows where {result['rows']} were promised"
    return rows


def rows_of(path: Path) -> list[Row]:
    """The rows of a file, by its name's endings."""
    name, content = path.name, path.read_bytes()
    if name.endswith(".parquet"):
        return list(pq.read_table(io.BytesIO(content)).to_pylist())
    if name.endswith(".gz"):
        name, content = name.removesuffix(".gz"), gzip.decompress(content)
    if name.endswith(".zst"):
        name, content = name.removesuffix(".zst"), pa.input_stream(io.BytesIO(content), compression="zstd").read()
    text = content.decode("utf-8")
    if name.endswith(".json"):
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text, newline="")))


# State


def ledger(state: Path) -> sqlite3.Connection:
    """The ledger, read only."""
    connection = sqlite3.connect(f"{(state / 'ledger.sqlite').absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def evaluated(state: Path) -> list[datetime]:
    """The instants at which audiences were evaluated, each of them all at once."""
    with closing(ledger(state)) as known:
        rows = known.execute("SELECT at, count(*) FROM evaluations GROUP BY at ORDER BY at").fetchall()
    assert len({count for _, count in rows}) <= 1, "an evaluation that was recorded in part"
    return [datetime.fromisoformat(at) for at, _ in rows]


def check_state(state: Path) -> None:
    """Every file of the state is named by the ledger and has the checksum that it says; none is missing, none is left
    over.
    """
    with closing(ledger(state)) as known:
        assert known.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        named = {
            row["file"]: row["sha256"]
            for row in known.execute("SELECT file, sha256 FROM evaluations UNION SELECT file, sha256 FROM baselines")
        }
        for column in ("rejects", "decision"):
            query = f"SELECT {column} FROM runs WHERE {column} IS NOT NULL AND status IN ('succeeded', 'delivering')"
            named |= {
                each["file"]: each["sha256"] for each in (json.loads(content) for (content,) in known.execute(query))
            }
        inputs = [
            json.loads(content)
            for (content,) in known.execute("SELECT content FROM inputs JOIN evaluations ON inputs = digest")
        ]
        numbering = dict(known.execute("SELECT file, sha256 FROM numbering"))
    rosters = {f"rosters/{each['roster']}.parquet": each["roster"] for each in inputs}
    whole = {file: sha256 for file, sha256 in named.items() if "#" not in file} | rosters | numbering
    blocks = {file.partition("#")[0] for file in named} - whole.keys()
    found = {path.relative_to(state).as_posix(): path for path in state.rglob("*") if path.is_file()}
    lying = found.keys() - KEPT
    assert lying <= whole.keys() | blocks, f"left over: {sorted(lying - whole.keys() - blocks)}"
    assert (whole.keys() - rosters.keys()) | blocks <= lying, f"missing: {sorted((whole.keys() | blocks) - lying)}"
    for file in lying - blocks:
        digest = hashlib.sha256(found[file].read_bytes()).hexdigest()
        assert digest == whole[file], f"{file} is not what the ledger says"
    for file, digests in named.items():
        if "#" in file:
            _check_part(state, file, digests)


def _check_part(state: Path, file: str, digests: str) -> None:
    """An audience's part of a block has the digests that the ledger says: of its own bytes, and of the shared ones."""
    path, _, audience = file.partition("#")
    content = (state / path).read_bytes()
    try:
        metadata = pq.ParquetFile(state / path).metadata
    except pa.ArrowInvalid as error:
        raise AssertionError(f"{file} is not what the ledger says") from error
    groups = range(metadata.num_row_groups)
    chunks = [metadata.row_group(group).column(column) for group in groups for column in range(metadata.num_columns)]
    own, shared, last = hashlib.sha256(), hashlib.sha256(), 0
    for chunk in chunks:
        if not chunk.num_values or chunk.path_in_schema == "profile_id":
            continue
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        end = start + chunk.total_compressed_size
        shared.update(content[last:start])
        if chunk.path_in_schema.partition(":")[2] == audience:
            own.update(content[start:end])
        last = end
    shared.update(content[last:])
    assert digests == f"{own.hexdigest()}.{shared.hexdigest()}", f"{file} is not what the ledger says"


def _check_history(state: Path, found: list[Delivery]) -> None:
    """S6: the ledger knows each delivery once, as succeeded, and no other; nothing is under way; a slot is settled
    once.
    """
    with closing(ledger(state)) as known:
        runs = [dict(row) for row in known.execute("SELECT * FROM runs")]
    assert {run["status"] for run in runs} <= {"succeeded", "superseded"}
    done = {run["run_id"] for run in runs if run["status"] == "succeeded"}
    assert done == {each.manifest["flowRunId"] for each in found}, (
        "a run without a manifest, or a manifest without a run"
    )
    slots = Counter(
        (run["destination"], run["activation"], run["scheduled_time"]) for run in runs if run["trigger"] != "on_demand"
    )
    assert set(slots.values()) <= {1}, "a slot was settled twice"
