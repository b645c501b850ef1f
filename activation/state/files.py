"""The Parquet files of the state: each appears complete or not at all, and is read once its checksum was compared."""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from muster.activation.errors import ExportError, StateError
from muster.activation.frames import engine
from muster.activation.frames.columns import REALIZED
from muster.activation.model.history import StoredFile
from muster.activation.state import block_frames, block_layout, state_paths
from muster.activation.state.block_digests import CheckedBlocks
from muster.activation.system.disk import checksum, create_file, make_folder, sync
from muster.activation.system.os_errors import system_message

DELIVERED = "delivered"  # the column of a mask
SEARCHED_ROWS = 1 << 16  # of a row group of a file that is read in part
NUMBERING = "muster.numbering"  # the metadata of a file with numbers of profiles: the numbering that they are of


class State:
    """The Parquet files in a workspace's state folder."""

    def __init__(self, folder: Path, file_mode: int) -> None:
        self.folder = folder
        self.file_mode = file_mode
        self._checked: set[StoredFile] = set()
        self._blocks = CheckedBlocks()
        self._realized: dict[StoredFile, pl.Series] = {}  # by part of a block, as ``keep_realized`` says
        self.missed = False  # a file was missing, or not what the ledger says: damage, or another command at work

    def write(
        self,
        frame: pl.LazyFrame | pl.DataFrame,
        file: str,
        metadata: Mapping[str, str] | None = None,
        *,
        searched: bool = False,
    ) -> StoredFile:
        """Write a frame as Parquet; it appears complete or not at all, and survives a power cut once this returns.

        ``metadata`` goes into the file's metadata. A file that is ``searched`` by a column that it is sorted by is read
        in part: it has small row groups, and statistics of them. ``ExportError`` when the system refuses.
        """
        sink = _sink(frame, metadata or {}, searched=searched)
        return self.place(file, sink, lambda path: [_whole(file, path)])[0]

    def write_roster(self, frame: pl.DataFrame, metadata: Mapping[str, str]) -> str:
        """Write a roster, whose file is named by its checksum, and return that checksum."""
        return self._write_by_checksum(frame, state_paths.roster_file, metadata).sha256

    def copy(self, stored: StoredFile, file: str) -> StoredFile:
        """Copy a file of the state to another place in it; ``StateError`` unless the file is as it was written."""
        self._scan(stored, "")
        source = self.path(stored)

        def fill(path: Path) -> None:
            shutil.copyfile(source, path)

        return self.place(file, fill, lambda path: [_whole(file, path)])[0]

    def write_numbered(self, frame: pl.DataFrame) -> StoredFile:
        """Write ids of the numbering, whose file is named by its checksum."""
        return self._write_by_checksum(frame, state_paths.numbering_file, {})

    def _write_by_checksum(
        self, frame: pl.DataFrame, named: Callable[[str], str], metadata: Mapping[str, str]
    ) -> StoredFile:
        """Write a file to the name that its checksum gives."""
        working = state_paths.kind_of(named(""))

        def described(path: Path) -> list[StoredFile]:
            whole = _whole(working, path)
            return [replace(whole, file=named(whole.sha256))]

        return self.place(working, _sink(frame, metadata), described)[0]

    def place(
        self,
        working: str,
        fill: Callable[[Path], None],
        described: Callable[[Path], list[StoredFile]],
        *,
        checked: bool = True,
    ) -> list[StoredFile]:
        """Let ``fill`` write a file of the working name in ``tmp/``, then move it to its place; returns its parts.

        ``described`` returns what the ledger is to have of the file: itself, or the parts of a block. ``checked`` says
        that the checksums are surely those of the file, so that ``read`` need not compare them.
        """
        temporary = state_paths.temporary(self.folder, working)
        file = working
        try:
            create_file(temporary, self.file_mode)
            with engine.writing(temporary):
                fill(temporary)
            sync(temporary)
            stored = described(temporary)
            file = stored[0].path
            final = self.folder / file
            make_folder(final.parent, self.file_mode)
            temporary.replace(final)
            sync(final.parent)
        except OSError as error:
            raise ExportError(
                f"{self.folder.name}/{file}: the state cannot be written: {system_message(error)}"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        if checked:
            self._checked.update(stored)
        return stored

    def path(self, stored: StoredFile) -> Path:
        """Return the path of a stored file."""
        return self.folder / stored.path

    def read_roster(self, name: str) -> tuple[pl.LazyFrame, dict[str, str]]:
        """Return a roster and its file's metadata; ``StateError`` when the file is missing or was changed."""
        stored = StoredFile(state_paths.roster_file(name), name, -1)
        return self.read(stored), self.metadata(stored)

    def metadata(self, stored: StoredFile) -> dict[str, str]:
        """Return a file's metadata, once the file was checked as ``read`` does."""
        self._scan(stored, "")
        with engine.translated():
            return pl.read_parquet_metadata(self.path(stored))

    def read(self, stored: StoredFile, remedy: str = "") -> pl.LazyFrame:
        """Return a stored file as a lazy frame, after comparing its checksum with the ledger's.

        Of an audience's part of a block: the columns ``MEMBERSHIPS`` in the order of the profiles' numbers; with a
        mask, without members who were not delivered.
        ``StateError`` when the checksum differs: ``remedy`` says what to do then, unless that follows from the kind of
        file.
        """
        if stored.audience is not None:
            found = block_frames.memberships(self._scan(stored, remedy), stored.audience)
            return block_frames.masked(found, self._mask(stored, stored.mask, remedy)) if stored.mask else found
        return self._scan(stored, remedy)

    def _mask(self, part: StoredFile, mask: StoredFile, remedy: str) -> pl.Series:
        """Whether a delivered set in a part of a block holds the profile of each number (Boolean).

        ``StateError`` where the part was made again since with the numbers of another numbering: they are others.
        """
        found = engine.collect(self._scan(mask, remedy))[DELIVERED]
        if self._numbering_of(mask) != self._numbering_of(part):
            advice = remedy or "run `muster baseline reset DESTINATION/ACTIVATION`: its next export is a first one"
            raise StateError(f"{mask.path}: its numbers are of a numbering that was damaged since; {advice}")
        return found

    def _numbering_of(self, stored: StoredFile) -> str:
        return self.metadata(stored).get(NUMBERING, "")

    def write_mask(self, delivered: pl.Series, file: str, part: StoredFile) -> StoredFile:
        """Write whom of a part's members a delivered set holds, by number (Boolean), for ``StoredFile.mask``."""
        about = {NUMBERING: self._numbering_of(part)}
        return self.write(pl.DataFrame([delivered.alias(DELIVERED)]), file, about)

    def read_by_number(self, stored: StoredFile, remedy: str = "") -> pl.DataFrame:
        """Return an audience's part of a block by the profiles' numbers, one row each, checked as ``read`` does.

        Columns: ``realized`` (Boolean; null for never a member) and ``last_qualification_time``. With a mask, members
        who were not delivered are not realized.
        """
        if stored.audience is None:
            raise ValueError(stored)
        block, realized = self._scan(stored, remedy), self._realized.get(stored.whole)
        if realized is None:
            found = engine.collect(block_frames.by_number(block, stored.audience))
        else:
            times = engine.collect(block_frames.times_by_number(block, stored.audience))
            found = pl.DataFrame([realized.alias(REALIZED), *times])
        return block_frames.masked_by_number(found, self._mask(stored, stored.mask, remedy)) if stored.mask else found

    def keep_realized(self, stored: StoredFile, realized: pl.Series) -> None:
        """Keep in memory which profiles of a part are realized, which takes long to decode, for ``read_by_number``.

        ``realized`` (Boolean) has just been read from the part, or written to it: the file was checked and has it too.
        """
        self._realized[stored] = realized

    def read_block(self, parts: Sequence[StoredFile]) -> pl.LazyFrame:
        """Return parts of one block with the columns of ``block_frames.schema_of``, each checked as ``read`` does."""
        block, *_ = [self._scan(each, "") for each in parts]
        return block.select(block_frames.schema_of(str(each.audience) for each in parts).names())

    def read_parts(self, parts: Sequence[StoredFile]) -> pl.LazyFrame:
        """Return parts of one block by the profiles' numbers, one row each, checked as ``read`` does.

        Columns: ``realized:<audience>`` and ``last_qualification_time:<audience>`` of each part.
        """
        scans = [self._scan(each, "") for each in parts]
        return scans[0].select(name for each in parts for name in block_layout.columns_of(str(each.audience)))

    def _scan(self, stored: StoredFile, remedy: str) -> pl.LazyFrame:
        """Return all columns of a file once its checksum was compared."""
        stored = stored.whole
        self.check(stored, remedy)
        return pl.scan_parquet(self.path(stored), glob=False, hive_partitioning=False)

    def check(self, stored: StoredFile, remedy: str = "") -> None:
        """Compare a file's checksum with the ledger's, as ``read`` does, whatever kind of file it is."""
        if stored not in self._checked:
            self._check(stored, remedy)
            self._checked.add(stored)

    def _check(self, stored: StoredFile, remedy: str) -> None:
        path = self.path(stored)
        try:
            if stored.audience is not None:
                problem = self._blocks.problem(path, stored)
            else:
                problem = "" if self._blocks.is_intact(path, stored) else "the file differs from what was written"
        except FileNotFoundError:
            problem = "the file is missing"
        except OSError as error:
            problem = f"the file cannot be read ({system_message(error)})"
        if problem:
            self.missed = True
            raise StateError(
                f"{self.folder.name}/{stored.path}: {problem}: the state is damaged; {remedy or _remedy(stored)}"
            )

    @staticmethod
    def is_memberships(stored: StoredFile) -> bool:
        """Return whether a stored file is one that an evaluation wrote; a delivered set may be such a file."""
        return state_paths.kind_of(stored.file) == state_paths.MEMBERSHIPS

    def remove(self, stored: StoredFile, newer: StoredFile | None = None) -> None:
        """Remove a delivered set's own files to which the ledger no longer refers; those of evaluations stay.

        ``newer`` is the delivered set to which the ledger refers instead.
        """
        kept = {each.path for each in (newer, newer and newer.mask) if each}
        for each in (stored, stored.mask):
            if each and not self.is_memberships(each) and each.path not in kept:
                (self.folder / each.path).unlink(missing_ok=True)

    def remove_rejects(self, run_id: str) -> None:
        """Remove the list of the profiles that a failed run left out, if it was written."""
        (self.folder / state_paths.rejects_file(run_id)).unlink(missing_ok=True)

    def remove_decision(self, run_id: str) -> None:
        """Remove the rows of a run whose files are not delivered after all."""
        (self.folder / state_paths.decision_file(run_id)).unlink(missing_ok=True)

    def keep_rosters(self, names: Collection[str]) -> None:
        """Remove all rosters but those with these checksums."""
        self.keep_only(state_paths.ROSTERS, {state_paths.roster_file(name) for name in names})

    def keep_only(self, folder: str, named: Collection[str]) -> None:
        """Remove the Parquet files of a folder that are not ``named``: replaced ones, and those of killed commands."""
        for path in (self.folder / folder).glob("*.parquet"):
            if f"{folder}/{path.name}" not in named:
                path.unlink(missing_ok=True)


class ScratchState(State):
    """The state for `plan`, which changes nothing: reads what is there, and writes into a scratch folder."""

    def __init__(self, state: State, scratch: Path) -> None:
        super().__init__(scratch, state.file_mode)
        self._real = state
        for name in state_paths.FOLDERS:
            make_folder(scratch / name, state.file_mode)

    def read(self, stored: StoredFile, remedy: str = "") -> pl.LazyFrame:
        """Read a file of the scratch folder if it is there, else the real one."""
        return super().read(stored, remedy) if (self.folder / stored.path).exists() else self._real.read(stored, remedy)

    def read_by_number(self, stored: StoredFile, remedy: str = "") -> pl.DataFrame:
        """Read a block of the scratch folder if it is there, else the real one."""
        if (self.folder / stored.path).exists():
            return super().read_by_number(stored, remedy)
        return self._real.read_by_number(stored, remedy)

    def read_parts(self, parts: Sequence[StoredFile]) -> pl.LazyFrame:
        """Read a block of the scratch folder if it is there, else the real one."""
        is_here = (self.folder / parts[0].path).exists()
        return super().read_parts(parts) if is_here else self._real.read_parts(parts)

    def path(self, stored: StoredFile) -> Path:
        """Return the path in the scratch folder if the file is there, else in the real one."""
        here = super().path(stored)
        return here if here.exists() else self._real.path(stored)

    def remove(self, stored: StoredFile, newer: StoredFile | None = None) -> None:
        """Remove no file: `plan` changes nothing."""

    def keep_only(self, folder: str, named: Collection[str]) -> None:
        """Remove no file: `plan` changes nothing."""


def _sink(
    frame: pl.LazyFrame | pl.DataFrame, metadata: Mapping[str, str], *, searched: bool = False
) -> Callable[[Path], None]:
    """Return what writes a frame to a path as the state keeps it."""

    def sink(path: Path) -> None:
        engine.collect(
            frame.lazy().sink_parquet(
                path,
                compression="zstd",
                compression_level=1,
                statistics=searched,
                row_group_size=SEARCHED_ROWS if searched else None,
                metadata=dict(metadata),
                lazy=True,
            )
        )

    return sink


def _whole(file: str, path: Path) -> StoredFile:
    """Return what the ledger is to have of the file at a path."""
    return StoredFile(file, checksum(path), path.stat().st_size)


def _remedy(stored: StoredFile) -> str:
    """Return what a user can do about a damaged file, by its kind."""
    kind, *names = Path(stored.path).parts
    if kind == state_paths.MEMBERSHIPS:
        audience = stored.audience or names[0]
        return (
            f"restore the file from a backup, or run `muster state repair --reevaluate {audience}`; "
            "see `muster state check`"
        )
    everybody = "export then holds everybody"
    if kind == state_paths.BASELINES:
        reset = f"`muster baseline reset {names[0]}/{names[1]}`"
        return f"restore the file from a backup, or run {reset}: its next {everybody}"
    if kind == state_paths.OUTBOX:
        return f"run `muster state repair --drop-outbox {names[0]}/{names[1]}`; see `muster state check`"
    if kind in state_paths.OF_BUILDS:
        repair = f"`muster state repair --rebuild {names[0]}`"
        return f"restore the file from a backup, or run {repair}; see `muster state check`"
    if kind == state_paths.NUMBERING:
        return "restore the file from a backup, or leave it: the next evaluation numbers profiles anew"
    if kind == state_paths.ROSTERS:
        reset = "`muster baseline reset DESTINATION/ACTIVATION`"
        return f"restore the file from a backup, or run {reset}: its next {everybody}"
    return f"restore the file from a backup, or move the state folder away to start anew: each next {everybody}"
