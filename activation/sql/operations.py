"""The operations that a rule may use, as a list, each with the check of its inputs' types (E2).

This is the second of two checks: of the operations that Polars parsed from the words that ``sql.functions`` allowed. An
operation is listed if its value for a row depends on that row alone. Operations that are not listed are refused, so new
operations of later versions of Polars are refused too.
"""

from collections.abc import Mapping

import polars as pl

from muster.activation.sql.growth import check_growth
from muster.activation.sql.messages import operation, show
from muster.activation.sql.tokens import SqlError, Token
from muster.activation.sql.tree import Node
from muster.activation.sql.type_checks import (
    TypeCheck,
    Types,
    added,
    alike,
    anything,
    cast,
    choice,
    comparable,
    contains,
    element,
    field,
    formatted,
    logical,
    member,
    multiplied,
    numbers,
    parsed_time,
    pattern,
    takes,
)

_ON_NUMBER = takes("number")
_ON_TEXT = takes("text")
_ON_DAY = takes("date|timestamp")
_ON_CLOCK = takes("timestamp|time")
_WITH_LENGTH = takes("text", "integer")
_SCALARS = takes("text|number|boolean|date|timestamp|time")
_NUMBERS = (
    "Abs Ceil Floor Exp Log Log1p Sign Truncate Clip Sql.Round Sql.ToFloat Atan2 Pow.Generic Pow.Sqrt "
    "Pow.Cbrt RustDivide"
)
_ANGLES = "Sin Cos Tan Cot ArcSin ArcCos ArcTan Degrees Radians"
_TEXTS = "Lowercase Uppercase Titlecase LenChars LenBytes StartsWith EndsWith Reverse Split Normalize"
_STRIPS = "StripChars StripCharsStart StripCharsEnd"
_DAYS = "Year IsoYear Quarter Month Week WeekDay OrdinalDay Day Century Millennium"
_CLOCKS = "Hour Minute Second Nanosecond"


def _each(prefix: str, names: str, check: TypeCheck) -> dict[str, TypeCheck]:
    return {f"{prefix}{name}": check for name in names.split()}


KINDS: Mapping[str, TypeCheck] = {
    **_each("", "Column Literal Alias Cast Boolean.IsNull Boolean.IsNotNull", anything),
    **_each("", "Eq NotEq Lt LtEq Gt GtEq EqValidity NotEqValidity", comparable),
    **_each("", "And Or Xor", logical),
    **_each("", "Plus Minus", added),
    **_each("", "Mul Multiply Div", multiplied),
    **_each("", "Coalesce FillNull MaxHorizontal MinHorizontal", alike),
    **_each("", f"Rem {_NUMBERS}", _ON_NUMBER),
    **_each("Trigonometry.", _ANGLES, _ON_NUMBER),
    **_each("StringExpr.", f"{_TEXTS} {_STRIPS}", _ON_TEXT),
    "StringExpr.Find": pattern("text"),
    **_each("TemporalExpr.", _DAYS, _ON_DAY),
    **_each("TemporalExpr.", _CLOCKS, _ON_CLOCK),
    "IntDiv": takes("integer"),  # on other numbers it fails for values without a whole quotient
    "Not": takes("boolean"),  # NOT, as ``without_additions`` leaves it
    "Boolean.Not": takes("boolean|integer"),  # <>, NOT IN and the like, and BIT_NOT
    "Bitwise.CountOnes": takes("integer"),
    "Ternary": choice,
    "Sql.IsIn": member,
    "StructExpr.FieldByName": field,
    "StringExpr.Slice": _WITH_LENGTH,
    "StringExpr.PadStart": _WITH_LENGTH,
    "StringExpr.PadEnd": _WITH_LENGTH,
    "StringExpr.ConcatHorizontal": _SCALARS,
    "StringExpr.Contains": pattern("text"),
    "StringExpr.Replace": pattern("text"),
    "StringExpr.Strptime": parsed_time,
    "TemporalExpr.ToString": formatted,
    "TemporalExpr.Time": takes("timestamp"),
    "TemporalExpr.OffsetBy": takes("date|timestamp", "text"),
    "ListExpr.Length": takes("list"),
    "ListExpr.Get": element,
    "ListExpr.Contains": contains,
    "ListExpr.Join": takes("list", "text"),
    **_each("ListExpr.", "Min Max", takes("list")),
    **_each("ListExpr.", "Sum Mean", numbers),
    "Eval": takes("list"),
}
NARROW = frozenset(  # operations that ``rewrite.widened`` casts to 64 bits
    {f"TemporalExpr.{name}" for name in f"{_DAYS} {_CLOCKS}".split()}
    | {"StringExpr.LenChars", "StringExpr.LenBytes", "ListExpr.Length", "Bitwise.CountOnes"}
)
CONNECTIVES = frozenset({"And", "Or", "Xor"})
# Operations that always give a boolean.
PREDICATES = frozenset(kind for kind, check in KINDS.items() if check in (comparable, contains, member)) | {
    "Boolean.IsNull",
    "Boolean.IsNotNull",
    "Not",
    "StringExpr.Contains",
    "StringExpr.StartsWith",
    "StringExpr.EndsWith",
}
_IN_A_LIST = (  # ARRAY_REVERSE and ARRAY_UNIQUE: within one row's list
    {"Function": {"input": ["Element"], "function": "Reverse"}},
    {"Function": {"input": ["Element"], "function": {"Unique": True}}},
)
_UNNAMED = "literal"  # Polars' name of a literal, and of a literal timestamp that it compares with a literal date
_SPAN = "duration"  # the name that Polars gives to a number that is added to a date
_REFUSED = {
    "Agg": "an aggregate",
    "Len": "COUNT(*)",
    "Over": "a window (OVER)",
    "Rolling": "a window (OVER)",
    "SubPlan": "a subquery",
    "Selector": "'*' or a pattern of columns",
    "Explode": "UNNEST",
    "Filter": "FILTER",
    "Eval": "this computation over the elements of a list",
    "Element": "this computation over the elements of a list",
    "TemporalExpr.TimeStamp": "EPOCH (timestamps are local time, so their number of seconds means nothing)",
    "TemporalExpr.BaseUtcOffset": "TIMEZONE (timestamps are local time without a zone)",
    "TemporalExpr.TotalSeconds": "TIMEZONE (timestamps are local time without a zone)",
    "StringExpr.JsonDecode": "a cast to JSON",
}


