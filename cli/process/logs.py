"""Logging to stderr: quiet, verbose, as text for people or JSON for machines (SPEC 9). Logs never hold profile data."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, TextIO

from muster.cli.show.printable import printable

LogFormat = Literal["text", "json"]


def kind(problem: BaseException) -> str:
    """What an unexpected error is, with the system's word for it if it has one; its other words may quote profile data."""
    said = problem.strerror if isinstance(problem, OSError) else None
    return f"{type(problem).__name__}: {said.lower()}" if said else type(problem).__name__


def places(problem: BaseException) -> Iterator[str]:
    """Where an error came from, innermost cause first: modules, lines and functions, and none of its words."""
    if cause := problem.__cause__ or problem.__context__:
        yield from places(cause)
    yield f"{kind(problem)}, raised in:"
    for frame in traceback.extract_tb(problem.__traceback__):
        yield f"  {frame.filename}:{frame.lineno}: {frame.name}"


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
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
    """``warning: ...`` for what matters, ``12:00:01 muster.export ...`` for steps."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if record.exc_info and record.exc_info[1]:
            return "\n".join((record.getMessage(), *places(record.exc_info[1])))
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {printable(record.getMessage())}"
        return f"{datetime.fromtimestamp(record.created, UTC):%H:%M:%S} {record.name}: {printable(record.getMessage())}"


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what is stderr at the moment: a progress bar on the screen takes its place, so that lines come out above it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        self.stream = sys.stderr
        super().emit(record)


def set_up(*, quiet: bool, verbose: int, form: LogFormat) -> None:
    """Send muster's log to stderr: warnings, with ``-v`` steps, with ``-vv`` plans and times, with ``-q`` errors alone."""
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logger = logging.getLogger("muster")
    logger.handlers = [handler]
    logger.propagate = False
    handler.setLevel(logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    logger.setLevel(min(handler.level, logging.INFO))  # the progress bar reads the steps, whatever is printed
