"""Labels of things that no input has: mistakes, as a label with a typing error would protect nothing (G1)."""

from collections.abc import Iterator

import polars as pl

from muster.activation.errors import Problem, did_you_mean
from muster.activation.governance.labelled import unquoted
from muster.activation.governance.reads import EVENTS_PREFIX
from muster.activation.model.workspace import IDENTITY_PREFIX, Workspace
from muster.activation.profiles.namespaces import held, is_held
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.values.dtypes import instance
from muster.activation.values.known_columns import Columns

_SOURCES = "sources."
_MEMBERSHIP = "segment_membership."


def problems(workspace: Workspace, snapshot: Snapshot | None, events: Columns | None) -> list[Problem]:
    """A problem for each label of something that no input has, with its line and the nearest names.

    Without ``snapshot`` or ``events``, as of inputs that cannot be read, labels of what is in them are not checked.
    """
    found = []
    for entry in workspace.labels:
        reasons = [
            _reason(text, workspace, snapshot, events) for text in dict.fromkeys((entry.what, unquoted(entry.what)))
        ]
        if all(reasons):
            found.append(entry.location.problem(f"{entry.what!r}: {reasons[-1]}"))
    return found


def _reason(what: str, workspace: Workspace, snapshot: Snapshot | None, events: Columns | None) -> str:
    """Why a label can be of nothing; empty if an input has what it names, or cannot be asked."""
    profiles = workspace.profiles
    if what.startswith(_SOURCES):
        return "there is no such source of profiles: the workspace has one snapshot"
    if what.startswith(_MEMBERSHIP):
        return "a membership has no label; label what the audience's rule reads"
    for prefix in (IDENTITY_PREFIX, f"{profiles.identity_map}."):
        if what.startswith(prefix):
            return _no_namespace(what.removeprefix(prefix), snapshot) if snapshot else ""
    if what == IDENTITY_PREFIX.removesuffix("."):
        what = profiles.identity_map
    is_event = what.startswith(EVENTS_PREFIX)
    if snapshot is None or (is_event and workspace.events and events is None):
        return ""
    reason = _missing(what, snapshot.columns, "the profiles have")
    if not is_event or not reason:
        return reason
    if events is None:
        return "there are no events: muster.yml has no `events`"
    return _missing(what.removeprefix(EVENTS_PREFIX), events, "the events have")


def _no_namespace(namespace: str, snapshot: Snapshot) -> str:
    """Why no profile can have an id in a namespace; empty if one has."""
    dtype = snapshot.identity_type
    if snapshot.reason_against_identities or not snapshot.rows:
        return ""
    if dtype is None:
        return f"the profiles have no identity map {snapshot.source.identity_map!r}{snapshot.identity_map_hint}"
    is_field = isinstance(dtype, pl.Struct) and namespace in {field.name for field in dtype.fields}
    if is_field or is_held(snapshot, namespace):
        return ""
    return f"no profile has an identity in the namespace {namespace!r}{did_you_mean(namespace, held(snapshot))}"


def _missing(path: str, columns: Columns, who: str) -> str:
    """Why a dotted path leads to no column and no field, with the nearest names; empty if it leads to one.

    A path may go through lists: a label is of all elements.
    """
    steps = path.split(".")
    starts = [".".join(steps[:length]) for length in range(len(steps), 0, -1)]
    column = next((start for start in starts if start in columns), None)
    if column is None:
        return f"{who} no such column{columns.nearest(path) or columns.nearest(steps[0])}"
    if column in columns.unusable:
        return ""
    return _missing_below(columns.types[column], column, steps[column.count(".") + 1 :])


def _missing_below(dtype: pl.DataType, path: str, steps: list[str]) -> str:
    for step in steps:
        fields = {field.name: instance(field.dtype) for field in _fields(dtype)}
        if step not in fields:
            return f"{path!r} has no field {step!r}{did_you_mean(step, fields)}"
        dtype, path = fields[step], f"{path}.{step}"
    return ""


def _fields(dtype: pl.DataType) -> Iterator[pl.Field]:
    """The fields of a struct, and of the structs in a list."""
    while isinstance(dtype, pl.List | pl.Array):
        dtype = instance(dtype.inner)
    if isinstance(dtype, pl.Struct):
        yield from dtype.fields
