"""Work that is begun before it is asked for, in one other thread, so that computing and writing overlap."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, pairwise
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_ahead(work: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[T, Callable[[], R]]]:
    """Each item, and a function that gives its result or raises its error; while an item is used, the next one is worked on."""
    with ThreadPoolExecutor(1, "muster-ahead") as worker:
        begun = (worker.submit(work, item) for item in items)
        futures: Iterable[Future[R] | None] = chain(begun, [None])
        try:
            for item, (future, _next) in zip(items, pairwise(futures), strict=True):
                if future is not None:
                    yield item, future.result
        finally:
            worker.shutdown(cancel_futures=True)


def two_at_once(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The results in the order of the items; the first error ends it."""
    with ThreadPoolExecutor(2, "muster-beside") as workers:
        try:
            yield from workers.map(work, items)
        finally:
            workers.shutdown(cancel_futures=True)
