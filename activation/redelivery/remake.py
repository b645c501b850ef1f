"""A run's files and manifest made again in a folder of their own (F3, X4): `replay`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from muster.activation.delivery.files import manifest_temporary
from muster.activation.delivery.manifest import with_files
from muster.activation.errors import ExportError, RefusedError
from muster.activation.model.history import PlannedFile, Run
from muster.activation.redelivery.material import RunMaterial, gather_material, has_same_bytes, refuse_unwritten
from muster.activation.redelivery.today import refuse_destination, refuse_forbidden
from muster.activation.session import Session
from muster.activation.stores.folder.target import LocalTarget
from muster.activation.system.disk import folder_mode, make_folder
from muster.activation.system.os_errors import system_message


@dataclass(frozen=True)
class MadeRequest:
    """A request of a run of messages whose body was made again; method, url and key are those of HTTP alone."""

    id: str
    method: str | None
    url: str | None  # without credentials
    key: str | None


@dataclass(frozen=True)
class Remade:
    """The files of a run that were made again; ``error`` when some differ from those delivered.

    Of a run of messages they are the bodies of ``requests``, which are compared all together.
    """

    run: Run
    folder: Path
    files: tuple[PlannedFile, ...]
    error: ExportError | None = None
    requests: tuple[MadeRequest, ...] | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether the run's files were encrypted: bytes then differ each time, and their clear text is compared."""
        return any(file.clear_sha256 for file in self.run.files)

    def is_same(self, index: int) -> bool:
        """Whether the file at this index has the bytes that were delivered."""
        if self.requests is not None:
            return self.error is None
        return has_same_bytes(self.files[index], self.run.files[index])


def replay(run: Run, session: Session, folder: Path, *, as_recorded: bool = False) -> Remade:
    """Write a run's files and manifest into a new or empty folder, which appears complete or not at all.

    ``RefusedError`` for a folder that is taken, for a run whose files cannot be made again, and for one that today's
    policies forbid (G3): ``as_recorded`` writes that one too, for an audit, but not into the folder of a destination.
    """
    refuse_unwritten(run)
    remedy = f"; for an audit, `muster replay {run.run_id} --as-recorded` writes them into a folder of their own"
    if as_recorded:
        refuse_destination(folder, session)
    else:
        refuse_forbidden(run, session, remedy=remedy)
    material = gather_material(run, session, as_recorded=as_recorded, remedy=remedy)
    above = refuse_taken(folder)
    mode = run.file_mode or session.state.file_mode
    try:
        with TemporaryDirectory(dir=above, prefix=f".{folder.name}.") as temporary:
            target = LocalTarget(Path(temporary) / "files", str(folder), mode)
            files = tuple(_write_all(material, target))
            give_name(target, folder, mode)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be written: {system_message(error)}; nothing is left there") from error
    different = [file.path for file, before in zip(files, run.files, strict=True) if not has_same_bytes(file, before)]
    if not different:
        return Remade(run, folder, files)
    reason = material.why_different()
    return Remade(
        run,
        folder,
        files,
        ExportError(f"{folder}/{', '.join(different)}: not the bytes that were delivered: {reason}"),
    )


def refuse_taken(folder: Path) -> Path:
    """The nearest existing folder above ``folder``; ``RefusedError`` unless ``folder`` is new or empty."""
    if folder.is_dir():
        if any(folder.iterdir()):
            raise RefusedError(
                f"{folder}: the folder is not empty, and nothing is overwritten; give a new one with --to"
            )
    elif folder.exists() or folder.is_symlink():
        raise RefusedError(f"{folder}: is not a folder, and nothing is overwritten; give a new folder with --to")
    above = next(each for each in folder.absolute().parents if each.exists() or each.is_symlink())
    if not above.is_dir():
        raise RefusedError(f"{folder}: {above.name} is not a folder; give a new folder with --to")
    return above


def _write_all(material: RunMaterial, target: LocalTarget) -> Iterator[PlannedFile]:
    """Write all files of the run, and then its manifest; yields each file with its new size and checksum."""
    run = material.run
    make_folder(target.root, target.file_mode)
    files = []
    for file in material.write(run.files, target):
        target.publish(file, replace=False)
        files.append(file)
        yield file
    target.sync_names((file.path for file in files), set())
    if run.manifest_name:
        target.write(run.manifest_name, manifest_temporary(run), with_files(run, files).manifest or "")
        target.sync_names([run.manifest_name], set())


def give_name(target: LocalTarget, folder: Path, mode: int) -> None:
    """Rename the finished folder to its final name."""
    make_folder(folder.absolute().parent, mode)
    target.root.chmod(folder_mode(mode))
    target.root.rename(folder.resolve() if folder.is_dir() else folder)
