"""Check a rule against the columns that it reads: names, types, and a trial on a row without values (SPEC 10)."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames import engine
from muster.activation.frames.columns import INTERNAL
from muster.activation.sql import spellings
from muster.activation.sql.messages import column_shown, stated
from muster.activation.sql.operations import CONNECTIVES, PREDICATES, check_inputs, check_result
from muster.activation.sql.parse import Parsed
from muster.activation.sql.rewrite import AUDIENCE, IDENTITY
from muster.activation.sql.spellings import field_hint
from muster.activation.sql.tokens import SqlError, tokens
from muster.activation.sql.tree import Node
from muster.activation.values.dtypes import family
from muster.activation.values.known_columns import Columns
from muster.activation.values.local_times import local_type

_COMPARISONS = frozenset({"Eq", "NotEq", "Lt", "LtEq", "Gt", "GtEq", "EqValidity", "NotEqValidity", "Sql.IsIn"})
_REGEX = re.compile(r"^error: (.+)$", re.MULTILINE)


def bind(parsed: Parsed, columns: Columns, audiences: Collection[str] = ()) -> None:
    """``SqlError`` if a rule's names do not exist, its types do not fit, or its value is not a boolean.

    ``columns`` are the columns that the rule may name, with their types in the files; ``audiences`` are ids for hints.
    """
    result = type_of(parsed, columns, audiences)
    if family(result) != "boolean":
        raise SqlError(f"{stated(parsed.root, result)}; a rule is true or false for each row")


def type_of(parsed: Parsed, columns: Columns, audiences: Collection[str] = ()) -> pl.DataType:
    """The type of an expression's values; ``SqlError`` if a name does not exist or a type does not fit."""
    try:
        return _checked_type(parsed, columns, audiences)
    except SqlError as error:
        hint = field_hint(tokens(parsed.text))
        if hint:
            raise SqlError(f"{error}{hint}") from error
        raise


def _checked_type(parsed: Parsed, columns: Columns, audiences: Collection[str]) -> pl.DataType:
    _check_names(parsed, columns, audiences)
    schema = {name: local_type(columns.types[name]) for name in sorted(parsed.columns)}
    schema |= {AUDIENCE + name: pl.Boolean() for name in sorted(parsed.audiences)}
    schema |= {IDENTITY + name: pl.List(pl.String) for name in sorted(parsed.namespaces)}
    return _check_tree(parsed.root, pl.Schema(schema or {f"{INTERNAL}none": pl.Boolean()}))


def _check_names(parsed: Parsed, columns: Columns, audiences: Collection[str]) -> None:
    unknown = sorted(parsed.columns - set(columns.names))
    if unknown:
        meant = _compared_with_columns(parsed.root)
        raise SqlError(
            "; ".join(_unknown_column(name, parsed.text, columns, audiences, name in meant) for name in unknown)
        )
    if reasons := columns.reasons(sorted(parsed.columns)):
        raise SqlError(reasons)


def _unknown_column(name: str, text: str, columns: Columns, audiences: Collection[str], is_compared: bool) -> str:
    if name in audiences:
        text_too = f", text '{name}' in single quotes" if is_compared else ""
        return f"unknown column {name!r}; the audience is written {column_shown(AUDIENCE + name)}{text_too}"
    ours = _OURS.get(name.lower().replace("_", ""))
    if ours:
        return f"unknown column {name!r}; {ours.format(_member(name, text))}"
    if name.upper() in spellings.FUNCTIONS:
        return f"unknown column {name!r}; here it is written {spellings.FUNCTIONS[name.upper()]}"
    is_quoted = f'"{name}"' in text or f"`{name}`" in text
    quoted = f"; if it is text, write it in single quotes: '{name}'" if is_quoted or is_compared else ""
    return f"unknown column {name!r}{quoted}{columns.nearest(name)}"


