"""The declaration of Azure Event Hubs, and the limits of a batch (V1, V7)."""

from muster.activation.endpoints.kind import EndpointKind
from muster.activation.endpoints.protocol import Limits
from muster.activation.stores.kind import ConnectionKey

EVENT_HUBS = EndpointKind(
    name="event_hubs",
    client="muster.activation.endpoints.event_hubs.client.EventHubsEndpoint",
    # Each event is a section of the batch around a section of its own: 16 bytes, and some for what describes the event.
    limits=Limits(bytes=1_000_000, entry_bytes=1_000_000, overhead=64),
    keys=(ConnectionKey("connection_string_env", "variable"), ConnectionKey("endpoint", "endpoint")),
    extra="event_hubs",
    needs=("azure.eventhub", "azure.identity", "websocket"),
)
_AZURES_OWN = ".servicebus.windows.net"


def host_of(namespace: str) -> str:
    """The host of a namespace, which may be given by its name alone."""
    is_host = "." in namespace or ":" in namespace or namespace == "localhost"
    return namespace if is_host else f"{namespace}{_AZURES_OWN}"
