"""The files of one export, written under hidden names: split, written, counted, checked, encrypted (F2, F3, F5, X10).

An export and the rebuilding of an earlier run's files both write through ``write_part``.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl

from muster.activation.destinations.target import DeliveryTarget
from muster.activation.encryption.sealing import Encryption
from muster.activation.errors import ExportError
from muster.activation.files.csv_lines import CsvLines
from muster.activation.files.csv_rows import finished_text
from muster.activation.files.formats import FORMATS, checks
from muster.activation.files.odd_values import OddValues, beyond_counts
from muster.activation.files.tally import Content, Tally, recodes
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW
from muster.activation.mapping.layout import Layout, holding_ids
from muster.activation.mapping.lost_values import LostValues
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.sent_types import holding_rows
from muster.activation.model.history import PlannedFile
from muster.activation.model.kept_back import say
from muster.activation.model.log import logger
from muster.activation.model.naming import name_in_archive
from muster.activation.model.workspace import Activation
from muster.activation.presets.checks import check_file, hash_checks, hashed
from muster.activation.values.dtypes import unwrapped
from muster.activation.values.text import csv_text
from muster.activation.wording import counted, named

log = logger("muster.export")


@dataclass(frozen=True)
class BoundLayout:
    """A layout and the snapshot's values that it reads: all that rows need to become a file."""

    layout: Layout
    values: ProfileValues
    lost: LostValues = field(default_factory=LostValues, compare=False)  # counted while files are written
    odd: OddValues = field(default_factory=OddValues, compare=False)

    def widened_for(self, rows: pl.DataFrame) -> "BoundLayout":
        """The layout with types of profile ids and deduplication keys wide enough for all of ``rows``."""
        return replace(self, layout=holding_rows(holding_ids(self.layout, rows, self.values), rows))


def split(rows: pl.DataFrame, limit: int, *, skip_empty: bool) -> list[tuple[int, int]]:
    """Offset and length of each part of ``rows``, in which the rows of a profile (``ROW``) are adjacent.

    A part has at most ``limit`` rows, unless one profile has more: its rows stay in one part (F2). No rows give one
    empty part, or none with ``skip_empty`` (F5).
    """
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
    bound: BoundLayout,
    target: DeliveryTarget,
    *,
    encryption: Encryption | None = None,
) -> PlannedFile:
    """Write one part at the destination under its hidden name, and return ``file`` with rows, size and checksum.

    ``ExportError`` when the file holds another number of rows than ``rows``, or a value that its format or its
    receiver cannot take (X10, M7).
    """
    if encryption:
        return _write_encrypted(file, rows, activation, bound, target, encryption=encryption)
    path = target.stage(file.temporary)
    name = name_in_archive(file.path)
    tally = Tally(path, activation.format, activation.compression, activation.csv, name=name)
    content = _write_and_count(file, rows, activation, bound, tally, location=path)
    target.sync(file.temporary)
    return replace(file, rows=content.rows, size=content.size, sha256=content.sha256)


def _write_encrypted(
    file: PlannedFile,
    rows: pl.DataFrame,
    activation: Activation,
    bound: BoundLayout,
    target: DeliveryTarget,
    *,
    encryption: Encryption,
) -> PlannedFile:
    """Write and check the clear text in a nameless file, and encrypt that into the staged file."""
    with encryption.clear_text() as clear:
        with encryption.describing_failures():
            form = activation.format, activation.compression, activation.csv
            tally = Tally(clear.path, *form, opener=None, name=name_in_archive(file.path))
            content = _write_and_count(file, rows, activation, bound, tally, location=encryption.folder / "clear")
        sealed = encryption.seal(clear, target.stage(file.temporary))
    target.sync(file.temporary)
    encrypted = replace(file, rows=content.rows, size=sealed.size, sha256=sealed.sha256)
    return replace(encrypted, clear_size=content.size, clear_sha256=content.sha256)


