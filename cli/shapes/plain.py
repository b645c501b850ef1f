"""The plain values of which JSON is made."""

from datetime import datetime
from typing import Any

from muster.runs import iso

Json = dict[str, Any]


def time(moment: datetime | None) -> str | None:
    """An instant as ``2026-11-21T17:00:00Z``; null where there is none."""
    return iso(moment) if moment else None
