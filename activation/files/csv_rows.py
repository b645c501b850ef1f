"""CSV rows as finished text: columns that depend only on the profile are formatted once for all files (M7).

Neighbouring columns of the profile are one *stretch* of text, delimiters included. Neighbouring columns of membership
status and time, which have few different values in a file, are one stretch too. The bytes equal those of
``formats.csv_frame`` on the output frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, product

import polars as pl

from muster.activation.files.csv_text import csv_field, csv_header
from muster.activation.frames.columns import EXITED, REALIZED, ROW, STATUS, TIME
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.lost_values import LostValues, Watched
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import AS_SENT, position_of
from muster.activation.mapping.shared_text import TEXT, SharedText
from muster.activation.model.workspace import CsvOptions

_SOURCES = {"status": STATUS, "time": TIME}  # of columns with few different values, by role
_SHORT = 1 << 12  # rows: fewer are formatted one by one
_FEW = 8  # different values up to which rows are compared with each


@dataclass(frozen=True)
class _OfProfile:
    """A stretch of the profile's columns."""

    text: SharedText
    watched: tuple[Watched, ...]

    def of(self, rows: pl.DataFrame, lost: LostValues) -> pl.Series:
        """The stretch of each row; values of realized rows that transforms lost are counted in ``lost``."""
        found = self.text.of(rows[ROW])
        if self.watched:
            lost.add(self.watched, found.drop(TEXT).filter(rows[STATUS] == REALIZED))
        return found[TEXT]

    def is_one_line(self, rows: pl.DataFrame) -> bool:
        """Whether no text of these rows has a line feed."""
        return self.text.is_one_line(rows[ROW])


@dataclass(frozen=True)
class _OfMembership:
    """A stretch of columns of membership status and time."""

    fields: tuple[Field, ...]
    csv: CsvOptions

    def of(self, rows: pl.DataFrame, _: LostValues) -> pl.Series:
        """The stretch of each row, formatted once per different status and time unless the rows are few."""
        if rows.height < _SHORT:
            return rows.select(_joined(self.fields, self.csv, lambda field: field.expr)).to_series()
        names = list(dict.fromkeys(_SOURCES[field.role] for field in self.fields))
        different = [each.explode() for each in rows.select(pl.col(name).unique().implode() for name in names)]
        few = pl.DataFrame(
            list(product(*different)), schema={each.name: each.dtype for each in different}, orient="row"
        )
        texts = few.select(_joined(self.fields, self.csv, lambda field: field.expr)).to_series()
        if len(texts) == 1:
            return texts.new_from_index(0, rows.height)
        position = pl.lit(0, pl.UInt32)
        for values in different:
            position = position * len(values) + _position_among(values)
        return texts.gather(rows.select(position).to_series())

    def is_one_line(self, _: pl.DataFrame) -> bool:
        """Whether no text has a line feed: no status or time has, and no ``null_value``."""
        return "\n" not in self.csv.null_value


@dataclass(frozen=True)
class _OfRow:
    """A column whose values are those of the row alone: the identity that a row is about (M5)."""

    field: Field
    csv: CsvOptions

    def of(self, rows: pl.DataFrame, _: LostValues) -> pl.Series:
        """The text of each row."""
        return rows.select(csv_field(self.field.expr, self.field.dtype, self.csv)).to_series()

    def is_one_line(self, _: pl.DataFrame) -> bool:
        """Whether no text has a line feed: any may have."""
        return False


@dataclass(frozen=True)
class FinishedText:
    """The columns of a file as stretches of finished text, for any rows whose profiles have their text here."""

    headers: tuple[str, ...]  # of each stretch
    stretches: tuple[_OfProfile | _OfMembership | _OfRow, ...]

    def of(self, rows: pl.DataFrame, lost: LostValues) -> pl.DataFrame:
        """The stretches of ``rows`` as columns of Strings; lost values are counted in ``lost``."""
        return pl.DataFrame({str(i): stretch.of(rows, lost) for i, stretch in enumerate(self.stretches)})

    def is_one_line(self, rows: pl.DataFrame) -> bool:
        """Whether no line feed is inside a field of these rows, or inside a header."""
        return not any("\n" in each for each in self.headers) and all(each.is_one_line(rows) for each in self.stretches)


def finished_text(layout: Layout, rows: pl.DataFrame, values: ProfileValues, csv: CsvOptions) -> FinishedText | None:
    """The finished text for a file of ``rows``; None when ``formats`` must write that file field by field.

    Exits are written with the identities and keys that they were last sent with, which are not the profile's text.
    """
    if csv.quote_style == "never" or len(layout.fields) == 1 or rows.is_empty():
        return None
    if (
        any(name == AS_SENT or position_of(name) is not None for name in rows.columns)
        and (rows[STATUS] == EXITED).any()
    ):
        return None
    headers: list[str] = []
    stretches: list[_OfProfile | _OfMembership | _OfRow] = []
    for kind, group in groupby(layout.fields, key=_kind):
        fields = tuple(group)
        if kind is _OfRow:
            stretches += [_OfRow(field, csv) for field in fields]
            headers += [csv_header(field.column.target, csv) for field in fields]
            continue
        stretch = _of_profile(layout, fields, rows, values, csv) if kind is _OfProfile else _OfMembership(fields, csv)
        if stretch is None:
            return None
        stretches.append(stretch)
        headers.append(csv.delimiter.join(csv_header(field.column.target, csv) for field in fields))
    return FinishedText(tuple(headers), tuple(stretches))


def _kind(field: Field) -> type[_OfProfile | _OfMembership | _OfRow]:
    """The kind of stretch that a column belongs to."""
    if field.is_of_profile:
        return _OfProfile
    return _OfMembership if field.role in _SOURCES else _OfRow


def _of_profile(
    layout: Layout, fields: Sequence[Field], rows: pl.DataFrame, values: ProfileValues, csv: CsvOptions
) -> _OfProfile | None:
    """The stretch of neighbouring profile columns; None when the snapshot's values give no such text."""
    watched = tuple(each for each in layout.watched if any(each.field is field for field in fields))
    read = [*(field for field in fields if field.role == "attribute"), *(each.marker for each in watched)]
    stored = list({field.value_column: field for field in read}.values())
    key = (tuple((field.value_column, field.dtype) for field in fields), csv)
    flags = {name: flag for each in watched for name, flag in each.flags.items()}
    text = values.shared_text(key, stored, lambda: _joined(fields, csv, _value), rows[ROW], flags)
    return None if text is None else _OfProfile(text, watched)


def _joined(fields: Sequence[Field], csv: CsvOptions, value: Callable[[Field], pl.Expr]) -> pl.Expr:
    """Fields as one text, with delimiters between them."""
    texts = (csv_field(value(field), field.dtype, csv) for field in fields)
    return pl.concat_str([text.cast(pl.String).fill_null(csv.null_value) for text in texts], separator=csv.delimiter)


def _value(field: Field) -> pl.Expr:
    return pl.col(field.value_column) if field.role == "attribute" else field.expr


def _position_among(values: pl.Series) -> pl.Expr:
    """The position (UInt32) among different values that each value of the column has."""
    column = pl.col(values.name)
    if len(values) > _FEW:
        return column.replace_strict(values, pl.int_range(len(values), eager=True), return_dtype=pl.UInt32)
    found = pl.lit(0, pl.UInt32)
    for position, value in enumerate(values[1:], start=1):
        found += column.eq_missing(pl.lit(value, values.dtype)).cast(pl.UInt32) * position
    return found
