"""Logging to stderr: quiet, verbose, as text for people or JSON for machines (SPEC 9). Logs never hold profile data."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {"time": moment, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """``warning: ...`` for what matters, ``12:00:01 muster.export ...`` for steps."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if record.exc_info:
            return f"{record.getMessage()}\n{self.formatException(record.exc_info)}"
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {record.getMessage()}"
        return f"{datetime.fromtimestamp(record.created, UTC):%H:%M:%S} {record.name}: {record.getMessage()}"


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
