"""The files of inputs on this machine, as far as their folders tell of them, without Polars (V1, V8).

Whatever changes in a folder of an input changes the answer: names, sizes, times, and which file a name means.
"""

import os
from collections.abc import Iterator
from glob import has_magic
from pathlib import Path

from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Workspace
from muster.activation.stores.folder.urls import is_file_url, path_of


def files_seen(workspace: Workspace, activation: MessageActivation) -> list[list[object]] | None:
    """What the folders say of the files of profiles or their sources, and of feeds if the activation has one.

    None where a path is on another machine, or cannot be looked at: nothing is known of it then.
    """
    found: list[list[object]] = []
    for path in input_paths(workspace, activation):
        if "://" in path and not is_file_url(path):
            return None
        try:
            found += sorted(_below(str(_fixed(workspace.root / path_of(path))), frozenset()), key=str)
        except OSError:
            return None
    return found


def input_paths(workspace: Workspace, activation: MessageActivation) -> list[str]:
    """The paths of the inputs that decide what an activation sends, beside evaluations: profiles or sources, feeds."""
    profiles = [each.path for each in workspace.sources.values()]
    paths = profiles if workspace.profiles.from_sources else [workspace.profiles.path]
    fed = any(each in workspace.audiences and workspace.audiences[each].from_feed for each in activation.audience_ids)
    return [*paths, *([workspace.memberships.path] if fed and workspace.memberships else [])]


def _fixed(path: Path) -> Path:
    """The path, or the folder of a pattern before the first name with a wildcard."""
    return next(each for each in (path, *path.parents) if not has_magic(str(each)))


def _below(path: str, above: frozenset[tuple[int, int]]) -> Iterator[list[object]]:
    """Name, size, times and number of a file, or of all below a folder; links are followed, but not in a circle."""
    found = os.stat(path)  # noqa: PTH116  # thousands of files: ``pathlib`` takes three times as long
    yield [path, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    me = (found.st_dev, found.st_ino)
    if not os.path.isdir(path) or me in above:  # noqa: PTH112
        return
    with os.scandir(path) as entries:
        for each in entries:
            try:
                yield from _below(each.path, above | {me})
            except FileNotFoundError:  # a broken link, or a file that goes away just now
                yield [each.path]
