"""Between muster and an S3 server: every request is named as S3 names it, noted, and may be answered otherwise or not
at all.
"""

import contextlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_HOP = {"connection", "transfer-encoding", "date", "server"}  # headers of one connection


@dataclass(frozen=True)
class Request:
    """What muster asks for."""

    operation: str  # as an IAM policy's author knows it: PutObject, UploadPart, ...
    key: str
    headers: Mapping[str, str]
    number: int  # how many of this operation came before it


@dataclass
class Answer:
    """What the server says, or what is said in its stead."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def refusal(status: int, code: str) -> Answer:
    """An error as S3 words it."""
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>said for a test</Message></Error>"
    return Answer(status, {"Content-Type": "application/xml"}, text.encode())


Before = Callable[[Request], Answer | None]
After = Callable[[Request, Answer], Answer | None]


@dataclass
class Gate:
    """``before`` answers in the server's stead, if it returns an answer; ``after`` may change one, or lose it by
    returning None.
    """

    port: int
    before: Before = lambda _: None
    after: After = lambda _, answer: answer
    requests: list[Request] = field(default_factory=list)
    busy: int = 0  # requests that are being answered
    most_busy: int = 0

    @property
    def endpoint(self) -> str:
        """What a destination says to come through here."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def counts(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(each.operation for each in self.requests)

    def open(self) -> None:
        """Let everything through from now on, and forget what came."""
        self.before, self.after = lambda _: None, lambda _, answer: answer
        self.requests.clear()
        self.most_busy = 0


def _operation(method: str, path: str) -> tuple[str, str]:
    parts = urlsplit(path)
    asked = parse_qs(parts.query, keep_blank_values=True)
    _, _, key = unquote(parts.path).lstrip("/").partition("/")
    if "uploads" in asked:
        return ("CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"), key
    if "uploadId" in asked:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}[method], key
    if "list-type" in asked:
        return "ListObjectsV2", key
    return {"PUT": "PutObject", "HEAD": "HeadObject", "GET": "GetObject", "DELETE": "DeleteObject"}[method], key


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    server: "_Server"

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.noted(*_operation(self.command, self.path), dict(self.headers)) as request:
            state = self.server.state
            answer = state.after(request, state.before(request) or self._asked(body))
        if answer is None:
            self.close_connection = True
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )  # a reset, not an end
            return
        with contextlib.suppress(OSError):  # whoever asked was killed
            self._say(answer)

    def _asked(self, body: bytes) -> Answer:
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=300)
        try:
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in {"connection", "expect"}
            }
            behind.request(self.command, self.path, body or None, headers)
            answer = behind.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            behind.close()

    def _say(self, answer: Answer) -> None:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        if self.command != "HEAD":
            headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
            headers["Content-Length"] = str(len(answer.body))
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815  # the names that the library asks for


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.state = Gate(self.server_address[1])
        self._noting = threading.Lock()

    @contextlib.contextmanager
    def noted(self, operation: str, key: str, headers: Mapping[str, str]) -> Iterator[Request]:
        state = self.state
        with self._noting:
            request = Request(operation, key, headers, state.counts[operation])
            state.requests.append(request)
            state.busy += 1
            state.most_busy = max(state.busy, state.most_busy)
        try:
            yield request
        finally:
            with self._noting:
                state.busy -= 1

    def handle_error(self, *_: object) -> None:
        """Whoever asked was killed."""


@contextlib.contextmanager
def gate(server_port: int) -> Iterator[Gate]:
    """A gate before a server on loopback."""
    with _Server(server_port) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield listening.state
        finally:
            listening.shutdown()
