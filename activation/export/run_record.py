"""The ledger's record of an export as it begins, and the due slots that the run supersedes (S2, F4)."""

from collections.abc import Iterable
from dataclasses import replace

from muster.activation.export.baseline import url_digest
from muster.activation.governance.judged import record
from muster.activation.model.exports import Export
from muster.activation.model.history import Run
from muster.activation.model.naming import is_constant
from muster.activation.session import Session
from muster.activation.state.ledger import inputs_table, runs_table
from muster.activation.stores import urls


def new_run(export: Export, session: Session) -> Run:
    """The run of an export, as far as the decision and the config say it: not recorded, not an attempt yet."""
    activation, judged = export.activation, record(session.judge.of(export.activation))
    return Run(
        run_id=export.run_id,
        destination=activation.destination,
        activation=activation.id,
        audience=activation.audience,
        trigger=export.trigger,
        export=export.mode,
        scheduled_time=export.scheduled,
        superseded_count=export.superseded.count if export.superseded else 0,
        url=None if activation.url is None else urls.normalise(activation.url, session.root),
        url_digest=url_digest(activation, session),
        constant_names=is_constant(activation.file_name),
        file_mode=session.workspace.file_mode,
        guards_overridden=export.override_guards,
        governance=None if judged is None else inputs_table.digest_of(judged),
    )


def new_attempt(export: Export, session: Session) -> Run:
    """The run of an export that begins now, as another attempt if the run failed before; not recorded."""
    before = runs_table.get(session.ledger, export.run_id)
    attempts = (before.attempts if before else 0) + 1
    return replace(new_run(export, session), attempts=attempts, started_at=session.clock(), superseded_count=0)


def begin(runs: Iterable[tuple[Export, Run]], session: Session) -> None:
    """Record in one transaction that runs go on, or failed already, and what they supersede (S2, F3, G7)."""
    with session.ledger.transaction():
        for export, run in runs:
            if judged := record(session.judge.of(export.activation)):
                inputs_table.put(session.ledger, judged)
            runs_table.put(session.ledger, run)
            if export.superseded:
                runs_table.put(session.ledger, _superseded(export, session))


def _superseded(export: Export, session: Session) -> Run:
    """One record for all older due slots, at the newest of their times; a failed run of that slot becomes it."""
    older = export.superseded
    if older is None:
        raise ValueError("nothing is superseded")
    run_id = export.run_id_at(older.newest, older.counter)
    blank = replace(new_run(export, session), run_id=run_id, scheduled_time=older.newest, guards_overridden=False)
    blank = replace(blank, governance=None)  # nothing was tried, so nothing was judged
    known = runs_table.get(session.ledger, run_id) or blank
    return replace(known, status="superseded", superseded_count=older.count, finished_at=session.clock(), files=())
