"""A receiver of messages: Starlette on uvicorn on loopback, which records each request and answers as a test says.

In a test (the fixture ``receiver`` of tests/conftest.py)::

    receiver.script = [Say(503), Say(429, headers={"Retry-After": "1"}), LOST]  # the first three, in order of arrival
    receiver.rule = refusing(lambda entry: entry["id"] == "p7")                 # all others; None: Say(200)
    ... receiver.url("/profiles") ... receiver.requests[0].json ... receiver.accepted ... receiver.most_busy

As a process of its own, for benchmarks and shells, from the folder ``tests``::

    python -m support.receiver --port 0 --record requests.jsonl --script script.json
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

_PATIENCE = 60.0  # seconds for the server to come up, and to end
TOKENS = "/oauth/token"  # where OAuth2 tokens are given out
_RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: a connection ends with a reset, not an end


@dataclass(frozen=True)
class Say:
    """What the receiver answers to one request, and what becomes of the connection.

    ``cut``: the connection is reset and the request has no effect. ``lose``: the request is accepted, and then the
    connection is reset without an answer. ``only``: so many bytes of the body are answered, and then nothing.
    """

    status: int = 200
    body: Any = b""  # bytes or text as they are; anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds before the answer
    cut: bool = False
    lose: bool = False
    only: int | None = None

    @property
    def accepts(self) -> bool:
        """Whether the request has its effect at the receiver."""
        return not self.cut and (self.lose or 200 <= self.status < 300)

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


OK, CUT, LOST = Say(), Say(cut=True), Say(lose=True)


@dataclass
class Received:
    """One request, as it came."""

    number: int  # from 0, in order of arrival
    method: str
    path: str  # still percent-encoded
    query: str  # still percent-encoded, without the question mark
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    arrived: float  # when all of it was there: seconds of ``time.monotonic``
    busy: int  # requests that were under way then, this one too
    answered: float | None = None  # when the last byte of the answer, or the reset, was sent
    status: int | None = None  # of the answer; None while there is none, and for a cut connection
    accepted: bool = False  # whether it had its effect

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def key(self) -> str:
        """The header Idempotency-Key."""
        return self.headers.get("idempotency-key", "")

    @property
    def entries(self) -> list[Any]:
        """The entries of the body: see ``entries_of``."""
        return entries_of(self.json)

    def as_line(self) -> str:
        """The request as one line of JSON; the body as text where it is UTF-8, else in base64."""
        told = {name: value for name, value in vars(self).items() if name != "body"}
        try:
            told["body"] = self.body.decode()
        except UnicodeDecodeError:
            told["base64"] = base64.b64encode(self.body).decode()
        return json.dumps(told)


Rule = Callable[[Received], "Say | None"]


def entries_of(body: Any) -> list[Any]:
    """The entries of a body: an array itself, or the first array that is found in it, outermost first; else itself."""
    waiting = [body]
    while waiting:
        here = waiting.pop(0)
        if isinstance(here, list):
            return here
        if isinstance(here, dict):
            waiting += here.values()
    return [body]


def refusing(
    is_refused: Callable[[Any], bool],
    *,
    status: int = 400,
    entries: Callable[[Any], Sequence[Any]] = entries_of,
    each: bool = False,
) -> Rule:
    """A rule that refuses entries: the whole request with a status, or, with ``each``, those alone.

    With ``each`` the answer is ``{"errors": [{"index": 3, "reason": "refused"}]}``, of the positions in the request.
    """

    def rule(request: Received) -> Say | None:
        found = [place for place, entry in enumerate(entries(request.json)) if is_refused(entry)]
        if each:
            return Say(200, {"errors": [{"index": place, "reason": "refused"} for place in found]})
        return Say(status, {"message": "refused"}) if found else None

    return rule


@dataclass
class Door:
    """Who may come in: nobody is asked while ``client_secret`` is empty. Tokens are counted from 1, and can end."""

    client_id: str = ""
    client_secret: str = ""
    expires_in: float | None = 3600.0  # what the answer says; None: it says nothing
    uses: int | None = None  # requests after which a token is valid no more, whatever the answer said
    delay: float = 0.0  # seconds before a token is given
    script: list[Say] = field(default_factory=list)  # what token requests are answered instead of a token
    requests: list[Received] = field(default_factory=list)  # those for tokens
    _left: dict[str, float] = field(default_factory=dict)  # tokens that are valid, and their uses

    @property
    def given(self) -> int:
        """How many tokens were given."""
        return sum(request.status == 200 for request in self.requests)

    def expire(self) -> None:
        """Let no token be valid any more."""
        self._left.clear()

    def issue(self) -> str:
        """A new token."""
        token = f"token-{self.given + 1}-of-the-receiver"
        self._left[token] = float("inf") if self.uses is None else self.uses
        return token

    def lets_in(self, authorization: str) -> bool:
        """Whether a request's header names a valid token; it is one use of it."""
        if not self.client_secret:
            return True
        token = authorization.removeprefix("Bearer ")
        if self._left.get(token, 0) <= 0:
            return False
        self._left[token] -= 1
        return True

    def answer(self, request: Received) -> Say:
        """What a request for a token is answered."""
        if self.script:
            return self.script.pop(0)
        if not self.knows(request):
            return Say(401, {"error": "invalid_client"})
        answer: dict[str, Any] = {"access_token": self.issue(), "token_type": "Bearer"}
        return Say(200, answer if self.expires_in is None else {**answer, "expires_in": self.expires_in})

    def knows(self, request: Received) -> bool:
        """Whether a request for a token names the client and the secret, in the body or as Basic credentials."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        basic = request.headers.get("authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(basic).decode().partition(":")
        named = (form.get("client_id", unquote(user)), form.get("client_secret", unquote(password)))
        return form.get("grant_type") == "client_credentials" and named == (self.client_id, self.client_secret)


@dataclass
class Receiver:
    """What a test sees of the server, and tells it."""

    port: int
    script: list[Say] = field(default_factory=list)  # answers to the next requests, in order of arrival; taken off
    rule: Rule | None = None  # answers once the script is through; None, or a rule's None: ``default``
    default: Say = OK
    door: Door = field(default_factory=Door)
    requests: list[Received] = field(default_factory=list)
    most_busy: int = 0
    errors: list[BaseException] = field(default_factory=list)  # raised by rules
    record: Path | None = None  # where each answered request is appended as a line of JSON
    stands: threading.Event = field(default_factory=threading.Event)  # the request that ``stand_still`` named is here
    _busy: int = 0
    _stands_from: float = float("inf")

    def url(self, path: str = "/") -> str:
        """The url of a path here."""
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def accepted(self) -> list[Received]:
        """The requests that had their effect, in order of arrival; those whose answer was lost, too."""
        return [request for request in self.requests if request.accepted]

    @property
    def bodies(self) -> list[Any]:
        """The bodies of all requests, read as JSON."""
        return [request.json for request in self.requests]

    def reset(self) -> None:
        """Forget everything, and answer 200 again; raises what a rule raised."""
        errors, self.errors = self.errors, []
        self.go_on()
        self.script, self.rule, self.default, self.door = [], None, OK, Door()
        self.requests, self.most_busy, self.record = [], 0, None
        if errors:
            raise errors[0]

    def stand_still(self, after: int = 0) -> None:
        """Answer so many more requests, and keep those after them until ``go_on``; ``stands`` is set when one is here.

        A kept request has no effect while it is kept: a command can be killed meanwhile.
        """
        self.stands.clear()
        self._stands_from = len(self.requests) + after

    def go_on(self) -> None:
        """Answer the requests that are kept, and all others."""
        self._stands_from = float("inf")

    # Within the server

    async def answer(self, request: Received) -> Say:
        """What a recorded request is answered."""
        while request.number >= self._stands_from:
            self.stands.set()
            await asyncio.sleep(0.005)
        if not self.door.lets_in(request.headers.get("authorization", "")):
            return Say(401, {"error": "invalid_token"})
        if self.script:
            return self.script.pop(0)
        return (self.rule(request) if self.rule else None) or self.default

    def arrive(self, scope: Scope, body: bytes, into: list[Received]) -> Received:
        """Record a request."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        raw, query = (scope[name].decode("latin-1") for name in ("raw_path", "query_string"))
        self._busy += 1
        self.most_busy = max(self.most_busy, self._busy)
        request = Received(len(into), scope["method"], raw, query, headers, body, time.monotonic(), self._busy)
        into.append(request)
        return request

    def leave(self, request: Received, status: int | None) -> None:
        """Record that a request was answered, or that its connection was cut."""
        request.answered, request.status = time.monotonic(), status
        self._busy -= 1
        if self.record is not None:
            with self.record.open("a") as file:
                file.write(request.as_line() + "\n")


