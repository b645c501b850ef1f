"""The headers of requests: muster's own, those of the config over them, and those that nobody can change (V8, V10)."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version

JSON = "application/json"


@cache
def user_agent() -> str:
    """The name and version of this program."""
    return f"muster/{version('muster-activation')}"


def merged(*layers: Mapping[str, str]) -> dict[str, str]:
    """Headers of several layers, the later over the earlier; names differ in more than their case."""
    found: dict[str, tuple[str, str]] = {}
    for layer in layers:
        found |= {name.lower(): (name, value) for name, value in layer.items()}
    return dict(found.values())


def request_headers(configured: Mapping[str, str], key: str, credentials: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request. The config may change what muster says by itself, but neither the key nor credentials.

    ``Content-Length`` and ``Host`` are those of the request.
    """
    own = {"Accept": JSON, "Content-Type": JSON, "User-Agent": user_agent()}
    return merged(own, configured, {"Idempotency-Key": key} if key else {}, credentials)


def cannot_stand(values: Iterable[str]) -> bool:
    """Whether any of these texts cannot be the value of a header: control characters, or beyond Latin-1."""
    return any(not value.isprintable() or any(ord(each) > 0xFF for each in value) for value in values)
