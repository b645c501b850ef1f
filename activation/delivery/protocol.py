"""From runs committed as ``delivering`` to their end in the ledger, also after a kill (F1, F3, S6, X8).

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

A group of runs takes each step together: all of them rename before one commit says so. What a kill leaves of a group is
what it leaves of each run, so the next command need not know which runs were in a group.

A receiver may take files as soon as it sees them. So what may have to be delivered again must still be there: a
destination on another machine gets copies of files that stay here until the commit; a folder gets the files themselves,
and the ledger is told when the folder has all of them. ``delivery.files`` has the steps at the destination.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from muster.activation.delivery.files import (
    Delivery,
    LostFilesError,
    abandon_temporaries,
    complete,
    keep_names,
    publish,
    unstage,
)
from muster.activation.errors import ExportError
from muster.activation.model.history import Baseline, Run, StoredFile
from muster.activation.model.log import logger
from muster.activation.model.redaction import redact, redact_error
from muster.activation.session import Session
from muster.activation.state.ledger import baselines_table, redeliveries_table, runs_table
from muster.activation.system.os_errors import system_message

log = logger("muster.deliver")


@dataclass(frozen=True)
class Settled:
    """A recorded run whose delivery ended; ``error`` when the run failed, or when the next command goes on with it."""

    run: Run
    error: ExportError | None = None


def delivery_of(run: Run, session: Session) -> Delivery:
    """The delivery of a ``delivering`` run: to its own url, whatever the config says now (S6)."""
    removals, rewound = runs_table.removals(session.ledger, run.run_id), runs_table.rewound_over(session.ledger, run)
    return Delivery(run, session.destinations.target(run), removals, rewound)


def finish(runs: Sequence[Run], session: Session) -> list[Settled]:
    """Carry ``delivering`` runs to their end step by step, with one commit a step: same names, same bytes (F3, S6).

    A run that its destination refuses stays ``delivering``, and the next command tries again; the others go on. No two
    of the runs may write or remove files at one place.
    """
    deliveries = [delivery_of(run, session) for run in runs]
    synced: set[Path] = set()
    for each in deliveries:
        publish(each)
    for each in _going_on(deliveries):
        keep_names(each, (file.path for file in each.run.files), synced)
    _record_visible(_going_on(deliveries), session)
    synced.clear()
    for each in _going_on(deliveries):
        complete(each)
    for each in _going_on(deliveries):
        keep_names(each, [each.run.manifest_name] if each.run.manifest_name else [], synced)
    done = {run.run_id: run for run in commit([each.run for each in _going_on(deliveries)], session)}
    return [Settled(done[each.run.run_id]) if not each.problem else settle(each, session) for each in deliveries]


def _going_on(deliveries: Iterable[Delivery]) -> list[Delivery]:
    return [each for each in deliveries if not each.problem]


def _record_visible(deliveries: Sequence[Delivery], session: Session) -> None:
    """Record in one transaction that all files of these runs are visible, in folders of this machine (F3)."""
    fresh = [each for each in deliveries if not each.run.visible and not each.target.is_remote]
    if not fresh:
        return
    with session.ledger.transaction():
        for each in fresh:
            each.run = replace(each.run, visible=True)
        runs_table.put_visible(session.ledger, [each.run.run_id for each in fresh])


def settle(delivery: Delivery, session: Session) -> Settled:
    """Record how one delivery ended at the destination."""
    run, problem = delivery.run, delivery.problem
    if problem is None:
        [done] = commit([run], session)
        return Settled(done)
    if isinstance(problem, LostFilesError):
        failed = _give_up(run, session, str(problem))
        return Settled(failed, ExportError(failed.error or "the run failed"))
    redact_error(problem, session.workspace.variables)
    run = replace(run, error=str(problem))
    with session.ledger.transaction():
        runs_table.put(session.ledger, run)
    return Settled(run, problem)


def commit(runs: Sequence[Run], session: Session) -> list[Run]:
    """The commit: the runs succeeded and their baselines moved, in one transaction (X8)."""
    if not runs:
        return []
    ledger = session.ledger
    done = [replace(run, status="succeeded", error=None, finished_at=session.clock()) for run in runs]
    moved = [(baselines_table.get(ledger, run.destination, run.activation), _baseline(run)) for run in done]
    with ledger.transaction():
        for run, (_, after) in zip(done, moved, strict=True):
            runs_table.put(ledger, run)
            if after:
                baselines_table.put(ledger, after)
    for run, (before, after) in zip(done, moved, strict=True):
        target = session.destinations.target(run)
        if target.is_remote:  # a folder of this machine got the staged files themselves
            unstage(run, target)
        if before and after and before.stored != after.stored:
            session.state.remove(before.stored, after.stored)
    return done


def _baseline(run: Run) -> Baseline | None:
    """The baseline that a finished run leaves; None for a run that leaves none."""
    if run.baseline is None or run.evaluated_at is None or run.finished_at is None:
        return None
    return Baseline(
        destination=run.destination,
        activation=run.activation,
        run_id=run.run_id,
        stored=StoredFile.of(run.baseline["stored"]),
        profiles=run.baseline["profiles"],
        evaluated_at=run.evaluated_at,
        delivered_at=run.finished_at,
        url_digest=run.url_digest or "",
        url=run.url or "",
        digest_made_by=run.baseline["digest_made_by"],
        policy=run.baseline.get("policy"),
        build=run.baseline.get("build"),
    )


def discard(run: Run, session: Session, error: str) -> Run:
    """End a run that was not yet delivering: its temporary files are removed, its slot stays due (S5)."""
    if run.files and run.url:
        unstage(run, session.destinations.target(run))  # the next attempt takes the same names
    session.state.remove_rejects(run.run_id)
    return _give_up(run, session, error)


def _give_up(run: Run, session: Session, error: str) -> Run:
    """Record that a run failed, and forget the rows that were written down for it."""
    session.state.remove_decision(run.run_id)
    failed = failed_run(run, session, error)
    with session.ledger.transaction():
        runs_table.put(session.ledger, failed)
    return failed


def failed_run(run: Run, session: Session, error: str) -> Run:
    """The record of a run that failed: without files, rows and baseline."""
    error = redact(error, session.workspace.variables)
    undecided = replace(run, decision=None, recipe=None, snapshot=None)
    return replace(undecided, status="failed", error=error, finished_at=session.clock(), files=(), baseline=None)


def recover(session: Session, deliver: Callable[[Run], Settled | None]) -> list[Settled]:
    """Finish or discard the exports of a killed command in their order (S6): each with the error that still blocks it.

    ``deliver`` carries one run to its end, as ``finish`` does; it returns None for a run that is being delivered beside
    other work, which is then not among the results.
    """
    clear_redeliveries(session)
    outcome: list[Settled] = []
    for run in runs_table.unfinished(session.ledger):
        if run.audiences is not None:  # ``sending.resume`` goes on with those that send messages
            continue
        log.info("finishing run %s of %s, left %s", run.run_id, run.key, run.status)
        if run.status == "running":
            discard(run, session, "interrupted before its files were complete; the slot stays due")
        elif done := deliver(run):
            outcome.append(done)
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
