"""The work of a workspace: validate, evaluate, run, export, plan.

What works with data is imported where it is used: a run with nothing to do answers without it.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from muster.activation.model.workspace import JOBS, InputName
from muster.runs import hints
from muster.runs.due import is_idle
from muster.runs.opening import OpenWorkspace, checked_in_full, instant_of
from muster.runs.report import Report
from muster.runs.sessions import lock, read, write

if TYPE_CHECKING:
    from muster.runs.planning import Plan
    from muster.runs.previewing import Preview
    from muster.runs.validation import Validation


def validate(workspace: OpenWorkspace, *, now: datetime, offline: bool = False) -> "Validation":
    """Check the rules and mappings against the data at ``now``, and the destinations; writes nothing (SPEC 10).

    ``offline`` asks no destination, and takes a missing variable that only exports need for a note. A config that was
    recalled is checked in full again. Raises ``ConfigError`` for mistakes in the YAML files; all other problems are in
    the result.
    """
    from muster.runs.validation import validate_session

    return read(checked_in_full(workspace), now, partial(validate_session, offline=offline))


def evaluate(
    workspace: OpenWorkspace,
    audiences: Sequence[str] = (),
    *,
    now: datetime,
    exports: bool = True,
    replace: bool = False,
    allow_empty: bool = False,
    allow_empty_events: bool = False,
    allow_empty_memberships: bool = False,
    jobs: int = JOBS,
) -> Report:
    """Decide who is in each audience at ``now``, then carry out the exports that follow evaluations (E6, E7, S4).

    ``audiences`` are ids, evaluated with all that they refer to; none is all audiences. ``exports=False`` leaves the
    exports due. ``replace`` evaluates again at the newest instant if no run has used it. ``allow_empty`` accepts a
    profile snapshot without rows, ``allow_empty_events`` and ``allow_empty_memberships`` the other inputs (X11).
    ``jobs`` is how many remote destinations are delivered to at once.

    What fails while the rest is done is in the report. Raises ``InputError`` when nothing can be done, ``LockedError``
    when another muster works in this workspace.
    """
    from muster.runs.work import evaluate_audiences

    allowed = _allowed(profiles=allow_empty, events=allow_empty_events, memberships=allow_empty_memberships)
    work = partial(evaluate_audiences, audiences=audiences, exports=exports, replace_newest=replace, jobs=jobs)
    return write(workspace, now, work, allow_empty=allowed, keeps_builds=True)


def run(
    workspace: OpenWorkspace,
    *,
    now: datetime,
    only: Collection[str] = (),
    override_guards: Collection[str] = (),
    allow_empty: bool = False,
    allow_empty_events: bool = False,
    allow_empty_memberships: bool = False,
    jobs: int = JOBS,
) -> Report:
    """Do what is due at ``now``: finish interrupted runs, evaluate, export (S2, S6, S7).

    ``only`` names activations, as ``destination/activation``, to which the exports are limited; without it all are
    exported. ``override_guards`` names activations whose guards are ignored (X11). Raises ``RefusedError`` for an
    unknown activation, and for one in ``only`` that is disabled or exported on demand. Other arguments, errors and the
    result are as for ``evaluate``.
    """
    allowed = _allowed(profiles=allow_empty, events=allow_empty_events, memberships=allow_empty_memberships)
    at = instant_of(now)
    with lock(workspace, at) as locked:
        view = locked.view(at)
        if is_idle(view, override_guards, only):
            return Report(at, notes=hints.remarks(view), warnings=locked.warnings.texts)
        from muster.runs.work import run_due

        session = locked.session(at, allow_empty=allowed, keeps_builds=True)
        report = run_due(session, override_guards, only, jobs=jobs)
        return replace(report, notes=(*report.notes, *hints.remarks(view)))


def export(
    workspace: OpenWorkspace,
    activations: Sequence[str],
    *,
    now: datetime,
    allow_empty: bool = False,
    allow_empty_events: bool = False,
    allow_empty_memberships: bool = False,
    jobs: int = JOBS,
) -> Report:
    """Export activations at once, as full files of their newest evaluation at or before ``now`` (X7).

    ``activations`` are keys such as ``crm/newsletter``. Schedules and delivered sets do not change; to one that sends
    messages, ``resync`` is done. Raises
    ``RefusedError``, before anything is exported, for an unknown activation or an audience that was never evaluated.
    Other arguments, errors and the result are as for ``evaluate``.
    """
    from muster.runs.work import run_on_demand

    allowed = _allowed(profiles=allow_empty, events=allow_empty_events, memberships=allow_empty_memberships)
    work = partial(run_on_demand, keys=activations, jobs=jobs)
    return write(workspace, now, work, allow_empty=allowed, keeps_builds=True)


def resync(
    workspace: OpenWorkspace,
    activations: Sequence[str],
    *,
    now: datetime,
    override_guards: bool = False,
    allow_empty: bool = False,
    allow_empty_events: bool = False,
    allow_empty_memberships: bool = False,
    jobs: int = JOBS,
) -> Report:
    """Send messages about every member of activations at once, beside those that are due (V11).

    Values and consent are those of ``now``, and what is accepted counts as delivered. ``override_guards`` ignores the
    guards of these activations (X11). Raises ``RefusedError`` for an activation that exports files; other arguments,
    errors and the result are as for ``evaluate``.
    """
    from muster.runs.work import run_on_demand

    allowed = _allowed(profiles=allow_empty, events=allow_empty_events, memberships=allow_empty_memberships)
    work = partial(run_on_demand, keys=activations, jobs=jobs, override_guards=override_guards, messages_alone=True)
    return write(workspace, now, work, allow_empty=allowed, keeps_builds=True)


def plan(
    workspace: OpenWorkspace,
    *,
    now: datetime,
    override_guards: Collection[str] = (),
    allow_empty: bool = False,
    allow_empty_events: bool = False,
    allow_empty_memberships: bool = False,
) -> "Plan":
    """Return the steps of `run` at ``now``, with exact counts and the report it would return; writes nothing."""
    from muster.runs.planning import plan_session

    allowed = _allowed(profiles=allow_empty, events=allow_empty_events, memberships=allow_empty_memberships)
    return read(workspace, now, partial(plan_session, override_guards=override_guards), allow_empty=allowed)


def preview(
    workspace: OpenWorkspace,
    target: str,
    *,
    now: datetime,
    rows: int = 10,
    allow_empty: bool = False,
    allow_empty_events: bool = False,
    allow_empty_memberships: bool = False,
) -> "Preview":
    """Evaluate an audience as of ``now`` and show what an activation would export, due or not; writes nothing.

    ``target`` is an audience's id or a ``destination/activation``; ``rows`` is how many rows of it are shown. What
    fails is in the report of the preview. Raises ``RefusedError`` for an unknown target, and for an instant before the
    newest evaluation of the audience.
    """
    from muster.runs.previewing import preview_session

    allowed = _allowed(profiles=allow_empty, events=allow_empty_events, memberships=allow_empty_memberships)
    return read(workspace, now, partial(preview_session, target=target, rows=rows), allow_empty=allowed)


def _allowed(*, profiles: bool, events: bool, memberships: bool) -> frozenset[InputName]:
    """The inputs that may have no row (X11)."""
    given: dict[InputName, bool] = {"profiles": profiles, "events": events, "memberships": memberships}
    return frozenset(name for name, allowed in given.items() if allowed)
