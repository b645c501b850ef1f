"""The upkeep of the state folder: prune, check, repair, back up, restore, rewind; forget people (SPEC 10, S8, G8)."""

import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from muster.activation.errors import RefusedError
from muster.runs.ahead import wrong_sightings
from muster.runs.due import LedgerPast, sightings
from muster.runs.opening import OpenWorkspace, instant_of
from muster.runs.sessions import LedgerView, clock_at, lock, read_ledger, redacted, state_folder, warn_if_ahead
from muster.schedules.due import horizon, open_window

if TYPE_CHECKING:
    from muster.activation.state.ledger.database import Ledger
    from muster.activation.upkeep.backup import Backup
    from muster.activation.upkeep.faults import Health
    from muster.activation.upkeep.forget import ForgottenPeople
    from muster.activation.upkeep.prune import Pruned
    from muster.activation.upkeep.repair import Repaired
    from muster.activation.upkeep.restore import Restored
    from muster.activation.upkeep.rewind import Rewound


def prune(workspace: OpenWorkspace, *, now: datetime, dry_run: bool = False) -> "Pruned":
    """Remove old evaluations, runs and their files as ``retention`` in muster.yml says, and return what was removed.

    With ``dry_run`` nothing is removed. Raises ``RefusedError`` when muster.yml has no ``retention``.
    """
    from muster.activation.upkeep.prune import preview
    from muster.activation.upkeep.prune import prune as remove

    config, state, at = workspace.config, state_folder(workspace), instant_of(now)
    retention = config.retention
    if dry_run:

        def look(ledger: "Ledger") -> "Pruned":
            _check_retention(workspace)
            return preview(state, ledger, retention, at, owed_evaluations(LedgerView(config, ledger, at)))

        return read_ledger(workspace, look, at)
    with lock(workspace, at) as locked:
        _check_retention(workspace)
        return remove(state, locked.ledger, retention, at, owed_evaluations(locked.view(at)))


def _check_retention(workspace: OpenWorkspace) -> None:
    retention = workspace.config.retention
    if retention.evaluations is None and retention.runs is None:
        raise RefusedError(
            "muster.yml: has no `retention`, so nothing is pruned; add one such as "
            "`retention: {evaluations: {days: 30, count: 10}, runs: {days: 365}}`"
        )


def owed_evaluations(view: LedgerView) -> dict[str, set[datetime]]:
    """By audience, the evaluations that an after-evaluation run still has to export, send or supersede (S4)."""
    seen, past = sightings(view), LedgerPast(view)
    owed: dict[str, set[datetime]] = {}
    for each in view.workspace.all_activations:
        if not each.enabled or each.schedule.trigger != "after_evaluation":
            continue
        since = horizon(seen[each.key], past.history(each))
        for audience in each.audience_ids:
            times = past.evaluations(audience, since)
            owed.setdefault(audience, set()).update(moment for moment in times if open_window(each.schedule, moment))
    return owed


def rewind_state(workspace: OpenWorkspace, *, to: datetime, now: datetime) -> "Rewound":
    """Let every record of a time later than ``to`` be one of ``to``: the way back after a wrong clock (S8).

    Nobody is sent again by that. ``now`` is the time of the machine's clock. Raises ``RefusedError`` when ``to`` is
    later, and while a run is unfinished.
    """
    from muster.activation.upkeep.rewind import rewind

    moment, clock = instant_of(to), instant_of(now)
    with lock(workspace, mends=True) as locked:
        config, ledger = workspace.config, locked.ledger
        sightings = [row["activation"] for row in wrong_sightings(config, ledger, moment)]
        return rewind(locked.state(), ledger, moment, clock, workspace=config.name, sightings=sightings)


