"""Destinations, activations and requests of messages, for tests that send to a receiver without a workspace."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from muster.activation.endpoints.opening import open_endpoint
from muster.activation.endpoints.protocol import Endpoint, Outgoing
from muster.activation.model.activation import Schedule
from muster.activation.model.messages import (
    Answers,
    Auth,
    MappedAudience,
    MessageActivation,
    MessageDestination,
    Tls,
)


def activation(
    url: str, *, headers: Mapping[str, str] | None = None, answers: Answers | None = None
) -> MessageActivation:
    """An activation of the destination ``crm`` that sends to a url."""
    return MessageActivation(
        id="all",
        destination="crm",
        destination_name="CRM",
        schedule=Schedule("each_run", ZoneInfo("UTC")),
        mapping=(),
        kind="http",
        audiences=(MappedAudience("loyal", "Loyal"),),
        url=url,
        headers=headers or {},
        answers=answers or Answers(),
    )


def destination(
    url: str,
    *,
    auth: Auth | None = None,
    tls: Tls | None = None,
    timeout: float = 20.0,
    allow_insecure: bool = False,
    variables: Mapping[str, str] | None = None,
) -> MessageDestination:
    """The destination ``crm`` of kind http."""
    return MessageDestination(
        id="crm",
        name="CRM",
        kind="http",
        place=url,
        url=url,
        auth=auth,
        tls=tls,
        timeout=timeout,
        allow_insecure=allow_insecure,
        variables=variables or {},
    )


def http(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    answers: Answers | None = None,
    root: Path | None = None,
    **settings: Any,
) -> Endpoint:
    """An endpoint for a url; ``settings`` are those of ``destination``."""
    return open_endpoint(
        destination(url, **settings), activation(url, headers=headers, answers=answers), root or Path("/")
    )


def outgoing(url: str, body: bytes = b'[{"id":"p7"}]', *, entries: int = 1, method: str = "POST") -> Outgoing:
    """A request."""
    return Outgoing("run-1-0", "key-of-run-1-0", method, url, body, entries=entries)
