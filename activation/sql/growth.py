"""The bound on the length of texts that a rule computes (E2).

The texts of a row must fit in memory, whatever the row holds: padding, replacing and joining make texts longer, and a
few of these operations inside each other exceed any machine. The bound counts a column's text as one character, so it
limits how many times as long as the text that was read a text can become.
"""

from muster.activation.sql.messages import literal, operation, show
from muster.activation.sql.tokens import SqlError
from muster.activation.sql.tree import Node

MAX_GROWTH = 10_000
_PADS = frozenset({"StringExpr.PadStart", "StringExpr.PadEnd"})
_REPLACE, _JOIN, _FORMAT = "StringExpr.Replace", "ListExpr.Join", "TemporalExpr.ToString"
_SUMS = frozenset({"Plus", "StringExpr.ConcatHorizontal"})
_GROWING = _PADS | _SUMS | {_REPLACE, _JOIN, _FORMAT}
_DIRECTIVE = 30  # characters that two characters of a format can give


def check_growth(root: Node) -> None:
    """``SqlError`` if a text in the rule can become too long; the message names the operation that makes it so."""
    sizes: dict[int, int] = {}
    for node in root.walk():
        size = _size(node, [sizes[id(part)] for part in node.inputs])
        if size > MAX_GROWTH and node.kind in _GROWING:
            raise SqlError(
                f"{operation(node)} can make a text {size:,} times as long as it was; at most {MAX_GROWTH:,} "
                f"times is allowed"
            )
        sizes[id(node)] = size


def _size(node: Node, parts: list[int]) -> int:
    if node.kind == "Literal":
        value = literal(node)
        return max(1, len(value)) if isinstance(value, str) else 1
    if node.kind in _PADS:
        return max(parts[0], _length(node))
    if node.kind == _REPLACE:
        return _replaced(node, parts)
    if node.kind == _JOIN:
        return parts[0] * (1 + parts[1])
    if node.kind == _FORMAT:
        return max(1, _DIRECTIVE * len(str(node.detail)))
    if node.kind in _SUMS:
        between = node.detail.get("delimiter", "") if isinstance(node.detail, dict) else ""
        return sum(parts) + len(between) * len(parts)
    return max(parts, default=1)


def _replaced(node: Node, parts: list[int]) -> int:
    """The length after REPLACE or REGEXP_REPLACE: a pattern can match every character, and ``$1`` repeats the match."""
    old, new = literal(node.inputs[1]), literal(node.inputs[2])
    if not isinstance(new, str):
        return parts[0] * (1 + parts[2])
    if node.detail["literal"] and isinstance(old, str) and old:
        return int(parts[0] * max(1.0, len(new) / len(old)))
    if node.detail["literal"]:
        return parts[0] * (1 + len(new))
    return parts[0] + len(new) if node.detail["n"] == 1 and "$" not in new else parts[0] * (1 + len(new))


def _length(node: Node) -> int:
    length = literal(node.inputs[1])
    if not isinstance(length, int):
        raise SqlError(
            f"the length {show(node.inputs[1])} of {operation(node)} is not a number; lengths are written in the rule"
        )
    return length
