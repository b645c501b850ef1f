"""Genders as one letter, the way receivers of files ask for them (docs/columns.md, docs/presets.md).

The words are English and few. What they do not tell is null, and counts as a lost value.
"""

from collections.abc import Mapping

import polars as pl

_WORDS: Mapping[str, tuple[str, ...]] = {
    "f": ("f", "female", "woman"),
    "m": ("m", "male", "man"),
    "o": ("o", "other", "diverse", "nonbinary", "non binary", "x"),
    "n": ("n", "not applicable", "n/a"),
    "p": ("p", "prefer not to say", "undisclosed"),
}


def letters(argument: str) -> dict[str, str]:
    """The letters of ``f m`` or ``f m o=n``: of each gender, as ``_WORDS`` has it, what is written.

    ``ValueError`` for a letter that is no gender, and for one that is there twice.
    """
    found: dict[str, str] = {}
    for part in argument.split():
        gender, _, written = part.partition("=")
        known = gender.lower()
        if known not in _WORDS or (not written and "=" in part):
            raise ValueError(f"{part!r} is not a gender; expected some of f, m, o, n and p, or o=x to write o as x")
        if known in found:
            raise ValueError(f"{gender!r} is there twice")
        found[known] = written or gender
    if not found:
        raise ValueError("is empty; expected some of f, m, o, n and p")
    return found


def gender(texts: pl.Expr, argument: str) -> pl.Expr:
    """Each text (String) as the letter of its gender; null for a word that is not known, or a gender without letter."""
    written = {word: letter for known, letter in letters(argument).items() for word in _WORDS[known]}
    plain = texts.str.strip_chars().str.to_lowercase().str.replace_all(r"[\s_-]+", " ")
    return plain.replace_strict(written, default=None, return_dtype=pl.String())
