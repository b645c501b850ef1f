"""The client of an Azure account: its address and credentials, as ``connection`` or the environment say.

Needs azure-storage-blob and azure-identity.
"""

from typing import Any
from urllib.parse import urlsplit

from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

from muster.activation.model.workspace import Destination
from muster.activation.stores.azure.kind import account_url
from muster.activation.stores.kind import Connection, Environ, variables_of
from muster.activation.stores.protocol import UnusableError

_ONE_REQUEST = 64 << 20  # bytes: more than a store gives the client at a time, so that the client splits nothing
_CHUNK = 4 << 20

# Variables that the az command reads, too; for a connection that does not say where it goes.
_CONNECTION_STRING, _ACCOUNT = "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT"
_KEY, _SAS = "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"


def connect(destination: Destination) -> BlobServiceClient:
    """A client of the account; ``UnusableError`` when neither ``connection`` nor the environment says enough."""
    connection, variables = destination.connection, variables_of(destination)
    options: dict[str, Any] = {
        "retry_total": 0,  # `RetryingStore` tries again
        "connection_timeout": destination.timeout,
        "read_timeout": destination.timeout,
        "max_single_put_size": _ONE_REQUEST,
        "max_single_get_size": _CHUNK,
        "max_chunk_get_size": _CHUNK,
    }
    anywhere = not {"account", "endpoint", "connection_string_env"} & set(connection)
    text = variables.get(connection.get("connection_string_env", _CONNECTION_STRING if anywhere else ""))
    if text:
        try:
            return BlobServiceClient.from_connection_string(text, **options)
        except ValueError as error:
            raise UnusableError(
                "the connection string cannot be read; expected AccountName=...;AccountKey=..."
            ) from error
    account = connection.get("account") or (variables.get(_ACCOUNT) if anywhere else None)
    if not account and "endpoint" not in connection:
        raise UnusableError("no account is given: set connection.account, or connection_string_env")
    url = connection.get("endpoint") or account_url(account or "")
    return BlobServiceClient(
        url, credential=_credential(connection, variables, account, url, anywhere=anywhere), **options
    )


def _credential(connection: Connection, variables: Environ, account: str | None, url: str, *, anywhere: bool) -> Any:
    """The account's key or a signature, whose variables are named; else the login of this machine."""
    key = variables.get(connection.get("account_key_env", _KEY if anywhere else ""))
    sas = variables.get(connection.get("sas_token_env", _SAS if anywhere else ""))
    if key:
        host = urlsplit(url)
        named = account or host.path.strip("/") or (host.hostname or "").partition(".")[0]
        return {"account_name": named, "account_key": key}
    if sas:
        return sas.removeprefix("?")
    if urlsplit(url).scheme != "https":
        raise UnusableError(
            "muster sends this machine's credentials only over https: use an https endpoint, or set account_key_env or "
            "sas_token_env"
        )
    return DefaultAzureCredential()
