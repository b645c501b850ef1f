"""Runs delivered beside other work: each destination in its own thread, its runs in their order (S6, X1). Edge module.

What a place takes of time, or never answers, costs the others nothing. Threads speak to places alone; the ledger is
written by the thread that asks for what was settled.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from muster.activation.delivery.protocol import bring, settle
from muster.activation.destinations.folder import Target
from muster.activation.errors import ExportError
from muster.activation.model.history import Run
from muster.activation.model.workspace import JOBS
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table

_LOOK = 0.1  # seconds after which a waiting thread lets signals in


@dataclass(frozen=True)
class _Task:
    run: Run
    target: Target
    removals: tuple[str, ...]


@dataclass(frozen=True)
class Settled:
    """A run, as recorded, whose delivery came to its end; ``error`` when it is to be gone on with, or failed."""

    run: Run
    error: ExportError | None = None


@dataclass
class Deliveries:
    """The deliveries of one command that go on beside it. A context manager: left by an error, it waits for nothing."""

    session: Session
    jobs: int = JOBS
    _waiting: dict[str, deque[_Task]] = field(default_factory=dict)  # by destination, while a thread delivers there
    _changing: threading.Lock = field(default_factory=threading.Lock)  # held while that is looked at or changed
    _done: "queue.SimpleQueue[tuple[_Task, ExportError | BaseException | None]]" = field(
        default_factory=queue.SimpleQueue
    )
    _open: int = 0

    def __post_init__(self) -> None:
        self._slots = threading.Semaphore(self.jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.targets.stop()

    def start(self, run: Run) -> None:
        """Deliver a run that is committed as ``delivering``, after those of its destination that wait."""
        task = _Task(run, self.session.target(run), tuple(runs_table.removals(self.session.ledger, run.run_id)))
        self._open += 1
        with self._changing:
            is_new = run.destination not in self._waiting
            self._waiting.setdefault(run.destination, deque()).append(task)
        if is_new:
            # A daemon: a command that is asked to stop does not wait for an answer from far away.
            name = f"muster-{run.destination}"
            threading.Thread(target=self._deliver_all, args=(run.destination,), name=name, daemon=True).start()

    def _deliver_all(self, destination: str) -> None:
        """The life of a destination's thread: until nothing waits."""
        while task := self._next(destination):
            with self._slots:
                self._done.put((task, self._delivered(task)))

    def _next(self, destination: str) -> _Task | None:
        with self._changing:
            if self._waiting[destination]:
                return self._waiting[destination].popleft()
            del self._waiting[destination]
            return None

    @staticmethod
    def _delivered(task: _Task) -> ExportError | BaseException | None:
        try:
            return bring(task.run, task.target, task.removals)
        except BaseException as error:  # noqa: BLE001  # raised again where the results are taken
            return error

    def settled(self, *, wait: bool) -> Iterator[Settled]:
        """The runs that came to their end since the last call, recorded; with ``wait`` all that were started."""
        while self._open:
            try:
                task, problem = self._done.get(timeout=_LOOK) if wait else self._done.get_nowait()
            except queue.Empty:
                if wait:
                    continue
                return
            self._open -= 1
            yield self._settle(task, problem)

    def _settle(self, task: _Task, problem: ExportError | BaseException | None) -> Settled:
        if problem is not None and not isinstance(problem, ExportError):
            raise problem
        try:
            done = settle(task.run, problem, self.session)
        except ExportError as error:
            return Settled(runs_table.get(self.session.ledger, task.run.run_id) or task.run, error)
        return Settled(done, None if done.status == "succeeded" else ExportError(done.error or "the run failed"))
