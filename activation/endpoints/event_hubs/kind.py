"""The declaration of Azure Event Hubs: the keys of its destinations, and the limits of a batch (V1, V7).

It loads nothing of what the client needs.
"""

from muster.activation.endpoints.protocol import Limits
from muster.activation.stores.kind import ConnectionKey

KEYS = ("namespace", "hub", "connection_string_env", "transport")  # of the destination itself
TRANSPORTS = ("amqp", "websocket")
CONNECTION_KEYS = (ConnectionKey("connection_string_env", "variable"), ConnectionKey("endpoint"), ConnectionKey("ca"))
# Each event is a section of the batch around a section of its own: 16 bytes, and some for what describes the event.
LIMITS = Limits(bytes=1_000_000, entry_bytes=1_000_000, overhead=64)
EXTRA, NEEDS = "event_hubs", ("azure.eventhub", "azure.identity", "websocket")
CLIENT = "muster.activation.endpoints.event_hubs.client.EventHubsEndpoint"


def host_of(namespace: str) -> str:
    """The host of a namespace, which may be given by its name alone."""
    return (
        namespace if "." in namespace or ":" in namespace or namespace == "localhost" else f"{namespace}{_AZURES_OWN}"
    )


_AZURES_OWN = ".servicebus.windows.net"
