"""TLS against nginx: servers are verified, clients show certificates, and what fails is said (V1, V12, SPEC 10)."""

import contextlib
import socket
import socketserver
import threading
from pathlib import Path

import pytest
from support.endpoints import destination, http, outgoing
from support.nginx import Nginx
from support.receiver import TOKENS, Door, Receiver

from muster.activation.endpoints.http.tls import context_of
from muster.activation.endpoints.protocol import Answer, Endpoint
from muster.activation.errors import ExportError
from muster.activation.model.messages import Auth, Tls


def opened(nginx: Nginx, server: str, client: str = "", *, ca: str = "ca.pem", path: str = "/") -> Endpoint:
    """An endpoint that trusts the tests' authority, and shows one of its certificates."""
    shown = (f"{client}.pem", f"{client}.key") if client else (None, None)
    return http(nginx.url(server, path), tls=Tls(*shown, ca), root=nginx.folder)


def sent(nginx: Nginx, server: str, client: str = "", *, path: str = "/") -> Answer:
    """The answer to one request."""
    return opened(nginx, server, client, path=path).send(outgoing(nginx.url(server, path)))


def test_a_server_that_is_known_takes_requests(receiver: Receiver, nginx: Nginx) -> None:
    """V12: with `ca` the file's authorities are trusted; the request comes through whole."""
    assert sent(nginx, "good").meaning == "accepted"
    assert receiver.requests[0].body == b'[{"id":"p7"}]'
    assert opened(nginx, "good").check() == "connected, its certificate is valid"


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("expired", "its TLS certificate is not accepted: certificate has expired"),
        ("elsewhere", "its TLS certificate is not accepted: IP address mismatch, .*"),
    ],
)
def test_a_server_that_is_not_what_it_says_gets_nothing(
    receiver: Receiver, nginx: Nginx, server: str, reason: str
) -> None:
    """V12: TLS is verified; which part of it failed is said, and no later try would mend it."""
    answer = sent(nginx, server)
    assert (answer.meaning, answer.sent) == ("fatal", False)
    with pytest.raises(ExportError, match=f"crm: {reason}$"):
        opened(nginx, server).check()
    assert not receiver.requests


def test_an_authority_that_nobody_knows_is_not_trusted(receiver: Receiver, nginx: Nginx) -> None:
    """V12: without `ca` those of the machine are, and with it no others."""
    for tls in (None, Tls(ca="other-ca.pem")):
        answer = http(nginx.url("good"), tls=tls, root=nginx.folder).send(outgoing(nginx.url("good")))
        assert answer.reason == "its TLS certificate is not accepted: unable to get local issuer certificate"
    assert not receiver.requests


def test_a_client_shows_its_certificate(receiver: Receiver, nginx: Nginx) -> None:
    """V1: `mtls`: the server lets in who shows a certificate that it knows."""
    assert sent(nginx, "mtls", "client").meaning == "accepted"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("client", ["", "stranger", "stale"])
def test_a_client_that_shows_none_or_another_is_no_refusal(receiver: Receiver, nginx: Nginx, client: str) -> None:
    """V10: nginx says 400, which would refuse everybody; it ends the run, and says what to look at."""
    answer = sent(nginx, "mtls", client)
    assert (answer.meaning, answer.reason) == ("fatal", "400")
    with pytest.raises(ExportError, match="mtls"):
        opened(nginx, "mtls", client).check(outgoing(nginx.url("mtls")))
    assert not receiver.requests


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        (Tls("none.pem", "client.key"), "mtls.certificate: no such file"),
        (Tls("client.pem", "none.key"), "mtls.key: no such file"),
        (Tls("client.pem", "stranger.key"), "mtls: the key does not belong to the certificate"),
        (Tls("locked.pem", "locked.key"), "mtls.key: locked.key has a passphrase"),
        (Tls("nginx.conf", "nginx.conf"), "mtls: expected a certificate and its key in PEM"),
        (Tls(ca="none.pem"), "mtls.ca: none.pem: no such file"),
        (Tls(ca="client.key"), "mtls.ca: client.key: expected certificates in PEM"),
    ],
)
def test_files_that_are_no_certificates_are_an_error(nginx: Nginx, tls: Tls, said: str) -> None:
    """SPEC 10: the key of the config is named, and what is wrong with its file."""
    with pytest.raises(ExportError, match=f"crm: {said}"):
        http("https://crm.example.com/", tls=tls, root=nginx.folder)


