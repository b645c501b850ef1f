"""Between muster and moto's server for Kinesis, which neither throttles nor refuses: every request is noted, and may be
answered otherwise, in part, or not at all.
"""

import base64
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.s3_gate import Answer
from support.servers import KEYS

REGION = KEYS["AWS_DEFAULT_REGION"]


@dataclass(frozen=True)
class Request:
    """What muster asks for."""

    operation: str  # PutRecords, DescribeStreamSummary, ...
    headers: Mapping[str, str]
    content: Mapping[str, Any]
    number: int  # how many of this operation came before it

    @property
    def records(self) -> list[tuple[str, bytes]]:
        """Partition key and bytes of each record."""
        return [(each["PartitionKey"], base64.b64decode(each["Data"])) for each in self.content.get("Records", ())]


def error(code: str, status: int = 400, **headers: str) -> Answer:
    """An error as Kinesis words it; its sentence quotes a record, as some of AWS's do."""
    content = {"__type": code, "message": "said for a test about b@x.com"}
    return Answer(status, {"Content-Type": "application/x-amz-json-1.1", **headers}, json.dumps(content).encode())


Before = Callable[[Request], Answer | None]
After = Callable[[Request, Answer], Answer | None]
Refuse = Callable[[Request], Mapping[int, str]]


@dataclass
class Gate:
    """``before`` answers in the server's stead, if it returns an answer; ``refuse`` names records by their places that
    the server does not get, with their codes; ``after`` may change an answer, or lose it by returning None.
    """

    port: int
    behind: int
    before: Before = lambda _: None
    refuse: Refuse = lambda _: {}
    after: After = lambda _, answer: answer
    requests: list[Request] = field(default_factory=list)
    busy: int = 0  # requests that are being answered
    most_busy: int = 0

    @property
    def endpoint(self) -> str:
        """What a destination says to come through here."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def puts(self) -> list[Request]:
        """The requests that put records."""
        return [each for each in self.requests if each.operation == "PutRecords"]

    def open(self) -> None:
        """Let everything through from now on, and forget what came."""
        self.before, self.refuse, self.after = lambda _: None, lambda _: {}, lambda _, answer: answer
        self.requests.clear()
        self.most_busy = 0

    @cached_property
    def client(self) -> Any:
        """A plain client of the server behind the gate."""
        import boto3  # noqa: PLC0415  # most tests do without

        return boto3.client(
            "kinesis",
            endpoint_url=f"http://127.0.0.1:{self.behind}",
            region_name=REGION,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def stream(self, name: str, shards: int = 2) -> str:
        """Make a stream; its ARN."""
        self.client.create_stream(StreamName=name, ShardCount=shards)
        arn: str = self.client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
        return arn

    def lying(self, name: str) -> dict[str, list[bytes]]:
        """What a stream holds: of each partition key the records in their order."""
        found: dict[str, list[bytes]] = {}
        for shard in self.client.list_shards(StreamName=name)["Shards"]:
            start = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            place = self.client.get_shard_iterator(**start)["ShardIterator"]
            while records := (page := self.client.get_records(ShardIterator=place))["Records"]:
                place = page["NextShardIterator"]
                for each in records:
                    found.setdefault(each["PartitionKey"], []).append(each["Data"])
        return found


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    server: "_Server"

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:  # the name that the library asks for
        """Pass a request on, or not."""
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        with self.server.noted(self.headers["X-Amz-Target"].partition(".")[2], dict(self.headers), content) as request:
            state = self.server.state
            answer = state.after(request, state.before(request) or self._passed(request))
        if answer is None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01" + bytes(7))  # a reset, not an end
            return
        with contextlib.suppress(OSError):  # whoever asked was killed
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

    def _passed(self, request: Request) -> Answer:
        """The server's answer, with those records refused that ``refuse`` names."""
        refused, records = dict(self.server.state.refuse(request)), request.content.get("Records", [])
        kept = [each for place, each in enumerate(records) if place not in refused]
        if not refused:
            return self._asked(request.content)
        results = json.loads(self._asked({**request.content, "Records": kept}).body)["Records"] if kept else []
        merged = iter(results)
        content = {
            "FailedRecordCount": len(refused),
            "Records": [
                {"ErrorCode": refused[place], "ErrorMessage": "said of b@x.com"} if place in refused else next(merged)
                for place in range(len(records))
            ],
        }
        return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode())

    def _asked(self, content: Mapping[str, Any]) -> Answer:
        behind = http.client.HTTPConnection("127.0.0.1", self.server.state.behind, timeout=300)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
        with self.server.one_at_a_time, contextlib.closing(behind):
            behind.request("POST", self.path, json.dumps(content).encode(), headers)
            answer = behind.getresponse()
            kept = {"content-type", "x-amzn-requestid"}
            found = {name: value for name, value in answer.getheaders() if name.lower() in kept}
            return Answer(answer.status, found, answer.read())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = Gate(self.server_address[1], behind)
        self._noting = threading.Lock()
        self.one_at_a_time = threading.Lock()  # moto gives records of two requests at a time one number

    @contextlib.contextmanager
    def noted(self, operation: str, headers: Mapping[str, str], content: Mapping[str, Any]) -> Iterator[Request]:
        state = self.state
        with self._noting:
            before = sum(each.operation == operation for each in state.requests)
            request = Request(operation, headers, content, before)
            state.requests.append(request)
            state.busy += 1
            state.most_busy = max(state.busy, state.most_busy)
        try:
            yield request
        finally:
            with self._noting:
                state.busy -= 1

    def handle_error(self, *_: object) -> None:
        """Whoever asked was killed."""


@contextlib.contextmanager
def kinesis_gate(server_port: int) -> Iterator[Gate]:
    """A gate before a moto server on loopback."""
    with _Server(server_port) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield listening.state
        finally:
            listening.shutdown()
