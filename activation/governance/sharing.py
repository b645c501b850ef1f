"""Profiles that share an identity: by which of the newest ones a profile is judged, with sources (G5)."""

from dataclasses import dataclass
from functools import cached_property

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
    """The newest profiles that share an identity with profiles of a roster, by the identities that some of both have.

    ``theirs`` has the columns ``number`` and ``identity`` (UInt32): a profile of the roster, and an identity; ``ours``
    has ``newest`` and ``identity``. One identity may be of very many profiles, so no pairs of profiles are made.
    """

    theirs: pl.DataFrame
    ours: pl.DataFrame
    identities: int  # that some of both have, numbered from 0
    length: int  # of series by number

    @cached_property
    def in_newest(self) -> pl.Series:
        """Whether there is such a profile for each number (Boolean)."""
        return marked(self.theirs[_NUMBER].unique(), self.length)

    def of_all(self, through: pl.Series) -> pl.Series:
        """Whether ``through`` (Boolean by number) is true of all newest profiles of each number, and there is one."""
        refusing = self.ours.filter(~through.gather(self.ours[_NEWEST]))[_IDENTITY].unique()
        refused = self.theirs.filter(marked(refusing, self.identities).gather(self.theirs[_IDENTITY]))[_NUMBER]
        return self.in_newest & ~marked(refused.unique(), self.length)


def sharing_of(roster: Roster, newest: Roster) -> Sharing:
    """Which of the newest profiles share an identity with those of a roster; ``DataError`` as views are read."""
    theirs, ours = _identities(roster, _NUMBER), _identities(newest, _NEWEST)
    known = ours.lazy().join(theirs.lazy(), on=_IDENTITY, how="semi").select(pl.col(_IDENTITY).unique())
    codes = engine.collect(known.with_row_index("code"))
    coded = (
        each.lazy().join(codes.lazy(), on=_IDENTITY).select(name, pl.col("code").alias(_IDENTITY))
        for each, name in ((theirs, _NUMBER), (ours, _NEWEST))
    )
    of_roster, of_newest = engine.collect_all([*coded])
    return Sharing(of_roster, of_newest, codes.height, newest.numbering.length)


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
