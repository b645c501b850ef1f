"""Where excerpts of answers are shown while a command runs: on a person's terminal, and kept nowhere (V12)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Show = Callable[[str], None]
_SHOW: ContextVar[Show | None] = ContextVar("muster_excerpts", default=None)


@contextmanager
def showing_answers(show: Show) -> Iterator[None]:
    """Give ``show`` a line about each answer of a receiver that accepts nothing, while the block runs.

    A line has at most 300 characters of the answer. Threads may call ``show``; it must not keep what it is given.
    """
    token = _SHOW.set(show)
    try:
        yield
    finally:
        _SHOW.reset(token)


def shown_by() -> Show | None:
    """What takes excerpts now; None where nobody looks."""
    return _SHOW.get()
