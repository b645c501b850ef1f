"""Runs that a killed command left ``delivering``: they go on, or end as replaced (V8, in the place of S6)."""

import dataclasses

import polars as pl

from muster.activation.errors import MusterError
from muster.activation.frames import engine
from muster.activation.model.history import Run
from muster.activation.model.log import logger
from muster.activation.outbox.outcomes import OUTCOME, UNCERTAIN, UNSENT, Outcomes
from muster.activation.outbox.reading import open_outbox
from muster.activation.outbox.settle import settle as outcomes_of
from muster.activation.sending.basis import basis_of
from muster.activation.sending.recorded import kept_of
from muster.activation.sending.settle import settle
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table

log = logger("muster.send")
REPLACED = "replaced"


def unfinished(session: Session) -> list[Run]:
    """The runs that send messages and that a killed command left, in the order in which they began."""
    return [run for run in runs_table.unfinished(session.ledger) if run.audiences is not None]


def reason_to_replace(run: Run, session: Session) -> str:
    """Why a run does not go on; empty when all that it was decided on is as it was."""
    kept, activation = kept_of(run), session.workspace.message_activation(run.key)
    if activation is None or not activation.enabled:
        return "its activation is gone"
    if open_outbox(session.state, run).is_restored:
        return "its outbox comes from a backup"
    if kept.until is not None and session.at >= kept.until:
        return "its inputs are others by now"
    try:
        basis = basis_of(activation, session)
    except MusterError as error:
        log.warning("%s: %s", run.key, error)
        basis = None
    if basis is None or basis != kept.basis:
        return "evaluation, profiles, feed, policies or config have changed since it was decided"
    return ""


def replace(run: Run, session: Session, reason: str) -> Run:
    """End a run without sending: what may have been sent is uncertain, the rest is dropped (V8).

    One of which every message was answered has nothing to drop: it ends as it would have.
    """
    own = session.of_audience(run.audiences[0].id if run.audiences else "")
    outbox = open_outbox(session.state, run)
    outcomes = outcomes_of(outbox)
    ended, _ = settle(outbox, outcomes if _is_answered(outcomes) else _replaced(outcomes, reason), own)
    outbox.close()
    return ended


def _is_answered(outcomes: Outcomes) -> bool:
    """Whether each message was accepted or refused."""
    is_open = pl.col(OUTCOME).cast(pl.String).is_in([UNSENT, UNCERTAIN])
    return not engine.collect(outcomes.entries.select(is_open.any())).item()


def _replaced(outcomes: Outcomes, reason: str) -> Outcomes:
    error = f"{REPLACED}: {reason}; a fresh comparison takes its place"
    return dataclasses.replace(outcomes, error=error)
