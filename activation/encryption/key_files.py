"""Files that hold keys: where they lie, and their bytes (SPEC 10). Edge module."""

from pathlib import Path

from muster.activation.system.os_errors import system_message

_LONGEST = 4 << 20  # bytes; a key with thousands of signatures is far from it


class KeyFileError(ValueError):
    """The file holds no key that can be used; the message goes on from the file's name."""


def located(path: str, root: Path) -> Path:
    """Where a key file lies: paths are relative to the workspace."""
    return root / Path(path).expanduser()


def content(path: Path) -> bytes:
    """What the file holds."""
    try:
        with path.open("rb") as file:
            found = file.read(_LONGEST + 1)
    except FileNotFoundError:
        raise KeyFileError("is not there; expected a key file, relative to the workspace") from None
    except OSError as error:
        raise KeyFileError(f"cannot be read: {system_message(error)}") from error
    if len(found) > _LONGEST:
        raise KeyFileError(f"has more than {_LONGEST >> 20} MiB: it is no key")
    return found
