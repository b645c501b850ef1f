"""The tree of a Polars expression: one node for each operation, with the node's own expression (E2).

Polars shows the operation of an expression only in its serialised form, and the inputs as expressions only by
``meta.pop``; a node has both. The serialised form changes between versions of Polars, so operations that this module
does not recognise are refused.
"""

import errno
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import RawIOBase
from typing import Any

import polars as pl

from muster.activation.sql.repeats import REPEATED
from muster.activation.sql.tokens import SqlError

MAX_DEPTH = 600  # levels of the serialised form, two an operator; json.loads and Polars recurse
# Operations, those that Polars repeats included: BETWEEN becomes two comparisons of one operand, SPLIT_PART has it
# three times.
MAX_NODES = 10_000
_LONGEST_FORM = 2_000_000  # bytes of the serialised form; a long list of values has 450,000

Opened = tuple[str, Any, list[Any]]  # kind, options, and the forms of the inputs

_LEVEL = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')
_GROUPS = frozenset(
    {"Bitwise", "Boolean", "ListExpr", "Pow", "Sql", "StringExpr", "StructExpr", "TemporalExpr", "Trigonometry"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation. ``kind`` is Polars' name for it (``Eq``, ``StringExpr.Lowercase``), ``detail`` its options."""

    kind: str
    detail: Any
    inputs: tuple["Node", ...]
    expr: pl.Expr

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, inputs before the nodes that use them."""
        waiting: list[tuple[Node, bool]] = [(self, False)]
        while waiting:
            node, entered = waiting.pop()
            if entered or not node.inputs:
                yield node
            else:
                waiting.append((node, True))
                waiting.extend((child, False) for child in reversed(node.inputs))

    @property
    def columns(self) -> frozenset[str]:
        """The columns that this node and those below it read."""
        return frozenset(node.detail for node in self.walk() if node.kind == "Column")

    @property
    def outline(self) -> tuple[tuple[str, str], ...]:
        """Kinds and options in the order of ``walk``: equal for equal trees."""
        return tuple((node.kind, json.dumps(node.detail)) for node in self.walk())


class _Form(RawIOBase):
    """The serialised form of an expression, of at most ``_LONGEST_FORM`` bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.content = bytearray()
        self.is_full = False

    def write(self, piece: Any) -> int:
        """Append a piece of the form. ``OSError`` makes Polars stop when the form is too long."""
        self.is_full = len(self.content) + len(piece) > _LONGEST_FORM
        if self.is_full:
            raise OSError(errno.EFBIG, "the expression is too large")
        self.content += piece
        return len(piece)


def tree(expr: pl.Expr) -> Node:
    """The tree of an expression; ``SqlError`` if too deep, or too large with all operands that Polars repeats."""
    text = _serialised(expr)
    if _depth(text) > MAX_DEPTH:
        raise SqlError(
            "the expression nests too deep; use IN (...) for a list of values, or split it into several audiences"
        )
    form = json.loads(text)
    if _size(form) > MAX_NODES:
        raise SqlError(REPEATED)
    nodes: list[Node] = []  # a stack: a node takes its inputs from the end
    for kind, detail, inputs, piece in reversed(_pieces(form, expr)):
        taken = tuple(nodes.pop() for _ in range(inputs))
        nodes.append(Node(kind, detail, taken, piece))
    return nodes[0]


def _serialised(expr: pl.Expr) -> str:
    """The serialised form; ``SqlError`` if too long, as of short rules with operands that the form repeats often."""
    form = _Form()
    try:
        expr.meta.serialize(form, format="json")
    except pl.exceptions.PolarsError:
        if form.is_full:
            raise SqlError(REPEATED) from None
        raise
    return form.content.decode()


def _size(form: Any) -> int:
    """The number of operations, counted no further than one past the limit."""
    waiting, found = [form], 0
    while waiting and found <= MAX_NODES:
        waiting += _opened(waiting.pop())[2]
        found += 1
    return found


def _pieces(form: Any, expr: pl.Expr) -> list[tuple[str, Any, int, pl.Expr]]:
    """Kind, options, number of inputs and expression of every operation, each before its inputs."""
    pieces: list[tuple[str, Any, int, pl.Expr]] = []
    waiting = [(form, expr)]
    while waiting:
        form, expr = waiting.pop()
        kind, detail, forms = _opened(form)
        inputs = list(reversed(expr.meta.pop()))[: len(forms)]
        if len(inputs) != len(forms):
            raise SqlError(f"{kind} is not allowed in a rule")
        pieces.append((kind, detail, len(forms), expr))
        waiting.extend(reversed(list(zip(forms, inputs, strict=True))))
    return pieces


def _opened(form: Any) -> Opened:
    if isinstance(form, str):
        return form, None, []
    [(variant, body)] = form.items()
    return _OPENERS[variant](body) if variant in _OPENERS else (variant, body, [])


def _function(form: Any) -> tuple[str, Any]:
    if isinstance(form, str):
        return form, None
    [(group, body)] = form.items()
    if group not in _GROUPS:
        return group, body
    if isinstance(body, str):
        return f"{group}.{body}", None
    [(member, options)] = body.items()
    return (options, None) if (group, member) == ("Sql", "Binary") else (f"{group}.{member}", options)


# Inputs in the order in which `meta.pop` gives them, last first.
_OPENERS: dict[str, Callable[[Any], Opened]] = {
    "BinaryExpr": lambda body: (body["op"], None, [body["left"], body["right"]]),
    "Function": lambda body: (*_function(body["function"]), body["input"]),
    "Ternary": lambda body: ("Ternary", None, [body["truthy"], body["falsy"], body["predicate"]]),
    "Cast": lambda body: ("Cast", body["options"], [body["expr"]]),
    "Alias": lambda body: ("Alias", body[1], [body[0]]),
    "Eval": lambda body: ("Eval", body["evaluation"], [body["expr"]]),
}


def _depth(form: str) -> int:
    """The levels of the serialised form; of one with few brackets at all, their number, which is no less."""
    brackets = form.count("[") + form.count("{")
    if brackets <= MAX_DEPTH:
        return brackets
    deepest = level = 0
    for mark in _LEVEL.finditer(form):
        if mark[0] in "[{":
            level += 1
            deepest = max(deepest, level)
        elif mark[0] in "]}":
            level -= 1
    return deepest
