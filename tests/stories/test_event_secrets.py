"""V12: tokens, keys and bodies are in no log, ledger, manifest or error; what is left of people after a run."""

from pathlib import Path
from typing import Any

import pytest
from support.event_shop import DAYS, KEY, EventShop, somebody
from support.receiver import TOKENS, Receiver, Say
from support.shop import Result

SECRETS = ("tok-en-s3cret", "cl1ent-s3cret", "h3ader-s3cret", "p4ssword-s3cret", "qu3ry-s3cret")


def looked_at(shop: EventShop, *results: Result) -> str:
    """All that the state and the output of commands hold."""
    kept = b"".join(shop.tree(".muster").values()).decode("latin-1")
    return kept + "".join(each.out + each.err for each in results)


@pytest.mark.parametrize(
    ("auth", "shown"),
    [
        ({"bearer_env": "S0"}, ("authorization", f"Bearer {SECRETS[0]}")),
        ({"header": {"name": "X-Key", "value_env": "S2"}}, ("x-key", SECRETS[2])),
        ({"basic": {"user_env": "S1", "password_env": "S3"}}, ("authorization", "Basic ")),
        ({"query": {"name": "key", "value_env": "S4"}}, ("", SECRETS[4])),
    ],
)
def test_requests_say_who_sends_them_and_nothing_keeps_it(
    auth: Any, shown: tuple[str, str], tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V1, V12: each kind of auth reaches the receiver, and is in no log, state or error, whatever the answer."""
    header, value = shown
    for number, secret in enumerate(SECRETS):
        monkeypatch.setenv(f"S{number}", secret)
    shop = EventShop(tmp_path, receiver)
    shop.crm(auth=auth)
    results = []
    for day, answer in zip(DAYS, (Say(400, f"no {value}"), Say(401, value)), strict=False):
        receiver.default = answer
        shop.people("a", somebody("b", email=f"{day}@mail"), day=day)
        shop.evaluate(f"{day}T02:00Z", "--no-exports")
        results.append(shop.muster("-v", "run", "--at", f"{day}T05:00Z"))
    [first, *_] = shop.new()
    assert (first.headers[header] if header else first.query).find(value) >= 0
    results += [
        shop.muster("runs", "show", KEY),
        shop.muster("plan", "--at", f"{DAYS[4]}T05:00Z"),
        shop.muster("status"),
    ]
    found = looked_at(shop, *results)
    assert [secret for secret in SECRETS if secret in found] == []


def test_a_token_of_oauth2_is_fetched_once_and_renewed_once(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V10, V12: client credentials; one token for all requests; one renewal is tried on 401."""
    monkeypatch.setenv("CRM_ID", "the-client")
    monkeypatch.setenv("CRM_SECRET", SECRETS[1])
    receiver.door.client_id, receiver.door.client_secret = "the-client", SECRETS[1]
    shop = EventShop(tmp_path, receiver)
    oauth2 = {"token_url": receiver.url(TOKENS), "client_id_env": "CRM_ID", "client_secret_env": "CRM_SECRET"}
    shop.crm(auth={"oauth2": oauth2}, in_flight=1, aggregation={"best_effort": {"max_profiles": 1}})
    shop.send(DAYS[0], *"abc")
    assert receiver.door.given == 1
    receiver.door.expires_in, receiver.door.uses = None, 2
    receiver.door.expire()
    shop.send(DAYS[1], *"abcdefg")
    assert shop.done["status"] == "succeeded"
    found = looked_at(shop, shop.last, shop.muster("runs", "show", KEY))
    assert SECRETS[1] not in found
    assert "of-the-receiver" not in found
    receiver.door.client_secret = "another"  # noqa: S105  # no secret of anybody
    receiver.door.expire()
    refused = shop.send(DAYS[2], *"abcdefgh", code=1)
    assert len(receiver.accepted) == 7
    assert len(refused) <= 2
    assert SECRETS[1] not in looked_at(shop, shop.last)


@pytest.mark.parametrize(
    "answer", [Say(200), Say(400, "bad: who@mail"), Say(503, "who@mail is not welcome"), Say(401, "who@mail")]
)
def test_bodies_and_answers_are_kept_nowhere(answer: Say, tmp_path: Path, receiver: Receiver) -> None:
    """V12: when the run ended the outbox is gone; values of bodies are in no file of the state but the delivered rows'
    own columns, in no log and no error; without a terminal nothing of an answer is shown.
    """
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.default = answer
    shop.people(somebody("someone", "identity@x.com", email="who@mail"))
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports")
    log = shop.muster("-v", "--log-format", "json", "run", "--at", f"{DAYS[0]}T05:00Z")
    said = log.out + log.err
    assert "who@mail" not in said
    assert "identity@x.com" not in said
    assert "not welcome" not in said
    assert [name for name, content in shop.tree(".muster").items() if b"who@mail" in content] == []
    assert not [name for name in shop.tree(".muster") if "outbox" in name]
    ledger = (shop.root / ".muster/ledger.sqlite").read_bytes()
    assert b"identity@x.com" not in ledger
    assert b"someone" not in ledger


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("http://crm.example.com/x", False),
        ("http://127.0.0.1/x", True),
        ("http://127.9.9.9:8/x", True),
        ("http://localhost/x", True),
        ("http://[::1]/x", True),
        ("http://localhost.example.com/x", False),
        ("https://crm.example.com/x", True),
    ],
)
def test_http_needs_allow_insecure_beyond_this_machine(
    url: str, is_allowed: bool, tmp_path: Path, receiver: Receiver
) -> None:
    """V12: urls and `token_url`, unless they are loopback."""
    shop = EventShop(tmp_path, receiver)
    shop.people("a")
    shop.crm(url=url)
    found = shop.muster("validate", "--offline")
    assert (found.code == 0) is is_allowed, found.err
    if not is_allowed:
        assert "allow_insecure" in found.err
        shop.crm(url=url, allow_insecure=True)
        assert shop.muster("validate", "--offline").code == 0
    token = {"oauth2": {"token_url": url, "client_id_env": "HOME", "client_secret_env": "HOME"}}
    shop.crm(url="https://crm.example.com/x", auth=token)
    assert (shop.muster("validate", "--offline").code == 0) is is_allowed
