"""Messages of threads that work beside each other: kept back until somebody asks for the result (SPEC 9).

So messages come in the order in which results are asked for, whatever thread was first.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import TypeVar

R = TypeVar("R")

_kept: ContextVar[list[Callable[[], None]] | None] = ContextVar("_kept", default=None)  # of this thread's work


def say(message: Callable[[], None]) -> None:
    """Say a message now, or keep it back if the work of this thread is done for ``later``."""
    kept = _kept.get()
    if kept is None:
        message()
    else:
        kept.append(message)


def later(work: Callable[[], R]) -> Callable[[], R]:
    """Do the work now, and return a function that says its messages and then returns its result or raises its error.

    A ``BaseException`` that is no ``Exception``, such as a request to stop, is raised now.
    """
    kept, done = list[Callable[[], None]](), Future[R]()
    token = _kept.set(kept)
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001  # raised by whoever asks for the result
        done.set_exception(error)
    finally:
        _kept.reset(token)

    def told() -> R:
        for message in kept:
            message()
        return done.result()

    return told
