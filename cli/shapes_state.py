"""What ``--json`` of the commands that look after the state prints, documented in ``docs/json.md`` (SPEC 9). Pure."""

from datetime import datetime
from typing import TYPE_CHECKING

from activation.instants import iso
from cli.shapes import Json

if TYPE_CHECKING:
    from activation.retention import Pruned


def pruned(each: "Pruned", at: datetime, *, dry_run: bool) -> Json:
    """``prune``."""
    folders = [{"folder": name, "files": number, "bytes": size} for name, (number, size) in sorted(each.files.items())]
    return {
        "at": iso(at),
        "dry_run": dry_run,
        "evaluations": {"removed": each.evaluations, "kept": each.evaluations_kept},
        "runs": {"removed": each.runs, "kept": each.runs_kept},
        "folders": folders,
        "files": sum(one["files"] for one in folders),
        "bytes": sum(one["bytes"] for one in folders),
        "ledger_bytes": each.ledger_bytes,
    }
