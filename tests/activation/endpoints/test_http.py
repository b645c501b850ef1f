"""The client of HTTP APIs against a real server: requests, answers, and what cannot be reached (V8, V10, V12)."""

import gzip
import json
import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import pytest
from support.endpoints import http, outgoing
from support.receiver import CUT, LOST, Receiver, Say
from support.servers import free_port
from urllib3.connection import HTTPConnection

from muster.activation.endpoints.http import connections
from muster.activation.endpoints.http.proxies import proxy_for
from muster.activation.endpoints.protocol import Answer
from muster.activation.errors import ExportError
from muster.activation.model.messages import Answers, Auth, Result

HUSH = "hush-hush-4711"


def sent(receiver: Receiver, *, path: str = "/p", body: bytes = b"[]", entries: int = 1, **settings: Any) -> Answer:
    """The answer to one request."""
    url = receiver.url(path)
    endpoint = http(url, **settings)
    try:
        return endpoint.send(outgoing(url, body, entries=entries))
    finally:
        endpoint.close()


def test_a_request_is_what_was_written(receiver: Receiver) -> None:
    """V5, V8: method, url, body and key are those of the outbox; the length is told, the type is JSON."""
    url = receiver.url("/users/a%2Fb?x=%C3%BC")
    body = '[{"name":"Müller"}]'.encode()
    http(url).send(outgoing(url, body, method="PUT"))
    (request,) = receiver.requests
    assert (request.method, request.path, request.query) == ("PUT", "/users/a%2Fb", "x=%C3%BC")
    assert request.body == body
    assert {name: request.headers[name] for name in ("content-length", "content-type", "idempotency-key")} == {
        "content-length": str(len(body)),
        "content-type": "application/json",
        "idempotency-key": "key-of-run-1-0",
    }
    assert request.headers["user-agent"] == f"muster/{version('muster-activation')}"
    assert "transfer-encoding" not in request.headers


def test_configured_headers_replace_musters_own_in_any_case(receiver: Receiver) -> None:
    """V1: `headers` are sent with every request; the key of a request and its credentials are never replaced."""
    headers = {"content-TYPE": "application/vnd.api+json", "X-Source": "muster", "user-agent": "x"}
    auth = Auth("header", {"value_env": "KEY"}, header="x-source")
    sent(receiver, headers=headers | {"IDEMPOTENCY-KEY": "mine"}, auth=auth, variables={"KEY": "theirs"})
    found = receiver.requests[0].headers
    assert [found[name] for name in ("content-type", "user-agent", "x-source", "idempotency-key")] == [
        *("application/vnd.api+json", "x", "theirs", "key-of-run-1-0"),
    ]


@pytest.mark.parametrize(
    ("auth", "header", "value", "query"),
    [
        (Auth("bearer", {"bearer_env": "KEY"}), "authorization", f"Bearer {HUSH}", "x=1"),
        (Auth("header", {"value_env": "KEY"}, header="X-Api-Key"), "x-api-key", HUSH, "x=1"),
        (
            Auth("basic", {"user_env": "USER", "password_env": "KEY"}),
            "authorization",
            "Basic w7w6aHVzaC1odXNoLTQ3MTE=",
            "x=1",
        ),
        (
            Auth("query", {"value_env": "ODD"}, parameter="api key"),
            "accept",
            "application/json",
            "x=1&api%20key=a%26b%3D%2F",
        ),
    ],
    ids=lambda auth: auth.kind if isinstance(auth, Auth) else "",
)
def test_credentials_come_from_variables(receiver: Receiver, auth: Auth, header: str, value: str, query: str) -> None:
    """V1, V12: bearer, header, basic and query; the line end behind a secret in a file is no part of it."""
    sent(receiver, path="/p?x=1", auth=auth, variables={"KEY": f"{HUSH}\n", "USER": "ü", "ODD": "a&b=/"})
    (request,) = receiver.requests
    assert request.headers[header] == value
    assert request.query == query


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "KEY is not set"),
        ({"KEY": "  "}, "KEY is not set"),
        ({"KEY": f"{HUSH}\nX-Evil: 1"}, "KEY holds characters that a header cannot have"),
        ({"KEY": f"{HUSH}€"}, "KEY holds characters that a header cannot have"),
    ],
)
def test_credentials_that_no_request_can_carry_are_an_error(variables: dict[str, str], said: str) -> None:
    """V12, SPEC 10: the variable is named, and its value is not."""
    with pytest.raises(ExportError, match=said) as raised:
        http("http://127.0.0.1/", auth=Auth("bearer", {"bearer_env": "KEY"}), variables=variables)
    assert HUSH not in str(raised.value)


def test_a_user_with_a_colon_cannot_be_told_from_the_password() -> None:
    """RFC 7617: the first colon ends the user."""
    auth = Auth("basic", {"user_env": "USER", "password_env": "KEY"})
    with pytest.raises(ExportError, match="USER holds a colon"):
        http("http://127.0.0.1/", auth=auth, variables={"KEY": HUSH, "USER": "a:b"})


