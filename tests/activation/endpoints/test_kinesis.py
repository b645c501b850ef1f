"""Kinesis against moto's server behind a gate: what becomes of each record, and what each failure means (V1, V10)."""

import itertools
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support import certificates, servers
from support.kinesis_gate import Answer, Gate, error
from support.servers import KEYS

from muster.activation.endpoints.kinesis.client import KinesisEndpoint
from muster.activation.endpoints.protocol import Answer as EndpointAnswer
from muster.activation.endpoints.protocol import Outgoing, Record
from muster.activation.errors import ExportError
from muster.activation.model.activation import Schedule
from muster.activation.model.messages import MappedAudience, MessageActivation, MessageDestination

VARIABLES = {"SHOP_KEY_ID": KEYS["AWS_ACCESS_KEY_ID"], "SHOP_SECRET": KEYS["AWS_SECRET_ACCESS_KEY"]}
CONNECTION = {
    "region": KEYS["AWS_DEFAULT_REGION"],
    "access_key_id_env": "SHOP_KEY_ID",
    "secret_access_key_env": "SHOP_SECRET",
}
TOO_MUCH = "ProvisionedThroughputExceededException"
Open = Callable[..., KinesisEndpoint]
_NUMBERS = itertools.count()


@pytest.fixture
def stream(before_kinesis: Gate) -> str:
    """A stream of two shards, of this test alone."""
    name = f"clicks-{next(_NUMBERS)}"
    before_kinesis.stream(name)
    return name


@pytest.fixture
def opened(before_kinesis: Gate, stream: str) -> Iterator[Open]:
    """What opens the stream's endpoint; ``connection`` and other words of the destination may be given."""
    endpoints = []

    def open_it(connection: dict[str, str] | None = None, at: str = stream, timeout: float = 5.0) -> KinesisEndpoint:
        endpoints.append(
            open_endpoint(at, {**CONNECTION, "endpoint": before_kinesis.endpoint, **(connection or {})}, timeout)
        )
        return endpoints[-1]

    yield open_it
    for each in endpoints:
        each.close()


def open_endpoint(stream: str, connection: dict[str, str], timeout: float = 5.0) -> KinesisEndpoint:
    """The endpoint of a destination with these words."""
    destination = MessageDestination(
        id="hub",
        name="Hub",
        kind="kinesis",
        place=stream,
        settings={"stream": stream, "partition_key": "profile_id"},
        connection=connection,
        timeout=timeout,
        variables=VARIABLES,
    )
    activation = MessageActivation(
        id="vip",
        destination="hub",
        destination_name="Hub",
        schedule=Schedule("each_run", ZoneInfo("UTC")),
        mapping=(),
        kind="kinesis",
        audiences=(MappedAudience("vip", "VIP"),),
    )
    return KinesisEndpoint(destination, activation, Path())


def request_of(*people: str, number: int = 0) -> Outgoing:
    """A request with a record of each profile."""
    return Outgoing(f"r-{number}", f"key-{number}", records=tuple(Record(each, body(each, number)) for each in people))


def body(profile: str, number: int = 0) -> bytes:
    """The object that a record tells of a profile."""
    return json.dumps({"id": profile, "mail": "b@x.com", "n": number}).encode()


def test_records_lie_in_the_stream_under_the_profile_id(before_kinesis: Gate, opened: Open, stream: str) -> None:
    """V1, V5: each record is one object, byte by byte, under its profile id; the stream by its name or its ARN."""
    arn = before_kinesis.client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    assert opened().send(request_of("a", "bé")) == answer("accepted", "200")
    assert opened(at=arn).send(request_of("c")).meaning == "accepted"
    assert before_kinesis.lying(stream) == {"a": [body("a")], "bé": [body("bé")], "c": [body("c")]}


def test_an_arn_names_the_region(before_kinesis: Gate) -> None:
    """V1: requests for a stream by its ARN are signed for the region that stands in it."""
    arn = "arn:aws:kinesis:ap-south-2:123456789012:stream/clicks"
    connection = {key: each for key, each in CONNECTION.items() if key != "region"}
    endpoint = open_endpoint(arn, {**connection, "endpoint": before_kinesis.endpoint})
    endpoint.send(request_of("a"))
    [request] = before_kinesis.puts
    assert "/ap-south-2/kinesis/" in request.headers["Authorization"]
    assert request.content["StreamARN"] == arn
    endpoint.close()


def answer(meaning: str, reason: str, **more: object) -> object:
    """An answer as the endpoint gives it."""
    return EndpointAnswer(meaning, reason, **more)  # type: ignore[arg-type]


