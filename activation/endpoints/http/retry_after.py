"""The header Retry-After of an answer, in seconds (V10)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait; None without the header, or where it says nothing.

    A date is read as the time since the answer's own Date: the clocks of two machines differ.
    """
    said = (headers.get("Retry-After") or "").strip()
    try:
        seconds = float(said) if said.replace(".", "", 1).isdecimal() else _until(said, headers.get("Date") or "")
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return max(seconds, 0.0)


def _until(date: str, now: str) -> float:
    return (_instant(date) - _instant(now)).total_seconds()


def _instant(date: str) -> datetime:
    found = parsedate_to_datetime(date)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
