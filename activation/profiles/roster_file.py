"""Rosters kept in the state, and the row numbers that state files carry beside profile ids.

A roster's file has one row for each roster row: ``profile_id``, and where there is something to say

identity_digest  UInt64: the digest of the identity map, null for profiles absent from the snapshot (X3c)
place            UInt32: the position of a present profile in the snapshot's files, where they are in another order
rank             UInt32: the position in the order of M6, where rows are in another order
before           UInt32: the profile's row in the roster that this one followed, null for a new profile

The metadata of the file say how many profiles are present, of which snapshot, and which roster was followed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from muster.activation.errors import StateError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.model.history import StoredFile
from muster.activation.model.log import logger
from muster.activation.profiles.identities import DIGEST_MADE_BY
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.state.files import State

log = logger("muster.roster")

KEPT_ROW = "roster_row"  # in state files: UInt32, null for a profile that the kept roster lacks
KEPT_DIGEST = "identity_digest"
FILE_POSITION, RANK, EARLIER_ROW = "place", "rank", "before"
_ROSTER, _PRESENT, _SNAPSHOT, _FOLLOWED = "muster.roster", "muster.present", "muster.snapshot", "muster.follows"


@dataclass(frozen=True)
class KeptRoster:
    """The file of a roster that an evaluation kept."""

    frame: pl.LazyFrame
    present: int  # profiles of the snapshot: the first rows
    snapshot_key: str
    followed: str | None  # the name of the roster whose rows ``before`` has

    @cached_property
    def columns(self) -> frozenset[str]:
        """The names of the columns that the file has."""
        return frozenset(engine.schema_of(self.frame))

    def column(self, name: str) -> pl.Series:
        """The values of one column."""
        return engine.collect(self.frame.select(name))[name]

    def read(self) -> tuple[pl.DataFrame, int]:
        """The optional columns (``place``, ``rank``, ``identity_digest``) that the file has, and the number of rows."""
        small = [name for name in (FILE_POSITION, RANK, KEPT_DIGEST) if name in self.columns]
        frame, length = engine.collect_all([self.frame.select(small), self.frame.select(pl.len())])
        return frame, length.item()


def read_kept(state: State, name: str) -> KeptRoster | None:
    """The kept roster of this name; None when its file is absent or damaged: ids in state files replace it."""
    try:
        frame, about = state.read_roster(name)
    except StateError as error:
        log.info("%s", error)
        return None
    return KeptRoster(frame, int(about[_PRESENT]), about.get(_SNAPSHOT, ""), about.get(_FOLLOWED))


def write_kept(
    state: State, columns: Mapping[str, pl.Series], *, present: int, snapshot: Snapshot, followed: str | None
) -> str:
    """Write a roster's columns; the result is its name, the checksum of the file."""
    about = {_PRESENT: str(present), _SNAPSHOT: snapshot_key(snapshot)}
    return state.write_roster(pl.DataFrame(columns), about | ({_FOLLOWED: followed} if followed is not None else {}))


def snapshot_key(snapshot: Snapshot) -> str:
    """Text equal for two snapshots exactly if their files, and how ids and identities are read from them, are equal."""
    source = snapshot.source
    content = [snapshot.records, source.id, source.identity_map, DIGEST_MADE_BY]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def roster_of(state: State, stored: StoredFile) -> str | None:
    """The name of the roster whose rows a state file has in ``roster_row``; None where it has none."""
    with engine.translated():
        return pl.read_parquet_metadata(state.path(stored)).get(_ROSTER)


def marks_of(state: State, stored: StoredFile) -> dict[str, str]:
    """The metadata that muster wrote into a state file, such as the name of its roster, for a copy of the file."""
    with engine.translated():
        about = pl.read_parquet_metadata(state.path(stored))
    return {key: value for key, value in about.items() if key.startswith("muster.")}


def numbered_by(name: str, length: int) -> tuple[pl.Expr, dict[str, str]]:
    """The column ``roster_row`` of a frame by number, null from ``length`` on; metadata that name the roster."""
    return pl.when(pl.col(ROW) < length).then(ROW).alias(KEPT_ROW), {_ROSTER: name}


def unnumbered(*columns: pl.Expr) -> list[pl.Expr]:
    """The named columns of a state file, or all but the profile id and its row."""
    return list(columns) or [pl.exclude(PROFILE_ID, KEPT_ROW)]
