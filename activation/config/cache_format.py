"""A workspace as data that JSON can hold, and back, for the config cache (SPEC 2).

The annotations of the dataclasses decide how each field is written, so a new field needs no code here; a field of an
unknown type is a ``TypeError``. Each dataclass value is written once, as ``[class, *fields]``; a field that holds
another dataclass value holds its number in the list.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from muster.activation.instants import zone

Plain: TypeAlias = Any  # None, bool, int, float, str, list, dict
T = TypeVar("T")

_ATOMS = (str, int, float, bool, NoneType)


@dataclass
class _Written:
    """The items written so far. An object that is met again is not walked again."""

    items: list[list[Plain]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # JSON of an item to its position
    met: dict[int, int] = field(default_factory=dict)  # id() of an object to its item's position


@dataclass(frozen=True)
class _Form:
    """How values of one type are written and read; ``read`` is None for types that JSON has."""

    write: Callable[[Any, _Written], Plain]
    read: Callable[[Plain, list[Any]], Any] | None = None


def to_plain(value: object) -> list[list[Plain]]:
    """The items of a dataclass value and of all values in it; the last item is the value itself."""
    written = _Written()
    _write(value, written)
    return written.items


def from_plain(items: list[list[Plain]], kind: Callable[..., T]) -> T:
    """The value of type ``kind`` that ``to_plain`` wrote as ``items``.

    Anything else raises ``LookupError``, ``TypeError`` or ``ValueError``.
    """
    values: list[Any] = []
    known = _known(kind)
    for item in items:
        values.append(_read(known[item.pop(0)], item, values))
    whole: T = values[-1]
    if type(whole) is not kind:
        raise TypeError(f"{type(whole)} is not {kind}")
    return whole


@cache
def _known(kind: Any) -> dict[str, type]:
    """The dataclasses, by name, that a value of ``kind`` can be or hold."""
    is_noun = is_dataclass(kind)
    found: dict[str, type] = {kind.__name__: kind} if is_noun else {}
    for part in (each for _, each in _fields(kind)) if is_noun else get_args(kind):
        found |= _known(part)
    return found


@cache
def _fields(kind: Any) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(each.name, hints[each.name]) for each in fields(kind)]


@cache
def _form_of_fields(kind: Any) -> tuple[tuple[str, ...], list[tuple[int, Callable[[Plain, list[Any]], Any]]]]:
    """The names of the fields, and the positions of those that JSON cannot hold as they are, with their readers."""
    forms = [(name, _form(each).read) for name, each in _fields(kind)]
    return tuple(name for name, _ in forms), [(index, read) for index, (_, read) in enumerate(forms) if read]


def _read(kind: Any, written: list[Plain], earlier: list[Any]) -> Any:
    names, readers = _form_of_fields(kind)
    if len(written) != len(names):
        raise ValueError(f"{kind.__name__} has {len(names)} fields")
    for index, read in readers:
        written[index] = read(written[index], earlier)
    value = object.__new__(kind)
    value.__dict__.update(zip(names, written, strict=True))  # a frozen class's own way takes ten times as long
    return value


def _write(value: Any, written: _Written) -> int:
    """Write a dataclass value, and return the position of its item."""
    if id(value) in written.met:
        return written.met[id(value)]
    kind: Any = type(value)
    item = [kind.__name__, *(_form(each).write(getattr(value, name), written) for name, each in _fields(kind))]
    number = written.numbers.setdefault(json.dumps(item), len(written.items))
    if number == len(written.items):
        written.items.append(item)
    written.met[id(value)] = number
    return number


@cache
def _form(kind: Any) -> _Form:
    origin, parts = get_origin(kind), get_args(kind)
    if kind in _ATOMS or origin is Literal:
        return _Form(lambda value, _: value)
    if kind in _SCALARS:
        write, read = _SCALARS[kind]
        return _Form(lambda value, _: write(value), lambda plain, _: read(plain))
    if is_dataclass(kind):
        return _Form(_write, lambda number, earlier: earlier[number])
    if origin is tuple and parts[1:] == (...,):
        return _sequence(_form(parts[0]))
    if origin in (dict, Mapping) and parts[0] is str:
        return _mapping(_form(parts[1]))
    if origin in (Union, UnionType) and len(parts) == 2 and NoneType in parts:
        return _optional(_form(next(part for part in parts if part is not NoneType)))
    raise TypeError(f"{kind} cannot be written as plain data")


_SCALARS: dict[Any, tuple[Callable[[Any], Plain], Callable[[Plain], Any]]] = {
    Path: (str, Path),
    ZoneInfo: (lambda value: value.key, zone),
    datetime: (datetime.isoformat, datetime.fromisoformat),
    time: (time.isoformat, time.fromisoformat),
    timedelta: (lambda value: [value.days, value.seconds, value.microseconds], lambda plain: timedelta(*plain)),
}


def _sequence(inner: _Form) -> _Form:
    read = inner.read
    return _Form(
        lambda value, written: [inner.write(each, written) for each in value],
        lambda plain, earlier: tuple([read(each, earlier) for each in plain] if read else plain),
    )


def _mapping(inner: _Form) -> _Form:
    read = inner.read
    return _Form(
        lambda value, written: {key: inner.write(each, written) for key, each in value.items()},
        lambda plain, earlier: {key: read(each, earlier) for key, each in plain.items()} if read else plain,
    )


def _optional(inner: _Form) -> _Form:
    read = inner.read
    return _Form(
        lambda value, written: None if value is None else inner.write(value, written),
        (lambda plain, earlier: None if plain is None else read(plain, earlier)) if read else None,
    )
