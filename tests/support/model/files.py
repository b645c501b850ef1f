"""A file of rows as text (M1, M7)."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from support.model.words import Activation, Cells, Value

TRANSFORMS: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "trim": str.strip}
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 ().,/-]*")


def written(value: Value, transform: Sequence[str], *, sanitizes: bool) -> Value:
    """A value as it is written (M1, M8)."""
    for step in transform:
        value = TRANSFORMS[step](value) if isinstance(value, str) else value
    if sanitizes and isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def text(value: Value | datetime) -> str:
    """M7: a value as CSV text, before quoting."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _instant(value)
    return str(value)


def key_text(value: Value) -> str:
    """D7: the text by which keys are compared: numbers by value, whatever their type; text as it is."""
    if isinstance(value, float | Decimal) and value == int(value):
        return str(int(value))
    return text(value)


def _instant(moment: datetime) -> str:
    """ISO 8601 in UTC with ``Z`` and 0, 3 or 6 sub-second digits as needed."""
    plain, micros = moment.strftime("%Y-%m-%dT%H:%M:%S"), moment.microsecond
    if micros == 0:
        return f"{plain}Z"
    return f"{plain}.{micros // 1000:03}Z" if micros % 1000 == 0 else f"{plain}.{micros:06}Z"


def csv(activation: Activation, rows: Sequence[Cells]) -> str:
    """The file: the header from the mapping, RFC 4180 quoting where necessary; an empty string is quoted and a null is
    not.
    """
    lines = [[_quoted(column.target) for column in activation.mapping]]
    lines += [
        ["" if row[each.target] is None else _quoted(text(row[each.target])) for each in activation.mapping]
        for row in rows
    ]
    return "".join(",".join(line) + "\n" for line in lines)


def _quoted(content: str) -> str:
    if content == "" or any(mark in content for mark in ',"\r\n'):
        return '"' + content.replace('"', '""') + '"'
    return content
