"""``--json`` of `status`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, audiences_of, time
from muster.cli.shapes.runs import run

if TYPE_CHECKING:
    from muster.runs import ActivationStatus, Workspace, WorkspaceStatus


def status(found: "WorkspaceStatus", config: "Workspace") -> Json:
    """The JSON of ``status``."""
    evaluation = found.evaluation
    return {
        "workspace": config.name,
        "at": time(found.at),
        "sound": found.is_sound,
        "state_ahead": found.is_ahead,
        "evaluation": {
            "evaluated_at": time(evaluation.at),
            "snapshot": evaluation.snapshot,
            "audiences": evaluation.audiences,
            "due": time(evaluation.due),
            "next": time(evaluation.next),
            "inputs": [
                {
                    "input": each.kind,
                    "age": int(each.age.total_seconds()),
                    "max_age": None if each.max_age is None else int(each.max_age.total_seconds()),
                    "stale": each.is_stale,
                }
                for each in evaluation.inputs
            ],
        },
        "failed_audiences": [
            {
                "audience": each.audience,
                "failing_since": time(each.first_at),
                "failed_at": time(each.last_at),
                "error": each.error,
            }
            for each in found.failed_audiences
        ],
        "activations": [_activation(each) for each in found.activations],
    }


def _activation(each: "ActivationStatus") -> Json:
    return {
        "destination": each.activation.destination,
        "activation": each.activation.id,
        **audiences_of(each.activation),
        "state": each.state,
        "due": time(each.due),
        "failing_since": time(each.failing_since),
        "error": each.error,
        "next": time(each.next),
        "looked_at": time(each.looked_at),
        "last_run": run(each.last) if each.last else None,
    }
