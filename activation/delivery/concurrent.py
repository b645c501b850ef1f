"""Runs delivered beside other work: each destination in a thread of its own, its runs in their order (S6, X1).

A destination that is slow, or never answers, delays no other one. The threads use destinations alone; the thread that
calls ``settled`` writes the ledger.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from muster.activation.delivery.files import Delivery, complete, publish
from muster.activation.delivery.protocol import Settled, delivery_of, settle
from muster.activation.model.history import Run
from muster.activation.model.workspace import JOBS
from muster.activation.session import Session

_POLL_SECONDS = 0.1  # after which a waiting thread lets signals in


@dataclass
class Deliveries:
    """The deliveries that go on beside one command. The context manager waits for none of them when it exits."""

    session: Session
    jobs: int = JOBS
    _waiting: dict[str, deque[Delivery]] = field(default_factory=dict)  # by destination, while a thread delivers there
    _changing: threading.Lock = field(default_factory=threading.Lock)  # held while ``_waiting`` is read or changed
    _done: "queue.SimpleQueue[tuple[Delivery, BaseException | None]]" = field(default_factory=queue.SimpleQueue)
    _open: int = 0

    def __post_init__(self) -> None:
        self._slots = threading.Semaphore(self.jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.destinations.stop()

    def start(self, run: Run) -> None:
        """Deliver a run that is committed as ``delivering``, after the waiting runs of its destination."""
        delivery = delivery_of(run, self.session)
        self._open += 1
        with self._changing:
            is_new = run.destination not in self._waiting
            self._waiting.setdefault(run.destination, deque()).append(delivery)
        if is_new:
            # A daemon: a command that is asked to stop does not wait for an answer from another machine.
            name = f"muster-{run.destination}"
            threading.Thread(target=self._deliver_all, args=(run.destination,), name=name, daemon=True).start()

    def _deliver_all(self, destination: str) -> None:
        """The work of a destination's thread, which ends when no run of the destination waits."""
        while delivery := self._next(destination):
            with self._slots:
                self._done.put((delivery, self._deliver(delivery)))

    def _next(self, destination: str) -> Delivery | None:
        with self._changing:
            if self._waiting[destination]:
                return self._waiting[destination].popleft()
            del self._waiting[destination]
            return None

    @staticmethod
    def _deliver(delivery: Delivery) -> BaseException | None:
        try:
            publish(delivery)
            if not delivery.problem:
                complete(delivery)
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that takes the results
            return error
        return None

    def settled(self, *, wait: bool) -> Iterator[Settled]:
        """The runs whose delivery ended since the last call, recorded; with ``wait``, all runs that were started."""
        while self._open:
            try:
                delivery, error = self._done.get(timeout=_POLL_SECONDS) if wait else self._done.get_nowait()
            except queue.Empty:
                if wait:
                    continue
                return
            self._open -= 1
            if error is not None:
                raise error
            yield settle(delivery, self.session)
