"""Warnings of values that transforms lost, in the rows of a run and in the profiles that it left out for them (M2)."""

import polars as pl

from muster.activation.comparison.columns import REASON
from muster.activation.export.gather import Prepared
from muster.activation.frames import engine
from muster.activation.frames.columns import REALIZED, ROW, STATUS
from muster.activation.mapping.columns import with_values
from muster.activation.mapping.lost_values import LostValues, Watched
from muster.activation.session import Session

_SAMPLED = 1_000  # profiles that are looked at where values are not counted as they are written
_ID = "id"


def warn_of_lost_values(key: str, ready: Prepared, lost: LostValues, session: Session) -> None:
    """Warn of the values that the columns of an export lost; ``lost`` has the counts of the written rows.

    Of identities the first profiles alone are looked at: written rows have no trace of an identity that was lost.
    """
    for watched in ready.gathered.layout.watched:
        _count(watched, _left_out_for(watched, ready), ready, lost)
    _warn(key, lost, session)
    _warn_of_identities(key, ready, session)


def warn_of_sampled_losses(key: str, ready: Prepared, session: Session) -> None:
    """Warn of values that an export which is not written would lose, by its first profiles."""
    lost, written = LostValues(), _written(ready)
    for watched in ready.gathered.layout.watched:
        _count(watched, written.head(_SAMPLED), ready, lost)
        _count(watched, _left_out_for(watched, ready).head(_SAMPLED), ready, lost)
    _warn(key, lost, session, written.height)
    _warn_of_identities(key, ready, session)


def _warn_of_identities(key: str, ready: Prepared, session: Session) -> None:
    """Warn of identities of the first profiles that transforms leave nothing of (M5)."""
    layout = ready.gathered.layout
    raw, fields = layout.raw_ids, [field for field in layout.identities_over(pl.col(_ID)) if field.losses]
    if not raw or not fields:
        return
    lost, written = LostValues(), _written(ready)
    for watched in map(Watched, fields):
        for rows in (written, _left_out_for(watched, ready)):
            if not rows.is_empty():
                found = ready.gathered.attributes.looked_up(rows.head(_SAMPLED), [raw])
                identities = found.select(pl.col(raw.value_column).alias(_ID)).explode(_ID)
                _add(watched, with_values(identities, (watched.field, watched.marker)), lost)
    _warn(key, lost, session, written.height)


def _written(ready: Prepared) -> pl.DataFrame:
    """The ``muster:row`` of each profile with a realized row."""
    rows = ready.comparison.rows
    return rows.filter(pl.col(STATUS) == REALIZED).select(ROW).unique(maintain_order=True)


def _left_out_for(watched: Watched, ready: Prepared) -> pl.DataFrame:
    """The ``muster:row`` of profiles that are left out as nothing is written in the column, or in all that identify."""
    reasons = [f"mandatory:{watched.target}", "unidentified"]
    return ready.comparison.excluded.filter(pl.col(REASON).is_in(reasons)).select(ROW)


def _count(watched: Watched, rows: pl.DataFrame, ready: Prepared, lost: LostValues) -> None:
    """Add the count of these profiles."""
    if not rows.is_empty():
        _add(watched, ready.gathered.attributes.looked_up(rows, (watched.field, watched.marker)), lost)


def _add(watched: Watched, values: pl.LazyFrame, lost: LostValues) -> None:
    flags = values.select(flag.alias(name).sum() for name, flag in watched.flags.items())
    lost.add([watched], engine.collect(flags))


def _warn(key: str, lost: LostValues, session: Session, written: int = 0) -> None:
    looked_at = f" in the first {_SAMPLED:,} profiles" if written > _SAMPLED else ""
    for sentence in lost.told(looked_at):
        session.warnings.add(f"{key}: {sentence}")
