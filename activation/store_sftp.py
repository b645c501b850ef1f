"""Files in a folder of an SFTP server (F3). Edge module; needs asyncssh.

A file is uploaded under a hidden temporary name beside its own, and renamed: a reader sees it whole or not at all. SFTP reports the size
of a file and no checksum; the connection itself sees to it that no byte changes on its way. `muster verify` reads files again.
"""

import asyncio
import posixpath
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from os import environ
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import asyncssh
from asyncssh.sftp import SFTPAttrs, SFTPClient

from activation.store import PassingError, PlaceError, Reported, Sent, StoreError, TakenError
from activation.workspace import Destination

T = TypeVar("T")
_CHUNK = 4 << 20
_ALIVE = 3  # times within a timeout that a silent server is asked whether it is there


# What asyncssh raises, in which order it is looked at, and what it means.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[StoreError], str], ...] = (
    ((asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection), PassingError, "the connection broke"),
    ((asyncssh.SFTPPermissionDenied,), StoreError, "the server denies permission"),
    ((asyncssh.SFTPFailure,), StoreError, "the server answers {}; its disk may be full, or renaming not allowed"),
    ((asyncssh.SFTPError,), StoreError, "the server answers {}"),
    ((asyncssh.PermissionDenied,), PlaceError, "the login is refused: check the user, and the key or password"),
    ((asyncssh.KeyImportError, asyncssh.KeyEncryptionError), PlaceError, "the key cannot be used: {}"),
    ((asyncssh.Error, OSError), PassingError, "{}"),
)


