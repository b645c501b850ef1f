"""The ledger's record of an export as it begins, and the due slots that the run supersedes (S2, F4)."""

from dataclasses import replace

from muster.activation.export.baseline import url_digest
from muster.activation.model.exports import Export
from muster.activation.model.history import Run
from muster.activation.model.naming import is_constant
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table
from muster.activation.stores import urls


def new_run(export: Export, session: Session) -> Run:
    """The run of an export, as far as the decision and the config say it; not recorded."""
    activation = export.activation
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
    )


def begin(export: Export, session: Session) -> Run:
    """Record that a run is going on, as another attempt if it failed before, and what the run supersedes (S2)."""
    before = runs_table.get(session.ledger, export.run_id)
    attempts = (before.attempts if before else 0) + 1
    run = replace(new_run(export, session), attempts=attempts, started_at=session.clock(), superseded_count=0)
    with session.ledger.transaction():
        runs_table.put(session.ledger, run)
        if export.superseded:
            runs_table.put(session.ledger, _superseded(export, run, session))
    return run


def _superseded(export: Export, run: Run, session: Session) -> Run:
    """One record for all older due slots, at the newest of their times; a failed run of that slot becomes it."""
    older = export.superseded
    if older is None:
        raise ValueError("nothing is superseded")
    run_id = export.run_id_at(older.newest)
    blank = replace(
        run, run_id=run_id, scheduled_time=older.newest, attempts=0, started_at=None, guards_overridden=False
    )
    record = runs_table.get(session.ledger, run_id) or blank
    return replace(record, status="superseded", superseded_count=older.count, finished_at=session.clock(), files=())
