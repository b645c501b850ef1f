"""Activations judged: their labels, the policies that apply, what is violated; and the record of it (G3, G6, G7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from muster.activation.errors import PolicyError, Problem
from muster.activation.governance.applying import consent_policies, deny_policies
from muster.activation.governance.labelled import LabelIndex, Labelled
from muster.activation.governance.violations import Violation, actions_in_common, violations
from muster.activation.model.governance import LabelEntry, Policy
from muster.activation.model.history import Run
from muster.activation.model.messages import MessageActivation
from muster.activation.model.redaction import redact
from muster.activation.model.workspace import AnyActivation, Workspace

Record = dict[str, Any]  # of a judgement, in the ledger: see ``record``


@dataclass(frozen=True)
class Judgement:
    """What governance says of one activation; empty where the workspace has nothing that concerns it."""

    activation: AnyActivation
    labelled: tuple[Labelled, ...] = ()
    deny: tuple[Policy, ...] = ()  # those that apply, by id
    consent: tuple[Policy, ...] = ()
    violations: tuple[Violation, ...] = ()
    told: tuple[str, ...] = ()  # the unmapped audiences that messages may tell, by id (V5)
    untold: Mapping[str, tuple[Violation, ...]] = field(default_factory=dict)  # those left out, with the violations
    is_governed: bool = False  # whether there are labels, policies or marketing actions at all
    # Environment variables of the workspace, whose values are in no record
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All policies that apply, by id."""
        return tuple(sorted((*self.deny, *self.consent), key=lambda policy: policy.id))

    def refuse_violated(self) -> None:
        """``PolicyError`` with every violation, a line each, if there is one (G3)."""
        if self.violations:
            raise PolicyError("\n".join(map(str, self.violations)))


