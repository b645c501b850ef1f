"""A small receiver of messages: ``python -m muster.sample_data.receiver`` prints each request that it is sent.

It accepts everything, listens on this machine alone, and keeps nothing. The demo reads ``Receiver.requests`` instead.
"""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

PORT = 8765


@dataclass(frozen=True)
class Request:
    """A request as it was received."""

    method: str
    path: str
    body: str


class Receiver:
    """A receiver that listens while it is entered; ``port`` 0 is any free one."""

    def __init__(self, port: int = 0, tell: Callable[[Request], None] = lambda _: None) -> None:
        self.requests: list[Request] = []
        self._tell, self._alone = tell, threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def listen(self) -> None:
        """Answer requests until the process is interrupted."""
        self._server.serve_forever()

    def _take(self, request: Request) -> None:
        with self._alone:
            self.requests.append(request)
            self._tell(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                take(Request(self.command, self.path, body.decode("utf-8", "replace")))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 (the library's names)

            def log_message(self, *_: object) -> None:
                """Write no log: requests are printed."""

        return Handler


def _print(request: Request) -> None:
    sys.stdout.write(f"{request.method} {request.path}\n{request.body}\n")
    sys.stdout.flush()


def main(words: list[str]) -> None:
    """Print the requests that arrive at a port, by default ``PORT``, until Ctrl-C."""
    if len(words) > 1 or not all(each.isdecimal() for each in words):
        sys.exit(f"usage: python -m muster.sample_data.receiver [PORT]    default: {PORT}")
    port = int(words[0]) if words else PORT
    try:
        Receiver(port, _print).listen()
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    except OSError as error:
        sys.exit(f"error: port {port}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
