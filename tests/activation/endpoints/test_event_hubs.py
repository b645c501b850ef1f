"""Event Hubs against an AMQP 1.0 server of its own: batches by partition, and what each failure means (V1, V10)."""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from support import servers
from support.event_hub import HUB, KEY, TOKEN, VARIABLE, EventHub

from muster.activation.endpoints.event_hubs import link, login
from muster.activation.endpoints.event_hubs.client import EventHubsEndpoint, partition_of
from muster.activation.endpoints.protocol import Answer, Outgoing, Record
from muster.activation.errors import ExportError
from muster.activation.model.activation import Schedule
from muster.activation.model.messages import MappedAudience, MessageActivation, MessageDestination

Open = Callable[..., EventHubsEndpoint]
PEOPLE = [f"p{number}" for number in range(40)]
ONE = {
    place: next(each for each in PEOPLE if partition_of(each, 4) == place) for place in range(4)
}  # of each partition


@pytest.fixture
def opened() -> Iterator[Open]:
    """What opens an endpoint: with a connection string, or with other words of the destination."""
    endpoints = []

    def open_it(text: str | None, timeout: float = 5.0, **words: Any) -> EventHubsEndpoint:
        endpoints.append(EventHubsEndpoint(destination(text, timeout, **words), activation(), Path()))
        return endpoints[-1]

    yield open_it
    for each in endpoints:
        each.close()


def destination(
    text: str | None,
    timeout: float = 5.0,
    *,
    connection: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
    **settings: str,
) -> MessageDestination:
    """A destination whose connection string, if it has one, stands in a variable."""
    named = {"connection_string_env": VARIABLE} if text is not None else {}
    return MessageDestination(
        id="hub",
        name="Hub",
        kind="event_hubs",
        place=f"127.0.0.1/{HUB}",
        settings={"namespace": "127.0.0.1", "hub": HUB, "transport": "amqp", **named, **settings},
        connection=connection or {},
        timeout=timeout,
        variables={VARIABLE: text or "", "REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": "", **(variables or {})},
    )


def activation() -> MessageActivation:
    """An activation of one audience."""
    return MessageActivation(
        id="vip",
        destination="hub",
        destination_name="Hub",
        schedule=Schedule("each_run", ZoneInfo("UTC")),
        mapping=(),
        kind="event_hubs",
        audiences=(MappedAudience("vip", "VIP"),),
    )


def request_of(*people: str, number: int = 0) -> Outgoing:
    """A request with an event of each profile."""
    records = (Record(each, json.dumps(body(each, number)).encode()) for each in people)
    return Outgoing(f"r-{number}-{people[0]}", "key", records=tuple(records))


def body(profile: str, number: int = 0) -> dict[str, Any]:
    """The object that an event tells of a profile."""
    return {"id": profile, "mail": "bé@x.com", "n": number}


def test_events_lie_in_the_partition_of_their_profile(hub: EventHub, opened: Open) -> None:
    """V1, V5: each event is one object, byte by byte; a request is one batch for each partition of its profiles."""
    assert opened(hub.text()).send(request_of(*PEOPLE)) == Answer("accepted")
    assert hub.events == {
        str(place): [body(each) for each in PEOPLE if partition_of(each, 4) == place] for place in range(4)
    }
    assert len(hub.state["transfers"]) == 4


def test_the_partition_of_a_profile_never_changes() -> None:
    """V8: the partition comes of the profile id alone, so that later commands keep the order of a profile, too."""
    assert [partition_of(each, 8) for each in ("a", "bé", "C-17")] == [3, 5, 1]


def test_a_profiles_events_keep_their_order(hub: EventHub, opened: Open) -> None:
    """V8: several requests are under way at a time; one after the other keeps the order of each profile."""
    endpoint = opened(hub.text())
    hub.say(*[{"wait": 20}] * 60)
    with ThreadPoolExecutor(4) as workers:
        for number in range(3):
            requests = [request_of(*PEOPLE[start::4], number=number) for start in range(4)]
            assert list(workers.map(endpoint.send, requests)) == [Answer("accepted")] * 4
    found = [each for partition in hub.events.values() for each in partition]
    assert len(found) == 3 * len(PEOPLE)
    for profile in PEOPLE:
        assert [each["n"] for each in found if each["id"] == profile] == [0, 1, 2]
    assert hub.state["connections"] <= 5  # one for the partitions' names, and one for each partition


REFUSAL = {"say": "reject", "condition": "com.microsoft:argument-error", "description": "bad event of b@x.com"}
BUSY = {"say": "reject", "condition": "com.microsoft:server-busy", "description": "50002: wait 4 seconds"}


