"""The state folder: the ledger, the Parquet files it names, and the lock (F6, S6, SPEC 10). Edge module.

.muster/
├── ledger.sqlite            what was evaluated, delivered and begun
├── ledger.checked           the form in which the ledger was left whole: it is not checked again while it has it
├── memberships/<audience>/  one file an evaluation (E8)
├── baselines/<destination>/<activation>/  the delivered set of the last success
├── rejects/                 what each run left out, and why
├── tmp/                     files being written; whatever lies here when a command starts is left over from a killed one
└── lock                     held by the command that writes
"""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from activation import engine
from activation.errors import ExportError, StateError
from activation.records import StoredFile
from activation.state_folder import FOLDERS, StateFolder, checksum, create_file, make_folder, sync, words

_CHUNK = 1 << 20


class State(StateFolder):
    """The state folder of a workspace."""

    def __init__(self, folder: Path, file_mode: int) -> None:
        super().__init__(folder, file_mode)
        self._checked: set[StoredFile] = set()

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
            raise ExportError(f"{self.folder.name}/{file}: the state cannot be written: {words(error)}") from error
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
            problem = f"cannot be read ({words(error)})"
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


class ScratchState(State):
    """A state that reads what is there and writes elsewhere: for `plan`, which changes nothing."""

    def __init__(self, state: State, scratch: Path) -> None:
        super().__init__(scratch, state.file_mode)
        self._real = state
        for name in FOLDERS:
            make_folder(scratch / name, state.file_mode)

    def read(self, stored: StoredFile) -> pl.LazyFrame:
        """A file of the scratch folder, else the real one."""
        return super().read(stored) if (self.folder / stored.file).exists() else self._real.read(stored)

    def remove(self, stored: StoredFile) -> None:
        """Nothing that is there goes away."""

    def keep_only(self, folder: str, named: Collection[str]) -> None:
        """Nothing that is there goes away."""