def check_allowed(root: Node, last: Token) -> None:
    """``SqlError`` names the first operation that is not listed in ``KINDS``. ``last`` is the rule's last word."""
    for node in root.walk():
        is_written = node.detail != _UNNAMED or (node is root and last.value == _UNNAMED)
        if node.kind == "Alias" and node.detail == _SPAN and last.value.lower() != _SPAN:
            raise SqlError("a number is no span of time; write one as INTERVAL '30 days'")
        if node.kind == "Alias" and node.detail and is_written:
            raise SqlError(
                f"{show(node.inputs[0])} is followed by {node.detail!r}; expected an operator between them, such as AND"
            )
        if node.kind not in KINDS or (node.kind == "Eval" and node.detail not in _IN_A_LIST):
            raise SqlError(f"{_REFUSED.get(node.kind, operation(node))} is not allowed in a rule")
    check_growth(root)


def check_inputs(node: Node, types: Types) -> None:
    """``SqlError`` if an operation does not fit the types of its inputs."""
    KINDS[node.kind](node, types)


def check_result(node: Node, types: Types, result: pl.DataType) -> None:
    """``SqlError`` if a rule cannot have values of the result's type: casts without meaning, timestamps with a zone."""
    if node.kind == "Cast":
        cast(node, types, result)
    if isinstance(result, pl.Datetime) and result.time_zone is not None:
        raise SqlError(f"{show(node)} has a time zone; timestamps in a rule are local time: write TIMESTAMP without it")


def without_additions(root: Node) -> Node:
    """The tree without the names and casts that Polars and ``rewrite.widened`` add.

    A cast below NOT would hide the type of the operand; a cast of a function would hide what the user wrote.
    """
    rebuilt: dict[int, Node] = {}
    for node in root.walk():
        inputs = tuple(rebuilt[id(child)] for child in node.inputs)
        if node.kind == "Alias":
            rebuilt[id(node)] = inputs[0]
            continue
        if node.kind == "Cast" and node.inputs[0].kind in NARROW:
            rebuilt[id(node)] = Node(inputs[0].kind, inputs[0].detail, inputs[0].inputs, node.expr)
            continue
        kind = node.kind
        if kind == "Boolean.Not" and inputs[0].kind == "Cast" and inputs[0].detail == "Strict":
            kind, inputs = "Not", inputs[0].inputs
        rebuilt[id(node)] = Node(kind, node.detail, inputs, node.expr)
    return rebuilt[id(root)]
