"""Send an outbox: several requests at a time, in their order, until each is answered or the run has to end (V8 to V10).

The thread that calls waits, and says how far things are; others send. Facts reach the log first and then the course,
in one order, so that the log of a killed command says what that command knew.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from muster.activation.endpoints.protocol import Answer, Endpoint
from muster.activation.endpoints.wording import failure_of
from muster.activation.errors import UnfinishedError
from muster.activation.model.log import logger
from muster.activation.outbox import answer_log
from muster.activation.outbox.answer_log import AnswerLog
from muster.activation.outbox.clock import Clock, MachineClock
from muster.activation.outbox.course import REFUSED, TAKEN, Course, Piece, shortened
from muster.activation.outbox.outcomes import Outcomes, Progress
from muster.activation.outbox.pace import LONGEST_WISH, Pace, Starts, pause_after
from muster.activation.outbox.reading import Outbox
from muster.activation.outbox.settle import outcomes_of, replayed
from muster.activation.system import interrupts
from muster.activation.system.os_errors import system_message
from muster.activation.wording import counted

log = logger("muster.deliver")

_POLL_SECONDS = 0.1  # after which the waiting thread lets signals in
_GRACE_SECONDS = 2.0  # for answers that are awaited when the command is asked to stop
_LOOK_AHEAD = 4  # times the requests in flight: how far requests whose profiles are under way are overtaken
_BLOCK_SECONDS = 0.1  # about how long the requests of one note take
_LARGEST_BLOCK = 512


def send_outbox(
    outbox: Outbox,
    endpoint: Endpoint,
    pace: Pace,
    *,
    progress: Callable[[Progress], None] | None = None,
    show: Callable[[str], None] | None = None,
    starts: Starts | None = None,
    clock: Clock | None = None,
) -> Outcomes:
    """Send what was not answered yet, and return what became of each entry; a failed run says why in ``error``.

    ``progress`` is called a few times a second. ``show`` gets a line about each answer that does not accept, with an
    excerpt of it: only for a terminal (V12). ``starts`` are the last tries at the destination by this command, where
    the rate goes on from outbox to outbox (V13). ``UnfinishedError`` when the log cannot be written, and the request to
    stop the command: no more is sent then, and the next command goes on. ``StateError`` when the log is damaged.
    """
    outbox.prepare()
    course = replayed(outbox)
    try:
        with AnswerLog.opened(outbox.folder) as answers:
            _Sending(
                outbox, endpoint, pace, course, answers, show, starts or Starts(pace.rate), clock or MachineClock()
            ).run(progress)
    except OSError as error:
        raise _unfinished(outbox, error) from error
    finally:
        outbox.close()
    return outcomes_of(course)


def _unfinished(outbox: Outbox, error: OSError) -> UnfinishedError:
    log_file, why = f"{outbox.shown}/{answer_log.LOG}", system_message(error)
    return UnfinishedError(f"{log_file}: answers cannot be noted: {why}; the next command goes on with the run")


@dataclass(eq=False)
class _Sending:
    """One command's sending of one outbox. What several threads use is read and changed with ``changed`` held."""

    outbox: Outbox
    endpoint: Endpoint
    pace: Pace
    course: Course
    answers: AnswerLog
    show: Callable[[str], None] | None
    starts: Starts
    clock: Clock
    changed: threading.Condition = field(default_factory=threading.Condition)
    _ready: deque[Piece] = field(default_factory=deque)  # noted, and to be sent
    _busy: set[int] = field(default_factory=set)  # persons in pieces that are under way
    _hold_until: float = float("-inf")  # the receiver asked to wait
    _is_stopped: bool = False
    _broken: BaseException | None = None  # what a thread met that no answer explains
    _block: int = 0
    _noted_at: float = float("-inf")

    def __post_init__(self) -> None:
        self._block = max(1, self.pace.in_flight)

    def run(self, progress: Callable[[Progress], None] | None) -> None:
        """Send until sending is over; the request to stop the command is raised."""
        told = _Told(self.course, self.clock.seconds(), progress)
        threads = [
            threading.Thread(target=self._work, name=f"muster-send-{number}", daemon=True)
            for number in range(max(1, self.pace.in_flight))
        ]
        try:
            for thread in threads:
                thread.start()
            self._watch(threads, told)
        except BaseException:
            self._stop(threads)
            raise
        if self._broken:
            raise self._broken

    def _watch(self, threads: Sequence[threading.Thread], told: "_Told") -> None:
        while any(thread.is_alive() for thread in threads):
            threads[0].join(_POLL_SECONDS) if threads[0].is_alive() else self._rest(threads)
            if wish := interrupts.requested():
                raise wish
            with self.changed:
                told.tell(self.clock.seconds())

    @staticmethod
    def _rest(threads: Sequence[threading.Thread]) -> None:
        next((thread for thread in threads if thread.is_alive()), threads[0]).join(_POLL_SECONDS)

    def _stop(self, threads: Sequence[threading.Thread]) -> None:
        """Begin nothing more, and wait a little for the answers that are on their way."""
        with self.changed:
            self._is_stopped = True
            self.changed.notify_all()
        until = MachineClock().seconds() + _GRACE_SECONDS
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - MachineClock().seconds()))
        self.endpoint.stop()

    # The threads that send

    def _work(self) -> None:
        try:
            while piece := self._next():
                self._send(piece)
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
            with self.changed:
                self._broken = self._broken or error
                self.changed.notify_all()

    @property
    def _is_over(self) -> bool:
        return self._is_stopped or self._broken is not None or self.course.is_over

    def _next(self) -> Piece | None:
        """The next piece to send, once none of its profiles is under way; None when sending is over."""
        with self.changed:
            while not self._is_over:
                if piece := self._choose():
                    self._busy |= piece.people
                    return piece
                if not self._is_over:
                    self.changed.wait()
            self.changed.notify_all()
            return None

    def _choose(self) -> Piece | None:
        """The first piece that holds nobody who is under way or in a piece before it."""
        while True:
            before = set[int]()
            for place, piece in enumerate(self._ready):
                if piece.people.isdisjoint(self._busy) and piece.people.isdisjoint(before):
                    del self._ready[place]
                    return piece
                before |= piece.people
            if len(self._ready) >= _LOOK_AHEAD * self.pace.in_flight or not self._note_more():
                return None

    def _note_more(self) -> bool:
        """Take the next block of pieces, noted on the disk before the first is sent; False when there is none now."""
        now = self.clock.seconds()
        if now - self._noted_at < _BLOCK_SECONDS:
            self._block = min(2 * self._block, _LARGEST_BLOCK)
        block = self.course.take(self._block)
        if not block:
            return False
        self._noted_at = now
        self.answers.append(answer_log.noted(shortened([piece.id for piece in block])), synced=True)
        self._ready.extend(block)
        return True

    def _send(self, piece: Piece) -> None:
        """Try a piece until it is settled, or sending is over."""
        not_before = float("-inf")
        outgoing = self.outbox.outgoing(piece.id, piece.stored, piece.entries)
        for tries in count(1):
            if not self._begins(piece, not_before):
                return
            answer = self.endpoint.send(outgoing)
            with self.changed:
                self.answers.append(answer_log.answered(piece.id, answer))
                is_settled = self.course.answered(piece, answer)
                if is_settled:
                    self._busy -= piece.people
                else:
                    not_before = self._not_before(outgoing.id, answer, tries)
                self.changed.notify_all()
            self._say(outgoing.id, answer)
            if is_settled:
                return
            if len(piece.entries) < len(outgoing.records):
                outgoing = self.outbox.outgoing(piece.id, piece.stored, piece.entries)

    def _begins(self, piece: Piece, not_before: float) -> bool:
        """Wait until a piece may be tried; whether it may, as sending is not over."""
        with self.changed:
            while not self._is_over:
                now = self.clock.seconds()
                due = max(not_before, self._hold_until, self.starts.next())
                if due <= now:
                    self.answers.append(answer_log.sending(piece.id))
                    self.starts.add(now)
                    self.course.trying(piece)
                    return True
                self.clock.wait(self.changed, due - now)
            return False

    def _not_before(self, request_id: str, answer: Answer, tries: int) -> float:
        """When a piece is tried again; where it is not, the run ends."""
        if answer.meaning == "fatal":
            self._fail(f"{failure_of(answer)}; nothing more was sent, and the rest stays due")
        elif tries > self.pace.retries:
            self._fail(f"{failure_of(answer)}, in {counted(tries, 'try', 'tries')} of a request; the rest stays due")
        elif (answer.retry_after or 0) > LONGEST_WISH:
            self._fail(f"{failure_of(answer)}, and asked to wait {answer.retry_after:,.0f} seconds; the rest stays due")
        now = self.clock.seconds()
        again = now + (pause_after(tries, request_id) if answer.retry_after is None else answer.retry_after)
        if answer.meaning == "throttled" or answer.retry_after is not None:
            self._hold_until = max(self._hold_until, again)  # it would say the same of other requests
        return again

    def _fail(self, error: str) -> None:
        self.course.error = self.course.error or error

    def _say(self, request_id: str, answer: Answer) -> None:
        if answer.meaning != "accepted":
            log.info("request %s: %s %s", request_id, answer.meaning, answer.reason)
            if self.show and answer.excerpt:
                self.show(f"request {request_id}: {answer.meaning} {answer.reason}: {answer.excerpt}")


@dataclass
class _Told:
    """What is said of the progress: the rate is that of this command."""

    course: Course
    began: float
    progress: Callable[[Progress], None] | None

    def __post_init__(self) -> None:
        self._before = self._settled()

    def _settled(self) -> int:
        return self.course.codes.count(TAKEN) + self.course.codes.count(REFUSED)

    def tell(self, now: float) -> None:
        """Say how far sending has come."""
        if self.progress is None:
            return
        settled, total, seconds = self._settled(), len(self.course.codes), now - self.began
        rate = (settled - self._before) / seconds if seconds > 0 else 0.0
        left = (total - settled) / rate if rate else None
        self.progress(Progress(settled, total, self.course.codes.count(REFUSED), rate, left))
