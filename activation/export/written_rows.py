"""The recorded decision of a run: the rows it wrote, kept in the state so that its files can be made again (X4, F3).

decision   a file of the state: the rows to write, in their order (profile_id, status, last_qualification_time;
           ``identity`` where a namespace is mapped; of those that exited s0..., what they carry in the column at that
           position of the mapping, and ``as_sent`` where some have null elsewhere). A run that wrote everybody whom an
           evaluation found realized, but for the profiles among its rejects, has the evaluation's file as its decision
           instead. Rows of forgotten people are left out (G8).
recipe     the config and versions that make bytes of the rows: ``recipe_record``
snapshot   the files whose values were written
"""

import polars as pl

from muster.activation.comparison.compare import Comparison
from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, PROFILE_ID, REALIZED, ROW, STATUS, STATUS_TYPE, TIME
from muster.activation.mapping.earlier_rows import with_exit_values
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.row_columns import AS_SENT, IDENTITY, position_of
from muster.activation.mapping.sent_types import holding_rows
from muster.activation.model.history import Run, StoredFile
from muster.activation.model.workspace import Activation
from muster.activation.profiles.roster import Roster
from muster.activation.state import state_paths
from muster.activation.state.files import State

FORGOTTEN_MARK = "muster.forgotten"  # in the metadata of a state file that lacks forgotten people
_RENAMED = {IDENTITY: "identity", AS_SENT: "as_sent"}  # the names of these columns in the file


def write(rows: pl.DataFrame, layout: Layout, run: Run, roster: Roster, state: State) -> StoredFile:
    """Store the rows of a run (``compare``'s), with ids in place of numbers."""
    sent = [name for name in rows.columns if position_of(name) is not None]
    sent_as_text = holding_rows(layout, rows) is not layout  # the types say so, even without an exit
    kept = sent if sent_as_text or (rows[STATUS] == EXITED).any() else []
    frame = rows.select(
        roster.stored_ids_of(rows[ROW]).alias(PROFILE_ID),
        pl.col(STATUS).cast(pl.String),
        TIME,
        *(pl.col(name).alias(stored) for name, stored in _RENAMED.items() if name in rows.columns),
        *(pl.when(pl.col(STATUS) == EXITED).then(name).alias(name) for name in kept),
    ).drop_nulls(PROFILE_ID)
    about = {FORGOTTEN_MARK: "1"} if frame.height < rows.height else {}
    return state.write(frame, state_paths.decision_file(run.run_id), about)


def lacks_forgotten(run: Run, state: State) -> bool:
    """Whether a file with the rows of a run was written, or written anew, without people who were forgotten (G8)."""
    files = [each for each in (run.decision, run.rejects) if each]
    return any(FORGOTTEN_MARK in state.metadata(each) for each in files)


def is_everybody(comparison: Comparison, layout: Layout, realized: int) -> bool:
    """Whether the rows are the ``realized`` profiles of an evaluation but for those excluded: no others, each once."""
    counts = comparison.counts
    whole = counts.realized == comparison.desired == realized - counts.excluded
    one_row_each = comparison.rows.height == counts.realized and not counts.exited and not layout.identity
    return whole and one_row_each and holding_rows(layout, comparison.rows) is layout


def read(run: Run, layout: Layout, activation: Activation, roster: Roster, state: State) -> pl.DataFrame:
    """The rows as ``compare`` gave them, without values of realized profiles.

    ``activation`` is as it was configured at that run. ``StateError`` when a file is missing or damaged.
    """
    remedy = f"restore the file from a backup: without it the files of run {run.run_id} cannot be made again"
    if run.decision is None:
        raise ValueError(run)
    frame = state.read(run.decision, remedy)
    if state.is_memberships(run.decision):
        realized = frame.filter(pl.col(STATUS) == REALIZED)
        decided = realized.select(PROFILE_ID, pl.col(STATUS).cast(STATUS_TYPE), TIME)
        if run.rejects:
            decided = decided.join(state.read(run.rejects, remedy), on=PROFILE_ID, how="anti")
        rows = roster.numbered(decided)
        return rows.with_columns(roster.rank_of(rows[ROW]).alias("rank")).sort("rank").select(ROW, STATUS, TIME)
    rows = roster.numbered(frame).rename({stored: name for name, stored in _RENAMED.items()}, strict=False)
    rows = rows.with_columns(pl.col(STATUS).cast(STATUS_TYPE))
    return with_exit_values(rows, roster.ids_of(rows[ROW]), layout, activation)


def detached(run: Run, state: State) -> StoredFile:
    """Store the rows of a run whose decision is an evaluation's file in a file of their own, and return that."""
    if run.decision is None:
        raise ValueError(run)
    rows = state.read(run.decision).filter(pl.col(STATUS) == REALIZED)
    decided = engine.collect(rows.select(PROFILE_ID, pl.col(STATUS).cast(pl.String), TIME))
    if run.rejects:
        rejected = engine.collect(state.read(run.rejects).select(PROFILE_ID))[PROFILE_ID]
        decided = decided.filter(~pl.col(PROFILE_ID).is_in(rejected.implode()))
    return state.write(decided, state_paths.decision_file(run.run_id))
