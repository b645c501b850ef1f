"""What became of the entries of an outbox once sending ended (V2, V10), as other packages read it.

To the columns of entries (``messages.requests``, without texts) are added

outcome   OUTCOME_TYPE: accepted, refused, uncertain (it may have been sent, and no answer settled it), unsent
reason    String: of a refused entry: a status such as ``422``, or a word; else null
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

OUTCOME, REASON = "outcome", "reason"
ACCEPTED, REFUSED, UNCERTAIN, UNSENT = "accepted", "refused", "uncertain", "unsent"
OUTCOME_TYPE = pl.Enum([UNSENT, ACCEPTED, REFUSED, UNCERTAIN])


@dataclass(frozen=True)
class Outcomes:
    """The end of sending: what became of each entry, and the counts of the run (V11)."""

    entries: pl.LazyFrame  # all of the outbox, in its order; read it before the outbox is removed
    error: str | None  # why the run failed; None when every entry was accepted or refused
    messages: int  # entries that were sent, those that may have been included
    requests: int  # requests that were sent, halves included, each once
    repeated: frozenset[int]  # persons whose request may have been sent before a kill, and was sent again (V8)
    refused_count: int  # entries that receivers refused without saying which: they count as accepted (V10)
    answers: Mapping[str, int]  # requests by the meaning of their last answer; ``none`` where there was none

    @property
    def resent(self) -> int:
        """How many profiles are ``repeated``."""
        return len(self.repeated)


@dataclass(frozen=True)
class Progress:
    """How far sending has come."""

    messages: int  # entries that are settled
    total: int  # entries of the outbox
    refused: int  # entries
    rate: float  # messages a second, since this command began to send
    seconds_left: float | None  # None while nobody can say
