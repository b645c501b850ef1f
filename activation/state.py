"""The state folder: the ledger, the Parquet files it names, and the lock (F6, S6, SPEC 10). Edge module.

.muster/
├── ledger.sqlite            what was evaluated, delivered and begun
├── memberships/<audience>/  one file an evaluation (E8)
├── baselines/<destination>/<activation>/  the delivered set of the last success
├── rejects/                 what each run left out, and why
├── tmp/                     files being written; whatever lies here when a command starts is left over from a killed one
└── lock                     held by the command that writes
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from activation import engine
from activation.errors import ExportError, LockedError, MusterError, StateError
from activation.ledger import Ledger, create
from activation.records import StoredFile

_FOLDERS = ("memberships", "baselines", "rejects", "tmp")
_CHUNK = 1 << 20


def folder_mode(file_mode: int) -> int:
    """The mode of a folder whose files have ``file_mode``: who may read may also search (F6)."""
    return file_mode | ((file_mode & 0o444) >> 2)


def make_folder(folder: Path, file_mode: int) -> None:
    """Create a folder and those above it that are missing, each with the matching mode; existing ones are left as they are."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        place.chmod(folder_mode(file_mode))


def create_file(path: Path, mode: int) -> None:
    """Create an empty file with exactly this mode, whatever the umask; what stands there is replaced."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class State:
    """The state folder of a workspace."""

    def __init__(self, folder: Path, file_mode: int) -> None:
        self.folder = folder
        self.file_mode = file_mode
        self._checked: set[StoredFile] = set()

    @property
    def _ledger_path(self) -> Path:
        return self.folder / "ledger.sqlite"

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """The last committed ledger, without the lock; an empty one when there is no state yet."""
        ledger = Ledger.open(self._ledger_path) if self._exists() else Ledger.empty()
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def writing(self, wait: float) -> Iterator[Ledger]:
        """The ledger with the lock held; the folder is made if need be. ``LockedError`` after ``wait`` seconds."""
        self._exists()  # a state without its ledger is refused before anything is made
        with self._locked(wait):
            self._make_folders()
            new, ledger = not self._exists(), None
            try:
                if new:
                    self._create()
                ledger = Ledger.open(self._ledger_path)
                self._clear_leftovers(ledger)
                yield ledger
            finally:
                if new and (ledger is None or ledger.is_blank()):
                    self._remove()  # made by this command, which was refused or stopped before it had done anything
                if ledger:
                    ledger.close()

    def _create(self) -> None:
        try:
            create(self._ledger_path, self.file_mode)
        except (OSError, MusterError) as error:
            raise StateError(f"{self.folder.name}: the state folder cannot be made: {_words(error)}; see `state` in muster.yml") from error

    def _remove(self) -> None:
        """Take the folder away, its lock last: somebody may wait for it, and goes on in a folder that is made again."""
        for name in _FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self._ledger_path.unlink(missing_ok=True)
        (self.folder / "lock").unlink(missing_ok=True)
        with suppress(OSError):  # somebody has made something in it again
            self.folder.rmdir()

    def _exists(self) -> bool:
        """Whether there is a state; ``StateError`` when its ledger is gone but its files are there."""
        if self.folder.is_file() or (self.folder.is_symlink() and not self.folder.exists()):
            what = "it is a link to a place that does not exist" if self.folder.is_symlink() else "a file stands there"
            raise StateError(f"{self.folder.name}: the state folder cannot be used: {what}; see `state` in muster.yml")
        if self._ledger_path.exists():
            return True
        left = [name for name in ("memberships", "baselines", "rejects") if any((self.folder / name).rglob("*.parquet"))]
        if left:
            raise StateError(
                f"{self.folder.name}: the ledger is missing but {' and '.join(left)} are there: the state is damaged; "
                "restore ledger.sqlite from a backup, or move the state folder away to start anew: every first export then holds everybody"
            )
        return False

    def _make_folders(self) -> None:
        try:
            for name in _FOLDERS:
                make_folder(self.folder / name, self.file_mode)
                if not (self.folder / name).is_dir():
                    raise StateError(f"{self.folder.name}/{name}: a file stands where a folder of the state belongs; move it away")
        except OSError as error:
            raise StateError(f"{self.folder.name}: the state folder cannot be made: {_words(error)}; see `state` in muster.yml") from error

    @contextmanager
    def _locked(self, wait: float) -> Iterator[None]:
        lock = FileLock(self.folder / "lock", timeout=wait, mode=self.file_mode)
        while not lock.is_locked:
            self._make_folders()
            try:
                lock.acquire()
            except FileNotFoundError:
                continue  # another first command was refused, and has just taken the folder away again
            except Timeout:
                raise LockedError("another muster is working in this workspace; try again later, or pass --wait SECONDS") from None
            except OSError as error:
                raise StateError(f"{self.folder.name}/lock: the state folder cannot be locked: {_words(error)}") from error
        try:
            yield
        finally:
            lock.release()

    def _clear_leftovers(self, ledger: Ledger) -> None:
        """What a killed command left: files that were being written, and delivered sets that the ledger names no more, or not yet."""
        for path in (self.folder / "tmp").iterdir():
            if not path.is_dir():  # a folder is none of muster's
                path.unlink(missing_ok=True)
        named = ledger.baseline_files()
        for path in (self.folder / "baselines").glob("*/*/*.parquet"):
            if path.relative_to(self.folder).as_posix() not in named:
                path.unlink(missing_ok=True)

    def write(self, frame: pl.LazyFrame | pl.DataFrame, file: str) -> StoredFile:
        """Write a frame as Parquet; it appears complete or not at all, and survives a power cut once this returns."""
        final = self.folder / file
        temporary = self.folder / "tmp" / file.replace("/", "~")
        try:
            make_folder(final.parent, self.file_mode)
            create_file(temporary, self.file_mode)
            with engine.writing(temporary):
                engine.collect(frame.lazy().sink_parquet(temporary, compression="zstd", compression_level=1, lazy=True))
            sync(temporary)
            stored = StoredFile(file, checksum(temporary), temporary.stat().st_size)
            temporary.replace(final)
            sync(final.parent)
        except OSError as error:
            raise ExportError(f"{self.folder.name}/{file}: the state cannot be written: {_words(error)}") from error
        finally:
            temporary.unlink(missing_ok=True)
        self._checked.add(stored)
        return stored

    def read(self, stored: StoredFile) -> pl.LazyFrame:
        """A stored file as a lazy frame, once its checksum was compared with the ledger's; ``StateError`` when it differs."""
        path = self.folder / stored.file
        if stored not in self._checked:
            self._check(path, stored)
            self._checked.add(stored)
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)

    def _check(self, path: Path, stored: StoredFile) -> None:
        try:
            intact = path.stat().st_size == stored.size and checksum(path) == stored.sha256
            problem = "" if intact else "differs from what was written"
        except FileNotFoundError:
            problem = "is missing"
        except OSError as error:
            problem = f"cannot be read ({_words(error)})"
        if problem:
            raise StateError(f"{self.folder.name}/{stored.file}: the file {problem}: the state is damaged; {self._remedy(stored)}")

    @staticmethod
    def _remedy(stored: StoredFile) -> str:
        kind, *names = Path(stored.file).parts
        if kind == "baselines":
            return f"restore the file from a backup, or `muster baseline reset {names[0]}/{names[1]}`: its next export then holds everybody"
        return "restore the file from a backup, or move the state folder away to start anew: every first export then holds everybody"

    def remove(self, stored: StoredFile) -> None:
        """Remove a stored file that the ledger names no more."""
        (self.folder / stored.file).unlink(missing_ok=True)

    def remove_rejects(self, run_id: str) -> None:
        """Remove the list of what a run left out, if it came to that: the run did not go through."""
        (self.folder / "rejects" / f"{run_id}.parquet").unlink(missing_ok=True)

    def keep_only(self, folder: str, named: Collection[str]) -> None:
        """Remove the files of a folder that the ledger does not name: replaced by now, or left by a killed command."""
        for path in (self.folder / folder).glob("*.parquet"):
            if f"{folder}/{path.name}" not in named:
                path.unlink(missing_ok=True)


def _words(error: Exception) -> str:
    """What the system says, without its number and its path."""
    said = error.strerror if isinstance(error, OSError) else None
    return (said or str(error)).lower()


class ScratchState(State):
    """A state that reads what is there and writes elsewhere: for `plan`, which changes nothing."""

    def __init__(self, state: State, scratch: Path) -> None:
        super().__init__(scratch, state.file_mode)
        self._real = state
        for name in _FOLDERS:
            make_folder(scratch / name, state.file_mode)

    def read(self, stored: StoredFile) -> pl.LazyFrame:
        """A file of the scratch folder, else the real one."""
        return super().read(stored) if (self.folder / stored.file).exists() else self._real.read(stored)

    def remove(self, stored: StoredFile) -> None:
        """Nothing that is there goes away."""

    def keep_only(self, folder: str, named: Collection[str]) -> None:
        """Nothing that is there goes away."""
