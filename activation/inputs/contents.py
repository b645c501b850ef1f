"""Whether a file is Parquet by its first and last bytes, whatever its name (D2).

Writers name files as they like: ``000000000000``, ``part-00000``, ``x.parquet.snappy``. A file that begins or ends as
Parquet is one; whether it is whole, its reader says.
"""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

_LENGTH = 4
_MAGIC = (b"PAR1", b"PARE")  # PARE: with an encrypted footer, which the reader refuses


def looks_like_parquet(size: int, piece: Callable[[int, int], bytes]) -> bool:
    """Whether a file of ``size`` bytes begins or ends as Parquet; ``piece(start, length)`` reads it."""
    if size < _LENGTH:
        return False
    return piece(0, _LENGTH) in _MAGIC or (size > _LENGTH and piece(size - _LENGTH, _LENGTH) in _MAGIC)


def is_parquet_here(path: Path) -> bool | None:
    """Whether a file of this machine begins or ends as Parquet; None when it is gone.

    Pipes, sockets and devices are not opened, and are no Parquet. ``OSError`` when the file cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ELOOP}:
            raise
        return False if path.is_symlink() else None
    try:
        size = os.fstat(descriptor).st_size
        return looks_like_parquet(size, lambda start, length: os.pread(descriptor, length, start))
    finally:
        os.close(descriptor)
