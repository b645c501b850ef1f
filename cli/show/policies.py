"""Text output of `policies`, and of the governance of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from muster.cli.show import terminal
from muster.runs import counted, first_names

if TYPE_CHECKING:
    from muster.runs import CheckedActivation, CheckedPolicy, Policy, PolicyDetails, Violation

_NARROW = 20  # characters of an action in a narrow terminal


def policies(found: "Sequence[PolicyDetails]") -> None:
    """Print the result of `policies list`."""
    lines = [
        {
            "policy": escape(each.policy.id),
            "rule": escape(_rule(each.policy)),
            "actions": escape(", ".join(each.policy.actions)),
            "enabled": "[green]yes[/]" if each.enabled else "[dim]no[/]",
            "core": terminal.cell(each.policy.is_core),
            "name": escape(each.policy.name),
        }
        for each in found
    ]
    short = ["\n".join(escape(part) for action in each.policy.actions for part in _broken(action)) for each in found]
    terminal.fitted(lines, numbers=(), spare=("name", "core", "actions"), short={"actions": short})


def policy(found: "PolicyDetails") -> None:
    """Print the result of `policies show`."""
    each, place = found.policy, found.policy.location
    where = {"written in": f"{place.file}:{place.line}"} if place.file else {}
    terminal.details(
        {
            "policy": each.id,
            "name": each.name,
            each.kind: each.expression,
            **({"consent from": list(each.consent_from)} if each.consent_from else {}),
            "actions": ", ".join(each.actions),
            "enabled": found.enabled,
            "core": each.is_core,
            **where,
            "applies to": list(found.activations),
        }
    )
    if each.is_core and not found.enabled:
        terminal.say(f"muster.yml switches it on: core_policies: [{each.id}]")


def checked(found: "Sequence[CheckedActivation]", *, disabled: int = 0) -> None:
    """Print the result of `policies check`: a table of activations and policies, then each violation with its paths.

    ``disabled`` is how many activations were passed over because they are.
    """
    if not found and disabled:
        whole = counted(disabled, "activation")
        terminal.say(f"nothing to check: {whole} with `enabled: false`; `muster policies check D/A` checks one")
        return
    if not found:
        terminal.say("no activations yet: add some to destinations/*.yml")
        return
    lines = [line for each in found for line in _lines(each)]
    terminal.fitted(lines, numbers=("left out",), spare=("labels", "rule"))
    for each in (violation for one in found for violation in one.violations):
        _violation(each)
    for one in found:
        _untold(one)
    for reason, keys in _uncounted(found).items():
        terminal.say()
        terminal.prose(escape(f"{first_names(keys, 3)}: whom consent leaves out is not known: {reason}"))
    _summary(found)


def recorded(governance: Mapping[str, Any], excluded_by: Mapping[str, int]) -> dict[str, object]:
    """The lines of `runs show` about the labels and policies of a run, as the run recorded them (G7)."""
    untold = governance.get("untold_audiences")
    return {
        "marketing_actions": ", ".join(governance["marketing_actions"]) or None,
        "labels": [f"{', '.join(each['labels'])}: {' -> '.join(each['path'])}" for each in governance["labels"]],
        "policies": [_recorded_policy(each, governance, excluded_by) for each in governance["policies"]],
        **({"untold audiences": ", ".join(untold)} if untold else {}),
    }


def _recorded_policy(each: Mapping[str, Any], governance: Mapping[str, Any], excluded_by: Mapping[str, int]) -> str:
    violated = any(violation["policy"] == each["id"] for violation in governance["violations"])
    left_out = excluded_by.get(f"consent:{each['id']}", 0)
    allowed = f"{counted(left_out, 'profile')} left out" if each["kind"] == "consent" else "allowed"
    outcome = "violated" if violated else allowed
    rule = f"{each['kind']} {each['expression']}{_sources(each.get('consent_from'))}"
    return f"{each['id']}: {rule} ({', '.join(each['actions'])}): {outcome}"


def _lines(found: "CheckedActivation") -> Iterator[dict[str, str]]:
    """A line for each policy that applies, and one for C12; one that says so where none does."""
    for label in (each.labels[0] for each in found.violations if each.policy is None):
        yield _line(found, f"(label {label})", "never exported", "[red]violated[/]")
    for each in found.policies:
        yield _line(found, each.policy.id, _rule(each.policy), _result(each), each.left_out)
    if not found.policies and not found.violations:
        yield _line(found, "-", "-", "no policy applies")


def _line(
    found: "CheckedActivation", policy: str, rule: str, result: str, left_out: int | None = None
) -> dict[str, str]:
    return {
        "activation": escape(found.activation.key),
        "labels": escape(", ".join(found.labels)) or "-",
        "policy": escape(policy),
        "rule": escape(rule),
        "result": result,
        "left out": terminal.cell(left_out),
    }


def _result(each: "CheckedPolicy") -> str:
    if each.violation:
        return "[red]violated[/]"
    if each.mistake:
        return "[red]cannot be judged[/]"
    return "filters people" if each.policy.kind == "consent" else "[green]allowed[/]"


def _uncounted(found: "Sequence[CheckedActivation]") -> dict[str, list[str]]:
    """Why members could not be counted, with the activations of each reason."""
    reasons: dict[str, list[str]] = {}
    for each in found:
        if each.uncounted:
            reasons.setdefault(each.uncounted, []).append(each.activation.key)
    return reasons


def _rule(policy: "Policy") -> str:
    return f"{policy.kind} {' '.join(policy.expression.split())}{_sources(policy.consent_from)}"


def _sources(consent_from: Sequence[str] | None) -> str:
    """The sources that a consent policy counts, if it names any: `` from crm``."""
    return f" from {first_names(consent_from, 3)}" if consent_from else ""


def _violation(each: "Violation") -> None:
    """Print one violation: what denies what, and each path on a line of its own."""
    terminal.say()
    actions = f" denies {', '.join(each.actions)}" if each.policy else " is never exported"
    who = f"policy {each.policy.id!r}" if each.policy else f"label {each.labels[0]}"
    terminal.prose(f"[red]{escape(each.activation)}[/]: {escape(who + actions)}")
    if each.location.file:
        terminal.hanging(f"{each.location.file}:{each.location.line}")
    for label, path in each.paths:
        terminal.hanging(f"{label}: {' -> '.join(path)}")
    if each.held is not None and each.policy:
        terminal.hanging(f"labels: {', '.join(each.held) or 'none'}; so {each.policy.expression} is true")


def _untold(found: "CheckedActivation") -> None:
    """Print which unmapped audiences messages leave out, and which policy each would violate (V5)."""
    if not found.untold:
        return
    terminal.say()
    names = first_names(list(found.untold), 3)
    terminal.prose(
        f"[yellow]{escape(found.activation.key)}[/]: its messages leave out what a policy forbids: who is in "
        f"{escape(names)}"
    )
    for audience, why in found.untold.items():
        for each in why:
            terminal.hanging(f"{audience}: {each}")


def _summary(found: "Sequence[CheckedActivation]") -> None:
    violated = sum(bool(each.violations) for each in found)
    unjudged = sum(each.is_unjudged and not each.violations for each in found)
    whole = counted(len(found), "activation")
    terminal.say()
    if violated:
        terminal.styled(f"[red]{violated:,} of {whole} may not be exported[/]")
    if unjudged:
        terminal.styled(f"[red]{unjudged:,} of {whole} cannot be exported while consent cannot be judged[/]")
    if not violated and not unjudged:
        terminal.styled(f"[green]{whole}: no policy is violated[/]")


def _broken(action: str) -> Iterator[str]:
    """The name of an action in pieces that suit a narrow terminal, broken behind underscores."""
    line = ""
    for piece in action.replace("_", "_ ").split(" "):
        if line and len(line) + len(piece) > _NARROW:
            yield line
            line = ""
        line += piece
    yield line
