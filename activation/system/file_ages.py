"""How long ago files were changed, by the clock that stamps files: it decides about waiting, never about a result."""

import time


def seconds_since(changed: int) -> float:
    """Seconds since the time ``changed`` of a file, in nanoseconds as ``os.stat`` has it; below 0 if that is ahead."""
    return (time.time_ns() - changed) / 1e9
