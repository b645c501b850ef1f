"""The text of a value of any type (M7, M8), for CSV fields, JSON, keys and tie-breaks (M3).

The expressions that these functions return have no defined name: give them an alias.
"""

import polars as pl

from muster.activation.values.dtypes import Type, unwrapped
from muster.activation.values.json_text import json_text
from muster.activation.values.scalars import scalar_text

__all__ = ["csv_text", "json_text", "key_text", "without_formulas"]

_LARGEST_WHOLE = 2.0**127  # floats from here on do not fit 128 bits, as whole numbers and decimals do
_FORMULA = r"\A[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"  # the last four are the wide forms of = + - @
_NUMBER_OR_PHONE = r"\A[+-]?[0-9][0-9 ().,/-]*\z"


def csv_text(expr: pl.Expr, dtype: Type) -> pl.Expr:
    """The CSV text before quoting (M7): String, null where the value is null, NaN or infinite.

    ``ExportError`` for a type without text.
    """
    expr, dtype = unwrapped(expr, dtype)
    if dtype.is_nested():
        return pl.when(expr.is_not_null()).then(json_text(expr, dtype))
    return scalar_text(expr, dtype)


def key_text(expr: pl.Expr, dtype: Type) -> pl.Expr:
    """The text by which keys are equal or differ (M3): String, one text for one number whatever its type.

    7, 7.0 and a decimal 7.00 are ``7``, as the text ``7`` is; the texts ``007`` and ``7.0`` are other keys.
    """
    text = csv_text(expr, dtype)
    expr, dtype = unwrapped(expr, dtype)
    if dtype.is_float():
        is_whole = (expr == expr.floor()) & (expr.abs() < _LARGEST_WHOLE)
        return pl.when(is_whole).then(expr.cast(pl.Int128, strict=False).cast(pl.String)).otherwise(text)
    if dtype.is_decimal():
        return text.str.replace(r"(\.[0-9]*?)0+\z", "${1}").str.replace(r"\.\z", "")
    return text


def without_formulas(text: pl.Expr) -> pl.Expr:
    """Text with a ``'`` before what a spreadsheet would run as a formula; numbers and phone numbers get none (M8)."""
    runs = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER_OR_PHONE)
    return pl.when(runs).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)
