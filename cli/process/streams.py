"""The process's own streams: any text in any locale, readers that close a pipe, and the noise of native code.

Python's defaults end `muster runs list | head -1` with a traceback, stop at an emoji where the locale is plain ASCII,
and let a panic inside Polars print its backtrace. A stream that is not the process's own (a test's buffer) is left as
it is.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from muster import runs

_STDERR = 2


class _Sink(io.FileIO):
    """A file descriptor to write to. After a failure the rest is dropped, and a closed pipe is no error."""

    _failed = False

    def write(self, data: memoryview, /) -> int:  # type: ignore[override]  # a buffered writer hands over nothing else
        """Write bytes; ``MusterError`` when the system refuses them."""
        if self._failed:
            return data.nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._failed = True
            return data.nbytes
        except OSError as error:
            self._failed = True
            raise runs.MusterError(f"the output cannot be written: {runs.system_message(error)}") from error


@contextmanager
def prepared() -> Iterator[None]:
    """Streams fit for a command, while it runs. Stderr of native code is dropped: it may quote profile data."""
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _own(sys.stdout), _own(sys.stderr, at_once=True)
    try:
        with _native_stderr_dropped(needed=sys.stderr is not before[1]):
            yield
    finally:
        ours = [stream for stream in (sys.stdout, sys.stderr) if stream not in before]
        _finish(sys.stdout.flush)
        sys.stdout, sys.stderr = before
        for stream in ours:  # which Python would close in the end too, with a warning for those who ask for it
            _finish(stream.close)


def _finish(act: Callable[[], None]) -> bool:
    """Flush or close a stream, and return whether it could be; what cannot be written was told before."""
    try:
        act()
    except runs.MusterError:  # unlike ``suppress``, this loads the class only once something is raised
        return False
    return True


def _open_closed() -> None:
    """A closed standard stream becomes /dev/null, so that no file of the workspace takes its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or _written_to(os.open(os.devnull, os.O_WRONLY), "utf-8")
    sys.stderr = sys.stderr or _written_to(os.open(os.devnull, os.O_WRONLY), "utf-8")


def _own(stream: TextIO, *, at_once: bool = False) -> TextIO:
    """The stream on a duplicate of its descriptor; a stream without one stays as it is."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    stream.flush()
    return _written_to(os.dup(descriptor), stream.encoding, at_once=at_once)


def _written_to(descriptor: int, encoding: str, *, at_once: bool = False) -> TextIO:
    """A text stream that writes characters which its encoding lacks as escapes."""
    buffered: io.BufferedWriter = io.BufferedWriter(_Sink(descriptor, "w"))  # type: ignore[arg-type]  # see ``write``
    return io.TextIOWrapper(
        buffered, encoding, errors="backslashreplace", line_buffering=at_once or os.isatty(descriptor)
    )


@contextmanager
def _native_stderr_dropped(*, needed: bool) -> Iterator[None]:
    """Point file descriptor 2 to /dev/null: Python's stderr has another, and a panic becomes an error of its own."""
    if not needed:
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