def test_a_profiles_records_keep_their_order(before_kinesis: Gate, opened: Open, stream: str) -> None:
    """V8: several requests are under way at a time, and one after the other keeps the order of each profile."""
    endpoint = opened()
    before_kinesis.after = lambda _, given: time.sleep(0.05) or given
    with ThreadPoolExecutor(4) as workers:
        for number in range(3):
            requests = [request_of(f"{group}-1", f"{group}-2", number=number) for group in range(4)]
            assert {each.meaning for each in workers.map(endpoint.send, requests)} == {"accepted"}
    assert before_kinesis.most_busy == 4
    found = before_kinesis.lying(stream)
    assert len(found) == 8
    for profile, records in found.items():
        assert records == [body(profile, number) for number in range(3)]


def test_single_records_are_refused_or_come_again(before_kinesis: Gate, opened: Open, stream: str) -> None:
    """V10: of a request that was taken in part each record has its own result, and the others are stored."""
    before_kinesis.refuse = lambda _: {0: TOO_MUCH, 1: "InternalFailure", 3: "InvalidArgumentException"}
    given = opened().send(request_of("a", "b", "c", "d"))
    assert given == answer("accepted", "200", refused={3: "InvalidArgumentException"}, again=(0, 1))
    assert before_kinesis.lying(stream) == {"c": [body("c")]}


@pytest.mark.parametrize(
    ("codes", "meaning", "reason"),
    [
        ([TOO_MUCH, TOO_MUCH], "throttled", TOO_MUCH),
        ([TOO_MUCH, "InternalFailure"], "failing", "InternalFailure"),
        (["InvalidArgumentException", "InvalidArgumentException"], "refused", "InvalidArgumentException"),
    ],
    ids=["throttled", "failing", "refused"],
)
def test_a_request_of_which_no_record_is_taken(
    before_kinesis: Gate, opened: Open, codes: list[str], meaning: str, reason: str
) -> None:
    """V10: too much for each record is a throttled request, an internal failure one that is tried again as well, and
    only records that are refused are a refusal.
    """
    before_kinesis.refuse = lambda _: dict(enumerate(codes))
    assert opened().send(request_of("a", "b")) == answer(meaning, reason)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (error(TOO_MUCH, **{"Retry-After": "7"}), ("throttled", TOO_MUCH, 7.0)),
        (error("LimitExceededException"), ("throttled", "LimitExceededException", None)),
        (error("KMSThrottlingException"), ("throttled", "KMSThrottlingException", None)),
        (Answer(429), ("throttled", "429", None)),
        (error("InternalFailure", 500), ("failing", "InternalFailure", None)),
        (Answer(503, {"Retry-After": "2"}), ("failing", "503", 2.0)),
        (Answer(408), ("failing", "408", None)),
        (error("ValidationException"), ("refused", "ValidationException", None)),
        (Answer(413), ("refused", "413", None)),
        (error("ResourceNotFoundException"), ("fatal", "ResourceNotFoundException: there is no such stream", None)),
        (error("AccessDeniedException"), ("fatal", "AccessDeniedException: access denied: the right kin", None)),
        (error("ExpiredTokenException"), ("fatal", "ExpiredTokenException: the credentials have exp", None)),
        (error("SomethingNew"), ("fatal", "SomethingNew", None)),
        (Answer(200, {}, b"<html>a proxy</html>"), ("lost", "an answer without a result for each rec", None)),
        (Answer(200, {}, b'{"Records": []}'), ("lost", "an answer without a result for each record", None)),
        (None, ("lost", "the connection broke", None)),
    ],
    ids=lambda value: (
        "" if value is None or isinstance(value, Answer) else value[1].partition(":")[0].replace(" ", "-")
    ),
)
def test_what_an_answer_means(
    before_kinesis: Gate, opened: Open, said: Answer | None, expected: tuple[str, str, float | None]
) -> None:
    """V10: an answer is tried again by muster alone, refuses the request, or ends the run."""
    before_kinesis.before = lambda _: said or Answer(0)
    before_kinesis.after = lambda _, given: given if given.status else None
    given = opened().send(request_of("a", "b"))
    assert (given.meaning, given.reason[: len(expected[1])], given.retry_after) == expected
    assert "x.com" not in given.reason + given.excerpt
    assert len(before_kinesis.puts) == 1


def test_an_answer_that_is_lost_after_the_records_were_stored(before_kinesis: Gate, opened: Open, stream: str) -> None:
    """V8, V10: a cut connection is no refusal; who sends again puts the same bytes once more."""
    before_kinesis.after = lambda request, given: given if request.number else None
    endpoint = opened()
    assert [endpoint.send(request_of("a")).meaning for _ in range(2)] == ["lost", "accepted"]
    assert before_kinesis.lying(stream) == {"a": [body("a")] * 2}


