"""``--json`` of `policies`, and the governance of a run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json

if TYPE_CHECKING:
    from muster.runs import CheckedActivation, CheckedPolicy, Policy, PolicyDetails, Violation


def policy(found: "PolicyDetails") -> Json:
    """The JSON of one policy."""
    each = found.policy
    return _named(each, each.actions) | {
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
        "audience": getattr(activation, "audience", None),  # null of one that sends messages, as in its runs (V11)
        "audiences": list(activation.audience_ids),
        "marketing_actions": list(activation.marketing_actions),
        "labels": [
            {"on": each.what, "labels": list(each.labels), "path": list(each.path_to(activation.key))}
            for each in found.labelled
        ],
        "policies": [_policy(each) for each in found.policies],
        "violations": [_violation(each) for each in found.violations],
        "violated": bool(found.violations),
        "untold_audiences": [
            {"audience": audience, "violations": [_violation(each) for each in why]}
            for audience, why in found.untold.items()
        ],
        "uncounted": found.uncounted or None,
    }


def _named(each: "Policy", actions: Iterable[str]) -> Json:
    """What a policy is and says, with some of its actions."""
    return {
        "id": each.id,
        "name": each.name,
        "kind": each.kind,
        "actions": list(actions),
        "expression": each.expression,
        "consent_from": list(each.consent_from),
    }


def _policy(found: "CheckedPolicy") -> Json:
    return _named(found.policy, found.actions) | {
        "violated": found.violation is not None,
        "mistake": found.mistake or None,
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
