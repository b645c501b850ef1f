"""Checks of deliveries: are the files as they were delivered, and does a receiver hold the right people."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from muster.activation.errors import InputError
from muster.activation.model.history import Run
from muster.activation.model.log import logger
from muster.activation.state.ledger import runs_table
from muster.runs.history import find_run, newest_delivered
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import read

if TYPE_CHECKING:
    from muster.activation.audit.reconcile import Reconciled
    from muster.activation.audit.verify import CheckedRun
    from muster.activation.session import Session

log = logger("muster.verify")


def verify(
    workspace: OpenWorkspace, runs: Sequence[str] = (), *, now: datetime, everything: bool = False
) -> tuple["CheckedRun", ...]:
    """Read delivered files again and compare them with what was recorded; writes nothing.

    ``runs`` are ids, the starts of ids, or activations, which mean their last delivered runs; without any, those of
    each activation, with ``everything`` every run that succeeded. ``now`` decides whether an encryption key is still
    valid.
    """
    if runs and everything:
        raise InputError("RUN and --all do not go together; expected one of them, see `muster verify --help`")
    return read(workspace, now, lambda session: _checked(session, _chosen(session, runs, everything=everything)))


def _checked(session: "Session", runs: Sequence[Run]) -> tuple["CheckedRun", ...]:
    from muster.activation.audit.verify import Holders, check_run
    from muster.activation.audit.verify_messages import check_messages

    holders, checked = Holders(session.ledger), []
    for done, run in enumerate(runs):
        step = {"done": done, "of": len(runs), "step": f"verifying {run.key}"}
        log.info("verifying run %s of %s", run.run_id, run.key, extra=step)
        checked.append(check_run(run, session, holders) if run.audiences is None else check_messages(run, session))
    return tuple(checked)


def _chosen(session: "Session", run_ids: Sequence[str], *, everything: bool) -> list[Run]:
    ledger = session.ledger
    if run_ids:
        return list(
            {
                run.run_id: run
                for run in (find_run(ledger, session.workspace, each, delivered=True) for each in run_ids)
            }.values()
        )
    if everything:
        return [run for run in runs_table.find(ledger, superseded=False) if run.status == "succeeded" or run.messages]
    activations = session.workspace.all_activations
    return [run for each in activations for run in newest_delivered(ledger, each.key)]


def reconcile(workspace: OpenWorkspace, activation: str, *, now: datetime) -> "Reconciled":
    """Rebuild from an activation's delivered files what the receiver should hold, and compare it with the ledger.

    The activation is named as ``crm/newsletter``. ``now`` is the instant for which the desired set is worked out.
    Nothing is written.
    """
    from muster.activation.audit.reconcile import reconcile as rebuild_and_compare

    return read(workspace, now, lambda session: rebuild_and_compare(session, activation))
