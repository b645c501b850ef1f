"""The memory budget: bytes that a command may keep for later files.

Working memory (a batch that is read, decoded, joined and written) is not counted; the budget is the rest.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from threading import Lock

_WORKING = 512 << 20  # bytes: the interpreter, its libraries, and batches at work
_SHARE = 0.5  # of the machine's memory, when no limit is given
_DEFAULT_LIMIT = 2 << 30  # bytes, at most, when no limit is given
_WRITER = 1 << 30  # bytes of the limit for each file that is written at once
_LEAST_STEP = 64 << 20  # bytes
_GROUPS, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


class Budget:
    """Bytes that a command may keep. Bytes that were taken are never given back before the command ends."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit if limit is not None else min(_DEFAULT_LIMIT, int(_machine() * _SHARE))
        self.left = max(0, self.limit - _WORKING)
        self._changing = Lock()

    @property
    def working(self) -> int:
        """Bytes that one step may use while it runs."""
        return max(_LEAST_STEP, self.limit // 2)

    @property
    def writers(self) -> int:
        """How many files may be written at once."""
        return max(1, self.limit // _WRITER)

    def admits(self, size: int) -> bool:
        """Whether ``size`` more bytes fit, also while they are built: that takes twice as many."""
        return 2 * size <= self.left

    def take(self, size: int) -> None:
        """Count ``size`` bytes as kept."""
        with self._changing:
            self.left = max(0, self.left - size)


def limited() -> str:
    """A remark for messages about failures that a limit on this process's memory may cause; empty without a limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return ""
    return f", or too little memory was left: this process may use {limit >> 20:,} MiB (ulimit -v)"


def _machine() -> int:
    """Bytes of memory of this machine, or of the control group that muster runs in, if that has less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(limit for file in _limits() if (limit := _read(file)) is not None)])


def _limits() -> Iterator[Path]:
    """Files with the limits of this process's control groups and of all groups above, of versions 1 and 2."""
    try:
        groups = [line.split(":", 2) for line in _GROUPS.read_text().splitlines()]
    except OSError:  # not Linux
        return
    for _, controllers, path in groups:
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            if not controllers:
                yield _ROOT / group.relative_to("/") / "memory.max"
            elif "memory" in controllers.split(","):
                yield _ROOT / "memory" / group.relative_to("/") / "memory.limit_in_bytes"


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # hidden from a container, or no limit ("max")
        return None
