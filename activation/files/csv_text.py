"""CSV fields as text: quoting and null rules, as Polars expressions (M7).

Fields are quoted here and written unchanged, because Polars' writer cannot write null and the empty string differently
in every quote style. Numbers that cannot need quotes stay numbers: Polars writes those fastest.
"""

from collections.abc import Iterable, Mapping
from string import ascii_letters, digits

import polars as pl

from muster.activation.model.workspace import CsvOptions
from muster.activation.values.dtypes import Type, unwrapped
from muster.activation.values.scalars import is_text, number
from muster.activation.values.text import csv_text

_NUMBER_CHARACTERS = frozenset(digits + "+-.e")
_WORD_CHARACTERS = frozenset(ascii_letters + digits + "+-.:/=")  # booleans and temporal values


def csv_field(expr: pl.Expr, dtype: Type, csv: CsvOptions) -> pl.Expr:
    """A value as a CSV field: String, or a number that needs no quotes; null where ``null_value`` goes (M7)."""
    expr, dtype = unwrapped(expr, dtype)
    style, risky = csv.quote_style, _may_need_quotes(dtype, csv)
    if dtype.is_numeric() and style != "always" and (style == "never" or not risky):
        return number(expr, dtype)
    text = csv_text(expr, dtype)
    if style == "never" or (style == "necessary" and not risky):
        return text
    quoted = _quoted(text, csv)
    if style == "always" or (style == "non_numeric" and not dtype.is_numeric()):
        return quoted
    return pl.when(_needs_quotes(text, csv)).then(quoted).otherwise(text)


def csv_header(name: str, csv: CsvOptions) -> str:
    """A column's name as a CSV field: never null, and no formula, because the author of the config wrote it."""
    bare = csv.quote_style == "necessary" and name not in {"", csv.null_value} and _is_safe(name, csv)
    if bare or csv.quote_style == "never":
        return name
    return csv.quote + "".join(_mark(csv, each) + each for each in name) + csv.quote


def is_writable_header(name: str, csv: CsvOptions) -> bool:
    """Whether the header can hold this name: ``quote_style: never`` cannot write names that need quotes (M7)."""
    return not csv.header or csv.quote_style != "never" or (name != "" and _is_safe(name, csv))


def csv_checks(
    schema: pl.Schema, csv: CsvOptions, headers: Mapping[str, str], *, free_null_value: bool = True
) -> dict[str, pl.Expr]:
    """Counts of values that the file cannot hold, by error message, for a ``select`` on the frame; each must be 0 (M7).

    ``headers`` has the headers of columns that are named otherwise in the frame.

    ``never`` cannot write a delimiter, a quote, an escape or a line end inside text, nor text that is a ``null_value``
    with characters. With
    an empty ``null_value`` it writes null and the empty string alike. In a file of one column an empty line is no row.
    ``free_null_value``: no preset says what ``null_value`` has to be.
    """
    checks: dict[str, pl.Expr] = {}
    for position, (name, dtype) in enumerate(schema.items()):
        text = csv_text(*unwrapped(pl.nth(position), dtype))
        if not is_writable_header(headers.get(name, name), csv):
            checks[f"column {name!r} has a header that csv.quote_style: never cannot write; use necessary"] = pl.lit(1)
        if len(schema) == 1 and (csv.quote_style == "never" or not csv.null_value):
            sentence = f"column {name!r} is the only one and has no value: an empty line is no row"
            checks[f"{sentence}; {_remedy(csv, free_null_value=free_null_value)}"] = _blank(text, csv).sum()
        if csv.quote_style == "never" and _may_need_quotes(dtype, csv):
            checks[f"column {name!r} holds text that csv.quote_style: never cannot write; use necessary"] = _unsafe(
                text, csv
            ).sum()
    return checks


def _remedy(csv: CsvOptions, *, free_null_value: bool) -> str:
    """What to write for a file of one column in which a value is missing."""
    if csv.null_value:  # it is an empty text that ``never`` cannot quote
        return "write mandatory: true in its mapping, or csv.quote_style: necessary"
    return f"write mandatory: true in its mapping{', or set csv.null_value' if free_null_value else ''}"


def _blank(text: pl.Expr, csv: CsvOptions) -> pl.Expr:
    """Whether the field is written as no character at all."""
    written = text.fill_null(csv.null_value)
    return written == "" if csv.quote_style == "never" else text.is_null()


def _unsafe(text: pl.Expr, csv: CsvOptions) -> pl.Expr:
    """Whether the unquoted text would be read as other text."""
    special = text.str.contains(_pattern(csv))
    return special | (text == csv.null_value) if csv.null_value else special


def _quoted(text: pl.Expr, csv: CsvOptions) -> pl.Expr:
    """The text between quotes, with quotes inside doubled, or escapes before quotes and escapes."""
    mark = pl.lit(csv.quote)
    for character in filter(None, (csv.escape, csv.quote)):  # the escapes of the text before those that are added
        text = text.str.replace_all(character, _mark(csv, character) + character, literal=True)
    return pl.concat_str(mark, text, mark)


def _mark(csv: CsvOptions, character: str) -> str:
    """What stands before a character inside quotes."""
    return (csv.escape or csv.quote) if character in {csv.quote, csv.escape} else ""


def _needs_quotes(text: pl.Expr, csv: CsvOptions) -> pl.Expr:
    reserved = text.is_in(["", csv.null_value]) if csv.null_value else text == ""
    return reserved | text.str.contains(_pattern(csv))


def _may_need_quotes(dtype: Type, csv: CsvOptions) -> bool:
    """Whether values of this type can contain a special character, or equal ``null_value``."""
    dtype = unwrapped(pl.element(), dtype)[1]
    if is_text(dtype) or dtype.is_nested() or isinstance(dtype, pl.Binary):  # zero bytes are the empty text
        return True
    characters = _NUMBER_CHARACTERS if dtype.is_numeric() else _WORD_CHARACTERS
    special = _special(csv) | set(csv.delimiter)
    return bool(special & characters) or (csv.null_value != "" and characters.issuperset(csv.null_value))


def _special(csv: CsvOptions) -> frozenset[str]:
    """The characters, beside a delimiter, that a field can contain only between quotes."""
    return frozenset({"\r", "\n", *csv.quote, *csv.escape, *csv.line_terminator})


def _is_safe(text: str, csv: CsvOptions) -> bool:
    return not _special(csv) & set(text) and not csv.meets_delimiter(text)


def _pattern(csv: CsvOptions) -> str:
    """A regular expression that finds something in text if ``_is_safe`` is false for it."""
    delimiter = csv.delimiter
    if len(delimiter) == 1:
        return _any_of(_special(csv) | {delimiter})
    cuts = range(1, len(delimiter))
    starts = (rf"\A{_literally(delimiter[cut:])}" for cut in cuts)
    ends = (rf"{_literally(delimiter[:cut])}\z" for cut in cuts)
    return "|".join((_any_of(_special(csv)), _literally(delimiter), *starts, *ends))


def _any_of(characters: Iterable[str]) -> str:
    return f"[{_literally(''.join(sorted(characters)))}]"


def _literally(text: str) -> str:
    return "".join(rf"\x{{{ord(character):X}}}" for character in text)
