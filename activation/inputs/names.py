"""Names of files and folders that are read as inputs, on this machine and in buckets (D2)."""

_PARQUET = (".parquet", ".parq")
_CHECKSUMS = (".crc", ".md5", ".sha256")  # of files that writers put beside others


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out: names with ``.`` or ``_`` at the beginning are of data being written."""
    return name.startswith((".", "_"))


def is_parquet_name(name: str) -> bool:
    """Whether a file has to be a Parquet file by its name, in upper or lower case."""
    return name.lower().endswith(_PARQUET)


def is_checksum_name(name: str) -> bool:
    """Whether a file holds the checksum of another by its name: nobody is told that it is not read."""
    return name.lower().endswith(_CHECKSUMS)


def setting_of(source_name: str) -> str:
    """Where a source's path is written, for messages; ``source_name`` is as ``Inputs.at`` takes it."""
    return f"path in {source_name}" if source_name.startswith("sources/") else f"{source_name}.path in muster.yml"


def before_path(source_name: str) -> str:
    """The beginning of a message about a source's path: its file and key."""
    return f"{source_name}: path" if source_name.startswith("sources/") else f"muster.yml: {source_name}.path"