_OURS = {  # words of Adobe's schemas, without capitals and underscores, and what a rule has in their place
    "segmentmembership": (
        "a rule asks audience.<id>; a mapping has `source: segment_membership.status` and "
        "`source: segment_membership.last_qualification_time`"
    ),
    "identitymap": "the ids in a namespace are written identity_map.{0}",
}


def _member(name: str, text: str) -> str:
    """The word after a name and a dot."""
    match = re.search(rf'{re.escape(name)}"?\s*\.\s*("[^"]+"|\w+)', text)
    return match[1] if match else "<namespace>"


def _compared_with_columns(root: Node) -> set[str]:
    """The columns with which something other than a literal is compared: they may be text without quotes."""
    found = set[str]()
    for node in root.walk():
        if node.kind in _COMPARISONS and len(node.inputs) == 2:
            left, right = node.inputs
            found |= right.columns if left.columns else set()
            found |= left.columns if right.columns and left.kind == "Column" else set()
    return found


def _check_tree(root: Node, schema: pl.Schema) -> pl.DataType:
    """The type of the root; ``SqlError`` if an operation does not fit its inputs, or fails on a row without values."""
    empty, nulls = _trial_frames(tuple(schema.items()))
    inferred = _types_inferred(root, empty)
    types: dict[int, pl.DataType] = {}
    for node in root.walk():
        inputs = [types[id(part)] for part in node.inputs]
        check_inputs(node, inputs)
        types[id(node)] = _evident(node, inputs, schema) or inferred.get(id(node)) or _type(node, empty)
        check_result(node, inputs, types[id(node)])
    _compute(root, empty, nulls)
    return types[id(root)]


@lru_cache(maxsize=64)
def _trial_frames(schema: tuple[tuple[str, pl.DataType], ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A frame of this schema without a row, and one with a row of nulls; many rules read the same columns."""
    return pl.DataFrame(schema=dict(schema)), pl.DataFrame([pl.Series(name, [None], dtype) for name, dtype in schema])


def _evident(node: Node, inputs: Sequence[pl.DataType], schema: pl.Schema) -> pl.DataType | None:
    """The type of a node as far as it is known without Polars, whose inference is slow in long chains."""
    if node.kind == "Column":
        return schema[node.detail]
    if node.kind in PREDICATES or (node.kind in CONNECTIVES and all(isinstance(dtype, pl.Boolean) for dtype in inputs)):
        return pl.Boolean()
    return None


def _types_inferred(root: Node, frame: pl.DataFrame) -> dict[int, pl.DataType]:
    """The types of all other nodes, which Polars infers in one call; empty if one of them has no type."""
    nodes = [node for node in root.walk() if node.kind not in PREDICATES | CONNECTIVES | {"Column"}]
    try:
        schema = engine.schema_of(
            frame.lazy().select(node.expr.alias(str(position)) for position, node in enumerate(nodes))
        )
    except ExportError:
        return {}
    return {id(node): dtype for node, dtype in zip(nodes, schema.dtypes(), strict=True)}


def _type(node: Node, frame: pl.DataFrame) -> pl.DataType:
    try:
        return engine.schema_of(frame.lazy().select(node.expr.alias("value"))).dtypes()[0]
    except ExportError as error:
        raise SqlError(_reason(error)) from error


def _compute(root: Node, empty: pl.DataFrame, nulls: pl.DataFrame) -> None:
    """``SqlError`` if the rule fails on no rows, or on a row of nulls: then the data is not at fault."""
    try:
        for frame in (empty, nulls):
            engine.collect_inside(frame.lazy().select(root.expr.alias("value")))
    except ExportError as error:
        raise SqlError(_reason(error)) from error


def _reason(error: ExportError) -> str:
    if isinstance(error.__cause__, pl.exceptions.PanicException):
        return "Polars cannot compute this; write the expression in another way"
    message = str(error.__cause__ or error)
    if "regex" in message:
        match = _REGEX.search(message)
        return f"a pattern is not a valid regular expression: {match[1] if match else 'it is too large'}"
    return message.strip().splitlines()[0]
