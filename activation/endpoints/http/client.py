"""The client of HTTP APIs: one try of a request, with credentials, and what its answer means (V8, V10, V12)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from ssl import SSLContext
from urllib.parse import urlsplit

from muster.activation.endpoints.hosts import is_loopback
from muster.activation.endpoints.http.access import Access, Credentials, fixed_access
from muster.activation.endpoints.http.answers import bytes_needed, meaning_of
from muster.activation.endpoints.http.connections import Connections, Reply
from muster.activation.endpoints.http.excerpts import excerpt
from muster.activation.endpoints.http.header_lines import cannot_stand, request_headers
from muster.activation.endpoints.http.refusals import UnansweredError
from muster.activation.endpoints.http.tls import context_of
from muster.activation.endpoints.http.tokens import TokenAccess, TokenDoor
from muster.activation.endpoints.kind import variables_of
from muster.activation.endpoints.protocol import Answer, Outgoing
from muster.activation.endpoints.wording import failure_of
from muster.activation.errors import ExportError
from muster.activation.model.messages import MessageActivation, MessageDestination


class HttpEndpoint:
    """An HTTP API that takes messages. Several threads send at a time."""

    def __init__(self, destination: MessageDestination, activation: MessageActivation, root: Path) -> None:
        self._destination, self._activation = destination, activation
        variables = variables_of(destination)
        urls = [activation.url or destination.url]
        if destination.auth is not None and destination.auth.token_url:
            urls.append(destination.auth.token_url)
        for url in urls:
            _refuse_open(destination, url)
        if wrong := [name for name, value in activation.headers.items() if cannot_stand([value])]:
            raise ExportError(f"{destination.id}: headers: {wrong[0]} holds characters that a header cannot have")
        self._connections = Connections(
            _context(destination, root), destination.timeout, activation.in_flight, variables
        )
        self._token_connections = self._connections
        self._door: TokenDoor | None = None
        self._access: Access
        if destination.auth is not None and destination.auth.kind == "oauth2":
            if urlsplit(urls[0]).netloc != urlsplit(urls[-1]).netloc:
                context = _context(destination, root, also_usual=True)
                self._token_connections = Connections(context, destination.timeout, 1, variables)
            self._door = TokenDoor(destination, variables, self._token_connections)
            self._access = TokenAccess(self._door.ask)
        else:
            self._access = fixed_access(destination, variables)
        self._most_bytes = bytes_needed(activation.answers)

    def send(self, outgoing: Outgoing) -> Answer:
        """Try a request once; after a 401 once more, with a new token (V10)."""
        try:
            used = self._access.credentials()
            reply = self._request(outgoing, used)
            if reply.status == 401 and (newer := self._access.renewed(used)) is not None:
                used = newer
                reply = self._request(outgoing, used)
        except UnansweredError as error:
            return error.answer
        answer = meaning_of(reply, self._activation.answers, outgoing)
        if answer.meaning == "accepted" and not answer.refused and not answer.refused_count:
            return answer
        return replace(answer, look=lambda: self._excerpt(reply, outgoing, used))

    def _request(self, outgoing: Outgoing, credentials: Credentials) -> Reply:
        headers = request_headers(self._activation.headers, outgoing.key, credentials.headers)
        url = credentials.signed(outgoing.url)
        return self._connections.request(outgoing.method, url, outgoing.body, headers, self._most_bytes)

    def _excerpt(self, reply: Reply, outgoing: Outgoing, used: Credentials) -> str:
        """What is shown of an answer (V12): nothing that a header, the url or the body carried."""
        parts = urlsplit(used.signed(outgoing.url))
        headers = {**self._activation.headers, **used.headers}
        carried = (parts.path, parts.query, outgoing.key, outgoing.id, *headers.values(), *used.secrets)
        return excerpt(reply.body, outgoing.body, carried)

    def check(self, test: Outgoing | None = None) -> str:
        """Connect, and get a token where there are tokens; then send ``test``, if there is one (V11).

        ``ExportError`` with the reason when that fails. Without ``test`` no request goes to the API, so that other
        credentials than tokens are not tried. A receiver that refuses the test lets muster in: it takes no empty list.
        """
        url = self._activation.url or self._destination.url
        try:
            self._connections.connect(url)
            self._access.credentials()
        except UnansweredError as error:
            raise self._failed(error.answer) from None
        found = ["connected"]
        if urlsplit(url).scheme == "https":
            found.append("its certificate is valid")
        if self._door is not None:
            found.append("the token server gives a token")
        if test is None:
            if self._destination.auth is not None and self._door is None:
                found.append("credentials not tried (--send-test does)")
        else:
            answer = self.send(test)
            if answer.meaning not in ("accepted", "refused"):
                raise self._failed(answer)
            found.append(f"it answers {answer.reason} to a test about nobody")
        return ", ".join(found)

    def _failed(self, answer: Answer) -> ExportError:
        return ExportError(f"{self._destination.id}: {failure_of(answer)}")

    def stop(self) -> None:
        """Send nothing more; requests under way have a few seconds for their answers."""
        self._connections.stop()
        self._token_connections.stop()

    def close(self) -> None:
        """End the connections."""
        self._connections.close()
        self._token_connections.close()


def _context(destination: MessageDestination, root: Path, *, also_usual: bool = False) -> Callable[[], SSLContext]:
    """The maker of a context; where files say whom to trust it is made at once, as they may be wrong."""
    if destination.tls is None:
        return partial(context_of, destination, root)
    made = context_of(destination, root, also_usual=also_usual)
    return lambda: made


def _refuse_open(destination: MessageDestination, url: str) -> None:
    """``ExportError`` for a url whose requests can be read on the way, unless ``allow_insecure`` allows it (V12)."""
    parts = urlsplit(url)
    if parts.scheme == "http" and not destination.allow_insecure and not is_loopback(parts.hostname or ""):
        raise ExportError(f"{destination.id}: http:// can be read on the way; use https://, or set allow_insecure")
