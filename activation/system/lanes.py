"""Work in lanes: that of one lane in its order, that of several beside one another, none of it waited for (S6, V8)."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_POLL_SECONDS = 0.1  # after which a waiting thread lets signals in


class Lanes(Generic[T, R]):
    """A thread for each lane that has work, which ends when the lane has no more; the caller takes the results.

    The threads are daemons: a command that is asked to stop does not wait for an answer from another machine.
    """

    def __init__(self, work: Callable[[T], R], at_once: int) -> None:
        """``work`` is done for so many items at once."""
        self._work = work
        self._slots = threading.Semaphore(at_once)
        self._waiting: dict[str, deque[T]] = {}  # by lane, while its thread works
        self._changing = threading.Lock()  # held while ``_waiting`` is read or changed
        self._done: queue.SimpleQueue[tuple[T, R | BaseException]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def add(self, lane: str, item: T) -> None:
        """Work on an item after those that wait in the lane."""
        with self._changing:
            is_new = lane not in self._waiting
            self._waiting.setdefault(lane, deque()).append(item)
        if is_new:
            thread = threading.Thread(target=self._work_through, args=(lane,), name=f"muster-{lane}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def ended(self, *, wait: bool) -> tuple[T, R | BaseException]:
        """An item that was worked on, with the result or the error; ``queue.Empty`` where none has ended yet.

        With ``wait`` it is awaited a moment before.
        """
        return self._done.get(timeout=_POLL_SECONDS) if wait else self._done.get_nowait()

    def join(self, seconds: float) -> None:
        """Wait up to so many seconds for each thread."""
        for thread in self._threads:
            thread.join(seconds)

    def _work_through(self, lane: str) -> None:
        while (item := self._next(lane)) is not None:
            with self._slots:
                self._done.put((item, self._result(item)))

    def _next(self, lane: str) -> T | None:
        with self._changing:
            if self._waiting[lane]:
                return self._waiting[lane].popleft()
            del self._waiting[lane]
            return None

    def _result(self, item: T) -> R | BaseException:
        try:
            return self._work(item)
        except BaseException as error:  # noqa: BLE001  # for the thread that takes the results
            return error
