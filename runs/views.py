"""`profiles build`: the profiles of every merge policy, made of the sources now (P7, P10)."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from muster.activation.errors import InputError, MusterError
from muster.activation.model.redaction import redact_error
from muster.activation.model.workspace import InputName
from muster.activation.state.ledger import builds_table
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import write
from muster.runs.sources import refuse_path

if TYPE_CHECKING:
    from muster.activation.session import Session


@dataclass(frozen=True)
class BuiltView:
    """The view of a merge policy after `profiles build`, or why it could not be built."""

    policy: str
    number: int | None = None  # of the build; None where it failed
    at: datetime | None = None  # of the build: an earlier instant where the same rows count
    is_new: bool = False  # whether this command built it
    profiles: int | None = None
    merged: int | None = None  # ids that became aliases in the build
    split: int | None = None  # profiles that came out of others in the build
    folder: str | None = None  # of the view's Parquet files, relative to the workspace where it lies in it
    error: MusterError | None = None


def build_profiles(workspace: OpenWorkspace, *, now: datetime, allow_empty: bool = False) -> tuple[BuiltView, ...]:
    """Build the profiles of every merge policy at ``now``, unless a view of the same rows is there.

    One that fails says why, and the others are built. ``allow_empty`` accepts sources without rows (X11). Raises
    ``LockedError`` when another muster works in this workspace, ``RefusedError`` in one whose profiles have a path.
    """
    refuse_path(workspace.config)
    allowed: tuple[InputName, ...] = ("profiles",) if allow_empty else ()
    policies = sorted(workspace.config.merge_policies)
    return write(
        workspace,
        now,
        lambda session: tuple(_built(each, session) for each in policies),
        allow_empty=allowed,
        keeps_builds=True,
    )


def _built(policy: str, session: "Session") -> BuiltView:
    before = builds_table.newest(session.ledger, policy)
    try:
        view = session.of(policy).opened.view
    except InputError as error:
        redact_error(error, session.workspace.variables)
        return BuiltView(policy, error=error)
    is_this = view.number == view.lineage.build
    merged, split = (
        each.filter(each["build"] == view.number).height if is_this else 0
        for each in (view.lineage.aliases, view.lineage.splits)
    )
    folder = view.paths[0].parent if view.paths else None
    root = session.root
    shown = str(folder.relative_to(root) if folder.is_relative_to(root) else folder) if folder else None
    is_new = before is None or view.number > before.number
    return BuiltView(policy, view.number, view.at, is_new, view.stats["profiles"], merged, split, shown)