def forget_profile(
    workspace: OpenWorkspace,
    *,
    now: datetime,
    profile_id: str | None = None,
    identity: tuple[str, str] | None = None,
    everybody: bool = False,
    even_unknown: bool = False,
) -> "ForgottenPeople":
    """Forget a person: exclude from everything from now on, and erase from the state (G8); returns what still holds it.

    Give a ``profile_id``, or an ``identity`` (namespace, id) in the newest profiles at ``now``. ``everybody`` forgets
    all who hold the identity, ``even_unknown`` records an id that nobody has, or with sources an identity. Raises
    ``RefusedError`` for an id or identity that nobody has, for an identity that several hold, and while a run is
    unfinished.
    """
    from muster.activation.upkeep.forget import forget
    from muster.activation.upkeep.people import Person

    if (profile_id is None) == (identity is None):
        raise RefusedError("expected either a profile id or an identity")
    person = Person(profile_id, identity)
    with lock(workspace, instant_of(now)) as locked:
        session = locked.session(instant_of(now))
        return forget(session, person, everybody=everybody, even_unknown=even_unknown)


def check_state(workspace: OpenWorkspace) -> "Health":
    """Read all of the state, and return the damage, what that affects, and what each repair costs. Takes no lock."""
    from muster.activation.upkeep.check import check

    warn_if_ahead(workspace)
    with redacted(workspace.config):
        return check(workspace.config, state_folder(workspace))


def repair_state(
    workspace: OpenWorkspace,
    *,
    now: datetime,
    reset_baselines: Collection[str] = (),
    drop_outboxes: Collection[str] = (),
    reevaluate: Collection[str] = (),
    forget: Collection[str] = (),
    rebuild: Collection[str] = (),
    drop_views: Collection[str] = (),
    renew_ids: Collection[str] = (),
    tidy: bool = False,
    everything: bool = False,
) -> "Repaired":
    """Carry out repairs that ``check_state`` proposes; replaced files are kept in ``damaged-<now>/`` of the state.

    ``reset_baselines`` forgets damaged delivered sets of activations, ``drop_outboxes`` sends nothing more of their
    damaged outboxes, ``reevaluate`` makes damaged memberships of
    audiences again from the same inputs, ``forget`` forgets such evaluations. Of merge policies ``rebuild`` makes
    damaged builds again from the same sources, ``drop_views`` drops damaged views, ``renew_ids`` lets ids go on from an
    earlier build, or begin anew. ``tidy`` moves leftovers aside, ``everything`` does all that is proposed. Raises
    ``RefusedError`` for a repair that nothing needs.
    """
    from muster.activation.upkeep.repair import Choice, repair

    choice = Choice(
        tuple(reset_baselines),
        tuple(drop_outboxes),
        tuple(reevaluate),
        tuple(forget),
        tuple(rebuild),
        tuple(drop_views),
        tuple(renew_ids),
        tidy=tidy,
        everything=everything,
    )
    clock = clock_at(workspace, instant_of(now))
    warn_if_ahead(workspace, now)
    with redacted(workspace.config):
        return repair(workspace.config, state_folder(workspace), choice, clock, workspace.wait)


def back_up_state(workspace: OpenWorkspace, to: str | os.PathLike[str], *, now: datetime) -> "Backup":
    """Copy the state as it is at one moment into a new folder, or a new file whose name ends with ``.tar``."""
    from muster.activation.upkeep.backup import back_up

    warn_if_ahead(workspace, now)
    with redacted(workspace.config):
        return back_up(workspace.config, state_folder(workspace), Path(to), instant_of(now))


def restore_state(
    workspace: OpenWorkspace, backup: str | os.PathLike[str], *, now: datetime, force: bool = False
) -> "Restored":
    """Replace the state with a backup, after the whole backup was checked.

    Raises ``RefusedError`` when there is a state and ``force`` does not allow to move it to ``replaced-<now>/``.
    """
    from muster.activation.upkeep.restore import restore

    state, at = state_folder(workspace), instant_of(now)
    warn_if_ahead(workspace, at)
    with redacted(workspace.config):
        return restore(workspace.config, state, Path(backup), at, workspace.wait, force=force)
