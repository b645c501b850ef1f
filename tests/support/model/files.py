"""A file of rows as text (M1, M7)."""

from collections.abc import Sequence
from datetime import datetime

from support.model.words import Activation, Cells, Value


def text(value: Value | datetime) -> str:
    """M7: a value as CSV text, before quoting."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _instant(value)
    return str(value)


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
        ["" if row[each.source] is None else _quoted(text(row[each.source])) for each in activation.mapping]
        for row in rows
    ]
    return "".join(",".join(line) + "\n" for line in lines)


def _quoted(content: str) -> str:
    if content == "" or any(mark in content for mark in ',"\r\n'):
        return '"' + content.replace('"', '""') + '"'
    return content
