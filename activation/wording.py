"""Numbers, nouns and lists of names in messages: ``1 profile``, ``1,234 profiles``, ``a, b and c``."""

import unicodedata
from collections.abc import Iterable, Sequence


def counted(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun, ``nouns`` (by default with an s) unless the number is 1: ``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def listed(words: Iterable[str]) -> str:
    """The words as a list in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    *others, final = words
    return f"{', '.join(others)} and {final}" if others else final


def first_names(names: Sequence[str], most: int) -> str:
    """Names with commas alone, ``a, b``; of more than ``most`` the first, and how many more: ``a, b and 2 more``."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def several(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence: ``a``, ``a and b``; of very many the first, and how many more: ``a, b, c and 2 more``."""
    shown = [*names[:most], f"{len(names) - most:,} more"] if len(names) > most else list(names)
    return listed(shown)


def named(character: str) -> str:
    """A character as Unicode names it: ``U+20AC (EURO SIGN)``."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")
