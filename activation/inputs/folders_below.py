"""A hint about ``profiles.path`` one level too high: the folders inside that hold snapshots (D2, SPEC 10)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from muster.activation.inputs.finding import children, seems_parquet
from muster.activation.inputs.names import is_hidden
from muster.activation.inputs.paths import InputPath
from muster.activation.wording import counted, first_names

_NAMED = 5  # folders that a message names


class _Folder(NamedTuple):
    name: str
    dated: int  # entries that are dated snapshots
    files: int  # Parquet files that are not

    @property
    def holds(self) -> str:
        """What is in the folder, for a message."""
        return counted(self.dated, "dated snapshot") if self.dated else counted(self.files, "Parquet file")


def hint(location: InputPath, path: str, is_dated: Callable[[str], bool]) -> str:
    """The folders right below a folder without a snapshot, and those that may be meant; nothing when none has files.

    ``is_dated`` is whether a name is that of a dated snapshot.
    """
    found = list(_folders(location, is_dated))
    if not found:
        return ""
    base = "" if path.strip("/.") == "" else f"{path.rstrip('/')}/"
    below = first_names([f"{base}{each.name} ({each.holds})" for each in found], _NAMED)
    meant = [each for each in found if each.dated] or found
    ask = f"; did you mean {base}{meant[0].name}?" if len(meant) == 1 else ""
    return f"; below it are {below}{ask}"


def hold_snapshots(location: InputPath, is_dated: Callable[[str], bool]) -> bool:
    """Whether a folder right below has a dated snapshot, so that ``hint`` has something to say."""
    return any(each.dated for each in _folders(location, is_dated))


def _folders(location: InputPath, is_dated: Callable[[str], bool]) -> Iterator[_Folder]:
    for folder in children(location):
        if is_hidden(folder.name) or not folder.is_dir():
            continue
        entries = [each for each in children(folder) if not is_hidden(each.name)]
        dated = sum(is_dated(each.name) for each in entries)
        files = sum(seems_parquet(each) for each in entries)
        if dated or files:
            yield _Folder(folder.name, dated, files)
