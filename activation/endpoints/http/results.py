"""Which entries of an accepted request the receiver refused, by what its answer says of them (V10).

errors, index          a list of errors, each with the position of an entry
each, key, ok          a list with an element an entry, which is named by the value of its field ``key``
refused_count          a number of entries, nobody knows which
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.activation.model.messages import Result

_YES = frozenset({"true", "ok", "success", "succeeded", "successful", "accepted"})
_MISSING = object()


class UnattributedError(Exception):
    """An answer says that something was refused, and not what: the request is refused as a whole."""


class UnreadableError(Exception):
    """An answer does not say what became of the entries, though it should."""


@dataclass(frozen=True)
class Refused:
    """The positions of refused entries, ascending, and the number of those that nobody knows."""

    positions: tuple[int, ...] = ()
    count: int = 0


def refused_in(document: Any, result: Result, body: Any, entries: int) -> Refused:
    """What an answer says was refused; ``body`` is the request's, read as JSON where ``each`` is declared.

    ``UnattributedError`` when an error names no entry of the request, ``UnreadableError`` when results are missing.
    """
    positions = set[int]()
    if result.errors is not None:
        positions |= set(_by_position(document, result, entries))
    if result.each is not None:
        positions |= _by_key(document, result, body, entries)
    return Refused(tuple(sorted(positions)), _count(document, result, entries))


def at_path(document: Any, path: str) -> Any:
    """The value at a dotted path; ``_MISSING`` where there is none. A number in a path is a place in a list."""
    for name in path.split("."):
        if isinstance(document, Mapping) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return _MISSING
    return document


def _by_position(document: Any, result: Result, entries: int) -> Iterator[int]:
    errors = at_path(document, result.errors or "")
    if errors is _MISSING or not errors:
        return
    if not isinstance(errors, list):
        raise UnattributedError
    for each in errors:
        position = _whole(at_path(each, result.index) if result.index else each)
        if position is None or not 0 <= position < entries:
            raise UnattributedError
        yield position


def _by_key(document: Any, result: Result, body: Any, entries: int) -> set[int]:
    """Positions of entries that an element says were not accepted, or, with ``ok``, that no element says were.

    Without ``ok`` the list holds refused entries alone.
    """
    elements = at_path(document, result.each or "")
    if elements is _MISSING and result.ok is None:
        return set()
    if not isinstance(elements, list):
        raise UnreadableError
    named = [(_text(at_path(each, result.key or "")), _is_accepted(each, result.ok)) for each in elements]
    refused = {name for name, accepted in named if not accepted}
    if result.ok is None and not refused:
        return set()
    if entries == 1 and result.ok is not None:  # whatever the receiver calls the one entry
        return {0} if refused or not named else set()
    names = _names(body, result.key or "", {name for name, _ in named}, entries)
    accepted = {name for name, is_accepted in named if is_accepted} - refused
    if None in refused or not refused <= set(names):
        raise UnattributedError
    return {place for place, name in enumerate(names) if name in refused or (result.ok and name not in accepted)}


def _is_accepted(element: Any, ok: str | None) -> bool:
    if ok is None:
        return False
    said = at_path(element, ok)
    if isinstance(said, bool):
        return said
    number = _whole(said)
    if number is not None:
        return number == 1 or 200 <= number < 300
    return isinstance(said, str) and said.strip().casefold() in _YES


def _names(body: Any, key: str, said: set[str | None], entries: int) -> list[str | None]:
    """What the answer calls each entry, in their order: the value of the field ``key``.

    Where entries have no such field: of the first field whose values name each entry once and all that was said.
    """
    for candidates in _lists(body, entries):
        own = [_text(at_path(entry, key)) for entry in candidates]
        if None not in own:
            return own
        for field in _fields(candidates):
            values = [_text(at_path(entry, field)) for entry in candidates]
            if len({*values} - {None}) == len(values) and said - {None} <= {*values}:
                return values
    raise UnattributedError


def _lists(body: Any, entries: int) -> Iterator[Sequence[Any]]:
    """Lists of objects in a body, outermost first, that have one element an entry."""
    waiting = [body]
    while waiting:
        here = waiting.pop(0)
        if isinstance(here, list) and len(here) == entries and all(isinstance(each, Mapping) for each in here):
            yield here
        if isinstance(here, Mapping | list):
            waiting += here.values() if isinstance(here, Mapping) else here


def _fields(entries: Sequence[Any]) -> Iterator[str]:
    """The dotted paths of the first entry's scalar fields, in their order."""
    waiting = [("", entries[0])] if entries else []
    while waiting:
        path, here = waiting.pop(0)
        if isinstance(here, Mapping):
            waiting += [(f"{path}.{name}".lstrip("."), value) for name, value in here.items()]
        elif isinstance(here, str | int | float) and not isinstance(here, bool):
            yield path


def _count(document: Any, result: Result, entries: int) -> int:
    if result.refused_count is None:
        return 0
    found = _whole(at_path(document, result.refused_count))
    return min(max(found or 0, 0), entries)


def _whole(said: Any) -> int | None:
    """A whole number, as JSON has it or as text."""
    if isinstance(said, bool):
        return None
    if isinstance(said, int):
        return said
    if isinstance(said, float) and said.is_integer():
        return int(said)
    return int(said) if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 10 else None


def _text(said: Any) -> str | None:
    """A key as text: numbers and texts of one spelling are one key."""
    if isinstance(said, str):
        return said
    return str(said) if isinstance(said, int | float) and not isinstance(said, bool) else None
