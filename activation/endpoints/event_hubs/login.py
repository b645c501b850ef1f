"""The client of a hub, with the address and credentials that its destination says.

Needs azure-eventhub and azure-identity.
"""

import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from azure.core.utils import parse_connection_string
from azure.eventhub import EventHubProducerClient, TransportType
from azure.identity import DefaultAzureCredential

from muster.activation.endpoints.event_hubs.kind import host_of
from muster.activation.endpoints.hosts import is_loopback
from muster.activation.endpoints.kind import variables_of
from muster.activation.errors import ExportError
from muster.activation.model.messages import MessageDestination

_KEPT = 120.0  # seconds that a token is used for new links: credentials renew theirs five minutes before it ends
_BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")  # what other clients of Azure's, or Python's own, look for


class Login:
    """The identity of this machine: one token for all links, and whether it could be had."""

    def __init__(self, credential: Any = None) -> None:
        """``credential``: what gives tokens; by itself Azure's usual order of logins."""
        self._credential = credential or DefaultAzureCredential()
        self._token: AccessToken | None = None
        self._lock = threading.Lock()
        self._since = 0.0
        self.has_failed = False

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        """A token that lasts some minutes at least, which links that are opened together share."""
        with self._lock:
            if self._token is None or time.monotonic() - self._since > _KEPT:
                try:
                    self._token = self._credential.get_token(*scopes, **more)
                except Exception:
                    self.has_failed = True
                    raise
                self.has_failed, self._since = False, time.monotonic()
            return self._token


def connect(destination: MessageDestination) -> tuple[EventHubProducerClient, Login | None]:
    """A client that has asked nothing yet, and the login that it uses, if no connection string says who sends.

    ``ExportError`` when the connection string cannot be read, or leads to another hub or out of TLS.
    """
    said = {**destination.settings, **destination.connection}
    options = _options(destination, said)
    if "connection_string_env" not in said:
        login = Login()
        return EventHubProducerClient(host_of(said["namespace"]), said["hub"], login, **options), login
    text = variables_of(destination).get(said["connection_string_env"], "")
    _check(destination, said, text)
    return EventHubProducerClient.from_connection_string(text, eventhub_name=said["hub"], **options), None


def _options(destination: MessageDestination, said: dict[str, str]) -> dict[str, Any]:
    """The client tries once and sleeps never: the sender of requests tries again."""
    is_websocket = said.get("transport") == "websocket"
    variables = variables_of(destination)
    bundle = next((name for name in _BUNDLES if variables.get(name)), None)
    if bundle and not Path(variables[bundle]).exists():
        raise ExportError(f"{destination.id}: the file of certificates that {bundle} names does not exist")
    endpoint = urlsplit(said.get("endpoint", "")).netloc
    return {
        "retry_total": 0,
        "retry_backoff_factor": 0,
        "auth_timeout": destination.timeout,
        "transport_type": TransportType.AmqpOverWebsocket if is_websocket else TransportType.Amqp,
        **({"custom_endpoint_address": f"sb://{endpoint}"} if endpoint else {}),
        **({"connection_verify": variables[bundle]} if bundle else {}),
    }


def _check(destination: MessageDestination, said: dict[str, str], text: str) -> None:
    """``ExportError`` unless the connection string leads to the destination's hub, over TLS or inside this machine."""
    variable = said["connection_string_env"]
    try:
        found = parse_connection_string(text)
        host = urlsplit(found.get("endpoint") or found["hostname"]).hostname or ""
    except (ValueError, KeyError) as error:
        raise ExportError(
            f"{destination.id}: the connection string in {variable} cannot be read; expected "
            "Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=..."
        ) from error
    is_plain = found.get("usedevelopmentemulator") == "true"
    if is_plain and not is_loopback(host):
        raise ExportError(
            f"{destination.id}: the connection string in {variable} is of an emulator on another machine: events would "
            "travel unencrypted"
        )
    is_elsewhere = not is_loopback(host) and host != host_of(said["namespace"]).lower()
    if is_elsewhere or found.get("entitypath", said["hub"]) != said["hub"]:
        raise ExportError(
            f"{destination.id}: the connection string in {variable} is of another namespace or hub than the destination"
        )
