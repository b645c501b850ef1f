"""Numbers and nouns in messages: ``1 profile``, ``1,234 profiles``."""


def counted(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun, ``nouns`` (by default with an s) unless the number is 1: ``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"
