"""Columns that stand in the names of folders, such as ``country=US``, as Hive, Spark and DuckDB write them (D2)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import polars as pl

from muster.activation.inputs.parquet import Part

_NULL = "__HIVE_DEFAULT_PARTITION__"
_VIEW = 16  # bytes that Polars takes for a text beside its characters


def is_column(folder: str) -> bool:
    """Whether the name of a folder has a column: ``name=value``, where the value may be empty."""
    return folder.find("=") > 0


def columns_in(folders: Iterable[str]) -> dict[str, str | None]:
    """The columns in the names of nested folders, outermost first; of one name the innermost counts.

    Names and values are percent-decoded. ``__HIVE_DEFAULT_PARTITION__`` is null.
    """
    found: dict[str, str | None] = {}
    for name, _, value in (folder.partition("=") for folder in folders if is_column(folder)):
        found[_decoded(name)] = None if value == _NULL else _decoded(value)
    return found


def _decoded(text: str) -> str:
    """Text without percent-encoding; as it stands where that gives no UTF-8."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


def with_folders(part: Part, folders: Mapping[str, str | None]) -> Part:
    """A file with the columns of its folders as text, but for those that the file has itself (D2)."""
    added = {name: value for name, value in folders.items() if name not in part.schema and name not in part.unusable}
    if not added:
        return part
    return replace(
        part,
        schema=pl.Schema({**part.schema, **dict.fromkeys(added, pl.String())}),
        sizes={**part.sizes, **{name: part.rows * (_VIEW + len(value or "")) for name, value in added.items()}},
        without_values=part.without_values | {name for name, value in added.items() if value is None},
        folders=added,
    )


def file_name_column(parts: Sequence[Part]) -> str | None:
    """A name for a column of the files' paths, by which ``folder_values`` finds values; None when nothing has to be."""
    if not any(part.folders for part in parts):
        return None
    taken = {name for part in parts for name in part.schema}
    name = "__file"
    while name in taken:
        name += "_"
    return name


def folder_values(parts: Sequence[Part], paths: str) -> list[pl.Expr]:
    """The columns of the folders of some files, as String, found by the column ``paths`` of their paths."""
    names = dict.fromkeys(name for part in parts for name in part.folders)
    return [_value(name, parts, paths).alias(name) for name in names]


def _value(name: str, parts: Sequence[Part], paths: str) -> pl.Expr:
    values = [part.folders[name] for part in parts]
    if len(set(values)) == 1:
        return pl.lit(values[0], dtype=pl.String)
    return pl.col(paths).replace_strict([str(part.path) for part in parts], values, return_dtype=pl.String)
