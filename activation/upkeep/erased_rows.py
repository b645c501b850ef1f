"""Delivered rows of messages written anew without some people (V2, G8): nothing refers to them before ``record``.

A row stays as long as its exit is to be told, with no more than the exit needs: what was last sent in key columns, the
identities last sent, and the audiences that the receiver holds. All other rows of the people go.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, PROFILE_NUMBER
from muster.activation.model.history import MessageBaseline
from muster.activation.profile_changes.delivered_rows import AUDIENCES, IS_MAPPED, MAPPING, maybe_status
from muster.activation.profile_changes.people import IDS_DIGEST, VALUES_DIGEST, status
from muster.activation.profiles import roster_file
from muster.activation.state import state_paths
from muster.activation.state.files import State
from muster.activation.state.ledger import looks_table, message_baselines_table, named_files
from muster.activation.state.ledger.database import Ledger

_NEEDLESS = (PROFILE_NUMBER, IDS_DIGEST, VALUES_DIGEST, MAPPING)  # columns that an exit does not need


@dataclass
class ErasedRows:
    """Delivered rows whose files were written anew without some people."""

    baselines: list[MessageBaseline] = field(default_factory=list)  # as they are to be
    held: list[MessageBaseline] = field(default_factory=list)  # as they were, of receivers that hold one of the people
    named: set[str] = field(default_factory=set)  # ids of the people whom a file names

    @classmethod
    def written(cls, state: State, ledger: Ledger, ids: pl.Series, waits: Callable[[MessageBaseline], bool]) -> Self:
        """Write the files of all delivered rows anew that name some people (String).

        ``waits`` says whether the exits of an activation's rows will be told. ``StateError`` for a damaged file.
        """
        erased, named = cls(), named_files.named(ledger)
        is_theirs = pl.col(PROFILE_ID).is_in(ids.implode())
        for each in message_baselines_table.list_all(ledger):
            frame = engine.collect(state.read(each.stored))
            theirs = frame.filter(is_theirs)
            if theirs.is_empty():
                continue
            erased.named.update(theirs[PROFILE_ID])
            is_held = _is_held(each, theirs)
            if theirs.select(is_held.any()).item():
                erased.held.append(each)
            kept = frame.filter(~is_theirs | is_held) if waits(each) else frame.filter(~is_theirs)
            blanked = kept.with_columns(
                pl.when(~is_theirs).then(pl.col(name)).alias(name) for name in _NEEDLESS if name in kept.columns
            )
            if blanked.equals(frame):  # they were forgotten before
                continue
            file, about = state_paths.rewritten_file(each.stored.file, named), roster_file.marks_of(state, each.stored)
            stored, members = state.write(blanked, file, about), _members(each, blanked)
            erased.baselines.append(replace(each, stored=stored, profiles=blanked.height, members=members))
        return erased

    def record(self, ledger: Ledger) -> None:
        """Let the ledger refer to the new files. In a transaction."""
        for each in self.baselines:
            message_baselines_table.put(ledger, each)
            looks_table.delete(ledger, each.destination, each.activation)


def _members(baseline: MessageBaseline, frame: pl.DataFrame) -> int:
    """How many rows hold a mapped audience as realized."""
    mapped = (status(place) for place, each in enumerate(baseline.made[AUDIENCES]) if each[IS_MAPPED])
    held = [pl.col(name).fill_null(value=False) for name in mapped if name in frame.columns]
    return int(frame.select(pl.any_horizontal(*held, pl.lit(value=False)).sum()).item())


def _is_held(baseline: MessageBaseline, frame: pl.DataFrame) -> pl.Expr:
    """Whether a receiver was told, or may have been told, that a profile is in an audience."""
    places = range(len(baseline.made[AUDIENCES]))
    names = [kind(place) for place in places for kind in (status, maybe_status)]
    return pl.any_horizontal(
        *(pl.col(name).fill_null(value=False) for name in names if name in frame.columns), pl.lit(value=False)
    )
