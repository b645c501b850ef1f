"""The one place where plans run: collects, sinks, and turns Polars' errors into muster's.

Every other module of this package hands lazy frames around. What is measured (time, memory) is measured here.
"""

import errno
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames.polars_messages import DAMAGED, without_values
from muster.activation.system import interrupts
from muster.activation.system.os_errors import os_error

log = logging.getLogger("muster.engine")

_SYSTEM = re.compile(r"(.*)\(os error (\d+)\)(?:: (/.*))?", re.DOTALL)
_ROOM = 1 << 16  # bytes that a disk on which a file fails for lack of room may have left


class ReadError(ExportError):
    """A plan failed on a file that it read, or on what was in it; ``parts.blamed`` finds out which file."""


@contextmanager
def translated() -> Iterator[None]:
    """Polars' errors and panics as ``ExportError``, the system's as ``OSError`` with a number: a full disk is no fault of the data.

    Polars' messages may quote profile data, so only sentences that are known to hold none are kept.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        ours = interrupts.asked() or _as_ours(error)
        if ours is error:
            raise
        raise ours from error


def _as_ours(error: BaseException) -> BaseException:
    """The error of muster's, or of the system, that one of Polars stands for."""
    if isinstance(error, pl.exceptions.PanicException):
        return ReadError("the data could not be read or computed: Polars stopped on it")
    if system := _SYSTEM.fullmatch(str(error)):
        return os_error(int(system[2]), system[3])
    if isinstance(error, OSError):
        return error
    message = without_values(error)
    return (ReadError if message.startswith(DAMAGED) else ExportError)(message)


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    """Run one plan."""
    return collect_all([frame])[0]


def collect_all(frames: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
    """Run several plans at once; what they share is computed once. Lazy sinks among them write their files."""
    started = perf_counter()
    with translated():
        results = pl.collect_all(frames)
    log.debug("ran %d plan(s) in %.3f s", len(frames), perf_counter() - started)
    return results


@contextmanager
def writing(path: Path, failed: Callable[[], OSError | None] = lambda: None) -> Iterator[None]:
    """Run a sink to ``path`` inside the block; ``OSError`` when the disk is full, which Polars' writers do not always say.

    ``failed`` gives the error that the system returned to the file object behind the sink, which Polars wraps.
    """
    try:
        yield
    except (ExportError, OSError) as error:
        if refused := failed():
            raise refused from error
        if not isinstance(error, ReadError) or shutil.disk_usage(path.parent).free >= _ROOM:
            raise
        raise os_error(errno.ENOSPC, str(path)) from error


def read_through(frame: pl.LazyFrame) -> None:
    """Decode every value of a frame and keep none: ``ReadError`` when one cannot be read."""
    collect(frame.sink_ipc(os.devnull, maintain_order=False, lazy=True))


def schema_of(frame: pl.LazyFrame) -> pl.Schema:
    """The frame's columns and types, before a row is read."""
    with translated():
        return frame.collect_schema()
