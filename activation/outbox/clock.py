"""The time that passes while messages are sent: of the machine, or of a test that does not want to wait."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A clock for pauses. No result depends on it."""

    def seconds(self) -> float:
        """Seconds, from any beginning."""

    def wait(self, changed: threading.Condition, longest: float | None) -> None:
        """Wait until something changed, at most so long; the caller holds the condition."""


class MachineClock:
    """The clock of the machine."""

    def seconds(self) -> float:
        """Seconds since some moment before the command."""
        return time.monotonic()

    def wait(self, changed: threading.Condition, longest: float | None) -> None:
        """Wait until something changed, at most so long; the caller holds the condition."""
        changed.wait(longest)
