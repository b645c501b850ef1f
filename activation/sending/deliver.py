"""Requests of runs that are ``delivering``, sent beside other work: each destination in a thread of its own (V8, X1).

The threads read outboxes, send, and write logs of answers; the thread that calls ``settled`` writes the ledger.
"""

import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from muster.activation.endpoints.protocol import Endpoint
from muster.activation.errors import MusterError
from muster.activation.model.history import Run
from muster.activation.model.log import logger
from muster.activation.model.workspace import JOBS
from muster.activation.outbox.outcomes import Outcomes, Progress
from muster.activation.outbox.pace import Pace, Starts
from muster.activation.outbox.reading import Outbox, open_outbox
from muster.activation.outbox.send import send_outbox
from muster.activation.sending.begin import opened_endpoint
from muster.activation.sending.settle import settle
from muster.activation.session import Session
from muster.activation.system.lanes import Lanes

log = logger("muster.send")
_POLLS_TO_TELL = 10
_GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Sent:
    """A recorded run whose sending ended; ``error`` when it failed, or when the next command goes on with it."""

    run: Run
    error: MusterError | None = None


@dataclass(eq=False)
class _Under:
    """A run on its way: its outbox, and the endpoint that its requests go to."""

    outbox: Outbox
    endpoint: Endpoint


@dataclass
class Sendings:
    """The runs that are sent beside one command. ``stop`` waits for none of them."""

    session: Session
    jobs: int = JOBS
    show: Callable[[str], None] | None = None  # takes a line about each answer that accepts nothing (V12)
    _open: dict[str, _Under] = field(default_factory=dict)  # by run id
    _told: dict[str, Progress] = field(default_factory=dict)  # by run id
    _starts: dict[str, Starts] = field(default_factory=dict)  # by destination: the last tries there, for the rate
    _polls: int = 0

    def __post_init__(self) -> None:
        self._lanes = Lanes(self._send, self.jobs)

    def stop(self) -> None:
        """Send nothing more: the command ends, or is asked to stop. Threads have a few seconds for their answers."""
        for each in list(self._open.values()):
            each.endpoint.stop()
        if self._open:
            self._lanes.join(_GRACE_SECONDS)

    def start(self, run: Run, *, is_fresh: bool = False) -> None:
        """Send a run that is committed as ``delivering``, after the waiting runs of its destination.

        ``is_fresh``: this command has just written its outbox. ``MusterError`` when the outbox is damaged, or the
        endpoint cannot be used: the run stays as it is.
        """
        activation = self.session.workspace.message_activation(run.key)
        if activation is None:
            raise ValueError(run.key)
        outbox = open_outbox(self.session.state, run, is_fresh=is_fresh)
        under = _Under(outbox, opened_endpoint(activation, self.session))
        self._open[run.run_id] = under
        self._lanes.add(run.destination, under)

    def _send(self, under: _Under) -> Outcomes:
        run = under.outbox.run
        workspace = self.session.workspace
        activation, destination = workspace.message_activation(run.key), workspace.message_destinations[run.destination]
        if activation is None:
            raise ValueError(run.key)

        def tell(progress: Progress) -> None:
            self._told[run.run_id] = progress

        pace = Pace(activation.in_flight, destination.retries, destination.rate)
        # One thread sends to a destination at a time.
        starts = self._starts.setdefault(run.destination, Starts(destination.rate))
        return send_outbox(under.outbox, under.endpoint, pace, progress=tell, show=self.show, starts=starts)

    def settled(self, *, wait: bool) -> Iterator[Sent]:
        """The runs whose sending ended since the last call, recorded; with ``wait``, all runs that were started."""
        while self._open:
            try:
                under, outcomes = self._lanes.ended(wait=wait)
            except queue.Empty:
                self._tell()
                if wait:
                    continue
                return
            del self._open[under.outbox.run.run_id]
            yield self._ended(under, outcomes)

    def _ended(self, under: _Under, outcomes: Outcomes | BaseException) -> Sent:
        """Record how a run ended; one whose outbox cannot be read, or rows cannot be written, stays as it is."""
        run = under.outbox.run
        try:
            if isinstance(outcomes, BaseException):
                raise outcomes
            own = self.session.of_audience(run.audiences[0].id if run.audiences else "")
            ended, error = settle(under.outbox, outcomes, own)
            return Sent(ended, error)
        except MusterError as error:
            return Sent(run, error)
        finally:
            under.endpoint.close()
            under.outbox.close()

    def _tell(self) -> None:
        """Log how far the runs have come, about once a second: the progress bar shows it."""
        told = [self._told[each] for each in self._open if each in self._told]
        self._polls += 1
        if not told or self._polls % _POLLS_TO_TELL:
            return
        done, total = sum(each.messages for each in told), sum(each.total for each in told)
        refused, rate = sum(each.refused for each in told), sum(each.rate for each in told)
        left = max((each.seconds_left for each in told if each.seconds_left is not None), default=None)
        step = {"done": done, "of": total, "step": "sending", "rate": rate, "refused": refused, "left": left}
        log.info("sending: %d of %d messages, %.0f a second, %d refused", done, total, rate, refused, extra=step)