def test_nobody_answers(opened: Open, before_kinesis: Gate) -> None:
    """V10: without a connection nothing was sent; without an answer in time perhaps all was."""
    free = servers.free_port()
    assert opened({"endpoint": f"http://127.0.0.1:{free}"}).send(request_of("a")).meaning == "unsent"
    before_kinesis.before = lambda _: time.sleep(0.5) or None
    assert opened(timeout=0.2).send(request_of("a")) == answer("lost", "time-out")


def test_records_of_long_ids_have_a_digest_for_a_key(before_kinesis: Gate, opened: Open, stream: str) -> None:
    """V1: a profile id is the partition key up to Kinesis's 256 characters, and beyond them its digest."""
    assert opened().send(request_of("é" * 256, "x" * 257)).meaning == "accepted"
    found = before_kinesis.lying(stream)
    assert found.pop("é" * 256) == [body("é" * 256)]
    [(key, records)] = found.items()
    assert (len(key), records) == (64, [body("x" * 257)])


def test_the_check_names_the_stream(before_kinesis: Gate, opened: Open, stream: str) -> None:
    """V11: a check asks about the stream and sends nothing, and with ``--send-test`` one empty object."""
    said = f"stream {stream}: active, 2 open shards"
    assert opened().check() == said
    assert before_kinesis.lying(stream) == {}
    assert opened().check(Outgoing("test", "")) == f"{said}; a test record was taken"
    assert before_kinesis.lying(stream) == {"muster": [b"{}"]}
    with pytest.raises(ExportError, match="hub: stream none: ResourceNotFoundException: there is no such stream"):
        opened(at="none").check()
    before_kinesis.before = lambda _: error("AccessDeniedException")
    with pytest.raises(ExportError, match="the right kinesis:DescribeStreamSummary is missing"):
        opened().check()


def test_credentials_and_their_lack(
    before_kinesis: Gate, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V1, V10: variables that ``connection`` names sign the requests; without any the run ends, and nothing is sent."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    opened().send(request_of("a"))
    signed = before_kinesis.puts[0].headers["Authorization"]
    assert f"{VARIABLES['SHOP_KEY_ID']}/" in signed
    assert f"/{CONNECTION['region']}/kinesis/" in signed
    bare = open_endpoint("clicks", {"endpoint": before_kinesis.endpoint})
    assert bare.send(request_of("a")) == answer("fatal", "no credentials were found", sent=False)
    with pytest.raises(ExportError, match="hub: The config profile \\(nobody\\) could not be found"):
        open_endpoint("clicks", {"profile": "nobody"})
    assert len(before_kinesis.puts) == 1


def test_records_travel_encrypted() -> None:
    """V12: an endpoint beyond this machine is https, unless the destination allows otherwise."""
    with pytest.raises(ExportError, match="hub: its endpoint is http: records would travel unencrypted; use https"):
        open_endpoint("clicks", {**CONNECTION, "endpoint": "http://kinesis.example.com"})
    with pytest.raises(ExportError, match="hub: its endpoint is not an address that Kinesis's client accepts"):
        open_endpoint("clicks", {**CONNECTION, "endpoint": "kinesis example"})


def test_a_certificate_that_nobody_signed(before_kinesis: Gate, opened: Open, tmp_path: Path) -> None:
    """V12: TLS is verified; a certificate that is not accepted ends the run."""
    with certificates.shown(certificates.self_signed(tmp_path)) as port:
        given = opened({"endpoint": f"https://127.0.0.1:{port}"}).send(request_of("a"))
    assert given == answer("fatal", "its certificate is not accepted", sent=False)
    assert before_kinesis.puts == []


def test_a_stopped_endpoint_sends_nothing(before_kinesis: Gate, opened: Open) -> None:
    """V8: once the command is asked to stop, what has not been sent stays unsent."""
    endpoint = opened()
    endpoint.stop()
    assert endpoint.send(request_of("a")) == answer("unsent", "stopped")
    assert before_kinesis.puts == []


def test_logs_hold_neither_keys_nor_people(
    opened: Open, caplog: pytest.LogCaptureFixture, before_kinesis: Gate
) -> None:
    """V12: whatever level libraries log at in a program that uses muster, muster's own lines name nobody."""
    caplog.set_level(logging.INFO)
    before_kinesis.before = lambda _: error("ValidationException")
    opened().send(request_of("a"))
    assert "x.com" not in caplog.text
    assert VARIABLES["SHOP_SECRET"] not in caplog.text


def test_without_boto3() -> None:
    """V1: the declaration of the kind loads no client, so that it is boto3 alone that is missed, by its name."""
    program = (
        "import sys; sys.modules['boto3'] = None; sys.modules['botocore'] = None\n"
        "from muster.activation.endpoints.kinds import KINDS\n"
        "try: __import__(KINDS['kinesis'].client.rpartition('.')[0])\n"
        "except ModuleNotFoundError as error: print(error.name, KINDS['kinesis'].extra)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "botocore.config kinesis\n"
