"""OAuth2 client credentials: one token for all threads, renewed early, and once after a 401 (V10, V12)."""

import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest
from support.endpoints import destination, http, outgoing
from support.receiver import TOKENS, Door, Received, Receiver, Say

from muster.activation.endpoints.http.connections import Connections
from muster.activation.endpoints.http.refusals import UnansweredError
from muster.activation.endpoints.http.tokens import Token, TokenAccess, TokenDoor
from muster.activation.endpoints.protocol import Answer, Endpoint
from muster.activation.endpoints.wording import failure_of
from muster.activation.errors import ExportError
from muster.activation.model.messages import Auth

WORD = "hush/hush=4711"


@pytest.fixture
def door(receiver: Receiver) -> Door:
    """A receiver that lets in who has a token of its own."""
    receiver.door = Door("me", WORD)
    return receiver.door


def opened(receiver: Receiver, **parameters: str) -> Endpoint:
    """An endpoint whose requests carry a token."""
    names = {"client_id_env": "ID", "client_secret_env": "WORD"}
    auth = Auth("oauth2", names, token_url=receiver.url(TOKENS), parameters=parameters)
    return http(receiver.url(), auth=auth, variables={"ID": "me", "WORD": f"{WORD}\n"})


def answers(receiver: Receiver, endpoint: Endpoint, count: int = 1, *, threads: int = 1) -> list[Answer]:
    """The answers to some requests, of several threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda _: endpoint.send(outgoing(receiver.url())), range(count)))


def form(request: Received) -> dict[str, str]:
    """The fields of a request for a token."""
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def test_all_threads_share_one_token(receiver: Receiver, door: Door) -> None:
    """V10: it is asked for once, with what the config adds to the request for it."""
    door.delay = 0.05
    found = answers(receiver, opened(receiver, scope="events", audience="crm"), 16, threads=8)
    assert {answer.meaning for answer in found} == {"accepted"}
    assert door.given == len(door.requests) == 1
    assert form(door.requests[0]) == {
        "grant_type": "client_credentials",
        "scope": "events",
        "audience": "crm",
        "client_id": "me",
        "client_secret": WORD,
    }
    assert {request.headers["authorization"] for request in receiver.requests} == {"Bearer token-1-of-the-receiver"}


def test_a_401_renews_the_token_once_for_all_threads(receiver: Receiver, door: Door) -> None:
    """V10: requests that one token was refused for wait for one new one, and go out again with the same key."""
    endpoint = opened(receiver)
    answers(receiver, endpoint)
    door.expire()
    door.delay = 0.1
    receiver.stand_still()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(endpoint.send, outgoing(receiver.url())) for _ in range(8)]
        until = time.monotonic() + 20
        while len(receiver.requests) < 9 and time.monotonic() < until:
            time.sleep(0.005)
        receiver.go_on()
        assert {each.result().meaning for each in waiting} == {"accepted"}
    assert door.given == 2
    assert [request.status for request in receiver.requests].count(401) == 8
    assert len({request.key for request in receiver.requests}) == 1


def test_a_401_after_a_renewal_ends_the_run(receiver: Receiver, door: Door) -> None:
    """V10: one renewal is tried; 401 is no refusal of anybody."""
    door.uses = 0
    (answer,) = answers(receiver, opened(receiver))
    assert (answer.meaning, answer.reason, answer.sent) == ("fatal", "401", True)
    assert door.given == len(receiver.requests) == 2


def test_other_credentials_are_not_renewed(receiver: Receiver) -> None:
    """V10: 401 ends the run at once where there is no token to renew."""
    receiver.default = Say(401)
    endpoint = http(receiver.url(), auth=Auth("bearer", {"bearer_env": "WORD"}), variables={"WORD": WORD})
    assert answers(receiver, endpoint)[0].meaning == "fatal"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(("expires_in", "given"), [(0.001, 3), ("0.001", 3), (3600, 1), (None, 1), ("soon", 1), (0, 1)])
def test_a_token_is_renewed_early_by_its_own_word(receiver: Receiver, door: Door, expires_in: Any, given: int) -> None:
    """V10: `expires_in` says when; an answer without it leaves that to a 401."""
    door.expires_in = expires_in
    endpoint = opened(receiver)
    for _ in range(3):
        assert answers(receiver, endpoint)[0].meaning == "accepted"
        time.sleep(0.002)
    assert door.given == given


def test_an_early_renewal_that_fails_uses_the_token_to_its_end() -> None:
    """V10: a minute before its end, of a short life a tenth; a server of tokens that is down ends no run meanwhile."""
    now = time.monotonic()
    given = [Token("first", now - 1, now + 60), Answer("unsent", "no token")]
    asked = []

    def ask() -> Token:
        asked.append(1)
        said = given[min(len(asked), 2) - 1]
        if isinstance(said, Answer):
            raise UnansweredError(said)
        return said

    access = TokenAccess(ask)
    for _ in range(5):
        assert access.credentials().headers == {"Authorization": "Bearer first"}
    assert len(asked) == 2, "a failed renewal was tried again at once"


@pytest.mark.parametrize(
    ("said", "meaning", "reason"),
    [
        (Say(401, {"error": "invalid_client"}), "fatal", "no token: the token server answers 401 invalid_client"),
        (Say(403, {"error": WORD}), "fatal", "no token: the token server answers 403"),
        (Say(302, headers={"Location": "/x"}), "fatal", "no token: the token server answers 302"),
        (Say(503, headers={"Retry-After": "4"}), "unsent", "no token: the token server answers 503"),
        (Say(429), "unsent", "no token: the token server answers 429"),
        (Say(200, b"<html>"), "fatal", "no token: the token server's answer holds none"),
        (Say(200, {"access_token": "a\nb"}), "fatal", "no token: the token server's answer holds none"),
        (Say(200, {"access_token": None}), "fatal", "no token: the token server's answer holds none"),
    ],
)
def test_without_a_token_nothing_is_sent(receiver: Receiver, door: Door, said: Say, meaning: str, reason: str) -> None:
    """V10, V12: what may pass is tried again; nothing of what the server says is repeated but the codes of OAuth2."""
    door.script = [said, said]
    endpoint = opened(receiver)
    (answer,) = answers(receiver, endpoint)
    assert (answer.meaning, answer.reason, answer.sent) == (meaning, reason, False)
    assert answer.retry_after == (4 if said.headers.get("Retry-After") else None)
    assert failure_of(answer) == reason
    assert not receiver.requests
    door.script = [said, said]
    with pytest.raises(ExportError, match=reason):
        opened(receiver).check()


def test_threads_that_wait_for_a_token_share_its_failure(receiver: Receiver, door: Door) -> None:
    """V10: eight requests that find no token ask for one once."""
    door.client_secret, door.delay = "another", 0.1
    ready = threading.Barrier(8)
    endpoint = opened(receiver)

    def send(_: int) -> Answer:
        ready.wait()
        return endpoint.send(outgoing(receiver.url()))

    with ThreadPoolExecutor(8) as pool:
        assert {each.meaning for each in pool.map(send, range(8))} == {"fatal"}
    assert len(door.requests) == 2, "once in the body, once in the header"


def test_a_server_that_wants_the_client_in_a_header_gets_it_there(receiver: Receiver, door: Door) -> None:
    """RFC 6749: in the body first; where that is refused, as Basic credentials, and from then on there."""
    door.script = [Say(401, {"error": "invalid_client"})]
    endpoint = opened(receiver)
    assert answers(receiver, endpoint)[0].meaning == "accepted"
    door.expire()
    assert answers(receiver, endpoint)[0].meaning == "accepted"
    assert ["client_secret" in form(request) for request in door.requests] == [True, False, False]
    assert door.requests[1].headers["authorization"] == "Basic bWU6aHVzaCUyRmh1c2glM0Q0NzEx"


def test_a_check_gets_a_token_and_sends_nothing(receiver: Receiver, door: Door) -> None:
    """V11: authentication is tried where it can be without a message."""
    assert opened(receiver).check() == "connected, the token server gives a token"
    assert door.given == 1
    assert not receiver.requests


@pytest.mark.parametrize(("life", "early"), [(3600, 60), (600, 60), (100, 10), (2, 0.2)])
def test_a_token_is_renewed_a_minute_or_a_tenth_before_its_end(
    receiver: Receiver, door: Door, life: float, early: float
) -> None:
    """V10: renewed early, however short its life is."""
    door.expires_in = life
    url = receiver.url(TOKENS)
    auth = Auth("oauth2", {"client_id_env": "ID", "client_secret_env": "WORD"}, token_url=url)
    variables = {"ID": "me", "WORD": WORD}
    connections = Connections(ssl.create_default_context, 20, 1, {})
    before = time.monotonic()
    token = TokenDoor(destination(url, auth=auth), variables, connections).ask()
    connections.close()
    assert before + life <= token.ends <= time.monotonic() + life
    assert token.ends - token.renewed_from == pytest.approx(early)
