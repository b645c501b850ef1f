"""Parquet files with footers that no writer here makes: a file is written, and its footer changed by hand."""

from collections.abc import Callable
from pathlib import Path

from muster.activation.inputs.thrift_pieces import (
    I32,
    Pieces,
    binary,
    elements,
    integer,
    nested,
    put_together,
    structs,
    taken_apart,
)

SCHEMA, GROUPS, KEY_VALUES = 2, 4, 5  # fields of FileMetaData, as in parquet.thrift
TYPE, LENGTH, REPETITION, NAME, CHILDREN, CONVERTED, LOGICAL = 1, 2, 3, 4, 5, 6, 10  # of SchemaElement
METADATA, CODEC, ENCODINGS = 3, 4, 2  # of ColumnChunk, of ColumnMetaData


def change_footer(path: Path, change: Callable[[Pieces], None]) -> None:
    """Rewrite a file's footer."""
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer = taken_apart(content[start:-8])
    change(footer)
    encoded = put_together(footer)
    path.write_bytes(content[:start] + encoded + len(encoded).to_bytes(4, "little") + b"PAR1")


def change_element(path: Path, number: int, change: Callable[[Pieces], None]) -> None:
    """Change one element of a file's schema; element 0 is the root. Arrow's own schema is taken out."""

    def changed(footer: Pieces) -> None:
        schema = elements(footer[SCHEMA])
        element = taken_apart(schema[number])
        change(element)
        schema[number] = put_together(element)
        footer[SCHEMA] = structs(schema)
        footer.pop(KEY_VALUES, None)

    change_footer(path, changed)


def annotate(path: Path, number: int, *, converted: int | None = None, logical: bytes | None = None) -> None:
    """Give an element of a schema another annotation."""

    def changed(element: Pieces) -> None:
        element.pop(CONVERTED, None)
        element.pop(LOGICAL, None)
        if converted is not None:
            element[CONVERTED] = integer(converted, I32)
        if logical is not None:
            element[LOGICAL] = nested(logical)

    change_element(path, number, changed)


def logical_type(number: int) -> bytes:
    """An annotation without parameters."""
    return put_together({number: nested(b"\0")})


def rename(path: Path, number: int, name: bytes) -> None:
    """Give an element of a schema another name."""

    def changed(element: Pieces) -> None:
        element[NAME] = binary(name)

    change_element(path, number, changed)


def nest(path: Path, number: int, levels: int) -> None:
    """Put an element, which is no group, into so many structs, each in another."""

    def changed(footer: Pieces) -> None:
        schema = elements(footer[SCHEMA])
        struct = put_together({REPETITION: integer(1, I32), NAME: binary(b"v"), CHILDREN: integer(1, I32)})
        schema[number:number] = [struct] * levels
        footer[SCHEMA] = structs(schema)
        footer.pop(KEY_VALUES, None)

    change_footer(path, changed)


def change_chunks(path: Path, number: int, change: Callable[[Pieces, Pieces], None]) -> None:
    """Change one leaf's chunk in every row group: its ColumnChunk and its ColumnMetaData."""

    def changed(footer: Pieces) -> None:
        groups = []
        for encoded in elements(footer[GROUPS]):
            group = taken_apart(encoded)
            chunks = elements(group[1])
            chunk = taken_apart(chunks[number])
            metadata = taken_apart(chunk[METADATA].content)
            change(chunk, metadata)
            chunk[METADATA] = nested(put_together(metadata))
            chunks[number] = put_together(chunk)
            groups.append(put_together(group | {1: structs(chunks)}))
        footer[GROUPS] = structs(groups)

    change_footer(path, changed)
