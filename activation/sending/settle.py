"""The end of a run that sent messages: rows, counts and the run's record, in one transaction (V2, V8, V10, V11)."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.model.history import Look, MessageBaseline, Run, StoredFile
from muster.activation.model.log import logger
from muster.activation.model.redaction import redact
from muster.activation.outbox.outcomes import OUTCOME, Outcomes
from muster.activation.outbox.reading import Outbox
from muster.activation.outbox.writing import remove_outbox
from muster.activation.profiles.forgotten import Forgotten
from muster.activation.sending.decision import write_decision
from muster.activation.sending.recorded import Kept, kept_of
from muster.activation.sending.run_record import with_counts
from muster.activation.session import Session
from muster.activation.settling.rows_after import RowsAfter, write_rows
from muster.activation.state import state_paths
from muster.activation.state.ledger import looks_table, message_baselines_table, runs_table
from muster.activation.wording import counted

log = logger("muster.send")
WAITING = "waiting"  # the outcome of an entry that waits for others (V7)
_NOBODY = pl.DataFrame(schema={PROFILE_ID: pl.String(), "reason": pl.String(), "tries": pl.UInt16()})


def settle(outbox: Outbox, outcomes: Outcomes, session: Session) -> tuple[Run, ExportError | None]:
    """Move the rows as far as messages were accepted, and record how the run ended; the outbox is removed then.

    A run that was not answered to its end, could not deliver an exit, or lacked an audience, has failed (V10, E9).
    """
    run, kept = outbox.run, kept_of(outbox.run)
    after = _rows_after(outbox, outcomes, kept, session)
    error = redact("; ".join(_reasons(outcomes, after, kept)), session.workspace.variables)
    ended = replace(
        with_counts(run, after.counts),
        status="failed" if error else "succeeded",
        error=error or None,
        finished_at=session.clock(),
        messages=outcomes.messages,
        requests=outcomes.requests,
        resent=after.resent,
        answers=dict(outcomes.answers),
        rejects=_write_rejects(run, after, session),
        decision=_write_decision(outbox, outcomes, session),
        outbox=None,
    )
    before = message_baselines_table.get(session.ledger, run.destination, run.activation)
    with session.ledger.transaction():
        message_baselines_table.put(session.ledger, _baseline(run, after, kept))
        runs_table.put(session.ledger, ended)
        looks_table.put(session.ledger, Look(run.destination, run.activation, session.at))
    if before and before.stored.file != after.stored.file:
        session.state.remove(before.stored)
    if run.outbox:
        remove_outbox(session.state, run.outbox)
    activation = session.workspace.message_activation(run.key)
    for warning in _warnings(ended, outcomes, after, activation.dead_letter_after if activation else None):
        session.warnings.add(f"{run.key}: {warning}")
    sent = f"{counted(outcomes.messages, 'message')} in {counted(outcomes.requests, 'request')}"
    log.info("%s: %s, %s", run.key, ended.status, sent)
    return ended, ExportError(error) if error else None


def _rows_after(outbox: Outbox, outcomes: Outcomes, kept: Kept, session: Session) -> RowsAfter:
    run = outbox.run
    return write_rows(
        session.state,
        state_paths.message_rows_file(run.destination, run.activation, run.run_id, run.compared or 1),
        before=kept.before,
        made=kept.made,
        people=outbox.people,
        entries=_all_entries(outcomes.entries, kept, session),
        repeated=outcomes.repeated,
        counts=kept.counts,
        excluded=engine.collect(session.state.read(kept.excluded)) if kept.excluded else _NOBODY,
    )


def _all_entries(entries: pl.LazyFrame, kept: Kept, session: Session) -> pl.LazyFrame:
    """The entries of requests, and those that are part of no request as they wait for others, with outcomes as text."""
    known = entries.with_columns(pl.col(OUTCOME).cast(pl.String))
    if not kept.waiting:
        return known
    waiting = session.state.read(kept.waiting).with_columns(pl.lit(WAITING).alias(OUTCOME))
    return pl.concat([known, waiting], how="diagonal")


def _reasons(outcomes: Outcomes, after: RowsAfter, kept: Kept) -> Iterator[str]:
    """Why the run failed; nothing when it succeeded."""
    if outcomes.error:
        yield outcomes.error
    if after.refused_exits:
        exits = (
            "the exit of 1 profile was"
            if after.refused_exits == 1
            else f"the exits of {after.refused_exits:,} profiles were"
        )
        yield f"{exits} refused and stays owed: every later run tries again"
    yield from kept.failed


def _warnings(run: Run, outcomes: Outcomes, after: RowsAfter, gives_up_after: int | None) -> Iterator[str]:
    """What somebody should know of a run that succeeded or failed."""
    if after.refused:
        reasons = ", ".join(
            f"{reason.removeprefix('refused:')} ({number:,})"
            for reason, number in (run.excluded_by or {}).items()
            if reason.startswith("refused:")
        )
        see = f"`muster runs rejects {run.run_id}` lists them"
        hint = "; nobody was accepted: the requests may be wrong, and `-v` shows the answers"
        is_new = bool(after.rejects["tries"].eq(1).any())
        yield (
            f"{counted(after.refused, 'profile')} refused: {reasons}; {see}, and "
            f"{_offered(run, after, gives_up_after)}{hint if is_new and not run.exported else ''}"
        )
    if outcomes.refused_count:
        yield (
            f"the receiver refused {counted(outcomes.refused_count, 'entry', 'entries')} and did not say which: they "
            "count as accepted"
        )


def _offered(run: Run, after: RowsAfter, gives_up_after: int | None) -> str:
    """When the refused are sent again: with later runs, or as dead letters when they ask or something changes (V10)."""
    is_known = gives_up_after is not None and not after.refused_exits  # an exit is never given up
    given_up = int(after.rejects["tries"].ge(gives_up_after).sum()) if is_known else 0
    if not given_up:
        return "later runs offer them again"
    some = "" if given_up == after.refused else f"{given_up:,} of them "
    return f"{some}not again until they change, or `muster runs retry {run.key}` asks for it"


def _write_rejects(run: Run, after: RowsAfter, session: Session) -> StoredFile | None:
    if after.rejects.is_empty():
        return None
    return session.state.write(after.rejects, state_paths.rejects_file(run.run_id))


def _write_decision(outbox: Outbox, outcomes: Outcomes, session: Session) -> StoredFile | None:
    """Whom the run told, for those who verify or repeat it; None where nothing was sent."""
    if not outcomes.messages:
        return None
    return write_decision(session.state, outbox.run, outbox.people, outcomes.entries, Forgotten.of(session.ledger))


def _baseline(run: Run, after: RowsAfter, kept: Kept) -> MessageBaseline:
    return MessageBaseline(
        destination=run.destination,
        activation=run.activation,
        run_id=run.run_id,
        stored=after.stored,
        profiles=after.profiles,
        members=after.members,
        at=run.scheduled_time,
        place_digest=run.url_digest or "",
        place=kept.place,
        made=after.made,
        policy=kept.policy,
        build=kept.build,
    )
