"""The footer of a Parquet file that muster puts together of another file's: chunks that lie elsewhere, as encoded."""

from collections.abc import Iterable

from muster.activation.inputs.footer import (
    COLUMNS,
    DATA_PAGE,
    DICTIONARY_PAGE,
    GROUP_BYTES,
    GROUP_ROWS,
    GROUPS,
    METADATA,
    ROWS,
)
from muster.activation.inputs.thrift import struct
from muster.activation.inputs.thrift_pieces import I64, Pieces, integer, nested, put_together, structs, taken_apart

MAGIC = b"PAR1"
_OF_CHUNK = (1, 2, 3, 4, 5, 6, 7)  # fields of ColumnMetaData that stay: all but positions, statistics and indexes


def moved_chunk(column: bytes, by: int) -> bytes:
    """A column chunk whose pages lie ``by`` bytes further on."""
    metadata = taken_apart(taken_apart(column)[METADATA].content)
    values, _ = struct(column, 0)
    kept = {number: piece for number, piece in metadata.items() if number in _OF_CHUNK}
    for number in (DICTIONARY_PAGE, DATA_PAGE):
        if position := values[METADATA].get(number):
            kept[number] = integer(position + by, I64)
    return put_together({2: integer(0, I64), METADATA: nested(put_together(kept))})


def row_group(chunks: Iterable[bytes], size: int, rows: int) -> bytes:
    """A row group of these chunks, which have so many bytes."""
    return put_together({COLUMNS: structs(chunks), GROUP_BYTES: integer(size, I64), GROUP_ROWS: integer(rows, I64)})


def end_of_file(schema: Pieces, groups: Iterable[bytes], rows: int) -> bytes:
    """What stands after the chunks of a file: the footer, its length, and the magic."""
    footer = put_together({**schema, ROWS: integer(rows, I64), GROUPS: structs(groups)})
    return b"".join((footer, len(footer).to_bytes(4, "little"), MAGIC))
