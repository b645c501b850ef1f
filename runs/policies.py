"""Policies: which there are, and what each says of the activations (G3, G4, G6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from muster.activation.errors import DataError, ExportError, RefusedError, did_you_mean
from muster.activation.model.governance import Policy
from muster.activation.model.redaction import redact, redact_error
from muster.activation.model.workspace import AnyActivation, Workspace
from muster.activation.rules.labels import CORE_POLICIES
from muster.activation.wording import several
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import read

if TYPE_CHECKING:
    from muster.activation.governance.judged import Judgement
    from muster.activation.governance.labelled import Labelled
    from muster.activation.governance.violations import Violation
    from muster.activation.session import Session


@dataclass(frozen=True)
class PolicyDetails:
    """A policy, whether it is in use, and the activations to which it applies."""

    policy: Policy
    enabled: bool  # of a core policy: whether ``core_policies`` of muster.yml names it
    activations: tuple[str, ...]  # ``destination/activation``, in the order of the config; none of a disabled one


@dataclass(frozen=True)
class CheckedPolicy:
    """A policy that applies to an activation, and what it says of it."""

    policy: Policy
    actions: tuple[str, ...]  # those of the policy that the destination has
    violation: "Violation | None"  # of a policy that denies
    left_out: int | None = None  # members whom a consent policy leaves out; None of others, and where not counted
    mistake: str = ""  # why a consent policy cannot be judged on the newest snapshot: its exports would fail


@dataclass(frozen=True)
class CheckedActivation:
    """An activation, the labels of all that it reads, the policies that apply, and what is violated."""

    activation: AnyActivation
    labelled: "tuple[Labelled, ...]"
    policies: tuple[CheckedPolicy, ...]  # by id
    violations: "tuple[Violation, ...]"  # those of policies, and first that of the label C12, which needs no policy
    untold: "Mapping[str, tuple[Violation, ...]]"  # the unmapped audiences that messages leave out, and why (V5)
    uncounted: str = ""  # why the members whom consent policies leave out could not be counted

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the activation, sorted."""
        return tuple(sorted({label for each in self.labelled for label in each.labels}))

    @property
    def is_unjudged(self) -> bool:
        """Whether one of the consent policies cannot be judged, so that an export would fail (G4)."""
        return any(each.mistake for each in self.policies)


def list_policies(workspace: OpenWorkspace) -> tuple[PolicyDetails, ...]:
    """Every policy by id: those in files, then the core policies, also those that are not in use."""
    config = workspace.config
    known = CORE_POLICIES | dict(config.policies)
    return tuple(_details(each, config) for each in sorted(known.values(), key=lambda each: (each.is_core, each.id)))


def show_policy(workspace: OpenWorkspace, policy: str) -> PolicyDetails:
    """One policy; ``RefusedError`` for an unknown id."""
    known = CORE_POLICIES | dict(workspace.config.policies)
    if policy not in known:
        raise RefusedError(f"there is no policy {policy!r}{_hint(policy, known)}")
    return _details(known[policy], workspace.config)


def _hint(name: str, known: Mapping[str, Policy]) -> str:
    """The id of the policy in the file that has this name, or near ids, or all that the workspace adds."""
    of_file = [each for each in known.values() if name in _names_of_file(each)]
    if of_file:
        return "".join(f"; the policy in {each.location.file} has the id {each.id!r}" for each in of_file)
    own = [repr(each.id) for each in known.values() if not each.is_core]
    listed_own = f"; policies/ has {several(own, 8)}" if own else ""
    return did_you_mean(name, known) or f"{listed_own}; `muster policies list` shows all"


def _names_of_file(policy: Policy) -> tuple[str, ...]:
    """How somebody may call the file of a policy: its path, its name, its stem; none of a core one."""
    path = PurePosixPath(policy.location.file)
    return () if policy.is_core else (str(path), path.name, path.stem)


def _details(policy: Policy, config: Workspace) -> PolicyDetails:
    is_enabled = policy.enabled and policy.id in config.policies
    applies = (
        each.key for each in config.all_activations if each.enabled and policy.applies_to(each.marketing_actions)
    )
    return PolicyDetails(policy, is_enabled, tuple(applies) if is_enabled else ())


def check_policies(
    workspace: OpenWorkspace, activation: str | None = None, *, now: datetime
) -> tuple[CheckedActivation, ...]:
    """What the policies say of one activation, or of all that are enabled, in the order of the config (G3, G6).

    Violations follow from the YAML alone. Where a consent policy applies, the members are counted whom it leaves out on
    the newest snapshot at ``now``; one that cannot be judged there says so. Raises
    ``RefusedError`` for an unknown activation.
    """
    from muster.activation.governance.judged import Judge

    judge = Judge(workspace.config)
    judgements = [judge.of(each) for each in _chosen(workspace.config, activation)]
    if not any(each.consent for each in judgements):
        return tuple(_checked(each) for each in judgements)
    return read(workspace, now, lambda session: tuple(_counted(each, session) for each in judgements))


def _counted(judgement: "Judgement", session: "Session") -> CheckedActivation:
    """What the policies say of an activation, with the members whom its consent policies leave out."""
    from muster.activation.export.left_out import left_out

    session = session.of_audience(judgement.activation.audience_ids[0])
    mistakes = _mistakes(judgement, session)
    checked = _checked(judgement)
    policies = tuple(replace(each, mistake=mistakes.get(each.policy.id, "")) for each in checked.policies)
    found = replace(checked, policies=policies)
    try:
        number = left_out(judgement.activation, session)
    except (ExportError, DataError) as error:
        redact_error(error, session.workspace.variables)
        return replace(found, uncounted=str(error))
    return replace(found, policies=tuple(replace(each, left_out=number.get(each.policy.id)) for each in policies))


def _mistakes(judgement: "Judgement", session: "Session") -> dict[str, str]:
    """Why consent policies of an activation cannot be judged, by id: all of them where the snapshot cannot be read."""
    from muster.activation.inputs.parquet import blamed

    try:
        with blamed(session.opened.opened_parts):
            found = session.consent.mistakes_of(judgement.activation)
    except (ExportError, DataError) as error:
        found = dict.fromkeys((each.id for each in judgement.consent), str(error))
    return {name: redact(reason, session.workspace.variables) for name, reason in found.items()}


def _chosen(config: Workspace, key: str | None) -> Iterable[AnyActivation]:
    if key is None:
        return (each for each in config.all_activations if each.enabled)
    found = config.activation(key) or config.message_activation(key)
    if found is None:
        known = [each.key for each in config.all_activations]
        raise RefusedError(f"there is no activation {key!r}{did_you_mean(key, known)}")
    return (found,)


def _checked(judgement: "Judgement") -> CheckedActivation:
    from muster.activation.governance.violations import actions_in_common

    violated = {each.policy.id: each for each in judgement.violations if each.policy}
    policies = (
        CheckedPolicy(each, actions_in_common(each, judgement.activation), violated.get(each.id))
        for each in judgement.policies
    )
    return CheckedActivation(
        judgement.activation, judgement.labelled, tuple(policies), judgement.violations, judgement.untold
    )
