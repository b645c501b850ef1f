"""The decision of a run that sent messages: whom it told, and what became of each entry (V11).

A file of the state with the columns of ``profile_changes.people``, without numbers of profiles, and

entries   List(Struct(entry UInt32, request UInt32, outcome String, reason String)): of the person, in their order;
          ``entry`` and ``request`` count all of the run

It holds no body: bodies are made of it, the recipe and the snapshot. Rows of forgotten people are left out (G8).
"""

import polars as pl

from muster.activation.export.written_rows import FORGOTTEN_MARK
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.messages.requests import PERSON, REQUEST
from muster.activation.model.history import Run, StoredFile
from muster.activation.outbox.outcomes import OUTCOME, REASON
from muster.activation.profiles.forgotten import Forgotten
from muster.activation.profiles.roster import Roster
from muster.activation.state import state_paths
from muster.activation.state.files import State

ENTRIES, ENTRY = "entries", "entry"
_NUMBER = "profile_number"  # of the state's numbering: it means nothing in a backup of another


def write_decision(
    state: State, run: Run, people: pl.LazyFrame, entries: pl.LazyFrame, forgotten: Forgotten | None = None
) -> StoredFile:
    """Store whom a run told; ``people`` and ``entries`` are those of its outbox, with outcomes and reasons.

    Who is ``forgotten`` is left out, and the file's metadata says so (G8).
    """
    own = (
        entries.with_row_index(ENTRY)
        .group_by(PERSON, maintain_order=True)
        .agg(pl.struct(ENTRY, REQUEST, pl.col(OUTCOME).cast(pl.String), REASON).alias(ENTRIES))
    )
    names = engine.schema_of(people).names()
    kept = people.drop(each for each in (ROW, _NUMBER) if each in names).with_row_index(PERSON)
    whole = kept.join(own, on=PERSON, how="left", maintain_order="left").drop(PERSON)
    found = engine.collect(whole)
    known = found.filter(~forgotten.has(found[PROFILE_ID], former=True)) if forgotten else found
    about = {FORGOTTEN_MARK: "1"} if known.height < found.height else {}
    return state.write(known, state_paths.decision_file(run.run_id), about)


def read_decision(state: State, decision: StoredFile, remedy: str) -> pl.DataFrame:
    """The rows of a decision; ``StateError`` with ``remedy`` when the file is missing or damaged."""
    return engine.collect(state.read(decision, remedy))


def people_of(decision: pl.DataFrame, roster: Roster) -> pl.DataFrame:
    """The people to send, as ``profile_changes`` made them, but for ``profile_number``."""
    return decision.drop(ENTRIES).with_columns(roster.rows_of(decision[PROFILE_ID]).alias(ROW))


def entries_of(decision: pl.DataFrame) -> pl.DataFrame:
    """All entries of a run in their order: entry, request, outcome, reason."""
    return decision.select(pl.col(ENTRIES).list.explode()).drop_nulls().unnest(ENTRIES).sort(ENTRY)
