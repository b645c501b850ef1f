"""The bound on how often Polars' parser reads a piece of a rule again (E2).

The parser reads the operand before ``IN (a, b)`` once for each element, unless all are literals, and the arguments of
LPAD and RPAD twice; nested in each other, such operations take hours. ``sql.tree`` bounds the operands that the parser
repeats in its result without reading them again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from muster.activation.sql.tokens import END, SqlError, Token

MAX_REPEATS = 5_000
REPEATED = (
    "the expression nests too deep: BETWEEN, IN, CASE x WHEN, NULLIF, SPLIT_PART and the like repeat their operands, "
    "and operands inside operands multiply; split it into several audiences"
)
_NEW_OPERAND = ("OR", "WHEN", "THEN", "ELSE")
_PADS = ("LPAD", "RPAD")


@dataclass
class _Part:
    """The tokens between two brackets, or between CASE and END, counted from left to right."""

    before: Token  # the word before the bracket
    repeats: int = 1  # of the operand that the next operator can apply to
    most: int = 1  # repeats of all operands so far, at most
    betweens: int = 0  # BETWEENs whose AND has not come
    elements: int = 1
    has_words: bool = False  # tokens other than literals
    is_case: bool = False

    def take(self, repeats: int) -> None:
        self.repeats = max(self.repeats, repeats)
        self.most = max(self.most, self.repeats)

    def start_operand(self) -> None:
        self.repeats = 1


def check_repeats(found: Sequence[Token]) -> None:
    """``SqlError`` if the parser would read a piece of the rule more than ``MAX_REPEATS`` times."""
    parts = [_Part(END)]
    for before, token in zip((END, *found), found, strict=False):
        part = parts[-1]
        if token.is_symbol("(", "[") or token.is_word("CASE"):
            part.has_words = True
            parts.append(_Part(before, is_case=token.is_word("CASE")))
        elif token.is_symbol(")", "]") or (token.is_word("END") and part.is_case):
            _close(parts, token)
        else:
            _read(part, token)
        if parts[-1].most > MAX_REPEATS:
            raise SqlError(REPEATED)


def _read(part: _Part, token: Token) -> None:
    if token.is_symbol(","):
        part.elements += 1
    elif not token.is_symbol("-", "+"):
        part.has_words |= token.kind not in ("text", "number") and not token.is_word("NULL", "TRUE", "FALSE")
    if token.is_word("BETWEEN"):
        part.betweens += 1
    elif token.is_word("AND") and part.betweens:
        part.betweens -= 1
    elif token.is_symbol(",") or token.is_word("AND", *_NEW_OPERAND):
        part.start_operand()


def _close(parts: list[_Part], token: Token) -> None:
    """Count the tokens between brackets as an operand of the tokens around the brackets."""
    for part in _closed(parts, token):
        around = parts[-1]
        if part.before.is_word("IN") and part.has_words:
            around.take(around.repeats * part.elements)
        around.take(part.most * (2 if part.before.is_word(*_PADS) else 1))


def _closed(parts: list[_Part], token: Token) -> Iterable[_Part]:
    """The parts that a token closes: the innermost, and inside brackets each CASE without END, which Polars refuses."""
    while len(parts) > 1:
        part = parts.pop()
        yield part
        if not part.is_case or token.is_word("END"):
            return
