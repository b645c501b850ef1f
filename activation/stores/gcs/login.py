"""The client of Google Cloud Storage, with the credentials that ``connection`` or the environment says.

Needs google-cloud-storage.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.auth import identity_pool
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Client
from google.oauth2.credentials import Credentials as UserCredentials
from google.oauth2.service_account import Credentials as ServiceCredentials

from muster.activation.model.workspace import Destination
from muster.activation.stores.protocol import UnusableError
from muster.activation.system.os_errors import system_message

# Loaders by the `type` in the file. Google advises against a loader that takes credentials of any type.
_CREDENTIALS: dict[str, Callable[[str], Any]] = {
    "service_account": ServiceCredentials.from_service_account_file,
    "authorized_user": UserCredentials.from_authorized_user_file,
    "external_account": identity_pool.Credentials.from_file,
}


def connect(destination: Destination, root: Path) -> Client:
    """A client; ``UnusableError`` when the file of credentials cannot be used."""
    connection = destination.connection
    endpoint = connection.get("endpoint")
    credentials = None
    if "credentials_file" in connection:
        file = connection["credentials_file"]
        credentials = _credentials(root / Path(file).expanduser(), file)
    elif endpoint and not (urlsplit(endpoint).hostname or "").endswith(".googleapis.com"):
        # An emulator must not get the credentials of this machine.
        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return Client(
        project=None,
        credentials=credentials,
        client_options={"api_endpoint": endpoint.rstrip("/")} if endpoint else None,
    )


def _credentials(path: Path, shown: str) -> Any:
    try:
        kind = json.loads(path.read_bytes()).get("type", "")
    except OSError as error:
        raise UnusableError(f"{shown}: the credentials cannot be read: {system_message(error)}") from error
    except (ValueError, AttributeError) as error:
        raise UnusableError(f"{shown} is not a credentials file: it is not JSON") from error
    if kind not in _CREDENTIALS:
        raise UnusableError(f"{shown} is not a usable credentials file; expected one of type {', '.join(_CREDENTIALS)}")
    try:
        return _CREDENTIALS[kind](str(path))
    except (ValueError, GoogleAuthError) as error:
        raise UnusableError(
            f"{shown} is not a credentials file: something is missing in it, or its key is damaged"
        ) from error
