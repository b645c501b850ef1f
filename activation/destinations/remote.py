"""A destination on another machine (F1, F3): files are staged here, uploaded whole, and compared with what the place reports. Edge module.

    stage    a file of the state folder's ``staging/``, named by the run
    publish  upload, compare size and checksum
    unstage  once the run is committed                     -> killed in between: uploaded again, the same bytes

What may pass is tried again, with growing pauses that chance spreads; what cannot is told at once. After a place was
given up, whatever else this command has for it fails at once with the same words.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile
from muster.activation.stores.protocol import (
    DamagedError,
    PassingError,
    PlaceError,
    Sent,
    Store,
    StoreError,
    TakenError,
)
from muster.activation.system.disk import create_file, make_folder, own_file, sync
from muster.activation.system.os_errors import system_message

log = logging.getLogger("muster.deliver")
T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0  # seconds


class RemoteTarget:
    """A place that a ``Store`` reaches. One thread at a time uses it."""

    is_remote = True

    def __init__(self, url: str, opened: Callable[[], Store], staging: Path, file_mode: int, *, retries: int) -> None:
        self.url = url
        self.file_mode = file_mode
        self._staging = staging
        self._opened = opened
        self._store: Store | None = None
        self._given_up: str | None = None
        self._attempts = retries + 1
        self._stopped = threading.Event()

    # The staged files, on this machine

    def check(self) -> None:
        """Nothing: whatever the place refuses is met when files are brought there, beside other work."""

    def check_free(self, names: Iterable[str], *, replace: bool) -> None:
        """Nothing: the same."""

    @contextmanager
    def told(self, then: str) -> Iterator[None]:
        """What this machine's disk refuses of the staged files."""
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(self._staging):
                raise  # a file that was read
            said = system_message(error)
            raise ExportError(f"{self.url}: its files cannot be written in the state folder: {said}; {then}") from error

    def _staged(self, temporary: str) -> Path:
        return self._staging / PurePosixPath(temporary).name  # it holds the run's id and the part

    def stage(self, temporary: str) -> Path:
        """Create an empty file in the state's staging folder."""
        path = self._staged(temporary)
        make_folder(path.parent, self.file_mode)
        create_file(path, self.file_mode)
        return path

    def sync(self, temporary: str) -> None:
        """Make the staged file survive a power cut."""
        path = self._staged(temporary)
        sync(path)
        sync(path.parent)

    def is_staged(self, temporary: str) -> bool:
        """Whether it lies here."""
        return self._staged(temporary).exists()

    def unstage(self, temporary: str) -> None:
        """Remove the staged file."""
        self._staged(temporary).unlink(missing_ok=True)

    # The place

    def reach(self) -> None:
        """``ExportError`` when it cannot be reached or is not there."""
        self._do("cannot be reached", lambda store: store.reach())

    def publish(self, file: PlannedFile, *, replace: bool) -> None:
        """Upload a staged file, until the place reports the same size and checksum. Until the run is committed it stays here, too."""
        sent = Sent(
            self._staged(file.temporary), file.path, file.temporary, file.size or 0, file.sha256 or "", self.file_mode
        )
        self._put(sent, replace=replace)

    def _put(self, sent: Sent, *, replace: bool) -> None:
        tries = 0

        def put(store: Store) -> None:
            nonlocal tries
            tries += 1
            try:
                store.put(sent, replace=replace)
            except TakenError:
                # A try before this one may have got through though its answer was lost, also one of a killed command.
                if not _holds(store, sent.name, sent.size, sent.sha256):
                    raise
            except DamagedError:
                self.unstage(sent.temporary)  # so that the run is made again, with the files that it promised
                raise
            except FileNotFoundError as error:
                if error.filename is not None:  # of this machine
                    raise
                raise PassingError("the place says that it is not there") from error

        self._do(f"{sent.name} cannot be written", put)
        log.info("%s/%s: uploaded, %d bytes", self.url, sent.name, sent.size, extra={"tries": tries})

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
        """Remove the staged file, and what an interrupted upload of it may have left at the place."""
        self.unstage(temporary)
        self._do(
            f"{name}: what an interrupted upload left cannot be removed", lambda store: store.clear(name, temporary)
        )

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._do(f"{name} cannot be removed", lambda store: store.delete(name))

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        return self._do(f"{name} cannot be looked at", lambda store: store.stat(name)) is not None

    def holds(self, name: str, size: int | None, sha256: str | None) -> bool:
        """Whether the file there is exactly the one meant: as the place reports it, or read where it does not tell."""
        return self._do(f"{name} cannot be read", lambda store: _holds(store, name, size, sha256))

    def says(self, name: str, text: str) -> bool:
        """Whether the small file there is exactly this text."""
        content = text.encode()

        def read(store: Store) -> bool:
            reported = store.stat(name)
            return reported is not None and reported.size == len(content) and _read(store, name) == content

        return self._do(f"{name} cannot be read", read)

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A copy of the file, for as long as it is needed; ``OSError`` when it cannot be had."""
        with TemporaryDirectory(prefix="muster-") as folder:  # its owner's alone
            copy = Path(folder) / "file"

            def fetch(store: Store) -> None:
                create_file(copy, self.file_mode)
                with open(copy, "wb", opener=own_file) as file:
                    file.writelines(store.read(name))

            try:
                self._do("cannot be read", fetch)
            except ExportError as error:
                raise OSError(str(error).removeprefix(f"{self.url}: ").removeprefix("cannot be read: ")) from error
            except FileNotFoundError:
                copy.unlink(missing_ok=True)
            yield copy

    # Trying again

    def try_again(self) -> None:
        """Ask the place again, though it was given up."""
        self._given_up = None

    def stop(self) -> None:
        """End the pauses: the command is asked to stop."""
        self._stopped.set()

    def close(self) -> None:
        """End the connection."""
        if self._store is not None:
            _close(self._store)

    def _do(self, what: str, action: Callable[[Store], T]) -> T:
        """Carry out one thing, again if what hinders it may pass; ``ExportError`` when it cannot be done."""
        if self._given_up:
            raise ExportError(f"{self.url}: not tried again in this command: {self._given_up}")
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts) | stop_when_event_set(self._stopped),
            wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE) + wait_random(0, _FIRST_PAUSE),
            retry=retry_if_exception_type(PassingError),
            before_sleep=self._before_trying_again,
            sleep=sleep_using_event(self._stopped),
            reraise=True,
        )
        try:
            done: T = retrying(self._once, action)
        except TakenError as error:
            raise ExportError(
                f"{self.url}/{error}: a file that this run did not plan stands there; it is left as it is: move it away"
            ) from error
        except DamagedError as error:
            said = "the file in the state folder is not as it was written; the next command writes it again"
            raise ExportError(f"{self.url}: {what}: {said}") from error
        except PlaceError as error:  # whatever was to be done there
            self._given_up = str(error)
            raise ExportError(f"{self.url}: {error}") from error
        except PassingError as error:
            self._given_up = str(error)
            tries = f"; tried {self._attempts} times" if self._attempts > 1 else ""
            raise ExportError(f"{self.url}: {what}: {error}{tries}") from error
        except StoreError as error:
            raise ExportError(f"{self.url}: {what}: {error}") from error
        return done

    def _once(self, action: Callable[[Store], T]) -> T:
        if self._store is None:
            self._store = self._opened()
        return action(self._store)

    def _before_trying_again(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        log.warning(
            "%s: %s; trying again in %.1f s (%d of %d)",
            self.url,
            error,
            pause,
            state.attempt_number,
            self._attempts - 1,
        )
        if self._store is not None:
            _close(self._store)


def _close(store: Store) -> None:
    with suppress(Exception):  # a connection that is broken already, or an interpreter that ends
        store.close()


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
    except FileNotFoundError:  # taken meanwhile
        return False
    return digest.hexdigest() == sha256


def _read(store: Store, name: str) -> bytes | None:
    try:
        return b"".join(store.read(name))
    except FileNotFoundError:  # taken meanwhile
        return None


STAGING = "staging"  # a folder in which files wait to be uploaded, made when there are any
