"""Make a run's staged files visible, and finish what a killed command left (F1, F3, S6, X8). Edge module.

The protocol, and what a kill at each step leaves:

    ledger: running          temporary names are known     -> the next command removes them and the slot is due again
    write and sync parts     hidden files                  -> the same
    ledger: delivering       names, sizes, checksums, the next baseline
                                                           -> the next command goes on from here, with the same bytes
    rename each part         some visible, no manifest     -> the same
    ledger: visible          all are, and may be taken     -> the next command goes on behind this
    remove replaced files                                  -> the same
    manifest                 complete for a reader         -> the same
    ledger: succeeded        together with the baseline    -> done

A receiver may take files as soon as it sees them. So what has to be brought again must still be there: a place on
another machine is sent copies of files that stay here until the commit; a folder gets the files themselves, and the
ledger is told when it has all.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from muster.activation.destinations.folder import Target
from muster.activation.errors import ExportError
from muster.activation.model.history import Baseline, PlannedFile, Run, StoredFile
from muster.activation.model.redaction import hide_in
from muster.activation.session import Session
from muster.activation.state.ledger import baselines_table, redeliveries_table, runs_table
from muster.activation.system.os_errors import system_message

log = logging.getLogger("muster.deliver")


def finish(run: Run, session: Session) -> Run:
    """Carry a ``delivering`` run to its end: same names, same bytes, same place, whatever the config says now (S6).

    ``ExportError`` when the place refuses: the run stays ``delivering`` and the next command tries again.
    """
    target, removals = session.target(run), runs_table.removals(session.ledger, run.run_id)

    def note() -> None:
        nonlocal run
        run = replace(run, visible=True)
        with session.ledger.transaction():
            runs_table.put(session.ledger, run)

    problem = bring(run, target, removals) if target.is_remote else bring(run, target, removals, note)
    return settle(run, problem, session)


def bring(
    run: Run, target: Target, removals: Iterable[str], note: Callable[[], None] = lambda: None
) -> ExportError | None:
    """Everything that is done at the place; the error that ended it.

    ``note`` is called when all files are visible. Else nothing is asked of the ledger: this may go on beside other
    work.
    """
    try:
        with target.told("the run is not finished; the next command goes on with it"):
            if not run.visible:
                _publish(run, target)
                note()
            for path in removals:
                target.remove(path)
            if run.manifest_name:
                target.write(run.manifest_name, manifest_temporary(run), run.manifest or "")
    except LostFilesError as error:
        try:
            _roll_back(run, target)
        except ExportError as other:  # the place refuses even that: it is tried again
            return other
        return error
    except ExportError as error:
        return error
    return None


def settle(run: Run, problem: ExportError | None, session: Session) -> Run:
    """Record how it ended at the place; ``ExportError`` when the run is to be gone on with."""
    if isinstance(problem, LostFilesError):
        return _give_up(run, session, str(problem))
    if problem:
        hide_in(problem, session.workspace.variables)
        with session.ledger.transaction():
            runs_table.put(session.ledger, replace(run, error=str(problem)))
        raise problem
    return commit(run, session)


class LostFilesError(ExportError):
    """Staged files are gone, so the run cannot be finished with its own bytes."""


def _publish(run: Run, target: Target) -> None:
    for file in run.files:
        if target.is_staged(file.temporary):
            target.publish(file, replace=bool(run.constant_names))
        elif not target.holds(file.path, file.size, file.sha256):
            raise LostFilesError(
                f"{target.url}/{file.path}: the staged file is gone and nothing of this run stands there; it "
                f"is written again"
            )


def _roll_back(run: Run, target: Target) -> None:
    """Take back what is visible of a run without a manifest, so that it can start afresh; other people's files stay."""
    for file in run.files:
        target.abandon(file.path, file.temporary)
        if target.holds(file.path, file.size, file.sha256):
            target.remove(file.path)


def _give_up(run: Run, session: Session, error: str) -> Run:
    session.state.remove_decision(run.run_id)
    undecided = replace(run, decision=None, recipe=None, snapshot=None)
    failed = replace(undecided, status="failed", error=error, finished_at=session.clock(), files=(), baseline=None)
    with session.ledger.transaction():
        runs_table.put(session.ledger, failed)
    return failed


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
    _unstage(done, session.target(done))
    if before and after and before.stored.file != after.stored.file:
        session.state.remove(before.stored)
    return done


def _unstage(run: Run, target: Target) -> None:
    """Remove what was sent from the state; at a folder of this machine nothing is left of it."""
    for file in run.files if target.is_remote else ():
        with suppress(OSError):  # the next command removes it
            target.unstage(file.temporary)


def _baseline(run: Run) -> Baseline | None:
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
    """End a run that was not yet delivering: its temporary files go, its slot stays due (S5)."""
    if run.files and run.url:
        target = session.target(run)
        for file in run.files:
            with suppress(OSError):  # the place refuses that too; the next attempt takes the same name
                target.unstage(file.temporary)
    session.state.remove_rejects(run.run_id)
    return _give_up(run, session, error)


def recover(session: Session, deliver: Callable[[Run], Run | None]) -> list[tuple[Run, ExportError | None]]:
    """Finish or discard what a killed command left, oldest first: each run with the error that still holds it up (S6).

    ``deliver`` carries a run to its end, as ``finish`` does, or raises ``ExportError``; None when it is under way
    beside other work.
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
    """Remove the temporary files of redeliveries that were killed: what they had put in its place is whole, and stays."""
    for run_id in redeliveries_table.unfinished(session.ledger):
        run = runs_table.get(session.ledger, run_id)
        if run is None or clear_redelivery(run, session):
            with session.ledger.transaction():
                redeliveries_table.finish(session.ledger, run_id, session.clock(), ())


def clear_redelivery(run: Run, session: Session) -> bool:
    """Remove the temporary files of one; False when the place refuses that, so that it is tried again."""
    target = session.target(run)
    manifest = [(run.manifest_name, manifest_temporary(run))] if run.manifest_name else []
    try:
        for name, temporary in (*((file.path, file.temporary) for file in run.files), *manifest):
            target.abandon(name, temporary)
    except (ExportError, OSError) as error:
        log.warning(
            "%s: temporary files of the redelivery of run %s are left: %s", run.url, run.run_id, system_message(error)
        )
        return False
    return True


def manifest_temporary(run: Run) -> str:
    """The hidden name under which a run's manifest is written."""
    return f".{run.manifest_name}.tmp"


def planned_file(part: int, name: str, run_id: str) -> PlannedFile:
    """A part and its hidden temporary name in the same folder."""
    folder, _, _ = name.rpartition("/")
    temporary = f".{run_id}.{part}.tmp"
    return PlannedFile(part, f"{folder}/{temporary}" if folder else temporary, name)
