"""The endpoint of a Kinesis data stream: PutRecords, each request tried once (V1, V7, V10); needs boto3."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from muster.activation.endpoints.hosts import is_loopback
from muster.activation.endpoints.kind import variables_of
from muster.activation.endpoints.kinesis.answers import KNOWN, answer_of, answer_of_error
from muster.activation.endpoints.kinesis.kind import LONGEST_KEY, region_in
from muster.activation.endpoints.protocol import Answer, Outgoing, Record
from muster.activation.errors import ExportError
from muster.activation.model.messages import MessageActivation, MessageDestination
from muster.activation.stores.s3.login import aws_client

_TEST = Record("muster", b"{}")  # of a test that says no records


class KinesisEndpoint:
    """A data stream. Several threads may send at a time: boto3's clients allow it."""

    def __init__(self, destination: MessageDestination, activation: MessageActivation, _root: Path) -> None:
        """Make a client, and no request. ``ExportError`` when the profile is not known or the endpoint no address."""
        self._id = destination.id
        stream = destination.settings["stream"]
        self._at = {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}
        self._stream = stream.rpartition("/")[2] or stream
        self._stopped = threading.Event()
        config = Config(
            connect_timeout=destination.timeout,
            read_timeout=destination.timeout,
            retries={"total_max_attempts": 1},  # the sender of requests tries again
            max_pool_connections=max(activation.in_flight, 1),
        )
        endpoint = urlsplit(destination.connection.get("endpoint", ""))
        if endpoint.scheme == "http" and not destination.allow_insecure and not is_loopback(endpoint.hostname or ""):
            raise ExportError(f"{self._id}: its endpoint is http: records would travel unencrypted; use https")
        try:
            connection = {"region": region_in(stream), **destination.connection}
            self._client: Any = aws_client("kinesis", connection, variables_of(destination), config)
        except BotoCoreError as error:
            raise ExportError(f"{self._id}: {' '.join(str(error).split()).rstrip('.')}") from error
        except ValueError as error:
            raise ExportError(
                f"{self._id}: its endpoint is not an address that Kinesis's client accepts; expected one such as "
                "https://kinesis.eu-central-1.amazonaws.com"
            ) from error

    def send(self, outgoing: Outgoing) -> Answer:
        """Put the records of a request, in their order; a result for each of them."""
        if self._stopped.is_set():
            return Answer("unsent", "stopped")
        records = [{"Data": each.data, "PartitionKey": partition_key(each)} for each in outgoing.records]
        try:
            return answer_of(self._client.put_records(**self._at, Records=records), len(records))
        except KNOWN as error:
            return answer_of_error(error)

    def check(self, test: Outgoing | None = None) -> str:
        """Ask for a summary of the stream, and put the records of ``test`` then, if there is one (V11)."""
        try:
            found = self._client.describe_stream_summary(**self._at)["StreamDescriptionSummary"]
        except KNOWN as error:
            reason = answer_of_error(error).reason.replace("kinesis:PutRecords", "kinesis:DescribeStreamSummary")
            raise ExportError(f"{self._id}: stream {self._stream}: {reason}") from error
        said = f"stream {self._stream}: {found['StreamStatus'].lower()}, {found.get('OpenShardCount', '?')} open shards"
        if test is None:
            return said
        answer = self.send(replace(test, records=test.records or (_TEST,)))
        if answer.meaning != "accepted":
            raise ExportError(f"{self._id}: stream {self._stream}: the test record was not taken: {answer.reason}")
        return f"{said}; a test record was taken"

    def stop(self) -> None:
        """Send nothing from now on: there are no waits here."""
        self._stopped.set()

    def close(self) -> None:
        """End the connections."""
        self._client.close()


def partition_key(record: Record) -> str:
    """The profile id; a digest of one that is longer than Kinesis takes."""
    key = record.partition_key
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
