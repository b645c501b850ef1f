"""Run Polars plans, and turn the errors of Polars into errors of muster.

All other modules pass lazy frames on; plans run here only, and their time is logged here.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames.polars_messages import DAMAGED, NOT_UTF8, UNSUPPORTED, without_values
from muster.activation.model.log import logger
from muster.activation.system import interrupts
from muster.activation.system.memory import limited
from muster.activation.system.os_errors import os_error
from muster.activation.wording import counted

log = logger("muster.engine")

_SYSTEM = re.compile(r"(.*)\(os error (\d+)\)(?:: (/.*))?", re.DOTALL)
_REMARK = "\n\nThis error occurred in"  # which Polars adds to an error of a function that it called
MANY = 1 << 14  # rows from which a plan is streamed
_FULL = 1 << 16  # bytes: a disk with less free space counts as full


class ReadError(ExportError):
    """A plan failed on a file that it read, or on the data in it; ``inputs.parquet.blamed`` finds the file."""


class UnsupportedError(ReadError):
    """A plan failed on a file that may be whole: it holds something that Polars does not decode."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise Polars' errors and panics as ``ExportError``, and system errors inside them as ``OSError`` with errno.

    Messages hold no profile data. A request to stop that came meanwhile is raised instead.
    """
    try:
        yield
    except ExportError as error:
        if _REMARK not in str(error):
            raise
        raise type(error)(str(error).partition(_REMARK)[0]) from error
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        ours = interrupts.requested() or _as_ours(error)
        if ours is error:
            raise
        raise ours from error


def _as_ours(error: BaseException) -> BaseException:
    """The error of muster, or of the operating system, that an error of Polars stands for."""
    if isinstance(error, pl.exceptions.PanicException):
        return ReadError(f"the data could not be read or computed: Polars stopped on it{limited()}")
    if system := _SYSTEM.fullmatch(str(error)):
        return os_error(int(system[2]), system[3])
    if isinstance(error, OSError):  # without a number it is Polars' own: a file ends before its data do
        return error if error.errno is not None else ReadError("the data could not be read: a file ended too early")
    message = without_values(error)
    if message.startswith(UNSUPPORTED):
        return UnsupportedError("it uses a feature of Parquet that muster cannot read")
    if message.startswith(NOT_UTF8):
        return UnsupportedError("it holds text that is not UTF-8")
    return (ReadError if message.startswith(DAMAGED) else ExportError)(message)


def collect(frame: pl.LazyFrame, rows: int = MANY) -> pl.DataFrame:
    """Run one plan over so many ``rows``; errors are raised as ``translated`` raises them."""
    return collect_all([frame], rows)[0]


def collect_inside(frame: pl.LazyFrame) -> pl.DataFrame:
    """Run a plan without streaming, which takes long to set up: one of few rows, or a piece of a plan that runs."""
    with translated():
        return frame.collect(engine="in-memory")


def collect_all(frames: Sequence[pl.LazyFrame], rows: int = MANY) -> list[pl.DataFrame]:
    """Run several plans at once, with shared steps computed once. Lazy sinks among the plans write their files.

    Plans over fewer ``rows`` than ``MANY`` are not streamed, which takes longer to set up than to run.
    """
    started = perf_counter()
    with translated():
        results = pl.collect_all(frames) if rows >= MANY else pl.collect_all(frames, engine="in-memory")
    log.debug("ran %s in %.3f s", counted(len(frames), "plan"), perf_counter() - started)
    return results


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Run one plan, and return the rows in their order, so many at a time: memory holds few of them."""
    with translated():
        yield from frame.collect_batches(chunk_size=rows, maintain_order=True)


@contextmanager
def writing(path: Path, failed: Callable[[], OSError | None] = lambda: None) -> Iterator[None]:
    """Run a sink to ``path`` inside the block; a full disk raises ``OSError``, whatever Polars reports.

    ``failed`` gives the error that the system returned to the file object behind the sink, which Polars wraps.
    """
    try:
        yield
    except (ExportError, OSError) as error:
        if refusal := failed():
            raise refusal from error
        if not isinstance(error, ReadError) or shutil.disk_usage(path.parent).free >= _FULL:
            raise
        raise os_error(errno.ENOSPC, str(path)) from error


def read_through(frame: pl.LazyFrame) -> None:
    """Decode every value of a frame and keep none; ``ReadError`` when a value cannot be read."""
    collect(frame.sink_ipc(os.devnull, maintain_order=False, lazy=True))


def schema_of(frame: pl.LazyFrame) -> pl.Schema:
    """The columns and dtypes of a frame, without reading a row."""
    with translated():
        return frame.collect_schema()
