"""The declaration of folders of SFTP servers."""

from muster.activation.stores.kind import Connection, ConnectionKey, DestinationKind, Environ
from muster.activation.stores.sftp.urls import SftpUrls, is_below_home, user_of


def service(url: str, connection: Connection, _environ: Environ) -> str:
    """The user whose home folder the path is below (X9); no user is needed to identify other folders of a server."""
    return (connection.get("user") or user_of(url)) if is_below_home(url) else ""


_PASSWORD = ConnectionKey("password_env", "variable")
SFTP = DestinationKind(
    urls=SftpUrls(),
    client="muster.activation.stores.sftp.store.SftpStore",
    keys=(
        ConnectionKey("user"),
        _PASSWORD,
        ConnectionKey("key_file"),
        ConnectionKey("passphrase_env", "variable", needs="key_file"),
        ConnectionKey("known_hosts"),
    ),
    password_key=_PASSWORD.name,
    service=service,
    extra="sftp",
    needs=("asyncssh",),
)