def _write_and_count(
    file: PlannedFile, rows: pl.DataFrame, activation: Activation, bound: BoundLayout, tally: Tally, *, location: Path
) -> Content:
    """Write the rows, and return what the file holds. ``location`` names the disk in errors: it may be full."""
    with closing(tally), engine.writing(location, lambda: tally.error):
        violation = _sink(rows, activation, bound, tally)
        tally.end()
    if tally.lost and not violation:
        violation = _not_encodable(rows, activation, bound, tally.lost)
    if violation:
        raise ExportError(f"{file.path}: {violation}")
    content = tally.content()
    if content.rows != rows.height:
        raise ExportError(
            f"{file.path}: {counted(rows.height, 'row was', 'rows were')} counted but the file holds {content.rows}; "
            "nothing was delivered"
        )
    if content.may_have_nul:
        bound.odd.add_with_nul(bound.layout.output_frame(rows, bound.values), activation.format)
    check_file(file.path, content.rows, content.plain_size, activation)
    say(partial(log.info, "%s: %d rows", file.path, content.rows, extra={"rows": content.rows}))
    return content


def _sink(rows: pl.DataFrame, activation: Activation, bound: BoundLayout, tally: Tally) -> str | None:
    """Write the rows; return what the format or the receiver cannot take, as a message, or None (M7)."""
    csv = activation.csv
    compression = (
        "none" if recodes(activation.format, activation.compression, csv) else activation.compression
    )  # otherwise the tally compresses
    is_csv = activation.format == "csv"
    text = finished_text(bound.layout, rows, bound.values, csv) if is_csv else None
    if text is not None:
        CsvLines(tally, csv, compression).add(rows, text, bound.lost)
        return _unhashed(rows, activation, bound)
    watched = bound.layout.watched
    whole = bound.layout.output_frame(rows, bound.values, watched)
    columns = len(bound.layout.fields)
    frame = whole.select(pl.nth(range(columns))) if watched else whole
    headers = [field.column.target for field in bound.layout.fields]
    sink = FORMATS[activation.format](frame, tally.stream, csv, compression, headers)
    schema = engine.schema_of(frame)
    forbidden = checks(schema, activation) | hash_checks(schema, activation)
    flags = [whole.select(pl.nth(range(columns, columns + 2 * len(watched))).sum())] if watched else []
    beyond = beyond_counts(schema, activation.format)
    found = engine.collect_all([sink, *flags, *_counting(frame, forbidden)])
    if watched:
        bound.lost.add(watched, found[1])
    if beyond:
        bound.odd.add_beyond(engine.collect(frame.select(beyond)))
    return _first_violation(forbidden, found[1 + len(flags) :])


def _not_encodable(rows: pl.DataFrame, activation: Activation, bound: BoundLayout, character: str) -> str:
    """The message about ``character``, which the encoding of the file lacks, or about that of the first column."""
    frame = bound.layout.output_frame(rows, bound.values)
    schema = engine.schema_of(frame)
    texts = [csv_text(*unwrapped(pl.nth(position), dtype)) for position, dtype in enumerate(schema.dtypes())]
    found = engine.collect(frame.select(_first_lost(each).alias(str(i)) for i, each in enumerate(texts)))
    held = next(((name, each) for name, each in zip(schema, found.row(0), strict=True) if each), ("", character))
    encoding = f"csv.encoding: {activation.csv.encoding} cannot write; use utf-8"
    return f"column {held[0]!r} holds {named(held[1])}, which {encoding}"


def _first_lost(text: pl.Expr) -> pl.Expr:
    """The first character of a column that Latin-1, the only encoding that lacks any, does not have."""
    return text.cast(pl.String).str.extract(r"([^\x{00}-\x{FF}])").drop_nulls().first()


def _unhashed(rows: pl.DataFrame, activation: Activation, bound: BoundLayout) -> str | None:
    """The mistake in columns that the receiver wants hashed, or None, for rows that were written as finished text."""
    targets = {column.name for column in hashed(activation)}
    if not targets:
        return None
    fields = tuple(field for field in bound.layout.fields if field.column.name in targets)
    frame = replace(bound.layout, fields=fields).output_frame(rows, bound.values)
    forbidden = hash_checks(engine.schema_of(frame), activation)
    return _first_violation(forbidden, engine.collect_all(_counting(frame, forbidden)))


def _counting(frame: pl.LazyFrame, forbidden: Mapping[str, pl.Expr]) -> list[pl.LazyFrame]:
    """The plan that counts forbidden values; none when nothing is forbidden."""
    return [frame.select(**{str(i): each for i, each in enumerate(forbidden.values())})] if forbidden else []


def _first_violation(forbidden: Mapping[str, pl.Expr], counted: Sequence[pl.DataFrame]) -> str | None:
    """The first message whose count is not 0."""
    return next((message for i, message in enumerate(forbidden) if counted[0][str(i)].item()), None)
