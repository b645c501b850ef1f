"""CSV fields as text: quoting, null and formula rules (M7, M8). Pure: expressions in, expressions out.

Fields are quoted here and then written as they stand, because Polars' own writer cannot tell null from an empty string
in every quote style. Numbers stay numbers as long as nothing in them can need a quote: Polars prints those fastest.
"""

from collections.abc import Iterable
from string import ascii_letters, digits

import polars as pl

from muster.activation.model.workspace import CsvOptions
from muster.activation.values.dtypes import Type, unwrapped
from muster.activation.values.scalars import is_text, number
from muster.activation.values.text import csv_text

_NUMBER_CHARACTERS = frozenset(digits + "+-.e")
_WORD_CHARACTERS = frozenset(ascii_letters + digits + "+-.:/=")  # booleans and temporal values

_FORMULA = r"\A[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"  # the last four are the wide forms of = + - @
_NUMBER_OR_PHONE = r"\A[+-]?[0-9][0-9 ().,/-]*\z"


def csv_field(expr: pl.Expr, dtype: Type, csv: CsvOptions) -> pl.Expr:
    """The field as it stands in the file: String, or a number that needs no quotes; null where ``null_value`` goes (M7, M8)."""
    expr, dtype = unwrapped(expr, dtype)
    style, risky = csv.quote_style, _may_need_quotes(dtype, csv)
    if dtype.is_numeric() and style != "always" and (style == "never" or not risky):
        return number(expr, dtype)
    text = _plain_text(expr, dtype, csv)
    if style == "never" or (style == "necessary" and not risky):
        return text
    quoted = _quoted(text, csv.quote)
    if style == "always" or (style == "non_numeric" and not dtype.is_numeric()):
        return quoted
    return pl.when(_needs_quotes(text, csv)).then(quoted).otherwise(text)


def csv_header(name: str, csv: CsvOptions) -> str:
    """A column's name as it stands in the file: text like any other, never null and no formula (the config's author wrote it)."""
    bare = csv.quote_style == "necessary" and name not in {"", csv.null_value} and not _special(csv) & set(name)
    if bare or csv.quote_style == "never":
        return name
    return csv.quote + name.replace(csv.quote, csv.quote * 2) + csv.quote


def is_writable_header(name: str, csv: CsvOptions) -> bool:
    """Whether a reader finds this name in the header: all but under ``never``, which cannot quote (M7)."""
    return not csv.header or csv.quote_style != "never" or (name != "" and not _special(csv) & set(name))


def csv_checks(schema: pl.Schema, csv: CsvOptions) -> dict[str, pl.Expr]:
    """Counts of values that the file cannot hold, by sentence; each must be 0. For a ``select`` on the frame itself (M7).

    ``never`` cannot write a delimiter, a quote, a line end or (unless it is empty) the ``null_value`` inside text. With
    an empty ``null_value`` it writes null and the empty string alike, as its name says. In a file of one column an
    empty line is no row.
    """
    checks: dict[str, pl.Expr] = {}
    for place, (name, dtype) in enumerate(schema.items()):
        text = _plain_text(*unwrapped(pl.nth(place), dtype), csv)
        if not is_writable_header(name, csv):
            checks[f"column {name!r} has a header that csv.quote_style: never cannot write; use necessary"] = pl.lit(1)
        if len(schema) == 1 and (csv.quote_style == "never" or not csv.null_value):
            sentence = f"column {name!r} is the only one and has no value: an empty line is no row; set csv.null_value"
            checks[sentence] = _blank(text, csv).sum()
        if csv.quote_style == "never" and _may_need_quotes(dtype, csv):
            checks[f"column {name!r} holds text that csv.quote_style: never cannot write; use necessary"] = _unsafe(
                text, csv
            ).sum()
    return checks


def _blank(text: pl.Expr, csv: CsvOptions) -> pl.Expr:
    """Whether the field leaves no character in the file."""
    written = text.fill_null(csv.null_value)
    return written == "" if csv.quote_style == "never" else text.is_null()


def _unsafe(text: pl.Expr, csv: CsvOptions) -> pl.Expr:
    """Whether the text without quotes would read as something else."""
    special = text.str.contains(_any_of(_special(csv)))
    return special | (text == csv.null_value) if csv.null_value else special


def written_text(expr: pl.Expr, dtype: pl.DataType, csv: CsvOptions | None) -> pl.Expr:
    """A value as a reader of the file finds it: of CSV with these options, or of another format."""
    return csv_text(expr, dtype) if csv is None else _plain_text(expr, dtype, csv)


def _plain_text(expr: pl.Expr, dtype: pl.DataType, csv: CsvOptions) -> pl.Expr:
    """The text before quoting."""
    text = csv_text(expr, dtype)
    return _without_formulas(text) if csv.sanitize_formulas and is_text(dtype) else text


def _without_formulas(text: pl.Expr) -> pl.Expr:
    """Text that a spreadsheet would run gets a ``'`` in front; numbers and phone numbers do not (M8)."""
    runs = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER_OR_PHONE)
    return pl.when(runs).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)


def _quoted(text: pl.Expr, quote: str) -> pl.Expr:
    mark = pl.lit(quote)
    return pl.concat_str(mark, text.str.replace_all(quote, quote * 2, literal=True), mark)


def _needs_quotes(text: pl.Expr, csv: CsvOptions) -> pl.Expr:
    reserved = text.is_in(["", csv.null_value]) if csv.null_value else text == ""
    return reserved | text.str.contains(_any_of(_special(csv)))


def _may_need_quotes(dtype: Type, csv: CsvOptions) -> bool:
    """Whether a value of this type can hold what must be quoted, or read like ``null_value``."""
    dtype = unwrapped(pl.element(), dtype)[1]
    if is_text(dtype) or dtype.is_nested() or isinstance(dtype, pl.Binary):  # no bytes are an empty text
        return True
    characters = _NUMBER_CHARACTERS if dtype.is_numeric() else _WORD_CHARACTERS
    return bool(_special(csv) & characters) or (csv.null_value != "" and characters.issuperset(csv.null_value))


def _special(csv: CsvOptions) -> frozenset[str]:
    """The characters that a field may hold only between quotes."""
    return frozenset({csv.delimiter, "\r", "\n", *csv.quote, *csv.line_terminator})


def _any_of(characters: Iterable[str]) -> str:
    return "[" + "".join(rf"\x{{{ord(character):X}}}" for character in sorted(characters)) + "]"
