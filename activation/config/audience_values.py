"""Parsers of an audience's own values: rule expressions and measures (SPEC 4: E2, E3).

An expression stays text here: ``activation.rules`` parses it when the audience is checked against the profiles.
"""

import re

from muster.activation.config.yaml_reader import Scalar
from muster.activation.errors import did_you_mean
from muster.activation.model.workspace import Measure

_MEASURE = re.compile(r"\s*([A-Za-z_]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_COLUMN = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\W\d]\w*))\s*(\.|$)')
_FUNCTIONS = ("count", "count_distinct", "sum", "min", "max", "avg", "first", "last")


def expression(value: Scalar) -> str:
    """The text of a rule, trimmed."""
    if not value.text.strip():
        raise ValueError("is empty; expected an expression, or true for everyone")
    return value.text.strip()


def measure(value: Scalar) -> Measure:
    """A measure such as ``sum(amount)``; its name, rule and window are other keys."""
    match = _MEASURE.fullmatch(value.text)
    function = match[1].lower() if match else ""
    if match is None or function not in _FUNCTIONS:
        raise ValueError(f"{value.shown} is not a measure{did_you_mean(function, _FUNCTIONS)}")
    if function == "count":
        if match[2] is not None:
            raise ValueError(f"{value.shown}: count takes no column; expected count, or count_distinct(column)")
        return Measure("", "count")
    column = _column_path(match[2] or "")
    if not column:
        raise ValueError(
            f'{value.shown} names no column; expected one, such as {function}(amount) or {function}("my column")'
        )
    return Measure("", function, column)  # type: ignore[arg-type]  # one of _FUNCTIONS, which are its literals


def _column_path(text: str) -> str:
    """``a."b c"`` as the dotted path ``a.b c``; empty when the text names no column."""
    parts: list[str] = []
    position, more = 0, True
    while more and (match := _COLUMN.match(text, position)):
        parts.append(match[1].replace('""', '"') if match[1] else match[2])
        position, more = match.end(), match[3] == "."
    return "" if more else ".".join(parts)