def test_of_several_batches_some_are_taken(hub: EventHub, opened: Open) -> None:
    """V10: the events of batches that were not taken come again; one event that is refused alone is refused."""
    endpoint = opened(hub.text())
    two = [each for each in PEOPLE if partition_of(each, 4) == 1][:2]
    request = request_of(ONE[0], *two, ONE[2], ONE[3])
    by_partition = {"0": {}, "1": REFUSAL, "2": REFUSAL, "3": BUSY}
    hub.say(by=by_partition)
    assert endpoint.send(request) == Answer("accepted", "server-busy", {3: "argument-error"}, again=(1, 2, 4))
    assert hub.events == {"0": [body(ONE[0])]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (BUSY, ("throttled", "server-busy")),
        ({"say": "reject", "condition": "amqp:resource-limit-exceeded"}, ("throttled", "resource-limit-exceeded")),
        ({"say": "reject", "condition": "com.microsoft:timeout"}, ("failing", "timeout")),
        ({"say": "reject", "condition": "amqp:internal-error"}, ("failing", "internal-error")),
        (REFUSAL, ("refused", "argument-error")),
        ({"say": "reject", "condition": "amqp:link:message-size-exceeded"}, ("refused", "message-size-exceeded")),
        (
            {"say": "reject", "condition": "amqp:unauthorized-access"},
            ("fatal", "unauthorized-access: the right to send"),
        ),
        ({"say": "reject", "condition": "com.microsoft:entity-disabled"}, ("fatal", "entity-disabled: the hub is dis")),
        ({"say": "detach", "condition": "amqp:link:detach-forced"}, ("lost", "the connection broke")),
        ({"say": "close", "condition": "amqp:connection:forced"}, ("lost", "the connection broke")),
        ({"say": "cut"}, ("lost", "the connection broke")),
    ],
    ids=lambda value: value.get("condition", value["say"]).rpartition(":")[2] if isinstance(value, dict) else "",
)
def test_what_an_answer_means(hub: EventHub, opened: Open, said: dict[str, str], expected: tuple[str, str]) -> None:
    """V10: an answer is tried again by muster alone, refuses the batch, or ends the run; no answer quotes anything."""
    endpoint = opened(hub.text())
    hub.say(said)
    given = endpoint.send(request_of("a"))
    assert (given.meaning, given.reason[: len(expected[1])]) == expected
    assert "x.com" not in given.reason + given.excerpt
    assert len(hub.state["transfers"]) == 1
    assert endpoint.send(request_of("a")) == Answer("accepted")


def test_an_answer_that_is_lost_after_the_events_were_stored(hub: EventHub, opened: Open) -> None:
    """V8, V10: a cut connection is no refusal; who sends again sends the same bytes once more."""
    endpoint = opened(hub.text())
    hub.say({"say": "lose"})
    assert [endpoint.send(request_of("a")).meaning for _ in range(2)] == ["lost", "accepted"]
    assert hub.events == {str(partition_of("a", 4)): [body("a")] * 2}


