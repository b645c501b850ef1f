"""The kinds of places on other machines, by the scheme of their urls. Pure: nothing of what they need is loaded.

A further kind is an entry here, a store (``muster.activation.stores.protocol``), and its extra in pyproject.toml.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlaceKind:
    """One kind: how its urls look, what it needs, and what its ``connection`` may say."""

    form: str  # of a url, for messages
    where: str  # what a url names before its path
    extra: str  # what installs ``needs``
    needs: tuple[str, ...]  # modules
    store: tuple[str, str]  # the module and the class that speak its protocol
    keys: tuple[str, ...]  # of ``connection``: each is also a line in ``ConnectionModel``
    beyond: str  # the key of ``connection`` without which a url may mean several places
    is_source: bool = True  # inputs are read from it, too


PLACE_KINDS = {
    "s3": PlaceKind(
        form="s3://bucket/prefix",
        where="bucket",
        extra="s3",
        needs=("boto3",),
        store=("muster.activation.stores.s3.store", "S3Store"),
        keys=(
            *("endpoint", "region", "profile", "access_key_id_env", "secret_access_key_env", "session_token_env"),
            *("addressing", "encryption", "kms_key"),
        ),
        beyond="endpoint",
    ),
    "az": PlaceKind(
        form="az://container/prefix",
        where="container",
        extra="azure",
        needs=("azure.storage.blob", "azure.identity"),
        store=("muster.activation.stores.azure.store", "AzureStore"),
        keys=("account", "endpoint", "connection_string_env", "account_key_env", "sas_token_env"),
        beyond="endpoint",
    ),
    "gs": PlaceKind(
        form="gs://bucket/prefix",
        where="bucket",
        extra="gcs",
        needs=("google.cloud.storage",),
        store=("muster.activation.stores.gcs.store", "GcsStore"),
        keys=("project", "credentials_file", "endpoint"),
        beyond="endpoint",
    ),
    "sftp": PlaceKind(
        form="sftp://user@host:port/path, or sftp://user@host/~/path below the folder of the login",
        where="host",
        extra="sftp",
        needs=("asyncssh",),
        store=("muster.activation.stores.sftp.store", "SftpStore"),
        keys=("user", "password_env", "key_file", "passphrase_env", "known_hosts"),
        beyond="user",
        is_source=False,
    ),
}
