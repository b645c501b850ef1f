"""How much memory a command may fill with what it keeps for later files. Edge module: asks the system how much there is.

Working memory (a batch being read, decoded, joined and written) is not counted; the budget is what is left beside it.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_WORKING = 512 << 20  # bytes: the interpreter, its libraries, and batches under way
_SHARE = 0.5  # of the machine's memory, when no limit is given,
_ENOUGH = 2 << 30  # and no more than so many bytes
_LEAST = 64 << 20
_GROUPS, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


class Budget:
    """Bytes that may be kept; what is taken is never given back before the command ends."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit if limit is not None else min(_ENOUGH, int(_machine() * _SHARE))
        self.left = max(0, self.limit - _WORKING)

    @property
    def working(self) -> int:
        """Bytes that one step may take while it runs."""
        return max(_LEAST, self.limit // 2)

    def admits(self, size: int, making: float = 2.0) -> bool:
        """Whether there is room for so many bytes more, and for making them: building a column takes it about twice."""
        return making * size <= self.left

    def take(self, size: int) -> None:
        """Count what is kept now."""
        self.left = max(0, self.left - size)


def _machine() -> int:
    """The memory of this machine, or of the control group that muster runs in, if that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(limit for file in _limits() if (limit := _read(file)) is not None)])


def _limits() -> Iterator[Path]:
    """Where a control group of this process may say its limit: its own, and those above it, of version 2 and of version 1."""
    try:
        groups = [line.split(":", 2) for line in _GROUPS.read_text().splitlines()]
    except OSError:  # not Linux
        return
    for _, controllers, path in groups:
        for place in (PurePosixPath(path), *PurePosixPath(path).parents):
            if not controllers:
                yield _ROOT / place.relative_to("/") / "memory.max"
            elif "memory" in controllers.split(","):
                yield _ROOT / "memory" / place.relative_to("/") / "memory.limit_in_bytes"


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # a container that does not see it, or no limit ("max")
        return None
