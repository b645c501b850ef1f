"""``--json`` of `prune` and `state`."""

from datetime import datetime
from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json
from muster.runs import iso

if TYPE_CHECKING:
    from muster.runs import Backup, Fault, Health, Pruned, Repaired, Restored, Rewound


def pruned(each: "Pruned", at: datetime, *, dry_run: bool) -> Json:
    """The JSON of ``prune``."""
    folders = [{"folder": name, "files": number, "bytes": size} for name, (number, size) in sorted(each.files.items())]
    return {
        "at": iso(at),
        "dry_run": dry_run,
        "evaluations": {"removed": each.evaluations, "kept": each.evaluations_kept},
        "runs": {"removed": each.runs, "kept": each.runs_kept},
        "builds": {"removed": each.builds, "kept": each.builds_kept},
        "folders": folders,
        "files": sum(one["files"] for one in folders),
        "bytes": sum(one["bytes"] for one in folders),
        "ledger_bytes": each.ledger_bytes,
    }


def fault(each: "Fault") -> Json:
    """The JSON of one fault of ``state check``."""
    repairs = [{"option": one.option or None, "cost": one.cost} for one in each.repairs]
    return {
        "file": each.file,
        "problem": each.problem,
        "damage": each.damage,
        "affects": list(each.affects),
        "repairs": repairs,
    }


def health(each: "Health") -> Json:
    """The JSON of ``state check``."""
    return {
        "state": each.folder,
        "damaged": each.damaged,
        "files": each.files,
        "bytes": each.bytes,
        "at_work": each.at_work,
        "faults": [fault(one) for one in each.faults],
    }


def backup(each: "Backup") -> Json:
    """The JSON of ``state backup``."""
    return {"backup": each.path, "made_at": iso(each.made_at), "files": each.files, "bytes": each.bytes}


def restored(each: "Restored") -> Json:
    """The JSON of ``state restore``."""
    again = (
        None
        if each.runs_since_backup is None
        else [
            {"run_id": run.run_id, "activation": run.key, "slot": iso(run.scheduled_time)}
            for run in each.runs_since_backup
        ]
    )
    return {
        "made_at": iso(each.made_at),
        "files": each.files,
        "aside": each.aside or None,
        "settled": [{"activation": key, "slot": iso(slot)} for key, slot in each.settled.items()],
        "again": again,
    }


def rewound(each: "Rewound") -> Json:
    """The JSON of ``state rewind``."""
    return {
        "to": iso(each.to),
        "evaluations": each.evaluations,
        "evaluations_removed": each.evaluations_removed,
        "memberships": each.memberships,
        "delivered_sets": each.delivered_sets,
        "delivered_profiles": each.delivered_profiles,
        "activations": each.activations,
        "failures": each.failures,
        "runs": each.runs,
        "builds": each.builds,
    }


def repaired(each: "Repaired") -> Json:
    """The JSON of ``state repair``."""
    return {"done": list(each.done), "aside": each.aside, "left": health(each.remaining)}
