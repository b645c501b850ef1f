"""Labels, marketing actions and core policies, and expressions over labels (G1, G3).

``LABELS`` and ``ACTIONS`` are the names of Adobe Experience Platform. Its documents name the core policies and two of
their expressions (``email-targeting``, ``segment-match``); the other expressions follow from what the labels mean.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache

from muster.activation.errors import did_you_mean
from muster.activation.model.governance import Policy

_CONTRACTS = tuple(f"C{number}" for number in range(1, 13))
LABELS = (
    *_CONTRACTS,
    *("I1", "I2", "S1", "S2", "PSPD", "RHD", "third_party"),
)
ACTIONS = (
    *("analytics", "combine_with_pii", "cross_site_targeting", "data_science", "email_targeting"),
    *("export_to_third_party", "onsite_advertising", "onsite_personalization", "single_identity_personalization"),
    "segment_match",
)
NEVER_EXPORTED = "C12"  # a violation without any policy (G3)
OF_A_GRAPH = "C10"  # of whatever was put together by an identity graph (G2)
_CORE = {
    "analytics": ("analytics", "C8"),
    "combine-with-pii": ("combine_with_pii", "C3 AND I1"),
    "cross-site-targeting": ("cross_site_targeting", "C4 OR C5"),
    "data-science": ("data_science", "C9"),
    "email-targeting": ("email_targeting", "C4 OR C5"),
    "export-to-third-party": ("export_to_third_party", "C1 OR C2"),
    "onsite-advertising": ("onsite_advertising", "C4 OR C6"),
    "onsite-personalization": ("onsite_personalization", "C4 OR C7"),
    "segment-match": ("segment_match", "C11"),
    "single-identity-personalization": ("single_identity_personalization", "C10"),
}
CORE_POLICIES = {
    name: Policy(name, f"Core: {name.replace('-', ' ')}", (action,), deny=deny, is_core=True)
    for name, (action, deny) in _CORE.items()
}
_TOKEN = re.compile(r"\s*(?:([()])|([^\s()]+))")
_WORDS = {"AND", "OR", "NOT"}
_DEEPEST = 100  # parentheses and NOTs inside each other


class LabelError(ValueError):
    """An expression over labels that cannot be read; the message says what is wrong."""


@dataclass(frozen=True)
class LabelExpression:
    """An expression over labels: a label, or ``AND``, ``OR``, ``NOT`` over expressions."""

    operator: str  # ``label``, ``AND``, ``OR`` or ``NOT``
    label: str = ""
    parts: tuple["LabelExpression", ...] = ()

    def is_true(self, labels: Collection[str]) -> bool:
        """Whether the expression is true of data with these labels."""
        match self.operator:
            case "label":
                return self.label in labels
            case "NOT":
                return not self.parts[0].is_true(labels)
            case "AND":
                return all(part.is_true(labels) for part in self.parts)
        return any(part.is_true(labels) for part in self.parts)

    def causes(self, labels: Collection[str]) -> frozenset[str]:
        """The labels among these without which the expression could be false; it must be true of data with them.

        Of ``RHD OR (C3 AND I1)`` and data with RHD and C3 that is RHD alone. What stands behind NOT has no part in it.
        """
        if self.operator == "label":
            return frozenset({self.label})
        parts = (part for part in self.parts if part.is_true(labels)) if self.operator != "NOT" else ()
        return frozenset[str]().union(*(part.causes(labels) for part in parts))

    @property
    def labels(self) -> frozenset[str]:
        """The labels that the expression names."""
        return frozenset({self.label} if self.label else ()).union(*(part.labels for part in self.parts))


@cache
def parse(text: str) -> LabelExpression:
    """An expression such as ``RHD OR (C3 AND I1)``; AND binds closer than OR. ``LabelError`` when it is none."""
    tokens = list(_tokens(text))
    if not tokens:
        raise LabelError("is empty; expected labels with AND, OR, NOT and parentheses, such as RHD OR (C3 AND I1)")
    found, rest = _any_of(tokens, 0, 0)
    if rest < len(tokens):
        raise LabelError(f"{text!r}: expected AND or OR before {tokens[rest]!r}")
    return found


def unknown(labels: Collection[str], known: Collection[str]) -> list[str]:
    """A sentence about each label that is not known, with near names, or else with all that are built in."""
    return [f"unknown label {each!r}{_near_or_all(each, known)}" for each in sorted(set(labels) - set(known))]


def unknown_action(action: str, known: Collection[str]) -> str:
    """A sentence about a marketing action that is not known, with near names, or else with all that are built in."""
    hint = did_you_mean(action, known) or f"; marketing actions are {', '.join(ACTIONS)} and those in custom_actions"
    return f"unknown marketing action {action!r}{hint}"


def _near_or_all(label: str, known: Collection[str]) -> str:
    first, last = _CONTRACTS[0], _CONTRACTS[-1]
    built_in = f"{first} to {last}, {', '.join(LABELS[len(_CONTRACTS) :])}"
    return did_you_mean(label, known) or f"; labels are {built_in} and those in custom_labels"


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        word = match[1] or match[2]
        yield word.upper() if word.upper() in _WORDS else word


def _any_of(tokens: list[str], start: int, depth: int) -> tuple[LabelExpression, int]:
    return _chain(tokens, start, "OR", lambda at: _all_of(tokens, at, depth))


def _all_of(tokens: list[str], start: int, depth: int) -> tuple[LabelExpression, int]:
    return _chain(tokens, start, "AND", lambda at: _one(tokens, at, depth))


def _chain(
    tokens: list[str], start: int, operator: str, inner: Callable[[int], tuple[LabelExpression, int]]
) -> tuple[LabelExpression, int]:
    """Expressions with one operator between them, and the position behind them."""
    found, position = inner(start)
    parts = [found]
    while position < len(tokens) and tokens[position] == operator:
        found, position = inner(position + 1)
        parts.append(found)
    return (parts[0] if len(parts) == 1 else LabelExpression(operator, parts=tuple(parts))), position


def _one(tokens: list[str], at: int, depth: int) -> tuple[LabelExpression, int]:
    """One label, ``NOT`` with one, or parentheses, and the position behind it."""
    if depth > _DEEPEST:
        raise LabelError(f"has more than {_DEEPEST} parentheses and NOTs inside each other")
    word = tokens[at] if at < len(tokens) else ""
    if word == "NOT":
        found, position = _one(tokens, at + 1, depth + 1)
        return LabelExpression("NOT", parts=(found,)), position
    if word == "(":
        found, position = _any_of(tokens, at + 1, depth + 1)
        if position >= len(tokens) or tokens[position] != ")":
            raise LabelError(f"{' '.join(tokens)!r}: a parenthesis is not closed")
        return found, position + 1
    if not word or word == ")" or word in _WORDS:
        behind = f"after {tokens[at - 1]!r}" if at else "at the start"
        raise LabelError(f"{' '.join(tokens)!r}: expected a label {behind}" + (f", found {word!r}" if word else ""))
    return LabelExpression("label", word), at + 1
