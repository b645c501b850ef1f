"""Urls of destinations on other machines: what their kinds check alike, and the one spelling of each (X9)."""

import posixpath
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from muster.activation.stores.kind import Connection, Environ


@dataclass(frozen=True)
class BucketUrls:
    """Urls of a bucket and a prefix in it. How the bucket is reached stands in ``connection``, never in the url."""

    scheme: str
    container: str = "bucket"  # what the service calls a bucket

    @property
    def form(self) -> str:
        """How a url should look, for messages."""
        return f"{self.scheme}://{self.container}/prefix"

    def mistake(self, url: str) -> str:
        """Why ``url`` names no bucket and prefix, or nothing."""
        parts = split(url, self.scheme)
        if parts is None:
            return f"is not a url; expected {self.form}"
        if not parts.hostname:
            return f"names no {self.container}; expected {self.form}"
        if parts.query or parts.fragment:
            return "has a '?' or '#', which are no part of a prefix"
        if "@" in parts.netloc or parts.port is not None:
            more = f"has more than a {self.container} before the path"
            return f"{more}; expected {self.form}; `connection` says how it is reached"
        return parent_mistake(parts.path)

    def normalise(self, url: str, _root: Path) -> str:
        """Scheme and bucket in lower case, and the prefix without empty names."""
        return normalise(url, self.scheme)


def split(url: str, scheme: str) -> SplitResult | None:
    """The parts of a url that begins with ``scheme://`` and has a valid port, if any; None for other text."""
    if not url.lower().startswith(f"{scheme}://"):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def parent_mistake(path: str) -> str:
    """The mistake of a path that leads upwards, or nothing."""
    return "has '..' in its path" if ".." in unquote(path).split("/") else ""


def normalise(url: str, scheme: str) -> str:
    """The url without user, password and query, and without empty names in its path."""
    parts = urlsplit(url)
    path = posixpath.normpath(f"/{parts.path}").replace("//", "/").rstrip("/")
    return f"{scheme}://{parts.netloc.rpartition('@')[2].lower()}{path}"


def prefix(url: str) -> str:
    """The prefix of a bucket's url: the path's names with ``/`` between them."""
    return "/".join(part for part in urlsplit(url).path.split("/") if part not in ("", "."))


def endpoint(_url: str, connection: Connection, _environ: Environ) -> str:
    """The service of a kind whose ``endpoint`` alone says which service has the bucket (X9)."""
    return without_slash(connection.get("endpoint", ""))


def without_slash(address: str) -> str:
    """One spelling for each address of a service."""
    return address.rstrip("/").lower()
