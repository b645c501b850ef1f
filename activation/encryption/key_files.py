"""Key files: their paths and bytes (SPEC 10)."""

from pathlib import Path

from muster.activation.system.os_errors import system_message

_LONGEST = 4 << 20  # bytes; a key with thousands of signatures is far from it


class KeyFileError(ValueError):
    """The file has no usable key. The message continues a sentence that starts with the file's name."""


def located(path: str, root: Path) -> Path:
    """The path of a key file; ``path`` is relative to the workspace, or starts with ``~``, or is absolute."""
    return root / Path(path).expanduser()


def content(path: Path) -> bytes:
    """The bytes of a key file; ``KeyFileError`` when it is missing, unreadable or too large."""
    try:
        with path.open("rb") as file:
            found = file.read(_LONGEST + 1)
    except FileNotFoundError:
        raise KeyFileError("does not exist; expected a key file, relative to the workspace") from None
    except OSError as error:
        raise KeyFileError(f"cannot be read: {system_message(error)}") from error
    if len(found) > _LONGEST:
        raise KeyFileError(f"is larger than {_LONGEST >> 20} MiB, so it is no key")
    return found