def test_a_server_of_tokens_elsewhere_is_known_by_the_machines_authorities_too(
    receiver: Receiver, nginx: Nginx
) -> None:
    """V10, V12: `ca` is for the API; tokens may come from a host of the open internet, here one without TLS."""
    receiver.door = Door("me", "hush-hush")
    names = {"client_id_env": "ID", "client_secret_env": "WORD"}
    auth = Auth("oauth2", names, token_url=receiver.url(TOKENS))
    endpoint = http(
        nginx.url("mtls"),
        tls=Tls("client.pem", "client.key", "ca.pem"),
        auth=auth,
        root=nginx.folder,
        variables={"ID": "me", "WORD": "hush-hush"},
    )
    assert endpoint.send(outgoing(nginx.url("mtls"))).meaning == "accepted"


def test_authorities_of_the_machine_are_added_for_tokens_alone(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    """V12: `ca` alone says who the API is; a server of tokens elsewhere may be known to the machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.folder / "other-ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(nginx.folder / "none"))
    there = destination("https://crm.example.com/", tls=Tls(ca="ca.pem"))
    contexts = [context_of(there, nginx.folder, also_usual=also) for also in (False, True)]
    names = [sorted(str(each["subject"][0][0][1]) for each in context.get_ca_certs()) for context in contexts]  # type: ignore[index]
    assert names == [["ca"], ["ca", "other-ca"]]


def test_nginx_that_has_enough_says_429(receiver: Receiver, nginx: Nginx, tmp_path: Path) -> None:
    """V10: too many requests: none was taken, and the header says when to come again."""
    path = f"/limited/{tmp_path.name}"
    endpoint = opened(nginx, "good")
    answers = [endpoint.send(outgoing(nginx.url("good", path))) for _ in range(2)]
    assert [(answer.meaning, answer.retry_after) for answer in answers] == [("accepted", None), ("throttled", 7)]
    assert len(receiver.requests) == 1


def test_nginx_that_cuts_the_connection_gave_no_answer(nginx: Nginx) -> None:
    """V10: 444: the request may have been taken."""
    assert sent(nginx, "good", path="/cut") == Answer("lost", "the connection broke before there was an answer")


class _Tunnel(socketserver.StreamRequestHandler):
    """A proxy that connects every host to one port of this machine."""

    behind: int
    asked: list[list[bytes]]

    def handle(self) -> None:
        lines = []
        while line := self.rfile.readline().strip():
            lines.append(line)
        self.asked.append(lines)
        with socket.create_connection(("127.0.0.1", self.behind)) as server:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            there = threading.Thread(target=self._pass, args=(self.connection, server))
            there.start()
            self._pass(server, self.connection)
            there.join()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)


def test_tls_goes_through_a_proxy_of_the_environment(receiver: Receiver, nginx: Nginx) -> None:
    """V1, V12: the proxy sees the host's name and its own credentials; the certificate is verified as without it."""
    handler = type("Tunnel", (_Tunnel,), {"behind": nginx.ports["elsewhere"], "asked": []})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        variables = {"HTTPS_PROXY": f"http://ann:hush%40hush@127.0.0.1:{proxy.server_address[1]}"}
        url = "https://crm.example.com/p"
        endpoint = http(url, tls=Tls(ca="ca.pem"), root=nginx.folder, variables=variables)
        assert endpoint.send(outgoing(url)).meaning == "accepted"
        assert endpoint.check() == "connected, its certificate is valid"
        endpoint.close()
        untrusted = http(url, variables=variables)
        assert "unable to get local issuer" in untrusted.send(outgoing(url)).reason
        untrusted.close()
        proxy.shutdown()
    for lines in handler.asked:  # type: ignore[attr-defined]
        assert lines[0].startswith(b"CONNECT crm.example.com:443 ")
        assert any(line.lower() == b"proxy-authorization: basic yw5uomh1c2haahvzaa==" for line in lines)
    assert receiver.requests[0].headers["host"] == "127.0.0.1:" + str(receiver.port)
    assert "proxy-authorization" not in receiver.requests[0].headers
