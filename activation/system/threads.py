"""Threads that let computing and writing overlap."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


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
