"""Where a destination's url points, and when two of them are one place (X9). Pure: symlinks are not followed.

A path (relative to the workspace) or ``file://`` is a folder of this machine; the schemes of ``REMOTE`` are places
elsewhere.
"""

import posixpath
import re
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from muster.activation.errors import did_you_mean
from muster.activation.stores.kinds import PLACE_KINDS

REMOTE = tuple(PLACE_KINDS)
SOURCES = tuple(
    scheme for scheme, kind in PLACE_KINDS.items() if kind.is_source
)  # those that inputs are read from, too
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?=:/)|(?:file|" + "|".join(REMOTE) + r")(?=:)", re.IGNORECASE)
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
        return _scheme_mistake(scheme, url)
    return (
        "starts with '~', which only a shell understands; expected such as ${HOME}/exports"
        if url.startswith("~")
        else ""
    )


def _scheme_mistake(scheme: str, url: str) -> str:
    if scheme not in REMOTE:
        known = ", ".join(f"{each}://" for each in REMOTE)
        return (
            f"has the unknown scheme {scheme}://; expected a local folder, file://, "
            f"{known}{did_you_mean(scheme, ('file', *REMOTE))}"
        )
    lacking = next((module for module in PLACE_KINDS[scheme].needs if not _is_installed(module)), None)
    if lacking:
        return (
            f'cannot be used: {lacking} is not installed; pip install "muster-activation[{PLACE_KINDS[scheme].extra}]"'
        )
    return _remote_mistake(scheme, url)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _remote_mistake(scheme: str, url: str) -> str:
    kind = PLACE_KINDS[scheme]
    expected = f"expected {kind.form}"
    if not url.lower().startswith(f"{scheme}://"):
        return f"is not a url; {expected}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"is not a url; {expected}"
    if not parts.hostname:
        return f"names no {kind.where}; {expected}"
    if parts.query or parts.fragment:
        return (
            "has a '?' or '#'; write %3F or %23 if the path has one"
            if scheme == "sftp"
            else "has a '?' or '#', which are no part of a prefix"
        )
    if scheme == "sftp" and "@" in parts.path:
        return (
            "has an '@' in its path: write %40 there, or %2F for a '/' in a password; "
            "connection.password_env can name the password"
        )
    if scheme != "sftp" and ("@" in parts.netloc or port is not None):
        return f"has more than a {kind.where} before the path; {expected}; `connection` says how it is reached"
    return "has '..' in its path" if ".." in unquote(parts.path).split("/") else ""


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


def is_remote(normalised: str) -> bool:
    """Whether a normalised url is a place of another machine."""
    return normalised.partition("://")[0] in REMOTE and "://" in normalised


def local_path(normalised: str, root: Path) -> Path:
    """The folder of a normalised local url."""
    return root / normalised


def redact(url: str) -> str:
    """A url for messages and state: without user, password, query and fragment."""
    if not _scheme(url):
        return url
    place, *secret = re.split(r"[?#]", _CREDENTIALS.sub(r"\1***@", url), maxsplit=1)
    return f"{place}?***" if secret else place


def digest(url: str, root: Path, beyond: str = "") -> str:
    """What state keeps of a place to see that it changed (X9): the SHA-256, in hex, of its normalised url and what is ``beyond`` it."""
    return sha256("\n".join(filter(None, (normalise(url, root), beyond))).encode()).hexdigest()


def _scheme(url: str) -> str:
    match = _SCHEME.match(url)
    return match[0].lower() if match else ""
