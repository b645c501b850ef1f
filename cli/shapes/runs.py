"""``--json`` of `runs` and `plan`."""

from datetime import datetime
from typing import TYPE_CHECKING

from muster.cli.shapes.audiences import audience_sizes
from muster.cli.shapes.plain import Json, time
from muster.runs import Run, iso

if TYPE_CHECKING:
    from muster.runs import Reject, Retried, Step

MESSAGE_KEYS = ("audiences", "messages", "requests", "by_trigger", "resent")  # null of runs that export files
_RUN_KEYS = (
    *("run_id", "destination", "activation", "audience", "trigger", "export", "first_export", "status", "attempts"),
    *("scheduled_time", "started_at", "finished_at", "evaluated_at", "baseline_evaluated_at"),
    *("received", "exported", "excluded", "excluded_by", "realized", "exited", "identity_changed", "superseded_count"),
    *("merged", "split", "guards_overridden", "rewound"),
    *("messages", "requests", "by_trigger", "resent"),
    "ages",
)


def run(each: Run) -> Json:
    """The JSON of one run of history."""
    values = {key: getattr(each, key) for key in _RUN_KEYS}
    plain = {key: time(value) if isinstance(value, datetime) else value for key, value in values.items()}
    plain |= {"audience": each.audience or None, "audiences": _audiences(each)}
    return plain | {"files": [file_shape(each, i) for i in range(len(each.files))], "error": each.error}


def _audiences(each: Run) -> list[str] | None:
    """The mapped audiences of a run that sends messages, by id; null of one that exports files (V11)."""
    return None if each.audiences is None else [audience.id for audience in each.audiences]


def told(each: Run) -> list[Json] | None:
    """The mapped audiences of a run that sends messages, with the evaluations whose members it had."""
    if each.audiences is None:
        return None
    return [{"audience": one.id, "alias": one.alias, "evaluated_at": time(one.evaluated_at)} for one in each.audiences]


def file_shape(each: Run, index: int) -> Json:
    """The JSON of one delivered file; its path is relative to the workspace, or absolute, or a URL."""
    file = each.files[index]
    return {"path": f"{each.url}/{file.path}", "rows": file.rows, "size": file.size, "sha256": file.sha256}


def reject(each: "Reject") -> Json:
    """The JSON of one profile that a run left out."""
    tries = {} if each.tries is None else {"tries": each.tries}
    return {"profile_id": each.profile_id, "reason": each.reason, **tries}


def retried(each: "Retried") -> Json:
    """The JSON of ``runs retry``."""
    destination, _, activation = each.activation.partition("/")
    return {"destination": destination, "activation": activation, "run_id": each.run.run_id, "profiles": each.profiles}


def step(each: "Step") -> Json:
    """The JSON of one step of a plan: the keys of a run where known, and the action."""
    if each.evaluation is not None:
        blank: Json = dict.fromkeys(_RUN_KEYS) | {"files": [], "error": None, "bytes": None}
        found = [audience_sizes(one) for one in each.evaluation.evaluated]
        at, ages = iso(each.evaluation.at), dict(kind for one in each.evaluation.evaluated for kind in one.ages.items())
        failed = [f"audience {name!r}: {error}" for name, error in each.evaluation.failures.items()]
        known = {"scheduled_time": at, "evaluated_at": at, "ages": ages, "audiences": found}
        return {"action": each.action} | blank | {"error": "; ".join(failed) or None} | known
    if each.outcome is None:
        raise ValueError("a step is a run or an evaluation")
    planned: Json = {"status": None, "attempts": None, "files": []} if each.action == "export" else {}
    planned["bytes"] = each.outcome.bytes
    return {"action": each.action} | run(each.outcome.run) | planned
