"""A zip archive of one file, written from start to end: its bytes depend on name and content alone (F2).

Sizes and checksum follow the content, as they are not known before it. Archives below 4 GiB have no Zip64 fields, which
older readers stumble over.
"""

import struct
import zlib
from collections.abc import Callable

_DEFLATED = 8
_FOLLOWS, _UTF8 = 1 << 3, 1 << 11  # flags: sizes and checksum stand behind the content; the name is UTF-8
_DATE = 1 << 5 | 1  # 1980-01-01, the first that a zip file can hold
_PLAIN, _LARGE = 20, 45  # versions needed to extract
_LIMIT = 0xFFFFFFFF  # sizes and offsets from here on need Zip64 fields


class Archive:
    """A zip archive with one compressed member."""

    def __init__(self, write: Callable[[bytes], object], name: str, level: int) -> None:
        """``write`` receives the bytes of the archive in order; ``name`` is the member's, ``level`` is zlib's."""
        self._write = write
        self._name = name.encode()
        self._flags = _FOLLOWS if name.isascii() else _FOLLOWS | _UTF8
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._crc = self._size = self._packed = 0
        head = struct.pack("<4s5H3I2H", b"PK\3\4", *self._form(_PLAIN), 0, 0, 0, len(self._name), 0)
        self._offset = len(head) + len(self._name)
        write(head + self._name)

    def add(self, block: bytes) -> None:
        """Compress the next bytes of the member."""
        self._crc = zlib.crc32(block, self._crc)
        self._size += len(block)
        self._put(self._deflate.compress(block))

    def end(self) -> None:
        """Write the end of the member, and the archive's directory."""
        self._put(self._deflate.flush())
        is_large = max(self._size, self._packed) >= _LIMIT
        sizes = struct.pack("<2Q" if is_large else "<2I", self._packed, self._size)
        after = struct.pack("<4sI", b"PK\7\x08", self._crc) + sizes
        start = self._offset + self._packed + len(after)
        entry = self._entry(is_large=is_large)
        self._write(after + entry + _ending(len(entry), start))

    def _put(self, packed: bytes) -> None:
        self._packed += len(packed)
        if packed:
            self._write(packed)

    def _form(self, version: int) -> tuple[int, int, int, int, int]:
        """Version, flags, method, time and date of the member."""
        return version, self._flags, _DEFLATED, 0, _DATE

    def _entry(self, *, is_large: bool) -> bytes:
        """The member's entry in the directory of the archive."""
        packed, size = (_LIMIT, _LIMIT) if is_large else (self._packed, self._size)
        extra = struct.pack("<2H2Q", 1, 16, self._size, self._packed) if is_large else b""
        form = self._form(_LARGE if is_large else _PLAIN)
        lengths = len(self._name), len(extra), 0
        numbers = struct.pack("<4s6H3I5H2I", b"PK\1\2", form[0], *form, self._crc, packed, size, *lengths, 0, 0, 0, 0)
        return numbers + self._name + extra


def _ending(size: int, start: int) -> bytes:
    """The end of an archive whose directory has ``size`` bytes from the offset ``start`` on."""
    if start < _LIMIT:
        return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, size, start, 0)
    large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, _LARGE, _LARGE, 0, 0, 1, 1, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    return large + locator + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, size, _LIMIT, 0)
