"""The headers of a Parquet file's pages, checked before the pages are decoded (SPEC 10).

A damaged header can ask a decoder for more memory than there is, which ends the whole process instead of one command.
So the few numbers before each page are compared with what the file can contain; the decoder checks the pages. Numbers
are those of parquet.thrift.
"""

import os
from pathlib import Path

from muster.activation.inputs.footer import NONSENSE, Chunk, Footer
from muster.activation.inputs.thrift import Struct, struct, within

_SIZE, _STORED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8  # PageHeader
_COUNT = 1  # of values, in a page header's inner parts

_LARGEST = 2**31 - 1  # bytes or values of a page
_WINDOWS = (512, 1 << 16, 1 << 24)  # bytes that are read for a header: most are short, statistics can be long


def check(path: Path, footer: Footer) -> None:
    """Walk from page to page of the columns that can be used; ``ValueError`` when a header is not valid.

    The file is read, not mapped: a mapped file that somebody shortens ends the process (D2).
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for column in footer.usable:
            for group in footer.groups:
                for leaf, chunk in zip(footer.leaves[column.leaves], group[column.leaves], strict=True):
                    if chunk and not _is_valid(file.fileno(), size, chunk):
                        raise ValueError(f"column {leaf.path!r} is damaged: a page header is not valid")


def _is_valid(file: int, size: int, chunk: Chunk) -> bool:
    """Whether all pages of a chunk lie in the file, one after another."""
    try:
        position, seen = within(chunk.start, size), 0
        while seen < chunk.values:
            header, length = _header(file, position)
            seen += _values_in(header, chunk.values)
            position += length
            position += within(header[_STORED], size - position)
            within(header[_SIZE], _LARGEST)
    except NONSENSE:
        return False
    return True


def _header(file: int, position: int) -> tuple[Struct, int]:
    """The page header at a position, and its length in bytes."""
    for window in _WINDOWS:
        content = os.pread(file, window, position)
        try:
            return struct(content, 0)
        except NONSENSE:
            if len(content) < window or window == _WINDOWS[-1]:
                raise
    raise AssertionError


def _values_in(header: Struct, most: int) -> int:
    """The number of the column's values in a page; values of a dictionary page do not count."""
    if _DICTIONARY in header:
        within(header[_DICTIONARY][_COUNT], _LARGEST)
    data = header.get(_DATA) or header.get(_DATA_V2)
    return within(data[_COUNT], most) if data else 0
