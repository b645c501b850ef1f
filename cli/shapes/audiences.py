"""``--json`` of `audiences`, `evaluations` and `baseline`."""

from pathlib import Path
from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, time
from muster.runs import iso

if TYPE_CHECKING:
    from muster.runs import (
        Audience,
        AudienceDetails,
        AudienceEvaluation,
        AudienceMembers,
        Baseline,
        DeliveredRows,
        EvaluationSummary,
        FailedAudience,
    )


def audience_sizes(each: "AudienceEvaluation") -> Json:
    """The JSON of one audience of an evaluation."""
    return {"id": each.audience, "realized": each.realized, "entered": each.entered, "exited": each.exited}


def audience(each: "Audience", newest: "AudienceEvaluation | None", failed: "FailedAudience | None") -> Json:
    """The JSON of one line of ``audiences list``; ``failed_at`` and ``error`` are of a failed audience (E9)."""
    return {
        "id": each.id,
        "name": each.name,
        "evaluated_at": time(newest.at) if newest else None,
        "realized": newest.realized if newest else None,
        "entered": newest.entered if newest else None,
        "exited": newest.exited if newest else None,
        "failed_at": time(failed.first_at) if failed else None,
        "error": failed.error if failed else None,
    }


def audience_details(each: "AudienceDetails") -> Json:
    """The JSON of ``audiences show``."""
    found = each.audience
    measures = {
        measure.name: {
            "measure": measure.function if measure.column is None else f"{measure.function}({measure.column})",
            "where": measure.where,
            "within_seconds": None if measure.within is None else int(measure.within.total_seconds()),
        }
        for measure in found.measures
    }
    return audience(found, each.evaluations[0] if each.evaluations else None, each.failed) | {
        "where": found.where,
        "events": measures,
        "source": "memberships" if found.from_feed else None,
        "activations": [activation.key for activation in each.activations],
        "history": [
            {"evaluated_at": time(one.at), "realized": one.realized, "entered": one.entered, "exited": one.exited}
            for one in each.evaluations
        ],
    }


def evaluation(each: "EvaluationSummary") -> Json:
    """The JSON of one instant of ``evaluations list``."""
    return {
        "evaluated_at": iso(each.at),
        "snapshot": each.snapshot,
        "ages": each.ages,
        "used": each.used,
        "audiences": [audience_sizes(one) for one in each.audiences],
    }


def baseline(each: "Baseline | DeliveredRows") -> Json:
    """The JSON of ``baseline show``."""
    return {
        "destination": each.destination,
        "activation": each.activation,
        "profiles": each.profiles,
        "evaluated_at": time(each.evaluated_at),
        "delivered_at": time(each.delivered_at),
    }


def members(found: "AudienceMembers", out: Path | None) -> Json:
    """The JSON of ``audiences members``."""
    memberships = [
        {
            "profile_id": each.profile_id,
            "status": each.status,
            "last_qualification_time": iso(each.last_qualification_time),
        }
        for each in found.memberships
    ]
    return {
        "id": found.evaluation.audience,
        "evaluated_at": iso(found.evaluation.at),
        "realized": found.evaluation.realized,
        "exited": found.exited,
        "failed_at": time(found.failed.first_at) if found.failed else None,
        "error": found.failed.error if found.failed else None,
        "file": str(out) if out else None,
        "memberships": None if out else memberships,
    }
