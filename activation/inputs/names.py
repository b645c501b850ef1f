"""Names of files and folders that are read as inputs, on this machine and in buckets (D2)."""

from pathlib import PurePosixPath

_SUFFIX = ".parquet"


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out: names with ``.`` or ``_`` at the beginning are of data being written."""
    return name.startswith((".", "_"))


def is_parquet_name(name: str) -> bool:
    """Whether a file is a Parquet file by its name, in upper or lower case."""
    return PurePosixPath(name).suffix.lower() == _SUFFIX
