"""From a run committed as ``delivering`` to its end in the ledger, also after a kill (F1, F3, S6, X8).

The protocol, and what a kill at each step leaves:

    ledger: running          temporary names are known     -> the next command removes them and the slot is due again
    write and sync parts     hidden files                  -> the next command removes them
    ledger: delivering       names, sizes, checksums, the next baseline
                                                           -> the next command goes on from here, with the same bytes
    rename each part         some visible, no manifest     -> the next command goes on from here
    ledger: visible          all are, and may be taken     -> the next command goes on behind this
    remove replaced files                                  -> the next command goes on from here
    manifest                 complete for a reader         -> the next command goes on from here
    ledger: succeeded        together with the baseline    -> done

A receiver may take files as soon as it sees them. So what may have to be delivered again must still be there: a
destination on another machine gets copies of files that stay here until the commit; a folder gets the files themselves,
and the ledger is told when the folder has all of them. ``delivery.files`` has the steps at the destination.
"""

from collections.abc import Callable
from dataclasses import replace

from muster.activation.delivery.files import LostFilesError, abandon_temporaries, deliver_files, unstage
from muster.activation.errors import ExportError
from muster.activation.model.history import Baseline, Run, StoredFile
from muster.activation.model.log import logger
from muster.activation.model.redaction import redact, redact_error
from muster.activation.session import Session
from muster.activation.state.ledger import baselines_table, redeliveries_table, runs_table
from muster.activation.system.os_errors import system_message

log = logger("muster.deliver")


def finish(run: Run, session: Session) -> Run:
    """Carry a ``delivering`` run to its end: same names, bytes and destination, whatever the config says now (S6).

    ``ExportError`` when the destination refuses: the run stays ``delivering`` and the next command tries again.
    """
    target, removals = session.destinations.target(run), runs_table.removals(session.ledger, run.run_id)

    def record_visible() -> None:
        nonlocal run
        run = replace(run, visible=True)
        with session.ledger.transaction():
            runs_table.put(session.ledger, run)

    if target.is_remote:
        problem = deliver_files(run, target, removals)
    else:
        problem = deliver_files(run, target, removals, record_visible)
    return settle(run, problem, session)


def settle(run: Run, problem: ExportError | None, session: Session) -> Run:
    """Record how delivering ended at the destination; ``ExportError`` when the next command goes on with the run."""
    if isinstance(problem, LostFilesError):
        return _give_up(run, session, str(problem))
    if problem:
        redact_error(problem, session.workspace.variables)
        with session.ledger.transaction():
            runs_table.put(session.ledger, replace(run, error=str(problem)))
        raise problem
    return commit(run, session)


def commit(run: Run, session: Session) -> Run:
    """The commit: the run succeeded and the baseline moved, in one transaction (X8)."""
    done = replace(run, status="succeeded", error=None, finished_at=session.clock())
    ledger = session.ledger
    before = baselines_table.get(ledger, run.destination, run.activation)
    after = _baseline(done)
    with ledger.transaction():
        runs_table.put(ledger, done)
        if after:
            baselines_table.put(ledger, after)
    target = session.destinations.target(done)
    if target.is_remote:  # a folder of this machine got the staged files themselves
        unstage(done, target)
    if before and after and before.stored.file != after.stored.file:
        session.state.remove(before.stored)
    return done


def _baseline(run: Run) -> Baseline | None:
    """The baseline that a finished run leaves; None for a run that leaves none."""
    if run.baseline is None or run.evaluated_at is None or run.finished_at is None:
        return None
    return Baseline(
        destination=run.destination,
        activation=run.activation,
        run_id=run.run_id,
        stored=StoredFile(**run.baseline["stored"]),
        profiles=run.baseline["profiles"],
        evaluated_at=run.evaluated_at,
        delivered_at=run.finished_at,
        url_digest=run.url_digest or "",
        url=run.url or "",
        digest_made_by=run.baseline["digest_made_by"],
    )


def discard(run: Run, session: Session, error: str) -> Run:
    """End a run that was not yet delivering: its temporary files are removed, its slot stays due (S5)."""
    if run.files and run.url:
        unstage(run, session.destinations.target(run))  # the next attempt takes the same names
    session.state.remove_rejects(run.run_id)
    return _give_up(run, session, error)


def _give_up(run: Run, session: Session, error: str) -> Run:
    """Record that a run failed, and forget the rows that were written down for it."""
    error = redact(error, session.workspace.variables)
    session.state.remove_decision(run.run_id)
    undecided = replace(run, decision=None, recipe=None, snapshot=None)
    failed = replace(undecided, status="failed", error=error, finished_at=session.clock(), files=(), baseline=None)
    with session.ledger.transaction():
        runs_table.put(session.ledger, failed)
    return failed


def recover(session: Session, deliver: Callable[[Run], Run | None]) -> list[tuple[Run, ExportError | None]]:
    """Finish or discard the runs of a killed command, oldest first (S6): each with the error that still blocks it.

    ``deliver`` carries a run to its end, as ``finish`` does, or raises ``ExportError``; it returns None for a run that
    is being delivered beside other work, which is then not among the results.
    """
    clear_redeliveries(session)
    outcome: list[tuple[Run, ExportError | None]] = []
    for run in runs_table.unfinished(session.ledger):
        log.info("finishing run %s of %s, left %s", run.run_id, run.key, run.status)
        if run.status == "running":
            discard(run, session, "interrupted before its files were complete; the slot stays due")
            continue
        try:
            if done := deliver(run):
                outcome.append((done, None))
        except ExportError as error:
            outcome.append((run, error))
    return outcome


def clear_redeliveries(session: Session) -> None:
    """Remove the temporary files of killed redeliveries; files that they had put back are whole, and stay."""
    for run_id in redeliveries_table.unfinished(session.ledger):
        run = runs_table.get(session.ledger, run_id)
        if run is None or clear_redelivery(run, session):
            with session.ledger.transaction():
                redeliveries_table.finish(session.ledger, run_id, session.clock(), ())


def clear_redelivery(run: Run, session: Session) -> bool:
    """Remove the temporary files of one redelivery; False when the destination refuses, so that it is tried again."""
    target = session.destinations.target(run)
    try:
        abandon_temporaries(run, target)
    except (ExportError, OSError) as error:
        log.warning(
            "%s: temporary files of the redelivery of run %s are left: %s", run.url, run.run_id, system_message(error)
        )
        return False
    return True
