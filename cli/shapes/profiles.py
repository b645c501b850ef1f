"""``--json`` of `profiles`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json
from muster.runs import iso

if TYPE_CHECKING:
    from muster.runs import ForgottenPeople


def forgotten(each: "ForgottenPeople") -> Json:
    """The JSON of ``profiles forget``."""
    return {
        "profiles": each.profiles,
        "likewise": each.likewise,
        "identities": each.identities,
        "already": each.already,
        "memberships": each.memberships,
        "receivers": [{"activation": one.activation, "url": one.url, "told_by": one.how} for one in each.receivers],
        "runs": [
            {
                "run_id": one.run.run_id,
                "activation": one.run.key,
                "scheduled_time": iso(one.run.scheduled_time),
                "url": one.run.url,
                "files": list(one.paths),
                "rows": one.rows,
            }
            for one in each.runs
        ],
        "unknown_runs": each.unknown_runs,
        "aside": list(each.aside),
    }
