"""A command that is asked to stop ends within two seconds, also in the middle of native code (SPEC 9: exit 130, 143).

Python's signal handlers wait until native code returns, which may take long. A thread is woken by the signal itself:

    at once       Python's handler raises and the command cleans up: the usual way
    NUDGE         still at work: Polars is stopped, by Ctrl-C, which is all that it listens to
    DEADLINE      still at work: the process ends as if it were killed; the next command finishes or clears up
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from types import FrameType

from muster.runs import interrupts

NUDGE, DEADLINE = 0.1, 1.7  # seconds after the signal
_SHOW_CURSOR = b"\x1b[?25h\r\n"  # a progress bar hides it


@dataclass(frozen=True)
class End:
    """The exception and the exit code with which a signal ends a command."""

    wish: Callable[[], BaseException]
    code: int


@dataclass
class _Watch:
    """One command's wait for a signal."""

    ends: Mapping[int, End]
    over: threading.Event = field(default_factory=threading.Event)
    nudging: threading.Lock = field(default_factory=threading.Lock)  # held to nudge, and to forbid it
    may_nudge: bool = True
    nudged: bool = False
    wish_met: BaseException | None = None  # the wish that stopped the command, once the command is over

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Python's signal handler. After the nudge only Ctrl-C raises: Polars may have raised already."""
        if not self.nudged or number == signal.SIGINT:
            interrupts.stop(self.ends[number].wish())

    def wait(self, woken: int) -> None:
        """Sleep until a signal comes or the command is over; the watching thread runs this."""
        while numbers := os.read(woken, 64):
            came = next((number for number in numbers if number in self.ends), None)
            if came is not None:
                self._stop_in_time(came)
                return

    def _stop_in_time(self, number: int) -> None:
        end, deadline = self.ends[number], monotonic() + DEADLINE
        if self.over.wait(NUDGE):
            return
        with self.nudging:
            if self.may_nudge and interrupts.requested() is None:  # Python's handler has not come to its turn
                self.nudged = True
                interrupts.request(end.wish())
                os.kill(os.getpid(), signal.SIGINT)
        if not self.over.wait(deadline - monotonic()):
            with suppress(OSError, ValueError):
                if sys.stderr.isatty():
                    os.write(sys.stderr.fileno(), _SHOW_CURSOR)
            os._exit(end.code)


@contextmanager
def stopping_in_time(ends: Mapping[int, End]) -> Iterator[_Watch]:
    """Stop the command in the block in time when one of these signals comes; unfinished work may stay for the next."""
    interrupts.begin()
    watch = _Watch(ends)
    woken, bell = os.pipe()
    os.set_blocking(bell, False)
    former_bell = signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    former = {number: signal.signal(number, watch.handle) for number in ends}
    watcher = threading.Thread(target=watch.wait, args=(woken,), name="muster-deadline", daemon=True)
    watcher.start()
    try:
        yield watch
    finally:
        with watch.nudging:
            watch.may_nudge = False  # a late one would meet a process that has no handler any more
        watch.wish_met = interrupts.requested()
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_bell)
        if not (watch.wish_met and _is_at_work()):  # else Python would wait for it, and the deadline holds
            watch.over.set()
            os.close(bell)  # the thread reads the end
            watcher.join()
            os.close(woken)
            interrupts.begin()  # what this process does next has not been asked to stop


def _is_at_work() -> bool:
    """Whether a thread that the command started is still running."""
    return any(each.name.startswith("muster-") and not each.daemon for each in threading.enumerate())
