"""Connections to an HTTP API, kept and used again by several threads; what is read of an answer is bounded (V10, V12).

Nothing here is tried again, and no redirect is followed: who sends knows of each try.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from socket import SHUT_RDWR, socket
from ssl import SSLContext
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import make_headers, parse_url

from muster.activation.endpoints.http.proxies import proxy_for
from muster.activation.endpoints.http.refusals import STOPPED, UnansweredError, UnconnectedError, unanswered

_GRACE = 5.0  # seconds that requests under way have for their answers once the command is asked to stop
_PIECE = 65_536
EXCERPT_BYTES = 65_536  # of an answer of which only a part is shown
MOST_BYTES = 16 << 20  # of an answer that says which entries were refused


class _Untold(logging.Filter):
    """Within the block no record of urllib3 passes that this thread causes: it logs urls, which hold secrets (V12)."""

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()
        logging.getLogger("urllib3.connectionpool").addFilter(self)
        logging.getLogger("urllib3.connection").addFilter(self)

    def __enter__(self) -> None:
        self._here.sends = True

    def __exit__(self, *_: object) -> None:
        self._here.sends = False

    def filter(self, _: logging.LogRecord) -> bool:
        """Whether a record passes."""
        return not getattr(self._here, "sends", False)


_UNTOLD = _Untold()


@dataclass(frozen=True)
class Reply:
    """An HTTP answer. ``body`` is decoded of gzip and the like."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # by names in any case
    body: bytes = field(repr=False)
    is_whole: bool = True  # whether all of the body was read: not of one that is longer than asked for
    is_broken: bool = False  # whether the connection ended within the body, or the body cannot be decoded


class _Opened:
    """The connections that are open. Several threads add to them."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._turn = threading.Lock()

    def add(self, connection: HTTPConnection) -> None:
        with self._turn:
            self._all.add(connection)

    def hang_up(self) -> None:
        """End each, so that who waits for an answer waits no longer."""
        with self._turn:
            for connection in self._all:
                if (end := connection.sock) is not None:
                    with suppress(OSError):
                        socket.shutdown(end, SHUT_RDWR)


class _Plain(HTTPConnection):
    """A connection that says apart whether it could not be made."""

    opened = _Opened()

    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            raise UnconnectedError from error
        self.opened.add(self)


class _Secure(_Plain, HTTPSConnection):
    """A connection with TLS that says apart whether it could not be made."""


class Connections:
    """The connections of one destination. All functions may be called by several threads at a time."""

    def __init__(
        self, context: Callable[[], SSLContext], timeout: float, size: int, environ: Mapping[str, str]
    ) -> None:
        """``context`` is called once, when the first connection with TLS is made: reading authorities takes a while."""
        self._context, self._timeout, self._size, self._environ = cache(context), timeout, size, environ
        self._managers: dict[tuple[str, str | None], urllib3.PoolManager] = {}  # by scheme and proxy
        self._ways: dict[tuple[str, str], urllib3.PoolManager] = {}  # by scheme and host
        self._making = threading.Lock()
        self._opened = _Opened()
        self._pools = {
            "http": _pool(urllib3.HTTPConnectionPool, _Plain, self._opened),
            "https": _pool(urllib3.HTTPSConnectionPool, _Secure, self._opened),
        }
        self._stopped = threading.Event()
        self._ended: threading.Timer | None = None

    def request(self, method: str, url: str, body: bytes, headers: Mapping[str, str], most_bytes: int) -> Reply:
        """Send a request once and read the answer, at most so many bytes of it; ``UnansweredError`` without one."""
        if self._stopped.is_set():
            raise UnansweredError(STOPPED)
        with _UNTOLD:
            try:
                response = self._manager(url).urlopen(
                    method, url, body=body, headers=headers, redirect=False, retries=False, preload_content=False
                )
            except (urllib3.exceptions.HTTPError, UnconnectedError, OSError) as error:
                raise UnansweredError(unanswered(error)) from None
            return self._read(response, most_bytes, time.monotonic() + self._timeout)

    def _read(self, response: urllib3.BaseHTTPResponse, most_bytes: int, until: float) -> Reply:
        pieces: list[bytes] = []
        left, is_broken = most_bytes, False
        try:
            while left > 0 and (piece := response.read(min(_PIECE, left), decode_content=True)):
                pieces.append(piece)
                left -= len(piece)
                if time.monotonic() > until:
                    is_broken = True
                    break
        except (urllib3.exceptions.HTTPError, OSError):
            is_broken = True
        is_whole = left > 0 and not is_broken
        if is_whole:
            response.release_conn()
        else:
            response.close()
        return Reply(response.status, response.headers, b"".join(pieces), is_whole, is_broken)

    def connect(self, url: str) -> None:
        """Make a connection for a url, and end it; ``UnansweredError`` with the reason when that fails."""
        target, proxy = parse_url(url), proxy_for(url, self._environ)
        way = parse_url(proxy) if proxy else target
        host, port = way.host or "", way.port or (443 if way.scheme == "https" else 80)
        connection: HTTPConnection
        if target.scheme == "https":
            connection = _Secure(host.strip("[]"), port, timeout=self._timeout, ssl_context=self._context(), proxy=None)
            if proxy:
                connection.set_tunnel(
                    target.host or "", target.port or 443, _proxy_headers(proxy), way.scheme or "http"
                )
        else:
            connection = _Plain(host.strip("[]"), port, timeout=self._timeout)
        try:
            connection.connect()
        except UnconnectedError as error:
            raise UnansweredError(unanswered(error)) from None
        finally:
            connection.close()

    def _manager(self, url: str) -> urllib3.PoolManager:
        scheme, host = urlsplit(url)[:2]
        if found := self._ways.get((scheme, host)):
            return found
        proxy = proxy_for(url, self._environ)
        with self._making:
            if (scheme, proxy) not in self._managers:
                self._managers[scheme, proxy] = self._made(scheme, proxy)
            return self._ways.setdefault((scheme, host), self._managers[scheme, proxy])

    def _made(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        more: dict[str, Any] = {"maxsize": self._size}
        if "https" in (scheme, urlsplit(proxy or "").scheme):
            more["ssl_context"] = self._context()
        waits = urllib3.Timeout(connect=self._timeout, read=self._timeout)
        manager = (
            urllib3.PoolManager(timeout=waits, **more)
            if proxy is None
            else urllib3.ProxyManager(proxy, proxy_headers=_proxy_headers(proxy), timeout=waits, **more)
        )
        manager.pool_classes_by_scheme = self._pools
        return manager

    def stop(self) -> None:
        """Send nothing more; requests under way have a few seconds for their answers."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._ended = threading.Timer(_GRACE, self._opened.hang_up)
            self._ended.daemon = True
            self._ended.start()

    def close(self) -> None:
        """End the connections."""
        if self._ended is not None:
            self._ended.cancel()
        for manager in self._managers.values():
            manager.clear()


def _pool(
    kind: type[urllib3.HTTPConnectionPool], connection: type[HTTPConnection], opened: _Opened
) -> type[urllib3.HTTPConnectionPool]:
    """A class of pools whose connections are added to ``opened``."""
    return type("Pool", (kind,), {"ConnectionCls": type("Connection", (connection,), {"opened": opened})})


def _proxy_headers(proxy: str) -> dict[str, str]:
    """The credentials in a proxy's url, as its header."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    return dict(make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"))