class Judge:
    """Judges the activations of a workspace, each once a command."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._judged: dict[str, Judgement] = {}  # by key

    @cached_property
    def _index(self) -> LabelIndex:
        return LabelIndex(self._workspace)

    @cached_property
    def _has_labels(self) -> bool:
        """Whether any data may have a label: of muster.yml, of a source, or C10 of profiles made by a graph (G2)."""
        return bool(self._workspace.labels) or self._workspace.profiles.from_sources

    def told_audiences(self, activation: MessageActivation) -> tuple[str, ...]:
        """The unmapped audiences that messages of an activation tell, by id: of its merge policy, and allowed (V5)."""
        return self.of(activation).told

    def of(self, activation: AnyActivation) -> Judgement:
        """The judgement of an activation of the workspace."""
        known = self._judged.get(activation.key)
        if known is None or known.activation is not activation:
            known = self._judged[activation.key] = self._judge(activation)
        return known

    def _judge(self, activation: AnyActivation) -> Judgement:
        others = unmapped_audiences(activation, self._workspace)
        if not (self._has_labels or self._workspace.policies or activation.marketing_actions):
            return Judgement(activation, told=others)
        judgement = self._with(activation, self._index.of_activation(activation))
        return self._with_unmapped(judgement, others) if others else judgement

    def _with_unmapped(self, judgement: Judgement, audiences: Sequence[str]) -> Judgement:
        """The judgement with the unmapped audiences that messages may tell, and those that they may not (V5).

        Audiences are taken one after the other, by id: each may go with the labels of all that are told already.
        """
        told, untold, found = list[str](), dict[str, tuple[Violation, ...]](), list(judgement.labelled)
        known = {each.policy and each.policy.id for each in judgement.violations}
        for audience in audiences:
            more = self._index.of_audience(audience)
            violated = violations(judgement.activation, (*found, *more), judgement.deny)
            new = tuple(each for each in violated if (each.policy and each.policy.id) not in known)
            if new:
                untold[audience] = new
            else:
                told.append(audience)
                found += more
        return replace(judgement, told=tuple(told), untold=untold)

    def of_earlier(self, run: Run, written: AnyActivation, before: Mapping[str, Any] | None) -> Judgement:
        """The judgement of an earlier run by today's labels, actions and policies (G3).

        ``written`` has the mapping and the deduplication keys of the run, ``before`` is the run's own record. The
        audiences are read as they are today. Of an audience that is gone, the labels that were recorded count. The
        marketing actions are those of the destination today, or, if it is gone, those that were recorded.
        """
        workspace, recorded = self._workspace, before or {}
        today = workspace.marketing_actions_of(run.destination)
        actions = tuple(recorded.get("marketing_actions", ())) if today is None else today
        activation = replace(written, marketing_actions=actions)
        if not (self._has_labels or workspace.policies or actions or recorded):
            return Judgement(activation)
        found = list(self._index.of_mapping(activation))
        told = [run.audience] if run.audiences is None else [each.id for each in run.audiences]
        for audience in told:
            is_known = audience in workspace.audiences
            found += self._index.of_audience(audience) if is_known else _recorded(recorded, audience)
        return self._with(activation, found)

    def _with(self, activation: AnyActivation, found: Sequence[Labelled]) -> Judgement:
        deny = deny_policies(activation, self._workspace)
        consent = consent_policies(activation, self._workspace)
        return Judgement(
            activation,
            tuple(found),
            deny,
            consent,
            violations(activation, found, deny),
            is_governed=True,
            variables=self._workspace.variables,
        )


def unmapped_audiences(activation: AnyActivation, workspace: Workspace) -> tuple[str, ...]:
    """The audiences that messages may tell beside the mapped ones, by id: those of the same merge policy (V5)."""
    if not isinstance(activation, MessageActivation) or activation.payload != "profile":
        return ()
    if not activation.unmapped_audiences:
        return ()
    policy, mapped = workspace.merge_policy_of(activation), {*activation.audience_ids}
    return tuple(
        sorted(
            each.id for each in workspace.audiences.values() if each.merge_policy == policy and each.id not in mapped
        )
    )


def problems(judgement: Judgement) -> list[Problem]:
    """The violations as mistakes in the YAML: each with the file and the line of the policy, or of the label C12."""
    return [each.location.problem(str(each)) for each in judgement.violations]


def record(judgement: Judgement) -> Record | None:
    """What a run records: labels, actions, policies and violations (G7); None where nothing governs the activation."""
    if not judgement.is_governed:
        return None
    key, variables = judgement.activation.key, judgement.variables
    untold = {"untold_audiences": sorted(judgement.untold)} if judgement.untold else {}
    return {
        "marketing_actions": list(judgement.activation.marketing_actions),
        "labels": [
            {
                "on": redact(each.what, variables),
                "labels": list(each.labels),
                "path": [redact(step, variables) for step in each.path_to(key)],
            }
            for each in judgement.labelled
        ],
        "policies": [described(each, judgement.activation) for each in judgement.policies],
        "violations": [
            {
                "policy": each.policy and each.policy.id,
                "actions": list(each.actions),
                "labels": list(each.labels),
                "message": redact(str(each), variables),
            }
            for each in judgement.violations
        ],
        **untold,
    }


def described(policy: Policy, activation: AnyActivation) -> Record:
    """A policy that applies to an activation: id, name, actions in common, kind, expression, sources if it has some."""
    sources = {"consent_from": list(policy.consent_from)} if policy.consent_from else {}
    return {
        "id": policy.id,
        "name": policy.name,
        "actions": list(actions_in_common(policy, activation)),
        "kind": policy.kind,
        "expression": policy.expression,
        **sources,
    }


def applied(judgement: Judgement, excluded_by: Mapping[str, int]) -> list[Record] | None:
    """The policies that a manifest names; each consent policy with the profiles that it left out (G6).

    None where nothing governs the activation: manifests then have no such key.
    """
    if not judgement.is_governed:
        return None
    found = []
    for policy in judgement.policies:
        told = described(policy, judgement.activation)
        told = {name: value for name, value in told.items() if name not in {"expression", "consent_from"}}
        found.append(told | ({"excluded": excluded_by.get(f"consent:{policy.id}", 0)} if policy.consent else {}))
    return found


def _recorded(before: Mapping[str, Any], audience: str) -> list[Labelled]:
    """The labelled things that an earlier run read through its audience, by the run's record."""
    step = f'audience "{audience}"'
    return [
        Labelled(each["on"], tuple(each["labels"]), tuple(each["path"][1:-1]), LabelEntry(each["on"], ()))
        for each in before.get("labels", ())
        if step in each["path"]
    ]
