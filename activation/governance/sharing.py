"""Profiles that share an identity: by which of the newest ones a profile is judged, with sources (G5)."""

from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.hashed_ids import ID_HASH, with_id_hash
from muster.activation.inputs.parquet import blamed
from muster.activation.profiles.positions import marked
from muster.activation.profiles.roster import Roster
from muster.activation.values.identities import pairs

_NUMBER, _NEWEST, _IDENTITY = "number", "newest", "identity"


@dataclass(frozen=True, eq=False)
class Sharing:
    """The newest profiles that share an identity with profiles of a roster.

    ``pairs`` has the columns ``number`` and ``newest`` (UInt32): a profile of the roster, and one of the newest.
    """

    pairs: pl.DataFrame
    length: int  # of series by number

    @property
    def in_newest(self) -> pl.Series:
        """Whether there is such a profile for each number (Boolean)."""
        return marked(self.pairs[_NUMBER].unique(), self.length)

    def of_all(self, through: pl.Series) -> pl.Series:
        """Whether ``through`` (Boolean by number) is true of all newest profiles of each number, and there is one."""
        refused = self.pairs.filter(~through.gather(self.pairs[_NEWEST]))[_NUMBER].unique()
        return self.in_newest & ~marked(refused, self.length)


def sharing_of(roster: Roster, newest: Roster) -> Sharing:
    """Which of the newest profiles share an identity with those of a roster; ``DataError`` as views are read."""
    theirs, ours = _identities(roster, _NUMBER), _identities(newest, _NEWEST)
    joined = theirs.lazy().join(ours.lazy(), on=_IDENTITY).select(_NUMBER, _NEWEST).unique().sort(_NUMBER, _NEWEST)
    return Sharing(engine.collect(joined), newest.numbering.length)


def _identities(roster: Roster, name: str) -> pl.DataFrame:
    """The identities of the profiles of a roster: ``identity`` (String), and their numbers as ``name`` (UInt32)."""
    snapshot = roster.snapshot
    if snapshot.identity_type is None:
        return pl.DataFrame(schema={name: pl.UInt32(), _IDENTITY: pl.String()})
    held = pairs(snapshot.source.identity_map, snapshot.identity_type).alias(_IDENTITY)
    with blamed(lambda: snapshot.parts):
        read = roster.in_order(engine.collect(with_id_hash(snapshot.frame()).select(ID_HASH, held)))
    numbers = roster.numbers.head(roster.present).alias(name)
    return read.with_columns(numbers).explode(_IDENTITY).drop_nulls()
