"""Threads that let computing and writing overlap; what they say is said when their results are asked for."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, pairwise
from threading import Condition
from typing import TypeVar

from muster.activation.model.kept_back import later

T = TypeVar("T")
R = TypeVar("R")
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prefetch_one(work: Callable[[T], R], groups: Sequence[Sequence[T]]) -> Iterator[list[tuple[T, Callable[[], R]]]]:
    """Groups of items, each with a function that returns the item's result or raises the item's error.

    While the caller uses one group, a second thread works on the items of the next, one after another.
    """
    with ThreadPoolExecutor(1, "muster-ahead") as worker:

        def ahead(item: T) -> Callable[[], R]:
            return _told(worker.submit(later, partial(work, item)))

        submitted = ([(item, ahead(item)) for item in group] for group in groups)
        try:
            for group, _next in pairwise(chain(submitted, [[]])):
                yield group
        finally:
            worker.shutdown(cancel_futures=True)


@contextmanager
def side_by_side(
    work: Callable[[T], R], items: Sequence[T], threads: int, name: str
) -> Iterator[list[Callable[[], R]]]:
    """For each item a function that returns its result or raises its error; so many threads work on them in order.

    The caller asks for each result once, in order; with one thread the caller's own works then. An error of the block
    leaves items undone that no thread has begun, and is raised when no thread works any more.
    """
    threads = min(threads, len(items), CORES)
    if threads < 2:
        yield [partial(work, item) for item in items]
        return
    gate, workers = _Gate(), ThreadPoolExecutor(threads, name)
    try:
        yield [_told(workers.submit(gate.through, partial(later, partial(work, item)))) for item in items]
    finally:
        gate.close()
        workers.shutdown(wait=False, cancel_futures=True)


def _told(working: Future[Callable[[], R]]) -> Callable[[], R]:
    """A function that waits for work done for ``later``, and tells of it."""

    def told() -> R:
        return working.result()()

    return told


class _Gate:
    """Lets work begin until it is closed.

    An executor does not wait for a thread that it was starting when a signal came, so it cannot say that all is quiet.
    """

    def __init__(self) -> None:
        self._changing = Condition()
        self._is_open = True
        self._inside = 0

    def through(self, work: Callable[[], R]) -> R:
        """Do the work, unless the gate is closed."""
        with self._changing:
            if not self._is_open:
                raise CancelledError
            self._inside += 1
        try:
            return work()
        finally:
            with self._changing:
                self._inside -= 1
                self._changing.notify_all()

    def close(self) -> None:
        """Let no work begin any more, and wait for the end of what began."""
        with self._changing:
            self._is_open = False
            self._changing.wait_for(lambda: not self._inside)
