"""The text forms of typed values (M7), for CSV fields, JSON and tie-breaks (M3). Pure: expressions in, expressions out.

Scalars and JSON have a module each. The expressions that come back have no name to rely on: give them an alias.
"""

import polars as pl

from muster.activation.values.dtypes import Type, unwrapped
from muster.activation.values.json_text import json_text
from muster.activation.values.scalars import scalar_text

__all__ = ["csv_text", "json_text"]


def csv_text(expr: pl.Expr, dtype: Type) -> pl.Expr:
    """M7's CSV text before quoting: String, null where the value is null, NaN or infinite. ``ExportError`` for a type without text."""
    expr, dtype = unwrapped(expr, dtype)
    if dtype.is_nested():
        return pl.when(expr.is_not_null()).then(json_text(expr, dtype))
    return scalar_text(expr, dtype)
