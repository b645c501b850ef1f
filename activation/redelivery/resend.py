"""A run's messages sent once more, after the receiver lost them (V11).

Bodies are made again from the decision and compared with the digest of those that were sent, before the first one goes
out. They go to the place of the run, in the run's order, under the run's keys; a receiver that drops keys which it
knows needs new ones. The run's record and the delivered rows stay as they are. After a kill nothing is left but an
outbox, which the next command removes: asked again, all is sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from muster.activation.endpoints.protocol import Endpoint
from muster.activation.errors import ExportError, RefusedError
from muster.activation.frames import engine
from muster.activation.model.history import Run
from muster.activation.model.log import logger
from muster.activation.model.redaction import redact
from muster.activation.outbox.outcomes import OUTCOME, REFUSED, Outcomes, Progress
from muster.activation.outbox.pace import Pace
from muster.activation.outbox.reading import open_outbox
from muster.activation.outbox.send import send_outbox
from muster.activation.outbox.writing import remove_outbox, write_outbox
from muster.activation.redelivery.message_material import MessageMaterial, gather_messages, refuse_unsent
from muster.activation.redelivery.today import refuse_forbidden
from muster.activation.sending.begin import opened_endpoint
from muster.activation.session import Session
from muster.activation.state.ledger import redeliveries_table, runs_table

log = logger("muster.deliver")


@dataclass(frozen=True)
class Resent:
    """The messages of a run that were sent once more; ``error`` when the receiver did not take all."""

    run: Run
    messages: int
    requests: int
    refused: int  # entries
    error: ExportError | None = None


def resend(
    run: Run,
    session: Session,
    *,
    new_keys: bool = False,
    show: Callable[[str], None] | None = None,
) -> Resent:
    """Send a run's messages once more; nothing is sent before all were made and compared. Needs the workspace's lock.

    ``RefusedError`` unless the run is the activation's newest one with messages, sent to the place where the
    destination is now; when an input is missing or changed; when today's policies forbid the messages (G3), or leave
    out somebody whom they tell of (G4). ``ExportError`` when the bodies come out differently.
    """
    _refuse(run, session)
    refuse_forbidden(run, session)
    material = gather_messages(run, session)
    endpoint = opened_endpoint(material.activation, session)
    try:
        outcomes = _sent(material, session, endpoint, new_keys=new_keys, show=show)
    finally:
        endpoint.close()
    with session.ledger.transaction():
        redeliveries_table.begin(session.ledger, run.run_id, session.clock())
        told = [f"request {number}" for number in range(outcomes.requests)]
        redeliveries_table.finish(session.ledger, run.run_id, session.clock(), told)
    return outcomes


def _refuse(run: Run, session: Session) -> None:
    """``RefusedError`` when the run sent nothing, a later one sent something, or the destination is another place."""
    refuse_unsent(run)
    ledger = session.ledger
    runs = runs_table.find(ledger, activation=run.key, superseded=False)
    unfinished = next((each for each in runs if each.status == "delivering"), None)
    if unfinished:
        raise RefusedError(f"run {unfinished.run_id} of {run.key} is not finished: `muster run` goes on with it first")
    later = max((each for each in runs if each.messages), key=_sent_at, default=run)
    if later.run_id != run.run_id:
        raise RefusedError(
            f"run {later.run_id} has sent messages of {run.key} since run {run.run_id}, which may say less or other "
            f"than those: only the newest can be sent again; `muster replay {run.run_id}` writes its bodies as files, "
            f"and `muster resync {run.key}` sends every member as they are now"
        )
    destination = session.workspace.message_destinations.get(run.destination)
    if destination is None or destination.place_digest != run.url_digest:
        raise RefusedError(
            f"run {run.run_id} of {run.key} was sent to {run.url}, and the destination is not there now: its messages "
            "are for that receiver alone"
        )


def _sent_at(run: Run) -> tuple[datetime, str]:
    """When a run that sent messages ended: a slot that was tried again may be older than others."""
    return run.finished_at or run.scheduled_time, run.run_id


def _sent(
    material: MessageMaterial,
    session: Session,
    endpoint: Endpoint,
    *,
    new_keys: bool,
    show: Callable[[str], None] | None,
) -> Resent:
    """Write an outbox as the run had it, compare it with the run's, and send it."""
    recipe, activation = material.recipe, material.activation
    run = replace(material.run, compared=recipe.compared)
    record = write_outbox(session.state, run, material.people, material.batches())
    try:
        if record["texts"]["sha256"] != recipe.texts_sha256:
            raise ExportError(
                f"run {run.run_id} of {run.key}: made again, its messages are not those that were sent, so nothing was "
                f"sent: {material.why_different()}"
            )
        destination = session.workspace.message_destinations[run.destination]
        outbox = open_outbox(session.state, replace(run, outbox=record), is_fresh=True)
        if new_keys:
            times = len(redeliveries_table.finished(session.ledger, run.run_id))
            outbox.new_keys = f"again {times + 1}"
        pace = Pace(activation.in_flight, destination.retries, destination.rate)
        log.info("%s: sending run %s again, %d messages", run.key, run.run_id, recipe.entries)
        outcomes = send_outbox(outbox, endpoint, pace, progress=_tell, show=show)
        return _resent(material.run, outcomes, session)
    finally:
        remove_outbox(session.state, record)


def _tell(progress: Progress) -> None:
    """Log how far it is, for the progress bar."""
    step = {"messages": progress.messages, "of_messages": progress.total, "refused": progress.refused}
    log.debug("sending", extra=step | {"rate": progress.rate, "seconds_left": progress.seconds_left})


def _resent(run: Run, outcomes: Outcomes, session: Session) -> Resent:
    refused = engine.collect(outcomes.entries.filter(pl.col(OUTCOME) == REFUSED).select(pl.len())).item()
    error = redact(outcomes.error, session.workspace.variables) if outcomes.error else ""
    return Resent(
        run, outcomes.messages, outcomes.requests, refused, ExportError(f"{run.key}: {error}") if error else None
    )
