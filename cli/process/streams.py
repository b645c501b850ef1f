"""The process's own streams: text that every locale takes, readers that went away, and the noise of native code.

Python's defaults end `muster runs list | head -1` with a traceback, stop at an emoji where the locale is plain ASCII,
and let a panic inside Polars print its backtrace. A stream that is not the process's own (a test's buffer) is left as
it is.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from muster.activation.errors import MusterError
from muster.activation.system.os_errors import system_message

_STDERR = 2


class _Sink(io.FileIO):
    """A file descriptor to write to. Once that fails the rest is dropped: the failure is said once, or not at all for a reader gone."""

    _gone = False

    def write(self, data: memoryview, /) -> int:  # type: ignore[override]  # a buffered writer hands over nothing else
        """Write the bytes; ``MusterError`` when there is no place for them."""
        if self._gone:
            return data.nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._gone = True
            return data.nbytes
        except OSError as error:
            self._gone = True
            raise MusterError(f"the output cannot be written: {system_message(error)}") from error


@contextmanager
def prepared() -> Iterator[None]:
    """Streams fit for a command, as long as it runs; what native code prints to stderr may quote profile data and is not shown."""
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _own(sys.stdout), _own(sys.stderr, at_once=True)
    try:
        with _hushed(quiet=sys.stderr is not before[1]):
            yield
    finally:
        with suppress(MusterError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """A closed standard stream becomes /dev/null, so that no file of the workspace takes its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or _written_to(os.open(os.devnull, os.O_WRONLY), "utf-8")
    sys.stderr = sys.stderr or _written_to(os.open(os.devnull, os.O_WRONLY), "utf-8")


def _own(stream: TextIO, *, at_once: bool = False) -> TextIO:
    """The stream on a descriptor of its own; a stream that has none stays."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    stream.flush()
    return _written_to(os.dup(descriptor), stream.encoding, at_once=at_once)


def _written_to(descriptor: int, encoding: str, *, at_once: bool = False) -> TextIO:
    """Text as it is where the encoding has the character, else as an escape."""
    buffered: io.BufferedWriter = io.BufferedWriter(_Sink(descriptor, "w"))  # type: ignore[arg-type]  # see ``write``
    return io.TextIOWrapper(
        buffered, encoding, errors="backslashreplace", line_buffering=at_once or os.isatty(descriptor)
    )


@contextmanager
def _hushed(*, quiet: bool) -> Iterator[None]:
    """File descriptor 2 leads nowhere: Python's own stderr has another, and a panic is told by the error that it becomes."""
    if not quiet:
        yield
        return
    real, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    try:
        yield
    finally:
        os.dup2(real, _STDERR)
        os.close(real)
        os.close(nowhere)
