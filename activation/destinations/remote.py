"""Delivery to another machine (F1, F3): files are staged here, uploaded whole, and compared with the store's report.

stage    a file in the state folder's ``staging/``, named by the run
publish  upload, compare size and checksum
unstage  once the run is committed                     -> killed in between: uploaded again, the same bytes
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile
from muster.activation.model.log import logger
from muster.activation.stores.protocol import DamagedError, PassingError, Sent, Store, TakenError
from muster.activation.stores.retrying import RetryingStore
from muster.activation.system.disk import create_file, make_folder, own_file, sync
from muster.activation.system.os_errors import system_message

log = logger("muster.deliver")


class RemoteTarget:
    """A destination that a ``Store`` reaches. One thread at a time uses it."""

    is_remote = True

    def __init__(
        self, url: str, open_store: Callable[[], Store], staging: Path, file_mode: int, *, retries: int
    ) -> None:
        self.url = url
        self.file_mode = file_mode
        self._staging = staging
        self._store = RetryingStore(url, open_store, retries=retries)

    # The staged files, on this machine

    def check(self) -> None:
        """Do nothing: only a connection can show that files cannot be written."""

    def check_free(self, names: Iterable[str], *, replace: bool) -> None:
        """Do nothing: only a connection can show which names are taken."""

    def places(self, names: Iterable[str]) -> set[Path]:
        """No places: the files are on another machine."""
        _ = names
        return set()

    @contextmanager
    def describing_failures(self, consequence: str) -> Iterator[None]:
        """Turn ``OSError`` about a staged file into ``ExportError`` that names the consequence (SPEC 10).

        An error about another file, one that was read, is raised as it is.
        """
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(self._staging):
                raise
            reason = f"its files cannot be written in the state folder: {system_message(error)}"
            raise ExportError(f"{self.url}: {reason}; {consequence}") from error

    def _staged(self, temporary: str) -> Path:
        return self._staging / PurePosixPath(temporary).name  # it has the run's id and the number of the file

    def stage(self, temporary: str) -> Path:
        """Create an empty file in the state's staging folder."""
        path = self._staged(temporary)
        make_folder(path.parent, self.file_mode)
        create_file(path, self.file_mode)
        return path

    def sync(self, temporary: str) -> None:
        """Make the bytes of the staged file survive a power cut."""
        sync(self._staged(temporary))

    def sync_names(self, names: Iterable[str], synced: set[Path]) -> None:
        """Sync the folder of the staged files, unless it is among ``synced``; the store keeps other names."""
        if list(names) and self._staging not in synced:
            sync(self._staging)
            synced.add(self._staging)

    def is_staged(self, temporary: str) -> bool:
        """Whether the staged file exists."""
        return self._staged(temporary).exists()

    def unstage(self, temporary: str) -> None:
        """Remove the staged file."""
        self._staged(temporary).unlink(missing_ok=True)

    # The destination

    def reach(self) -> None:
        """``ExportError`` when the destination cannot be reached, or its bucket or folder does not exist."""
        self._store.do("cannot be reached", lambda store: store.reach())

    def publish(self, file: PlannedFile, *, replace: bool) -> None:
        """Upload a staged file, and compare size and checksum. The staged file stays until the run is committed."""
        sent = Sent(
            self._staged(file.temporary), file.path, file.temporary, file.size or 0, file.sha256 or "", self.file_mode
        )
        self._put(sent, replace=replace)

    def _put(self, sent: Sent, *, replace: bool) -> None:
        tries = 0

        def put(store: Store) -> None:
            nonlocal tries
            tries += 1
            self._put_once(store, sent, replace=replace)

        self._store.do(f"{sent.name} cannot be written", put)
        log.info("%s/%s: uploaded, %d bytes", self.url, sent.name, sent.size, extra={"tries": tries})

    def _put_once(self, store: Store, sent: Sent, *, replace: bool) -> None:
        try:
            store.put(sent, replace=replace)
        except TakenError:
            # An earlier try may have succeeded though its answer was lost, also one of a killed command.
            if not _holds(store, sent.name, sent.size, sent.sha256):
                raise
        except DamagedError:
            self.unstage(sent.temporary)  # so that the run is made again, with the files that it promised
            raise
        except FileNotFoundError as error:
            if error.filename is not None:  # of this machine
                raise
            raise PassingError("the store says that the file does not exist") from error

    def write(self, name: str, temporary: str, text: str) -> None:
        """Upload a small file."""
        content = text.encode()
        path = self.stage(temporary)
        try:
            with open(path, "wb", opener=own_file) as file:
                file.write(content)
            self._put(
                Sent(path, name, temporary, len(content), hashlib.sha256(content).hexdigest(), self.file_mode),
                replace=True,
            )
        finally:
            path.unlink(missing_ok=True)

    def abandon(self, name: str, temporary: str) -> None:
        """Remove the staged file, and what an interrupted upload of it may have left at the destination."""
        self.unstage(temporary)
        self._store.do(
            f"{name}: the remains of an interrupted upload cannot be removed",
            lambda store: store.clear(name, temporary),
        )

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        self._store.do(f"{name} cannot be removed", lambda store: store.delete(name))

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return self._store.do(f"{name} cannot be checked", lambda store: store.stat(name)) is not None

    def holds(self, name: str, size: int | None, sha256: str | None) -> bool:
        """Whether the file has this size and SHA-256: as the store reports them, or of the bytes, which are read."""
        return self._store.do(f"{name} cannot be read", lambda store: _holds(store, name, size, sha256))

    def holds_text(self, name: str, text: str) -> bool:
        """Whether the small file of this name is exactly this text."""
        content = text.encode()

        def read(store: Store) -> bool:
            reported = store.stat(name)
            return reported is not None and reported.size == len(content) and _read(store, name) == content

        return self._store.do(f"{name} cannot be read", read)

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        """A copy of the file within the block; no copy when there is no file, ``OSError`` when it cannot be read."""
        with TemporaryDirectory(prefix="muster-") as folder:  # readable by its owner alone
            copy = Path(folder) / "file"

            def copy_to_here(store: Store) -> None:
                create_file(copy, self.file_mode)
                with open(copy, "wb", opener=own_file) as file:
                    file.writelines(store.read(name))

            try:
                self._store.do("cannot be read", copy_to_here)
            except ExportError as error:
                raise OSError(str(error).removeprefix(f"{self.url}: ").removeprefix("cannot be read: ")) from error
            except FileNotFoundError:
                copy.unlink(missing_ok=True)
            yield copy

    # Trying again

    def ask_again(self) -> None:
        """Make requests again, though the destination was given up before."""
        self._store.ask_again()

    def stop(self) -> None:
        """End the pauses between tries: the command is asked to stop."""
        self._store.stop()

    def close(self) -> None:
        """End the connection."""
        self._store.close()


def _holds(store: Store, name: str, size: int | None, sha256: str | None) -> bool:
    reported = store.stat(name)
    if reported is None or reported.size != size:
        return False
    if reported.sha256 is not None:
        return reported.sha256 == sha256
    digest = hashlib.sha256()
    try:
        for chunk in store.read(name):
            digest.update(chunk)
    except FileNotFoundError:  # a receiver took it meanwhile
        return False
    return digest.hexdigest() == sha256


def _read(store: Store, name: str) -> bytes | None:
    try:
        return b"".join(store.read(name))
    except FileNotFoundError:  # a receiver took it meanwhile
        return None
