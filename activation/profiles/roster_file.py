"""Rosters kept in the state: the profiles of a snapshot, by number, in the order of M6.

A roster's file has one row for each profile of the snapshot:

profile_number   UInt32: the profile's number in the numbering
identity_digest  UInt64: the digest of the identity map (X3c); absent where nothing needs it
place            UInt32: the position of the profile in the snapshot's files, where they are in another order

Its metadata say of which snapshot it is. Rosters of older versions have ``profile_id`` in the place of the number.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from muster.activation.errors import StateError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, PROFILE_NUMBER
from muster.activation.model.history import StoredFile
from muster.activation.model.log import logger
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.state.files import NUMBERING, State
from muster.activation.values.identities import DIGEST_MADE_BY

log = logger("muster.roster")

KEPT_DIGEST = "identity_digest"
FILE_POSITION = "place"
OLDER_ROW = "roster_row"  # in state files of older versions, by the roster that their metadata name
_ROSTER, _SNAPSHOT = "muster.roster", "muster.snapshot"


@dataclass(frozen=True)
class KeptRoster:
    """The file of a roster that an evaluation kept."""

    frame: pl.LazyFrame
    snapshot_key: str
    numbering: str  # the name of the numbering that its numbers are of; empty without numbers

    @classmethod
    def read_from(cls, state: State, name: str) -> "KeptRoster":
        """The kept roster of this name; ``StateError`` when its file is missing or damaged."""
        frame, about = state.read_roster(name)
        return cls(frame, about.get(_SNAPSHOT, ""), about.get(NUMBERING, ""))

    def read(self) -> pl.DataFrame:
        """The columns ``profile_number``, ``place`` and ``identity_digest``, as far as the file has them."""
        columns = engine.schema_of(self.frame)
        return engine.collect(
            self.frame.select(name for name in (PROFILE_NUMBER, FILE_POSITION, KEPT_DIGEST) if name in columns)
        )


def read_kept(state: State, name: str) -> KeptRoster | None:
    """The kept roster of this name; None when its file is absent or damaged: the snapshot itself replaces it."""
    try:
        return KeptRoster.read_from(state, name)
    except StateError as error:
        log.info("%s", error)
        return None


def write_kept(state: State, columns: Mapping[str, pl.Series], snapshot: Snapshot, numbering: str) -> str:
    """Write a roster's columns; the result is its name, the checksum of the file."""
    about = {_SNAPSHOT: snapshot_key(snapshot), NUMBERING: numbering}
    return state.write_roster(pl.DataFrame(columns), about)


def write_without(state: State, name: str, numbers: pl.Series, ids: pl.Series, numbering: str) -> str | None:
    """Write a kept roster without what it says of some profiles; returns its new name, None where it says nothing.

    ``numbers`` (UInt32) are those of the numbering of this name, ``ids`` (String) are for rosters of older versions.
    The rows stay, since older files count them. No snapshot is opened by such a roster any more: it hides nobody.
    """
    kept = KeptRoster.read_from(state, name)
    frame = engine.collect(kept.frame)
    if PROFILE_ID in frame.columns:
        is_theirs = pl.col(PROFILE_ID).is_in(ids.implode())
    elif kept.numbering == numbering:
        is_theirs = pl.col(PROFILE_NUMBER).is_in(numbers.implode())
    else:  # nobody knows any more whose numbers these are
        is_theirs = pl.lit(value=True)
    if not frame.select(is_theirs.any()).item():
        return None
    told = [each for each in (PROFILE_ID, KEPT_DIGEST) if each in frame.columns]
    cleaned = frame.with_columns(pl.when(~is_theirs).then(pl.col(each)).alias(each) for each in told)
    return state.write_roster(cleaned, {_SNAPSHOT: "", NUMBERING: kept.numbering})


def with_roster(about: Mapping[str, str], renamed: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a state file, with the new name of its roster if that is one of ``renamed``."""
    named = {_ROSTER: renamed.get(about[_ROSTER], about[_ROSTER])} if _ROSTER in about else {}
    return {**about, **named}


def snapshot_key(snapshot: Snapshot) -> str:
    """Text equal for two snapshots exactly if their files, and how ids and identities are read from them, are equal."""
    source = snapshot.source
    hidden = [snapshot.without_key] if snapshot.without_key else []
    content = [snapshot.records, source.id, source.identity_map, DIGEST_MADE_BY, *hidden]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def roster_of(state: State, stored: StoredFile) -> str | None:
    """The name of the roster that was kept with a state file; None where there is none."""
    return state.metadata(stored).get(_ROSTER)


def numbering_of(state: State, stored: StoredFile) -> str:
    """The name of the numbering that a state file's numbers are of; empty where it has none."""
    return marks_of(state, stored).get(NUMBERING, "")


def marks_of(state: State, stored: StoredFile) -> dict[str, str]:
    """The metadata that muster wrote into a state file, such as the name of its roster, for a copy of the file."""
    return {key: value for key, value in state.metadata(stored).items() if key.startswith("muster.")}


def marks(name: str | None, numbering: str) -> dict[str, str]:
    """The metadata of a state file with numbers of a numbering, made with the kept roster of this name."""
    return ({} if name is None else {_ROSTER: name}) | {NUMBERING: numbering}


def unnumbered(*columns: pl.Expr) -> list[pl.Expr]:
    """The named columns of a state file, or all but the profile's id and number."""
    return list(columns) or [pl.exclude(PROFILE_ID, PROFILE_NUMBER, OLDER_ROW)]
