"""Threads that let computing and writing overlap."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, pairwise
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch_one(work: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[T, Callable[[], R]]]:
    """Pairs of an item and a function that returns the item's result or raises the item's error.

    While the caller uses one item, a second thread works on the next.
    """
    with ThreadPoolExecutor(1, "muster-ahead") as worker:
        submitted = (worker.submit(work, item) for item in items)
        futures: Iterable[Future[R] | None] = chain(submitted, [None])
        try:
            for item, (future, _next) in zip(items, pairwise(futures), strict=True):
                if future is not None:
                    yield item, future.result
        finally:
            worker.shutdown(cancel_futures=True)


def map_in_two_threads(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield the results in the order of the items; the first error ends the iteration."""
    with ThreadPoolExecutor(2, "muster-beside") as workers:
        try:
            yield from workers.map(work, items)
        finally:
            workers.shutdown(cancel_futures=True)
