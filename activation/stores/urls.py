"""The url of a destination: its mistakes, its one spelling (X9), and what may be shown and kept of it.

A url with the scheme of a kind belongs to that kind; without a scheme it is a path of this machine.
"""

import re
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from muster.activation.errors import did_you_mean
from muster.activation.stores.folder.kind import FOLDER
from muster.activation.stores.kind import DestinationKind
from muster.activation.stores.kinds import KINDS

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+:/+).*@")


def mistake(url: str) -> str:
    """Why files cannot be written to ``url``, or nothing; the sentence follows the url and never repeats it."""
    if not url.strip():
        return "is empty; expected a folder such as exports/crm"
    if not url.isprintable():
        return "holds a character that cannot be printed"
    scheme = _scheme(url) or FOLDER.scheme
    if scheme not in KINDS:
        known = ", ".join(f"{each}://" for each in KINDS)
        return f"has the unknown scheme {scheme}://; expected a local folder, {known}{did_you_mean(scheme, KINDS)}"
    return _lacks(KINDS[scheme]) or KINDS[scheme].urls.mistake(url)


def _lacks(kind: DestinationKind) -> str:
    """Which module of another distribution the kind needs and does not find, or nothing."""
    lacking = next((module for module in kind.needs if not is_installed(module)), None)
    if lacking is None:
        return ""
    return f'cannot be used: {lacking} is not installed; pip install "muster-activation[{kind.extra}]"'


def is_installed(module: str) -> bool:
    """Whether a module of another distribution can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def normalise(url: str, root: Path) -> str:
    """One spelling for each destination (X9): a folder inside the workspace relative to it; no credentials, no query.

    ``url`` is expanded and free of mistakes; ``root`` is absolute.
    """
    return KINDS.get(_scheme(url), FOLDER).urls.normalise(url, root)


def local_path(normalised: str, root: Path) -> Path:
    """The folder of a normalised local url."""
    return root / normalised


def redact(url: str) -> str:
    """A url for messages and state: without user, password, query and fragment."""
    if not _scheme(url):
        return url
    shown, *secret = re.split(r"[?#]", _CREDENTIALS.sub(r"\1***@", url), maxsplit=1)
    return f"{shown}?***" if secret else shown


def digest(url: str, root: Path, service: str = "") -> str:
    """SHA-256, in hex, of the normalised url and the service, by which the state sees a destination change (X9)."""
    return sha256("\n".join(filter(None, (normalise(url, root), service))).encode()).hexdigest()


def _scheme(url: str) -> str:
    """The scheme in lower case: a kind's before ``:``, any other before ``:/``; nothing for a path."""
    match = _SCHEME.match(url)
    if not match:
        return ""
    scheme = match[1].lower()
    return scheme if scheme in KINDS or url.startswith("/", match.end()) else ""
