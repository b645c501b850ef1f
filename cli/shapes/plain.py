"""The plain values of which JSON is made."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from muster.runs import iso

if TYPE_CHECKING:
    from muster.runs import AnyActivation

Json = dict[str, Any]


def time(moment: datetime | None) -> str | None:
    """An instant as ``2026-11-21T17:00:00Z``; null where there is none."""
    return iso(moment) if moment else None


def audiences_of(activation: "AnyActivation") -> Json:
    """The audience of an activation that exports files, or the audiences of one that sends messages; else null.

    These are the keys of its runs, too (V11).
    """
    names, is_one = activation.audience_ids, activation.exports_files
    return {"audience": names[0] if is_one else None, "audiences": None if is_one else list(names)}
