"""The login at an SFTP server: address, user, credentials, and the host keys that are trusted; needs asyncssh.

What the destination does not say is taken from where OpenSSH's own programs take it: `~/.ssh/config`, the `known_hosts`
of the user and of the machine, the agent, the keys of `~/.ssh`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncssh
from asyncssh.constants import MSG_IGNORE
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from muster.activation.model.workspace import Destination
from muster.activation.stores.kind import variables_of
from muster.activation.stores.protocol import UnusableError
from muster.activation.stores.sftp.errors import reason
from muster.activation.stores.sftp.urls import user_of

_PORT = 22
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
_ALIVE = 3  # times within a timeout that a silent server is asked whether it is there
# Put before the others: an upload is bound by its cipher, and machines compute AES by themselves.
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
_NOT_CHAINED = ("aes128-gcm", "aes256-gcm", "chacha20-poly1305")


class _Client(asyncssh.SSHClient):
    """Remembers the key of a host that is not in `known_hosts`."""

    offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Trust no key that `known_hosts` does not have."""
        _ = host, addr, port
        self.offered = key
        return False


@dataclass(frozen=True)
class Login:
    """A server, and the user and credentials for it."""

    host: str
    port: int | None  # None: as the config of SSH says, else 22
    timeout: float  # seconds
    known_hosts: Path | None  # None: those of the user and of the machine
    identity: dict[str, Any]

    @classmethod
    def of(cls, destination: Destination, root: Path) -> "Login":
        """The login of a destination; ``UnusableError`` when its key file cannot be read."""
        parts, connection = urlsplit(destination.url), destination.connection
        user = connection.get("user") or user_of(destination.url)
        identity = _identity(destination, root) | ({"username": user} if user else {})
        known_hosts = _local(connection["known_hosts"], root) if "known_hosts" in connection else None
        return cls(parts.hostname or "", parts.port, destination.timeout, known_hosts, identity)

    @property
    def patience(self) -> float:
        """Seconds of silence after which the server is asked whether it is there."""
        return self.timeout / _ALIVE

    async def connect(self) -> asyncssh.SSHClientConnection:
        """Connect and log in; ``UnusableError`` when the host's key is not trusted, or a local file cannot be used."""
        connection = await self._connected()
        _speak_plainly(connection)
        return connection

    async def _connected(self) -> asyncssh.SSHClientConnection:
        client = _Client()
        try:
            known = asyncssh.import_known_hosts(self._known_text())
            return await asyncssh.connect(
                self.host,
                self.port or (),
                **self.identity,
                known_hosts=known,
                server_host_key_algs=_preferring(self._keys(known)),
                client_factory=lambda: client,
                encryption_algs=_CIPHERS,
                connect_timeout=self.timeout,
                login_timeout=self.timeout,
                keepalive_interval=self.patience,
                keepalive_count_max=_ALIVE,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            raise UnusableError(self._distrusted(client.offered, is_known=bool(self._keys(known)))) from error
        except asyncssh.KeyEncryptionError as error:
            raise UnusableError(
                f"connection.key_file cannot be decrypted: check connection.passphrase_env ({reason(error)})"
            ) from error
        except asyncssh.KeyImportError as error:
            hint = (
                ""
                if "passphrase" in self.identity
                else "; if it has a passphrase, name its variable in connection.passphrase_env"
            )
            raise UnusableError(f"connection.key_file cannot be used: {reason(error)}{hint}") from error
        except ValueError as error:
            raise UnusableError(f"known_hosts, or the config of SSH, cannot be used: {reason(error)}") from error

    def _known_text(self) -> str:
        files = [self.known_hosts] if self.known_hosts else [Path(each).expanduser() for each in _KNOWN_HOSTS]
        try:
            return "\n".join(file.read_text() for file in files if file.exists())
        except OSError as error:
            raise UnusableError(f"{error.filename} cannot be read: {reason(error)}") from error

    @cached_property
    def _address(self) -> tuple[str, int]:
        """Host and port, as the config of SSH completes them."""
        asked: dict[str, Any] = {"host": self.host, "port": self.port or (), "config": ()}
        found = asyncssh.SSHClientConnectionOptions(**asked, known_hosts=None, client_keys=None, agent_path=None)
        return str(found.host), int(found.port)

    def _keys(self, known: asyncssh.SSHKnownHosts) -> Sequence[asyncssh.SSHKey]:
        """The keys that `known_hosts` has for this host."""
        host, port = self._address
        return asyncssh.match_known_hosts(known, host, "", None if port == _PORT else port)[0]

    def _distrusted(self, key: asyncssh.SSHKey | None, *, is_known: bool) -> str:
        """The message about a host key that is not known, or differs from the known one, with what would help."""
        where = str(self.known_hosts or _KNOWN_HOSTS[0])
        if key is None:
            return f"the host key is not trusted: it is revoked, or its certificate is not valid; see {where}"
        fingerprint = key.get_fingerprint()
        if is_known:
            return (
                f"the host key has changed: it is {fingerprint} now, and {where} has another; find out why "
                f"before you replace that line"
            )
        name, port = self._address
        host = name if port == _PORT else f"[{name}]:{port}"
        line = " ".join(key.export_public_key("openssh").decode().split()[:2])
        known_as = f"the host key is not known; its fingerprint is {fingerprint}"
        return f"{known_as}; once the owner of the server confirms it, add this line to {where}: {host} {line}"


def _speak_plainly(connection: asyncssh.SSHClientConnection) -> None:
    """Leave out the empty message that asyncssh sends before each packet: a quarter of the work of an upload.

    The message protects ciphers that chain blocks (CBC), which these here do not; nothing depends on its absence.
    """
    if not str(connection.get_extra_info("send_cipher")).startswith(_NOT_CHAINED):
        return
    send = connection.send_packet

    def plainly(kind: int, *parts: bytes, handler: Any = None) -> None:
        if kind != MSG_IGNORE:
            send(kind, *parts, handler=handler)

    connection.send_packet = plainly  # type: ignore[assignment, method-assign]  # there is no option for it


def _preferring(keys: Sequence[asyncssh.SSHKey]) -> list[str]:
    """All algorithms of host keys, those of known keys first, so that the host offers one of these if it can."""
    known = [algorithm for key in keys for algorithm in key.sig_algorithms]
    every = dict.fromkeys([*known, *get_default_certificate_algs(), *get_default_public_key_algs()])
    return [algorithm.decode() for algorithm in every]


def _identity(destination: Destination, root: Path) -> dict[str, Any]:
    """Options of asyncssh for a password or a key file; none where the agent and ~/.ssh are asked."""
    connection, variables = destination.connection, variables_of(destination)
    written = urlsplit(destination.url).password
    password = unquote(written) if written else None
    if "password_env" in connection:
        password = variables[connection["password_env"]]
    if "key_file" in connection:
        variable = connection.get("passphrase_env")
        passphrase = {"passphrase": variables[variable]} if variable else {}
        keys = [_key(connection["key_file"], root)]
        return {"client_keys": keys, "agent_path": None, "password": password, **passphrase}
    if password is not None:
        return {"client_keys": None, "agent_path": None, "password": password}
    return {}


def _key(file: str, root: Path) -> str:
    path = _local(file, root)
    try:
        path.read_bytes()
    except OSError as error:
        raise UnusableError(f"connection.key_file {file} cannot be read: {reason(error)}") from error
    return str(path)


def _local(path: str, root: Path) -> Path:
    return root / Path(path).expanduser()
