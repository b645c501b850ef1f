"""What `verify` and `reconcile` ask, and what their ``--json`` prints."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from muster.activation.audit.verify import Checked, CheckedRun, Holders, check_run
from muster.activation.errors import InputError
from muster.activation.model.history import Run
from muster.activation.state.ledger import runs_table
from muster.cli.shapes import runs as shapes
from muster.cli.shapes.runs import Json
from muster.runs.queries import find_run

if TYPE_CHECKING:
    from muster.activation.audit.reconcile import Reconciled
    from muster.activation.session import Session

log = logging.getLogger("muster.verify")


def verify(session: "Session", wanted: Sequence[str], *, everything: bool) -> list[CheckedRun]:
    """`muster verify`: each run, and what lies where it delivered."""
    if wanted and everything:
        raise InputError("RUN and --all do not go together; expected one of them, see `muster verify --help`")
    runs, holders, checked = _runs(session, wanted, everything=everything), Holders(session.ledger), []
    for done, run in enumerate(runs):
        log.info(
            "verifying run %s of %s",
            run.run_id,
            run.key,
            extra={"done": done, "of": len(runs), "step": f"verifying {run.key}"},
        )
        checked.append(check_run(run, session, holders))
    return checked


def _runs(session: "Session", wanted: Sequence[str], *, everything: bool) -> list[Run]:
    ledger = session.ledger
    if wanted:
        return list({run.run_id: run for run in (find_run(ledger, each) for each in wanted)}.values())
    if everything:
        return [run for run in runs_table.find(ledger, superseded=False) if run.status == "succeeded"]
    return [
        run
        for each in session.workspace.activations
        for run in runs_table.succeeded(ledger, each.destination, each.id, limit=1)
    ]


def verified_shape(each: CheckedRun) -> Json:
    """One object of ``verify --json``."""
    return {
        "run_id": each.run.run_id,
        "destination": each.run.destination,
        "activation": each.run.activation,
        "trigger": each.run.trigger,
        "status": each.run.status,
        "scheduled_time": shapes.time(each.run.scheduled_time),
        "result": each.result,
        "files": [_part_shape(part) for part in each.files],
        "manifest": _part_shape(each.manifest) if each.manifest else None,
    }


def _part_shape(part: Checked) -> Json:
    return {
        "path": part.place,
        "result": part.result,
        "differences": [{"what": one.what, "message": one.message} for one in part.differences],
        "replaced_by": part.replaced_by,
        "note": part.note,
    }


def reconciled_shape(found: "Reconciled", limit: int) -> Json:
    """``reconcile --json``."""
    destination, _, activation = found.activation.partition("/")
    return {
        "destination": destination,
        "activation": activation,
        "known_by": found.by.words,
        "first_run": found.runs[0].run_id,
        "last_run": found.runs[-1].run_id,
        "runs": len(found.runs),
        "receiver": found.receiver,
        "delivered": found.delivered,
        "missing": found.missing,
        "extra": found.extra,
        "untold": found.untold,
        "desired": found.desired,
        "to_come": found.to_come,
        "to_go": found.to_go,
        "altered": list(found.altered),
        "notes": list(found.notes),
        "differing": found.differing.head(limit).to_dicts(),
    }
