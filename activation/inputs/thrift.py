"""Thrift's compact encoding, as far as Parquet's footers and page headers use it: bytes to plain values.

A struct becomes a dict of field number to value, a list a list; invalid bytes raise ``ValueError`` or ``IndexError``.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Bytes: TypeAlias = bytes
Struct = dict[int, Any]
STRUCT = 12  # the kind of a struct
_DEEPEST = 24  # levels of nested structs and lists; Parquet's own stay below 10


def struct(content: Bytes, position: int, deeper: int = _DEEPEST) -> tuple[Struct, int]:
    """The fields of the struct that begins at a position, and the position after it."""
    if not deeper:
        raise ValueError("too deep")
    fields: Struct = {}
    number = 0
    while content[position]:
        number, kind, position = field_at(content, position, number)
        if kind in _BOOLEANS:  # the value is in the kind
            fields[number] = kind == _TRUE
        else:
            fields[number], position = _READERS[kind](content, position, deeper - 1)
    return fields, position + 1


def field_at(content: Bytes, position: int, last: int) -> tuple[int, int, int]:
    """The number and kind of the field that begins at a position, after the field ``last``, and where its value is."""
    first, position = content[position], position + 1
    if first >> 4:
        return last + (first >> 4), first & 0x0F, position
    number, position = _signed(content, position)
    return number, first & 0x0F, position


def list_at(content: Bytes, position: int) -> tuple[int, int, int]:
    """The number of elements of the list at a position, their kind, and where the first begins."""
    size, kind, position = content[position] >> 4, content[position] & 0x0F, position + 1
    if size == 15:
        size, position = _unsigned(content, position)
    return within(size, len(content) - position), kind, position


def after(content: Bytes, position: int, kind: int) -> int:
    """The position after the value of a field, of this kind, that begins at a position."""
    return position if kind in _BOOLEANS else _READERS[kind](content, position, _DEEPEST)[1]


def within(number: int, most: int) -> int:
    """The number, if it is from 0 to ``most``; ``ValueError`` otherwise."""
    if not 0 <= number <= most:
        raise ValueError(number)
    return number


def _unsigned(content: Bytes, position: int) -> tuple[int, int]:
    number = content[position]
    if number < 0x80:
        return number, position + 1
    number &= 0x7F
    for shift in range(7, 70, 7):
        position += 1
        byte = content[position]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position + 1
    raise ValueError("too long a number")


def _signed(content: Bytes, position: int, _deeper: int = 0) -> tuple[int, int]:
    number, position = _unsigned(content, position)
    return (number >> 1) ^ -(number & 1), position


def _byte(content: Bytes, position: int, _deeper: int) -> tuple[int, int]:
    return content[position], position + 1


def _double(content: Bytes, position: int, _deeper: int) -> tuple[None, int]:
    within(position + 8, len(content))
    return None, position + 8  # muster reads no number of this type


def _binary(content: Bytes, position: int, _deeper: int) -> tuple[bytes, int]:
    length, position = _unsigned(content, position)
    end = within(position + length, len(content))
    return content[position:end], end


def _list(content: Bytes, position: int, deeper: int) -> tuple[list[Any], int]:
    size, kind, position = list_at(content, position)
    values = []
    for _ in range(size):
        value, position = _READERS[kind](content, position, deeper)
        values.append(value)
    return values, position


def _map(content: Bytes, position: int, deeper: int) -> tuple[None, int]:
    size, position = _unsigned(content, position)
    if not size:
        return None, position
    kinds, position = content[position], position + 1
    for _ in range(within(size, len(content) - position)):
        for kind in (kinds >> 4, kinds & 0x0F):
            _, position = _READERS[kind](content, position, deeper)
    return None, position


def _unknown(_content: Bytes, _position: int, _deeper: int) -> tuple[None, int]:
    raise ValueError("no such kind of value")


_TRUE = 1
_BOOLEANS = (_TRUE, 2)
_Reader = Callable[[Bytes, int, int], tuple[Any, int]]
_READERS: tuple[_Reader, ...] = (
    *(_unknown, _byte, _byte, _byte, _signed, _signed, _signed, _double, _binary, _list, _list, _map, struct),
    *(_unknown,) * 3,
)
