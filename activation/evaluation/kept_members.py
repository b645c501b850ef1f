"""Who is realized in the blocks that an evaluation read and wrote, kept in memory for the exports of the command (X2).

The exports read these blocks a moment later. Of a part of a block the Boolean column takes most of the time to decode,
and little memory: two bits a profile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from muster.activation.model.history import StoredFile
from muster.activation.state.files import State
from muster.activation.system.memory import Budget

_SHARE = 8  # one byte in so many of those that are left may be kept


@dataclass(frozen=True, eq=False)
class KeptMembers:
    """The ``realized`` columns of audiences, made range after range of profile numbers."""

    budget: Budget
    length: int  # of each column, at most
    _pieces: dict[str, list[pl.Series]] = field(default_factory=dict)  # by audience; empty where memory is short

    def add(self, audience: str, realized: pl.Series) -> None:
        """Take the next range of a column (Boolean: False is exited, null was never a member), if memory admits it."""
        if audience not in self._pieces:
            size = self.length // 4
            if not self.budget.admits(_SHARE * size):
                return
            self.budget.take(size)
            self._pieces[audience] = []
        self._pieces[audience].append(realized)

    def hand_over(self, parts: Mapping[str, StoredFile], state: State) -> None:
        """Let the state read the columns from memory; ``parts`` are the files, by audience, that have them."""
        for audience, pieces in self._pieces.items():
            state.keep_realized(parts[audience], pl.concat(pieces).rechunk())
        self._pieces.clear()
