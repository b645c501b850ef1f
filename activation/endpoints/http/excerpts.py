"""The part of an answer that is shown, without anything that the request carried (V12).

Receivers quote what they got: whole bodies, one value, a token, the beginning of one, in whatever spelling. So the
answer is brought back to plain text (of escapes of JSON, urls and HTML), and a word of it is masked if it
- is a word of a value in the request: in any case, with or without accents
- begins or ends one, or holds one of four characters or more
- is, decoded from Base64 or hexadecimal digits, text with such a word
- shares four digits in a row with the request, or is long and looks like a key.
Names of JSON fields stay: they come from the config.
"""

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

LONGEST = 300  # characters
_READ = 4_000  # bytes of an answer that are looked at
MASK = "***"
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d{4,}")
_TOKEN = re.compile(r"[A-Za-z0-9+/_\-]{6,}={0,2}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_SHORT_ESCAPES = {r"\/": "/", r"\"": '"', r"\n": " ", r"\t": " ", r"\r": " ", r"\\": "\\"}
_ROUNDS = 4  # of escapes within escapes
_PART, _HELD = 3, 4  # characters of a part of a carried word; of a carried word within another
_KEY = 20  # characters of a word that looks like a key
_LONGEST_WORD = 200  # characters of a word that is compared; longer ones are masked


def excerpt(answer: bytes, body: bytes, texts: Iterable[str]) -> str:
    """The beginning of an answer, at most 300 characters on one line, without what ``body`` and ``texts`` hold."""
    plain = _plain(answer[:_READ].decode(errors="replace"))
    if not plain:
        return ""
    carried = _Carried(_words_of(body, texts))
    shown = _WORD.sub(lambda word: MASK if carried.has(word[0]) else word[0], _without_encoded(plain, carried))
    shown = re.sub(rf"{re.escape(MASK)}(?:[^\w\s]?{re.escape(MASK)})+", MASK, shown)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _plain(text: str) -> str:
    """The text without escapes, control characters and more than one space."""
    for _ in range(_ROUNDS):
        before = text
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
        for escaped, meant in _SHORT_ESCAPES.items():
            text = text.replace(escaped, meant)
        text = unquote(html.unescape(text), errors="replace")
        if text == before:
            break
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of escapes are one character
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _without_encoded(text: str, carried: "_Carried") -> str:
    """The text without runs of Base64 or hexadecimal digits that stand for something that the request carried."""
    return _TOKEN.sub(lambda run: MASK if any(carried.in_text(each) for each in _decoded(run[0])) else run[0], text)


def _decoded(run: str) -> Iterator[str]:
    """What a run of characters stands for as Base64, in both alphabets, and as hexadecimal digits."""
    padded = run.rstrip("=") + "=" * (-len(run.rstrip("=")) % 4)
    for decode in (base64.b64decode, base64.urlsafe_b64decode, bytes.fromhex):
        try:
            found = decode(run if decode is bytes.fromhex else padded).decode()
        except (ValueError, binascii.Error):
            continue
        if found.isprintable():
            yield found


class _Carried:
    """The words of a request, folded, and the questions whether a word of an answer gives one of them away."""

    def __init__(self, words: set[str]) -> None:
        self._words = words
        self._all = "\n".join(("", *words, ""))
        self._digits = {part for word in words for part in _digits(word)}

    def in_text(self, text: str) -> bool:
        """Whether any word of a text is one."""
        return any(self.has(word) for word in _WORD.findall(text))

    def has(self, word: str) -> bool:
        """Whether a word of an answer is, begins, ends or holds one of the request, or looks like a key."""
        found = _folded(word)
        if {found, found.lstrip("0")} & self._words or len(found) > _LONGEST_WORD or _is_key(word):
            return True
        if len(found) >= _PART and (f"\n{found}" in self._all or f"{found}\n" in self._all):
            return True
        parts = (found[at : at + size] for size in range(_HELD, len(found)) for at in range(len(found) - size + 1))
        return any(part in self._words for part in parts) or any(part in self._digits for part in _digits(found))


def _digits(word: str) -> Iterator[str]:
    """Each four digits in a row that a word has."""
    return (run[at : at + _HELD] for run in _DIGITS.findall(word) for at in range(len(run) - _HELD + 1))


def _is_key(word: str) -> bool:
    return len(word) >= _KEY and any(each.isdigit() for each in word) and any(each.isalpha() for each in word)


def _folded(word: str) -> str:
    """A word without case and accents."""
    split = unicodedata.normalize("NFKD", word.casefold())
    return "".join(each for each in split if not unicodedata.combining(each))


def _words_of(body: bytes, texts: Iterable[str]) -> set[str]:
    """The words of all values in a request, folded: each by itself, and those of one value without what parts them."""
    found = set[str]()
    for value in (*_values(body), *texts):
        for text in {value, unquote_plus(value)}:
            words = [_folded(word) for word in _WORD.findall(text)]
            found.update(words)
            if 1 < len(words) <= 20:
                found.add("".join(words))
    return found


def _values(body: bytes) -> Iterator[str]:
    """The texts and numbers in a body of JSON, as they are written; of another body all of it."""
    try:
        waiting: list[Any] = [json.loads(body, parse_float=str, parse_int=str)]
    except (ValueError, RecursionError):
        yield body.decode(errors="replace")
        return
    while waiting:
        here = waiting.pop()
        if isinstance(here, str):
            yield here
        elif isinstance(here, Mapping | list):
            waiting += here.values() if isinstance(here, Mapping) else here
