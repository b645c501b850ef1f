"""The store of SFTP servers: files in a folder (F3); needs asyncssh.

A file is uploaded under a hidden temporary name beside its own, and renamed: a reader sees it whole or not at all. SFTP
reports the size of a file and no checksum; the connection itself ensures that no byte changes in transit. `muster
verify` reads files again.
"""

import asyncio
import posixpath
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import asyncssh
from asyncssh.sftp import SFTPAttrs, SFTPClient, SFTPClientFile

from muster.activation.model.workspace import Destination
from muster.activation.stores.protocol import (
    FOLDER_IN_THE_WAY,
    PassingError,
    Reported,
    Sent,
    StoreError,
    TakenError,
)
from muster.activation.stores.sftp.errors import connection_error, requesting
from muster.activation.stores.sftp.login import Login
from muster.activation.system.disk import folder_mode

T = TypeVar("T")
_CHUNK = 4 << 20  # bytes that are read at a time
_UNANSWERED = 2 << 20  # bytes that an OpenSSH server takes before it has answered; more would only wait
_REQUESTS, _MOST_REQUESTS = 8, 128
_SLOWEST_DISK = 5e6  # bytes a second that a server's disk takes at least
_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_UNCERTAIN = "; its disk may be full, or a quota used up"


class SftpStore:
    """A folder of a server. One event loop carries out all requests."""

    def __init__(self, destination: Destination, root: Path) -> None:
        """Make no connection. ``UnusableError`` when a key file cannot be read."""
        path = unquote(urlsplit(destination.url).path) or "/"
        self._root = path.removeprefix("/~").strip("/") or "." if path == "/~" or path.startswith("/~/") else path
        self._login = Login.of(destination, root)
        self._runner: asyncio.Runner | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: SFTPClient | None = None
        self._deadline: asyncio.Timeout  # of the request under way
        self._last_used = 0.0  # on the monotonic clock

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)

    # Connecting

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out requests; ``PassingError`` when nothing moves for as long as ``timeout`` says."""
        self._runner = self._runner or asyncio.Runner(loop_factory=_loop)
        try:
            return _without_a_loop(partial(self._runner.run, self._in_time(work)))
        finally:
            self._last_used = monotonic()

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        async with asyncio.timeout(self._login.timeout) as self._deadline:
            if monotonic() - self._last_used > self._login.patience:
                await self._drop()  # the server's questions were not answered meanwhile
            return await work

    def _moved(self, *_: object, allowing: float = 0.0) -> None:
        """Restart the timeout, because the server did something. The next step may take ``allowing`` seconds more."""
        self._deadline.reschedule(asyncio.get_running_loop().time() + self._login.timeout + allowing)

    async def _opened(self) -> SFTPClient:
        if self._sftp is None:
            self._connection = await self._login.connect()
            self._moved()
            self._sftp = await self._connection.start_sftp_client()
            self._moved()
        return self._sftp

    async def _drop(self) -> None:
        self._sftp, connection, self._connection = None, self._connection, None
        if connection:
            connection.abort()
            with suppress(TimeoutError, asyncssh.Error, OSError):
                await asyncio.wait_for(connection.wait_closed(), 1)

    def reach(self) -> None:
        """Log in, and look at the folder, or at the nearest existing folder above it."""
        with self._as_store_errors():
            self._run(self._reach())

    async def _reach(self) -> None:
        sftp = await self._opened()
        folder = self._root
        with requesting(f"look at {folder}"):
            while folder not in ("", "/", ".") and not await sftp.exists(folder):
                folder = posixpath.dirname(folder)
            if folder and not await sftp.isdir(folder):
                raise StoreError(f"{folder} is not a folder")

    # Files

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Upload under the temporary name, compare the size, rename."""
        with self._as_store_errors(sent.name):
            self._run(self._put(sent, replace=replace))

    async def _put(self, sent: Sent, *, replace: bool) -> None:
        sftp = await self._opened()
        temporary, final = self._path(sent.temporary), self._path(sent.name)
        try:
            with requesting(f"look at {final}"):
                if not replace and await sftp.lexists(final):
                    raise TakenError(sent.name)
            await self._make_folder(sftp, posixpath.dirname(final), sent.mode)
            await self._upload(sftp, sent, temporary)
            await self._rename(sftp, temporary, final, sent.name, replace=replace)
        except PassingError:
            raise
        except _MISSING as error:
            raise PassingError("a file or folder was removed during the upload") from error
        except StoreError:
            with suppress(asyncssh.Error):  # also what an earlier try has left
                await sftp.remove(temporary)
            raise

    async def _make_folder(self, sftp: SFTPClient, folder: str, mode: int) -> None:
        if folder in ("", ".", "/") or await sftp.isdir(folder):
            return
        await self._make_folder(sftp, posixpath.dirname(folder), mode)
        attributes = SFTPAttrs(permissions=folder_mode(mode))
        try:
            with requesting(f"make the folder {folder}"):
                await sftp.mkdir(folder, attributes)
        except StoreError:
            if not await sftp.isdir(folder):  # else another program has made it meanwhile
                raise
            return
        with suppress(asyncssh.SFTPError):  # whatever the server's umask; a server may keep modes to itself
            await sftp.setstat(folder, attributes)

    async def _upload(self, sftp: SFTPClient, sent: Sent, temporary: str) -> None:
        """Write the file under its temporary name, and to the server's disk as far as the server can."""
        with requesting(f"write {temporary}", _UNCERTAIN):
            async with await self._create(sftp, temporary, sent.mode) as file:
                requests = max(_REQUESTS, min(_UNANSWERED // sftp.limits.max_write_len, _MOST_REQUESTS))
                await sftp.put(sent.path, temporary, max_requests=requests, progress_handler=self._moved)
                await self._settle(file, sent)

    @staticmethod
    async def _create(sftp: SFTPClient, path: str, mode: int) -> SFTPClientFile:
        """A new file, which replaces one that an earlier upload left."""
        attributes = SFTPAttrs(permissions=mode)
        try:
            return await sftp.open(path, "xb", attributes)
        except (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists):
            if not await sftp.lexists(path):
                raise
            with requesting(f"delete {path}, which an earlier upload left"):
                await sftp.remove(path)
        return await sftp.open(path, "xb", attributes)

    async def _settle(self, file: SFTPClientFile, sent: Sent) -> None:
        """Make the file survive a power cut of the server, and compare the size that the server reports."""
        self._moved(allowing=sent.size / _SLOWEST_DISK)
        with suppress(asyncssh.SFTPOpUnsupported):
            await file.fsync()
        self._moved()
        found = await file.stat()
        if found.size != sent.size:
            raise PassingError(f"the server reports {found.size or 0:,} bytes of {sent.size:,} sent")
        if found.permissions is not None and found.permissions & 0o777 != sent.mode:
            with suppress(asyncssh.SFTPError):  # a server may keep modes to itself
                await file.setstat(SFTPAttrs(permissions=sent.mode))

    async def _rename(self, sftp: SFTPClient, temporary: str, final: str, name: str, *, replace: bool) -> None:
        """Rename a file to its final name. Where the server cannot replace in one step, the earlier file is removed."""
        try:
            with requesting(f"rename {temporary} to {posixpath.basename(final)}"):
                if not replace:
                    await sftp.rename(temporary, final)
                    return
                try:
                    await sftp.posix_rename(temporary, final)
                except asyncssh.SFTPOpUnsupported:
                    await self._remove(final)
                    await sftp.rename(temporary, final)
        except StoreError as error:
            if await sftp.isdir(final):
                raise StoreError(FOLDER_IN_THE_WAY) from error
            if not replace and await sftp.lexists(final):
                raise TakenError(name) from error
            raise

    def clear(self, name: str, temporary: str) -> None:
        """Remove the temporary file."""
        with self._as_store_errors(name):
            self._run(self._remove(self._path(temporary)))

    def stat(self, name: str) -> Reported | None:
        """The size of a file; SFTP reports no checksum."""

        async def look() -> Reported:
            sftp = await self._opened()
            with requesting(f"look at {self._path(name)}"):
                return Reported((await sftp.stat(self._path(name))).size or 0)

        try:
            with self._as_store_errors(name):
                return self._run(look())
        except FileNotFoundError:
            return None

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""

        async def opened() -> Any:  # of bytes, which asyncssh does not say
            sftp = await self._opened()
            with requesting(f"read {self._path(name)}"):
                return await sftp.open(self._path(name), "rb")

        async def part(file: Any) -> Any:
            with requesting(f"read {self._path(name)}"):
                return await file.read(_CHUNK)

        with self._as_store_errors(name):
            file = self._run(opened())
            try:
                while chunk := self._run(part(file)):
                    yield chunk
            finally:
                with suppress(asyncssh.Error, OSError):
                    self._run(file.close())

    def delete(self, name: str) -> None:
        """Remove a file, if it exists."""
        with self._as_store_errors(name):
            self._run(self._remove(self._path(name)))

    async def _remove(self, path: str) -> None:
        sftp = await self._opened()
        with suppress(*_MISSING), requesting(f"delete {path}"):
            await sftp.remove(path)

    def close(self) -> None:
        """End the connection."""
        runner = self._runner
        if runner is None or runner.get_loop().is_running():  # another thread uses the loop: the process ends
            return
        self._runner = None
        _without_a_loop(partial(self._end, runner))

    def _end(self, runner: asyncio.Runner) -> None:
        with runner:
            runner.run(self._drop())

    @contextmanager
    def _as_store_errors(self, name: str = "") -> Iterator[None]:
        """Turn asyncssh's errors inside the block into ``StoreError``, or ``FileNotFoundError`` for a missing file."""
        try:
            yield
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise FileNotFoundError(name) from error
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, OSError) and error.filename:  # a file of this machine
                raise
            raise connection_error(error) from error


def _without_a_loop(call: Callable[[], T]) -> T:
    """Make a call in this thread; in another one if an event loop runs in this thread, as it does in notebooks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return call()
    with ThreadPoolExecutor(1, "muster-sftp") as other:
        return other.submit(call).result()


def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    # The thread that looks up host names: a command that is asked to stop knows its threads by their names
    # (``muster.cli.process.deadline``).
    loop.set_default_executor(ThreadPoolExecutor(1, "muster-names"))
    return loop
