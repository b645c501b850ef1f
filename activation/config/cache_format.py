"""The nouns of a workspace as plain data that JSON can hold, and back (SPEC 2). Pure.

How, is read off the annotations of the dataclasses: a field that is added later is in it, and one of a type that is not
known here is a ``TypeError``. Each value of a dataclass is written once: ``[class, *fields]``, in which others are
meant by their number.
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
    """What was written so far. An object that was met before is not looked at again."""

    items: list[list[Plain]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # of each item, by its JSON
    met: dict[int, int] = field(default_factory=dict)  # the same by the object's identity


@dataclass(frozen=True)
class _Form:
    """How values of one type are written and read; both None for what JSON has itself."""

    write: Callable[[Any, _Written], Plain]
    read: Callable[[Plain, list[Any]], Any] | None = None


def to_plain(value: object) -> list[list[Plain]]:
    """A dataclass, and all in it; it comes last itself."""
    written = _Written()
    _write(value, written)
    return written.items


def from_plain(items: list[list[Plain]], kind: Callable[..., T]) -> T:
    """The reverse; what was not written by ``to_plain`` for that type ends in some ``LookupError``, ``TypeError`` or ``ValueError``."""
    made: list[Any] = []
    known = _known(kind)
    for name, *values in items:
        made.append(_read(known[name], values, made))
    whole: T = made[-1]
    if type(whole) is not kind:
        raise TypeError(f"{type(whole)} is not {kind}")
    return whole


@cache
def _known(kind: Any) -> dict[str, type]:
    """The dataclasses that a value of ``kind`` can hold, itself among them, by name."""
    own = _is_noun(kind)
    found: dict[str, type] = {kind.__name__: kind} if own else {}
    for part in (each for _, each in _fields(kind)) if own else get_args(kind):
        found |= _known(part)
    return found


def _is_noun(kind: Any) -> bool:
    return is_dataclass(kind)


@cache
def _fields(kind: Any) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(each.name, hints[each.name]) for each in fields(kind)]


@cache
def _readers(kind: Any) -> list[tuple[int, Callable[[Plain, list[Any]], Any]]]:
    """The fields, by position, that are not what JSON has itself."""
    return [(index, read) for index, (_, each) in enumerate(_fields(kind)) if (read := _form(each).read)]


def _read(kind: Any, values: list[Plain], made: list[Any]) -> Any:
    if len(values) != len(_fields(kind)):
        raise ValueError(f"{kind.__name__} has {len(_fields(kind))} fields")
    for index, read in _readers(kind):
        values[index] = read(values[index], made)
    return kind(*values)


def _write(value: Any, written: _Written) -> int:
    """The number of a dataclass's value."""
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
    if _is_noun(kind):
        return _Form(_write, lambda number, made: made[number])
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
        lambda plain, made: tuple([read(each, made) for each in plain] if read else plain),
    )


def _mapping(inner: _Form) -> _Form:
    read = inner.read
    return _Form(
        lambda value, written: {key: inner.write(each, written) for key, each in value.items()},
        lambda plain, made: {key: read(each, made) for key, each in plain.items()} if read else plain,
    )


def _optional(inner: _Form) -> _Form:
    read = inner.read
    return _Form(
        lambda value, written: None if value is None else inner.write(value, written),
        (lambda plain, made: None if plain is None else read(plain, made)) if read else None,
    )
