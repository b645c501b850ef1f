"""The columns of messages of profiles, checked: what their targets and sources may be (V5)."""

from collections.abc import Sequence

from muster.activation.config.yaml_reader import Document
from muster.activation.model.workspace import IDENTITY_PREFIX, Column

_MEMBERSHIP = "segment_membership."
_WRITTEN_BY_MUSTER = ("segmentMembership", "identityMap")


def check_profile_targets(document: Document, columns: Sequence[Column]) -> None:
    """Check that the targets are places in one object, which its other keys do not hide (V5)."""
    for column in columns:
        if wrong := _wrong_target(column, columns) or _wrong_source(column):
            document.problems.append(column.location.problem(wrong))


def _wrong_target(column: Column, columns: Sequence[Column]) -> str:
    steps = column.target.split(".")
    if "" in steps:
        return f"the target {column.target!r} has an empty key; expected keys with dots between them"
    if steps[0] in _WRITTEN_BY_MUSTER:
        return f"the target {column.target!r} is what muster itself writes under {steps[0]}; choose another target"
    for other in columns:
        if other.target.startswith(f"{column.target}."):
            where = f"on line {other.location.line}"
            return f"the target {column.target!r} cannot hold a value and the key of {other.target!r}, {where}"
    return ""


def _wrong_source(column: Column) -> str:
    if column.source.startswith(_MEMBERSHIP):
        return f"{column.source} is in segmentMembership already, for each audience; remove it"
    if column.source.startswith(IDENTITY_PREFIX):
        remedy = "remove it, or name the namespaces to send in identities"
        return f"{column.source} is in identityMap already; {remedy}"
    return ""