@pytest.mark.parametrize("say", ["silence", "release"])
def test_no_answer_in_time(hub: EventHub, opened: Open, say: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """V10: a batch that nobody settles, or that is given back, is lost after the time-out, and the next one goes on."""
    monkeypatch.setattr(link, "_GRACE", 0.2)
    endpoint = opened(hub.text(), timeout=0.6)
    hub.say({"say": say})
    assert endpoint.send(request_of("a")) == Answer("lost", "time-out")
    assert endpoint.send(request_of("a")) == Answer("accepted")


def test_nobody_answers(opened: Open) -> None:
    """V10: without a connection nothing was sent, at once where nobody listens, else after the time-out."""
    text = EventHub.text
    free = EventHub(*[servers.free_port()] * 5, certificate=None)  # type: ignore[arg-type]
    assert opened(text(free)).send(request_of("a")) == Answer("unsent", "no connection can be made")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf_hub = replace(free, amqp=deaf.getsockname()[1])
        assert opened(text(deaf_hub), timeout=0.3).send(request_of("a")) == Answer("unsent", "no connection in time")


def test_a_link_that_is_not_opened(hub: EventHub, opened: Open) -> None:
    """V10: what keeps a link from opening is throttling, a reason to end the run, or passes; nothing was sent."""
    endpoint = opened(hub.text())
    conditions = ["com.microsoft:server-busy", "amqp:not-found", "amqp:unauthorized-access", "amqp:internal-error"]
    hub.say(attach=[{"condition": each, "description": "said of b@x.com"} for each in conditions])
    given = [endpoint.send(request_of("a")) for _ in conditions]
    assert [(each.meaning, each.reason) for each in given] == [
        ("throttled", "server-busy"),
        ("fatal", "not-found: there is no such hub in the namespace"),
        (
            "fatal",
            "unauthorized-access: the right to send is missing (policy with Send; role Azure Event Hubs Data Sender)",
        ),
        ("unsent", "no connection can be made"),
    ]
    assert hub.state["transfers"] == []
    assert endpoint.send(request_of("a")) == Answer("accepted")


def test_a_wrong_key(hub: EventHub, opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    """V10, V12: a key that is not accepted ends the run; neither it nor the token that it signed is told or logged."""
    caplog.set_level(logging.DEBUG)
    wrong = "d3Jvbmcga2V5"
    given = opened(hub.text(wrong)).send(request_of("a"))
    assert given == Answer("fatal", "the key, signature or token is not accepted, or has expired", sent=False)
    assert hub.state["transfers"] == []
    with pytest.raises(ExportError) as raised:
        opened(hub.text(wrong)).check()
    assert "SharedAccessSignature" not in str(raised.value)
    muster = [record.getMessage() for record in caplog.records if not record.name.startswith("azure")]
    assert not [each for each in muster if wrong in each or "Signature" in each]


def test_authorization_that_passes(hub: EventHub, opened: Open) -> None:
    """V10: a service that cannot check tokens just now is asked again later."""
    endpoint = opened(hub.text())
    hub.say(token=[503, "busy"])
    assert endpoint.send(request_of("a")) == Answer("unsent", "no authorization: 503")
    hub.say(token=None)
    assert endpoint.send(request_of("a")) == Answer("accepted")


class Identity:
    """Plays the login of this machine."""

    def __init__(self, token: str | None = TOKEN) -> None:
        self.token, self.asked = token, 0

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """A token for an hour; an error without one."""
        self.asked += 1
        if self.token is None:
            raise ClientAuthenticationError("DefaultAzureCredential failed: secret-tenant")
        return AccessToken(self.token, int(time.time()) + 3600)


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Identity:
    """The login of this machine is played, and endpoints without a connection string find the server."""
    played = Identity()
    monkeypatch.setattr(login, "DefaultAzureCredential", lambda: played)
    real = login._options  # noqa: SLF001  # the service itself has no port without TLS
    monkeypatch.setattr(login, "_options", lambda *given: real(*given) | {"use_tls": False})
    return played


def test_the_login_of_this_machine(hub: EventHub, opened: Open, identity: Identity) -> None:
    """V1: without a connection string Azure's identity says who sends: one token for all links."""
    endpoint = opened(None, namespace=f"127.0.0.1:{hub.amqp}")
    assert endpoint.send(request_of(*PEOPLE)) == Answer("accepted")
    assert identity.asked == 1
    identity.token = None
    refused = opened(None, namespace=f"127.0.0.1:{hub.amqp}").send(request_of("a"))
    assert refused == Answer(
        "fatal", "no credentials are accepted: log in with `az login`, or set connection_string_env", sent=False
    )


@pytest.mark.parametrize("transport", ["amqp", "websocket"])
def test_tls(hub: EventHub, opened: Open, transport: str) -> None:
    """V1, V12: over TCP or websockets the server's certificate is verified, against the files that a variable names."""
    words = {
        "namespace": "localhost",
        "transport": transport,
        "connection": {"endpoint": f"https://localhost:{hub.amqps if transport == 'amqp' else hub.wss}"},
    }
    refused = opened(hub.secured, **words).send(request_of("a"))
    assert refused == Answer("fatal", "its certificate is not accepted", sent=False)
    ca = str(hub.certificate.certificate)
    assert opened(hub.secured, **words, variables={"REQUESTS_CA_BUNDLE": ca}).send(request_of("a")) == Answer(
        "accepted"
    )
    assert hub.events == {str(partition_of("a", 4)): [body("a")]}
    with pytest.raises(ExportError, match="hub: the file of certificates that SSL_CERT_FILE names does not exist"):
        opened(hub.secured, **words, variables={"SSL_CERT_FILE": "/none"})


def test_websockets_without_tls(hub: EventHub, opened: Open) -> None:
    """V1: an emulator on this machine is reached over websockets, too."""
    words = {"transport": "websocket", "connection": {"endpoint": f"http://127.0.0.1:{hub.ws}"}}
    assert opened(hub.text(), **words).send(request_of(*PEOPLE)) == Answer("accepted")
    assert sum(map(len, hub.events.values())) == len(PEOPLE)


def test_large_batches(hub: EventHub, opened: Open) -> None:
    """V7: a batch of nearly a megabyte, in many frames, arrives as it was."""
    people = [each for each in (f"q{number}" for number in range(400)) if partition_of(each, 4) == 1][:80]
    records = tuple(Record(each, json.dumps({"id": each, "text": "ü" * 2000}).encode()) for each in people)
    assert sum(len(each.data) for each in records) > 900_000
    assert opened(hub.text()).send(Outgoing("r", "key", records=records)) == Answer("accepted")
    assert hub.state["events"]["1"] == [each.data.decode() for each in records]


def test_a_batch_that_the_hub_has_no_room_for(hub: EventHub, opened: Open) -> None:
    """V7, V10: batches of a cheaper tier are smaller; what does not fit is refused unsent, and halved by the sender."""
    hub.say(size=1000)
    events = tuple(Record("a", b"x" * 400) for _ in range(3))
    endpoint = opened(hub.text())
    assert endpoint.send(Outgoing("r", "key", records=events)) == Answer("refused", "message-size-exceeded")
    assert hub.state["transfers"] == []
    assert endpoint.send(Outgoing("r.0", "key", records=events[:2])) == Answer("accepted")


def test_the_check_names_the_hub(hub: EventHub, opened: Open) -> None:
    """V11: a check asks for the partitions and opens a link, and sends one empty object with ``--send-test`` alone."""
    endpoint = opened(hub.text())
    assert endpoint.check() == f"hub {HUB}: 4 partitions"
    assert hub.state["transfers"] == []
    assert endpoint.check(Outgoing("test", "")) == f"hub {HUB}: 4 partitions; a test event was taken"
    assert [each["events"] for each in hub.state["transfers"]] == [["{}"]]
    hub.say(attach=[{"condition": "amqp:unauthorized-access"}])
    with pytest.raises(ExportError, match=f"hub: hub {HUB}: unauthorized-access: the right to send is missing"):
        opened(hub.text()).check()
    with pytest.raises(ExportError, match="hub: hub none: not-found: there is no such hub in the namespace"):
        opened(hub.text(), hub="none").check()


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("nonsense", {}, "the connection string in SHOP_HUBS cannot be read; expected Endpoint=sb://"),
        (
            f"Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=m;SharedAccessKey={KEY}",
            {"namespace": "other"},
            "the connection string in SHOP_HUBS is of another namespace or hub than the destination",
        ),
        (
            f"Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=m;SharedAccessKey={KEY};EntityPath=orders",
            {"namespace": "acme"},
            "the connection string in SHOP_HUBS is of another namespace or hub than the destination",
        ),
        (
            f"Endpoint=sb://emulator.example.com;SharedAccessKeyName=m;SharedAccessKey={KEY};UseDevelopmentEmulator=true;",
            {},
            "is of an emulator on another machine: events would travel unencrypted",
        ),
    ],
    ids=["unreadable", "namespace", "hub", "plain"],
)
def test_connection_strings_that_lead_elsewhere(opened: Open, text: str, words: dict[str, str], expected: str) -> None:
    """V1, V2, V12: the hub that the destination names is the one that gets the events, over TLS."""
    with pytest.raises(ExportError, match=expected) as raised:
        opened(text, **words)
    assert KEY not in str(raised.value)


