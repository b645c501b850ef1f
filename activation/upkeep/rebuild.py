"""Builds of profiles made again from unchanged sources, with the ids that they had (P7, P10, SPEC 10)."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from muster.activation.errors import MusterError, RefusedError
from muster.activation.inputs.paths import Inputs
from muster.activation.instants import iso
from muster.activation.model.history import Build, StoredFile
from muster.activation.model.sources import event_sources, record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.profiles.forgotten import Forgotten
from muster.activation.sources.opened import OpenedSource, open_source
from muster.activation.state.files import ScratchState, State
from muster.activation.state.ledger import builds_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.views.build import view_at
from muster.activation.views.inputs_key import inputs_key
from muster.activation.views.view import ALIASES, IDENTITIES, IDS, SPLITS

ESSENTIAL = (IDS, IDENTITIES, ALIASES, SPLITS)  # files of a graph that the next build goes on from


def why_impossible(build: Build, workspace: Workspace, ledger: Ledger) -> str:
    """Return why a build cannot be made again, or an empty text."""
    if build.policy not in workspace.merge_policies:
        return "the merge policy is not in the config any more"
    forgotten, policy = Forgotten.of(ledger), workspace.merge_policies[build.policy]
    key = forgotten.identities_key if forgotten else ""
    try:
        with closing(Inputs(workspace)) as inputs:
            sources = _sources(build, workspace, inputs)
            is_alike = inputs_key(workspace, policy, sources, key) == build.inputs
    except MusterError as error:
        return str(error)
    return "" if is_alike else f"the sources, their settings, or who is forgotten changed since {iso(build.at)}"


def rebuild(
    workspace: Workspace, state: State, ledger: Ledger, build: Build, files: Sequence[StoredFile], *, scratch: Path
) -> dict[StoredFile, Path]:
    """Write ``files`` of a build anew into the folder ``scratch``; returns where.

    ``RefusedError`` when the build cannot be made again, or when a file does not come out with the bytes of before.
    """
    shown = f"the profiles of merge policy {build.policy!r} as of {iso(build.at)}"
    if why := why_impossible(build, workspace, ledger):
        raise RefusedError(f"{shown} cannot be made again: {why}")
    try:
        made = _made(workspace, ScratchState(state, scratch), ledger, build, files)
    except MusterError as error:
        raise RefusedError(f"{shown} cannot be made again: {error}") from error
    again = {before: after for before, after in _pairs(build, made) if before in files}
    unlike = [each.path for each in files if each not in again or again[each].sha256 != each.sha256]
    if unlike:
        raise RefusedError(f"{shown} come out with other bytes when they are made again: {', '.join(unlike)}")
    return {before: scratch / after.path for before, after in again.items()}


def _made(
    workspace: Workspace, there: ScratchState, ledger: Ledger, build: Build, files: Sequence[StoredFile]
) -> Build:
    """The build that comes of the sources as of the instant.

    Where the ids of the build are whole they are kept, else they come out of those of the build before.
    """
    lost = {file for kind, file in (build.graph or {}).items() if kind in ESSENTIAL and file in files}
    forgotten = Forgotten.of(ledger)
    with closing(ledger.copy()) as past, closing(Inputs(workspace)) as inputs:
        with past.transaction():
            for each in builds_table.list_all(past, build.policy):
                if each.number > build.number or (each.number == build.number and lost):
                    builds_table.delete(past, each.policy, each.number)
            if not lost:
                builds_table.put(past, replace(build, inputs=""))  # so that the files are written
        view = view_at(
            workspace,
            build.policy,
            _sources(build, workspace, inputs),
            build.at,
            there,
            past,
            keeps=True,
            is_blocked=forgotten.are_identities if forgotten else None,
            blocked_key=forgotten.identities_key if forgotten else "",
        )
        return view.build


def _sources(build: Build, workspace: Workspace, inputs: Inputs) -> list[OpenedSource]:
    """The sources of a build's policy, opened at the instant of the build."""
    policy = workspace.merge_policies[build.policy]
    return [
        open_source(workspace, each, inputs, build.at, allow_empty=True, judges=False, warn=lambda _: None)
        for each in (*record_sources(policy, workspace.sources), *event_sources(policy, workspace.sources))
    ]


def _pairs(before: Build, after: Build) -> Iterable[tuple[StoredFile, StoredFile]]:
    """Each file of a build, and that of the build which was made again."""
    yield from zip(before.view or (), after.view or (), strict=False)
    made: Mapping[str, StoredFile] = after.graph or {}
    yield from ((each, made[kind]) for kind, each in (before.graph or {}).items() if kind in made)
