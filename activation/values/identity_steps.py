"""The steps by which identities are cleaned: those transforms of a mapping that make one id of another (P2, M1)."""

from collections.abc import Sequence

from muster.activation.errors import did_you_mean
from muster.activation.values import transforms
from muster.activation.values.hashes import HASHES

STEPS = (
    "trim",
    "lower",
    "upper",
    "nfc",
    "digits",
    "strip_punctuation",
    "strip_spaces",
    "gmail",
    "e164",
    *HASHES,
    "hash_unless_hashed",
)


def read(text: str) -> str:
    """A step such as ``lower`` or ``e164(US)`` in its canonical spelling; ``ValueError`` names the mistake."""
    name = text.partition("(")[0].strip()
    if name not in STEPS:
        known = f"; expected some of {', '.join(STEPS[:9])} and hashes"
        raise ValueError(f"{text!r} is not a step that cleans identities{did_you_mean(name, STEPS) or known}")
    step = transforms.read(text).written
    if transforms.columns_read([step]):
        raise ValueError(
            f"{text!r} reads a column, and an identity has none beside it; write a region, such as e164(US)"
        )
    return step


def mistake_in(steps: Sequence[str]) -> str | None:
    """What is wrong with the order of steps; else None."""
    return transforms.mistake_in(steps)