def test_a_namespace_by_its_name_alone(opened: Open) -> None:
    """V1: ``acme`` is ``acme.servicebus.windows.net``."""
    text = f"Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=m;SharedAccessKey={KEY};EntityPath={HUB}"
    opened(text, namespace="acme")
    opened(text, namespace="acme.servicebus.windows.net")


def test_a_stopped_endpoint_sends_nothing(hub: EventHub, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """V8: once the command is asked to stop, answers are waited for briefly, and nothing more is sent."""
    monkeypatch.setattr(link, "_GRACE", 0.2)
    endpoint = opened(hub.text(), timeout=60)
    assert endpoint.send(request_of("a")) == Answer("accepted")
    hub.say({"say": "silence"})
    with ThreadPoolExecutor(1) as workers:
        under_way = workers.submit(endpoint.send, request_of("a"))
        while len(hub.state["transfers"]) < 2:
            time.sleep(0.01)
        endpoint.stop()
        assert under_way.result(5) == Answer("lost", "time-out")
    assert endpoint.send(request_of("a")) == Answer("unsent", "stopped")
    assert len(hub.state["transfers"]) == 2


@pytest.mark.parametrize("missing", ["azure.eventhub", "azure.identity", "websocket"])
def test_without_the_extra(missing: str) -> None:
    """V1: the declaration of the kind loads no client; what is missing is named, of the transport that needs it."""
    program = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from pathlib import Path\n"
        "from muster.activation.endpoints.kinds import KINDS\n"
        "from muster.activation.model.messages import MessageDestination\n"
        "words = {'namespace': 'acme', 'hub': 'h', 'transport': 'websocket'}\n"
        "hub = MessageDestination(id='h', name='H', kind='event_hubs', place='', settings=words)\n"
        "try:\n"
        "    module, _, name = KINDS['event_hubs'].client.rpartition('.')\n"
        "    getattr(__import__(module, fromlist=[name]), name)(hub, None, Path())\n"
        "except ModuleNotFoundError as error: print(error.name.removesuffix('.exceptions'))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == f"{missing}\n"
