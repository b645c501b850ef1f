"""The endpoint of an Azure event hub: batches by partition, each tried once (V1, V7, V10); needs azure-eventhub."""

import logging
import threading
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from azure.eventhub.exceptions import EventHubError

from muster.activation.endpoints.event_hubs.answers import opening_failed
from muster.activation.endpoints.event_hubs.link import Link
from muster.activation.endpoints.event_hubs.login import connect
from muster.activation.endpoints.protocol import Answer, Outgoing, Record
from muster.activation.errors import ExportError
from muster.activation.model.messages import MessageActivation, MessageDestination

logging.getLogger("azure.eventhub").addHandler(logging.NullHandler())  # its warnings hold what servers say
_TEST = Record("muster", b"{}")  # of a test that says no records
_WORST = ("fatal", "lost", "failing", "unsent", "throttled", "refused")  # the meanings of several batches, in one word


class EventHubsEndpoint:
    """A hub. Several threads may send at a time; each partition takes one batch after the other.

    The events of one profile go to one partition, which a hash of the profile id chooses, so that their order is kept.
    """

    def __init__(self, destination: MessageDestination, _activation: MessageActivation, _root: Path) -> None:
        """Make a client, and no connection. ``ExportError`` when the destination does not say enough."""
        if destination.settings.get("transport") == "websocket":
            import websocket  # noqa: F401, PLC0415  # the client asks for it only when it connects
        self._id, self._hub, self._timeout = destination.id, destination.settings["hub"], destination.timeout
        self._stopped = threading.Event()
        self._client, self._login = connect(destination)
        self._links: list[Link] = []
        self._finding = threading.Lock()

    def send(self, outgoing: Outgoing) -> Answer:
        """Send the events of a request, in one batch for each of their partitions."""
        if self._stopped.is_set():
            return Answer("unsent", "stopped")
        failure = self._find_partitions()
        if failure:
            return failure
        places = self._by_partition(outgoing.records)
        answers: dict[int, Answer] = {}
        for partition in _turned(sorted(places), outgoing.id):
            answers[partition] = self._links[partition].send([outgoing.records[at].data for at in places[partition]])
            if answers[partition].meaning == "fatal":
                return answers[partition]
        return _joined(answers, places)

    def _by_partition(self, records: Sequence[Record]) -> dict[int, list[int]]:
        """The places of the records that go to each partition, in their order."""
        found: dict[int, list[int]] = {}
        for place, record in enumerate(records):
            found.setdefault(partition_of(record.partition_key, len(self._links)), []).append(place)
        return found

    def _find_partitions(self) -> Answer | None:
        """Make a link for each partition, once; the answer where the hub cannot be asked."""
        with self._finding:
            if self._links:
                return None
            first = self._link("0")  # which every hub has
            opened = first.send([])  # in its time, which the client's question for partitions does not keep
            if opened.meaning != "accepted":
                return opened
            found: list[list[str] | Answer] = []

            def ask() -> None:
                try:
                    found.append(self._client.get_partition_ids())
                except Exception as error:  # noqa: BLE001  # whatever the client raises, nothing was sent
                    has_login_failed = bool(self._login and self._login.has_failed)
                    found.append(opening_failed(error, has_login_failed=has_login_failed))

            thread = threading.Thread(target=ask, name="muster-partitions", daemon=True)
            thread.start()
            thread.join(self._timeout)
            answer = found[0] if found else Answer("unsent", "no connection in time")
            if isinstance(answer, Answer):
                return answer
            self._links = [first if each == "0" else self._link(each) for each in sorted(answer, key=_number)]
            return None

    def _link(self, partition: str) -> Link:
        return Link(self._client, self._login, partition, self._timeout, self._stopped)

    def check(self, test: Outgoing | None = None) -> str:
        """Open a link to send on, ask for the partitions, and send the events of ``test``, if there is one (V11)."""
        answer = self._find_partitions()
        if answer is None and test is not None:
            answer = self.send(replace(test, records=test.records or (_TEST,)))
        if answer is not None and answer.meaning != "accepted":
            raise ExportError(f"{self._id}: hub {self._hub}: {answer.reason}")
        said = f"hub {self._hub}: {len(self._links)} partition{'s' if len(self._links) > 1 else ''}"
        return f"{said}; a test event was taken" if test else said

    def stop(self) -> None:
        """Send nothing from now on, and wait two seconds at most for answers."""
        self._stopped.set()

    def close(self) -> None:
        """End the connections."""
        for link in self._links:
            link.close()
        with suppress(EventHubError):
            self._client.close()


def partition_of(profile: str, partitions: int) -> int:
    """The place of a profile's partition: always the same one while the hub has so many."""
    return zlib.crc32(profile.encode()) % partitions


def _turned(partitions: Sequence[int], request: str) -> list[int]:
    """The partitions from another one on for each request, so that requests do not wait for one another."""
    start = zlib.crc32(request.encode()) % max(len(partitions), 1)
    return [*partitions[start:], *partitions[:start]]


def _joined(answers: Mapping[int, Answer], places: Mapping[int, Sequence[int]]) -> Answer:
    """One answer for the batches of a request: if some were taken, the events of the others are to be sent again.

    A batch that the hub refuses says nothing of its single events: several come again by themselves, and are halved
    then; one alone is refused.
    """
    missed = {partition: answer for partition, answer in answers.items() if answer.meaning != "accepted"}
    if not missed:
        return Answer("accepted")
    if len(missed) == len(answers):
        return min(missed.values(), key=lambda answer: _WORST.index(answer.meaning))
    alone = {p: a for p, a in missed.items() if a.meaning == "refused" and len(places[p]) == 1}
    return Answer(
        "accepted",
        min(missed.values(), key=lambda answer: _WORST.index(answer.meaning)).reason,
        refused={places[partition][0]: answer.reason for partition, answer in alone.items()},
        again=tuple(sorted(at for partition in missed.keys() - alone.keys() for at in places[partition])),
    )


def _number(partition: str) -> tuple[int, str]:
    """Orders partitions by their numbers."""
    return (int(partition) if partition.isdecimal() else -1, partition)
