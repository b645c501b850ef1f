"""Runs delivered beside other work: each destination in a thread of its own, its runs in their order (S6, X1).

A destination that is slow, or never answers, delays no other one. The threads use destinations alone; the thread that
calls ``settled`` writes the ledger.
"""

import queue
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from muster.activation.delivery.files import Delivery, complete, publish
from muster.activation.delivery.protocol import Settled, delivery_of, settle
from muster.activation.model.history import Run
from muster.activation.model.workspace import JOBS
from muster.activation.session import Session
from muster.activation.system.lanes import Lanes


@dataclass
class Deliveries:
    """The deliveries that go on beside one command. The context manager waits for none of them when it exits."""

    session: Session
    jobs: int = JOBS
    _open: int = 0

    def __post_init__(self) -> None:
        self._lanes = Lanes(_deliver, self.jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.destinations.stop()

    def start(self, run: Run) -> None:
        """Deliver a run that is committed as ``delivering``, after the waiting runs of its destination."""
        self._lanes.add(run.destination, delivery_of(run, self.session))
        self._open += 1

    def settled(self, *, wait: bool) -> Iterator[Settled]:
        """The runs whose delivery ended since the last call, recorded; with ``wait``, all runs that were started."""
        while self._open:
            try:
                delivery, error = self._lanes.ended(wait=wait)
            except queue.Empty:
                if wait:
                    continue
                return
            self._open -= 1
            if error is not None:
                raise error
            yield settle(delivery, self.session)


def _deliver(delivery: Delivery) -> None:
    publish(delivery)
    if not delivery.problem:
        complete(delivery)
