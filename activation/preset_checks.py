"""What a receiver's preset asks of a file, looked at before anything is sent (docs/presets.md). Pure."""

import logging

import polars as pl

from activation import presets
from activation.errors import ExportError
from activation.preset_shape import Preset
from activation.values import csv_text
from activation.workspace import Activation, Column

log = logging.getLogger("muster.export")

_HASH = r"\A[0-9a-fA-F]{64}\z"


def of(activation: Activation) -> Preset | None:
    """The preset of an activation's receiver."""
    return presets.get(activation.preset) if activation.preset else None


def hashed(activation: Activation) -> tuple[Column, ...]:
    """The columns whose values have to be SHA-256 hashes when they come out of the profiles."""
    preset = of(activation)
    return preset.brought(activation.mapping) if preset else ()


def hash_checks(schema: pl.Schema, activation: Activation) -> dict[str, pl.Expr]:
    """Counts of values that are no hashes, by sentence, for a ``select`` on a frame with ``hashed`` columns; each must be 0."""
    return {
        f"column {column.target!r} holds a value that is no SHA-256 hash (64 hex digits), which {activation.preset} asks for": _others(
            schema, column.target
        )
        for column in hashed(activation)
    }


def _others(schema: pl.Schema, target: str) -> pl.Expr:
    text = csv_text(pl.nth(schema.names().index(target)), schema[target])
    return (~text.str.contains(_HASH)).sum()


def check_file(name: str, rows: int, size: int, activation: Activation) -> None:
    """``ExportError`` when a file is more than its receiver takes, of rows or of bytes before compression; few rows are warned of."""
    preset = of(activation)
    if preset is None:
        return
    limits, remedy = preset.limits, "set a lower max_rows_per_file"
    if limits.rows is not None and rows > limits.rows:
        raise ExportError(f"{name}: has {rows:,} rows; {preset.name} takes at most {limits.rows:,} a file; {remedy}")
    if limits.size is not None and size > limits.size:
        raise ExportError(f"{name}: has {size:,} bytes; {preset.name} takes at most {limits.size:,} a file; {remedy}")
    if limits.few_rows is not None and 0 < rows < limits.few_rows:
        log.warning("%s: %d rows; %s advises at least %d a file", name, rows, preset.name, limits.few_rows)