def test_plain_http_needs_permission_beyond_this_machine() -> None:
    """V12: http:// needs `allow_insecure`, but for loopback; for urls of tokens, too."""
    for url in ("http://127.8.9.1/", "http://[::1]:80/", "http://LOCALHOST/", "https://crm.example.com/"):
        http(url).close()
    http("http://crm.example.com/", allow_insecure=True).close()
    with pytest.raises(ExportError, match="allow_insecure"):
        http("http://crm.example.com/")
    auth = Auth("oauth2", {"client_id_env": "A", "client_secret_env": "B"}, token_url="http://login.example.com/")  # noqa: S106  # an address
    with pytest.raises(ExportError, match="allow_insecure"):
        http("https://crm.example.com/", auth=auth, variables={"A": "a", "B": "b"})


@pytest.mark.parametrize(
    ("said", "meaning", "reason"),
    [
        (CUT, "lost", "the connection broke before there was an answer"),
        (LOST, "lost", "the connection broke before there was an answer"),
        (Say(200, b"0123456789", only=4), "lost", "the connection broke within the answer"),
        (Say(422, b"0123456789", only=4), "refused", "422"),
        (Say(302, headers={"Location": "/elsewhere"}), "fatal", "302"),
        (Say(429, headers={"Retry-After": "3"}), "throttled", "429"),
    ],
)
def test_one_try_is_one_request(receiver: Receiver, said: Say, meaning: str, reason: str) -> None:
    """V10: no try is repeated, no redirect followed; an answer that breaks off is none, but for a refusal."""
    receiver.script = [said]
    answer = sent(receiver)
    assert (answer.meaning, answer.reason) == (meaning, reason)
    assert len(receiver.requests) == 1


def test_no_answer_in_time_is_lost(receiver: Receiver) -> None:
    """V10: a request may have been taken though nobody said so: also where an answer drips."""
    receiver.script = [Say(delay=5)]
    assert sent(receiver, timeout=0.2) == Answer("lost", "no answer in time")


def test_nobody_was_told_what_could_not_be_sent() -> None:
    """V10, SPEC 10: without a connection nothing was sent, and the reason is one clause."""
    with socket.socket() as full:  # accepts nothing, and has no room for more
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(2)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        failures = {
            f"http://127.0.0.1:{free_port()}/": "the connection is refused: nothing listens there",
            f"http://127.0.0.1:{port}/": "no connection in time",
            "http://no-such-host.invalid/": "the name of its host is not known",
        }
        for url, reason in failures.items():
            endpoint = http(url, allow_insecure=True, timeout=0.1)
            assert endpoint.send(outgoing(url)) == Answer("unsent", reason)
            with pytest.raises(ExportError, match=f"crm: {reason}$"):
                endpoint.check()
        for each in waiting:
            each.close()


def test_a_port_without_tls_ends_the_run(receiver: Receiver) -> None:
    """V10: what no later try can mend is not tried again; nothing was sent."""
    url = receiver.url().replace("http:", "https:")
    assert http(url).send(outgoing(url)) == Answer("fatal", "it does not speak TLS at this port", sent=False)
    assert not receiver.requests


def test_answers_may_be_packed(receiver: Receiver) -> None:
    """V10: gzip is read though nobody asked for it; what cannot be unpacked says nothing of entries."""
    result = Answers(result=Result(errors="errors", index="index"))
    packed = gzip.compress(json.dumps({"errors": [{"index": 1}]}).encode())
    receiver.script = [Say(200, each, {"Content-Encoding": "gzip"}) for each in (packed, b"no gzip")]
    assert sent(receiver, body=b"[1,2]", entries=2, answers=result).refused == {1: "200"}
    assert sent(receiver, body=b"[1,2]", entries=2, answers=result).meaning == "lost"


