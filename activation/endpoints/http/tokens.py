"""OAuth2 client credentials: one token for all threads, renewed early, and once after a 401 (V10, V12)."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from muster.activation.endpoints.http.access import Credentials, basic, bearer, secret_of
from muster.activation.endpoints.http.connections import Connections, Reply
from muster.activation.endpoints.http.header_lines import JSON, cannot_stand, user_agent
from muster.activation.endpoints.http.refusals import UnansweredError
from muster.activation.endpoints.http.retry_after import retry_after
from muster.activation.endpoints.protocol import Answer, Meaning
from muster.activation.model.messages import MessageDestination

_MOST_BYTES = 1 << 20  # of an answer with a token
_PAUSE = 5.0  # seconds between early renewals that fail
_EARLY = 60.0  # seconds before its end that a token is renewed; of one that ends soon, a tenth of its time
# What RFC 6749 lets a server say. Other words of an answer are not shown: they may hold what was sent.
_CODES = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
        *("invalid_scope", "temporarily_unavailable", "server_error", "access_denied", "invalid_target"),
    }
)
_WITH_BASIC = frozenset({"invalid_client", "invalid_request", "unauthorized_client"})


@dataclass(frozen=True)
class Token:
    """A token as it was given, and the times of the monotonic clock at which it is renewed and ends."""

    text: str = field(repr=False)
    renewed_from: float = float("inf")
    ends: float = float("inf")

    @property
    def credentials(self) -> Credentials:
        """What a request carries."""
        return Credentials(bearer(self.text), secrets=(self.text,))


class TokenAccess:
    """The token that all threads share. Whoever waits while another asks for one takes what that one got."""

    def __init__(self, ask: Callable[[], Token]) -> None:
        self._ask = ask
        self._token: Token | None = None
        self._failure: UnansweredError | None = None
        self._asked = 0  # how often; who sees it grow while waiting need not ask again
        self._again_from = 0.0  # of the monotonic clock: an early renewal that failed is not tried again before
        self._turn = threading.Lock()

    def credentials(self) -> Credentials:
        """Those of a token that is valid by its own word; of an old one while no new one can be had."""
        asked, token, now = self._asked, self._token, time.monotonic()
        if token is not None and (now < token.renewed_from or now < min(token.ends, self._again_from)):
            return token.credentials
        try:
            return self._renew(asked).credentials
        except UnansweredError:
            if token is not None and now < token.ends:
                self._again_from = now + _PAUSE
                return token.credentials
            raise

    def renewed(self, used: Credentials) -> Credentials | None:
        """Those of a newer token than ``used``, which a receiver did not accept."""
        asked, token = self._asked, self._token
        if token is not None and token.credentials != used:
            return token.credentials
        return self._renew(asked).credentials

    def _renew(self, asked: int) -> Token:
        with self._turn:
            if self._asked == asked:
                try:
                    self._token, self._failure = self._ask(), None
                except UnansweredError as error:
                    self._failure = error
                self._asked += 1
            if self._failure is not None:
                raise UnansweredError(self._failure.answer)
            if self._token is None:
                raise RuntimeError("a token was asked for, and there is neither a token nor a failure")
            return self._token


class TokenDoor:
    """Asks a server for tokens. The client's name and secret go in the body; in a header where that is not accepted."""

    def __init__(self, destination: MessageDestination, variables: Mapping[str, str], connections: Connections) -> None:
        auth = destination.auth
        if auth is None or auth.token_url is None:
            raise TypeError(destination.id)
        self._url, self._more = auth.token_url, dict(auth.parameters)
        self._client = secret_of(destination, auth, "client_id_env", variables)
        self._secret = secret_of(destination, auth, "client_secret_env", variables)
        self._connections = connections
        self._in_header = False  # how the server wants to know the client: learned from its answers

    @property
    def url(self) -> str:
        """Where tokens are given."""
        return self._url

    def ask(self) -> Token:
        """A new token; ``UnansweredError`` with the reason when none is given."""
        now = time.monotonic()
        reply = self._post()
        if reply.status in (400, 401) and _code(reply) in _WITH_BASIC | {""}:
            self._in_header = not self._in_header
            other = self._post()
            if other.status == 200:
                reply = other
            else:
                self._in_header = not self._in_header
        return _token(reply, now)

    def _post(self) -> Reply:
        form = {"grant_type": "client_credentials", **self._more}
        headers = {"Accept": JSON, "Content-Type": "application/x-www-form-urlencoded", "User-Agent": user_agent()}
        if self._in_header:
            headers |= basic(quote(self._client, safe=""), quote(self._secret, safe=""))
        else:
            form |= {"client_id": self._client, "client_secret": self._secret}
        try:
            return self._connections.request("POST", self._url, urlencode(form).encode(), headers, _MOST_BYTES)
        except UnansweredError as error:
            reason = f"no token: {error.answer.reason}"  # if anything was lost it is a token, and no message
            meaning: Meaning = "fatal" if error.answer.meaning == "fatal" else "unsent"
            raise UnansweredError(Answer(meaning, reason, sent=False)) from None


def _code(reply: Reply) -> str:
    """The error code of an answer, if it is one of the known ones."""
    found = _document(reply).get("error")
    return found if isinstance(found, str) and found in _CODES else ""


def _document(reply: Reply) -> dict[str, object]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _token(reply: Reply, now: float) -> Token:
    if reply.status != 200:
        passes = reply.status in (408, 429) or reply.status >= 500
        reason = f"no token: the token server answers {reply.status} {_code(reply)}".rstrip()
        wait = retry_after(reply.headers) if passes else None
        meaning: Meaning = "unsent" if passes else "fatal"
        raise UnansweredError(Answer(meaning, reason, retry_after=wait, sent=False))
    document = _document(reply)
    text = document.get("access_token")
    if not isinstance(text, str) or not text or cannot_stand([text]) or reply.is_broken:
        raise UnansweredError(Answer("fatal", "no token: the token server's answer holds none", sent=False))
    life = _seconds(document.get("expires_in"))
    return Token(text) if life is None else Token(text, now + life - min(_EARLY, life / 10), now + life)


def _seconds(said: object) -> float | None:
    """A number of seconds, as JSON numbers and as text; None for everything else."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        found = float(said)
    except ValueError:
        return None
    return found if 0 < found < float("inf") else None