class _Server:
    """The application: tokens at one path, messages at all others."""

    def __init__(self, state: Receiver) -> None:
        self._state = state
        routes = [Route(TOKENS, self._tokens, methods=["POST"]), Mount("/", self._messages)]
        self._starlette = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["path"] = scope["path"].removeprefix(f"http://{Request(scope).headers.get('host')}")  # asked as a proxy
        scope["transport"] = cast("Any", send).__self__.transport  # uvicorn's, of the connection
        with contextlib.suppress(ConnectionError):  # whoever asked was killed
            await self._starlette(scope, receive, send)

    async def _messages(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        request = self._state.arrive(scope, body, self._state.requests)
        said = await self._said(request)
        await asyncio.sleep(said.delay)
        request.accepted = said.accepts
        # Noted before the answer is out: who sent the request may look as soon as it has the answer.
        self._state.leave(request, None if said.cut or said.lose else said.status)
        if said.cut or said.lose:
            await _cut(scope, receive)
        elif said.only is not None:
            await _begin(said, scope, receive, send)
        else:
            await Response(said.content, said.status, dict(said.headers))(scope, receive, send)

    async def _said(self, request: Received) -> Say:
        try:
            return await self._state.answer(request)
        except Exception as error:  # noqa: BLE001  # the test is to see it
            self._state.errors.append(error)
            return Say(500, f"the rule of the test raised {error!r}")

    async def _tokens(self, asked: Request) -> Response:
        door = self._state.door
        request = self._state.arrive(asked.scope, await asked.body(), door.requests)
        await asyncio.sleep(door.delay)
        said = door.answer(request)
        self._state.leave(request, said.status)
        return Response(said.content, said.status, {"Content-Type": "application/json", **said.headers})


async def _cut(scope: Scope, receive: Receive) -> None:
    transport: asyncio.Transport = scope["transport"]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _begin(said: Say, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the headers and the first bytes of the body, and end the connection."""
    length = [(b"content-length", str(len(said.content)).encode())]
    headers = [(name.lower().encode(), value.encode()) for name, value in said.headers.items()]
    await send({"type": "http.response.start", "status": said.status, "headers": headers + length})
    await send({"type": "http.response.body", "body": said.content[: said.only], "more_body": True})
    transport: asyncio.Transport = scope["transport"]
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """A receiver on loopback, in a thread of this process, on a free port or this one."""
    # Named as TCP, so that asyncio sends small answers at once.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        state = Receiver(listening.getsockname()[1])
        config = uvicorn.Config(
            _Server(state),
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            proxy_headers=False,
            log_config=None,
            log_level="critical",
            timeout_keep_alive=60,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            until = time.monotonic() + _PATIENCE
            while not server.started:
                if not thread.is_alive() or time.monotonic() > until:
                    raise RuntimeError("the receiver did not start")
                time.sleep(0.01)
            yield state
        finally:
            state.go_on()
            server.should_exit = server.force_exit = True
            thread.join(_PATIENCE)


def _scripted(path: Path) -> list[Say]:
    """The answers that a file lists, each an object with the fields of ``Say``."""
    return [Say(**each) for each in json.loads(path.read_text())]


def main(arguments: Sequence[str]) -> None:
    """Run a receiver until its standard input ends; the first line it prints is its port."""
    parser = argparse.ArgumentParser(prog="python -m support.receiver", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, help="append each request as a line of JSON")
    parser.add_argument("--script", type=Path, help='answers in order of arrival, as [{"status": 503}, {"cut": true}]')
    parser.add_argument("--forever", action="store_true", help="until it is ended from outside")
    given = parser.parse_args(arguments)
    with receiver(given.port) as state:
        state.record = given.record
        state.script = _scripted(given.script) if given.script else []
        print(state.port, flush=True)  # noqa: T201  # whoever started it reads it
        for _ in itertools.count() if given.forever else sys.stdin:
            if given.forever:
                time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1:])
