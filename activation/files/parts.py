"""Rows as the bytes of a run's files, under hidden names: of an export, and of one that is made again (F2, F3, F5, X10). Edge module."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from muster.activation.destinations.folder import Target
from muster.activation.encryption.sealing import Encryption
from muster.activation.errors import ExportError
from muster.activation.files.csv_rows import finished_rows
from muster.activation.files.formats import FORMATS, checks, sink_text
from muster.activation.files.tally import Content, Tally, recodes
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW
from muster.activation.mapping.layout import Layout, holding_ids
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.sent_types import holding_rows
from muster.activation.model.history import PlannedFile
from muster.activation.model.workspace import Activation
from muster.activation.presets.checks import check_file, hash_checks, hashed

log = logging.getLogger("muster.export")


@dataclass(frozen=True)
class Bound:
    """Where the values of rows come from: a mapping on a snapshot, and the snapshot's values."""

    layout: Layout
    attributes: ProfileValues

    def holding(self, rows: pl.DataFrame) -> "Bound":
        """The same with types of profile ids and keys that hold all of ``rows``."""
        return replace(self, layout=holding_ids(holding_rows(self.layout, rows), rows, self.attributes))


def split(rows: pl.DataFrame, limit: int, *, skip_empty: bool) -> list[tuple[int, int]]:
    """Offset and length of each part: at most ``limit`` rows, a profile's rows in one part (F2); one empty part for no rows (F5)."""
    if rows.is_empty():
        return [] if skip_empty else [(0, 0)]
    if rows.height <= limit:
        return [(0, rows.height)]
    ends = engine.collect(
        rows.lazy().with_row_index("n").group_by(ROW, maintain_order=True).agg(pl.col("n").last() + 1)
    )["n"].to_list()
    parts, start, end = [], 0, 0
    for profile_end in ends:
        if profile_end - start > limit and end > start:
            parts.append((start, end - start))
            start = end
        end = profile_end
    return [*parts, (start, end - start)]


def write_part(
    file: PlannedFile,
    rows: pl.DataFrame,
    activation: Activation,
    bound: Bound,
    target: Target,
    *,
    encryption: Encryption | None = None,
) -> PlannedFile:
    """Write one part, encrypted if need be; ``ExportError`` when it holds another number of rows than was counted (X10)."""
    if encryption:
        return _encrypted(file, rows, activation, bound, target, encryption=encryption)
    path = target.stage(file.temporary)
    tally = Tally(path, activation.format, activation.compression, activation.csv)
    content = _written(file, rows, activation, bound, tally, place=path)
    target.sync(file.temporary)
    return replace(file, rows=content.rows, size=content.size, sha256=content.sha256)


def _encrypted(
    file: PlannedFile,
    rows: pl.DataFrame,
    activation: Activation,
    bound: Bound,
    target: Target,
    *,
    encryption: Encryption,
) -> PlannedFile:
    """Write and check the clear text where nobody sees it, and then the file."""
    with encryption.clear_text() as clear:
        with encryption.told():
            tally = Tally(clear.path, activation.format, activation.compression, activation.csv, opener=None)
            content = _written(file, rows, activation, bound, tally, place=encryption.folder / "clear")
        sealed = encryption.seal(clear, target.stage(file.temporary))
    target.sync(file.temporary)
    encrypted = replace(file, rows=content.rows, size=sealed.size, sha256=sealed.sha256)
    return replace(encrypted, clear_size=content.size, clear_sha256=content.sha256)


def _written(
    file: PlannedFile, rows: pl.DataFrame, activation: Activation, bound: Bound, tally: Tally, *, place: Path
) -> Content:
    """What was written, counted; ``place`` is where, on a disk that may be full."""
    with closing(tally), engine.writing(place, lambda: tally.error):
        problem = _sink(rows, activation, bound, tally)
        tally.end()
    if problem:
        raise ExportError(f"{file.path}: {problem}")
    content = tally.content()
    if content.rows != rows.height:
        raise ExportError(
            f"{file.path}: {rows.height} rows were counted but the file holds {content.rows}; nothing was delivered"
        )
    check_file(file.path, content.rows, content.plain_size, activation)
    log.info("%s: %d rows", file.path, content.rows, extra={"rows": content.rows})
    return content


def _sink(rows: pl.DataFrame, activation: Activation, bound: Bound, tally: Tally) -> str | None:
    """Write the rows, and say what the format cannot hold (M7)."""
    csv = activation.csv
    compression = "none" if recodes(activation.format, csv) else activation.compression  # else the tally compresses
    finished = finished_rows(bound.layout, rows, bound.attributes, csv) if activation.format == "csv" else None
    if finished is not None:
        engine.collect(sink_text(finished, tally.stream, csv, compression))
        return _unhashed(rows, activation, bound)
    frame = bound.layout.output_frame(rows, bound.attributes)
    sink = FORMATS[activation.format](frame, tally.stream, csv, compression)
    schema = engine.schema_of(frame)
    forbidden = checks(schema, activation) | hash_checks(schema, activation)
    found = engine.collect_all([sink, *_counting(frame, forbidden)])
    return _said(forbidden, found[1:])


def _unhashed(rows: pl.DataFrame, activation: Activation, bound: Bound) -> str | None:
    """What is wrong with columns that the receiver wants hashed, where the rows were made as text."""
    targets = {column.target for column in hashed(activation)}
    if not targets:
        return None
    fields = tuple(field for field in bound.layout.fields if field.column.target in targets)
    frame = replace(bound.layout, fields=fields).output_frame(rows, bound.attributes)
    forbidden = hash_checks(engine.schema_of(frame), activation)
    return _said(forbidden, engine.collect_all(_counting(frame, forbidden)))


def _counting(frame: pl.LazyFrame, forbidden: Mapping[str, pl.Expr]) -> list[pl.LazyFrame]:
    return [frame.select(**{str(i): each for i, each in enumerate(forbidden.values())})] if forbidden else []


def _said(forbidden: Mapping[str, pl.Expr], counted: Sequence[pl.DataFrame]) -> str | None:
    """The first sentence whose count is not 0."""
    return next((message for i, message in enumerate(forbidden) if counted[0][str(i)].item()), None)
