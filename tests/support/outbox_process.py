"""A process of its own that sends an outbox over HTTP, and can be killed at any moment."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from support.outboxes import RUN, told

from muster.activation.endpoints.opening import open_endpoint
from muster.activation.model.activation import Schedule
from muster.activation.model.messages import MessageActivation, MessageDestination
from muster.activation.outbox.outcomes import Outcomes
from muster.activation.outbox.pace import Pace
from muster.activation.outbox.reading import open_outbox
from muster.activation.outbox.send import send_outbox
from muster.activation.outbox.settle import settle
from muster.activation.state.files import State


def send(folder: Path, run: Any, in_flight: int) -> Outcomes:
    """Send the outbox of a run, as a command does."""
    url = "http://127.0.0.1"
    destination = MessageDestination(id="crm", name="CRM", kind="http", place=url, url=url, timeout=10.0)
    activation = MessageActivation(
        id="all",
        destination="crm",
        destination_name="CRM",
        schedule=Schedule("each_run", ZoneInfo("UTC")),
        mapping=(),
        kind="http",
        audiences=(),
        url=url,
        in_flight=in_flight,
    )
    endpoint = open_endpoint(destination, activation, folder)
    try:
        return send_outbox(open_outbox(State(folder, 0o600), run), endpoint, Pace(in_flight, retries=8))
    finally:
        endpoint.close()


def work(folder: Path, run: Any, in_flight: int, pipe: Connection) -> None:
    """The life of the process."""
    outcomes = send(folder, run, in_flight)
    pipe.send((told(outcomes), outcomes.resent, outcomes.error))


def settled(folder: Path, run: Any) -> list[tuple[int, int, str, str | None]]:
    """What the log alone says."""
    return told(settle(open_outbox(State(folder, 0o600), run or RUN)))
