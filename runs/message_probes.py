"""Whether messages can be sent to a destination: it is connected to, and on demand gets a test request (V11)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from muster.activation.model.messages import MessageActivation, MessageDestination
from muster.activation.model.workspace import Workspace

if TYPE_CHECKING:
    from muster.activation.endpoints.protocol import Endpoint


@dataclass(frozen=True)
class MessageStep:
    """One step of a check: what was found, or why it failed."""

    name: str
    found: str | None = None
    error: str | None = None


def check_messages(destination: MessageDestination, config: Workspace, *, send_test: bool) -> tuple[MessageStep, ...]:
    """Connect to a destination as its activations do, each way once; a step that failed is the last of its way."""
    from muster.activation.model.redaction import redact

    if destination.unset:
        return (MessageStep("connect", error="; ".join(map(str, destination.unset))),)
    ways = _ways(destination, config)
    found = [
        replace(step, name=f"{step.name} as {way.id}" if len(ways) > 1 else step.name)
        for way in ways
        for step in _tried(destination, way, config, send_test=send_test)
    ]

    def shown(text: str | None) -> str | None:
        return text and redact(text, config.variables)

    told = tuple(MessageStep(each.name, shown(each.found), shown(each.error)) for each in found)
    return told or (MessageStep("connect", error="no activation sends to it: there is nothing to try"),)


def _ways(destination: MessageDestination, config: Workspace) -> list[MessageActivation]:
    """The activations of a destination that differ in where, or how, they send."""
    found: dict[object, MessageActivation] = {}
    for each in config.message_activations:
        if each.destination == destination.id:
            way = (each.url, *sorted(each.headers.items()), *sorted(each.request.items()), *sorted(each.method.items()))
            found.setdefault(way, each)
    return list(found.values())


def _tried(
    destination: MessageDestination, activation: MessageActivation, config: Workspace, *, send_test: bool
) -> Iterator[MessageStep]:
    from contextlib import closing

    from muster.activation.endpoints.opening import open_endpoint
    from muster.activation.errors import ExportError
    from muster.activation.messages.about_nobody import request_about_nobody

    def said(error: ExportError) -> str:
        return str(error).removeprefix(f"{destination.id}: ")

    if activation.unset:
        yield MessageStep("connect", error="; ".join(map(str, activation.unset)))
        return
    name = "connect"
    try:
        opened: Endpoint = open_endpoint(replace(destination, variables=config.variables), activation, config.root)
        with closing(opened) as endpoint:
            yield MessageStep(name, found=endpoint.check())
            if send_test:
                name = "send a test"
                yield MessageStep(name, found=endpoint.check(request_about_nobody(activation)))
    except ExportError as error:
        yield MessageStep(name, error=said(error))
