"""Logging to stderr: quiet, verbose, as text for people or JSON for machines (SPEC 9). Logs never hold profile data."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, TextIO

from muster.cli.show.printable import printable

LogFormat = Literal["text", "json"]


def kind(problem: BaseException) -> str:
    """The type of an unexpected error, with the system's message; its own message may quote profile data."""
    system = problem.strerror if isinstance(problem, OSError) else None
    return f"{type(problem).__name__}: {system.lower()}" if system else type(problem).__name__


def places(problem: BaseException) -> Iterator[str]:
    """The stack of an error, innermost cause first: modules, lines and functions, without any message."""
    if cause := problem.__cause__ or problem.__context__:
        yield from places(cause)
    yield f"{kind(problem)}, raised in:"
    for frame in traceback.extract_tb(problem.__traceback__):
        yield f"  {frame.filename}:{frame.lineno}: {frame.name}"


class JsonFormatter(logging.Formatter):
    """A JSON object for each record: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """A log record as a line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1]:
            entry["traceback"] = "\n".join(places(record.exc_info[1]))
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """``warning: ...`` from warnings up, ``12:00:01 muster.export ...`` for steps."""

    def format(self, record: logging.LogRecord) -> str:
        """A log record as a line."""
        if record.exc_info and record.exc_info[1]:
            return "\n".join((record.getMessage(), *places(record.exc_info[1])))
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {printable(record.getMessage())}"
        return f"{datetime.fromtimestamp(record.created, UTC):%H:%M:%S} {record.name}: {printable(record.getMessage())}"


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the present ``sys.stderr``: a progress bar replaces it, so that lines come out above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        self.stream = sys.stderr
        super().emit(record)


class _Collector(logging.Handler):
    """Keeps the messages of warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's message."""
        if record.levelno == logging.WARNING:
            self.messages.append(record.getMessage())


@contextmanager
def warnings_collected() -> Iterator[list[str]]:
    """Collect the warnings that muster logs while the block runs, whatever is printed of them."""
    collector, logger = _Collector(), logging.getLogger("muster")
    logger.addHandler(collector)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(collector)


def _only_errors(record: logging.LogRecord) -> bool:
    """Whether a record is printed with ``-q``: an error, or a warning without which a silenced workspace looks well."""
    return record.levelno >= logging.ERROR or bool(getattr(record, "even_if_quiet", False))


_NOWHERE = logging.NullHandler()


def set_up(*, quiet: bool, verbose: int, form: LogFormat) -> None:
    """Send muster's log to stderr: warnings; with ``-v`` steps, with ``-vv`` plans and timings, with ``-q`` errors."""
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.getLogger().addHandler(_NOWHERE)  # libraries' warnings may quote secrets and profile data
    logger = logging.getLogger("muster")
    logger.handlers = [handler]
    logger.propagate = False
    handler.setLevel(logging.WARNING if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    if quiet:
        handler.addFilter(_only_errors)
    logger.setLevel(min(handler.level, logging.INFO))  # the progress bar reads the steps, whatever is printed
