"""Dead letters that are to be offered again (V10)."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from muster.activation.errors import RefusedError
from muster.activation.model.history import MessageBaseline, Run
from muster.activation.state import leftovers, state_paths
from muster.activation.state.ledger import looks_table, message_baselines_table, named_files, runs_table
from muster.activation.wording import counted
from muster.runs.history import find_run
from muster.runs.opening import OpenWorkspace, instant_of
from muster.runs.sessions import lock

if TYPE_CHECKING:
    import polars as pl

    from muster.activation.state.files import State
    from muster.runs.sessions import LockedWorkspace

_REFUSED = "refused:"  # the beginning of the reasons of profiles that a receiver refused


@dataclass(frozen=True)
class Retried:
    """Profiles that a receiver refused, and that the next run offers again."""

    activation: str  # the activation key
    run: Run
    profiles: int


def retry_rejects(workspace: OpenWorkspace, run_id: str, *, now: datetime) -> Retried:
    """Let the next run offer again whom a run's receiver refused, however often that was (V10).

    The run is named as for ``show_run``; an activation means all whom its receiver refuses. Raises ``RefusedError`` for
    a run that exported files, and while a run of the activation is unfinished.
    """
    with lock(workspace, instant_of(now)) as locked:
        run = find_run(locked.ledger, workspace.config, run_id)
        if run.audiences is None:
            raise RefusedError(
                f"run {run.run_id} of {run.key} exported files, which no receiver refuses; see `muster runs rejects`"
            )
        open_run = next((each for each in runs_table.unfinished(locked.ledger) if each.key == run.key), None)
        if open_run:
            raise RefusedError(f"run {open_run.run_id} of {run.key} is not finished: `muster run` goes on with it")
        baseline = message_baselines_table.get(locked.ledger, run.destination, run.activation)
        people = _refused_by(run, locked.state())
        if baseline is None or (people is not None and people.is_empty()):
            return Retried(run.key, run, 0)
        _offer_again(baseline, None if "/" in run_id else people, locked)
        return Retried(run.key, run, len(people) if people is not None else 0)


def _refused_by(run: Run, state: "State") -> "pl.Series | None":
    """The ids of the profiles that a run's receiver refused; None where the list was lost."""
    import polars as pl

    from muster.activation.frames import engine

    if run.rejects is None:
        if any(reason.startswith(_REFUSED) for reason in run.excluded_by or {}):
            raise RefusedError(
                f"run {run.run_id}: the list of {counted(run.excluded or 0, 'profile')} that it left out was lost; "
                f"name the activation in its place: `muster runs retry {run.key}`"
            )
        return pl.Series("profile_id", [], dtype=pl.String)
    refused = pl.col("reason").str.starts_with(_REFUSED) & pl.col("profile_id").is_not_null()
    return engine.collect(state.read(run.rejects).filter(refused).select("profile_id"))["profile_id"]


def _offer_again(baseline: MessageBaseline, people: "pl.Series | None", locked: "LockedWorkspace") -> None:
    """Let the rows of these profiles, or of all, be due in spite of refusals."""
    from muster.activation.settling.rows_after import due_again

    ledger, state = locked.ledger, locked.state()
    file = state_paths.rewritten_file(baseline.stored.file, named_files.paths(ledger))
    after = due_again(state, file, baseline, people)
    with ledger.transaction():
        message_baselines_table.put(ledger, after)
        looks_table.delete(ledger, baseline.destination, baseline.activation)
    leftovers.clear(state.folder, ledger, state.file_mode)
