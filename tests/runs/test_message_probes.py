"""`muster destinations` of messages: connected to, authenticated; nothing is sent unless it is asked for (V11)."""

import json
from pathlib import Path

import pytest
from support.event_workspace import write_events
from support.nginx import Nginx
from support.receiver import TOKENS, Door, Receiver, Say
from support.servers import free_port
from support.shop import invoke

HUSH = "hush-hush-4711"


def crm(url: str, more: str = "", activations: str = "  - {id: all, audiences: [loyal]}\n") -> str:
    """A destination of messages."""
    return f"name: CRM\nkind: http\nurl: {url}\n{more}activations:\n{activations}"


def checked(root: Path, *arguments: str, **files: str) -> tuple[int, list[dict[str, object]], str]:
    """The exit code, the JSON and all output of a check of destinations."""
    write_events(root, {f"destinations/{name}.yml": text for name, text in files.items()})
    done = invoke("-C", str(root), "destinations", "check", "--json", *arguments)
    assert done.out, done.err
    return done.code, json.loads(done.out), done.out + done.err


def steps(found: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    """The steps of the first destination: name, what was found, what went wrong."""
    listed = found[0]["steps"]
    assert isinstance(listed, list)
    return [(each["step"], each["found"], each["error"]) for each in listed]


def test_a_check_connects_and_sends_nothing(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V11: `destinations check` connects; `list` names the place."""
    monkeypatch.setenv("CRM_KEY", HUSH)
    text = crm(receiver.url("/profiles"), "auth: {bearer_env: CRM_KEY}\n")
    code, found, output = checked(tmp_path, crm=text)
    assert (code, found[0]["result"]) == (0, "ok")
    assert steps(found) == [("connect", "connected, credentials not tried (--send-test does)", None)]
    assert not receiver.requests
    assert HUSH not in output
    listed = invoke("-C", str(tmp_path), "destinations", "list", "--json")
    assert json.loads(listed.out) == [
        {"id": "crm", "name": "CRM", "kind": "http", "url": receiver.url("/profiles"), "activations": 1}
    ]


def test_a_test_request_is_about_nobody(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V11: with `--send-test` an empty list goes out, with the credentials; a 401 fails the check."""
    monkeypatch.setenv("CRM_KEY", HUSH)
    text = crm(receiver.url("/p"), "auth: {bearer_env: CRM_KEY}\nmethod: PUT\n")
    code, found, _ = checked(tmp_path, "--send-test", crm=text)
    assert code == 0
    assert steps(found)[1] == ("send a test", "connected, it answers 200 to a test about nobody", None)
    (request,) = receiver.requests
    assert (request.method, request.body) == ("PUT", b"[]")
    assert request.headers["authorization"] == f"Bearer {HUSH}"
    receiver.default = Say(401, {"error": HUSH})
    code, found, output = checked(tmp_path, "--send-test", crm=text)
    assert (code, found[0]["result"]) == (1, "failed")
    assert "answers 401: it does not accept the credentials" in str(steps(found)[1][2])
    assert HUSH not in output


def test_the_test_of_a_declared_request_is_its_tree_without_people(receiver: Receiver, tmp_path: Path) -> None:
    """V11, V6: lists over profiles are empty, values of people are left out, and the first audience fills the url."""
    text = crm(
        f'"{receiver.url("/{audience.alias}/users")}"',
        "method: {realized: POST, exited: DELETE}\n"
        "columns: [{target: ID, source: profile_id}]\n"
        "request: {schema: [ID], status: =status, run: =run.id, data: {each: profiles, as: [=ID]}}\n",
        '  - {id: all, audiences: [{audience: loyal, alias: "2 3"}, {audience: city-dallas, alias: x}]}\n',
    )
    code, _, output = checked(tmp_path, "--send-test", crm=text)
    assert code == 0, output
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/2%203/users")
    assert request.json == {"schema": ["ID"], "status": "realized", "run": "muster-test", "data": []}


def test_tokens_are_tried_without_a_message(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V11: a token is asked for; a wrong secret fails the check, and is in no line of it."""
    monkeypatch.setenv("CRM_ID", "me")
    monkeypatch.setenv("CRM_SECRET", HUSH)
    names = "client_id_env: CRM_ID, client_secret_env: CRM_SECRET"
    text = crm(receiver.url(), f"auth: {{oauth2: {{token_url: {receiver.url(TOKENS)}, {names}}}}}\n")
    receiver.door = Door("me", HUSH)
    code, found, _ = checked(tmp_path, crm=text)
    assert (code, steps(found)) == (0, [("connect", "connected, the token server gives a token", None)])
    receiver.door = Door("me", "another")
    code, found, output = checked(tmp_path, crm=text)
    assert (code, steps(found)[0][2]) == (1, "no token: the token server answers 401 invalid_client")
    assert HUSH not in output
    assert not receiver.requests


def test_each_destination_fails_for_itself(
    receiver: Receiver, nginx: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V11, SPEC 10: one sentence says why; the others are checked, those of files too; a name that is wrong is told."""
    monkeypatch.delenv("NOT_THERE", raising=False)
    (tmp_path / "out").mkdir()
    files = {
        "good": crm(receiver.url()),
        "closed": crm(f"http://127.0.0.1:{free_port()}/"),
        "unknown": crm(nginx.url("good")),
        "lacking": crm(receiver.url(), "auth: {bearer_env: NOT_THERE}\n"),
        "files": "url: out\nformat: csv\nmapping: [profile_id]\nactivations:\n"
        "  - {audience: loyal, export: full, schedule: {at: '05:00'}}\n",
    }
    code, found, _ = checked(tmp_path, **files)
    said = {str(each["id"]): (each["result"], each["steps"][-1]["error"]) for each in found}  # type: ignore[index]
    assert code == 1
    assert said["good"] == said["files"] == ("ok", None)
    assert said["closed"] == ("failed", "the connection is refused: nothing listens there")
    assert said["unknown"] == (
        "failed",
        "its TLS certificate is not accepted: unable to get local issuer certificate",
    )
    assert said["lacking"][0] == "failed"
    assert "NOT_THERE" in str(said["lacking"][1])
    done = invoke("-C", str(tmp_path), "destinations", "check", "god")
    assert done.code == 2
    assert "did you mean 'good'?" in done.err


def test_activations_that_send_in_different_ways_are_each_tried(receiver: Receiver, tmp_path: Path) -> None:
    """V1, V11: overrides of an activation are part of how it sends: two with the same ones are tried once."""
    ways = "".join(
        f"  - {{id: {name}, audiences: [loyal]{more}}}\n"
        for name, more in (("a", ""), ("b", ""), ("c", ", headers: {X-Team: c}"))
    )
    code, found, _ = checked(tmp_path, "--send-test", crm=crm(receiver.url("/p"), activations=ways))
    assert code == 0
    assert [step for step, _, _ in steps(found)] == [
        *("connect as a", "send a test as a", "connect as c", "send a test as c"),
    ]
    assert [request.headers.get("x-team") for request in receiver.requests] == [None, "c"]
