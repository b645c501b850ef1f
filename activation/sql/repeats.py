"""How often Polars' parser reads a part of a rule again (E2). Pure: tokens in.

What stands before ``IN (a, b)`` is read for each element, unless all are literals, and what pads a text twice; nested
in each other they take longer than anybody waits. ``muster.activation.sql.tree`` bounds what the parser repeats without
reading it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from muster.activation.sql.tokens import END, SqlError, Token

MAX_REPEATS = 5_000
REPEATED = (
    "the expression nests too deep: BETWEEN, IN, CASE x WHEN, NULLIF, SPLIT_PART and the like repeat what "
    "they are given,"
    " and that what it is given; split it into several audiences"
)
_NEW_OPERAND = ("OR", "WHEN", "THEN", "ELSE")
_PADS = ("LPAD", "RPAD")


@dataclass
class _Part:
    """What stands between two brackets, or between CASE and END, as far as it is read."""

    before: Token  # the word before it
    repeats: int = 1  # of what the next operator can apply to
    most: int = 1  # of what was before that
    betweens: int = 0  # that wait for their AND
    elements: int = 1
    has_words: bool = False  # something else than literals
    is_case: bool = False

    def take(self, repeats: int) -> None:
        self.repeats = max(self.repeats, repeats)
        self.most = max(self.most, self.repeats)

    def start_operand(self) -> None:
        self.repeats = 1


def check_repeats(found: Sequence[Token]) -> None:
    """``SqlError`` when the parser would read a part of the rule too often; the bound is generous to everyday rules."""
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
    """Take what was read between brackets as a part of what is around them."""
    for part in _closed(parts, token):
        around = parts[-1]
        if part.before.is_word("IN") and part.has_words:
            around.take(around.repeats * part.elements)
        around.take(part.most * (2 if part.before.is_word(*_PADS) else 1))


def _closed(parts: list[_Part], token: Token) -> Iterable[_Part]:
    """The innermost part; and with a bracket also a CASE without END, which Polars refuses."""
    while len(parts) > 1:
        part = parts.pop()
        yield part
        if not part.is_case or token.is_word("END"):
            return
