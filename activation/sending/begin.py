"""From the decision to send to a run committed as ``delivering``: gather, guards, requests, outbox (V1, V8, V11).

ledger: nothing            what is written so far is removed by the next command
outbox written and synced  the same
ledger: delivering         the next command goes on from here (``resume``)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.delivery.protocol import failed_run
from muster.activation.endpoints.kinds import KINDS
from muster.activation.endpoints.opening import open_endpoint
from muster.activation.endpoints.protocol import Endpoint
from muster.activation.errors import ExportError, MusterError
from muster.activation.export.decided import as_user_reads
from muster.activation.inputs.parquet import blamed
from muster.activation.instants import iso
from muster.activation.messages.building import requests_of
from muster.activation.messages.requests import PERSON, Batch
from muster.activation.model.exports import Sending
from muster.activation.model.history import Look, Run, StoredFile
from muster.activation.model.log import logger
from muster.activation.model.messages import MessageActivation
from muster.activation.outbox.writing import remove_outbox, write_outbox
from muster.activation.profile_changes.changes import Changes
from muster.activation.profile_changes.gather import gather_changes
from muster.activation.sending.basis import basis_of
from muster.activation.sending.guards import refuse_removals, refused_beyond
from muster.activation.sending.lasting import lasts_until
from muster.activation.sending.looking import Looks
from muster.activation.sending.recipe import with_recipe
from muster.activation.sending.recorded import Kept, with_kept
from muster.activation.sending.run_record import new_attempt, put_with_superseded, with_changes
from muster.activation.session import Session
from muster.activation.settling.rows_after import write_moved
from muster.activation.state import state_paths
from muster.activation.state.ledger import looks_table, runs_table

log = logger("muster.send")


@dataclass(frozen=True)
class Begun:
    """How far a sending came: a run that is ``delivering``, one that failed with an error, or nothing to send."""

    run: Run | None
    error: MusterError | None = None


def begin(sending: Sending, session: Session, looks: Looks) -> Begun:
    """Decide what a run sends, write it down, and commit the run as ``delivering``; an error is recorded (X1)."""
    own = session.of_audience(sending.activation.audience_ids[0])
    run, fingerprint = new_attempt(sending, session), looks.fingerprint(sending.activation, session.at)
    log.info("%s: comparing for %s", sending.key, iso(sending.scheduled))
    try:
        with blamed(own.opened.opened_parts):
            changes = gathered(sending, own)
            run = with_changes(run, changes, own)
            refuse_removals(sending, changes.removals)
            if changes.people.is_empty() and not changes.settles and not changes.failed:
                _record_look(sending, own, fingerprint)
                return Begun(None)
            return _write(run, sending, own, changes, fingerprint)
    except (MusterError, OSError) as problem:
        error = as_user_reads(problem, sending, own)
        failed = failed_run(run, session, str(error))
        with session.ledger.transaction():
            put_with_superseded(failed, sending, session)
        return Begun(failed, error)


def gathered(sending: Sending, session: Session) -> Changes:
    """What a run would tell; its warnings are told. Errors are as of ``gather_changes``.

    ``session`` is that of the profiles of the activation's audiences.
    """
    changes = gather_changes(sending, session)
    if not changes.counts.balanced:
        raise ExportError(
            f"the counts do not balance: {changes.counts}; nothing was sent: this is a fault of muster, report it"
        )
    for warning in changes.warnings:
        session.warnings.add(warning if warning.startswith(sending.key) else f"{sending.key}: {warning}")
    return changes


def opened_endpoint(activation: MessageActivation, session: Session) -> Endpoint:
    """The endpoint of an activation, as the config has it now; ``ExportError`` when it cannot be used."""
    destination = session.workspace.message_destinations[activation.destination]
    return open_endpoint(replace(destination, variables=session.workspace.variables), activation, session.root)


def batches_of(sending: Sending, run: Run, changes: Changes, session: Session) -> Iterator[Batch]:
    """The requests of a run with their entries, in their order."""
    limits, number = KINDS[sending.activation.kind].limits, run.compared or 1
    return requests_of(
        changes, sending.activation, limits, (run.run_id, number), session.at, waits=not sending.is_resync
    )


def _write(run: Run, sending: Sending, session: Session, changes: Changes, fingerprint: str) -> Begun:
    """Write the outbox and commit the run; no run where nothing is to be sent or settled (V1, V7)."""
    opened_endpoint(sending.activation, session).close()  # credentials that are missing are told before anything else
    waiting = Waiting()
    batches = refused_beyond(waiting.apart(batches_of(sending, run, changes, session)), sending)
    outbox = write_outbox(session.state, run, changes.people, batches)
    try:
        if not outbox["totals"]["entries"] and not changes.settles and not changes.failed:
            remove_outbox(session.state, outbox)
            _record_look(sending, session, "" if waiting.profiles else fingerprint)  # who waits is sent after a time
            return Begun(None)
        files = _own_files(outbox["folder"], session, changes, waiting)
        session.opened.refuse_changed()  # nothing leaves of two versions of an input (D2)
        kept = _kept(sending, session, changes, files)
        run = replace(run, status="delivering", outbox=with_kept(outbox, kept))
        with session.ledger.transaction():
            run = with_recipe(run, sending.activation, changes, session, waits=not sending.is_resync)
            put_with_superseded(run, sending, session)
    except BaseException:
        known = runs_table.get(session.ledger, run.run_id)
        if known is None or known.status != "delivering":  # else the next command goes on
            remove_outbox(session.state, outbox)
        raise
    _remove_earlier(run, session)
    return Begun(run)


class Waiting:
    """The entries of a run that are part of no request, as they wait for others (V7)."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []

    def apart(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches as they come; entries that wait are kept."""
        for batch in batches:
            if batch.waiting is not None and not batch.waiting.is_empty():
                self._frames.append(batch.waiting)
            if not batch.requests.is_empty():
                yield batch

    @property
    def frame(self) -> pl.DataFrame | None:
        """The entries, with the columns of ``WAITING_TYPES``; None for none."""
        return pl.concat(self._frames) if self._frames else None

    @property
    def profiles(self) -> int:
        """How many profiles wait, at least in part."""
        return 0 if self.frame is None else self.frame[PERSON].n_unique()


@dataclass(frozen=True)
class _Files:
    """Files that a run keeps beside its outbox; None for what there is nothing of."""

    moved: StoredFile | None  # rows with the moves that need no message
    excluded: StoredFile | None  # who is left out
    waiting: StoredFile | None


def _own_files(folder: str, session: Session, changes: Changes, waiting: Waiting) -> _Files:
    def written(frame: pl.DataFrame | None, name: str) -> StoredFile | None:
        return None if frame is None or frame.is_empty() else session.state.write(frame, f"{folder}/{name}.parquet")

    moved = changes.moved and write_moved(session.state, f"{folder}/moved.parquet", changes.moved(), changes.made)
    return _Files(moved, written(changes.excluded, "excluded"), written(waiting.frame, "waiting"))


def _kept(sending: Sending, session: Session, changes: Changes, files: _Files) -> Kept:
    activation, before, lineage = sending.activation, changes.before, session.opened.lineage
    rows = (files.moved, changes.made) if files.moved else (before.stored, before.made) if before else None
    return Kept(
        basis=basis_of(activation, session),
        until=lasts_until(activation, session),
        before=rows,
        made=changes.made,
        counts=changes.counts,
        excluded=files.excluded,
        waiting=files.waiting,
        failed=changes.failed,
        place=session.workspace.message_destinations[activation.destination].shown_place,
        policy=lineage.policy if lineage else None,
        build=session.opened.build,
    )


def _record_look(sending: Sending, session: Session, fingerprint: str) -> None:
    """Record that there was nothing to send; an empty fingerprint lets the next command compare again (V1)."""
    until = lasts_until(sending.activation, session) if fingerprint else None
    look = Look(sending.activation.destination, sending.activation.id, session.at, fingerprint, until)
    session.opened.refuse_changed()
    with session.ledger.transaction():
        looks_table.put(session.ledger, look)
    log.info("%s: nothing to send", sending.key)


def _remove_earlier(run: Run, session: Session) -> None:
    """Remove whom an earlier try of the run left out: the ledger names that file no more."""
    for file in (state_paths.rejects_file(run.run_id), state_paths.decision_file(run.run_id)):
        (session.state.folder / file).unlink(missing_ok=True)
