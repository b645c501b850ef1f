"""Violations: what a policy, or the label C12, forbids an activation (G3)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from muster.activation.governance.labelled import Labelled
from muster.activation.model.governance import Policy
from muster.activation.model.locations import SourceLocation
from muster.activation.model.workspace import AnyActivation
from muster.activation.rules.labels import NEVER_EXPORTED, parse
from muster.activation.wording import listed


@dataclass(frozen=True)
class Violation:
    """One policy that forbids an activation what it reads; ``policy`` is None of the label C12, which needs none."""

    activation: str  # its key
    policy: Policy | None
    actions: tuple[str, ...]  # those of the policy that the destination has, sorted; none without a policy
    labels: tuple[str, ...]  # those that make ``deny`` true, sorted
    found: tuple[Labelled, ...]  # where these labels come from
    location: SourceLocation  # of ``deny``, of the line in ``core_policies``, or of the label C12
    held: tuple[str, ...] | None = None  # all labels of the activation, sorted, where ``deny`` is true as one is absent

    def __str__(self) -> str:
        """One line: the policy, the actions, the labels, and a path for each label."""
        if self.policy is None:
            return f"{NEVER_EXPORTED} is never exported: {self._paths}"
        who = f"policy {self.policy.id!r} denies {listed(self.actions)}"
        if self.held is None:
            return f"{who} for {listed(self.labels)}: {self._paths}"
        its = f"its labels, {listed(self.held)}" if self.held else "what has no label"
        paths = f": {self._paths}" if self.labels else ""
        return f"{who} of {self.activation}, as {self.policy.deny} is true of {its}{paths}"

    @property
    def paths(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each label with each path from the labelled thing over audiences to the activation."""
        pairs = ((label, each) for label in self.labels for each in self.found if label in each.labels)
        return tuple((label, each.path_to(self.activation)) for label, each in pairs)

    @property
    def _paths(self) -> str:
        """The shortest path of each label, and how many more the label has."""
        by_label: dict[str, list[tuple[str, ...]]] = {}
        for label, path in self.paths:
            by_label.setdefault(label, []).append(path)
        alone = len(by_label) == 1
        return "; ".join(_shown("" if alone else label, paths) for label, paths in by_label.items())


def violations(
    activation: AnyActivation, found: Iterable[Labelled], policies: Iterable[Policy]
) -> tuple[Violation, ...]:
    """What an activation with these labelled things violates: C12 first, then ``policies``, in their order (G3)."""
    known = tuple(found)
    return (*_never_exported(activation, known), *_denied(activation, known, policies))


def actions_in_common(policy: Policy, activation: AnyActivation) -> tuple[str, ...]:
    """The marketing actions of a policy that the destination of an activation has, sorted."""
    return tuple(sorted({*policy.actions} & {*activation.marketing_actions}))


def labels_of(found: Iterable[Labelled]) -> frozenset[str]:
    """The labels of some labelled things."""
    return frozenset(label for each in found for label in each.labels)


def _never_exported(activation: AnyActivation, found: Sequence[Labelled]) -> Iterator[Violation]:
    forbidden = tuple(each for each in found if NEVER_EXPORTED in each.labels)
    if forbidden:
        yield Violation(activation.key, None, (), (NEVER_EXPORTED,), forbidden, forbidden[0].entry.location)


def _denied(activation: AnyActivation, found: Sequence[Labelled], policies: Iterable[Policy]) -> Iterator[Violation]:
    present = labels_of(found)
    for policy in policies:
        deny = parse(policy.deny or "")
        if not deny.is_true(present):
            continue
        labels = tuple(sorted(deny.causes(present)))
        sources = tuple(each for each in found if not {*labels}.isdisjoint(each.labels))
        actions = actions_in_common(policy, activation)
        held = None if labels and deny.is_true(present | deny.labels) else tuple(sorted(present))
        yield Violation(activation.key, policy, actions, labels, sources, policy.location, held)


def _shown(label: str, paths: Sequence[tuple[str, ...]]) -> str:
    """The shortest of some paths as text: ``health.score (RHD) -> audience "seniors" -> ads/seniors``."""
    first, *rest = min(paths, key=len)
    of_label = f" ({label})" if label else ""
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    return f"{' -> '.join((f'{first}{of_label}', *rest))}{more}"
