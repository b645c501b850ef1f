"""Paths and ``file://`` urls of folders of this machine. Symlinks are not followed."""

import posixpath
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

SCHEME = "file"


@dataclass(frozen=True)
class FolderUrls:
    """A path, relative to the workspace or absolute, or a ``file://`` url."""

    scheme: str = SCHEME
    form: str = "file:///folder, or a path alone"

    def mistake(self, url: str) -> str:
        """Why ``url`` names no folder of this machine, or nothing."""
        if is_file_url(url):
            return self._file_mistake(url)
        if url.startswith("~"):
            return "starts with '~', which only a shell understands; expected a path such as ${HOME}/exports"
        return ""

    def _file_mistake(self, url: str) -> str:
        try:
            parts = urlsplit(url)
        except ValueError:
            return f"is not a url; expected {self.form}"
        if parts.netloc.lower() not in ("", "localhost"):
            return f"names a machine before the path; expected {self.form}"
        if parts.query or parts.fragment:
            return "has a '?' or '#'; write %3F or %23 if the folder's name has one"
        return "" if unquote(parts.path).isprintable() else "holds a character that cannot be printed"

    def normalise(self, url: str, root: Path) -> str:
        """The path, inside the workspace relative to it, else absolute (X9)."""
        full = _absolute(posixpath.join(root.as_posix(), path_of(url)))
        base = _absolute(root.as_posix())
        return "." if full == base else full.removeprefix(base.rstrip("/") + "/")


def is_file_url(url: str) -> bool:
    """Whether this is a url of a folder or file of this machine, rather than a path; ``file:/folder`` is one, too."""
    return url.lower().startswith(f"{SCHEME}:")


def path_of(url: str) -> str:
    """The path that a ``file://`` url or a path means."""
    return unquote(urlsplit(url).path) if is_file_url(url) else url


def _absolute(path: str) -> str:
    return "/" + posixpath.normpath(path).lstrip("/")