class SftpStore:
    """A folder of a server."""

    def __init__(self, destination: Destination, root: Path) -> None:
        """Nothing is asked of the network."""
        parts = urlsplit(destination.url)
        path = unquote(parts.path)
        self._root = path.removeprefix("/~").lstrip("/") or "." if path.startswith("/~/") or path in ("", "/~") else path
        self._host, self._port = parts.hostname or "", parts.port or 22
        self._timeout = destination.timeout
        said = destination.connection
        self._known_hosts = str(_local(said["known_hosts"], root)) if "known_hosts" in said else None
        self._options = {
            **_identity(destination, root),
            "username": said.get("user") or (unquote(parts.username) if parts.username else ()),
        }
        self._loop = asyncio.new_event_loop()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: SFTPClient | None = None

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)

    # Connecting

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _opened(self) -> SFTPClient:
        if self._sftp is None:
            known_hosts: Any = {"known_hosts": self._known_hosts} if self._known_hosts else {}
            self._connection = await asyncssh.connect(
                self._host,
                self._port,
                **self._options,
                **known_hosts,
                connect_timeout=self._timeout,
                login_timeout=self._timeout,
                keepalive_interval=self._timeout / _ALIVE,
                keepalive_count_max=_ALIVE,
            )
            self._sftp = await asyncio.wait_for(self._connection.start_sftp_client(), self._timeout)
        return self._sftp

    def reach(self) -> None:
        """Log in, and look at the folder, or the nearest one above it that is there."""
        with self._told():
            self._run(self._reach())

    async def _reach(self) -> None:
        sftp = await self._opened()
        place = self._root
        while place not in ("", "/", ".") and not await sftp.exists(place):
            place = posixpath.dirname(place)
        if place and not await sftp.isdir(place):
            raise StoreError(f"{place} is no folder")

    # Files

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Upload under the temporary name, compare the size, rename."""
        with self._told(sent.name):
            self._run(self._put(sent, replace=replace))

    async def _put(self, sent: Sent, *, replace: bool) -> None:
        sftp = await self._opened()
        temporary, final = self._path(sent.temporary), self._path(sent.name)
        if not replace and await sftp.lexists(final):
            raise TakenError(sent.name)
        await self._make_folder(sftp, posixpath.dirname(final), sent.mode)
        try:
            async with sftp.open(temporary, "wb", SFTPAttrs(permissions=sent.mode)) as file:
                await file.truncate(0)
            await sftp.put(sent.path, temporary)
            await self._sync(sftp, temporary)
            found = await sftp.stat(temporary)
            if found.size != sent.size:
                raise PassingError(f"the server reports {found.size or 0:,} bytes of {sent.size:,} sent")
            await self._rename(sftp, temporary, final, sent.name, replace=replace)
        except asyncssh.SFTPError:
            with suppress(asyncssh.Error, OSError):
                await sftp.remove(temporary)
            raise

    async def _make_folder(self, sftp: SFTPClient, folder: str, mode: int) -> None:
        if folder in ("", ".", "/") or await sftp.isdir(folder):
            return
        await self._make_folder(sftp, posixpath.dirname(folder), mode)
        await sftp.mkdir(folder, SFTPAttrs(permissions=mode | ((mode & 0o444) >> 2)))

    @staticmethod
    async def _sync(sftp: SFTPClient, path: str) -> None:
        """Make it survive a power cut there, where the server can."""
        with suppress(asyncssh.SFTPOpUnsupported):
            async with sftp.open(path, "rb+") as file:
                await file.fsync()

    @staticmethod
    async def _rename(sftp: SFTPClient, temporary: str, final: str, name: str, *, replace: bool) -> None:
        """Give a file its name. Where the server cannot replace in one step, the file before is removed first."""
        if replace:
            try:
                await sftp.posix_rename(temporary, final)
            except asyncssh.SFTPOpUnsupported:
                with suppress(asyncssh.SFTPNoSuchFile):
                    await sftp.remove(final)
                await sftp.rename(temporary, final)
            return
        try:
            await sftp.rename(temporary, final)
        except asyncssh.SFTPError as error:
            if await sftp.lexists(final):
                await sftp.remove(temporary)
                raise TakenError(name) from error
            raise

    def clear(self, name: str, temporary: str) -> None:
        """Remove the temporary file."""
        self._remove(temporary, name)

    def stat(self, name: str) -> Reported | None:
        """The size."""

        async def look() -> Reported | None:
            sftp = await self._opened()
            try:
                found = await sftp.stat(self._path(name))
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return None
            return Reported(found.size or 0)

        with self._told(name):
            return self._run(look())

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes."""

        async def opened() -> Any:
            return await (await self._opened()).open(self._path(name), "rb")

        with self._told(name):
            file = self._run(opened())
            try:
                while chunk := self._run(file.read(_CHUNK)):
                    yield chunk
            finally:
                with suppress(asyncssh.Error, OSError):
                    self._run(file.close())

    def delete(self, name: str) -> None:
        """Remove it."""
        self._remove(name, name)

    def _remove(self, path: str, name: str) -> None:
        async def remove() -> None:
            with suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                await (await self._opened()).remove(self._path(path))

        with self._told(name):
            self._run(remove())

    def close(self) -> None:
        """End the connection."""

        async def close() -> None:
            if self._connection:
                self._connection.abort()
                await asyncio.wait_for(self._connection.wait_closed(), 1)

        self._sftp = None
        with suppress(TimeoutError, asyncssh.Error, OSError):
            self._run(close())
        self._connection = None

    # What goes wrong

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """What asyncssh says, in the words of ``activation.store``."""
        try:
            yield
        except asyncssh.HostKeyNotVerifiable as error:
            raise PlaceError(self._unknown_host()) from error
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, OSError) and error.filename:  # a file of this machine
                raise
            raise _meant(error, name) from error

    def _unknown_host(self) -> str:
        """The fingerprint of a host that is not known, and the line that makes it so."""
        try:
            key = self._run(asyncssh.get_server_host_key(self._host, self._port))
        except (asyncssh.Error, OSError):
            key = None
        where = self._known_hosts or "~/.ssh/known_hosts"
        if key is None:
            return f"the host key is not in {where}"
        host = self._host if self._port == 22 else f"[{self._host}]:{self._port}"
        line = f"{host} {key.export_public_key('openssh').decode().strip()}"
        with suppress(OSError, ValueError):
            known = asyncssh.read_known_hosts(str(Path(where).expanduser())).match(self._host, "", self._port)
            if known[0]:
                return (
                    f"the host key has changed: it is {key.get_fingerprint()} now, and {where} has another; "
                    "find out why before you replace the line there"
                )
        return f"the host key is not known; it is {key.get_fingerprint()}: if its owner says so too, add this line to {where}: {line}"


def _meant(error: Exception, name: str) -> Exception:
    if isinstance(error, (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)):
        return FileNotFoundError(name)
    kind, words = next((kind, words) for errors, kind, words in _MEANINGS if isinstance(error, errors))
    return kind(words.format(_words(error) or "no answer in time"))


def _identity(destination: Destination, root: Path) -> dict[str, Any]:
    """How the user is told to the server: a password, a key file, or else what the agent and ~/.ssh have."""
    said = destination.connection
    in_url = urlsplit(destination.url).password
    password = environ[said["password_env"]] if "password_env" in said else unquote(in_url) if in_url else None
    if "key_file" in said:
        passphrase = {"passphrase": environ[said["passphrase_env"]]} if "passphrase_env" in said else {}
        return {"client_keys": [str(_local(said["key_file"], root))], "agent_path": None, "password": password, **passphrase}
    if password is not None:
        return {"client_keys": None, "agent_path": None, "password": password}
    return {}


def _local(path: str, root: Path) -> Path:
    return root / Path(path).expanduser()


def _words(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()).rstrip(".").lower()
