"""Where a destination's url points, and when two of them are one place (X9). Pure: symlinks are not followed.

Paths on this machine are the url kind that this build writes to: a path (relative to the workspace), or ``file://``.
"""

import posixpath
import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from activation.errors import did_you_mean

REMOTE = ("s3", "gs", "az", "sftp")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?=:/)|(?:file|s3|gs|az|sftp)(?=:)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+:/+).*@")


def mistake(url: str) -> str:
    """Why files cannot be written to ``url``, or nothing; the sentence follows the url and never repeats it."""
    scheme = _scheme(url)
    if not url.strip():
        return "is empty; expected a folder such as exports/crm"
    if not url.isprintable():
        return "holds a character that cannot be printed"
    if scheme == "file":
        return _file_mistake(url)
    if scheme:
        return _scheme_mistake(scheme)
    return "starts with '~', which only a shell understands; expected such as ${HOME}/exports" if url.startswith("~") else ""


def _scheme_mistake(scheme: str) -> str:
    expected = "expected a local folder or file://"
    if scheme in REMOTE:
        return f"cannot be used: no support for {scheme}:// destinations is installed; {expected}"
    return f"has the unknown scheme {scheme}://; {expected}{did_you_mean(scheme, ('file', *REMOTE))}"


def _file_mistake(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is not a url; expected file:///folder, or a path alone"
    if parts.netloc.lower() not in ("", "localhost"):
        return "names a machine before the path; expected file:///folder, or a path alone"
    if parts.query or parts.fragment:
        return "has a '?' or '#'; write %3F or %23 if the folder's name has one"
    return "" if unquote(parts.path).isprintable() else "holds a character that cannot be printed"


def normalise(url: str, root: Path) -> str:
    """One spelling for each place (X9): inside the workspace relative to it, else absolute; without credentials and query.

    ``url`` is expanded and free of mistakes; ``root`` is absolute.
    """
    scheme = _scheme(url)
    if scheme and scheme != "file":
        parts = urlsplit(url)
        path = posixpath.normpath(f"/{parts.path}").replace("//", "/").rstrip("/")
        return f"{scheme}://{parts.netloc.rpartition('@')[2].lower()}{path}"
    path = unquote(urlsplit(url).path) if scheme else url
    full = "/" + posixpath.normpath(posixpath.join(root.as_posix(), path)).lstrip("/")
    base = "/" + posixpath.normpath(root.as_posix()).lstrip("/")
    if full == base:
        return "."
    return full.removeprefix(base.rstrip("/") + "/")


def local_path(normalised: str, root: Path) -> Path:
    """The folder of a normalised local url."""
    return root / normalised


def redact(url: str) -> str:
    """A url for messages and state: without user, password, query and fragment."""
    if not _scheme(url):
        return url
    place, *secret = re.split(r"[?#]", _CREDENTIALS.sub(r"\1***@", url), maxsplit=1)
    return f"{place}?***" if secret else place


def digest(url: str, root: Path) -> str:
    """What state keeps of a url to see that it changed: the SHA-256 of its normalised form, in hex (X9)."""
    return sha256(normalise(url, root).encode()).hexdigest()


def _scheme(url: str) -> str:
    match = _SCHEME.match(url)
    return match[0].lower() if match else ""
