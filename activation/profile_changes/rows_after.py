"""The delivered rows that a run of messages leaves, by the answers (V2): made of files alone, also after a kill."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from muster.activation.model.history import MessageBaseline, StoredFile
from muster.activation.profile_changes.changes import Counts
from muster.activation.state.files import State


@dataclass(frozen=True)
class RowsAfter:
    """The delivered rows after a run, and what the run counts of its profiles once the answers are known."""

    stored: StoredFile
    profiles: int  # rows
    members: int  # rows that hold a mapped audience as realized
    counts: Counts
    rejects: pl.DataFrame  # profile_id, reason, tries: those excluded before, and the refused ones, by id
    refused: int  # profiles
    refused_exits: int  # profiles with an exit that was refused: the run fails (V10)
    made: dict[str, Any]  # for ``MessageBaseline.made``


def write_rows(
    state: State,
    file: str,
    *,
    before: tuple[StoredFile, Mapping[str, Any]] | None,
    made: dict[str, Any],
    people: pl.LazyFrame,
    entries: pl.LazyFrame,
    counts: Counts,
    excluded: pl.DataFrame,
    dead_letter_after: int | None,
) -> RowsAfter:
    """Write the rows that outcomes leave as a file of the state.

    ``before`` is a file of rows, with the record of what its columns mean: that of ``Changes.before``, or, where
    ``Changes.moved`` gives rows, a file that ``write_moved`` made. None: nobody was delivered. ``people`` and
    ``entries`` are the frames of the outbox; entries have outcomes and reasons (``outbox.outcomes``). ``counts`` and
    ``excluded`` are those of ``Changes``.
    """
    raise NotImplementedError


def write_moved(state: State, file: str, moved: pl.LazyFrame, made: Mapping[str, Any]) -> StoredFile:
    """Write the rows of ``Changes.moved`` as a file of the state: before anything is sent."""
    raise NotImplementedError


def without_refusals(state: State, file: str, baseline: MessageBaseline, people: pl.Series | None) -> MessageBaseline:
    """Write the rows in which these profiles (ids, None: all) are due again after refusals (`muster runs retry`)."""
    raise NotImplementedError
