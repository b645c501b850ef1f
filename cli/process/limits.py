"""Limits and variables that let nothing work, told before they end this process in the middle of native code.

Polars aborts the process, or stands still, where it gets no memory for its threads: no message can be given then. What
is too little is therefore told when Polars is about to be loaded; commands that do without it go on.
"""

import errno
import os
import re
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

from muster import runs

_MIB = 1 << 20
_ADDRESSES, _A_THREAD = 1536 * _MIB, 8 * _MIB  # of address space, most of which is reserved and never used
_THREADS = 16  # that are counted in the above
_DATA = 384 * _MIB
_FILES = 32
_LACKS = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_AMOUNT = r"POLARS_\w*(?:THREADS|SIZE|ROWS|SCANS|COUNT)"  # 0 of them: Polars panics, or waits forever
_ENGINE, _ENGINES = "POLARS_ENGINE_AFFINITY", ("", "auto", "streaming", "in-memory")
_NO_FOLDER = "No usable temporary directory"
_NO_THREAD = "can't start new thread"


class _Guard:  # without ``importlib.abc``, which takes a tenth of the time of `muster --help` to load
    """Raises an ``InputError`` in the place of an import of Polars that would end the process."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing: other finders do. ``InputError`` for Polars where the process has too little."""
        if fullname == "polars" and (reason := too_little() or misleading()):
            raise runs.InputError(reason)
        return None


@contextmanager
def told() -> Iterator[None]:
    """Tell limits that are too low when Polars is about to be loaded inside the block."""
    guard = _Guard()
    sys.meta_path.insert(0, guard)
    try:
        yield
    finally:
        sys.meta_path.remove(guard)


def too_little() -> str:
    """The message about the first limit that leaves too little to load Polars; empty when none does."""
    threads = os.environ.get("POLARS_MAX_THREADS", "")
    count = int(threads) if threads.isdecimal() else os.cpu_count() or 1
    needed = _ADDRESSES + _A_THREAD * max(0, count - _THREADS)
    for what, option, least in (
        (resource.RLIMIT_AS, "v", needed),
        (resource.RLIMIT_DATA, "d", _DATA),
    ):
        limit, _ = resource.getrlimit(what)
        if limit != resource.RLIM_INFINITY and limit < least:
            return (
                f"this process may use {limit // _MIB:,} MiB of memory (ulimit -{option} {limit // 1024}), and muster "
                f"needs at least {least // _MIB:,} MiB of it to start, and more for large inputs; raise the limit"
            )
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < _FILES:
        return f"this process may open {files} files (ulimit -n {files}), and muster needs at least 64; raise the limit"
    return ""


def misleading() -> str:
    """The message about the first variable of Polars with which it fails on every file; empty when there is none."""
    for name, value in os.environ.items():
        if re.fullmatch(_AMOUNT, name) and value.isdecimal() and not int(value):
            return f"the environment variable {name} is {value}; expected at least 1, or none"
    engine = os.environ.get(_ENGINE, "")
    if engine.lower() not in _ENGINES:
        return f"the environment variable {_ENGINE} is '{engine}'; muster works with streaming, in-memory or none"
    return ""


def lacking(problem: BaseException) -> str:
    """The message about an error that the system raised for lack of something; empty for another error."""
    if isinstance(problem, MemoryError):
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        limited = f": this process may use {limit // _MIB:,} MiB (ulimit -v)" if limit != resource.RLIM_INFINITY else ""
        return f"there was too little memory{limited}; free some, or set memory_limit in muster.yml lower"
    if isinstance(problem, ImportError):  # a library that could not be mapped
        return too_little()
    if isinstance(problem, RuntimeError) and _NO_THREAD in str(problem):
        return "the system lets this process start no more threads; see `ulimit -u`, and the limits of its container"
    if isinstance(problem, OSError) and (problem.errno in _LACKS or _NO_FOLDER in str(problem)):
        what = str(problem.strerror or problem).lower()
        if problem.errno in (errno.EMFILE, errno.ENFILE):
            return f"{what}: see `ulimit -n`; muster needs at least 64"
        if problem.errno == errno.EFBIG:
            return f"{what}: see `ulimit -f`"
        return what if not problem.filename else f"{problem.filename}: {what}"
    return ""
