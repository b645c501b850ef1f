"""A link to one partition, on which one batch is under way at a time; needs azure-eventhub.

The client waits for ever where a server takes a connection and says nothing, or releases a batch. So each try has a
thread of its own, which is left behind when its time is over: a link that was left behind is never used again.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from azure.eventhub import EventData, EventDataBatch, EventHubProducerClient

from muster.activation.endpoints.event_hubs.answers import opening_failed, sending_failed
from muster.activation.endpoints.event_hubs.login import Login
from muster.activation.endpoints.protocol import Answer

_GRACE = 2.0  # seconds more than the client's own time-out, or after the command was asked to stop
_IDLE = 60.0  # seconds after which a link is opened anew: a service that ended it would leave a batch without answer
_LOOK = 0.25  # seconds between two looks at whether the command was asked to stop


class Link:
    """One partition of a hub."""

    def __init__(
        self,
        client: EventHubProducerClient,
        login: Login | None,
        partition: str,
        timeout: float,
        stopped: threading.Event,
    ) -> None:
        """Open nothing yet. ``timeout``: seconds without an answer; ``stopped`` is set when the command is to end."""
        self._client, self._login, self._partition, self._timeout = client, login, partition, timeout
        self._stopped = stopped
        self._producer: Any = None
        self._used = 0.0
        self._one_at_a_time = threading.Lock()

    def send(self, events: Sequence[bytes]) -> Answer:
        """Send one batch, once; with no events, only open the link."""
        with self._one_at_a_time:
            if self._producer and time.monotonic() - self._used > _IDLE:
                _close_beside(self._producer)
                self._producer = None
            attempt = _Attempt(self._client, self._login, self._partition, self._timeout, self._producer)
            answer = attempt.answer(events, self._timeout, self._stopped)
            self._producer = attempt.producer if answer.meaning == "accepted" else None
            self._used = time.monotonic()
            return answer

    def close(self) -> None:
        """End the link."""
        with self._one_at_a_time:
            producer, self._producer = self._producer, None
        if producer:
            _close_beside(producer)


class _Attempt:
    """One try to send a batch on a link, which may have to be opened before."""

    def __init__(
        self, client: EventHubProducerClient, login: Login | None, partition: str, timeout: float, producer: Any
    ) -> None:
        self._client, self._login, self._partition, self._timeout = client, login, partition, timeout
        self.producer = producer
        self._lock = threading.Lock()
        self._is_left, self._is_sending = False, False
        self._answer: Answer | None = None
        self._socket: socket.socket | None = None
        self._moved = threading.Event()  # the link was opened, or the answer is there

    def answer(self, events: Sequence[bytes], timeout: float, stopped: threading.Event) -> Answer:
        """The answer; of a try that takes too long, that nothing was sent, or that perhaps it was."""
        threading.Thread(target=self._try, args=(events,), name="muster-events", daemon=True).start()
        for stage in (lambda: self._is_sending or self._answer is not None, lambda: self._answer is not None):
            until = time.monotonic() + timeout + _GRACE
            if not self._wait(stage, until, stopped):
                break
        with self._lock:
            if self._answer is not None:
                return self._answer
            self._is_left = True
        self._cut()
        return Answer("lost", "time-out") if self._is_sending else Answer("unsent", "no connection in time")

    def _wait(self, is_over: Callable[[], bool], until: float, stopped: threading.Event) -> bool:
        """Wait for a stage; False when its time is over first."""
        while not is_over():
            if stopped.is_set():
                until = min(until, time.monotonic() + _GRACE)
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._moved.wait(min(left, _LOOK))
            self._moved.clear()
        return True

    def _try(self, events: Sequence[bytes]) -> None:
        try:
            answer = self._opened() or self._sent(events)
        except Exception as error:  # noqa: BLE001  # of another version of the client, perhaps; a thread raises to nobody
            answer = Answer("fatal", f"the client cannot send: {type(error).__name__}", sent=self._is_sending)
        with self._lock:
            self._answer = answer
        self._moved.set()
        if self.producer and (self._is_left or answer.meaning != "accepted"):
            with suppress(Exception):
                self.producer.close()
            if self._socket:
                self._socket.close()  # the client forgets it where the connection ended first

    def _opened(self) -> Answer | None:
        """None once the link is open. The client's own ``send_batch`` sends a batch again after any error."""
        if self.producer:
            return None
        try:
            self.producer = self._client._create_producer(  # noqa: SLF001  # see above
                partition_id=self._partition, send_timeout=self._timeout
            )
            self.producer._open_with_retry()  # noqa: SLF001
        except Exception as error:  # noqa: BLE001  # whatever the client raises, nothing was sent
            return opening_failed(error, has_login_failed=bool(self._login and self._login.has_failed))
        return None

    def _sent(self, events: Sequence[bytes]) -> Answer:
        with self._lock:
            if self._is_left:
                return Answer("unsent", "no connection in time")
            self._is_sending = True
        self._moved.set()
        if not events:
            return Answer("accepted")
        batch = EventDataBatch(getattr(self.producer, "_max_message_size_on_link", None), self._partition)
        try:
            for each in events:
                batch.add(_event(each))
        except ValueError:  # of a cheaper tier than most, whose batches are smaller
            return Answer("refused", "message-size-exceeded")
        self._socket = _socket_of(self.producer)
        try:
            self.producer.send(batch, timeout=self._timeout)
        except Exception as error:  # noqa: BLE001  # whatever the client raises, perhaps the batch lies in the hub
            return sending_failed(error)
        return Answer("accepted")

    def _cut(self) -> None:
        """End the connection of a try that is left behind, so that its thread ends and sends nothing later."""
        self._socket = self._socket or _socket_of(self.producer)
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _event(body: bytes) -> EventData:
    event = EventData(body)
    event.content_type = "application/json"
    return event


def _socket_of(producer: Any) -> socket.socket | None:
    """The socket under a link; None where there is none yet, or another version of the client keeps it elsewhere."""
    try:
        found = producer._handler._connection._transport.sock  # noqa: SLF001  # there is no public way
    except AttributeError:
        return None
    inner = getattr(found, "sock", found)  # of a websocket
    return inner if isinstance(inner, socket.socket) else None


def _close_beside(producer: Any) -> None:
    """Close a link without waiting for its server."""
    thread = threading.Thread(target=producer.close, name="muster-events", daemon=True)
    thread.start()
    thread.join(_GRACE)
