"""``--json`` of `policies`, and the governance of a run."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json

if TYPE_CHECKING:
    from muster.runs import CheckedActivation, CheckedPolicy, PolicyDetails, Violation


def policy(found: "PolicyDetails") -> Json:
    """The JSON of one policy."""
    each = found.policy
    return {
        "id": each.id,
        "name": each.name,
        "kind": each.kind,
        "actions": list(each.actions),
        "expression": each.expression,
        "enabled": found.enabled,
        "core": each.is_core,
        "file": each.location.file or None,
        "line": each.location.line or None,
    }


def details(found: "PolicyDetails") -> Json:
    """The JSON of one policy, with the activations to which it applies."""
    return policy(found) | {"activations": list(found.activations)}


def checked(found: "CheckedActivation") -> Json:
    """The JSON of one activation that was checked."""
    activation = found.activation
    return {
        "destination": activation.destination,
        "activation": activation.id,
        "audience": activation.audience,
        "marketing_actions": list(activation.marketing_actions),
        "labels": [
            {"on": each.what, "labels": list(each.labels), "path": list(each.path_to(activation.key))}
            for each in found.labelled
        ],
        "policies": [_policy(each) for each in found.policies],
        "violations": [_violation(each) for each in found.violations],
        "violated": bool(found.violations),
        "uncounted": found.uncounted or None,
    }


def _policy(found: "CheckedPolicy") -> Json:
    each = found.policy
    return {
        "id": each.id,
        "name": each.name,
        "kind": each.kind,
        "actions": list(found.actions),
        "expression": each.expression,
        "violated": found.violation is not None,
        "left_out": found.left_out,
    }


def _violation(each: "Violation") -> Json:
    return {
        "policy": each.policy and each.policy.id,
        "actions": list(each.actions),
        "labels": list(each.labels),
        "paths": [{"label": label, "path": list(path)} for label, path in each.paths],
        "message": str(each),
    }
