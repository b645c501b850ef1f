"""The work of a workspace: validate, evaluate, run, export, plan.

What works with data is imported where it is used: a run with nothing to do answers without it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from muster.activation.model.workspace import JOBS
from muster.runs.due import is_idle
from muster.runs.opening import OpenWorkspace, checked_in_full, instant_of
from muster.runs.report import Report
from muster.runs.sessions import lock, read, write

if TYPE_CHECKING:
    from muster.runs.planning import Plan
    from muster.runs.validation import Validation


def validate(workspace: OpenWorkspace, *, now: datetime) -> "Validation":
    """Check the rules and mappings against the data at ``now``, and the destinations; writes nothing (SPEC 10).

    A config that was recalled is checked in full again. Raises ``ConfigError`` for mistakes in the YAML files; all
    other problems are in the result.
    """
    from muster.runs.validation import validate_session

    return read(checked_in_full(workspace), now, validate_session)


def evaluate(
    workspace: OpenWorkspace,
    audiences: Sequence[str] = (),
    *,
    now: datetime,
    exports: bool = True,
    replace: bool = False,
    allow_empty: bool = False,
    jobs: int = JOBS,
) -> Report:
    """Decide who is in each audience at ``now``, then carry out the exports that follow evaluations (E6, E7, S4).

    ``audiences`` are ids, evaluated with all that they refer to; none is all audiences. ``exports=False`` leaves the
    exports due. ``replace`` evaluates again at the newest instant if no run has used it. ``allow_empty`` accepts a
    profile snapshot without rows. ``jobs`` is how many remote destinations are delivered to at once.

    What fails while the rest is done is in the report. Raises ``InputError`` when nothing can be done, ``LockedError``
    when another muster works in this workspace.
    """
    from muster.runs.work import evaluate_audiences

    work = partial(evaluate_audiences, audiences=audiences, exports=exports, replace_newest=replace, jobs=jobs)
    return write(workspace, now, work, allow_empty=allow_empty)


def run(
    workspace: OpenWorkspace,
    *,
    now: datetime,
    only: Collection[str] = (),
    override_guards: Collection[str] = (),
    allow_empty: bool = False,
    jobs: int = JOBS,
) -> Report:
    """Do what is due at ``now``: finish interrupted runs, evaluate, export (S2, S6, S7).

    ``only`` names activations, as ``destination/activation``, to which the exports are limited; without it all are
    exported. ``override_guards`` names activations whose guards are ignored (X11). Raises ``RefusedError`` for an
    unknown activation, and for one in ``only`` that is disabled or exported on demand. Other arguments, errors and the
    result are as for ``evaluate``.
    """
    at = instant_of(now)
    with lock(workspace, at) as locked:
        if is_idle(locked.view(at), override_guards, only):
            return Report(at, warnings=locked.warnings.texts)
        from muster.runs.work import run_due

        return run_due(locked.session(at, allow_empty=allow_empty), override_guards, only, jobs=jobs)


def export(
    workspace: OpenWorkspace,
    activations: Sequence[str],
    *,
    now: datetime,
    allow_empty: bool = False,
    jobs: int = JOBS,
) -> Report:
    """Export activations at once, as full files of their newest evaluation at or before ``now`` (X7).

    ``activations`` are keys such as ``crm/newsletter``. Schedules and delivered sets do not change. Raises
    ``RefusedError``, before anything is exported, for an unknown activation or an audience that was never evaluated.
    Other arguments, errors and the result are as for ``evaluate``.
    """
    from muster.runs.work import export_on_demand

    return write(workspace, now, partial(export_on_demand, keys=activations, jobs=jobs), allow_empty=allow_empty)


def plan(
    workspace: OpenWorkspace, *, now: datetime, override_guards: Collection[str] = (), allow_empty: bool = False
) -> "Plan":
    """Return the steps of `run` at ``now``, with exact counts and the report it would return; writes nothing."""
    from muster.runs.planning import plan_session

    return read(workspace, now, partial(plan_session, override_guards=override_guards), allow_empty=allow_empty)
