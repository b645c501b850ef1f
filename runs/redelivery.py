"""The files of an earlier run, rebuilt byte for byte: in a folder of their own, or at the destination."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from muster.runs.history import find_run
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import read, write

if TYPE_CHECKING:
    from muster.activation.redelivery.redeliver import Redelivered
    from muster.activation.redelivery.remake import Remade
    from muster.activation.session import Session


def replay(
    workspace: OpenWorkspace,
    run_id: str,
    to: str | os.PathLike[str] | None = None,
    *,
    now: datetime,
    as_recorded: bool = False,
) -> "Remade":
    """Write a run's files again into ``to``, a new or empty folder; by default one named after the run, here.

    The run is named by its id, the start of it, or its activation, which means the last delivered run. Raises
    ``RefusedError`` when an input of the run is missing or changed, and when today's policies forbid the files (G3):
    ``as_recorded`` writes them all the same, for an audit, but not into the folder of a destination. Files that come
    out with other bytes are written, and ``error`` in the result says so.
    """
    from muster.activation.redelivery.remake import replay as remake_into

    def work(session: "Session") -> "Remade":
        run = find_run(session.ledger, session.workspace, run_id, delivered=True)
        return remake_into(run, session, Path(to or run.run_id), as_recorded=as_recorded)

    return read(workspace, now, work)


def redeliver(workspace: OpenWorkspace, run_id: str, *, now: datetime, force: bool = False) -> "Redelivered":
    """Put back a run's files that are missing at its destination or differ there; it is named as for ``replay``.

    ``force`` overwrites files that differ under names that only this run has. Raises ``ExportError`` or
    ``RefusedError`` when the files cannot be rebuilt or put back, or today's policies forbid them (G3); then nothing
    appears.
    """
    from muster.activation.delivery.protocol import clear_redeliveries
    from muster.activation.redelivery.redeliver import redeliver as put_back

    def work(session: "Session") -> "Redelivered":
        clear_redeliveries(session)
        return put_back(find_run(session.ledger, session.workspace, run_id, delivered=True), session, force=force)

    return write(workspace, now, work)
