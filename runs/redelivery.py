"""The files or messages of an earlier run, rebuilt byte for byte: in a folder, or for the destination."""

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
    from muster.activation.redelivery.resend import Resent
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

    Of a run that sent messages the bodies of its requests are written (V11).

    The run is named by its id, the start of it, or its activation, which means the last delivered run. Raises
    ``RefusedError`` when an input of the run is missing or changed, and when today's policies forbid the files (G3):
    ``as_recorded`` writes them all the same, for an audit, but not into the folder of a destination. Files that come
    out with other bytes are written, and ``error`` in the result says so.
    """
    from muster.activation.redelivery.remake import replay as remake_into
    from muster.activation.redelivery.remake_messages import replay_messages

    def work(session: "Session") -> "Remade":
        run = find_run(session.ledger, session.workspace, run_id, delivered=True)
        remade = remake_into if run.audiences is None else replay_messages
        return remade(run, session, Path(to or run.run_id), as_recorded=as_recorded)

    return read(workspace, now, work)


def redeliver(
    workspace: OpenWorkspace, run_id: str, *, now: datetime, force: bool = False, new_keys: bool = False
) -> "Redelivered | Resent":
    """Put back a run's files that are missing at its destination or differ there; it is named as for ``replay``.

    ``force`` overwrites a file that differs under a name that only this run has. Messages are sent once more, of the
    newest run with messages alone (V11): ``new_keys`` gives them other keys, for receivers that drop those they know.
    Raises ``ExportError`` or ``RefusedError`` when the files or messages cannot be made again or put back, or today's
    policies forbid them (G3); then nothing appears, and nothing is sent.
    """
    from muster.activation.delivery.protocol import clear_redeliveries
    from muster.activation.errors import InputError
    from muster.activation.redelivery.redeliver import redeliver as put_back
    from muster.activation.redelivery.resend import resend

    def work(session: "Session") -> "Redelivered | Resent":
        clear_redeliveries(session)
        run = find_run(session.ledger, session.workspace, run_id, delivered=True)
        if run.audiences is not None:
            if force:
                raise InputError(f"run {run.run_id} of {run.key} sent messages: --force is for files")
            return resend(run, session, new_keys=new_keys)
        if new_keys:
            raise InputError(f"run {run.run_id} of {run.key} delivered files: --new-keys is for messages")
        return put_back(run, session, force=force)

    return write(workspace, now, work)
