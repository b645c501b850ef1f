"""Parts of a rule in the user's words, for messages (SPEC 10)."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from muster.activation.sql.rewrite import AUDIENCE, IDENTITY
from muster.activation.sql.tree import Node
from muster.activation.values.dtypes import describe_in_rule

LONGEST = 60  # characters of a part that is quoted in a message

# The SQL name of an operation, where Polars' name is another word.
NAMES = {
    "Eq": "=",
    "NotEq": "<>",
    "Lt": "<",
    "LtEq": "<=",
    "Gt": ">",
    "GtEq": ">=",
    "EqValidity": "IS NOT DISTINCT FROM",
    "NotEqValidity": "IS DISTINCT FROM",
    "And": "AND",
    "Or": "OR",
    "Xor": "XOR",
    "Plus": "+",
    "Minus": "-",
    "Mul": "*",
    "Multiply": "*",
    "Div": "/",
    "RustDivide": "/",
    "IntDiv": "//",
    "Rem": "%",
    "Boolean.Not": "NOT",
    "Not": "NOT",
    "Boolean.IsNull": "IS NULL",
    "Boolean.IsNotNull": "IS NOT NULL",
    "Sql.IsIn": "IN",
    "FillNull": "COALESCE",
    "MaxHorizontal": "GREATEST",
    "MinHorizontal": "LEAST",
    "Ternary": "CASE",
    "Sql.ToFloat": "the function",
    "Pow.Generic": "POW",
    "Trigonometry.ArcSin": "ASIN",
    "Trigonometry.ArcCos": "ACOS",
    "Trigonometry.ArcTan": "ATAN",
    "Bitwise.CountOnes": "BIT_COUNT",
    "StringExpr.Lowercase": "LOWER",
    "StringExpr.Uppercase": "UPPER",
    "StringExpr.Titlecase": "INITCAP",
    "StringExpr.LenChars": "LENGTH",
    "StringExpr.LenBytes": "OCTET_LENGTH",
    "StringExpr.Slice": "SUBSTR",
    "StringExpr.StripChars": "TRIM",
    "StringExpr.StripCharsStart": "LTRIM",
    "StringExpr.StripCharsEnd": "RTRIM",
    "StringExpr.StartsWith": "LIKE or STARTS_WITH",
    "StringExpr.EndsWith": "LIKE or ENDS_WITH",
    "StringExpr.Contains": "LIKE or pattern matching",
    "StringExpr.Find": "POSITION",
    "StringExpr.Split": "STRING_TO_ARRAY",
    "StringExpr.PadStart": "LPAD",
    "StringExpr.PadEnd": "RPAD",
    "StringExpr.ConcatHorizontal": "CONCAT",
    "StringExpr.Strptime": "STRPTIME",
    "TemporalExpr.WeekDay": "DAYOFWEEK",
    "TemporalExpr.OrdinalDay": "DAYOFYEAR",
    "TemporalExpr.ToString": "STRFTIME",
    "TemporalExpr.OffsetBy": "INTERVAL arithmetic",
    "ListExpr.Get": "element access",
    "ListExpr.Length": "ARRAY_LENGTH",
    "ListExpr.Contains": "ARRAY_CONTAINS",
    "ListExpr.Join": "ARRAY_TO_STRING",
    "ListExpr.Min": "ARRAY_LOWER",
    "ListExpr.Max": "ARRAY_UPPER",
    "ListExpr.Sum": "ARRAY_SUM",
    "ListExpr.Mean": "ARRAY_MEAN",
    "Eval": "ARRAY_UNIQUE",
}
_BINARY = (
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "AND",
    "OR",
    "XOR",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def operation(node: Node) -> str:
    """The SQL name of the node's operation."""
    return NAMES.get(node.kind, node.kind.rpartition(".")[2].upper())


def stated(node: Node, dtype: pl.DataType) -> str:
    """A part of the rule and its type: ``birth_year is a whole number (Int64)``, ``'x' is text``."""
    words = describe_in_rule(dtype)
    return f"{show(node)} is {words.rpartition(' (')[0] or words if node.kind == 'Literal' else words}"


def show(node: Node) -> str:
    """A part of the rule about as the user wrote it, cut to ``LONGEST`` characters."""
    shown = _shown(node, 3)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."


def column_shown(column: str) -> str:
    """A column as a rule has it; internal columns are shown as references."""
    for prefix, root in ((AUDIENCE, "audience"), (IDENTITY, "identity_map")):
        if column.startswith(prefix):
            return f"{root}.{_quoted(column.removeprefix(prefix))}"
    return _quoted(column)


def literal(node: Node) -> Any:
    """The value of a literal of text, number, boolean, date or timestamp; None for other nodes."""
    if node.kind != "Literal" or not isinstance(node.detail, dict):
        return None
    [(form, body)] = node.detail.items()
    if form not in ("Scalar", "Dyn") or not isinstance(body, dict):
        return None
    [(kind, value)] = body.items()
    with suppress(OverflowError):  # outside of Python's years
        return _scalar(kind, value)
    return None


def _scalar(kind: str, value: Any) -> Any:
    match kind:
        case "Decimal":
            return Decimal(value[0]).scaleb(-value[2])
        case "Date":
            return date(1970, 1, 1) + timedelta(days=value)
        case "Datetime" if value[1] == "Microseconds":
            return _EPOCH.replace(tzinfo=None) + timedelta(microseconds=value[0])
        case _:
            return value if isinstance(value, str | int | float | bool) and kind != "Null" else None


def _shown(node: Node, depth: int) -> str:
    if node.kind == "Column":
        return column_shown(node.detail)
    if node.kind == "Literal":
        return _literal_shown(node)
    if depth == 0:
        return "..."
    inputs = [_shown(child, depth - 1) for child in node.inputs]
    if node.kind == "StructExpr.FieldByName":
        return f"{inputs[0]}.{_quoted(node.detail)}"
    if node.kind == "Cast":
        return inputs[0] if node.detail == "NonStrict" else f"CAST({inputs[0]})"
    name = operation(node)
    return f"{inputs[0]} {name} {inputs[1]}" if name in _BINARY and len(inputs) == 2 else f"{name}({', '.join(inputs)})"


def _literal_shown(node: Node) -> str:
    value = literal(node)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat(' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if value is not None:
        return str(value)
    if node.detail == {"Scalar": {"Null": "Null"}}:
        return "NULL"
    return "the list" if "Series" in node.detail else "the value"


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else f'"{name}"'
