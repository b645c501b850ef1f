"""The proxy that a request goes through, as the environment says: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

Programs for HTTP know these variables, as do the clients of the clouds. What stays on this machine needs no proxy.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from muster.activation.endpoints.hosts import is_loopback


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The url of the proxy that requests to ``url`` go through; None when they go there by themselves.

    ``HTTP_PROXY`` in capitals is not read where ``REQUEST_METHOD`` is set: there it may be a header of somebody's
    request.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    names = [f"{parts.scheme}_proxy", f"{parts.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in environ and "HTTP_PROXY" in names:
        names.remove("HTTP_PROXY")
    found = next((environ[name] for name in names if environ.get(name)), "")
    if not found or is_loopback(host) or _is_excepted(host, parts.port, environ):
        return None
    return found if "://" in found else f"http://{found}"


def _is_excepted(host: str, port: int | None, environ: Mapping[str, str]) -> bool:
    excepted = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return any(_covers(each.strip().lower(), host, port) for each in excepted.split(",") if each.strip())


def _covers(exception: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY is about a host: ``*``, a network, or a name with all below it."""
    if exception == "*":
        return True
    try:
        return ip_address(host) in ip_network(exception, strict=False)
    except ValueError:
        name, _, its_port = exception.partition(":")
        name = name.lstrip("*").lstrip(".")
        return (host == name or host.endswith(f".{name}")) and its_port in ("", str(port))
