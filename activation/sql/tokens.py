"""The lexer of a rule's SQL: words, strings, quoted names, numbers and symbols (E2).

The lexer accepts a plain subset of SQL and refuses spellings that two lexers could read differently (string prefixes,
dollar quotes, braces), so that Polars parses exactly the tokens that were checked. Comments are dropped: Polars gets
text that is written from the tokens.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Literal

MAX_CHARACTERS = 100_000
# Tokens without literals and commas: a long IN list is fine, a long chain of operators would exhaust Polars' stack.
MAX_TOKENS = 3_000
MAX_DIGITS = 100
MAX_NESTING = 40  # brackets in brackets; the parser of Polars stops at 50 without a message

Kind = Literal["word", "name", "text", "number", "symbol"]

_SPACE = re.compile(r"\s+|--[^\n]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<symbol><=>|->>|!~~\*|!~~|!~\*|~~\*|!~|~\*|~~|::|\|\||<>|!=|<=|>=|==|->|//|\^@|[-+*/%=<>(),.\[\]&|~])""",
    re.VERBOSE,
)
_PREFIXES = frozenset({"B", "BR", "E", "N", "NQ", "Q", "R", "RB", "U", "X"})
_STRAIGHT = "text is written in straight single quotes: 'gold'"
_HINTS = {
    **dict.fromkeys("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb", _STRAIGHT),  # quotes of printed text
    ":": "a field is written with a dot, as in person.name; a cast with two colons",
    "@": "a list is searched with 'x' = ANY(tags)",
    "#": "a field is written with a dot, as in person.name",
}
_OPENING = {"(": ")", "[": "]"}


class SqlError(ValueError):
    """A rule's text is not SQL, or not allowed; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of SQL, ``value`` without quotes; ``start`` and ``end`` are positions in the text, -1 if rewritten."""

    kind: Kind
    value: str
    start: int = -1
    end: int = -1

    def is_word(self, *words: str) -> bool:
        """Whether the token is one of the unquoted words, in any case."""
        return self.kind == "word" and self.value.upper() in words

    def is_symbol(self, *symbols: str) -> bool:
        """Whether the token is one of the symbols."""
        return self.kind == "symbol" and self.value in symbols

    @property
    def is_identifier(self) -> bool:
        """Whether the token may name a column or a field."""
        return self.kind in ("word", "name")

    def __str__(self) -> str:
        if self.kind == "text":
            return "'" + self.value.replace("'", "''") + "'"
        if self.kind == "name" or (self.kind == "word" and not self.value.isascii()):
            return '"' + self.value.replace('"', '""') + '"'
        return self.value


END = Token("symbol", "")


def word(value: str) -> Token:
    """A keyword, for rewriting."""
    return Token("word", value)


def name(value: str) -> Token:
    """A quoted identifier, for rewriting."""
    return Token("name", value)


def text(value: str) -> Token:
    """A string literal, for rewriting."""
    return Token("text", value)


def tokens(sql: str) -> tuple[Token, ...]:
    """The tokens of ``sql`` without spaces and comments; ``SqlError`` for unpaired brackets or text past the limits."""
    if len(sql) > MAX_CHARACTERS:
        raise SqlError(f"the expression has {len(sql)} characters; at most {MAX_CHARACTERS} are allowed")
    found = tuple(_scan(sql))
    if not found:
        raise SqlError("the expression is empty; expected a condition such as country = 'US', or true for everyone")
    if sum(starmap(_nests, pairwise((END, *found)))) > MAX_TOKENS:
        raise SqlError(
            f"the expression has more than {MAX_TOKENS} words; use IN (...) for a list of values, or split it "
            f"into audiences"
        )
    _check_brackets(found)
    return found


def written(parts: Iterable[Token]) -> str:
    """The tokens as SQL text, in the only spelling that Polars parses."""
    return " ".join(str(token) for token in parts)


def _scan(sql: str) -> Iterator[Token]:
    position = _skip(sql, 0)
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            raise SqlError(_unexpected(sql, position))
        yield _token(sql, match)
        position = _skip(sql, match.end())


def _skip(sql: str, position: int) -> int:
    while position < len(sql):
        if sql.startswith("/*", position):
            position = _comment_end(sql, position)
        elif match := _SPACE.match(sql, position):
            position = match.end()
        else:
            break
    return position


def _comment_end(sql: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise SqlError(f"the comment that starts with {_excerpt(sql, start)} is never closed")


def _token(sql: str, match: re.Match[str]) -> Token:
    kind, raw, end = match.lastgroup, match[0], match.end()
    following = sql[end : end + 1]
    if kind == "word":
        if following == "'" and raw.upper() in _PREFIXES:
            raise SqlError(f"{_excerpt(sql, match.start())}: strings have no prefix here; write '...'")
        return Token("word", raw, match.start(), end)
    if kind == "number":
        if following.isalnum() or following == "_":
            is_span = raw.isdigit() and following in "smhdwy"
            span = f"; a span of time is written INTERVAL '{raw} days'" if is_span else ""
            raise SqlError(
                f"{_excerpt(sql, match.start())} is not a number; a name that starts with a digit is quoted: "
                f'"..."{span}'
            )
        if len(raw) > MAX_DIGITS:
            raise SqlError(
                f"the number that starts with {_excerpt(sql, match.start())} has {len(raw)} characters; at "
                f"most {MAX_DIGITS} are allowed"
            )
        return Token("number", raw, match.start(), end)
    if kind == "symbol":
        return Token("symbol", raw, match.start(), end)
    quote = raw[0]
    value = raw[1:-1].replace(quote * 2, quote)
    if kind == "text":
        return Token("text", value, match.start(), end)
    return Token("name", _checked_name(value), match.start(), end)


def _checked_name(value: str) -> str:
    if not value:
        raise SqlError('"" is no name')
    if value == "*" or (value.startswith("^") and value.endswith("$")):
        raise SqlError(f'"{value}" stands for several columns; name one')
    return value


def _unexpected(sql: str, position: int) -> str:
    character = sql[position]
    if character in "'\"`":
        what = "text" if character == "'" else "name"
        return f"the {what} that starts with {_excerpt(sql, position)} is never closed"
    if character == ";":
        return "';' is not allowed: a rule is one expression"
    if character in _HINTS:
        return f"unexpected {character!r} at {_excerpt(sql, position)}; {_HINTS[character]}"
    return f"unexpected {character!r} at {_excerpt(sql, position)}"


def _excerpt(sql: str, position: int) -> str:
    rest = sql[position : position + 20].split("\n", maxsplit=1)[0]
    return rest + ("..." if len(sql) > position + 20 else "")


def _nests(before: Token, token: Token) -> bool:
    if token.kind in ("text", "number") or token.is_symbol(","):
        return False
    return not (token.is_symbol("-", "+") and before.is_symbol(",", "("))  # the sign of a number in a list


def _check_brackets(found: Iterable[Token]) -> None:
    expected: list[str] = []
    for token in found:
        if token.is_symbol("(", "["):
            expected.append(_OPENING[token.value])
            if len(expected) > MAX_NESTING:
                raise SqlError(f"brackets are nested more than {MAX_NESTING} deep")
        elif token.is_symbol(")", "]") and (not expected or expected.pop() != token.value):
            raise SqlError(f"{token.value!r} has no opening bracket")
    if expected:
        raise SqlError(f"a bracket is never closed; expected {expected[-1]!r}")
