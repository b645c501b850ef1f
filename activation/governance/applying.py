"""The policies that apply to an activation (G3, G4)."""

from muster.activation.model.governance import Policy
from muster.activation.model.workspace import AnyActivation, Workspace


def deny_policies(activation: AnyActivation, workspace: Workspace) -> tuple[Policy, ...]:
    """The policies in use that may deny an activation something, by id (G3)."""
    return tuple(each for each in _applying(activation, workspace) if each.deny is not None)


def consent_policies(activation: AnyActivation, workspace: Workspace) -> tuple[Policy, ...]:
    """The policies in use that leave people out of an activation, by id (G4)."""
    return tuple(each for each in _applying(activation, workspace) if each.consent is not None)


def consent_policies_for(marketing_actions: tuple[str, ...], workspace: Workspace) -> tuple[Policy, ...]:
    """The consent policies in use for whatever goes to a destination with these actions, by id (G4)."""
    return tuple(each for each in _in_use_for(marketing_actions, workspace) if each.consent is not None)


def _applying(activation: AnyActivation, workspace: Workspace) -> list[Policy]:
    """The policies in use with one of the destination's marketing actions, by id."""
    return _in_use_for(activation.marketing_actions, workspace)


def _in_use_for(marketing_actions: tuple[str, ...], workspace: Workspace) -> list[Policy]:
    by_id = sorted(workspace.policies.values(), key=lambda policy: policy.id)
    return [each for each in by_id if each.applies_to(marketing_actions)]
