"""Patterns of paths, and whether two of them can mean one path: file names with placeholders, globs of inputs (F1).

A *segment* is the pattern of one folder or file name: pieces in their order. Letter case counts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from string import ascii_letters, digits, hexdigits
from typing import TypeAlias


@dataclass(frozen=True)
class Piece:
    """One character of a set, or any number of them; None stands for every character."""

    characters: frozenset[str] | None
    repeated: bool = False


Segment: TypeAlias = tuple[Piece, ...]
FOLDERS: Segment = (Piece(frozenset(), repeated=True),)  # ``**``: any number of folders

_ASCII = [chr(code) for code in range(32, 127)]
_DIGIT, _RUN_VALUE = frozenset(digits), frozenset(f"{ascii_letters}{digits}+._-")
_DATE = (Piece(_DIGIT),) * 8
_TIME = (*_DATE, Piece(frozenset("T")), *_DATE[:6], Piece(frozenset("Z")))
_NUMBER = (Piece(_DIGIT, repeated=True),)
_RUN_ID = (*_TIME, Piece(frozenset("-")), *(Piece(frozenset(hexdigits)),) * 10)
_OFFSET = (Piece(frozenset("+-")), *_DATE[:4], *_NUMBER)
_VALUES = {  # tokens of ``naming``
    "\1": (Piece(_DIGIT),),
    "\2": _OFFSET,
    "\3": _NUMBER,
    "\4": _RUN_ID,
    "\x1f": _NUMBER,
}
_OF_GLOB = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


@cache
def literal(name: str) -> Segment:
    """The segment that one name alone matches."""
    return tuple(Piece(frozenset(character)) for character in name)


@cache
def of_name(name: str) -> Segment:
    """The segment of a name with control characters for values that depend on the run (``naming.symbolic_paths``)."""
    other = (Piece(_RUN_VALUE, repeated=True),)
    pieces = (_VALUES.get(each, other) if each < " " else literal(each) for each in name)
    return tuple(piece for group in pieces for piece in group)


@cache
def of_glob(name: str) -> Segment:
    """The segment of one name of a glob: ``*``, ``?``, ``[...]`` and ``**``."""
    return FOLDERS if name == "**" else tuple(map(_of_glob, _OF_GLOB.findall(name)))


def _of_glob(written: str) -> Piece:
    if written in {"*", "?"}:
        return Piece(None, repeated=written == "*")
    if len(written) == 1:
        return Piece(frozenset(written))
    return Piece(frozenset(each for each in _ASCII if fnmatchcase(each, written)))


def can_lie_in(path: Sequence[Segment], place: Sequence[Segment]) -> bool:
    """Whether a path can be a place, or lie below it: a beginning of the path matches all segments of the place."""
    if not place:
        return True
    if place[0] == FOLDERS:
        return any(can_lie_in(path[skipped:], place[1:]) for skipped in range(len(path) + 1))
    return bool(path) and can_be_equal(path[0], place[0]) and can_lie_in(path[1:], place[1:])


@cache
def can_be_equal(one: Segment, other: Segment) -> bool:
    """Whether some name matches both segments."""
    waiting, seen = [(0, 0)], set[tuple[int, int]]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        i, j = here
        if i == len(one) and j == len(other):
            return True
        waiting += _next(one, other, i, j)
    return False


def _next(one: Segment, other: Segment, i: int, j: int) -> list[tuple[int, int]]:
    """The positions in both segments after a character that both match, or after a repetition that ends."""
    mine, theirs = one[i : i + 1], other[j : j + 1]
    found = [(i + 1, j)] if mine and mine[0].repeated else []
    found += [(i, j + 1)] if theirs and theirs[0].repeated else []
    if mine and theirs and _share(mine[0], theirs[0]):
        found.append((i if mine[0].repeated else i + 1, j if theirs[0].repeated else j + 1))
    return found


def _share(one: Piece, other: Piece) -> bool:
    """Whether a character is in both sets."""
    return one.characters is None or other.characters is None or bool(one.characters & other.characters)
