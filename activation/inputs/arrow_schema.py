"""The schema that Arrow's writers add to a Parquet footer (``ARROW:schema``), and that Polars takes zones from.

It is a FlatBuffers message in base64. It is read without recursion, and changed in place: columns are left out, time
zones that Polars does not know become UTC, list views become lists. Numbers are those of Arrow's Schema.fbs.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from muster.activation.inputs.thrift import within

_CONTINUED = b"\xff\xff\xff\xff"  # before the length of a message
_HEADER_KIND, _HEADER = 1, 2  # Message
_SCHEMA = 1  # MessageHeader
_FIELDS = 1  # Schema
_NAME, _KIND, _TYPE, _CHILDREN = 0, 2, 3, 5  # Field
_ZONE = 1  # Timestamp
_TIMESTAMP, _LIST, _MAP, _LARGE_LIST, _LIST_VIEW, _LARGE_LIST_VIEW = 10, 12, 17, 21, 25, 26  # Type
_AS_LISTS = {_LIST_VIEW: _LIST, _LARGE_LIST_VIEW: _LARGE_LIST}
_UNREADABLE = {0, 11, 14, 22}  # Type: none, intervals, unions, run ends
_NEWEST = 26
_DEEPEST = 130  # levels: two for each list
_NONSENSE = (IndexError, OverflowError, ValueError, binascii.Error)


def changed_schema(
    text: bytes, names: Sequence[str], kept: Sequence[bool], maps: Sequence[bool], is_zone: Callable[[str], bool]
) -> bytes | None:
    """The schema of the columns that are ``kept``; in those of ``maps``, maps become lists of their entries.

    ``names`` are the columns of the file. None when the schema is not valid, or is not of these columns.
    """
    try:
        schema = _Schema(bytearray(b64decode(text)), is_zone)
        fields = schema.fields()
        if [schema.text(each, _NAME) for each in fields] != list(names):
            return None
        for position, is_kept, as_lists in zip(fields, kept, maps, strict=True):
            if is_kept:
                schema.change(position, as_lists=as_lists)
        schema.keep(kept)
        return b64encode(schema.whole()) if schema.is_changed else text
    except _NONSENSE:
        return None


@dataclass
class _Schema:
    """A message in memory; positions count from its first byte."""

    content: bytearray
    is_zone: Callable[[str], bool]
    is_changed: bool = False
    start: int = 0  # of the FlatBuffer
    _zones: list[int] = field(default_factory=list)  # positions of offsets of zones that become UTC

    def __post_init__(self) -> None:
        self.start = 8 if self.content.startswith(_CONTINUED) else 4

    def number(self, position: int, size: int = 4) -> int:
        """The unsigned number at a position."""
        within(position, len(self.content) - size)
        return int.from_bytes(self.content[position : position + size], "little")

    def target(self, position: int) -> int:
        """The position to which the offset at a position leads."""
        return within(position + self.number(position), len(self.content))

    def field(self, table: int, number: int) -> int:
        """The position of a table's field; 0 where the table does not have it."""
        offset = int.from_bytes(self.content[table : table + 4], "little", signed=True)
        fields = within(table - offset, len(self.content))
        slot = 4 + 2 * number
        if slot + 2 > self.number(fields, 2):
            return 0
        found = self.number(fields + slot, 2)
        return within(table + found, len(self.content)) if found else 0

    def kind(self, table: int, number: int) -> int:
        """A field of one byte; 0 where the table does not have it."""
        position = self.field(table, number)
        return self.number(position, 1) if position else 0

    def text(self, table: int, number: int) -> str:
        """A field of text; empty where the table does not have it."""
        position = self.field(table, number)
        if not position:
            return ""
        start = self.target(position)
        end = within(start + 4 + self.number(start), len(self.content))
        return self.content[start + 4 : end].decode()

    def tables(self, table: int, number: int) -> list[int]:
        """A field that is a list of tables: their positions."""
        position = self.field(table, number)
        if not position:
            return []
        start = self.target(position)
        count = within(self.number(start), (len(self.content) - start) // 4)
        return [self.target(start + 4 + 4 * each) for each in range(count)]

    def _schema(self) -> int:
        message = self.target(self.start)
        within(abs(self.kind(message, _HEADER_KIND) - _SCHEMA), 0)
        return self.target(self.field(message, _HEADER))

    def fields(self) -> list[int]:
        """The positions of the columns' fields."""
        return self.tables(self._schema(), _FIELDS)

    def change(self, column: int, *, as_lists: bool) -> None:
        """Change a column's types, at all depths; ``ValueError`` when Polars would not read one."""
        left = [(column, 1)]
        seen = 0
        while left:
            table, depth = left.pop()
            seen += 1
            within(seen, len(self.content) // 8)  # a schema whose fields lead to each other in circles has no end
            within(depth, _DEEPEST)
            self._change_type(table, as_lists=as_lists)
            left += [(child, depth + 1) for child in self.tables(table, _CHILDREN)]

    def _change_type(self, table: int, *, as_lists: bool) -> None:
        kind = self.kind(table, _KIND)
        if kind in _UNREADABLE or kind > _NEWEST:
            raise ValueError(kind)
        other = _LIST if kind == _MAP and as_lists else _AS_LISTS.get(kind)
        if other:
            self.content[self.field(table, _KIND)] = other
            self.is_changed = True
        if kind == _TIMESTAMP:
            stamp = self.target(self.field(table, _TYPE))
            zone = self.text(stamp, _ZONE)
            if zone and not self.is_zone(zone):
                self._zones.append(self.field(stamp, _ZONE))
                self.is_changed = True

    def keep(self, kept: Sequence[bool]) -> None:
        """Leave out the columns that are not kept."""
        position = self.field(self._schema(), _FIELDS)
        if all(kept) or not position:
            return
        start = self.target(position)
        targets = [table for table, is_kept in zip(self.fields(), kept, strict=True) if is_kept]
        self._write(start, len(targets))
        for number, table in enumerate(targets):
            slot = start + 4 + 4 * number
            self._write(slot, table - slot)
        self.is_changed = True

    def whole(self) -> bytes:
        """The message, with all zones that became UTC at its end."""
        if self._zones:
            end = self.start + self.number(self.start - 4)
            text = bytearray(self.content[:end])
            text += bytes(-len(text) % 8) + b"\x03\0\0\0UTC\0"
            utc = len(text) - 8
            self.content = text
            for position in self._zones:
                self._write(position, utc - position)
            self._write(self.start - 4, len(text) - self.start)
        return bytes(self.content)

    def _write(self, position: int, number: int) -> None:
        self.content[position : position + 4] = number.to_bytes(4, "little")