def test_huge_answers_are_read_to_a_bound(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """V10: 2xx accepts whatever follows; where entries are asked for, more than the bound is no answer."""
    monkeypatch.setattr("muster.activation.endpoints.http.answers.MOST_BYTES", 100_000)
    receiver.default = Say(200, b'{"errors": []' + b" " * 3_000_000 + b"}")
    assert sent(receiver).meaning == "accepted"
    assert sent(receiver, answers=Answers(result=Result(errors="errors", index="index"))).meaning == "lost"
    receiver.default = Say(200, gzip.compress(b" " * 20_000_000), {"Content-Encoding": "gzip"})
    endpoint = http(receiver.url())
    assert [endpoint.send(outgoing(receiver.url())).meaning for _ in range(3)] == ["accepted"] * 3
    endpoint.close()


def test_an_excerpt_shows_nothing_that_was_sent(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """V12: a receiver that answers with the whole request: no value, header, query or key of it is shown or logged."""

    def echo(request: Any) -> Say:
        told = {"path": request.path, "query": request.query, "headers": request.headers, "body": request.body.decode()}
        return Say(400, {"error": "invalid request", "got": told})

    receiver.rule = echo
    caplog.set_level(logging.DEBUG)
    answer = sent(
        receiver,
        path="/users/23845",
        body=b'[{"personalEmail":{"address":"marty@hillvalley.example"}}]',
        headers={"X-Partner": "partner-77881"},
        auth=Auth("query", {"value_env": "KEY"}, parameter="api_key"),
        variables={"KEY": HUSH},
    )
    assert answer.excerpt.startswith('{"error": "invalid request"')
    for hidden in ("marty", "hillvalley", "23845", "partner", "77881", HUSH, "4711", "key-of-run"):
        assert hidden not in answer.excerpt
        assert hidden not in repr(answer)
    assert HUSH not in caplog.text
    assert "marty" not in caplog.text


def test_only_tls_reads_the_machines_authorities(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """V13: reading them takes longer than hundreds of requests."""
    monkeypatch.setattr(ssl, "create_default_context", None)
    assert sent(receiver).meaning == "accepted"
    assert http(receiver.url()).check() == "connected"


def test_connections_are_used_again_by_all_threads(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """V8: as many connections as requests under way, however many requests there are."""
    made = []
    connect = HTTPConnection.connect

    def counted(self: Any) -> None:
        made.append(1)
        connect(self)

    monkeypatch.setattr(HTTPConnection, "connect", counted)
    url = receiver.url()
    endpoint = http(url)
    receiver.default = Say(delay=0.01)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: endpoint.send(outgoing(url)), range(24)))
    endpoint.close()
    assert {answer.meaning for answer in answers} == {"accepted"}
    assert len(receiver.requests) == 24
    assert 1 <= len(made) <= 4


def test_stopping_waits_a_moment_for_answers(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """X5: a command that is asked to stop sends nothing more, and does not wait for a receiver that says nothing."""
    monkeypatch.setattr(connections, "_GRACE", 0.1)
    receiver.stand_still()
    url = receiver.url()
    endpoint = http(url, timeout=300)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(endpoint.send, outgoing(url))
        assert receiver.stands.wait(20)
        endpoint.stop()
        assert waiting.result(20).meaning == "lost"
    assert endpoint.send(outgoing(url)) == Answer("unsent", "the command was asked to stop")
    endpoint.close()


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://crm.example.com/", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://crm.example.com/", "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "https://crm.example.com/", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://crm.example.com/", None),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://crm.example.com/", "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://127.0.0.1:8000/", None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://localhost:8000/", None),
        ({"HTTP_PROXY": "http://proxy:3128", "REQUEST_METHOD": "GET"}, "http://crm.example.com/", None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, "https://crm.example.com/", None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".example.com, x"}, "https://crm.example.com/", None),
        (
            {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "ample.com"},
            "https://crm.example.com/",
            "http://proxy:3128",
        ),
        ({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "*"}, "https://crm.example.com/", None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3/", None),
        (
            {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "crm.example.com:8443"},
            "https://crm.example.com/",
            "http://proxy:3128",
        ),
    ],
)
def test_proxies_are_those_of_the_environment(environ: dict[str, str], url: str, proxy: str | None) -> None:
    """V1: as programs for HTTP read it; what stays on this machine needs none."""
    assert proxy_for(url, environ) == proxy


def test_requests_go_through_a_proxy(receiver: Receiver) -> None:
    """V1: the proxy gets the whole url, and its own credentials; an error never names them."""
    url = "http://crm.example.com/p"
    variables = {"HTTP_PROXY": f"http://user:{HUSH}@127.0.0.1:{receiver.port}"}
    endpoint = http(url, allow_insecure=True, variables=variables)
    assert endpoint.send(outgoing(url)).meaning == "accepted"
    (request,) = receiver.requests
    assert request.headers["host"] == "crm.example.com"
    assert request.headers["proxy-authorization"].startswith("Basic ")
    assert endpoint.check() == "connected"
    closed = {"HTTPS_PROXY": f"http://user:{HUSH}@127.0.0.1:{receiver.port}"}
    endpoint = http("https://crm.example.com/p", variables=closed)
    answer = endpoint.send(outgoing("https://crm.example.com/p"))
    assert answer == Answer("unsent", "the proxy of the environment gives no connection")
    with pytest.raises(ExportError, match="proxy of the environment"):
        endpoint.check()


def test_a_check_sends_nothing_unless_it_is_told_to(receiver: Receiver) -> None:
    """V11: it connects; with a test request it says what the receiver answers to that, a refusal being an answer."""
    url = receiver.url("/p")
    endpoint = http(url, auth=Auth("bearer", {"bearer_env": "KEY"}), variables={"KEY": HUSH})
    assert endpoint.check() == "connected, credentials not tried (--send-test does)"
    assert not receiver.requests
    receiver.script = [Say(204), Say(400), Say(401), Say(503)]
    assert endpoint.check(outgoing(url, b"[]")) == "connected, it answers 204 to a test about nobody"
    assert endpoint.check(outgoing(url, b"[]")) == "connected, it answers 400 to a test about nobody"
    for status in ("401", "503"):
        with pytest.raises(ExportError, match=f"crm: the receiver answers {status}"):
            endpoint.check(outgoing(url, b"[]"))
    assert [request.body for request in receiver.requests] == [b"[]"] * 4
