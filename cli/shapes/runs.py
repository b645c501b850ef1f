"""What ``--json`` prints: plain dicts with stable keys, documented in ``docs/json.md`` (SPEC 9). Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Baseline, Run
from muster.activation.model.workspace import Activation, Audience

if TYPE_CHECKING:
    from muster.activation.evaluation.evaluate import Evaluation

Json = dict[str, Any]
_RUN_KEYS = (
    *("run_id", "destination", "activation", "audience", "trigger", "export", "first_export", "status", "attempts"),
    *(
        "scheduled_time",
        "started_at",
        "finished_at",
        "evaluated_at",
        "baseline_evaluated_at",
        "received",
        "exported",
        "excluded",
    ),
    *("excluded_by", "realized", "exited", "identity_changed", "superseded_count"),
)


def time(moment: datetime | None) -> str | None:
    """``2026-11-21T17:00:00Z`` or null."""
    return iso(moment) if moment else None


def run(each: Run) -> Json:
    """One run of history."""
    values = {key: getattr(each, key) for key in _RUN_KEYS}
    plain = {key: time(value) if isinstance(value, datetime) else value for key, value in values.items()}
    return plain | {"files": [file_shape(each, i) for i in range(len(each.files))], "error": each.error}


def file_shape(each: Run, index: int) -> Json:
    """One delivered file; its path is relative to the workspace, or absolute, or a URL."""
    file = each.files[index]
    return {"path": f"{each.url}/{file.path}", "rows": file.rows, "size": file.size, "sha256": file.sha256}


def step(action: str, each: Run | None, evaluation: "Evaluation | None") -> Json:
    """One step of a plan: the keys of a run where known, and the action."""
    if evaluation is not None:
        blank: Json = dict.fromkeys(_RUN_KEYS) | {"files": [], "error": None}
        found = [audience_sizes(each) for each in evaluation.evaluated]
        at = iso(evaluation.at)
        return {"action": action} | blank | {"scheduled_time": at, "evaluated_at": at, "audiences": found}
    if each is None:
        raise ValueError("a step is a run or an evaluation")
    planned: Json = {"status": None, "attempts": None, "files": []} if action == "export" else {}
    return {"action": action} | run(each) | planned


def audience_sizes(each: AudienceEvaluation) -> Json:
    """One audience of an evaluation."""
    return {"id": each.audience, "realized": each.realized, "entered": each.entered, "exited": each.exited}


def audience(each: Audience, newest: AudienceEvaluation | None) -> Json:
    """One line of ``audiences list``."""
    return {
        "id": each.id,
        "name": each.name,
        "evaluated_at": time(newest.at) if newest else None,
        "realized": newest.realized if newest else None,
        "entered": newest.entered if newest else None,
        "exited": newest.exited if newest else None,
    }


def audience_details(each: Audience, history: Iterable[AudienceEvaluation], activations: Iterable[Activation]) -> Json:
    """``audiences show``."""
    evaluations = list(history)
    measures = {
        measure.name: {
            "measure": measure.function if measure.column is None else f"{measure.function}({measure.column})",
            "where": measure.where,
            "within_seconds": None if measure.within is None else int(measure.within.total_seconds()),
        }
        for measure in each.measures
    }
    return audience(each, evaluations[0] if evaluations else None) | {
        "where": each.where,
        "events": measures,
        "source": "memberships" if each.from_feed else None,
        "activations": [activation.key for activation in activations],
        "history": [
            {"evaluated_at": time(one.at), "realized": one.realized, "entered": one.entered, "exited": one.exited}
            for one in evaluations
        ],
    }


def evaluations(records: Iterable[AudienceEvaluation], used: set[datetime]) -> list[Json]:
    """``evaluations list``: one object an instant, newest first."""
    by_time: dict[datetime, list[AudienceEvaluation]] = {}
    for record in records:
        by_time.setdefault(record.at, []).append(record)
    return [
        {
            "evaluated_at": iso(at),
            "snapshot": group[0].inputs["snapshot"]["name"],
            "used": at in used,
            "audiences": [audience_sizes(record) for record in group],
        }
        for at, group in by_time.items()
    ]


def baseline(each: Baseline) -> Json:
    """``baseline show``."""
    return {
        "destination": each.destination,
        "activation": each.activation,
        "profiles": each.profiles,
        "evaluated_at": time(each.evaluated_at),
        "delivered_at": time(each.delivered_at),
    }


def schedule(each: Activation, words: str, following: datetime | None) -> Json:
    """``schedule list``."""
    return {
        "destination": each.destination,
        "activation": each.id,
        "audience": each.audience,
        "export": each.export,
        "schedule": words,
        "next": time(following),
    }


def fire(each: Activation, moment: datetime) -> Json:
    """``schedule next``."""
    return {"destination": each.destination, "activation": each.id, "time": iso(moment)}
