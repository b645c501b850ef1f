"""The state folder itself: its ledger, its lock, and what a killed command left in it (F6, S6, SPEC 10). Edge module."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path, PurePosixPath

from muster.activation.destinations.remote import STAGING
from muster.activation.errors import LockedError, MusterError, StateError
from muster.activation.state import permissions
from muster.activation.state.ledger import baselines_table, named_files, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.file import create, fingerprint, forget_mark, mark_checked
from muster.activation.system.disk import create_file, make_folder, sync
from muster.activation.system.os_errors import system_message

RESTORING = "restoring"  # a folder that stands in the state while a backup takes its place
PRUNING = "pruning"  # a file that stands in the folder while pruned files may still be there
FOLDERS = ("memberships", "baselines", "rosters", "rejects", "decisions", "tmp")
_ATTEMPTS = 1000  # to take the lock of a folder that others make and take away


class StateFolder:
    """The state folder of a workspace, for reading or, with its lock held, for writing."""

    def __init__(self, folder: Path, file_mode: int, *, allow_insecure: bool = False) -> None:
        self.folder = folder
        self.file_mode = file_mode
        self.allow_insecure = allow_insecure

    @property
    def _ledger_path(self) -> Path:
        return self.folder / "ledger.sqlite"

    def fingerprint(self) -> str:
        """Return a text that differs after every command that wrote; an empty one where no ledger can be seen."""
        try:
            return fingerprint(self._ledger_path)
        except OSError:
            return ""

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """The last committed ledger, without the lock; an empty one when there is no state yet."""
        ledger = Ledger.open(self._ledger_path) if self._exists() else Ledger.empty()
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def writing(self, wait: float, *, thorough: bool = False) -> Iterator[Ledger]:
        """The ledger with the lock held; the folder is made if need be. ``LockedError`` after ``wait`` seconds.

        ``thorough``: the ledger is looked at as a whole, even if nobody has touched it since that was done.
        """
        self._exists()  # a state without its ledger is refused before anything is made
        with self.locked(wait):
            self._make_folders()
            if thorough:
                forget_mark(self._ledger_path)
            new, ledger = not self._exists(), None
            try:
                if new:
                    self._create()
                ledger = Ledger.open(self._ledger_path, writing=True)
                self._clear_leftovers(ledger)
                yield ledger
            finally:
                useless = new and (ledger is None or is_blank(ledger))
                if ledger:
                    ledger.close()
                if useless:
                    self._remove()  # made by this command, which was refused or stopped before it had done anything
            if ledger.intact and not useless:
                mark_checked(self._ledger_path, self.file_mode)

    def _create(self) -> None:
        try:
            create(self._ledger_path, self.file_mode)
        except (OSError, MusterError) as error:
            raise StateError(
                f"{self.folder.name}: the state folder cannot be made: {system_message(error)}; see `state` in muster.yml"
            ) from error

    def _remove(self) -> None:
        """Take the folder away, its lock last: somebody may wait for it, and goes on in a folder that is made again."""
        for name in FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self._ledger_path.unlink(missing_ok=True)
        for name in ("ledger.checked", "config.checked", "lock"):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # somebody has made something in it again
            self.folder.rmdir()

    def _exists(self) -> bool:
        """Whether there is a state; ``StateError`` when its ledger is gone but its files are there, or others can write it."""
        try:
            if self.folder.is_file() or (self.folder.is_symlink() and not self.folder.exists()):
                what = (
                    "it is a link to a place that does not exist" if self.folder.is_symlink() else "a file stands there"
                )
                raise StateError(
                    f"{self.folder.name}: the state folder cannot be used: {what}; see `state` in muster.yml"
                )
            if not self.allow_insecure:
                permissions.refuse_insecure(self.folder, self.file_mode)
            if (self.folder / RESTORING).exists():
                raise StateError(
                    f"{self.folder.name}: a restore of the state was interrupted; `muster state restore "
                    f"BACKUP --force` again; "
                    f"what was there is in {self.folder.name}/replaced-*"
                )
            if self._ledger_path.exists():
                return True
        except OSError as error:
            raise StateError(
                f"{self.folder.name}: the state folder cannot be read: {system_message(error)}; see `state` in muster.yml"
            ) from error
        left = [
            name for name in ("memberships", "baselines", "rejects") if any((self.folder / name).rglob("*.parquet"))
        ]
        if left:
            raise StateError(
                f"{self.folder.name}: the ledger is missing but {' and '.join(left)} are there: the state is damaged; "
                "restore ledger.sqlite from a backup, or move the state folder away to start anew: every "
                "first export then holds everybody"
            )
        return False

    def _make_folders(self) -> None:
        for name in FOLDERS:
            self._make_folder(self.folder / name)
            if not (self.folder / name).is_dir():
                raise StateError(
                    f"{self.folder.name}/{name}: a file stands where a folder of the state belongs; move it away"
                )

    def _make_folder(self, folder: Path) -> None:
        """Make it; ``FileNotFoundError`` when somebody takes it, or one above it, away at that moment."""
        try:
            make_folder(folder, self.file_mode)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StateError(
                f"{self.folder.name}: the state folder cannot be made: {system_message(error)}; see `state` in muster.yml"
            ) from error

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """The lock, in a folder that is made if need be; ``LockedError`` after ``wait`` seconds."""
        from filelock import FileLock, Timeout  # noqa: PLC0415  # readers take no lock

        lock = FileLock(self.folder / "lock", timeout=wait, mode=self.file_mode)
        for _ in range(_ATTEMPTS):  # another first command may be refused, and take the folder away again
            try:
                self._make_folder(self.folder)  # those inside are made once nobody else can take them away
                lock.acquire()
                break
            except FileNotFoundError:
                continue
            except Timeout:
                raise LockedError(
                    "another muster is working in this workspace; try again later, or pass --wait SECONDS"
                ) from None
            except OSError as error:
                raise StateError(
                    f"{self.folder.name}/lock: the state folder cannot be locked: {system_message(error)}"
                ) from error
        else:
            raise StateError(
                f"{self.folder.name}: the state folder cannot be made: it vanishes; see `state` in muster.yml"
            )
        try:
            yield
        finally:
            lock.release()

    def _clear_leftovers(self, ledger: Ledger) -> None:
        """What a killed command left: files that were being written, and delivered sets that the ledger names no more, or not yet."""
        for path in (self.folder / "tmp").iterdir():
            if not path.is_dir():  # a folder is none of muster's
                path.unlink(missing_ok=True)
        for path in unnamed_staged(self.folder, ledger):
            path.unlink(missing_ok=True)
        named = baselines_table.files(ledger)
        baselines = self.folder / "baselines"
        for file in glob("*/*/*.parquet", root_dir=baselines):  # noqa: PTH207  # pathlib's takes several times as long for many folders
            if f"baselines/{file}" not in named:
                (baselines / file).unlink(missing_ok=True)
        if (self.folder / PRUNING).exists():
            self.sweep(ledger)

    def announce_pruning(self) -> None:
        """Before the ledger forgets files: should this command be killed, the next one removes them."""
        create_file(self.folder / PRUNING, self.file_mode)
        sync(self.folder)

    def sweep(self, ledger: Ledger) -> None:
        """Remove every file that the ledger does not name."""
        for file in named_files.unnamed(self.folder, ledger):
            (self.folder / file).unlink(missing_ok=True)
        (self.folder / PRUNING).unlink(missing_ok=True)


def is_blank(ledger: Ledger) -> bool:
    """Return whether no command recorded anything in the ledger yet."""
    return not any(ledger.ask(f"SELECT 1 FROM {table} LIMIT 1") for table in ("evaluations", "runs", "sightings"))


def unnamed_staged(folder: Path, ledger: Ledger) -> list[Path]:
    """The files that wait for an upload which no run is about to make."""
    waiting = sorted(path for path in (folder / STAGING).glob("*") if not path.is_dir())
    if not waiting:
        return []
    named = {PurePosixPath(file.temporary).name for run in runs_table.unfinished(ledger) for file in run.files}
    return [path for path in waiting if path.name not in named]
