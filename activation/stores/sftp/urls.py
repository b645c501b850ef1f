"""``sftp://`` urls: a server, who logs in there, and a folder of the server or of the user."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from muster.activation.stores import remote_urls


@dataclass(frozen=True)
class SftpUrls:
    """Urls with a host, and perhaps user, password and port before the path."""

    scheme: str = "sftp"
    form: str = "sftp://user@host:port/path, or sftp://user@host/~/path below the folder of the login"

    def mistake(self, url: str) -> str:
        """Why ``url`` names no folder of a server, or nothing."""
        parts = remote_urls.split(url, self.scheme)
        if parts is None:
            return f"is not a url; expected {self.form}"
        if not parts.hostname:
            return f"names no host; expected {self.form}"
        if parts.query or parts.fragment:
            return "has a '?' or '#'; write %3F or %23 if the path has one"
        if "@" in parts.path:
            return (
                "has an '@' in its path: write %40 there, or %2F for a '/' in a password; "
                "connection.password_env can name the password"
            )
        return remote_urls.parent_mistake(parts.path)

    def normalise(self, url: str, _root: Path) -> str:
        """Scheme, host and port in lower case, and the path; without the user, who is the ``service`` (X9)."""
        return remote_urls.normalise(url, self.scheme)


def user_of(url: str) -> str:
    """The user that a url names, or nothing."""
    return unquote(urlsplit(url).username or "")


def is_below_home(url: str) -> bool:
    """Whether the path is below the folder of the login."""
    return unquote(urlsplit(url).path).startswith("/~")
