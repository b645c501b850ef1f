"""The state folder: the ledger, the Parquet files it names, and the lock (F6, S6, SPEC 10). Edge module.

.muster/
├── ledger.sqlite            what was evaluated, delivered and begun
├── ledger.checked           the form in which the ledger was left whole: it is not checked again while it has it
├── config.checked           the config that was found without mistake, and what that depends on
├── memberships/<audience>/  one file an evaluation (E8)
├── baselines/<destination>/<activation>/  the delivered set of the last success
├── rosters/                 the numbers of profiles in these files, named by their checksums
├── rejects/                 what each run left out, and why
├── decisions/               the rows that each run wrote, unless an evaluation's memberships say the same
├── staging/                 files of runs that wait to be uploaded to another machine
├── tmp/                     files being written; whatever lies here when a command starts is left over from a killed one
└── lock                     held by the command that writes
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import polars as pl

from muster.activation.errors import ExportError, StateError
from muster.activation.frames import engine
from muster.activation.model.history import StoredFile
from muster.activation.state.folder import FOLDERS, StateFolder
from muster.activation.system.disk import checksum, create_file, make_folder, sync
from muster.activation.system.os_errors import system_message

_CHUNK = 1 << 20


class State(StateFolder):
    """The state folder of a workspace."""

    def __init__(self, folder: Path, file_mode: int, *, allow_insecure: bool = False) -> None:
        super().__init__(folder, file_mode, allow_insecure=allow_insecure)
        self._checked: set[StoredFile] = set()
        self.missed = False  # a file was gone, or not what the ledger says: damage, or another command at work

    def write(
        self, frame: pl.LazyFrame | pl.DataFrame, file: str, about: Mapping[str, str] | None = None
    ) -> StoredFile:
        """Write a frame as Parquet; it appears complete or not at all, and survives a power cut once this returns.

        ``about`` goes into the file's metadata.
        """
        return self._write(frame, file, lambda _: file, about or {})

    def write_roster(self, frame: pl.DataFrame, about: Mapping[str, str]) -> str:
        """Keep a roster; its file is named by its checksum, which is returned."""
        return self._write(frame, "roster", lambda sha256: f"rosters/{sha256}.parquet", about).sha256

    def _write(
        self, frame: pl.LazyFrame | pl.DataFrame, working: str, named: Callable[[str], str], about: Mapping[str, str]
    ) -> StoredFile:
        temporary = self.folder / "tmp" / working.replace("/", "~")
        file = working
        try:
            create_file(temporary, self.file_mode)
            sink = frame.lazy().sink_parquet(
                temporary, compression="zstd", compression_level=1, statistics=False, metadata=dict(about), lazy=True
            )
            with engine.writing(temporary):
                engine.collect(sink)
            sync(temporary)
            sha256 = checksum(temporary)
            file = named(sha256)
            final = self.folder / file
            make_folder(final.parent, self.file_mode)
            stored = StoredFile(file, sha256, temporary.stat().st_size)
            temporary.replace(final)
            sync(final.parent)
        except OSError as error:
            raise ExportError(
                f"{self.folder.name}/{file}: the state cannot be written: {system_message(error)}"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        self._checked.add(stored)
        return stored

    def path(self, stored: StoredFile) -> Path:
        """Where a stored file lies."""
        return self.folder / stored.file

    def read_roster(self, name: str) -> tuple[pl.LazyFrame, dict[str, str]]:
        """A kept roster and its file's metadata; ``StateError`` when it is gone or is not what its name says."""
        stored = StoredFile(f"rosters/{name}.parquet", name, -1)
        frame = self.read(stored)
        with engine.translated():
            return frame, pl.read_parquet_metadata(self.path(stored))

    def keep_rosters(self, names: Collection[str]) -> None:
        """Remove the rosters that nothing goes on from any more."""
        self.keep_only("rosters", {f"rosters/{name}.parquet" for name in names})

    def read(self, stored: StoredFile, remedy: str = "") -> pl.LazyFrame:
        """A stored file as a lazy frame, once its checksum was compared with the ledger's; ``StateError`` when it differs.

        ``remedy`` says what to do then, unless it follows from the kind of file.
        """
        path = self.folder / stored.file
        if stored not in self._checked:
            self._check(path, stored, remedy)
            self._checked.add(stored)
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)

    def _check(self, path: Path, stored: StoredFile, remedy: str) -> None:
        try:
            intact = stored.size in (path.stat().st_size, -1) and checksum(path) == stored.sha256
            problem = "" if intact else "differs from what was written"
        except FileNotFoundError:
            problem = "is missing"
        except OSError as error:
            problem = f"cannot be read ({system_message(error)})"
        if problem:
            self.missed = True
            raise StateError(
                f"{self.folder.name}/{stored.file}: the file {problem}: the state is damaged; "
                f"{remedy or self._remedy(stored)}"
            )

    @staticmethod
    def _remedy(stored: StoredFile) -> str:
        kind, *names = Path(stored.file).parts
        if kind == "baselines":
            return (
                f"restore the file from a backup, or `muster baseline reset {names[0]}/{names[1]}`: its "
                f"next export then holds everybody"
            )
        if kind == "rosters":
            return (
                "restore the file from a backup, or `muster baseline reset` the activation: its next "
                "export then holds everybody"
            )
        return (
            "restore the file from a backup, or move the state folder away to start anew: every first "
            "export then holds everybody"
        )

    @staticmethod
    def is_memberships(stored: StoredFile) -> bool:
        """Whether a delivered set is what an evaluation found, and no file of its own."""
        return stored.file.startswith("memberships/")

    def remove(self, stored: StoredFile) -> None:
        """Remove a delivered set that the ledger names no more; an evaluation stays."""
        if not self.is_memberships(stored):
            (self.folder / stored.file).unlink(missing_ok=True)

    def remove_rejects(self, run_id: str) -> None:
        """Remove the list of what a run left out, if it came to that: the run did not go through."""
        (self.folder / "rejects" / f"{run_id}.parquet").unlink(missing_ok=True)

    def remove_decision(self, run_id: str) -> None:
        """Remove the rows of a run whose files are not delivered after all."""
        (self.folder / "decisions" / f"{run_id}.parquet").unlink(missing_ok=True)

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

    def read(self, stored: StoredFile, remedy: str = "") -> pl.LazyFrame:
        """A file of the scratch folder, else the real one."""
        return super().read(stored, remedy) if (self.folder / stored.file).exists() else self._real.read(stored, remedy)

    def path(self, stored: StoredFile) -> Path:
        """In the scratch folder, else in the real one."""
        here = super().path(stored)
        return here if here.exists() else self._real.path(stored)

    def remove(self, stored: StoredFile) -> None:
        """Nothing that is there goes away."""

    def keep_only(self, folder: str, named: Collection[str]) -> None:
        """Nothing that is there goes away."""
