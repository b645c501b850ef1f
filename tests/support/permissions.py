"""`muster` in a process that the system holds: by permissions that bind root too, and by limits that need no mount."""

import ctypes
import resource
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from support.kills import apart
from support.shop import Result, invoke

_VERSION, _DAC_OVERRIDE, _DAC_READ_SEARCH = 0x20080522, 1, 2  # of capset(2) and capabilities(7)


def bound_by_permissions() -> None:
    """From here on permissions bind this process, even if it is root's."""
    library = ctypes.CDLL(None)
    header, rights = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert library.capget(header, rights) == 0
    for which in (0, 1):  # what is in force, and what may be put in force again
        rights[which] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)
    assert library.capset(header, rights) == 0


def limited_to(size: int) -> Callable[[], None]:
    """From here on no file of this process may grow beyond a size."""
    return partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))


def run(root: Path, moment: str, before: Callable[[], None] = bound_by_permissions, code: str = "") -> Result:
    """`muster run` as a process that is held in some way; ``code`` comes before its first step."""
    result: Result = apart(_work, root, moment, before, code)
    return result


def _work(root: Path, moment: str, before: Callable[[], None], code: str, pipe: Connection) -> None:
    """The life of the process."""
    before()
    exec(code, {})  # noqa: S102  # a test's own
    pipe.send(invoke("-C", str(root), "run", "--at", moment))
