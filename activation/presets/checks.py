"""Checks of an export's values and files against the preset of its receiver, before delivery (docs/presets.md)."""

from collections.abc import Mapping

import polars as pl

from muster.activation import presets
from muster.activation.errors import ExportError
from muster.activation.model.log import logger
from muster.activation.model.workspace import Activation, Column
from muster.activation.presets.shape import SHA256, Hash, Preset
from muster.activation.values.dtypes import describe, instance
from muster.activation.values.text import csv_text
from muster.activation.wording import counted

log = logger("muster.export")

_FORMS: Mapping[Hash, tuple[str, str]] = {  # the pattern, and both in words
    "md5": (r"\A[0-9a-fA-F]{32}\z", "MD5 hash (32 hex digits)"),
    "sha1": (r"\A[0-9a-fA-F]{40}\z", "SHA-1 hash (40 hex digits)"),
    "sha256": (r"\A[0-9a-fA-F]{64}\z", "SHA-256 hash (64 hex digits)"),
    "sha256_base64": (r"\A[A-Za-z0-9+/]{43}=\z", "SHA-256 hash in base64 (44 characters)"),
}


def of(activation: Activation) -> Preset | None:
    """The preset of an activation; None when it has none."""
    return presets.get(activation.preset) if activation.preset else None


def hashed(activation: Activation) -> tuple[Column, ...]:
    """The columns whose profile values must already be hashes."""
    preset = of(activation)
    return preset.brought(activation.mapping) if preset else ()


def hash_checks(schema: pl.Schema, activation: Activation) -> dict[str, pl.Expr]:
    """Counts of values that are no hashes, by message, for a ``select`` on the output frame; each must be 0."""
    return dict(
        _check(schema, column.name, _hash(column, activation), activation.preset or "") for column in hashed(activation)
    )


def _hash(column: Column, activation: Activation) -> Hash:
    preset = of(activation)
    header = preset.header(column.target) if preset else None
    return header.by if header else SHA256


def _check(schema: pl.Schema, target: str, by: Hash, preset: str) -> tuple[str, pl.Expr]:
    text, (pattern, words) = csv_text(pl.nth(schema.names().index(target)), schema[target]), _FORMS[by]
    message = (
        f"column {target!r} holds a value that is no {words}, which {preset} asks for; leave its transform out to hash "
        f"plain values"
    )
    return message, (~text.str.contains(pattern)).sum()


def list_problem(activation: Activation, column: Column, dtype: pl.DataType) -> str | None:
    """What is wrong with a column of lists, structs or maps for a receiver that takes none; else None."""
    preset = of(activation)
    if preset is None or preset.takes_lists or not dtype.is_nested():
        return None
    told = f"is {describe(dtype)}; {preset.name} takes no lists"
    if isinstance(dtype, pl.Struct):
        path = f"{column.source}[0]" if "first" in column.transform else column.source
        return f"{told} and no structs: map one of its fields, such as {path}.{_field(dtype)}"
    inner = instance(dtype.inner) if isinstance(dtype, pl.List | pl.Array) else dtype
    if isinstance(inner, pl.Struct):
        return f"{told}: map a field of one element, such as {column.source}[0].{_field(inner)}"
    steps = ", ".join(("first", *column.transform))
    return f"{told}: write transform: [{steps}] for the first element, or join: '; ' for all in one text"


def _field(dtype: pl.Struct) -> str:
    return dtype.fields[0].name if dtype.fields else "name"


def check_file(name: str, rows: int, size: int, activation: Activation) -> None:
    """``ExportError`` when a file has more rows, or more bytes before compression, than its receiver takes.

    A warning is logged when the file has fewer rows than the receiver advises.
    """
    preset = of(activation)
    if preset is None:
        return
    limits, remedy = preset.limits, "set a lower max_rows_per_file"
    if limits.rows is not None and rows > limits.rows:
        raise ExportError(
            f"{name}: has {counted(rows, 'row')}; {preset.name} takes at most {limits.rows:,} a file; {remedy}"
        )
    if limits.size is not None and size > limits.size:
        raise ExportError(
            f"{name}: has {counted(size, 'byte')}; {preset.name} takes at most {limits.size:,} a file; {remedy}"
        )
    if limits.few_rows is not None and 0 < rows < limits.few_rows:
        few, least = counted(rows, "row"), f"{limits.few_rows:,}"
        log.warning("%s: %s; %s advises at least %s a file", name, few, preset.name, least)
