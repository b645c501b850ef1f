"""Labels of things that no input has: mistakes, as a label with a typing error would protect nothing (G1)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from muster.activation.errors import Problem, did_you_mean
from muster.activation.governance.labelled import unquoted
from muster.activation.governance.reads import EVENTS_PREFIX, SOURCES, event_things, names_of
from muster.activation.model.sources import Source
from muster.activation.model.workspace import IDENTITY_PREFIX, Workspace
from muster.activation.profiles.namespaces import held, is_held
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.values.dtypes import instance
from muster.activation.values.known_columns import Columns

_MEMBERSHIP = "segment_membership."


@dataclass(frozen=True)
class Known:
    """What the inputs have, as far as they can be read; of what nobody knows, no label is checked.

    With sources, a label may be of what the profiles of any merge policy have.
    """

    snapshots: Sequence[Snapshot] = ()  # the newest one of each merge policy in use; none while one cannot be read
    events: Columns | None = None  # of all event files together; None without events, and while they cannot be read
    sources: Mapping[str, Columns] = field(default_factory=dict)  # of the files of each source that can be read, by id


def problems(workspace: Workspace, known: Known) -> list[Problem]:
    """A problem for each label of something that no input has, with its line and the nearest names."""
    found = []
    for entry in workspace.labels:
        reasons = [_reason(text, workspace, known) for text in dict.fromkeys((entry.what, unquoted(entry.what)))]
        if all(reasons):
            found.append(entry.location.problem(f"{entry.what!r}: {reasons[-1]}"))
    return found + [
        problem
        for source in workspace.sources.values()
        if source.id in known.sources
        for problem in _of_source(source, known.sources[source.id])
    ]


def _of_source(source: Source, columns: Columns) -> Iterator[Problem]:
    """A problem for each label of a column that the files of a source lack; namespaces of identity maps are free."""
    maps = tuple(f"{each.column}." for each in source.identities if each.namespace is None)
    for entry in source.labels:
        texts = dict.fromkeys((entry.what, unquoted(entry.what)))
        reasons = [_missing(text, columns, "the files have") for text in texts if not text.startswith(maps)]
        if len(reasons) == len(texts) and all(reasons):
            yield entry.location.problem(f"{entry.what!r}: {reasons[-1]}")


def _reason(what: str, workspace: Workspace, known: Known) -> str:
    """Why a label can be of nothing; empty if an input has what it names, or cannot be asked."""
    profiles = workspace.profiles
    if what.startswith(f"{SOURCES}."):
        return _no_source(what.removeprefix(f"{SOURCES}."), workspace)
    if what.startswith(_MEMBERSHIP):
        return "a membership has no label; label what the audience's rule reads"
    for prefix in (IDENTITY_PREFIX, f"{profiles.identity_map}."):
        if what.startswith(prefix):
            return _nowhere([_no_namespace(what.removeprefix(prefix), workspace, each) for each in known.snapshots])
    if what == IDENTITY_PREFIX.removesuffix("."):
        what = profiles.identity_map
    reason = _nowhere([_missing(what, each.columns, "the profiles have") for each in known.snapshots])
    if not reason or not what.startswith(EVENTS_PREFIX):
        return reason
    return _no_event_column(what.removeprefix(EVENTS_PREFIX), workspace, known.events)


def _no_source(source: str, workspace: Workspace) -> str:
    if source in workspace.sources:
        return ""
    if not workspace.profiles.from_sources:
        return "there is no such source of profiles: the workspace has one snapshot"
    return f"there is no source {source!r}{did_you_mean(source, workspace.sources)}"


def _no_event_column(path: str, workspace: Workspace, events: Columns | None) -> str:
    names = names_of(workspace)
    if events is None:
        has_events = workspace.events is not None or any(each.is_events for each in workspace.sources.values())
        return "" if has_events else "there are no events: muster.yml has no `events`"
    if workspace.profiles.from_sources and path in {names.event_id, names.timestamp}:
        return ""  # they stand for the columns of each source (G2)
    return _nowhere([_missing(each.path, events, "the events have") for each in event_things(path, names)])


def _nowhere(reasons: Sequence[str]) -> str:
    """The first of some reasons, if no input has the thing; empty if one has it, or none can be asked."""
    return reasons[0] if reasons and all(reasons) else ""


def _no_namespace(namespace: str, workspace: Workspace, snapshot: Snapshot) -> str:
    """Why no profile can have an id in a namespace; empty if one has, or a source has identities of it."""
    if any(each.namespace == namespace for source in workspace.sources.values() for each in source.identities):
        return ""
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
