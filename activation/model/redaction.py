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
from itertools import groupby, zip_longest
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
class _Spelling:
    """How a secret can be spelled: patterns, one for each hard character and for each run of soft ones."""

    tokens: tuple[str, ...]
    sign: str  # letters and digits, in lower case, that every text with the secret or its beginning has

    @cached_property
    def whole(self) -> re.Pattern[str]:
        """The spellings of the whole secret."""
        return re.compile("".join(self.tokens), re.IGNORECASE)

    @cached_property
    def beginning(self) -> re.Pattern[str]:
        """The spellings of the first characters."""
        return re.compile("".join(self.tokens[:SHORTEST]), re.IGNORECASE)

    def without_beginnings(self, text: str, shown: str) -> str:
        """The text without beginnings of the secret at which it is cut off."""
        if not any(mark in text for mark in _CUTS):
            return text
        kept, position = [], 0
        for match in self.beginning.finditer(text):
            cut = max((end for end in self._ends(text, match.end()) if text.startswith(_CUTS, end)), default=None)
            if cut is not None and match.start() >= position:
                kept += [text[position : match.start()], shown]
                position = cut
        return "".join((*kept, text[position:]))

    def _ends(self, text: str, end: int) -> Iterator[int]:
        """Where the text stops to be the secret, after each token behind the beginning that ends at ``end``."""
        yield end
        for token, following in zip_longest(self.tokens[SHORTEST:], self.tokens[SHORTEST + 1 :], fillvalue=""):
            # No more soft characters than there are before the next hard one, which may look like one.
            soft = f"{token}?(?={following})|" if token.endswith(("*", "+")) else ""
            more = re.compile(soft + token, re.IGNORECASE).match(text, end)
            if not more:
                return
            end = more.end()
            yield end


@lru_cache(maxsize=256)
def _spellings(value: str) -> tuple[_Spelling, ...]:
    """The spellings of a value and of the secrets in it, the longest first."""
    found = (_spelling(secret) for secret in sorted(set(_secrets(value)), key=lambda each: (-len(each), each)))
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


def _spelling(secret: str) -> _Spelling | None:
    """The spellings of a secret; None when it has too few characters that spellings keep."""
    runs = [(soft, "".join(characters)) for soft, characters in groupby(secret, _is_soft)]
    runs = runs[1:] if runs and runs[0][0] else runs  # a quote in front may stay, and costs much to look for;
    runs = runs[:-1] if runs and runs[-1][0] else runs  # one behind is not told from what the message goes on with
    hard = sum(len(run) for soft, run in runs if not soft)
    if len(secret) < SHORTEST or not hard:
        return None
    # Folding may leave nothing of white space; few letters with nothing between them would be found in any word.
    some = "*" if hard >= SHORTEST else "+"
    tokens: list[str] = []
    for soft, run in runs:
        tokens += [_soft(run) + some] if soft else map(_hard, run)
    alike = "".join(each if _is_plain(each) else " " for each in tokens[:SHORTEST])
    return _Spelling(tuple(tokens), max(alike.split(), key=len, default="").lower())


def _is_soft(character: str) -> bool:
    return bool(_SOFT.match(character)) or not character.isprintable()


def _is_plain(token: str) -> bool:
    """Whether this is a character that every spelling leaves as it is, but for its case."""
    return len(token) == 1 and token.isascii() and token.isalnum()


def _soft(run: str) -> str:
    """A pattern of one spelling of a soft character."""
    own = "".join(f"|{re.escape(each)}" for each in sorted(set(run)) if not _SOFT.match(each))
    return f"(?:{'|'.join(_SOFT_SPELLINGS)}{own})"


def _hard(character: str) -> str:
    """A pattern of the spellings of a character that is not soft."""
    if _is_plain(character):
        return character
    encoded = character.encode("utf-8", "surrogatepass")
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in encoded)
    spellings = [percent]
    if character in _ENTITIES:
        spellings.append(_ENTITIES[character])
    if not character.isascii():
        units = character.encode("utf-16-be", "surrogatepass").hex()
        spellings += [
            r"\\+" + r"\\+".join(f"u{units[at : at + 4]}" for at in range(0, len(units), 4)),
            rf"\\+U{ord(character):08x}",
            r"\\+" + r"\\+".join(f"x{byte:02x}" for byte in encoded),
        ]
        spellings += [rf"\\+x{ord(character):02x}"] if ord(character) < 256 else []
    as_it_is = rf"\\*{re.escape(character)}"  # last: the others may begin with it
    return f"(?:{'|'.join((*spellings, as_it_is))})"
