"""Thrift's compact encoding taken apart and put together again: structs and lists as the bytes of what they hold.

Fields that nobody knows are kept as they are, which a reader of values could not do.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from muster.activation.inputs.thrift import STRUCT, after, field_at, list_at

I32, I64, _BINARY, _LIST = 5, 6, 8, 9  # kinds


class Piece(NamedTuple):
    """The value of a field: its kind, and its encoded bytes. A boolean is in its kind."""

    kind: int
    content: bytes


Pieces: TypeAlias = dict[int, Piece]  # of a struct, by field number


def taken_apart(content: bytes) -> Pieces:
    """The fields of an encoded struct; ``ValueError`` or ``IndexError`` when the bytes are not valid."""
    pieces: Pieces = {}
    number, position = 0, 0
    while content[position]:
        number, kind, start = field_at(content, position, number)
        position = after(content, start, kind)
        pieces[number] = Piece(kind, content[start:position])
    return pieces


def put_together(pieces: Mapping[int, Piece]) -> bytes:
    """The encoded struct that has these fields."""
    encoded, last = bytearray(), 0
    for number, piece in sorted(pieces.items()):
        if 0 < number - last < 16:
            encoded.append((number - last) << 4 | piece.kind)
        else:
            encoded += bytes((piece.kind,)) + _signed(number)
        encoded += piece.content
        last = number
    return bytes(encoded) + b"\0"


def place_of(content: bytes, field: int) -> int:
    """Where the value of a field of an encoded struct begins; ``KeyError`` where the struct does not have it."""
    number, position = 0, 0
    while content[position]:
        number, kind, position = field_at(content, position, number)
        if number == field:
            return position
        position = after(content, position, kind)
    raise KeyError(field)


def elements(piece: Piece) -> list[bytes]:
    """The encoded elements of a list of structs."""
    return elements_at(piece.content, 0)[0]


def elements_at(content: bytes, position: int) -> tuple[list[bytes], int]:
    """The encoded elements of the list of structs that begins at a position, and the position after it."""
    found = []
    count, position = _structs_at(content, position)
    for _ in range(count):
        end = after(content, position, STRUCT)
        found.append(content[position:end])
        position = end
    return found, position


def elements_inside(content: bytes, position: int, field: int) -> list[list[bytes]]:
    """Of each struct in the list at a position the encoded elements of a field, which is a list of structs too."""
    found = []
    count, position = _structs_at(content, position)
    for _ in range(count):
        inside: list[bytes] = []
        number = 0
        while content[position]:
            number, kind, position = field_at(content, position, number)
            if number == field:
                inside, position = elements_at(content, position)
            else:
                position = after(content, position, kind)
        found.append(inside)
        position += 1
    return found


def _structs_at(content: bytes, position: int) -> tuple[int, int]:
    """The number of structs in the list at a position, and where the first begins."""
    count, kind, position = list_at(content, position)
    if count and kind != STRUCT:
        raise ValueError(kind)
    return count, position


def structs(encoded: Iterable[bytes]) -> Piece:
    """A list of encoded structs."""
    return list_of([nested(each) for each in encoded], STRUCT)


def list_of(values: Sequence[Piece], kind: int | None = None) -> Piece:
    """A list of values of one kind: that of the first, unless it is given."""
    kind, count = values[0].kind if kind is None else kind, len(values)
    head = bytes((count << 4 | kind,)) if count < 15 else bytes((0xF0 | kind,)) + unsigned(count)
    return Piece(_LIST, head + b"".join(each.content for each in values))


def nested(encoded: bytes) -> Piece:
    """An encoded struct."""
    return Piece(STRUCT, encoded)


def binary(content: bytes) -> Piece:
    """Bytes, or text."""
    return Piece(_BINARY, unsigned(len(content)) + content)


def integer(number: int, kind: int) -> Piece:
    """A whole number of 16, 32 or 64 bits."""
    return Piece(kind, _signed(number))


def _signed(number: int) -> bytes:
    return unsigned(number << 1 if number >= 0 else ~(number << 1))


def unsigned(number: int) -> bytes:
    """A whole number from 0 on, in as few bytes as it needs."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))
