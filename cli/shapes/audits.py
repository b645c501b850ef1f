"""``--json`` of `verify` and `reconcile`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, time

if TYPE_CHECKING:
    from muster.runs import Checked, CheckedRun, Reconciled


def verified(each: "CheckedRun") -> Json:
    """The JSON of one run of ``verify``."""
    return {
        "run_id": each.run.run_id,
        "destination": each.run.destination,
        "activation": each.run.activation,
        "trigger": each.run.trigger,
        "status": each.run.status,
        "scheduled_time": time(each.run.scheduled_time),
        "result": each.result,
        "files": [_file(part) for part in each.files],
        "manifest": _file(each.manifest) if each.manifest else None,
        "messages": _file(each.messages) if each.messages else None,
    }


def _file(part: "Checked") -> Json:
    return {
        "path": part.location,
        "result": part.result,
        "differences": [{"what": one.what, "message": one.message} for one in part.differences],
        "replaced_by": part.replaced_by,
        "note": part.note,
    }


def reconciled(found: "Reconciled", limit: int) -> Json:
    """The JSON of ``reconcile``, with at most ``limit`` people who differ."""
    destination, _, activation = found.activation.partition("/")
    return {
        "destination": destination,
        "activation": activation,
        "known_by": found.by.words,
        "first_run": found.runs[0].run_id,
        "last_run": found.runs[-1].run_id,
        "runs": len(found.runs),
        "receiver": found.receiver,
        "delivered": found.delivered,
        "missing": found.missing,
        "extra": found.extra,
        "untold": found.untold,
        "desired": found.desired,
        "to_come": found.to_come,
        "to_go": found.to_go,
        "altered": list(found.altered),
        "notes": list(found.notes),
        "differing": found.differing.head(limit).to_dicts(),
    }
