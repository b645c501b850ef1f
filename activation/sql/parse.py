"""Parse the SQL text of a rule, and check it as far as that is possible without data (E1, E2).

    text -> tokens -> allowed words -> instants, literals, references replaced -> Polars' parser -> tree
         -> allowed operations

Names and types need a schema: ``sql.binding`` checks them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.sql.functions import INSTANTS, check_words
from muster.activation.sql.operations import check_allowed, without_additions
from muster.activation.sql.repeats import check_repeats
from muster.activation.sql.rewrite import AUDIENCE, IDENTITY, IN_A_MEASURE, meanings, rewrite, widened
from muster.activation.sql.spellings import arrow, check_spellings
from muster.activation.sql.tokens import END, SqlError, Token, tokens, written
from muster.activation.sql.tree import Node, tree

_NO_OPERATORS = ("(", ")", "[", "]", ",", ".", "-", "+")  # a sign may come first
_JOINING_WORDS = ("AND", "OR", "NOT", "LIKE", "ILIKE", "IN", "BETWEEN", "IS", "WHEN", "THEN", "ELSE")
_INSIDES = re.compile(r" at Line:|[:,]? ?\(?\b[A-Z]\w+ ?[({] ?[a-z]")  # nodes of the parser, as Rust prints them
_SPACED = re.compile(r"(?<=[a-z])(?=[A-Z])")
# What makes a rule depend on instant or zone: a word for the instant, or a literal that can be a time.
_MOMENT = re.compile(rf"'\s*\d|{'|'.join(sorted(INSTANTS))}", re.IGNORECASE)
_ANY = datetime(2000, 1, 1, tzinfo=UTC), ZoneInfo("UTC")
_REMEMBERED = 10_000  # rules
_INTERNAL = re.compile(r'"?__(audience|identity):((?:[^"`]|"")*)"?')


@dataclass(frozen=True, eq=False)
class Parsed:
    """An allowed expression. ``root`` and ``columns`` have the names that the user wrote; ``expr`` has them renamed."""

    text: str
    expr: pl.Expr
    root: Node
    columns: frozenset[str] = field(init=False)  # profile or event columns, and measures
    audiences: frozenset[str] = field(init=False)
    namespaces: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = self.root.columns
        object.__setattr__(self, "audiences", _without(names, AUDIENCE))
        object.__setattr__(self, "namespaces", _without(names, IDENTITY))
        object.__setattr__(
            self, "columns", frozenset(name for name in names if not name.startswith((AUDIENCE, IDENTITY)))
        )


def parse(
    text: str, at: datetime, zone: ZoneInfo, renamed: Mapping[str, str] | None = None, *, alone: str = ""
) -> Parsed:
    """A rule's text as a checked expression, a function of text, instant and zone; ``SqlError`` otherwise (E1, E2).

    ``audience.<id>`` becomes the column ``muster:audience:<id>`` and ``identity_map.<namespace>`` the column
    ``muster:identity:<namespace>``; columns in ``renamed`` (measures) get their new names. With ``alone``, the words
    for an expression such as ``IN_A_MEASURE``, neither reference is allowed (E3).
    """
    if not _MOMENT.search(text):  # then all instants and zones are one, for the cache
        at, zone = _ANY
    return _parsed(text, at, zone, tuple((renamed or {}).items()), alone)


@lru_cache(maxsize=_REMEMBERED)
def _parsed(text: str, at: datetime, zone: ZoneInfo, renamed: tuple[tuple[str, str], ...], alone: str) -> Parsed:
    """``parse``, remembered: a config is checked, put in order and bound, each with the same rules."""
    found = tokens(text)
    check_spellings(found)
    check_words(found, has_measures=alone in ("", IN_A_MEASURE))
    check_repeats(found)
    plain = _tree(widened(rewrite(found, meanings(at, zone, {}, alone=alone))))
    check_allowed(plain, found[-1])
    root = without_additions(plain)
    in_use = {name: column for name, column in renamed if name in root.columns}
    if not in_use:
        return Parsed(text, plain.expr, root)
    other = _tree(widened(rewrite(found, meanings(at, zone, in_use, alone=alone))))
    _check_same(plain, other, in_use)
    return Parsed(text, other.expr, root)


def _tree(found: Sequence[Token]) -> Node:
    _check_complete(found)
    try:
        return tree(pl.sql_expr(written(found)))
    except pl.exceptions.PolarsError as error:
        message = str(error)
        raise SqlError(arrow(found) if "path-extract" in message else _message(message)) from error
    except (pl.exceptions.PanicException, RecursionError, TypeError, ValueError) as error:
        if isinstance(error, SqlError):
            raise
        raise SqlError("Polars cannot read this expression; check the arguments of its functions") from error


def _check_same(plain: Node, other: Node, renamed: Mapping[str, str]) -> None:
    """``SqlError`` if other words were renamed too: a measure may have the name of a type, a unit or a function."""
    for before, after in zip(plain.walk(), other.walk(), strict=False):
        expected = renamed.get(before.detail, before.detail) if before.kind == "Column" else before.detail
        if (before.kind, expected) != (after.kind, after.detail):
            raise SqlError(f"one of {', '.join(sorted(renamed))} is also a word of SQL; write the name with quotes")


def _without(names: frozenset[str], prefix: str) -> frozenset[str]:
    return frozenset(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def _message(message: str) -> str:
    """Polars' message about a text that it cannot parse, without internals, with references as the user wrote them."""
    first = message.strip().splitlines()[0].removeprefix("sql parser error: ")
    for pattern, words in _MESSAGES:
        if match := re.search(pattern, first):
            return _as_written(words.format(*(_SPACED.sub(" ", group) for group in match.groups())))
    return _as_written(_INSIDES.split(first)[0])


