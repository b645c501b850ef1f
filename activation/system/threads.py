"""Threads that let computing and writing overlap."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, pairwise
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prefetch_one(work: Callable[[T], R], groups: Sequence[Sequence[T]]) -> Iterator[list[tuple[T, Callable[[], R]]]]:
    """Groups of items, each with a function that returns the item's result or raises the item's error.

    While the caller uses one group, a second thread works on the items of the next, one after another.
    """
    with ThreadPoolExecutor(1, "muster-ahead") as worker:

        def ahead(item: T) -> Callable[[], R]:
            return worker.submit(work, item).result

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
    workers = ThreadPoolExecutor(threads, name)
    try:
        yield [workers.submit(work, item).result for item in items]
    finally:
        workers.shutdown(cancel_futures=True)
