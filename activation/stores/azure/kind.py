"""The declaration of containers of Azure Storage."""

from muster.activation.stores.kind import Connection, ConnectionKey, DestinationKind, Environ
from muster.activation.stores.remote_urls import BucketUrls, endpoint, without_slash

AZURES_OWN = "core.windows.net"  # the suffix of addresses in Azure's own cloud


def account_url(account: str, suffix: str = AZURES_OWN) -> str:
    """The address of an account's blobs, in the cloud with this suffix."""
    return f"https://{account}.blob.{suffix}"


def service(url: str, connection: Connection, environ: Environ) -> str:
    """The address that the connection string, ``endpoint`` or ``account`` says, as far as one of them does (X9)."""
    if "connection_string_env" in connection:
        return without_slash(_address_in(environ.get(connection["connection_string_env"], "")))
    if "account" in connection and not connection.get("endpoint"):
        return without_slash(account_url(connection["account"]))
    return endpoint(url, connection, environ)


def _address_in(connection_string: str) -> str:
    settings = (setting.partition("=") for setting in connection_string.split(";"))
    values = {name.strip().lower(): value.strip() for name, _, value in settings}
    return values.get("blobendpoint") or account_url(
        values.get("accountname", ""), values.get("endpointsuffix", AZURES_OWN)
    )


AZURE = DestinationKind(
    urls=BucketUrls("az", container="container"),
    client="muster.activation.stores.azure.store.AzureStore",
    lists=True,
    keys=(
        ConnectionKey("account"),
        ConnectionKey("endpoint", "endpoint"),
        ConnectionKey(
            "connection_string_env", "variable", excludes=("account", "endpoint", "account_key_env", "sas_token_env")
        ),
        ConnectionKey("account_key_env", "variable", excludes=("sas_token_env",)),
        ConnectionKey("sas_token_env", "variable"),
    ),
    service=service,
    extra="azure",
    needs=("azure.storage.blob", "azure.identity"),
)
