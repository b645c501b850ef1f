"""Which start of the machine this is: what a killed command wrote is lost only when the machine went down too."""

from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # of Linux


@cache
def boot() -> str:
    """A name that differs after every start of the machine; empty text where the machine does not tell."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
