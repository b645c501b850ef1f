"""The types that each operation of a rule takes, with messages in the user's words (SPEC 10).

Polars finds some of these mistakes only on data, some only on some values, and some never (a number compared with a
date). A ``TypeCheck`` gets a node and the types of its inputs, and raises ``SqlError``. Null fits every type.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from itertools import product

import polars as pl

from muster.activation.errors import did_you_mean
from muster.activation.sql.messages import literal, operation, show, stated
from muster.activation.sql.tokens import SqlError
from muster.activation.sql.tree import Node
from muster.activation.values.dtypes import FAMILY_WORDS, describe_in_rule, family

Types = Sequence[pl.DataType]
TypeCheck = Callable[[Node, Types], None]

_MOMENTS = ("date", "timestamp")
_NESTED = ("list", "struct", "map", "other")
_CASTS = {
    "text": ("text", "number", "binary"),
    "number": ("number", "text", "boolean"),
    "boolean": ("boolean", "number", "text"),
    "date": ("date", "timestamp", "text"),
    "timestamp": ("timestamp", "date", "time", "text"),
    "time": ("time", "text"),
    "duration": ("duration",),
    "binary": ("binary", "text"),
}
_SHIFTS = {(moment, "duration") for moment in _MOMENTS} | {("number", "number"), ("duration", "duration")}
_SUMS = {
    "Plus": _SHIFTS | {("duration", moment) for moment in _MOMENTS} | {("text", "text")},
    "Minus": _SHIFTS | set(product(_MOMENTS, _MOMENTS)),
}
_SAMPLES = {
    "date": date(2000, 1, 1),
    "timestamp": datetime.fromisoformat("2000-01-01"),
    "time": time(0),
    "null": date(2000, 1, 1),
}
_EPOCHS = tuple({moment, "number"} for moment in _MOMENTS)
_OFFSET_DIRECTIVE = re.compile(r"%[-_0:#]*[zZs+]")


def anything(node: Node, types: Types) -> None:
    """Accept every type."""


def takes(*wanted: str) -> TypeCheck:
    """A check that each input is of its family, alternatives with ``|``; the last family is for all further inputs."""

    def check(node: Node, types: Types) -> None:
        for position, (part, dtype) in enumerate(zip(node.inputs, types, strict=True)):
            families = wanted[min(position, len(wanted) - 1)].split("|")
            if not _is_one_of(dtype, families):
                expected = " or ".join(FAMILY_WORDS[name] for name in families)
                raise SqlError(
                    f"{stated(part, dtype)}; {operation(node)} needs {expected}{_text_hint(part, dtype, families)}"
                )

    return check


def comparable(node: Node, types: Types) -> None:
    """Require one family on both sides, or a date and a timestamp; of nested values only lists, for equality."""
    _same(node.inputs[0], types[0], node.inputs[1], types[1])
    for part, dtype in zip(node.inputs, types, strict=True):
        if _core(dtype) in ("struct", "map"):  # Polars panics on structs whose fields are null
            raise SqlError(f"{stated(part, dtype)} and cannot be compared; compare its fields")
    if node.kind in ("Lt", "LtEq", "Gt", "GtEq") and family(types[0]) in _NESTED:
        raise SqlError(f"{stated(node.inputs[0], types[0])} and has no order; expected = or <>")


def member(node: Node, types: Types) -> None:
    """``x IN (...)`` and ``x = ANY(list)``: require a list of values that ``x`` can be compared with."""
    (item, values), (dtype, listed) = node.inputs, types
    if not isinstance(listed, pl.List | pl.Array):
        raise SqlError(f"{stated(values, listed)}; ANY needs a list")
    _same(item, dtype, values, _inner(listed), of_list=True)


def contains(node: Node, types: Types) -> None:
    """``ARRAY_CONTAINS(list, item)``: require a list of values that the item can be compared with."""
    takes("list", "|".join(FAMILY_WORDS))(node, types)
    if isinstance(types[0], pl.List | pl.Array):
        _same(node.inputs[1], types[1], node.inputs[0], _inner(types[0]), of_list=True)


def element(node: Node, types: Types) -> None:
    """``tags[1]``: require a list and a whole number other than 0, which Polars turns into null."""
    takes("list", "integer")(node, types)
    if family(types[1]) == "null":
        raise SqlError(
            f"{show(node.inputs[0])} has no element 0: in SQL the first is [1], the last is [-1] "
            "(in a mapping's source the first is [0])"
        )


def numbers(node: Node, types: Types) -> None:
    """ARRAY_SUM and ARRAY_MEAN: require a list of numbers."""
    takes("list")(node, types)
    if family(types[0]) == "list" and family(_inner(types[0])) not in ("number", "null"):
        raise SqlError(
            f"{show(node.inputs[0])} holds {describe_in_rule(_inner(types[0]))}; {operation(node)} needs numbers"
        )


def alike(node: Node, types: Types) -> None:
    """COALESCE, GREATEST and the branches of CASE: require inputs of one family."""
    known = [(part, dtype) for part, dtype in zip(node.inputs, types, strict=True) if family(dtype) != "null"]
    for part, dtype in known[1:]:
        _same(*known[0], part, dtype, verb=f"{operation(node)} gives one type")


def choice(node: Node, types: Types) -> None:
    """CASE, IF and NULLIF: require a boolean as condition, and branches of one family."""
    *branches, condition = node.inputs
    if family(types[-1]) not in ("boolean", "null"):
        raise SqlError(
            f"{stated(condition, types[-1])}; a condition is true or false{_boolean_hint(condition, types[-1])}"
        )
    alike(Node(node.kind, None, tuple(branches), node.expr), types[:-1])


def logical(node: Node, types: Types) -> None:
    """AND, OR, XOR: require booleans, or whole numbers, whose bits are combined."""
    if all(dtype.is_integer() for dtype in types):
        return
    for part, dtype in zip(node.inputs, types, strict=True):
        if family(dtype) not in ("boolean", "null"):
            raise SqlError(
                f"{stated(part, dtype)}; {operation(node)} needs a boolean on both sides{_boolean_hint(part, dtype)}"
            )


def added(node: Node, types: Types) -> None:
    """``+`` and ``-``: require numbers, texts, durations, a date or timestamp and a duration, or two of the former."""
    left, right = (family(dtype) for dtype in types)
    if "null" in (left, right) or (left, right) in _SUMS[node.kind]:
        return
    if literal(node.inputs[0]) == 0:  # Polars parses a sign as a sum with 0
        raise SqlError(f"{stated(node.inputs[1], types[1])}; {operation(node)} needs a number")
    raise SqlError(_arithmetic(node, types))


def multiplied(node: Node, types: Types) -> None:
    """``*`` and ``/``: require numbers, or a duration and a number."""
    left, right = (family(dtype) for dtype in types)
    scaled = right in ("number", "null") or node.kind in ("Mul", "Multiply")
    is_scaled = {left, right} == {"number", "duration"} and scaled
    if "null" not in (left, right) and {left, right} != {"number"} and not is_scaled:
        raise SqlError(_arithmetic(node, types))


def cast(node: Node, types: Types, target: pl.DataType) -> None:
    """CAST: require types between which values have one meaning; a value that does not fit fails on the data (X1)."""
    (part,), (dtype,) = node.inputs, types
    if isinstance(dtype, pl.List | pl.Array) and isinstance(target, pl.List):
        return cast(node, [_inner(dtype)], _inner(target))
    known = family(dtype)
    if known == "null" or family(target) in _CASTS.get(known, ()):
        return None
    hint = _cast_hint(part, known, family(target))
    raise SqlError(f"{stated(part, dtype)} and cannot be cast to {describe_in_rule(target)}{hint}")


def field(node: Node, types: Types) -> None:
    """``person.name``: require a struct with that field."""
    (part,), (dtype,) = node.inputs, types
    if not isinstance(dtype, pl.Struct):
        raise SqlError(f"{stated(part, dtype)} and has no field {node.detail!r}; a name with a dot in it needs quotes")
    names = [found.name for found in dtype.fields]
    if node.detail not in names:
        raise SqlError(f"{show(part)} has no field {node.detail!r}{did_you_mean(node.detail, names)}")


def parsed_time(node: Node, types: Types) -> None:
    """STRPTIME, DATE, TIMESTAMP and TIME of text: require a format, which Polars would guess from other rows."""
    if family(types[0]) in _MOMENTS:
        part = node.inputs[0]
        raise SqlError(
            f"{stated(part, types[0])} already; DATE and TIMESTAMP read text, CAST({show(part)} AS DATE) takes the day"
        )
    takes("text")(Node(node.kind, None, node.inputs[:1], node.expr), types[:1])
    written = node.detail[1]["format"]
    if written is None and node.columns:
        raise SqlError(
            f"{show(node.inputs[0])} needs a format: DATE(x, '%Y-%m-%d') or STRPTIME(x, '%Y-%m-%d %H:%M:%S')"
        )
    if written is not None and _OFFSET_DIRECTIVE.search(written):
        raise SqlError(
            f"the format {written!r} reads an offset, zone or epoch; timestamps in a rule are local time without one"
        )


def formatted(node: Node, types: Types) -> None:
    """STRFTIME: require a format that fits the type, which Polars checks only on the first value."""
    takes("date|timestamp|time")(node, types)
    sample = _SAMPLES.get(family(types[0]))
    try:
        pl.select(pl.lit(sample).dt.to_string(node.detail))
    except pl.exceptions.PolarsError:
        raise SqlError(
            f"the format {node.detail!r} does not fit {show(node.inputs[0])}, {describe_in_rule(types[0])}"
        ) from None


def pattern(*wanted: str) -> TypeCheck:
    """A check as of ``takes`` that also requires a literal as pattern, so that the trial without data validates it."""

    def check(node: Node, types: Types) -> None:
        takes(*wanted)(node, types)
        if not (isinstance(node.detail, dict) and node.detail.get("literal")) and literal(node.inputs[1]) is None:
            raise SqlError(
                f"the pattern {show(node.inputs[1])} is not a text literal; patterns are written in the rule"
            )

    return check


def _inner(dtype: pl.DataType) -> pl.DataType:
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    return inner if isinstance(inner, pl.DataType) else inner()


def _core(dtype: pl.DataType) -> str:
    """The family of a value, or of the innermost elements of a list."""
    return _core(_inner(dtype)) if isinstance(dtype, pl.List | pl.Array) else family(dtype)


def _is_one_of(dtype: pl.DataType, families: Sequence[str]) -> bool:
    known = family(dtype)
    return known == "null" or known in families or ("integer" in families and dtype.is_integer())


def _same(
    left: Node, one: pl.DataType, right: Node, other: pl.DataType, verb: str = "", *, of_list: bool = False
) -> None:
    first, second = family(one), family(other)
    if "null" in (first, second) or (first == second and first not in _NESTED) or {first, second} == set(_MOMENTS):
        return None
    if first == second == "list":
        return _same(left, _inner(one), right, _inner(other), verb)
    if first == second and one == other:
        return None
    second_words = f"{show(right)} holds {describe_in_rule(other)}" if of_list else stated(right, other)
    reason = verb or "they cannot be compared"
    raise SqlError(f"{stated(left, one)} and {second_words}; {reason}{_mixed_hint(left, first, right, second)}")


def _arithmetic(node: Node, types: Types) -> str:
    (left, right), (one, other) = node.inputs, types
    amount, is_span = literal(right), family(one) in _MOMENTS and family(other) in ("number", "text")
    hint = f"; write a span of time as {_span(amount, family(other))}" if is_span else ""
    return f"{stated(left, one)} and {stated(right, other)}; {operation(node)} cannot be applied to them{hint}"


def _span(amount: object, known: str) -> str:
    """The interval that was meant by a number, which is of days, or a text such as ``30 days``."""
    if known == "number":
        return f"INTERVAL '{amount if isinstance(amount, int) else 3} days'"
    return f"INTERVAL '{amount}'" if isinstance(amount, str) and amount[:1].isdigit() else "INTERVAL '3 days'"


def _mixed_hint(left: Node, first: str, right: Node, second: str) -> str:
    if {first, second} == {"binary", "text"}:
        return f"; if the bytes are text, CAST({show(left if first == 'binary' else right)} AS VARCHAR) reads them"
    for part, known, other in ((right, second, first), (left, first, second)):
        value = literal(part)
        if isinstance(value, str) and known == "text" and other != "list":
            return _literal_hint(value, other)
        if known == "number" and other == "text" and value is not None:
            return f"; write '{value}' in quotes to compare text"
        if known in ("number", "boolean") and other in ("number", "boolean") and value is not None:
            return "; a boolean is written alone, or with NOT"
        if other == "duration" and known == "number":
            return "; write a span of time as INTERVAL '3 days'"
        if known == "list" and other not in _NESTED:
            whole, item = (right, left) if part is right else (left, right)
            return f"; write {show(item)} = ANY({show(whole)})"
    return ""


def _literal_hint(value: str, wanted: str) -> str:
    if wanted == "number" and _is_number(value):
        return f"; write {value} without quotes"
    if wanted == "boolean":
        return "; a boolean is written alone, or with NOT"
    if wanted in _MOMENTS:
        return f"; write {_moment_literal(value, wanted)}"
    return "; write INTERVAL '3 days' for a span of time" if wanted == "duration" else ""


def _is_number(value: str) -> bool:
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _moment_literal(value: str, wanted: str) -> str:
    for kind, parse in (("DATE", date.fromisoformat), ("TIMESTAMP", datetime.fromisoformat)):
        try:
            parse(value)
        except ValueError:
            continue
        return f"{kind} '{value}'"
    return "DATE '2026-11-21'" if wanted == "date" else "TIMESTAMP '2026-11-21 17:00:00'"


def _text_hint(part: Node, dtype: pl.DataType, families: Sequence[str]) -> str:
    if families == ["text"] and family(dtype) not in _NESTED:
        return f"; CAST({show(part)} AS VARCHAR) makes it text"
    return _boolean_hint(part, dtype) if families[0] == "boolean" else ""


def _boolean_hint(part: Node, dtype: pl.DataType) -> str:
    if family(dtype) == "number":
        return f"; compare it, as in {show(part)} > 0"
    return f"; compare it, as in {show(part)} = '...'" if family(dtype) == "text" and literal(part) is None else ""


def _cast_hint(part: Node, known: str, wanted: str) -> str:
    if known == "text" and wanted in _MOMENTS:
        call = "DATE({}, '%Y-%m-%d')" if wanted == "date" else "STRPTIME({}, '%Y-%m-%d %H:%M:%S')"
        return f"; write {call.format(show(part))} with its format"
    if known == "text" and wanted == "boolean":
        return f"; compare it, as in {show(part)} = 'true'"
    return "; timestamps are local time, so their number of seconds means nothing" if {known, wanted} in _EPOCHS else ""
