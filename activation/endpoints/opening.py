"""Loads the client of a kind, and opens the endpoint of a destination."""

from importlib import import_module
from pathlib import Path

from muster.activation.endpoints.kinds import KINDS
from muster.activation.endpoints.protocol import Endpoint
from muster.activation.errors import ExportError
from muster.activation.model.messages import MessageActivation, MessageDestination


def open_endpoint(destination: MessageDestination, activation: MessageActivation, root: Path) -> Endpoint:
    """The endpoint that an activation's requests go to; nothing is asked of it before it is used.

    ``ExportError`` when what its kind needs is not installed, when a variable or a file of its credentials is missing,
    or when they can be in no request. ``root`` is the workspace's folder.
    """
    kind = KINDS[destination.kind]
    module, _, name = kind.client.rpartition(".")
    try:
        endpoint: Endpoint = getattr(import_module(module), name)(destination, activation, root)
    except ModuleNotFoundError as error:
        raise ExportError(
            f'{destination.id}: {error.name} is not installed; pip install "muster-activation[{kind.extra}]"'
        ) from error
    return endpoint
