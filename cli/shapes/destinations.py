"""``--json`` of `destinations`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json

if TYPE_CHECKING:
    from muster.runs import CheckedDestination, DestinationSummary


def destination(each: "DestinationSummary") -> Json:
    """The JSON of one line of ``destinations list``."""
    return {"id": each.id, "name": each.name, "kind": each.kind, "url": each.url, "activations": each.activations}


def checked(each: "CheckedDestination") -> Json:
    """The JSON of one destination of ``destinations check``."""
    steps = [
        {"step": step.name, "ok": step.error is None, "error": step.error, "found": step.found} for step in each.steps
    ]
    return {"id": each.id, "url": each.url, "result": "ok" if each.is_usable else "failed", "steps": steps}
