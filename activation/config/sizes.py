"""Sizes in bytes as people write them: ``2GiB``, ``500MB``, ``1.5 GiB``, ``1073741824``."""

import re
from decimal import Decimal

LEAST_MEMORY = 256 << 20  # bytes: with less, the libraries alone are over the limit
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([a-z]*)", re.IGNORECASE)
_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}


def parse_memory(text: str) -> int:
    """The memory limit that ``text`` spells, in bytes; ``ValueError`` when it is no size or below ``LEAST_MEMORY``."""
    size = parse_size(text)
    if size < LEAST_MEMORY:
        raise ValueError(f"{text!r} is too little memory; expected at least {LEAST_MEMORY >> 20}MiB")
    return size


def parse_size(text: str) -> int:
    """The size that ``text`` spells, in bytes; ``ValueError`` when it is none."""
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a size; expected one such as 2GiB or 500MB")
    return int(Decimal(match[1]) * unit)