_MESSAGES = (
    (r"unexpected token '(.*)'\)", "unexpected {0}; expected an operator before it, such as AND, or the end"),
    (
        r"expected an expression \(found '(\w+)' clause\)",
        '{0} is a keyword of SQL; a column of that name needs quotes: "{0}"',
    ),
    (r"unsupported function '(\w+)'", '{0} is a keyword of SQL; a column of that name needs quotes: "{0}"'),
    (r"no function matches the given name and arguments: `(.*)`", "{0} does not fit what the function takes"),
    (r"^expression (\w+)[ ({].* is not currently supported", "{0} is not supported in a rule"),
    (r"unable to parse", "this is no SQL expression; check its operators, and the spelling and order of its words"),
    (r"^operator (\w+) is not", "the operator {0} is not supported"),
    (
        r"interval string|invalid interval|INTERVAL syntax",
        "the interval cannot be read; one is written with its length and unit in quotes: INTERVAL '30 days'",
    ),
    (r"pattern must be a string literal; found (.*)$", "the pattern {0} is not text; LIKE needs one in quotes: 'A%'"),
    (r"array element .* is not supported", "an array holds literals only"),
    (
        r"field access",
        "access to a field of this part is not supported; expected a column, as in person.name or tags[1]",
    ),
)


def _as_written(message: str) -> str:
    message = re.sub(r'col\("(.*?)"\)', r"\1", message)
    return _INTERNAL.sub(
        lambda match: f"{'audience' if match[1] == 'audience' else 'identity_map'}.{match[2]}", message
    )


def _check_complete(found: Sequence[Token]) -> None:
    """``SqlError`` if two adjacent tokens show that an operand is missing; Polars says only that it cannot parse."""
    for before, after in pairwise((END, *found, END)):
        opens = before is END or before.is_symbol("(", ",")
        if _joins(after) and (opens or _joins(before)) and not after.is_word("NOT", "IN", "LIKE", "BETWEEN", "IS"):
            raise SqlError(f"something is missing before {after.value!r}")
        if (before.is_symbol("-", "+") or _joins(before)) and (after is END or after.is_symbol(")", ",")):
            raise SqlError(f"something is missing after {before.value!r}")
    if sum(token.is_word("CASE") for token in found) > sum(token.is_word("END") for token in found):
        raise SqlError("a CASE is never closed; expected END")


def _joins(token: Token) -> bool:
    return (token.kind == "symbol" and token is not END and token.value not in _NO_OPERATORS) or token.is_word(
        *_JOINING_WORDS
    )
