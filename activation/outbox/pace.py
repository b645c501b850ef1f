"""How fast requests may follow one another: how many are under way, how often one is tried, and how many a second."""

import zlib
from collections import deque
from dataclasses import dataclass, field

from muster.activation.model.messages import Rate

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0  # seconds between two tries, unless the receiver asks for more
LONGEST_WISH = 300.0  # seconds: a receiver that asks for a longer pause is left alone until the next command
_MARGIN = 0.02  # of a period: requests do not all take the same time to arrive


@dataclass(frozen=True)
class Pace:
    """The limits of sending (V8, V10, V13)."""

    in_flight: int = 8  # requests that are under way at one time
    retries: int = 4  # further tries of a request
    rate: Rate | None = None


def pause_after(tries: int, request_id: str) -> float:
    """The seconds until a request that was tried so often is tried again: longer each time.

    Pauses of requests that failed together differ by up to half, by their ids, so that they do not return together.
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 30))
    return longest * (0.75 + zlib.crc32(f"{request_id} {tries}".encode()) / (1 << 33))


@dataclass
class Starts:
    """When requests were last tried, to keep a rate over all threads (V13). One thread calls at a time."""

    rate: Rate | None
    _last: deque[float] = field(default_factory=deque)

    def next(self) -> float:
        """The earliest time for the next try."""
        if self.rate is None or len(self._last) < self.rate.requests:
            return float("-inf")
        return self._last[0] + self.rate.per * (1 + _MARGIN)

    def add(self, now: float) -> None:
        """Count a try that begins now."""
        if self.rate is None:
            return
        self._last.append(now)
        if len(self._last) > self.rate.requests:
            self._last.popleft()
