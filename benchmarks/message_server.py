"""A receiver that only counts: ``python -m benchmarks.message_server`` prints its port, and ends with its input.

``GET /`` answers with what arrived since the last ``GET /``: requests, bytes, and when the first request began and the
last one ended, in the seconds of the system's monotonic clock. It runs in a process of its own, and keeps no body.
"""

import asyncio
import json
import socket
import sys
import time
from dataclasses import dataclass

import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


@dataclass
class Count:
    """What arrived."""

    requests: int = 0
    bytes: int = 0
    first: float = 0.0
    last: float = 0.0


class Counting:
    """The application."""

    def __init__(self) -> None:
        self.count = Count()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Count a request, or tell what was counted."""
        if scope["type"] != "http":
            return
        began, size, more = time.perf_counter(), 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))  # type: ignore[arg-type]
            more = bool(message.get("more_body"))
        body = b""
        if scope["method"] == "GET":
            found, self.count = self.count, Count()
            body = json.dumps([found.requests, found.bytes, found.first, found.last]).encode()
        else:
            self.count.first = self.count.first or began
            self.count.requests += 1
            self.count.bytes += size
            self.count.last = time.perf_counter()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[arg-type, misc]
        await send({"type": "http.response.body", "body": body})  # type: ignore[arg-type]


async def _serve() -> None:
    server = uvicorn.Server(uvicorn.Config(Counting(), log_level="error", lifespan="off", access_log=False))
    sock = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    serving = asyncio.ensure_future(server.serve([sock]))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(_serve())
