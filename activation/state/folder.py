"""The state folder as a whole: it is made, locked, opened for reading or writing, and refused when damaged (F6, S6)."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from muster.activation.errors import LockedError, MusterError, StateError
from muster.activation.state import leftovers, permissions, state_paths
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.file import create, fingerprint, forget_mark, mark_checked
from muster.activation.system.disk import make_folder
from muster.activation.system.os_errors import system_message

_SEE = "see `state` in muster.yml"
_NEED_A_LEDGER = (
    state_paths.MEMBERSHIPS,
    state_paths.BASELINES,
    state_paths.REJECTS,
    state_paths.GRAPHS,
)  # files in these were recorded in one
# The tables that a command records something in.
_FACTS = ("evaluations", "failures", "runs", "sightings", "forgotten", "builds")
_ATTEMPTS = 1000  # to take the lock of a folder that other commands make and remove


class StateFolder:
    """The state folder of a workspace, for reading or, with its lock held, for writing."""

    def __init__(self, folder: Path, file_mode: int, *, allow_insecure: bool = False) -> None:
        self.folder = folder
        self.file_mode = file_mode
        self.allow_insecure = allow_insecure

    @property
    def ledger_path(self) -> Path:
        """The path of the ledger."""
        return self.folder / state_paths.LEDGER

    def fingerprint(self) -> str:
        """Return text that differs after every command that wrote; empty text where no ledger can be seen."""
        try:
            return fingerprint(self.ledger_path)
        except OSError:
            return ""

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """Open the last committed ledger, without the lock; an empty ledger when there is no state yet."""
        ledger = Ledger.open(self.ledger_path) if self._exists() else Ledger.empty()
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def writing(self, wait: float, *, thorough: bool = False) -> Iterator[Ledger]:
        """Take the lock, make the folder if need be, and open the ledger; ``LockedError`` after ``wait`` seconds.

        ``thorough`` checks the whole ledger, even if nothing has touched it since the last check.
        """
        self._exists()  # a state without its ledger is refused before anything is made
        with self.locked(wait):
            self._make_folders()
            if thorough:
                forget_mark(self.ledger_path)
            new, ledger = not self._exists(), None
            try:
                if new:
                    self._create()
                ledger = Ledger.open(self.ledger_path, writing=True)
                leftovers.clear(self.folder, ledger, self.file_mode)
                yield ledger
            finally:
                useless = new and (ledger is None or is_blank(ledger))
                if ledger:
                    ledger.close()
                if useless:
                    self._remove()  # made by this command, which was refused or stopped before it had done anything
            if ledger.intact and not useless:
                mark_checked(self.ledger_path, self.file_mode)

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """Take the lock, in a folder that is made if need be; ``LockedError`` after ``wait`` seconds."""
        from filelock import FileLock, Timeout  # noqa: PLC0415  # readers take no lock

        lock = FileLock(self.folder / state_paths.LOCK, timeout=wait, mode=self.file_mode)
        for _ in range(_ATTEMPTS):  # another first command may be refused, and remove the folder again
            try:
                self._make_folder(self.folder)  # those inside are made once no other command can remove them
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
                    f"{self.folder.name}/{state_paths.LOCK}: the state folder cannot be locked: {system_message(error)}"
                ) from error
        else:
            raise StateError(
                f"{self.folder.name}: the state folder cannot be created: another process removes it; {_SEE}"
            )
        try:
            yield
        finally:
            lock.release()

    def _exists(self) -> bool:
        """Return whether a state exists.

        ``StateError`` when its files are there without the ledger, when others can write it, when a restore was
        interrupted, or when the folder cannot be used.
        """
        try:
            self._refuse_unusable()
            if self.ledger_path.exists():
                return True
        except OSError as error:
            raise StateError(
                f"{self.folder.name}: the state folder cannot be read: {system_message(error)}; {_SEE}"
            ) from error
        found = [name for name in _NEED_A_LEDGER if any((self.folder / name).rglob("*.parquet"))]
        if found:
            raise StateError(
                f"{self.folder.name}: the ledger is missing, but its files remain ({', '.join(found)}): the state is "
                f"damaged; restore {state_paths.LEDGER} from a backup, or move the state folder away to start anew: "
                "each next export then holds everybody"
            )
        return False

    def _refuse_unusable(self) -> None:
        what = ""
        if self.folder.is_symlink() and not self.folder.exists():
            what = "it is a link to a file or folder that does not exist"
        elif self.folder.is_file():
            what = "it is a file"
        if what:
            raise StateError(f"{self.folder.name}: the state folder cannot be used: {what}; {_SEE}")
        if not self.allow_insecure:
            permissions.refuse_insecure(self.folder, self.file_mode)
        if (self.folder / state_paths.RESTORING).exists():
            raise StateError(
                f"{self.folder.name}: a restore of the state was interrupted; run `muster state restore BACKUP "
                f"--force` again; the former state is in {self.folder.name}/{state_paths.REPLACED}*"
            )

    def _create(self) -> None:
        try:
            create(self.ledger_path, self.file_mode)
        except (OSError, MusterError) as error:
            raise self._cannot_be_made(error) from error

    def _make_folders(self) -> None:
        for name in state_paths.FOLDERS:
            self._make_folder(self.folder / name)
            if not (self.folder / name).is_dir():
                raise StateError(f"{self.folder.name}/{name}: is a file; expected a folder of the state: move it away")

    def _make_folder(self, folder: Path) -> None:
        """Make a folder; ``FileNotFoundError`` when another command removes it, or one above it, at that moment."""
        try:
            make_folder(folder, self.file_mode)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._cannot_be_made(error) from error

    def _cannot_be_made(self, error: Exception) -> StateError:
        return StateError(f"{self.folder.name}: the state folder cannot be created: {system_message(error)}; {_SEE}")

    def _remove(self) -> None:
        """Remove the folder, its lock last: a command that waits for the lock goes on in a new folder."""
        for name in (*state_paths.FOLDERS, *state_paths.OF_BUILDS):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.ledger_path.unlink(missing_ok=True)
        for name in (state_paths.LEDGER_CHECKED, state_paths.CONFIG_CHECKED, state_paths.LOCK):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # another command has made something in it again
            self.folder.rmdir()


def is_blank(ledger: Ledger) -> bool:
    """Return whether no command recorded anything in the ledger yet."""
    return not any(ledger.ask(f"SELECT 1 FROM {table} LIMIT 1") for table in _FACTS)
