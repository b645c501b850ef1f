"""The machine's clock: read here and nowhere else (E1)."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant in UTC, cut to whole seconds: the default of ``--at``, and the times of the record."""
    return datetime.now(UTC).replace(microsecond=0)
