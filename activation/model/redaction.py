"""Keep the values of environment variables out of messages, logs and state (SPEC 2).

A message seldom holds a value as it is: text is quoted as Python, JSON, SQL, a shell or a url does, white space is
folded into single spaces, and long text is cut off. So a value is looked for in each of its spellings:

    hard characters   letters, digits, most punctuation: as they are, percent-encoded, or after backslashes
    soft characters   white space, quotes, backslashes, what cannot be printed: whatever becomes of them

Not only whole values are secrets: so are lines, long words and ends of a value, the password and the query of a url.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby, takewhile
from urllib.parse import unquote, urlsplit

SHORTEST = 6  # characters; shorter values are no secrets, and replacing them would garble numbers and words
_LONGEST = 20_000  # characters of a value that is looked for in other spellings, too

_LONG_WORD = 16  # characters of a word that is no word of a language, nor the name of a column
_LONGEST_ENDS = 500  # characters of a value of which ends are looked for

_WORD = re.compile(r"[^\s\\'\"`]+")
_SOFT = re.compile(r"[\s\\'\"`]")
# What quoting, encoding and folding make of soft characters.
_SOFT_SPELLINGS = (
    r"\\(?:[abefnrtv0]|x[0-9a-f]{2}|U[0-9a-f]{8}|u[0-9a-f]{4})",
    r"%(?:25)*[0-9a-f]{2}",
    r"&(?:quot|apos|#\d+|#x[0-9a-f]+);",
    r"[\s\\'\"`+?\ufffd\x00-\x1f\x7f-\x9f]",
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CUTS = ("...", "\u2026")  # the end of text that is cut off


class RecordingEnviron(Mapping[str, str]):
    """An environment that records which variables were read: ``used`` with their values, ``absent`` by name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.used: dict[str, str] = {}
        self.absent: set[str] = set()

    def __getitem__(self, name: str) -> str:
        try:
            value = self._environ[name]
        except KeyError:
            self.absent.add(name)
            raise
        self.used[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    def __contains__(self, name: object) -> bool:
        found = name in self._environ
        if not found:
            self.absent.add(str(name))
        return found


def redact(text: str, variables: Mapping[str, str]) -> str:
    """The text with ``${NAME}`` in the place of each variable's value, in any spelling; longest values first."""
    if not text:
        return text
    for name, value in sorted(variables.items(), key=lambda item: len(item[1]), reverse=True):
        if len(value) >= SHORTEST:
            text = _without(text, value, f"${{{name}}}")
    return text


def redact_error(error: BaseException, variables: Mapping[str, str]) -> None:
    """Redact the variables' values in the arguments and the notes of an error, in place."""
    error.args = tuple(redact(each, variables) if isinstance(each, str) else each for each in error.args)
    notes: list[str] = getattr(error, "__notes__", [])
    notes[:] = [redact(note, variables) for note in notes]


def _without(text: str, value: str, shown: str) -> str:
    for spelling in _spellings(value) if len(value) <= _LONGEST else ():
        if spelling.sign in text.casefold():
            text = spelling.whole.sub(lambda _: shown, text)
            text = spelling.without_beginnings(text, shown)
    return text.replace(value, shown) if value.strip() else text  # white space alone is in every text


@dataclass(frozen=True)
class _Token:
    """The spellings of one hard character, or those of one soft character of a run."""

    spellings: tuple[str, ...]  # patterns
    repeated: str = ""  # of a run, as patterns say it: ``*`` or ``+``

    @property
    def pattern(self) -> str:
        """The pattern of the token."""
        return self.spellings[0] if self.is_plain else f"(?:{'|'.join(self.spellings)}){self.repeated}"

    @property
    def is_plain(self) -> bool:
        """Whether this is a character that every spelling leaves as it is, but for its case."""
        return _is_plain(self.spellings[0])

    def ends(self, text: str, start: int) -> set[int]:
        """Every position at which the token can end that starts at ``start``: one spelling may look like another."""
        if not self.repeated:
            return self._once(text, start)
        found, waiting = set[int](), {start}
        while waiting:
            waiting = {end for position in waiting for end in self._once(text, position)} - found
            found |= waiting
        return found | ({start} if self.repeated == "*" else set())

    def _once(self, text: str, start: int) -> set[int]:
        matches = (_compiled(each).match(text, start) for each in self.spellings)
        return {match.end() for match in matches if match}


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


@dataclass(frozen=True)
class _Spelling:
    """How a secret can be spelled: a token for each hard character and for each run of soft ones; the first is hard."""

    tokens: tuple[_Token, ...]
    sign: str  # letters and digits, in lower case, that every text with the secret or its beginning has
    looks_for_beginnings: bool

    @cached_property
    def whole(self) -> re.Pattern[str]:
        """The spellings of the whole secret."""
        return re.compile("".join(token.pattern for token in self.tokens), re.IGNORECASE)

    @cached_property
    def first(self) -> re.Pattern[str]:
        """The spellings of the hard characters with which the secret begins, at most ``SHORTEST``."""
        hard = takewhile(lambda token: not token.repeated, self.tokens[:SHORTEST])
        return re.compile("".join(token.pattern for token in hard), re.IGNORECASE)

    def without_beginnings(self, text: str, shown: str) -> str:
        """The text without beginnings of the secret at which it is cut off."""
        if not self.looks_for_beginnings or not any(mark in text for mark in _CUTS):
            return text
        kept, position = [], 0
        for match in self.first.finditer(text):
            cut = max((end for end in self._ends(text, match.start()) if text.startswith(_CUTS, end)), default=None)
            if cut is not None and match.start() >= position:
                kept += [text[position : match.start()], shown]
                position = cut
        return "".join((*kept, text[position:]))

    def _ends(self, text: str, start: int) -> Iterator[int]:
        """Where the text can stop to be the secret that starts at ``start``: after each token behind the first few."""
        here = {start}
        for number, token in enumerate(self.tokens, start=1):
            here = {end for position in here for end in token.ends(text, position)}
            if not here:
                return
            if number >= SHORTEST:
                yield from here


@lru_cache(maxsize=256)
def _spellings(value: str) -> tuple[_Spelling, ...]:
    """The spellings of a value and of the secrets in it, the longest first.

    Of a secret with ``%`` the percent-encoded one comes first: else its ``%`` could be that of an encoded quote.
    """
    found = (
        _spelling(secret, encoded=encoded)
        for secret in sorted(set(_secrets(value)), key=lambda each: (-len(each), each))
        for encoded in ((True, False) if "%" in secret else (False,))
    )
    return tuple(filter(None, found))


def _secrets(value: str) -> Iterator[str]:
    """The value without white space around it, its lines, long words and ends, the password and the query of a url.

    A mistake in an expression is told with the rest of the expression, from a word or a quote on.
    """
    for line in (value, *value.splitlines()):
        yield line.strip()
    words = list(_WORD.finditer(value))
    yield from (word[0] for word in words if len(word[0]) >= _LONG_WORD)
    if len(value) <= _LONGEST_ENDS:
        yield from (value[word.start() :].strip() for word in words[:-1])
    try:
        url = urlsplit(value.strip())
        parts = (url.password, url.query) if url.scheme and url.netloc else ()
    except ValueError:
        return
    for part in parts:
        if part:
            yield part
            yield unquote(part)


def _spelling(secret: str, *, encoded: bool) -> _Spelling | None:
    """The spellings of a secret; None when it has too few characters that spellings keep.

    ``encoded``: those alone in which each ``%`` is percent-encoded.
    """
    runs = [(soft, "".join(characters)) for soft, characters in groupby(secret, _is_soft)]
    runs = runs[1:] if runs and runs[0][0] else runs  # a quote in front may stay, and costs much to look for;
    runs = runs[:-1] if runs and runs[-1][0] else runs  # one behind is not told from what the message goes on with
    hard = sum(len(run) for soft, run in runs if not soft)
    if len(secret) < SHORTEST or not hard:
        return None
    # Folding may leave nothing of white space; few letters with nothing between them would be found in any word.
    some = "*" if hard >= SHORTEST else "+"
    tokens: list[_Token] = []
    for soft, run in runs:
        tokens += [_Token(_soft(run), some)] if soft else (_hard(each, encoded=encoded) for each in run)
    alike = "".join(each.spellings[0] if each.is_plain else " " for each in tokens[:SHORTEST])
    return _Spelling(tuple(tokens), max(alike.split(), key=len, default="").lower(), looks_for_beginnings=not encoded)


def _is_soft(character: str) -> bool:
    return bool(_SOFT.match(character)) or not character.isprintable()


def _is_plain(spelling: str) -> bool:
    return len(spelling) == 1 and spelling.isascii() and spelling.isalnum()


def _soft(run: str) -> tuple[str, ...]:
    """Patterns of the spellings of a soft character."""
    return (*_SOFT_SPELLINGS, *(re.escape(each) for each in sorted(set(run)) if not _SOFT.match(each)))


def _hard(character: str, *, encoded: bool) -> _Token:
    """The spellings of a character that is not soft; ``encoded``: of a percent sign the percent-encoded ones alone."""
    if _is_plain(character):
        return _Token((character,))
    if encoded and character == "%":
        return _Token(("%(?:25)+",))
    in_utf8 = character.encode("utf-8", "surrogatepass")
    spellings = ["".join(f"%(?:25)*{byte:02x}" for byte in in_utf8)]
    if character in _ENTITIES:
        spellings.append(_ENTITIES[character])
    if not character.isascii():
        units = character.encode("utf-16-be", "surrogatepass").hex()
        spellings += [
            r"\\+" + r"\\+".join(f"u{units[at : at + 4]}" for at in range(0, len(units), 4)),
            rf"\\+U{ord(character):08x}",
            r"\\+" + r"\\+".join(f"x{byte:02x}" for byte in in_utf8),
        ]
        spellings += [rf"\\+x{ord(character):02x}"] if ord(character) < 256 else []
    return _Token((*spellings, rf"\\*{re.escape(character)}"))  # as it is comes last: the others may begin with it
