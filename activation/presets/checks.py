"""Checks of an export's values and files against the preset of its receiver, before delivery (docs/presets.md)."""

from collections.abc import Mapping

import polars as pl

from muster.activation import presets
from muster.activation.errors import ExportError
from muster.activation.model.log import logger
from muster.activation.model.workspace import Activation, Column
from muster.activation.presets.shape import SHA256, Hash, Preset
from muster.activation.values.text import csv_text
from muster.activation.wording import counted

log = logger("muster.export")

_DIGITS: Mapping[Hash, int] = {"md5": 32, "sha1": 40, "sha256": 64}
_WORDS: Mapping[Hash, str] = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256"}


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
    text, digits = csv_text(pl.nth(schema.names().index(target)), schema[target]), _DIGITS[by]
    message = (
        f"column {target!r} holds a value that is no {_WORDS[by]} hash ({digits} hex digits), which {preset} asks for"
    )
    return message, (~text.str.contains(rf"\A[0-9a-fA-F]{{{digits}}}\z")).sum()


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
        log.warning("%s: %d rows; %s advises at least %d a file", name, rows, preset.name, limits.few_rows)
