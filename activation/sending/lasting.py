"""Until when a look with nothing to send holds if no file changes: inputs change by time alone, too (V1, D2, D4)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import TIME
from muster.activation.inputs.feeds import VALID_UNTIL
from muster.activation.inputs.finding import fixed_folder, walk
from muster.activation.inputs.snapshot_files import date_below
from muster.activation.model.messages import MessageActivation
from muster.activation.sending.seen_files import input_paths
from muster.activation.session import Session
from muster.activation.sources.row_times import row_times

_TICK = timedelta(microseconds=1)


def lasts_until(activation: MessageActivation, session: Session) -> datetime | None:
    """The first instant after the session's at which what is read is another by time alone; None for never.

    A later snapshot that is there already counts from its date on; feed rows and changes of sources from their times
    on, memberships end at ``valid_until``, and inputs become stale. ``session`` is that of the activation's profiles.
    """
    moments = (*_dates(activation, session), *_feed_times(activation, session), *_source_times(session))
    later = [each for each in (*moments, *_stale(session)) if each > session.at]
    return _whole(min(later)) if later else None


def _whole(moment: datetime) -> datetime:
    """The first whole second at or after a moment: instants of commands are whole seconds (E1)."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)


def _dates(activation: MessageActivation, session: Session) -> Iterator[datetime]:
    """The dates in the names of files of inputs."""
    workspace, inputs = session.workspace, session.opened.inputs
    names = {each.path: each.location.file for each in workspace.sources.values()} | {
        workspace.profiles.path: "profiles"
    }
    for path in input_paths(workspace, activation):
        if path not in names:
            continue
        root = fixed_folder(inputs.at(path, names[path]))
        for file in walk(root) if root.is_dir() else ():
            if date := date_below(inputs, root, file, workspace.zone):
                yield date


def _feed_times(activation: MessageActivation, session: Session) -> Iterator[datetime]:
    """The first times of the feed that are later than the instant, if an audience is of the feed."""
    audiences = session.workspace.audiences
    if any(each in audiences and audiences[each].from_feed for each in activation.audience_ids):
        yield from _first_later(session.opened.whole_feed, (TIME, VALID_UNTIL), session.at)


def _source_times(session: Session) -> Iterator[datetime]:
    """The first time of each source's rows that is later than the instant, where its rows have times (P1, P3)."""
    for source in session.workspace.sources.values():
        opened = session.opened.source(source)
        if opened.parts and source.time_column is not None:
            frame = opened.table.frame().select(row_times(opened).alias(TIME))
            yield from _first_later(frame, (TIME,), session.at)


def _first_later(frame: pl.LazyFrame, columns: Iterable[str], at: datetime) -> Iterator[datetime]:
    moment = pl.lit(at)
    found = engine.collect(frame.select(pl.col(name).filter(pl.col(name) > moment).min() for name in columns))
    yield from (each for each in found.row(0) if each is not None)


def _stale(session: Session) -> Iterator[datetime]:
    """The instants from which inputs that were read are older than ``max_age`` allows: a second after the last one."""
    for age in session.opened.freshness.ages:
        if age.max_age is not None:
            yield age.newest + age.max_age + _TICK
