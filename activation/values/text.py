"""The text of a value of any type (M7), for CSV fields, JSON and tie-breaks (M3).

The expressions that these functions return have no defined name: give them an alias.
"""

import polars as pl

from muster.activation.values.dtypes import Type, unwrapped
from muster.activation.values.json_text import json_text
from muster.activation.values.scalars import scalar_text

__all__ = ["csv_text", "json_text"]


def csv_text(expr: pl.Expr, dtype: Type) -> pl.Expr:
    """The CSV text before quoting (M7): String, null where the value is null, NaN or infinite.

    ``ExportError`` for a type without text.
    """
    expr, dtype = unwrapped(expr, dtype)
    if dtype.is_nested():
        return pl.when(expr.is_not_null()).then(json_text(expr, dtype))
    return scalar_text(expr, dtype)
